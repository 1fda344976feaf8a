/* SPDX-License-Identifier: Apache-2.0 */
/* The claims of claims.h. */
#include "agent/compile/claims.h"
#include "agent/compile/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct build {
	struct lnt_claims *claims;
	struct lnt_identities *ids;
	const char *node_name;
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
	bool own = strcmp(node->meta.name, b->node_name) == 0;
	struct lnt_claim c = {.rank = own ? LNT_CLAIM_HOST : LNT_CLAIM_NODE};

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

static int claim_pod(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_pod *pod = (const struct lnt_pod *)obj;
	struct lnt_claim c = {.rank = LNT_CLAIM_POD, .obj = obj};
	struct build *b = ctx;

	if (pod->host_network || pod->terminated || !pod->n_addrs)
		return 0;
	if (lnt_identities_add(b->ids, pod, &c.identity))
		return -ENOMEM;
	for (size_t i = 0; i < pod->n_addrs; i++) {
		c.addr = pod->addrs[i];
		if (claim(b, &c))
			return -ENOMEM;
	}
	return 0;
}

static int claim_locals(struct build *b, const struct lnt_locals *locals)
{
	for (size_t i = 0; i < locals->n; i++) {
		const struct lnt_local *l = &locals->items[i];
		struct lnt_claim c = {
			.rank = LNT_CLAIM_LOCAL,
			.identity = l->identity,
			.local = l,
		};

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

static int claim_cmp(const void *pa, const void *pb)
{
	const struct lnt_claim *a = pa, *b = pb;
	int r = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (!r)
		r = (int)a->rank - (int)b->rank;
	if (!r && a->rank == LNT_CLAIM_LOCAL)
		r = local_cmp(a->local->ep, b->local->ep);
	if (!r && a->rank == LNT_CLAIM_POD)
		r = lnt_meta_cmp(a->obj, b->obj);
	return r;
}

int lnt_claims_build(const struct lnt_store *st, const char *node_name,
	const struct lnt_locals *locals, struct lnt_identities *ids, struct lnt_claims *ret_claims)
{
	struct lnt_claims cs = {};
	struct build b = {.claims = &cs, .ids = ids, .node_name = node_name};
	size_t n = 0;

	if (lnt_store_each(st, LNT_KIND_NODE, claim_node, &b) || claim_locals(&b, locals) ||
		lnt_store_each(st, LNT_KIND_POD, claim_pod, &b)) {
		lnt_claims_clear(&cs);
		return -ENOMEM;
	}
	if (cs.n)
		qsort(cs.items, cs.n, sizeof(*cs.items), claim_cmp);
	for (size_t i = 0; i < cs.n; i++)
		if (!n || !IN6_ARE_ADDR_EQUAL(&cs.items[n - 1].addr, &cs.items[i].addr))
			cs.items[n++] = cs.items[i];
	cs.n = n;
	*ret_claims = cs;
	return 0;
}

void lnt_claims_clear(struct lnt_claims *cs)
{
	free(cs->items);
	*cs = (struct lnt_claims){};
}
