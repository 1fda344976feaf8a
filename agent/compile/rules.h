/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * All rules of all NetworkPolicies in one list, in the order of policies (namespace, name), then
 * ingress before egress, then as the policy has them; with what they select and name collected, and
 * the parts that have no effect noted as problems.
 */
#include "agent/compile/compile.h"
#include "agent/compile/named.h"
#include "agent/compile/peersel.h"

struct lnt_rule {
	const struct lnt_netpol *policy;
	const struct lnt_netpol_rule *rule;
	enum lnt_direction dir;
	uint32_t index;		      /* in the policy's list of that direction */
	uint32_t first_peer, n_peers; /* in lnt_rules.peers; the ones with effect */
};

struct lnt_rules {
	const struct lnt_meta **policies; /* sorted */
	size_t n_policies;
	uint32_t *first; /* each policy's first rule; one more for the end */
	struct lnt_rule *items;
	size_t n, cap;
	struct lnt_u32s peers; /* ranks of peer selectors */
	struct lnt_peersels peersels;
	struct lnt_named named;
	struct lnt_rules_problem {
		uint32_t policy;
		char *text; /* owned */
	} * problems;
	size_t n_problems, cap_problems;
};

/* Reads the policies of @st, and the named ports of its pods. Returns 0 or -ENOMEM. */
int lnt_rules_build(const struct lnt_store *st, struct lnt_rules *ret_rules);
void lnt_rules_clear(struct lnt_rules *rs);

static inline const struct lnt_netpol *lnt_rules_policy(const struct lnt_rules *rs, size_t i)
{
	return (const struct lnt_netpol *)rs->policies[i];
}

/* Whether any peer will do: no peers were given, as opposed to none that has an effect. */
static inline bool lnt_rule_any_peer(const struct lnt_rule *r)
{
	return !r->rule->n_peers;
}

/* Why a port of a rule matches nothing; NULL: it is fine. */
const char *lnt_rule_port_problem(const struct lnt_netpol_port *port);

/*
 * Content hash of a policy: its name, types and rules. The same for equal policies in every
 * process, different when it was edited in any way that changes its entries.
 */
uint64_t lnt_rules_hash(const struct lnt_rules *rs, size_t policy);
