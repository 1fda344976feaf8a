/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of lists.h: names are taken at the start and looked up again for each portion, for the
 * store moves on meanwhile.
 */
#include "agent/explain/lists.h"
#include "agent/agent.h"
#include "agent/explain/applies.h"
#include "agent/explain/event.h"
#include "agent/explain/words.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

#define PORTION 16 /* objects: some ten KiB, about a millisecond */

struct item {
	enum lnt_kind kind;
	const char *ns, *name; /* interned, references of our own */
};

struct list {
	const struct lnt_agent *agent;
	const char *only; /* namespace, while names are taken; NULL: all */
	struct item *items;
	size_t n, cap, next;
	size_t told;
};

static void list_free(void *ctx)
{
	struct list *l = ctx;

	for (size_t i = 0; i < l->n; i++) {
		lnt_unintern(l->items[i].ns);
		lnt_unintern(l->items[i].name);
	}
	free(l->items);
	free(l);
}

static int add(void *ctx, const struct lnt_meta *obj)
{
	struct list *l = ctx;

	if (l->only && strcmp(l->only, obj->ns) != 0)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct item *items = reallocarray(l->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] =
		(struct item){obj->kind, lnt_intern_again(obj->ns), lnt_intern_again(obj->name)};
	return 0;
}

static int compare(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;
	int r = (int)b->kind - (int)a->kind;

	r = r ? r : strcmp(a->ns, b->ns);
	return r ? r : strcmp(a->name, b->name);
}

/* --- services --------------------------------------------------------------------------------- */

struct endpoints {
	unsigned ready, serving, total;
};

static int count_endpoints(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_endpointslice *slice = (const struct lnt_endpointslice *)obj;
	struct endpoints *n = ctx;

	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const struct lnt_slice_endpoint *ep = &slice->endpoints[i];

		n->total++;
		n->ready += ep->ready;
		n->serving += !ep->ready && ep->serving;
	}
	return 0;
}

static const char *type_text(const struct lnt_service *svc)
{
	switch (svc->type) {
	case LNT_SERVICE_NODE_PORT:
		return "NodePort";
	case LNT_SERVICE_LOAD_BALANCER:
		return "LoadBalancer";
	case LNT_SERVICE_EXTERNAL_NAME:
		return "ExternalName";
	default:
		return "ClusterIP";
	}
}

/* What is at an address: this service's frontend, another's, or none. */
static void add_frontend(const struct lnt_agent *a, const struct lnt_service *svc,
	const struct in6_addr *addr, uint16_t port, uint8_t proto, const char *as, cJSON *list)
{
	const struct lnt_service_key key = {
		.addr = *addr,
		.port = htons(port),
		.proto = proto,
		.kind = LNT_FRONTEND_ASKED,
	};
	const struct lnt_frontend *f = lnt_services_find(a->services, &key);
	char text[LNT_ADDRSTRLEN], other[2 * LNT_K8S_NAME_MAX], name[LNT_PROTO_STRLEN];
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "address", lnt_addr_str(addr, text));
	cJSON_AddNumberToObject(json, "port", port);
	cJSON_AddStringToObject(json, "protocol", lnt_proto_text(proto, name));
	cJSON_AddStringToObject(json, "as", as);
	cJSON_AddItemToArray(list, json);
	if (!f)
		return;
	if (strcmp(lnt_frontend_ns(f), svc->meta.ns) != 0 ||
		strcmp(lnt_frontend_name(f), svc->meta.name) != 0) {
		snprintf(other, sizeof(other), "%s/%s", lnt_frontend_ns(f), lnt_frontend_name(f));
		cJSON_AddStringToObject(json, "takenBy", other);
		return;
	}
	cJSON_AddNumberToObject(json, "backends", f->set ? f->set->n : 0);
	if (f->ext_set)
		cJSON_AddNumberToObject(json, "backendsOutside", f->ext_set->n);
}

static void add_addrs(cJSON *json, const char *key, const struct in6_addr *addrs, size_t n)
{
	cJSON *list = cJSON_AddArrayToObject(json, key);
	char text[LNT_ADDRSTRLEN];

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(lnt_addr_str(&addrs[i], text)));
}

static void add_frontends(const struct lnt_agent *a, const struct lnt_service *svc, cJSON *json)
{
	const struct {
		const struct in6_addr *addrs;
		size_t n;
		const char *as;
	} kinds[] = {
		{svc->cluster_ips, svc->n_cluster_ips, "ClusterIP"},
		{svc->external_ips, svc->n_external_ips, "ExternalIP"},
		{svc->balancer_ips, svc->n_balancer_ips, "LoadBalancer"},
	};
	cJSON *list = cJSON_AddArrayToObject(json, "frontends");

	for (size_t p = 0; svc->n_cluster_ips && p < svc->n_ports; p++) {
		const struct lnt_service_port *port = &svc->ports[p];

		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			for (size_t i = 0; i < kinds[k].n; i++)
				add_frontend(a, svc, &kinds[k].addrs[i], port->port, port->proto,
					kinds[k].as, list);
		for (size_t i = 0; port->node_port && i < a->n_nodeport_addrs; i++)
			if (svc->n_cluster_ips > 1 ||
				lnt_addr_is4(&a->nodeport_addrs[i].addr) ==
					lnt_addr_is4(&svc->cluster_ips[0]))
				add_frontend(a, svc, &a->nodeport_addrs[i].addr, port->node_port,
					port->proto, "NodePort", list);
	}
}

static void add_ports(const struct lnt_service *svc, cJSON *json)
{
	cJSON *list = cJSON_AddArrayToObject(json, "ports");
	char proto[LNT_PROTO_STRLEN];

	for (size_t i = 0; i < svc->n_ports; i++) {
		const struct lnt_service_port *port = &svc->ports[i];
		cJSON *item = cJSON_CreateObject();

		if (*port->name)
			cJSON_AddStringToObject(item, "name", port->name);
		cJSON_AddNumberToObject(item, "port", port->port);
		cJSON_AddStringToObject(item, "protocol", lnt_proto_text(port->proto, proto));
		if (port->node_port)
			cJSON_AddNumberToObject(item, "nodePort", port->node_port);
		cJSON_AddItemToArray(list, item);
	}
}

cJSON *lnt_list_service_json(const struct lnt_agent *a, const struct lnt_service *svc)
{
	bool dsr = svc->forwarding == LNT_FORWARDING_DEFAULT
		? a->opt->dsr
		: svc->forwarding == LNT_FORWARDING_DSR;
	cJSON *json = cJSON_CreateObject(), *eps;
	struct endpoints n = {};

	lnt_store_each_slice(a->store, svc->meta.ns, svc->meta.name, count_endpoints, &n);
	cJSON_AddStringToObject(json, "namespace", svc->meta.ns);
	cJSON_AddStringToObject(json, "name", svc->meta.name);
	cJSON_AddStringToObject(json, "type", type_text(svc));
	add_addrs(json, "clusterIPs", svc->cluster_ips, svc->n_cluster_ips);
	add_addrs(json, "externalIPs", svc->external_ips, svc->n_external_ips);
	add_addrs(json, "loadBalancerIPs", svc->balancer_ips, svc->n_balancer_ips);
	add_ports(svc, json);
	eps = cJSON_AddObjectToObject(json, "endpoints");
	cJSON_AddNumberToObject(eps, "ready", n.ready);
	cJSON_AddNumberToObject(eps, "serving", n.serving);
	cJSON_AddNumberToObject(eps, "total", n.total);
	cJSON_AddNumberToObject(json, "affinitySeconds", svc->affinity);
	cJSON_AddStringToObject(
		json, "externalTrafficPolicy", svc->external_local ? "Local" : "Cluster");
	cJSON_AddStringToObject(
		json, "internalTrafficPolicy", svc->internal_local ? "Local" : "Cluster");
	cJSON_AddStringToObject(json, "forwarding", dsr && !svc->external_local ? "dsr" : "snat");
	cJSON_AddBoolToObject(json, "foreign", svc->foreign);
	add_frontends(a, svc, json);
	return json;
}

/* --- policies --------------------------------------------------------------------------------- */

static bool is_policy(const struct lnt_policy_name *name, const struct lnt_netpol *policy)
{
	return name->kind == policy->meta.kind && !strcmp(name->ns, policy->meta.ns) &&
		!strcmp(name->name, policy->meta.name);
}

/* Whether a set of policies that does not fit into the maps has it. */
static bool is_closed(const struct lnt_agent *a, const struct lnt_netpol *policy)
{
	const struct lnt_policy_state *state = lnt_policies_state(a->policies);
	size_t n_closed = 0;
	const uint32_t *closed = a->sync ? lnt_sync_closed(a->sync, &n_closed) : NULL;

	for (size_t k = 0; k < n_closed; k++)
		for (size_t i = 0; i < state->n_sets; i++)
			for (size_t p = 0;
				state->sets[i].policy_id == closed[k] && p < state->sets[i].n; p++)
				if (is_policy(
					    &state->set_policies[state->sets[i].first + p], policy))
					return true;
	return false;
}

static unsigned count_pods(const struct lnt_agent *a, const struct lnt_netpol *policy)
{
	unsigned n = 0;

	for (size_t i = 0; i < a->registry.n; i++) {
		const struct lnt_endpoint *ep = &a->registry.eps[i];
		const struct lnt_pod *pod = (const struct lnt_pod *)lnt_store_get(
			a->store, LNT_KIND_POD, ep->pod_ns, ep->pod_name);

		n += pod && lnt_policy_selects(a->store, policy, pod);
	}
	return n;
}

cJSON *lnt_list_policy_json(const struct lnt_agent *a, const struct lnt_netpol *policy)
{
	const struct lnt_policy_state *state = lnt_policies_state(a->policies);
	bool here = false;
	cJSON *json = cJSON_CreateObject(), *problems;

	cJSON_AddStringToObject(json, "kind", lnt_notice_kind_text(policy->meta.kind));
	cJSON_AddStringToObject(json, "namespace", policy->meta.ns);
	cJSON_AddStringToObject(json, "name", policy->meta.name);
	cJSON_AddStringToObject(json, "tier", lnt_tier_text(policy->tier));
	if (policy->tier != LNT_TIER_NETWORK)
		cJSON_AddNumberToObject(json, "priority", policy->priority);
	cJSON_AddBoolToObject(json, "ingress", policy->ingress);
	cJSON_AddBoolToObject(json, "egress", policy->egress);
	cJSON_AddNumberToObject(json, "ingressRules", (double)policy->n_ingress_rules);
	cJSON_AddNumberToObject(json, "egressRules", (double)policy->n_egress_rules);
	cJSON_AddNumberToObject(json, "podsHere", count_pods(a, policy));
	cJSON_AddBoolToObject(json, "programmed", a->sync && !is_closed(a, policy));
	problems = cJSON_AddArrayToObject(json, "problems");
	for (size_t i = 0; i < state->n_problems; i++) {
		if (!is_policy(&state->problems[i].policy, policy))
			continue;
		here = true;
		cJSON_AddItemToArray(problems, cJSON_CreateString(state->problems[i].text));
	}
	/* Of a policy that is about no pod here nothing is compiled. */
	if (!here && policy->unsupported)
		cJSON_AddItemToArray(problems, cJSON_CreateString(policy->unsupported));
	return json;
}

/* --- telling ---------------------------------------------------------------------------------- */

/* False: there was no room for it. */
static bool tell_item(struct list *l, struct lnt_ctl_conn *conn, const struct item *item)
{
	const struct lnt_meta *obj =
		lnt_store_get(l->agent->store, item->kind, item->ns, item->name);
	_cleanup_json_ cJSON *json = NULL;

	if (!obj)
		return true;
	json = item->kind == LNT_KIND_SERVICE
		? lnt_list_service_json(l->agent, (const struct lnt_service *)obj)
		: lnt_list_policy_json(l->agent, (const struct lnt_netpol *)obj);
	if (!lnt_ctl_say(conn, json))
		return false;
	l->told++;
	return true;
}

static bool tell_portion(void *ctx, struct lnt_ctl_conn *conn)
{
	_cleanup_json_ cJSON *end = NULL;
	struct list *l = ctx;

	/* What does not fit behind others is told again; what fits nowhere is left out. */
	for (unsigned i = 0; i < PORTION && l->next < l->n; i++, l->next++)
		if (!tell_item(l, conn, &l->items[l->next]) && i)
			break;
	if (l->next < l->n)
		return true;
	end = cJSON_CreateObject();
	cJSON_AddNumberToObject(end, "end", (double)l->told);
	lnt_ctl_say(conn, end);
	return false;
}

static int take_names(struct list *l, const char *of)
{
	const struct lnt_store *st = l->agent->store;
	int r;

	if (!strcmp(of, "services"))
		return lnt_store_each(st, LNT_KIND_SERVICE, add, l);
	if (strcmp(of, "policies") != 0)
		return -EINVAL;
	r = lnt_store_each(st, LNT_KIND_CLUSTERNETWORKPOLICY, add, l);
	return r ? r : lnt_store_each(st, LNT_KIND_NETWORKPOLICY, add, l);
}

void lnt_list_tell(struct lnt_agent *a, struct lnt_ctl_conn *conn, const cJSON *req)
{
	const char *of = lnt_json_str(req, "of");
	struct list *l = calloc(1, sizeof(*l));
	int r = l ? 0 : -ENOMEM;

	if (l) {
		l->agent = a;
		l->only = lnt_json_str(req, "namespace");
		r = take_names(l, of ? of : "");
		l->only = NULL;
		if (l->n)
			qsort(l->items, l->n, sizeof(*l->items), compare);
	}
	if (!r && !lnt_ctl_feed(conn, tell_portion, list_free, l))
		r = -EBUSY;
	if (!r)
		return;
	if (l)
		list_free(l);
	lnt_ctl_refuse(conn,
		r == -EINVAL	      ? "a list is of services or policies"
			: r == -EBUSY ? "another list is being told"
				      : "out of memory");
}
