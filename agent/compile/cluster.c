/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes to routes. A pod CIDR belongs to one node: where several claim it, this node does before
 * the others, and these in the order of their names.
 */
#include "agent/compile/compile.h"
#include "agent/compile/index.h"
#include "agent/compile/view.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

static int prefix_cmp(const void *a, const void *b)
{
	const struct lnt_prefix *x = a, *y = b;
	int r = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return r ? r : (int)x->len - (int)y->len;
}

/* A CIDR as one node claims it. */
struct claim {
	struct lnt_prefix cidr; /* first: prefix_cmp() */
	const struct lnt_node *node;
	size_t rank;
};

static int claim_cmp(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = prefix_cmp(&x->cidr, &y->cidr);

	return r ? r : (x->rank > y->rank) - (x->rank < y->rank);
}

/* Padding is zero too, so that memcmp() of whole elements works. */
static void put_prefix(struct lnt_prefix *to, const struct lnt_prefix *from)
{
	memset(to, 0, sizeof(*to));
	to->addr = from->addr;
	to->len = from->len;
}

static void own(const struct lnt_node *node, struct lnt_cluster_state *s)
{
	size_t n = 0;

	while (n < node->n_pod_cidrs && n < ARRAY_SIZE(s->own_cidrs)) {
		put_prefix(&s->own_cidrs[n], &node->pod_cidrs[n]);
		n++;
	}
	s->n_own_cidrs = n;
	n = 0;
	while (n < node->n_internal && n < ARRAY_SIZE(s->own_addrs)) {
		s->own_addrs[n] = node->internal[n];
		n++;
	}
	s->n_own_addrs = n;
}

/* The claims of all nodes, sorted by CIDR, then by who comes first. */
static size_t collect(const struct lnt_meta **nodes, size_t n_nodes, const char *node_name,
	struct claim *claims, struct lnt_cluster_state *s)
{
	size_t n = 0;

	for (size_t i = 0; i < n_nodes; i++) {
		const struct lnt_node *node = (const struct lnt_node *)nodes[i];
		bool mine = strcmp(node->meta.name, node_name) == 0;

		if (mine)
			own(node, s);
		for (size_t c = 0; c < node->n_pod_cidrs; c++)
			claims[n++] = (struct claim){
				.cidr = node->pod_cidrs[c],
				.node = mine ? NULL : node,
				.rank = mine ? 0 : i + 1,
			};
	}
	if (n)
		qsort(claims, n, sizeof(*claims), claim_cmp);
	return n;
}

static const struct in6_addr *gateway(const struct lnt_node *node, const struct lnt_prefix *dst)
{
	for (size_t i = 0; i < node->n_internal; i++)
		if (lnt_addr_is4(&node->internal[i]) == lnt_addr_is4(&dst->addr))
			return &node->internal[i];
	return NULL;
}

static void resolve(const struct claim *claims, size_t n, struct lnt_cluster_state *s)
{
	for (size_t i = 0; i < n; i++) {
		const struct claim *c = &claims[i];
		const struct in6_addr *gw;

		if (i && prefix_cmp(&c[-1].cidr, &c->cidr) == 0)
			continue;
		put_prefix(&s->cluster_cidrs[s->n_cluster_cidrs++], &c->cidr);
		gw = c->node ? gateway(c->node, &c->cidr) : NULL;
		if (!gw)
			continue;
		put_prefix(&s->routes[s->n_routes].dst, &c->cidr);
		s->routes[s->n_routes++].gateway = *gw;
	}
	LNT_SHRINK(s->cluster_cidrs, s->n_cluster_cidrs);
	LNT_SHRINK(s->routes, s->n_routes);
}

int lnt_compile_cluster(const struct lnt_store *st, const char *node_name, struct lnt_err *e,
	struct lnt_cluster_state *ret_state)
{
	_cleanup_(lnt_cluster_state_clear) struct lnt_cluster_state s = {};
	_cleanup_free_ const struct lnt_meta **nodes = NULL;
	_cleanup_free_ struct claim *claims = NULL;
	size_t n_nodes;

	if (lnt_view_sorted(st, LNT_KIND_NODE, &nodes, &n_nodes))
		return lnt_err_sys(e, -ENOMEM, "compile routes");
	if (n_nodes) {
		claims = calloc(n_nodes * ARRAY_SIZE(s.own_cidrs), sizeof(*claims));
		s.cluster_cidrs =
			calloc(n_nodes * ARRAY_SIZE(s.own_cidrs), sizeof(*s.cluster_cidrs));
		s.routes = calloc(n_nodes * ARRAY_SIZE(s.own_cidrs), sizeof(*s.routes));
		if (!claims || !s.cluster_cidrs || !s.routes)
			return lnt_err_sys(e, -ENOMEM, "compile routes of %zu nodes", n_nodes);
	}
	resolve(claims, collect(nodes, n_nodes, node_name, claims, &s), &s);
	*ret_state = s;
	s = (struct lnt_cluster_state){};
	return 0;
}

void lnt_cluster_state_clear(struct lnt_cluster_state *s)
{
	free(s->routes);
	free(s->cluster_cidrs);
	*s = (struct lnt_cluster_state){};
}
