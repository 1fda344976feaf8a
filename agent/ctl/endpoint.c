/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linnetctl endpoint list: the pods of this node, from the CNI plugin's records, with what the maps
 * and the devices have of them. No agent is asked.
 */
#include "agent/ctl/ctl.h"
#include "agent/ctl/kernel.h"
#include "agent/ctl/table.h"
#include "datapath/abi.h"
#include "lib/endpoint.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

static const char usage[] =
	"usage: linnetctl endpoint list [-n NAMESPACE] [-o json|wide]\n"
	"Prints the pods of this node as the CNI plugin has made them, and whether the programs\n"
	"and maps have them. STATE is one of\n"
	"  ready            its packets are served\n"
	"  closed           its policy does not fit into the maps: only the node reaches it\n"
	"  not-programmed   it is not in the maps: nothing passes\n"
	"  no-program       a program is missing at its device\n"
	"  gone             its device is not there; the runtime has not deleted it yet\n"
	"INGRESS and EGRESS: open, or isolated by NetworkPolicies, and the tiers that have rules.\n"
	"  -n, --namespace NAMESPACE   only pods of this namespace\n";

struct view {
	struct ctl_kernel kernel;
	struct lnt_endpoint *eps;
	size_t n;
	struct lnt_endpoint_value *values; /* of each, if it is in the map */
	bool *found;
};

static void view_clear(struct view *v)
{
	ctl_kernel_clear(&v->kernel);
	free(v->eps);
	free(v->values);
	free(v->found);
}

static bool see_entry(void *ctx, const void *key, const void *value)
{
	const struct lnt_endpoint_value *entry = value;
	struct view *v = ctx;

	for (size_t i = 0; i < v->n; i++) {
		const struct lnt_endpoint *ep = &v->eps[i];

		if (ep->host_ifindex != entry->ifindex || !ep->n_addrs ||
			memcmp(&ep->addrs[0], key, sizeof(ep->addrs[0])) != 0)
			continue;
		v->values[i] = *entry;
		v->found[i] = true;
	}
	return true;
}

static int by_name(const void *pa, const void *pb)
{
	const struct lnt_endpoint *a = pa, *b = pb;
	int r = strcmp(a->pod_ns, b->pod_ns);

	r = r ? r : strcmp(a->pod_name, b->pod_name);
	return r ? r : strcmp(a->container_id, b->container_id);
}

/* Nothing pinned is an answer: then nothing is programmed. */
static int look(struct view *v, const char *run_dir, const char *bpf_root, struct lnt_err *e)
{
	struct lnt_err none = {};
	uint64_t n;
	int r = lnt_endpoint_load_all(run_dir, e, &v->eps, &v->n);

	if (r)
		return r;
	if (v->n)
		qsort(v->eps, v->n, sizeof(*v->eps), by_name);
	v->values = calloc(v->n + 1, sizeof(*v->values));
	v->found = calloc(v->n + 1, sizeof(*v->found));
	if (!v->values || !v->found)
		return lnt_err_sys(e, -ENOMEM, "list endpoints");
	r = ctl_kernel_read_programs(bpf_root, &none, &v->kernel);
	if (!r)
		r = ctl_map_walk(bpf_root, "endpoints", see_entry, v, &none, &n);
	return r && r != -ENOENT ? lnt_err_set(e, r, "%s", none.msg) : 0;
}

static const char *state_of(const struct view *v, size_t i)
{
	const struct lnt_endpoint *ep = &v->eps[i];

	if (if_nametoindex(ep->host_ifname) != ep->host_ifindex)
		return "gone";
	if (!v->found[i])
		return "not-programmed";
	if (!ctl_kernel_find(&v->kernel, "from_pod", ep->host_ifname) ||
		!ctl_kernel_find(&v->kernel, "to_pod", ep->host_ifname))
		return "no-program";
	return v->values[i].flags & LNT_EP_CLOSED ? "closed" : "ready";
}

/* "isolated,admin"; what may pass without a rule is "open". */
static const char *policy_of(const struct view *v, size_t i, enum lnt_direction dir, char buf[32])
{
	unsigned flags = v->found[i] ? v->values[i].flags : 0;
	bool in = dir == LNT_INGRESS;
	bool isolated = flags & (in ? LNT_EP_ISOLATED_INGRESS : LNT_EP_ISOLATED_EGRESS);
	bool admin = flags & (in ? LNT_EP_ADMIN_INGRESS : LNT_EP_ADMIN_EGRESS);
	bool baseline = flags & (in ? LNT_EP_BASELINE_INGRESS : LNT_EP_BASELINE_EGRESS);

	if (!v->found[i])
		return strcpy(buf, "");
	snprintf(buf, 32, "%s%s%s", isolated ? "isolated" : "open", admin ? ",admin" : "",
		baseline ? ",baseline" : "");
	return buf;
}

static const char *mac_text(const uint8_t mac[6], char buf[18])
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
	return buf;
}

static cJSON *endpoint_json(const struct view *v, size_t i)
{
	const struct lnt_endpoint *ep = &v->eps[i];
	char addr[LNT_ADDRSTRLEN], policy[32], mac[18];
	cJSON *json = cJSON_CreateObject(), *list;

	cJSON_AddStringToObject(json, "namespace", ep->pod_ns);
	cJSON_AddStringToObject(json, "name", ep->pod_name);
	cJSON_AddStringToObject(json, "state", state_of(v, i));
	list = cJSON_AddArrayToObject(json, "addresses");
	for (unsigned k = 0; k < ep->n_addrs; k++)
		cJSON_AddItemToArray(list, cJSON_CreateString(lnt_addr_str(&ep->addrs[k], addr)));
	cJSON_AddStringToObject(json, "device", ep->host_ifname);
	cJSON_AddNumberToObject(json, "ifindex", ep->host_ifindex);
	cJSON_AddStringToObject(json, "mac", mac_text(ep->mac, mac));
	cJSON_AddStringToObject(json, "containerID", ep->container_id);
	cJSON_AddStringToObject(json, "interface", ep->ifname);
	cJSON_AddNumberToObject(json, "hostPorts", ep->n_portmaps);
	if (!v->found[i])
		return json;
	cJSON_AddStringToObject(json, "ingress", policy_of(v, i, LNT_INGRESS, policy));
	cJSON_AddStringToObject(json, "egress", policy_of(v, i, LNT_EGRESS, policy));
	cJSON_AddBoolToObject(json, "audit", v->values[i].flags & LNT_EP_AUDIT);
	cJSON_AddNumberToObject(json, "identity", v->values[i].identity);
	cJSON_AddNumberToObject(json, "policyID", v->values[i].policy_id);
	return json;
}

static void add_row(struct ctl_table *t, const struct view *v, size_t i)
{
	const struct lnt_endpoint *ep = &v->eps[i];
	char addrs[2][LNT_ADDRSTRLEN] = {}, both[2 * LNT_ADDRSTRLEN + 1], in[32], out[32], mac[18];
	char identity[16], policy[16];
	const struct lnt_endpoint_value *value = &v->values[i];

	for (unsigned k = 0; k < ep->n_addrs; k++)
		lnt_addr_str(&ep->addrs[k], addrs[k]);
	snprintf(both, sizeof(both), "%s%s%s", addrs[0], ep->n_addrs > 1 ? "," : "", addrs[1]);
	snprintf(identity, sizeof(identity), "%08x", value->identity);
	snprintf(policy, sizeof(policy), "%08x", value->policy_id);
	ctl_table_row(t,
		(const char *const[]){ep->pod_ns, *ep->pod_name ? ep->pod_name : ep->container_id,
			both, ep->host_ifname, state_of(v, i), policy_of(v, i, LNT_INGRESS, in),
			policy_of(v, i, LNT_EGRESS, out), mac_text(ep->mac, mac), identity, policy,
			ep->container_id, NULL});
}

static void print(const struct ctl *c, const struct view *v, const char *ns)
{
	static const char *const head[] = {"NAMESPACE", "NAME", "ADDRESSES", "DEVICE", "STATE",
		"INGRESS", "EGRESS", "MAC", "IDENTITY", "POLICY", "CONTAINER", NULL};
	static const char *const head_short[] = {
		"NAMESPACE", "NAME", "ADDRESSES", "DEVICE", "STATE", "INGRESS", "EGRESS", NULL};
	_cleanup_(ctl_table_clear) struct ctl_table t = {};
	cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "endpoints");

	ctl_table_head(&t, c->wide ? head : head_short);
	for (size_t i = 0; i < v->n; i++) {
		if (ns && strcmp(ns, v->eps[i].pod_ns) != 0)
			continue;
		if (c->json)
			cJSON_AddItemToArray(list, endpoint_json(v, i));
		else
			add_row(&t, v, i);
	}
	if (c->json) {
		ctl_print_json(json);
		return;
	}
	cJSON_Delete(json);
	ctl_table_print(&t, stdout);
}

static int list(struct ctl *c, int argc, char **argv)
{
	_cleanup_(view_clear) struct view v = {};
	struct lnt_err e = {};
	const char *ns;
	int code;

	if (!ctl_options_namespace(c, argc, argv, usage, &ns, &code))
		return code;
	if (look(&v, c->run_dir, ctl_find_bpf_root(c), &e)) {
		fprintf(stderr, "linnetctl: %s\n", e.msg);
		return CTL_FAILED;
	}
	print(c, &v, ns);
	return CTL_OK;
}

int ctl_endpoint(struct ctl *c, int argc, char **argv)
{
	return ctl_subverb(c, argc, argv, "list", list, usage);
}
