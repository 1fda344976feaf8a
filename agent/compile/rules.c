/* SPDX-License-Identifier: Apache-2.0 */
/* The list of rules of rules.h. */
#include "agent/compile/rules.h"
#include "agent/compile/hash.h"
#include "agent/compile/view.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dir_name[] = {[LNT_INGRESS] = "ingress", [LNT_EGRESS] = "egress"};
static const char *const peers_name[] = {[LNT_INGRESS] = "from", [LNT_EGRESS] = "to"};

__attribute__((format(printf, 3, 4))) static int problem(
	struct lnt_rules *rs, uint32_t policy, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	if (LNT_GROW(rs->problems, rs->cap_problems, rs->n_problems + 1))
		return -ENOMEM;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	rs->problems[rs->n_problems++] = (struct lnt_rules_problem){.policy = policy, .text = text};
	return 0;
}

const char *lnt_rule_port_problem(const struct lnt_netpol_port *port)
{
	if (!port->proto && !port->name)
		return "protocol not known";
	if (port->end_port && (port->name || !port->port))
		return "endPort without a number as port";
	if (port->end_port && port->end_port < port->port)
		return "endPort below port";
	return NULL;
}

/* --- peers ------------------------------------------------------------------------------------ */

/* Which list an index of lnt_rules.peers is in, as long as there are no elements yet. */
#define IN_PEERSELS 0u
#define IN_NODES    (1u << 30)
#define IN_BLOCKS   (2u << 30)
#define IN_MASK	    (3u << 30)

/* Kinds of which @peer selects all, as bits; 0: not that simple. */
static uint32_t whole_kinds(const struct lnt_netpol_peer *peer)
{
	if (peer->has_nodes && !peer->nodes.n_reqs)
		return 1u << LNT_ELEMENT_NODE | 1u << LNT_ELEMENT_HOST;
	if (peer->has_namespaces && !peer->namespaces.n_reqs &&
		(!peer->has_pods || !peer->pods.n_reqs))
		return 1u << LNT_ELEMENT_POD;
	return 0;
}

static int add_peer(struct lnt_rules *rs, struct lnt_rule *r, const struct lnt_netpol_peer *peer)
{
	uint32_t kinds = whole_kinds(peer), index, in = IN_PEERSELS;
	int err;

	r->kinds |= kinds;
	if (kinds)
		return 0;
	if (peer->has_block) {
		in = IN_BLOCKS;
		err = lnt_blocks_add(&rs->blocks, peer, &index);
	} else if (peer->has_nodes) {
		in = IN_NODES;
		err = lnt_selectors_add(&rs->nodes, &peer->nodes, &index);
	} else {
		err = lnt_peersels_add(&rs->peersels, peer, r->policy->meta.ns, &index);
	}
	return err ? err : lnt_u32s_push(&rs->peers, in | index);
}

static int add_peers(struct lnt_rules *rs, uint32_t policy, struct lnt_rule *r)
{
	r->first_peer = (uint32_t)rs->peers.n;
	for (size_t i = 0; i < r->rule->n_peers; i++) {
		const struct lnt_netpol_peer *peer = &r->rule->peers[i];

		if (!peer->has_block && !peer->has_nodes && !peer->has_namespaces &&
			!peer->has_pods) {
			if (problem(rs, policy, "%s[%u].%s[%zu]: no selector, matches nothing",
				    dir_name[r->dir], r->rule->index, peers_name[r->dir], i))
				return -ENOMEM;
			continue;
		}
		if (add_peer(rs, r, peer))
			return -ENOMEM;
	}
	r->n_peers = (uint32_t)rs->peers.n - r->first_peer;
	return 0;
}

static int use_name(
	struct lnt_rules *rs, enum lnt_direction dir, const struct lnt_netpol_port *port)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

	if (port->proto)
		return lnt_named_use(&rs->named, dir, port->name, port->proto);
	for (size_t i = 0; i < sizeof(protos); i++)
		if (lnt_named_use(&rs->named, dir, port->name, protos[i]))
			return -ENOMEM;
	return 0;
}

static int add_ports(struct lnt_rules *rs, uint32_t policy, const struct lnt_rule *r)
{
	for (size_t i = 0; i < r->rule->n_ports; i++) {
		const struct lnt_netpol_port *port = &r->rule->ports[i];
		const char *why = lnt_rule_port_problem(port);

		if (why &&
			problem(rs, policy, "%s[%u].ports[%zu]: %s, matches nothing",
				dir_name[r->dir], r->rule->index, i, why))
			return -ENOMEM;
		if (!why && port->name && use_name(rs, r->dir, port))
			return -ENOMEM;
	}
	return 0;
}

/* --- rules ------------------------------------------------------------------------------------ */

/* Its place among those of its tier and priority, which are its neighbours. */
static uint32_t tie(const struct lnt_rules *rs, uint32_t policy)
{
	const struct lnt_netpol *p = lnt_rules_policy(rs, policy);
	uint32_t n = 0;

	while (n < policy && lnt_rules_policy(rs, policy - n - 1)->tier == p->tier &&
		lnt_rules_policy(rs, policy - n - 1)->priority == p->priority)
		n++;
	return n;
}

/* 10 bits of priority, 14 of ties, 8 of rules; NetworkPolicies have no order. */
static uint32_t order_of(uint32_t tie, const struct lnt_rule *r)
{
	if (r->policy->tier == LNT_TIER_NETWORK)
		return 0;
	return ((uint32_t)r->policy->priority << 22 | (tie & 0x3fff) << 8 |
		       (r->rule->index & 0xff)) +
		1;
}

static int add_rules(struct lnt_rules *rs, uint32_t policy, enum lnt_direction dir,
	const struct lnt_netpol_rule *rules, size_t n)
{
	uint32_t ties = policy < rs->n_cluster ? tie(rs, policy) : 0;

	for (size_t i = 0; i < n; i++) {
		struct lnt_rule *r;

		if (LNT_GROW(rs->items, rs->cap, rs->n + 1))
			return -ENOMEM;
		r = &rs->items[rs->n++];
		*r = (struct lnt_rule){
			.policy = lnt_rules_policy(rs, policy),
			.rule = &rules[i],
			.dir = dir,
		};
		r->order = order_of(ties, r);
		if (add_peers(rs, policy, r) || add_ports(rs, policy, r))
			return -ENOMEM;
	}
	return 0;
}

static int add_policy(struct lnt_rules *rs, uint32_t i)
{
	const struct lnt_netpol *p = lnt_rules_policy(rs, i);

	if (p->unsupported && problem(rs, i, "%s", p->unsupported))
		return -ENOMEM;
	/* Rules of a direction that policyTypes leaves out say nothing. */
	if (p->ingress && add_rules(rs, i, LNT_INGRESS, p->ingress_rules, p->n_ingress_rules))
		return -ENOMEM;
	if (p->egress && add_rules(rs, i, LNT_EGRESS, p->egress_rules, p->n_egress_rules))
		return -ENOMEM;
	return 0;
}

static int by_priority(const void *pa, const void *pb)
{
	const struct lnt_netpol *a = *(const struct lnt_netpol *const *)pa;
	const struct lnt_netpol *b = *(const struct lnt_netpol *const *)pb;

	if (a->tier != b->tier)
		return a->tier < b->tier ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return strcmp(a->meta.name, b->meta.name);
}

int lnt_rules_list(const struct lnt_store *st, struct lnt_rules *rs)
{
	_cleanup_free_ const struct lnt_meta **cluster = NULL, **spaced = NULL;
	size_t n;

	if (lnt_view_all(st, LNT_KIND_CLUSTERNETWORKPOLICY, &cluster, &rs->n_cluster) ||
		lnt_view_sorted(st, LNT_KIND_NETWORKPOLICY, &spaced, &n))
		return -ENOMEM;
	rs->policies = calloc(rs->n_cluster + n + 1, sizeof(*rs->policies));
	if (!rs->policies)
		return -ENOMEM;
	rs->n_policies = rs->n_cluster + n;
	if (rs->n_cluster) {
		qsort(cluster, rs->n_cluster, sizeof(*cluster), by_priority);
		memcpy(rs->policies, cluster, rs->n_cluster * sizeof(*cluster));
	}
	if (n)
		memcpy(rs->policies + rs->n_cluster, spaced, n * sizeof(*spaced));
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int node_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct lnt_selectors *s = ctx;

	return strcmp(s->items[*(const uint32_t *)pa].text, s->items[*(const uint32_t *)pb].text);
}

static int rank_nodes(struct lnt_rules *rs)
{
	_cleanup_free_ uint32_t *order = calloc(rs->nodes.n + 1, sizeof(*order));

	rs->node_ranks = calloc(rs->nodes.n + 1, sizeof(*rs->node_ranks));
	if (!order || !rs->node_ranks)
		return -ENOMEM;
	for (uint32_t i = 0; i < rs->nodes.n; i++)
		order[i] = i;
	qsort_r(order, rs->nodes.n, sizeof(*order), node_cmp, &rs->nodes);
	for (uint32_t i = 0; i < rs->nodes.n; i++)
		rs->node_ranks[order[i]] = i;
	return 0;
}

static uint32_t element_of(const struct lnt_rules *rs, uint32_t peer)
{
	uint32_t index = peer & ~IN_MASK;

	switch (peer & IN_MASK) {
	case IN_NODES:
		return lnt_rules_node0(rs) + rs->node_ranks[index];
	case IN_BLOCKS:
		return lnt_rules_block0(rs) + rs->blocks.ranks[index];
	default:
		return lnt_rules_peersel0(rs) + rs->peersels.ranks[index];
	}
}

static int collect_ports(void *ctx, const struct lnt_meta *obj)
{
	return lnt_named_collect(ctx, (const struct lnt_pod *)obj);
}

int lnt_rules_read(struct lnt_rules *rs, const struct lnt_store *st, const bool *used)
{
	rs->first = calloc(rs->n_policies + 1, sizeof(*rs->first));
	if (!rs->first)
		return -ENOMEM;
	for (uint32_t i = 0; i < rs->n_policies; i++) {
		rs->first[i] = (uint32_t)rs->n;
		if (used[i] && add_policy(rs, i))
			return -ENOMEM;
	}
	rs->first[rs->n_policies] = (uint32_t)rs->n;
	if (rs->named.n_uses && lnt_store_each(st, LNT_KIND_POD, collect_ports, &rs->named))
		return -ENOMEM;
	if (lnt_peersels_seal(&rs->peersels) || lnt_named_seal(&rs->named) || rank_nodes(rs) ||
		lnt_blocks_seal(&rs->blocks))
		return -ENOMEM;
	for (size_t i = 0; i < rs->peers.n; i++)
		rs->peers.v[i] = element_of(rs, rs->peers.v[i]);
	return 0;
}

void lnt_rules_clear(struct lnt_rules *rs)
{
	for (size_t i = 0; i < rs->n_problems; i++)
		free(rs->problems[i].text);
	free(rs->problems);
	free(rs->policies);
	free(rs->first);
	free(rs->items);
	lnt_u32s_clear(&rs->peers);
	lnt_peersels_clear(&rs->peersels);
	lnt_named_clear(&rs->named);
	lnt_selectors_clear(&rs->nodes);
	free(rs->node_ranks);
	lnt_blocks_clear(&rs->blocks);
	*rs = (struct lnt_rules){};
}

uint64_t lnt_rules_element_hash(const struct lnt_rules *rs, uint32_t element)
{
	if (element < lnt_rules_peersel0(rs))
		return lnt_hash_u64(LNT_HASH_INIT, element);
	if (element < lnt_rules_fact0(rs))
		return rs->peersels.hashes[element - lnt_rules_peersel0(rs)];
	if (element < lnt_rules_node0(rs))
		return lnt_named_hash(&rs->named.facts[element - lnt_rules_fact0(rs)]);
	if (element >= lnt_rules_block0(rs))
		return rs->blocks.hashes[element - lnt_rules_block0(rs)];
	for (size_t i = 0; i < rs->nodes.n; i++)
		if (rs->node_ranks[i] == element - lnt_rules_node0(rs))
			return lnt_hash_str(
				lnt_hash_str(LNT_HASH_INIT, "node"), rs->nodes.items[i].text);
	return 0;
}

static uint64_t hash_rule(uint64_t hash, const struct lnt_rules *rs, const struct lnt_rule *r)
{
	hash = lnt_hash_u64(lnt_hash_u64(hash, r->dir), lnt_rule_any_peer(r));
	hash = lnt_hash_u64(lnt_hash_u64(hash, r->rule->action), r->order);
	hash = lnt_hash_u64(lnt_hash_u64(hash, r->kinds), r->n_peers);
	for (uint32_t k = 0; k < r->n_peers; k++)
		hash = lnt_hash_u64(
			hash, lnt_rules_element_hash(rs, rs->peers.v[r->first_peer + k]));
	hash = lnt_hash_u64(hash, r->rule->n_ports);
	for (size_t k = 0; k < r->rule->n_ports; k++) {
		const struct lnt_netpol_port *port = &r->rule->ports[k];

		hash = lnt_hash_str(hash, port->name ? port->name : "");
		hash = lnt_hash_u64(hash, port->proto);
		hash = lnt_hash_u64(hash, (uint64_t)port->port << 16 | port->end_port);
	}
	return hash;
}

uint64_t lnt_rules_hash(const struct lnt_rules *rs, size_t policy)
{
	const struct lnt_netpol *p = lnt_rules_policy(rs, policy);
	uint64_t hash = lnt_hash_str(lnt_hash_str(LNT_HASH_INIT, p->meta.ns), p->meta.name);

	hash = lnt_hash_u64(lnt_hash_u64(hash, p->tier), p->ingress);
	hash = lnt_hash_u64(hash, p->egress);
	for (uint32_t i = rs->first[policy]; i < rs->first[policy + 1]; i++)
		hash = hash_rule(hash, rs, &rs->items[i]);
	return hash;
}
