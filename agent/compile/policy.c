/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies and identities, start to end: rules (rules.c) tell what selectors and port names exist,
 * local endpoints (local.c) and addresses (claims.c) give their pods identities by these
 * (identity.c), and rules times identities are the entries (entries.c).
 */
#include "agent/compile/claims.h"
#include "agent/compile/compile.h"
#include "agent/compile/entries.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

static struct lnt_endpoint_value endpoint_value(
	const struct lnt_local *l, const struct lnt_locals *locals, uint32_t identity)
{
	struct lnt_endpoint_value v = {
		.ifindex = l->ep->host_ifindex,
		.identity = identity,
		.policy_id = l->policy == LNT_NONE ? 0 : locals->numbers[l->policy],
		.flags = l->flags,
	};

	memcpy(v.mac, l->ep->mac, sizeof(v.mac));
	memcpy(v.host_mac, l->ep->host_mac, sizeof(v.host_mac));
	return v;
}

/* LNT_ID_ANY: nobody that is known. */
static uint32_t claim_identity(const struct lnt_claim *c, const struct lnt_identities *ids)
{
	switch (c->rank) {
	case LNT_CLAIM_HOST:
		return LNT_ID_HOST;
	case LNT_CLAIM_NODE:
		return LNT_ID_NODE;
	case LNT_CLAIM_LOCAL:
		if (!c->local->pod)
			return c->local->ep->pod_name[0] ? LNT_ID_ANY : LNT_ID_UNLABELLED;
		return ids->numbers[c->identity];
	case LNT_CLAIM_POD:
		return ids->numbers[c->identity];
	}
	return LNT_ID_ANY;
}

static int fill_addresses(const struct lnt_claims *claims, const struct lnt_identities *ids,
	const struct lnt_locals *locals, struct lnt_policy_state *s)
{
	s->peers = calloc(claims->n + 1, sizeof(*s->peers));
	s->endpoints = calloc(claims->n + 1, sizeof(*s->endpoints));
	if (!s->peers || !s->endpoints)
		return -ENOMEM;
	for (size_t i = 0; i < claims->n; i++) {
		const struct lnt_claim *c = &claims->items[i];
		uint32_t identity = claim_identity(c, ids);

		if (identity == LNT_ID_ANY)
			continue;
		s->peers[s->n_peers++] = (struct lnt_peer_entry){
			.addr = c->addr,
			.value = {.identity = identity},
		};
		if (c->rank == LNT_CLAIM_LOCAL)
			s->endpoints[s->n_endpoints++] = (struct lnt_endpoint_entry){
				.addr = c->addr,
				.value = endpoint_value(c->local, locals, identity),
			};
	}
	LNT_SHRINK(s->peers, s->n_peers);
	LNT_SHRINK(s->endpoints, s->n_endpoints);
	return 0;
}

static int fill_problems(
	struct lnt_rules *rules, const struct lnt_locals *locals, struct lnt_policy_state *s)
{
	if (!rules->n_problems)
		return 0;
	s->problems = calloc(rules->n_problems, sizeof(*s->problems));
	if (!s->problems)
		return -ENOMEM;
	for (size_t i = 0; i < rules->n_problems; i++) {
		struct lnt_rules_problem *from = &rules->problems[i];
		const struct lnt_meta *meta = rules->policies[from->policy];

		/* The policy may be gone from the store when this is read. */
		s->problems[s->n_problems++] = (struct lnt_policy_problem){
			.ns = lnt_intern(meta->ns),
			.name = lnt_intern(meta->name),
			.text = TAKE_PTR(from->text),
			.applied = locals->applied[from->policy],
		};
	}
	return 0;
}

static int compile(const struct lnt_store *st, const char *node_name,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_policy_state *s)
{
	_cleanup_(lnt_rules_clear) struct lnt_rules rules = {};
	_cleanup_(lnt_identities_clear) struct lnt_identities ids = {.st = st, .rules = &rules};
	_cleanup_(lnt_locals_clear) struct lnt_locals locals = {};
	_cleanup_(lnt_claims_clear) struct lnt_claims claims = {};

	if (lnt_rules_build(st, &rules) ||
		lnt_locals_build(st, node_name, eps, n_eps, &rules, &ids, &locals) ||
		lnt_claims_build(st, node_name, &locals, &ids, &claims) ||
		lnt_identities_seal(&ids) || fill_addresses(&claims, &ids, &locals, s) ||
		lnt_entries_build(&rules, &ids, &locals, s))
		return -ENOMEM;
	s->n_identities = (uint32_t)ids.sets.n;
	return fill_problems(&rules, &locals, s);
}

int lnt_compile_policy(const struct lnt_store *st, const char *node_name,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_err *e,
	struct lnt_policy_state *ret_state)
{
	_cleanup_(lnt_policy_state_clear) struct lnt_policy_state s = {};

	if (compile(st, node_name, eps, n_eps, &s))
		return lnt_err_sys(e, -ENOMEM, "compile policies");
	*ret_state = s;
	s = (struct lnt_policy_state){};
	return 0;
}

void lnt_policy_state_clear(struct lnt_policy_state *s)
{
	for (size_t i = 0; i < s->n_rules; i++)
		free(s->rules[i].name);
	for (size_t i = 0; i < s->n_problems; i++) {
		lnt_unintern(s->problems[i].ns);
		lnt_unintern(s->problems[i].name);
		free(s->problems[i].text);
	}
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
