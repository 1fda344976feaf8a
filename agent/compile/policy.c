/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies and identities, start to end: the policies that select a pod of this node (local.c) have
 * rules (rules.c) with selectors, port names and blocks; by these all addresses of the cluster
 * (claims.c) have identities (identity.c), and rules times identities are the entries (entries.c).
 */
#include "agent/compile/policy.h"
#include "agent/compile/entries.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

static struct lnt_endpoint_value endpoint_value(
	const struct lnt_policy_parts *p, const struct lnt_local *l, uint32_t identity)
{
	struct lnt_endpoint_value v = {
		.ifindex = l->ep->host_ifindex,
		.identity = identity,
	};

	if (l->policy != LNT_NONE) {
		v.policy_id = p->locals.numbers[l->policy];
		v.flags = lnt_locals_flags(&p->locals, &p->rules, l->policy);
	}
	if (l->audit)
		v.flags |= LNT_EP_AUDIT;
	memcpy(v.mac, l->ep->mac, sizeof(v.mac));
	memcpy(v.host_mac, l->ep->host_mac, sizeof(v.host_mac));
	return v;
}

int lnt_policy_addresses(const struct lnt_policy_parts *p, struct lnt_policy_state *s)
{
	const struct lnt_claims *claims = &p->claims;

	free(s->peers);
	free(s->endpoints);
	s->n_peers = s->n_endpoints = 0;
	s->peers = calloc(claims->n + 1, sizeof(*s->peers));
	s->endpoints = calloc(claims->n + 1, sizeof(*s->endpoints));
	if (!s->peers || !s->endpoints)
		return -ENOMEM;
	for (size_t i = 0; i < claims->n; i++) {
		const struct lnt_claim *c = &claims->items[i];
		uint32_t identity;

		if (c->base == LNT_NONE)
			continue;
		identity = p->ids.numbers[c->identity];
		s->peers[s->n_peers++] = (struct lnt_peer_entry){
			.addr = c->addr,
			.value = {.identity = identity},
		};
		if (c->rank == LNT_CLAIM_LOCAL)
			s->endpoints[s->n_endpoints++] = (struct lnt_endpoint_entry){
				.addr = c->addr,
				.value = endpoint_value(p, &p->locals.items[c->local], identity),
			};
	}
	LNT_SHRINK(s->peers, s->n_peers);
	LNT_SHRINK(s->endpoints, s->n_endpoints);
	return 0;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static int block_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_cidr_key));
}

/* Whether an address of the prefix is somebody else than one just around it. */
static bool matters(const struct lnt_blocks *bs, const struct lnt_blocks_node *n)
{
	/* IPv4 lies inside of ::/0, which says nothing of it. */
	if (n->parent == LNT_NONE)
		return n->set || lnt_addr_is4(&n->prefix.addr);
	return n->set != bs->nodes[n->parent].set;
}

/* Before identities are sealed: all that addresses of the world may be. */
static int add_blocks(struct lnt_policy_parts *p, struct lnt_u32s *identities)
{
	uint32_t world, identity;

	if (p->rules.blocks.n_nodes && lnt_identities_other(&p->ids, LNT_ELEMENT_WORLD, &world))
		return -ENOMEM;
	for (size_t i = 0; i < p->rules.blocks.n_nodes; i++)
		if (lnt_identities_at(&p->ids, world, p->rules.blocks.nodes[i].set, &identity) ||
			lnt_u32s_push(identities, identity))
			return -ENOMEM;
	return 0;
}

static int fill_blocks(const struct lnt_policy_parts *p, const struct lnt_u32s *identities,
	struct lnt_policy_state *s)
{
	const struct lnt_blocks *bs = &p->rules.blocks;

	s->blocks = calloc(bs->n_nodes + 1, sizeof(*s->blocks));
	if (!s->blocks)
		return -ENOMEM;
	for (size_t i = 0; i < identities->n; i++) {
		const struct lnt_prefix *prefix = &bs->nodes[i].prefix;

		if (!matters(bs, &bs->nodes[i]))
			continue;
		s->blocks[s->n_blocks++] = (struct lnt_block_entry){
			.key.prefixlen = 128 - lnt_addr_bits(&prefix->addr) + prefix->len,
			.key.addr = prefix->addr,
			.value.identity = p->ids.numbers[identities->v[i]],
		};
	}
	qsort(s->blocks, s->n_blocks, sizeof(*s->blocks), block_cmp);
	LNT_SHRINK(s->blocks, s->n_blocks);
	return 0;
}

/* --- what people want to know ----------------------------------------------------------------- */

static struct lnt_policy_name name_of(const struct lnt_rules *rules, uint32_t policy)
{
	const struct lnt_netpol *p = lnt_rules_policy(rules, policy);

	/* The policy may be gone from the store when this is read. */
	return (struct lnt_policy_name){
		.kind = p->meta.kind,
		.ns = lnt_intern(p->meta.ns),
		.name = lnt_intern(p->meta.name),
		.tier = p->tier,
		.ingress = p->ingress,
		.egress = p->egress,
	};
}

static int fill_problems(struct lnt_policy_parts *p, struct lnt_policy_state *s)
{
	if (!p->rules.n_problems)
		return 0;
	s->problems = calloc(p->rules.n_problems, sizeof(*s->problems));
	if (!s->problems)
		return -ENOMEM;
	for (size_t i = 0; i < p->rules.n_problems; i++) {
		struct lnt_rules_problem *from = &p->rules.problems[i];

		s->problems[s->n_problems++] = (struct lnt_policy_problem){
			.policy = name_of(&p->rules, from->policy),
			.text = TAKE_PTR(from->text),
		};
	}
	return 0;
}

static int set_cmp(const void *pa, const void *pb)
{
	const struct lnt_policy_set *a = pa, *b = pb;

	return (a->policy_id > b->policy_id) - (a->policy_id < b->policy_id);
}

static int fill_sets(const struct lnt_policy_parts *p, struct lnt_policy_state *s)
{
	const struct lnt_sets *sets = &p->locals.sets;

	s->sets = calloc(sets->n + 1, sizeof(*s->sets));
	s->set_policies = calloc(sets->pool.n + 1, sizeof(*s->set_policies));
	if (!s->sets || !s->set_policies)
		return -ENOMEM;
	for (uint32_t i = 0; i < sets->n; i++) {
		struct lnt_policy_set *set = &s->sets[s->n_sets++];

		*set = (struct lnt_policy_set){
			.policy_id = p->locals.numbers[i],
			.first = s->n_set_policies,
		};
		for (uint32_t k = 0; k < sets->items[i].n; k++) {
			uint32_t policy = lnt_sets_at(sets, i)[k];

			if (policy >= p->rules.n_policies)
				break;
			s->set_policies[s->n_set_policies++] = name_of(&p->rules, policy);
			set->n++;
		}
	}
	qsort(s->sets, s->n_sets, sizeof(*s->sets), set_cmp);
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* What the rules are, and whom they are about here. */
static int build_rules(const struct lnt_store *st, const struct lnt_policy_params *params,
	struct lnt_policy_parts *p)
{
	p->ids = (struct lnt_identities){.st = st, .rules = &p->rules};
	if (lnt_rules_list(st, &p->rules) || lnt_locals_select(st, params, &p->rules, &p->locals) ||
		lnt_rules_read(&p->rules, st, p->locals.applied) ||
		lnt_locals_number(&p->locals, &p->rules))
		return -ENOMEM;
	return 0;
}

/* What follows from rules and claims. */
static int build_state(struct lnt_policy_parts *p, struct lnt_policy_state *s)
{
	_cleanup_(lnt_u32s_clear) struct lnt_u32s blocks = {};

	if (add_blocks(p, &blocks) || lnt_identities_seal(&p->ids) || lnt_policy_addresses(p, s) ||
		fill_blocks(p, &blocks, s) || lnt_entries_name(&p->rules, &p->locals, s) ||
		lnt_entries_add(&p->rules, &p->ids, 0, &p->locals, s) || fill_sets(p, s))
		return -ENOMEM;
	s->n_identities = (uint32_t)p->ids.sets.n;
	return fill_problems(p, s);
}

int lnt_policy_build(const struct lnt_store *st, const struct lnt_policy_params *params,
	struct lnt_policy_parts *p, struct lnt_policy_state *s)
{
	if (build_rules(st, params, p) ||
		lnt_claims_build(st, params, &p->locals, &p->ids, &p->claims))
		return -ENOMEM;
	return build_state(p, s);
}

int lnt_policy_rebuild(const struct lnt_store *st, const struct lnt_policy_params *params,
	struct lnt_policy_parts *p, struct lnt_policy_state *s)
{
	struct lnt_claims claims = p->claims;

	p->claims = (struct lnt_claims){};
	lnt_policy_parts_clear(p);
	lnt_policy_state_clear(s);
	p->claims = claims;
	if (build_rules(st, params, p) || lnt_claims_identify(&p->claims, &p->locals, &p->ids))
		return -ENOMEM;
	return build_state(p, s);
}

void lnt_policy_parts_clear(struct lnt_policy_parts *p)
{
	lnt_claims_clear(&p->claims);
	lnt_identities_clear(&p->ids);
	lnt_locals_clear(&p->locals);
	lnt_rules_clear(&p->rules);
}

int lnt_compile_policy(const struct lnt_store *st, const struct lnt_policy_params *params,
	struct lnt_err *e, struct lnt_policy_state *ret_state)
{
	_cleanup_(lnt_policy_state_clear) struct lnt_policy_state s = {};
	_cleanup_(lnt_policy_parts_clear) struct lnt_policy_parts p = {};

	if (lnt_policy_build(st, params, &p, &s))
		return lnt_err_sys(e, -ENOMEM, "compile policies");
	*ret_state = s;
	s = (struct lnt_policy_state){};
	return 0;
}

static void unname(struct lnt_policy_name *n)
{
	lnt_unintern(n->ns);
	lnt_unintern(n->name);
}

void lnt_policy_state_clear(struct lnt_policy_state *s)
{
	for (size_t i = 0; i < s->n_rules; i++)
		free(s->rules[i].name);
	for (size_t i = 0; i < s->n_problems; i++) {
		unname(&s->problems[i].policy);
		free(s->problems[i].text);
	}
	for (size_t i = 0; i < s->n_set_policies; i++)
		unname(&s->set_policies[i]);
	free(s->sets);
	free(s->set_policies);
	free(s->blocks);
	free(s->peers);
	free(s->endpoints);
	free(s->policy);
	free(s->rules);
	free(s->problems);
	*s = (struct lnt_policy_state){};
}

const char *lnt_policy_rule_name(const struct lnt_policy_state *s, uint32_t rule)
{
	size_t lo = 0, hi = s->n_rules;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->rules[mid].rule < rule)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n_rules && s->rules[lo].rule == rule ? s->rules[lo].name : "";
}
