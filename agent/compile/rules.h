/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The policies of the cluster in the order in which they are asked (ClusterNetworkPolicies by tier,
 * priority and name, then NetworkPolicies by namespace and name), and the rules of those that
 * somebody uses, in one list: ingress before egress, then as the policy has them. What the rules
 * select and name is collected, and what has no effect is noted as a problem.
 */
#include "agent/compile/blocks.h"
#include "agent/compile/compile.h"
#include "agent/compile/named.h"
#include "agent/compile/peersel.h"

/*
 * What a peer may be selected by ("element"): its kind, a selector of pods, a fact about its ports,
 * a selector of nodes, a block of addresses; numbered in this order, within each by content.
 */
enum lnt_element_kind {
	LNT_ELEMENT_WORLD,
	LNT_ELEMENT_HOST,
	LNT_ELEMENT_NODE,
	LNT_ELEMENT_UNLABELLED,
	LNT_ELEMENT_POD,
	LNT_ELEMENT_KINDS
};

struct lnt_rule {
	const struct lnt_netpol *policy;
	const struct lnt_netpol_rule *rule;
	enum lnt_direction dir;
	uint32_t number;	      /* of lnt_policy_value, given out by entries.c */
	uint32_t order;		      /* the same */
	uint32_t kinds;		      /* bits of enum lnt_element_kind: all of these are peers */
	uint32_t first_peer, n_peers; /* in lnt_rules.peers; the ones with effect */
};

struct lnt_rules {
	const struct lnt_meta **policies;
	size_t n_policies;
	size_t n_cluster; /* of these ClusterNetworkPolicies; they come first */
	uint32_t *first;  /* each policy's first rule; one more for the end */
	struct lnt_rule *items;
	size_t n, cap;
	struct lnt_u32s peers; /* elements */
	struct lnt_peersels peersels;
	struct lnt_named named;
	struct lnt_selectors nodes;
	uint32_t *node_ranks; /* by index in nodes */
	struct lnt_blocks blocks;
	struct lnt_rules_problem {
		uint32_t policy;
		char *text; /* owned */
	} * problems;
	size_t n_problems, cap_problems;
};

/* Lists the policies of @st. Returns 0 or -ENOMEM. */
int lnt_rules_list(const struct lnt_store *st, struct lnt_rules *ret_rules);

/*
 * Reads the rules of the policies that @used names by index, and the named ports of the pods of
 * @st. Returns 0 or -ENOMEM.
 */
int lnt_rules_read(struct lnt_rules *rs, const struct lnt_store *st, const bool *used);
void lnt_rules_clear(struct lnt_rules *rs);

static inline const struct lnt_netpol *lnt_rules_policy(const struct lnt_rules *rs, size_t i)
{
	return (const struct lnt_netpol *)rs->policies[i];
}

/* The first element of each sort but kinds, which begin with 0; and how many there are in all. */
static inline uint32_t lnt_rules_peersel0(const struct lnt_rules *rs)
{
	return LNT_ELEMENT_KINDS;
}

static inline uint32_t lnt_rules_fact0(const struct lnt_rules *rs)
{
	return lnt_rules_peersel0(rs) + (uint32_t)rs->peersels.n;
}

static inline uint32_t lnt_rules_node0(const struct lnt_rules *rs)
{
	return lnt_rules_fact0(rs) + (uint32_t)rs->named.n_facts;
}

static inline uint32_t lnt_rules_block0(const struct lnt_rules *rs)
{
	return lnt_rules_node0(rs) + (uint32_t)rs->nodes.n;
}

static inline uint32_t lnt_rules_n_elements(const struct lnt_rules *rs)
{
	return lnt_rules_block0(rs) + (uint32_t)rs->blocks.n;
}

/* Content hash of an element. */
uint64_t lnt_rules_element_hash(const struct lnt_rules *rs, uint32_t element);

/* Whether any peer will do: no peers were given, as opposed to none that has an effect. */
static inline bool lnt_rule_any_peer(const struct lnt_rule *r)
{
	return !r->rule->n_peers;
}

/* Why a port of a rule matches nothing; NULL: it is fine. */
const char *lnt_rule_port_problem(const struct lnt_netpol_port *port);

/*
 * Content hash of a policy that was read: its name, place among the others, types and rules. The
 * same for equal policies in every process, different when it was edited in any way that changes
 * its entries.
 */
uint64_t lnt_rules_hash(const struct lnt_rules *rs, size_t policy);
