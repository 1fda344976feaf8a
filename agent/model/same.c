/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two objects say the same, so that an update which changes nothing of the model (a pod's
 * conditions, a node's heartbeat) costs no recompilation. Strings are interned: pointers compare.
 * Structures are compared by field, because their padding is not defined.
 */
#include "agent/model/model.h"

#include <string.h>

static bool same_bytes(const void *a, const void *b, size_t n)
{
	return !n || !memcmp(a, b, n);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_labels(const struct lnt_labels *a, const struct lnt_labels *b)
{
	return a->n == b->n && same_bytes(a->items, b->items, a->n * sizeof(*a->items));
}

static bool same_prefix(const struct lnt_prefix *a, const struct lnt_prefix *b)
{
	return a->len == b->len && IN6_ARE_ADDR_EQUAL(&a->addr, &b->addr);
}

static bool same_prefixes(
	const struct lnt_prefix *a, size_t n_a, const struct lnt_prefix *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!same_prefix(&a[i], &b[i]))
			return false;
	return true;
}

static bool same_namespace(const struct lnt_namespace *a, const struct lnt_namespace *b)
{
	return same_labels(&a->labels, &b->labels) && a->audit == b->audit;
}

static bool same_node(const struct lnt_node *a, const struct lnt_node *b)
{
	return same_labels(&a->labels, &b->labels) && a->n_addrs == b->n_addrs &&
		a->n_internal == b->n_internal && a->zone == b->zone && a->leaving == b->leaving &&
		a->network_down == b->network_down && a->not_ready_taints == b->not_ready_taints &&
		same_bytes(a->addrs, b->addrs, a->n_addrs * sizeof(*a->addrs)) &&
		same_bytes(a->internal, b->internal, a->n_internal * sizeof(*a->internal)) &&
		same_prefixes(a->pod_cidrs, a->n_pod_cidrs, b->pod_cidrs, b->n_pod_cidrs);
}

static bool same_pod(const struct lnt_pod *a, const struct lnt_pod *b)
{
	if (!same_labels(&a->labels, &b->labels) || a->node != b->node ||
		a->n_addrs != b->n_addrs || a->n_ports != b->n_ports ||
		a->host_network != b->host_network || a->terminated != b->terminated ||
		a->host_port != b->host_port || a->per_packet != b->per_packet ||
		a->bandwidth != b->bandwidth ||
		!same_bytes(a->addrs, b->addrs, a->n_addrs * sizeof(*a->addrs)))
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (a->ports[i].name != b->ports[i].name ||
			a->ports[i].proto != b->ports[i].proto ||
			a->ports[i].port != b->ports[i].port)
			return false;
	return true;
}

static bool same_addrs(const struct in6_addr *a, size_t n_a, const struct in6_addr *b, size_t n_b)
{
	return n_a == n_b && same_bytes(a, b, n_a * sizeof(*a));
}

static bool same_service_spec(const struct lnt_service *a, const struct lnt_service *b)
{
	return a->created == b->created && a->type == b->type && a->affinity == b->affinity &&
		a->health_check_port == b->health_check_port &&
		a->distribution == b->distribution && a->forwarding == b->forwarding &&
		a->has_ranges == b->has_ranges && a->internal_local == b->internal_local &&
		a->external_local == b->external_local &&
		a->publish_not_ready == b->publish_not_ready && a->foreign == b->foreign;
}

static bool same_service(const struct lnt_service *a, const struct lnt_service *b)
{
	if (a->n_ports != b->n_ports || !same_service_spec(a, b) ||
		!same_addrs(a->cluster_ips, a->n_cluster_ips, b->cluster_ips, b->n_cluster_ips) ||
		!same_addrs(
			a->external_ips, a->n_external_ips, b->external_ips, b->n_external_ips) ||
		!same_addrs(
			a->balancer_ips, a->n_balancer_ips, b->balancer_ips, b->n_balancer_ips) ||
		!same_prefixes(a->ranges, a->n_ranges, b->ranges, b->n_ranges))
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (a->ports[i].name != b->ports[i].name ||
			a->ports[i].proto != b->ports[i].proto ||
			a->ports[i].port != b->ports[i].port ||
			a->ports[i].node_port != b->ports[i].node_port)
			return false;
	return true;
}

static bool same_backend(const struct lnt_slice_endpoint *a, const struct lnt_slice_endpoint *b)
{
	return IN6_ARE_ADDR_EQUAL(&a->addr, &b->addr) && a->ready == b->ready &&
		a->serving == b->serving && a->terminating == b->terminating &&
		a->node == b->node && a->zone == b->zone && a->n_zone_hints == b->n_zone_hints &&
		a->n_node_hints == b->n_node_hints &&
		same_bytes(a->hints, b->hints,
			(a->n_zone_hints + a->n_node_hints) * sizeof(*a->hints));
}

static bool same_slice(const struct lnt_endpointslice *a, const struct lnt_endpointslice *b)
{
	if (a->service != b->service || a->is6 != b->is6 || a->n_ports != b->n_ports ||
		a->n_endpoints != b->n_endpoints)
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (a->ports[i].name != b->ports[i].name ||
			a->ports[i].proto != b->ports[i].proto ||
			a->ports[i].port != b->ports[i].port)
			return false;
	for (size_t i = 0; i < a->n_endpoints; i++)
		if (!same_backend(&a->endpoints[i], &b->endpoints[i]))
			return false;
	return true;
}

static bool same_selector(const struct lnt_selector *a, const struct lnt_selector *b)
{
	if (a->n_reqs != b->n_reqs)
		return false;
	for (size_t i = 0; i < a->n_reqs; i++) {
		const struct lnt_requirement *x = &a->reqs[i], *y = &b->reqs[i];

		if (x->key != y->key || x->op != y->op || x->n_values != y->n_values ||
			!same_bytes(x->values, y->values, x->n_values * sizeof(*x->values)))
			return false;
	}
	return true;
}

static bool same_peer(const struct lnt_netpol_peer *a, const struct lnt_netpol_peer *b)
{
	return a->has_namespaces == b->has_namespaces && a->has_pods == b->has_pods &&
		a->has_block == b->has_block && same_selector(&a->namespaces, &b->namespaces) &&
		same_selector(&a->pods, &b->pods) && a->has_nodes == b->has_nodes &&
		same_selector(&a->nodes, &b->nodes) && same_prefix(&a->block, &b->block) &&
		same_prefixes(a->except, a->n_except, b->except, b->n_except);
}

static bool same_rule(const struct lnt_netpol_rule *a, const struct lnt_netpol_rule *b)
{
	if (a->n_peers != b->n_peers || a->n_ports != b->n_ports || a->action != b->action ||
		a->index != b->index || !same_text(a->name, b->name))
		return false;
	for (size_t i = 0; i < a->n_peers; i++)
		if (!same_peer(&a->peers[i], &b->peers[i]))
			return false;
	for (size_t i = 0; i < a->n_ports; i++) {
		const struct lnt_netpol_port *x = &a->ports[i], *y = &b->ports[i];

		if (x->proto != y->proto || x->name != y->name || x->port != y->port ||
			x->end_port != y->end_port)
			return false;
	}
	return true;
}

static bool same_rules(
	const struct lnt_netpol_rule *a, size_t n_a, const struct lnt_netpol_rule *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!same_rule(&a[i], &b[i]))
			return false;
	return true;
}

static bool same_netpol(const struct lnt_netpol *a, const struct lnt_netpol *b)
{
	return a->tier == b->tier && a->priority == b->priority &&
		same_selector(&a->namespaces, &b->namespaces) &&
		same_selector(&a->pods, &b->pods) && a->ingress == b->ingress &&
		a->egress == b->egress && same_text(a->unsupported, b->unsupported) &&
		same_rules(a->ingress_rules, a->n_ingress_rules, b->ingress_rules,
			b->n_ingress_rules) &&
		same_rules(a->egress_rules, a->n_egress_rules, b->egress_rules, b->n_egress_rules);
}

bool lnt_object_same(const struct lnt_meta *a, const struct lnt_meta *b)
{
	if (a->kind != b->kind || a->ns != b->ns || a->name != b->name ||
		!same_text(a->uid, b->uid))
		return false;
	switch (a->kind) {
	case LNT_KIND_NAMESPACE:
		return same_namespace(
			(const struct lnt_namespace *)a, (const struct lnt_namespace *)b);
	case LNT_KIND_NODE:
		return same_node((const struct lnt_node *)a, (const struct lnt_node *)b);
	case LNT_KIND_POD:
		return same_pod((const struct lnt_pod *)a, (const struct lnt_pod *)b);
	case LNT_KIND_SERVICE:
		return same_service((const struct lnt_service *)a, (const struct lnt_service *)b);
	case LNT_KIND_ENDPOINTSLICE:
		return same_slice(
			(const struct lnt_endpointslice *)a, (const struct lnt_endpointslice *)b);
	case LNT_KIND_NETWORKPOLICY:
	case LNT_KIND_CLUSTERNETWORKPOLICY:
		return same_netpol((const struct lnt_netpol *)a, (const struct lnt_netpol *)b);
	case LNT_KIND_MAX:
		break;
	}
	return false;
}
