/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of blocks.h. */
#include "agent/compile/blocks.h"
#include "agent/compile/hash.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* By family and address, the shorter prefix first. */
static int prefix_cmp(const void *pa, const void *pb)
{
	const struct lnt_prefix *a = pa, *b = pb;
	int r = (int)lnt_addr_is4(&b->addr) - (int)lnt_addr_is4(&a->addr);

	if (!r)
		r = memcmp(&a->addr, &b->addr, sizeof(a->addr));
	return r ? r : (int)a->len - (int)b->len;
}

static bool covers(const struct lnt_prefix *outer, const struct lnt_prefix *inner)
{
	return outer->len <= inner->len && lnt_prefix_has(outer, &inner->addr);
}

static int block_cmp(const struct lnt_block *a, const struct lnt_block *b)
{
	int r = prefix_cmp(&a->cidr, &b->cidr);

	for (size_t i = 0; !r && i < a->n_except && i < b->n_except; i++)
		r = prefix_cmp(&a->except[i], &b->except[i]);
	return r ? r : (a->n_except > b->n_except) - (a->n_except < b->n_except);
}

static uint64_t hash_prefix(uint64_t hash, const struct lnt_prefix *p)
{
	return lnt_hash_u64(lnt_hash_bytes(hash, &p->addr, sizeof(p->addr)), p->len);
}

static uint64_t hash_block(const struct lnt_block *b)
{
	uint64_t hash = hash_prefix(LNT_HASH_INIT, &b->cidr);

	for (size_t i = 0; i < b->n_except; i++)
		hash = hash_prefix(hash, &b->except[i]);
	return hash;
}

static bool same_block(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_blocks *bs = ctx;

	return !block_cmp(&bs->items[item], key);
}

/* Exceptions outside the CIDR except nothing, one around it everything: the CIDR itself then. */
static int normalize(const struct lnt_netpol_peer *peer, struct lnt_block *ret_block)
{
	struct lnt_block b = {.cidr = peer->block};
	size_t n = 0;

	b.except = calloc(peer->n_except + 1, sizeof(*b.except));
	if (!b.except)
		return -ENOMEM;
	for (size_t i = 0; i < peer->n_except; i++) {
		const struct lnt_prefix *e = &peer->except[i];

		if (covers(&b.cidr, e))
			b.except[b.n_except++] = *e;
		else if (covers(e, &b.cidr))
			b.except[b.n_except++] = b.cidr;
	}
	if (b.n_except)
		qsort(b.except, b.n_except, sizeof(*b.except), prefix_cmp);
	for (size_t i = 0; i < b.n_except; i++)
		if (!n || prefix_cmp(&b.except[n - 1], &b.except[i]))
			b.except[n++] = b.except[i];
	b.n_except = n;
	*ret_block = b;
	return 0;
}

int lnt_blocks_add(struct lnt_blocks *bs, const struct lnt_netpol_peer *peer, uint32_t *ret_index)
{
	struct lnt_block b;
	uint64_t hash;

	if (normalize(peer, &b))
		return -ENOMEM;
	hash = hash_block(&b);
	*ret_index = lnt_index_get(&bs->by_content, hash, same_block, bs, &b);
	if (*ret_index != LNT_NONE) {
		free(b.except);
		return 0;
	}
	*ret_index = (uint32_t)bs->n;
	if (LNT_GROW(bs->items, bs->cap, bs->n + 1) ||
		lnt_index_put(&bs->by_content, hash, *ret_index)) {
		free(b.except);
		return -ENOMEM;
	}
	bs->items[bs->n++] = b;
	return 0;
}

static int by_content(const void *pa, const void *pb, void *ctx)
{
	const struct lnt_blocks *bs = ctx;

	return block_cmp(&bs->items[*(const uint32_t *)pa], &bs->items[*(const uint32_t *)pb]);
}

static int rank(struct lnt_blocks *bs)
{
	_cleanup_free_ uint32_t *order = calloc(bs->n, sizeof(*order));

	bs->ranks = calloc(bs->n, sizeof(*bs->ranks));
	bs->hashes = calloc(bs->n, sizeof(*bs->hashes));
	if (!order || !bs->ranks || !bs->hashes)
		return -ENOMEM;
	for (uint32_t i = 0; i < bs->n; i++)
		order[i] = i;
	qsort_r(order, bs->n, sizeof(*order), by_content, bs);
	for (uint32_t i = 0; i < bs->n; i++) {
		bs->ranks[order[i]] = i;
		bs->hashes[i] = hash_block(&bs->items[order[i]]);
	}
	return 0;
}

/*
 * Every prefix that a block begins or an exception ends at. 0.0.0.0/0 is always one: in the maps
 * IPv4 lies inside of ::/0.
 */
static int plant(struct lnt_blocks *bs)
{
	size_t n = 1;

	for (size_t i = 0; i < bs->n; i++)
		n += 1 + bs->items[i].n_except;
	bs->nodes = calloc(n, sizeof(*bs->nodes));
	if (!bs->nodes)
		return -ENOMEM;
	bs->nodes[bs->n_nodes++].prefix.addr = lnt_addr_from4(0);
	for (size_t i = 0; i < bs->n; i++) {
		bs->nodes[bs->n_nodes++].prefix = bs->items[i].cidr;
		for (size_t k = 0; k < bs->items[i].n_except; k++)
			bs->nodes[bs->n_nodes++].prefix = bs->items[i].except[k];
	}
	qsort(bs->nodes, bs->n_nodes, sizeof(*bs->nodes), prefix_cmp);
	n = 0;
	for (size_t i = 0; i < bs->n_nodes; i++)
		if (!n || prefix_cmp(&bs->nodes[n - 1].prefix, &bs->nodes[i].prefix))
			bs->nodes[n++] = bs->nodes[i];
	bs->n_nodes = n;
	return 0;
}

/* A block that begins or ends at a node. */
struct edge {
	uint32_t node, rank;
	bool end;
};

static int edge_cmp(const void *pa, const void *pb)
{
	const struct edge *a = pa, *b = pb;

	return a->node != b->node ? (a->node > b->node) - (a->node < b->node)
				  : (int)a->end - (int)b->end;
}

static uint32_t find_node(const struct lnt_blocks *bs, const struct lnt_prefix *p)
{
	const struct lnt_blocks_node *n =
		bsearch(p, bs->nodes, bs->n_nodes, sizeof(*bs->nodes), prefix_cmp);

	return (uint32_t)(n - bs->nodes);
}

static size_t list_edges(const struct lnt_blocks *bs, struct edge *edges)
{
	size_t n = 0;

	for (size_t i = 0; i < bs->n; i++) {
		const struct lnt_block *b = &bs->items[i];

		edges[n++] = (struct edge){find_node(bs, &b->cidr), bs->ranks[i], false};
		for (size_t k = 0; k < b->n_except; k++)
			edges[n++] =
				(struct edge){find_node(bs, &b->except[k]), bs->ranks[i], true};
	}
	qsort(edges, n, sizeof(*edges), edge_cmp);
	return n;
}

/* The parent's set, with what begins at the node and without what ends there. */
static int fill_set(struct lnt_blocks *bs, struct lnt_blocks_node *node, const struct edge *edges,
	size_t n_edges, struct lnt_u32s *set)
{
	size_t kept = 0;

	set->n = 0;
	if (node->parent != LNT_NONE) {
		uint32_t from = bs->nodes[node->parent].set;

		for (uint32_t i = 0; i < bs->sets.items[from].n; i++)
			if (lnt_u32s_push(set, lnt_sets_at(&bs->sets, from)[i]))
				return -ENOMEM;
	}
	for (size_t i = 0; i < n_edges && !edges[i].end; i++)
		if (lnt_u32s_push(set, edges[i].rank))
			return -ENOMEM;
	lnt_u32s_sort(set);
	for (size_t i = 0; i < set->n; i++) {
		bool ends = false;

		for (size_t k = n_edges; k-- > 0 && edges[k].end && !ends;)
			ends = edges[k].rank == set->v[i];
		if (!ends)
			set->v[kept++] = set->v[i];
	}
	return lnt_sets_add(&bs->sets, set->v, kept, &node->set, NULL);
}

static int arrange(struct lnt_blocks *bs)
{
	_cleanup_(lnt_u32s_clear) struct lnt_u32s set = {};
	_cleanup_free_ struct edge *edges = NULL;
	size_t n = 0, n_edges, at = 0;

	for (size_t i = 0; i < bs->n; i++)
		n += 1 + bs->items[i].n_except;
	edges = calloc(n + 1, sizeof(*edges));
	if (!edges)
		return -ENOMEM;
	n_edges = list_edges(bs, edges);
	for (uint32_t i = 0; i < bs->n_nodes; i++) {
		struct lnt_blocks_node *node = &bs->nodes[i];
		size_t first = at;

		/* Of sorted prefixes the nearest before that covers it is among the last one's. */
		node->parent = i ? i - 1 : LNT_NONE;
		while (node->parent != LNT_NONE &&
			!covers(&bs->nodes[node->parent].prefix, &node->prefix))
			node->parent = bs->nodes[node->parent].parent;
		while (at < n_edges && edges[at].node == i)
			at++;
		if (fill_set(bs, node, edges + first, at - first, &set))
			return -ENOMEM;
	}
	return 0;
}

int lnt_blocks_seal(struct lnt_blocks *bs)
{
	uint32_t empty;

	if (lnt_sets_add(&bs->sets, NULL, 0, &empty, NULL))
		return -ENOMEM;
	if (!bs->n)
		return 0;
	return rank(bs) || plant(bs) || arrange(bs) ? -ENOMEM : 0;
}

uint32_t lnt_blocks_of(const struct lnt_blocks *bs, const struct in6_addr *addr)
{
	const struct lnt_prefix p = {.addr = *addr, .len = (uint8_t)lnt_addr_bits(addr)};
	size_t lo = 0, hi = bs->n_nodes;
	uint32_t node;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (prefix_cmp(&bs->nodes[mid].prefix, &p) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	node = lo ? (uint32_t)lo - 1 : LNT_NONE;
	while (node != LNT_NONE && !covers(&bs->nodes[node].prefix, &p))
		node = bs->nodes[node].parent;
	return node == LNT_NONE ? 0 : bs->nodes[node].set;
}

void lnt_blocks_clear(struct lnt_blocks *bs)
{
	for (size_t i = 0; i < bs->n; i++)
		free(bs->items[i].except);
	free(bs->items);
	lnt_index_clear(&bs->by_content);
	free(bs->ranks);
	free(bs->hashes);
	free(bs->nodes);
	lnt_sets_clear(&bs->sets);
	*bs = (struct lnt_blocks){};
}
