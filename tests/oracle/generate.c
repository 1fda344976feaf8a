/* SPDX-License-Identifier: Apache-2.0 */
/* The clusters of generate.h and what happens to them. Policies are in generate_policy.c. */
#include "tests/oracle/generate.h"
#include "tests/oracle/cluster.h"

#include <stdio.h>

#define N_POD_NAMES 6

static const char *const namespaces[] = {"s0", "s1", "s2"};
const char *const generate_port_names[3] = {"http", "dns", "web"};
const int generate_ports[8] = {1, 53, 79, 80, 81, 443, 8080, 65535};
const char *const generate_protos[3] = {"TCP", "UDP", "SCTP"};

cJSON *generate_object(const char *api, const char *kind, const char *ns, const char *name)
{
	cJSON *o = cJSON_CreateObject(), *meta;

	cJSON_AddStringToObject(o, "apiVersion", api);
	cJSON_AddStringToObject(o, "kind", kind);
	meta = cJSON_AddObjectToObject(o, "metadata");
	if (ns)
		cJSON_AddStringToObject(meta, "namespace", ns);
	cJSON_AddStringToObject(meta, "name", name);
	return o;
}

/* --- labels ----------------------------------------------------------------------------------- */

static const char *const values[] = {"a", "b", "c"};
static const struct {
	const char *keys[3];
	unsigned n;
} labels[] = {
	[LABELS_POD] = {{"app", "tier", "x"}, 3},
	[LABELS_NS] = {{"team", "env", "kubernetes.io/metadata.name"}, 3},
	[LABELS_NODE] = {{"zone", "role"}, 2},
};

static const char *random_value(struct rng *r, const char *key)
{
	return strchr(key, '/') ? PICK(r, namespaces) : PICK(r, values);
}

void generate_labels(struct rng *r, cJSON *object, enum generate_labels whose)
{
	cJSON *list = cJSON_CreateObject();

	for (unsigned i = 0; i < labels[whose].n; i++) {
		const char *key = labels[whose].keys[i];

		/* The API server gives a namespace its name as a label. */
		if (strchr(key, '/'))
			cJSON_AddStringToObject(list, key, json_name(object));
		else if (roll(r, 3))
			cJSON_AddStringToObject(list, key, random_value(r, key));
	}
	/* What no selector asks for. */
	if (one_in(r, 4))
		cJSON_AddStringToObject(list, "hash", PICK(r, values));
	cJSON_AddItemToObject(json_get(object, "metadata"), "labels", list);
}

static void add_expression(struct rng *r, cJSON *list, const char *key)
{
	static const char *const ops[] = {"In", "NotIn", "Exists", "DoesNotExist"};
	cJSON *e = json_push_object(list), *of;
	unsigned op = roll(r, 4);

	cJSON_AddStringToObject(e, "key", key);
	cJSON_AddStringToObject(e, "operator", ops[op]);
	if (op > 1)
		return;
	of = cJSON_AddArrayToObject(e, "values");
	for (unsigned n = 1 + roll(r, 2); n; n--)
		json_push_text(of, random_value(r, key));
}

void generate_selector(struct rng *r, cJSON *o, const char *key, enum generate_labels whose)
{
	cJSON *sel = cJSON_AddObjectToObject(o, key), *part;
	unsigned form = roll(r, 8), n = labels[whose].n;

	/* Empty, with labels, with expressions, with both. */
	if (form >= 2 && form != 5) {
		part = cJSON_AddObjectToObject(sel, "matchLabels");
		for (unsigned i = 0; i < n; i++)
			if (one_in(r, n))
				cJSON_AddStringToObject(part, labels[whose].keys[i],
					random_value(r, labels[whose].keys[i]));
	}
	if (form >= 5) {
		part = cJSON_AddArrayToObject(sel, "matchExpressions");
		for (unsigned i = 1 + roll(r, 2); i; i--)
			add_expression(r, part, labels[whose].keys[roll(r, n)]);
	}
}

/* --- namespaces, nodes, pods ------------------------------------------------------------------ */

static cJSON *random_namespace(struct rng *r, const char *name)
{
	cJSON *o = generate_object("v1", "Namespace", NULL, name);

	generate_labels(r, o, LABELS_NS);
	return o;
}

static void add_node_address(cJSON *list, const char *type, const char *address)
{
	cJSON *item = json_push_object(list);

	cJSON_AddStringToObject(item, "type", type);
	cJSON_AddStringToObject(item, "address", address);
}

/* Node n1 is at 192.168.0.10, the others at 192.168.0.2 and 192.168.0.3. */
static unsigned node_host(unsigned node)
{
	return node ? 1 + node : 10;
}

static cJSON *random_node(struct rng *r, unsigned node)
{
	char name[8], text[32];
	cJSON *o, *list;

	snprintf(name, sizeof(name), "n%u", node + 1);
	o = generate_object("v1", "Node", NULL, name);
	generate_labels(r, o, LABELS_NODE);
	list = cJSON_AddArrayToObject(cJSON_AddObjectToObject(o, "status"), "addresses");
	add_node_address(list, "Hostname", name);
	snprintf(text, sizeof(text), "192.168.0.%u", node_host(node));
	add_node_address(list, "InternalIP", text);
	snprintf(text, sizeof(text), "fd00:9::%u", node_host(node));
	if (roll(r, 4))
		add_node_address(list, "InternalIP", text);
	snprintf(text, sizeof(text), "198.51.100.%u", 100 + node);
	if (one_in(r, 4))
		add_node_address(list, "ExternalIP", text);
	return o;
}

static void add_ports(struct rng *r, cJSON *pod, const char *kind, const char *restart)
{
	cJSON *c, *ports, *port;

	c = json_push_object(cJSON_AddArrayToObject(json_get(pod, "spec"), kind));
	cJSON_AddStringToObject(c, "name", kind);
	if (restart)
		cJSON_AddStringToObject(c, "restartPolicy", restart);
	ports = cJSON_AddArrayToObject(c, "ports");
	for (unsigned n = roll(r, 4); n; n--) {
		port = json_push_object(ports);
		if (roll(r, 6))
			cJSON_AddStringToObject(port, "name", PICK(r, generate_port_names));
		cJSON_AddNumberToObject(port, "containerPort", PICK(r, generate_ports));
		if (roll(r, 3))
			cJSON_AddStringToObject(port, "protocol", PICK(r, generate_protos));
	}
}

static void add_ip(cJSON *list, const char *text)
{
	cJSON_AddStringToObject(json_push_object(list), "ip", text);
}

/* A pod that is the @i-th of a case, on this node (0) or another. */
static cJSON *random_pod(struct rng *r, const char *ns, unsigned i, unsigned node)
{
	bool host = one_in(r, 10), ended = !host && one_in(r, 12);
	unsigned families = roll(r, 4), last = 10 + i;
	cJSON *o, *spec, *status, *ips;
	char text[32];

	snprintf(text, sizeof(text), "p%u", i);
	o = generate_object("v1", "Pod", ns, text);
	snprintf(text, sizeof(text), "uid-%u", roll(r, 1000));
	cJSON_AddStringToObject(json_get(o, "metadata"), "uid", text);
	generate_labels(r, o, LABELS_POD);
	spec = cJSON_AddObjectToObject(o, "spec");
	snprintf(text, sizeof(text), "n%u", node + 1);
	cJSON_AddStringToObject(spec, "nodeName", text);
	if (host)
		cJSON_AddTrueToObject(spec, "hostNetwork");
	add_ports(r, o, "containers", NULL);
	if (one_in(r, 4))
		add_ports(r, o, "initContainers", one_in(r, 2) ? "Always" : NULL);
	status = cJSON_AddObjectToObject(o, "status");
	cJSON_AddStringToObject(status, "phase",
		!ended		       ? "Running"
			: one_in(r, 2) ? "Succeeded"
				       : "Failed");
	ips = cJSON_AddArrayToObject(status, "podIPs");
	/* Now and then what one that has ended had is another's by now. */
	if (ended && i && one_in(r, 2))
		last = 10 + roll(r, i);
	snprintf(text, sizeof(text),
		host	       ? "192.168.0.%u"
			: node ? "10.2.0.%u"
			       : "10.1.0.%u",
		host ? node_host(node) : last);
	if (families != 1)
		add_ip(ips, text);
	snprintf(text, sizeof(text),
		host	       ? "fd00:9::%u"
			: node ? "fd00:2::%u"
			       : "fd00:1::%u",
		host ? node_host(node) : last);
	if (families)
		add_ip(ips, text);
	return o;
}

/* Attaches a pod of this node. The API may not know its addresses yet. */
static void attach(struct rng *r, cJSON *endpoints, cJSON *pod)
{
	cJSON *status = json_get(pod, "status"), *ep, *list, *ip;

	if (!json_is(json_get(pod, "spec"), "nodeName", CLUSTER_NODE) ||
		json_get(json_get(pod, "spec"), "hostNetwork") ||
		!json_is(status, "phase", "Running") ||
		cJSON_GetArraySize(endpoints) == CLUSTER_MAX_EPS)
		return;
	ep = json_push_object(endpoints);
	cJSON_AddStringToObject(ep, "namespace", json_ns(pod));
	cJSON_AddStringToObject(ep, "pod", json_name(pod));
	cJSON_AddStringToObject(ep, "uid", json_text(json_get(pod, "metadata"), "uid"));
	list = cJSON_AddArrayToObject(ep, "addresses");
	cJSON_ArrayForEach (ip, json_get(status, "podIPs"))
		json_push_text(list, json_text(ip, "ip"));
	if (one_in(r, 5))
		cJSON_DeleteItemFromObjectCaseSensitive(status, "podIPs");
}

/* --- updates ---------------------------------------------------------------------------------- */

static cJSON *reference(const cJSON *o)
{
	return generate_object(json_text(o, "apiVersion"), json_text(o, "kind"),
		*json_ns(o) ? json_ns(o) : NULL, json_name(o));
}

/* The pod deleted from the API, and perhaps from the node; or another of its name. */
static void replace_pod(struct rng *r, cJSON *updates, const cJSON *pod)
{
	cJSON *new = cJSON_Duplicate(pod, true), *which;

	switch (roll(r, 3)) {
	case 0:
		which = cJSON_AddObjectToObject(json_push_object(updates), "detach");
		cJSON_AddStringToObject(which, "namespace", json_ns(pod));
		cJSON_AddStringToObject(which, "pod", json_name(pod));
		/* fall through */
	case 1:
		cJSON_AddItemToObject(json_push_object(updates), "delete", reference(pod));
		cJSON_Delete(new);
		return;
	}
	cJSON_ReplaceItemInObjectCaseSensitive(
		json_get(new, "metadata"), "uid", cJSON_CreateString("uid-new"));
	cJSON_AddItemToObject(json_push_object(updates), "put", new);
}

static void relabel(struct rng *r, cJSON *updates, const cJSON *o, enum generate_labels whose)
{
	cJSON *new = cJSON_Duplicate(o, true);

	cJSON_DeleteItemFromObjectCaseSensitive(json_get(new, "metadata"), "labels");
	generate_labels(r, new, whose);
	cJSON_AddItemToObject(json_push_object(updates), "put", new);
}

static void change_ports(struct rng *r, cJSON *updates, const cJSON *pod)
{
	cJSON *new = cJSON_Duplicate(pod, true);

	cJSON_DeleteItemFromObjectCaseSensitive(json_get(new, "spec"), "containers");
	add_ports(r, new, "containers", NULL);
	cJSON_AddItemToObject(json_push_object(updates), "put", new);
}

/* It stays attached until the runtime has taken it down. */
static void end_pod(cJSON *updates, const cJSON *pod)
{
	cJSON *new = cJSON_Duplicate(pod, true);

	cJSON_ReplaceItemInObjectCaseSensitive(
		json_get(new, "status"), "phase", cJSON_CreateString("Succeeded"));
	cJSON_AddItemToObject(json_push_object(updates), "put", new);
}

static void edit_policy(struct rng *r, cJSON *updates, const cJSON *o)
{
	cJSON *update = json_push_object(updates);

	if (one_in(r, 3))
		cJSON_AddItemToObject(update, "delete", reference(o));
	else if (json_is(o, "kind", "NetworkPolicy"))
		cJSON_AddItemToObject(update, "put", generate_policy(r, json_ns(o), json_name(o)));
	else
		cJSON_AddItemToObject(update, "put", generate_cluster_policy(r, json_name(o)));
}

static void update_object(struct rng *r, cJSON *updates, const cJSON *o)
{
	if (json_is(o, "kind", "Namespace")) {
		if (one_in(r, 4))
			cJSON_AddItemToObject(json_push_object(updates), "delete", reference(o));
		else
			relabel(r, updates, o, LABELS_NS);
	} else if (json_is(o, "kind", "Node")) {
		relabel(r, updates, o, LABELS_NODE);
	} else if (json_is(o, "kind", "Pod")) {
		unsigned what = roll(r, 7);

		if (what == 6)
			end_pod(updates, o);
		else if (what < 3)
			relabel(r, updates, o, LABELS_POD);
		else if (what < 5)
			change_ports(r, updates, o);
		else
			replace_pod(r, updates, o);
	} else {
		edit_policy(r, updates, o);
	}
}

static void random_updates(struct rng *r, cJSON *updates, const cJSON *objects)
{
	int n = cJSON_GetArraySize(objects);

	for (unsigned i = roll(r, 4); i; i--) {
		if (one_in(r, 5))
			cJSON_AddItemToObject(json_push_object(updates), "put",
				generate_policy(r, PICK(r, namespaces), "np-new"));
		else
			update_object(
				r, updates, cJSON_GetArrayItem(objects, (int)roll(r, (unsigned)n)));
	}
}

/* --- the case --------------------------------------------------------------------------------- */

static void random_policies(struct rng *r, cJSON *objects, unsigned n_ns)
{
	char name[8];

	for (unsigned n = roll(r, 5), i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "np%u", i);
		cJSON_AddItemToArray(objects, generate_policy(r, namespaces[roll(r, n_ns)], name));
	}
	for (unsigned n = roll(r, 4), i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "cnp%u", i);
		cJSON_AddItemToArray(objects, generate_cluster_policy(r, name));
	}
}

cJSON *generate_case(uint64_t seed)
{
	struct rng rng = {seed}, *r = &rng;
	unsigned n_ns = 1 + roll(r, 3), n_nodes = 1 + roll(r, 3);
	cJSON *c = cJSON_CreateObject(), *objects, *endpoints;

	objects = cJSON_AddArrayToObject(c, "objects");
	endpoints = cJSON_AddArrayToObject(c, "endpoints");
	for (unsigned i = 0; i < n_ns; i++)
		if (roll(r, 8))
			cJSON_AddItemToArray(objects, random_namespace(r, namespaces[i]));
	for (unsigned i = 0; i < n_nodes; i++)
		cJSON_AddItemToArray(objects, random_node(r, i));
	for (unsigned n = 3 + roll(r, N_POD_NAMES - 2), i = 0; i < n; i++) {
		unsigned node = roll(r, 3) ? 0 : roll(r, n_nodes);
		cJSON *pod = random_pod(r, namespaces[roll(r, n_ns)], i, node);

		attach(r, endpoints, pod);
		cJSON_AddItemToArray(objects, pod);
	}
	random_policies(r, objects, n_ns);
	random_updates(r, cJSON_AddArrayToObject(c, "updates"), objects);
	return c;
}
