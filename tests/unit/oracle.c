/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of oracle.h. */
#include "tests/unit/oracle.h"

#include <string.h>

static const char *label(const struct lnt_labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->n; i++)
		if (!strcmp(labels->items[i].key, key))
			return labels->items[i].value;
	return NULL;
}

static bool listed(const struct lnt_requirement *r, const char *value)
{
	for (size_t i = 0; i < r->n_values; i++)
		if (!strcmp(r->values[i], value))
			return true;
	return false;
}

/* "The requirements are ANDed. An empty label selector matches all objects." */
static bool selects(const struct lnt_selector *sel, const struct lnt_labels *labels)
{
	for (size_t i = 0; i < sel->n_reqs; i++) {
		const struct lnt_requirement *r = &sel->reqs[i];
		const char *have = label(labels, r->key);
		bool ok = false;

		if (r->op == LNT_OP_EXISTS)
			ok = have;
		else if (r->op == LNT_OP_NOT_EXISTS)
			ok = !have;
		else if (r->op == LNT_OP_IN)
			ok = have && listed(r, have);
		else if (r->op == LNT_OP_NOT_IN)
			ok = !have || !listed(r, have);
		if (!ok)
			return false;
	}
	return true;
}

struct question {
	const struct lnt_store *st;
	const struct lnt_pod *pod;  /* whose policies are asked */
	const struct lnt_pod *peer; /* NULL: not a pod */
	const struct lnt_pod *dst;  /* whose named ports count; NULL: not a pod */
	uint8_t proto;
	uint16_t port;
	bool egress;
	bool isolated, allowed; /* the answer */
};

/*
 * "If both podSelector and namespaceSelector are set, selects the pods matching podSelector in the
 * namespaces selected by namespaceSelector; with podSelector alone, in the policy's own namespace;
 * with namespaceSelector alone, all pods of these namespaces."
 */
static bool peer_matches(const struct question *q, const struct lnt_netpol *policy,
	const struct lnt_netpol_peer *peer)
{
	const struct lnt_namespace *ns;

	if (!q->peer || peer->has_block || (!peer->has_pods && !peer->has_namespaces))
		return false;
	if (peer->has_pods && !selects(&peer->pods, &q->peer->labels))
		return false;
	if (!peer->has_namespaces)
		return !strcmp(q->peer->meta.ns, policy->meta.ns);
	/* Empty: all of them, known or not. */
	if (!peer->namespaces.n_reqs)
		return true;
	ns = (const struct lnt_namespace *)lnt_store_get(
		q->st, LNT_KIND_NAMESPACE, "", q->peer->meta.ns);
	return ns && selects(&peer->namespaces, &ns->labels);
}

/* "port: either a numerical or named port on a pod. If not provided, all ports of the protocol." */
static bool port_matches(const struct question *q, const struct lnt_netpol_port *port)
{
	if (port->proto != q->proto)
		return false;
	if (!port->name && !port->port)
		return !port->end_port;
	if (!port->name)
		return q->port >= port->port &&
			q->port <= (port->end_port ? port->end_port : port->port);
	for (size_t i = 0; q->dst && !port->end_port && i < q->dst->n_ports; i++) {
		const struct lnt_named_port *np = &q->dst->ports[i];

		if (!strcmp(np->name, port->name) && np->proto == q->proto && np->port == q->port)
			return true;
	}
	return false;
}

/* "Traffic matches a rule if and only if it matches both ports and from (or to)." */
static bool rule_matches(const struct question *q, const struct lnt_netpol *policy,
	const struct lnt_netpol_rule *rule)
{
	bool peer_ok = !rule->n_peers, port_ok = !rule->n_ports;

	for (size_t i = 0; i < rule->n_peers; i++)
		if (peer_matches(q, policy, &rule->peers[i]))
			peer_ok = true;
	for (size_t i = 0; i < rule->n_ports; i++)
		if (port_matches(q, &rule->ports[i]))
			port_ok = true;
	return peer_ok && port_ok;
}

static int ask_policy(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_netpol *policy = (const struct lnt_netpol *)obj;
	struct question *q = ctx;
	const struct lnt_netpol_rule *rules =
		q->egress ? policy->egress_rules : policy->ingress_rules;
	size_t n = q->egress ? policy->n_egress_rules : policy->n_ingress_rules;

	if (strcmp(policy->meta.ns, q->pod->meta.ns) != 0 ||
		!selects(&policy->pods, &q->pod->labels) ||
		!(q->egress ? policy->egress : policy->ingress))
		return 0;
	q->isolated = true;
	for (size_t i = 0; i < n; i++)
		if (rule_matches(q, policy, &rules[i]))
			q->allowed = true;
	return 0;
}

bool oracle_ingress(const struct lnt_store *st, const struct lnt_pod *dst,
	const struct lnt_pod *src, uint8_t proto, uint16_t port)
{
	struct question q = {
		.st = st, .pod = dst, .peer = src, .dst = dst, .proto = proto, .port = port};

	lnt_store_each(st, LNT_KIND_NETWORKPOLICY, ask_policy, &q);
	return !q.isolated || q.allowed;
}

bool oracle_egress(const struct lnt_store *st, const struct lnt_pod *src, const struct lnt_pod *dst,
	uint8_t proto, uint16_t port)
{
	struct question q = {.st = st,
		.pod = src,
		.peer = dst,
		.dst = dst,
		.proto = proto,
		.port = port,
		.egress = true};

	lnt_store_each(st, LNT_KIND_NETWORKPOLICY, ask_policy, &q);
	return !q.isolated || q.allowed;
}

bool oracle_isolated(const struct lnt_store *st, const struct lnt_pod *pod, bool egress)
{
	struct question q = {.st = st, .pod = pod, .egress = egress};

	lnt_store_each(st, LNT_KIND_NETWORKPOLICY, ask_policy, &q);
	return q.isolated;
}
