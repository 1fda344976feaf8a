/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linnetctl service list: the services that the agent knows, each frontend of which is looked up in
 * the map that the programs use.
 */
#include "agent/ctl/ctl.h"
#include "agent/ctl/flow.h"
#include "agent/ctl/kernel.h"
#include "agent/ctl/table.h"
#include "lib/json.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

static const char usage[] =
	"usage: linnetctl service list [-n NAMESPACE] [-o json|wide]\n"
	"Prints the services that the agent knows, and what this node serves of them.\n"
	"ENDPOINTS: ready ones of all. STATE is one of\n"
	"  ready          every address and port is in the maps\n"
	"  no-endpoints   the same, and clients are refused: nobody is ready\n"
	"  partly A/B     B addresses and ports are not all in the maps\n"
	"  taken          another service has one of its addresses and ports\n"
	"  headless, external-name, foreign   not linnet's to serve\n"
	"  -n, --namespace NAMESPACE   only services of this namespace\n"
	"  -o wide                     how clients are balanced, too\n";

struct list {
	struct ctl_table table;
	int services; /* the map, < 0: it is not there */
};

static int number(const cJSON *json, const char *key)
{
	const cJSON *item = lnt_json_get(json, key);

	return cJSON_IsNumber(item) ? item->valueint : 0;
}

/* Whether the kernel has it, with as many backends as the agent has chosen. */
static bool is_programmed(int map, const cJSON *frontend)
{
	struct lnt_service_key key = {.kind = LNT_FRONTEND_ASKED};
	struct lnt_service_value value;

	if (map < 0 || !lnt_json_get(frontend, "backends") ||
		lnt_addr_parse(ctl_text(frontend, "address"), &key.addr) ||
		ctl_proto_parse(ctl_text(frontend, "protocol"), &key.proto))
		return false;
	key.port = htons((uint16_t)number(frontend, "port"));
	return !bpf_map_lookup_elem(map, &key, &value) &&
		value.count == (uint32_t)number(frontend, "backends") &&
		(!(value.flags & LNT_SVC_EXTERNAL) ||
			value.ext_count == (uint32_t)number(frontend, "backendsOutside"));
}

/* Adds "programmed" to each frontend, and "state" to the service. */
static void judge(const struct list *l, cJSON *svc, char state[48])
{
	int n = 0, done = 0, backends = 0, taken = 0;
	cJSON *f;

	cJSON_ArrayForEach (f, lnt_json_get(svc, "frontends")) {
		bool ok = is_programmed(l->services, f);

		cJSON_AddBoolToObject(f, "programmed", ok);
		n++;
		done += ok;
		taken += lnt_json_get(f, "takenBy") != NULL;
		backends += number(f, "backends") + number(f, "backendsOutside");
	}
	if (!strcmp(ctl_text(svc, "type"), "ExternalName"))
		strcpy(state, "external-name");
	else if (cJSON_IsTrue(lnt_json_get(svc, "foreign")))
		strcpy(state, "foreign");
	else if (!cJSON_GetArraySize(lnt_json_get(svc, "clusterIPs")))
		strcpy(state, "headless");
	else if (taken)
		strcpy(state, "taken");
	else if (done < n)
		snprintf(state, 48, "partly %d/%d", done, n);
	else
		strcpy(state, backends ? "ready" : "no-endpoints");
	cJSON_AddStringToObject(svc, "state", state);
}

/* "10.96.0.1,fd00::1" of up to three lists. */
static void join(const cJSON *svc, const char *const *keys, char *buf, size_t size)
{
	const cJSON *item;
	size_t len = 0;

	buf[0] = '\0';
	for (; *keys; keys++)
		cJSON_ArrayForEach (item, lnt_json_get(svc, *keys))
			if (len < size)
				len += (size_t)snprintf(buf + len, size - len, "%s%s",
					len ? "," : "", cJSON_GetStringValue(item));
}

/* "80/TCP,443:30443/TCP" */
static void join_ports(const cJSON *svc, char *buf, size_t size)
{
	const cJSON *port;
	size_t len = 0;

	buf[0] = '\0';
	cJSON_ArrayForEach (port, lnt_json_get(svc, "ports")) {
		char node[16] = "";

		if (lnt_json_get(port, "nodePort"))
			snprintf(node, sizeof(node), ":%d", number(port, "nodePort"));
		if (len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%d%s/%s", len ? "," : "",
				number(port, "port"), node, ctl_text(port, "protocol"));
	}
}

static void add(void *ctx, cJSON *svc)
{
	static const char *const inside[] = {"clusterIPs", NULL};
	static const char *const outside[] = {"externalIPs", "loadBalancerIPs", NULL};
	const cJSON *eps = lnt_json_get(svc, "endpoints");
	char ips[128], ext[1024], ports[1024], n[32], state[48], affinity[CTL_AGE_STRLEN] = "";
	struct list *l = ctx;

	judge(l, svc, state);
	join(svc, inside, ips, sizeof(ips));
	join(svc, outside, ext, sizeof(ext));
	join_ports(svc, ports, sizeof(ports));
	snprintf(n, sizeof(n), "%d/%d", number(eps, "ready"), number(eps, "total"));
	if (number(svc, "affinitySeconds"))
		ctl_age(number(svc, "affinitySeconds"), affinity);
	ctl_table_row(&l->table,
		(const char *const[]){ctl_text(svc, "namespace"), ctl_text(svc, "name"),
			ctl_text(svc, "type"), ips, ext, ports, n, state, affinity,
			ctl_text(svc, "internalTrafficPolicy"),
			ctl_text(svc, "externalTrafficPolicy"), ctl_text(svc, "forwarding"), NULL});
}

static int list(struct ctl *c, int argc, char **argv)
{
#define HEAD \
	"NAMESPACE", "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "ENDPOINTS", "STATE"
	static const char *const head[] = {HEAD, NULL};
	static const char *const head_wide[] = {
		HEAD, "AFFINITY", "INTERNAL", "EXTERNAL", "FORWARDING", NULL};
#undef HEAD
	struct list l = {};
	const char *ns;
	int code;

	if (!ctl_options_namespace(c, argc, argv, usage, &ns, &code))
		return code;
	l.services = ctl_map_open(ctl_find_bpf_root(c), "services");
	ctl_table_head(&l.table, c->wide ? head_wide : head);
	code = ctl_list(c, "services", ns, add, &l);
	if (!c->json && code != CTL_FAILED)
		ctl_table_print(&l.table, stdout);
	ctl_table_clear(&l.table);
	if (l.services >= 0)
		close(l.services);
	return code;
}

int ctl_service(struct ctl *c, int argc, char **argv)
{
	return ctl_subverb(c, argc, argv, "list", list, usage);
}
