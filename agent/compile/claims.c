/* SPDX-License-Identifier: Apache-2.0 */
/* The claims of claims.h. */
#include "agent/compile/claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct build {
	struct lnt_claims *claims;
	struct lnt_identities *ids;
	const struct lnt_policy_params *params;
	uint32_t host; /* this node's base, LNT_NONE as long as it has not been met */
	const struct lnt_meta *host_node;
};

static int claim(struct build *b, const struct lnt_claim *c)
{
	struct lnt_claims *cs = b->claims;

	if (IN6_IS_ADDR_UNSPECIFIED(&c->addr))
		return 0;
	if (LNT_GROW(cs->items, cs->cap, cs->n + 1))
		return -ENOMEM;
	cs->items[cs->n++] = *c;
	return 0;
}

static int claim_node(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_node *node = (const struct lnt_node *)obj;
	struct build *b = ctx;
	bool own = strcmp(node->meta.name, b->params->node_name) == 0;
	struct lnt_claim c = {.rank = own ? LNT_CLAIM_HOST : LNT_CLAIM_NODE, .obj = obj};

	if (lnt_identities_node(b->ids, own ? LNT_ELEMENT_HOST : LNT_ELEMENT_NODE, node, &c.base))
		return -ENOMEM;
	if (own) {
		b->host = c.base;
		b->host_node = obj;
	}
	for (size_t i = 0; i < node->n_addrs; i++) {
		c.addr = node->addrs[i];
		if (claim(b, &c))
			return -ENOMEM;
	}
	for (size_t i = 0; i < node->n_internal; i++) {
		c.addr = node->internal[i];
		if (claim(b, &c))
			return -ENOMEM;
	}
	return 0;
}

/* Kubernetes knows only some of this node's addresses. */
static int claim_host(struct build *b)
{
	struct lnt_claim c = {.rank = LNT_CLAIM_HOST, .base = b->host, .obj = b->host_node};

	if (c.base == LNT_NONE && lnt_identities_node(b->ids, LNT_ELEMENT_HOST, NULL, &c.base))
		return -ENOMEM;
	for (size_t i = 0; i < b->params->n_host_addrs; i++) {
		c.addr = b->params->host_addrs[i];
		if (claim(b, &c))
			return -ENOMEM;
	}
	return 0;
}

static bool has_addresses(const struct lnt_pod *pod)
{
	return !pod->host_network && !pod->terminated && pod->n_addrs;
}

static int claim_pod(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_pod *pod = (const struct lnt_pod *)obj;
	struct lnt_claim c = {.rank = LNT_CLAIM_POD, .obj = obj, .ns = obj->ns, .name = obj->name};
	struct build *b = ctx;

	if (!has_addresses(pod))
		return 0;
	if (lnt_identities_pod(b->ids, pod, &c.base))
		return -ENOMEM;
	for (size_t i = 0; i < pod->n_addrs; i++) {
		c.addr = pod->addrs[i];
		if (claim(b, &c))
			return -ENOMEM;
	}
	return 0;
}

/* Of an endpoint whose pod is not known nothing may be believed. */
static int base_of_local(struct lnt_identities *ids, const struct lnt_local *l, uint32_t *ret_base)
{
	*ret_base = LNT_NONE;
	if (l->pod)
		return lnt_identities_pod(ids, l->pod, ret_base);
	return l->ep->pod_name[0] ? 0 : lnt_identities_other(ids, LNT_ELEMENT_UNLABELLED, ret_base);
}

static int claim_locals(struct build *b, const struct lnt_locals *locals)
{
	for (size_t i = 0; i < locals->n; i++) {
		const struct lnt_local *l = &locals->items[i];
		struct lnt_claim c = {.rank = LNT_CLAIM_LOCAL, .local = (uint32_t)i};

		if (base_of_local(b->ids, l, &c.base))
			return -ENOMEM;
		for (unsigned a = 0; a < l->ep->n_addrs; a++) {
			c.addr = l->ep->addrs[a];
			if (claim(b, &c))
				return -ENOMEM;
		}
	}
	return 0;
}

static int local_cmp(const struct lnt_endpoint *a, const struct lnt_endpoint *b)
{
	int r;

	if (a->host_ifindex != b->host_ifindex)
		return a->host_ifindex > b->host_ifindex ? -1 : 1;
	r = strcmp(a->container_id, b->container_id);
	return r ? r : strcmp(a->ifname, b->ifname);
}

static int claim_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct lnt_claim *a = pa, *b = pb;
	const struct lnt_locals *locals = ctx;
	int r = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (!r)
		r = (int)a->rank - (int)b->rank;
	if (!r && a->rank == LNT_CLAIM_LOCAL)
		r = local_cmp(locals->items[a->local].ep, locals->items[b->local].ep);
	if (!r && a->rank == LNT_CLAIM_POD)
		r = strcmp(a->ns, b->ns) ?: strcmp(a->name, b->name);
	return r;
}

/* Finds out who is at the address, as its base is known. */
static int identify(struct lnt_claim *c, struct lnt_identities *ids)
{
	if (c->base == LNT_NONE)
		return 0;
	return lnt_identities_at(
		ids, c->base, lnt_blocks_of(&ids->rules->blocks, &c->addr), &c->identity);
}

/* The claim has its address; it keeps the pod's name. */
static int win(struct lnt_claim *c, struct lnt_identities *ids)
{
	if (ids && identify(c, ids))
		return -ENOMEM;
	if (c->rank == LNT_CLAIM_POD) {
		lnt_intern_again(c->ns);
		lnt_intern_again(c->name);
	}
	return 0;
}

static bool same_claimant(const struct lnt_claim *a, const struct lnt_claim *b)
{
	return a->rank == b->rank && a->base == b->base && a->local == b->local && a->ns == b->ns &&
		a->name == b->name;
}

/* The first of those that claim an address has it. */
static int settle(
	struct lnt_claims *cs, const struct lnt_locals *locals, struct lnt_identities *ids)
{
	size_t n_all = cs->n;

	if (cs->n)
		qsort_r(cs->items, cs->n, sizeof(*cs->items), claim_cmp, (void *)locals);
	cs->n = 0;
	for (size_t i = 0; i < n_all; i++) {
		struct lnt_claim *c = &cs->items[i], *last = cs->n ? &cs->items[cs->n - 1] : NULL;

		if (last && IN6_ARE_ADDR_EQUAL(&last->addr, &c->addr)) {
			last->contested |= !same_claimant(last, c);
			continue;
		}
		if (win(c, ids))
			return -ENOMEM;
		cs->items[cs->n++] = *c;
	}
	return 0;
}

/* Where @addr is, or would be. */
static size_t place_of(const struct lnt_claims *cs, const struct in6_addr *addr)
{
	size_t lo = 0, hi = cs->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(&cs->items[mid].addr, addr, sizeof(*addr)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void lose(struct lnt_claims *cs, size_t i)
{
	lnt_unintern(cs->items[i].ns);
	lnt_unintern(cs->items[i].name);
	memmove(&cs->items[i], &cs->items[i + 1], (--cs->n - i) * sizeof(*cs->items));
}

static int insert(struct lnt_claims *cs, struct lnt_claim *c, struct lnt_identities *ids)
{
	size_t i = place_of(cs, &c->addr);

	if (IN6_IS_ADDR_UNSPECIFIED(&c->addr))
		return 0;
	if (i < cs->n && IN6_ARE_ADDR_EQUAL(&cs->items[i].addr, &c->addr))
		return -ESTALE;
	if (LNT_GROW(cs->items, cs->cap, cs->n + 1) || win(c, ids))
		return -ENOMEM;
	memmove(&cs->items[i + 1], &cs->items[i], (cs->n++ - i) * sizeof(*cs->items));
	cs->items[i] = *c;
	return 0;
}

int lnt_claims_pod(struct lnt_claims *cs, const char *ns, const char *name,
	const struct lnt_pod *pod, struct lnt_identities *ids)
{
	struct lnt_claim c = {
		.rank = LNT_CLAIM_POD, .obj = pod ? &pod->meta : NULL, .ns = ns, .name = name};
	int r = 0;

	for (size_t i = cs->n; i-- > 0;) {
		const struct lnt_claim *old = &cs->items[i];

		if (old->rank != LNT_CLAIM_POD || old->ns != ns || old->name != name)
			continue;
		if (old->contested)
			return -ESTALE;
		lose(cs, i);
	}
	if (!pod || !has_addresses(pod))
		return 0;
	if (ids)
		r = lnt_identities_pod(ids, pod, &c.base);
	for (size_t i = 0; !r && i < pod->n_addrs; i++) {
		c.addr = pod->addrs[i];
		/* Both of its addresses may be the same one. */
		if (!i || !IN6_ARE_ADDR_EQUAL(&pod->addrs[0], &c.addr))
			r = insert(cs, &c, ids);
	}
	return r;
}

int lnt_claims_build(const struct lnt_store *st, const struct lnt_policy_params *params,
	const struct lnt_locals *locals, struct lnt_identities *ids, struct lnt_claims *ret_claims)
{
	struct lnt_claims cs = {};
	struct build b = {.claims = &cs, .ids = ids, .params = params, .host = LNT_NONE};

	if (lnt_store_each(st, LNT_KIND_NODE, claim_node, &b) || claim_host(&b) ||
		claim_locals(&b, locals) || lnt_store_each(st, LNT_KIND_POD, claim_pod, &b)) {
		free(cs.items);
		return -ENOMEM;
	}
	if (settle(&cs, locals, ids)) {
		lnt_claims_clear(&cs);
		return -ENOMEM;
	}
	*ret_claims = cs;
	return 0;
}

static int find_base(
	struct lnt_claim *c, const struct lnt_locals *locals, struct lnt_identities *ids)
{
	switch (c->rank) {
	case LNT_CLAIM_HOST:
		return lnt_identities_node(
			ids, LNT_ELEMENT_HOST, (const struct lnt_node *)c->obj, &c->base);
	case LNT_CLAIM_NODE:
		return lnt_identities_node(
			ids, LNT_ELEMENT_NODE, (const struct lnt_node *)c->obj, &c->base);
	case LNT_CLAIM_LOCAL:
		return base_of_local(ids, &locals->items[c->local], &c->base);
	case LNT_CLAIM_POD:
		return lnt_identities_pod(ids, (const struct lnt_pod *)c->obj, &c->base);
	}
	return -ENOMEM;
}

int lnt_claims_identify(
	struct lnt_claims *cs, const struct lnt_locals *locals, struct lnt_identities *ids)
{
	for (size_t i = 0; i < cs->n; i++) {
		struct lnt_claim *c = &cs->items[i];

		if (find_base(c, locals, ids) || identify(c, ids))
			return -ENOMEM;
	}
	return 0;
}

void lnt_claims_clear(struct lnt_claims *cs)
{
	for (size_t i = 0; i < cs->n; i++) {
		lnt_unintern(cs->items[i].ns);
		lnt_unintern(cs->items[i].name);
	}
	free(cs->items);
	*cs = (struct lnt_claims){};
}
