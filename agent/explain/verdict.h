/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The verdict of compiled policy, as the programs come to it (datapath/bpf/policy.h, decide.h),
 * step by step and for people. Two implementations of one thing: test_explain_verdict holds them
 * together.
 */
#include "agent/compile/compile.h"
#include "datapath/load.h"

/* Where compiled policy is looked up. False: there is no entry. */
struct lnt_policy_source {
	bool (*endpoint)(
		const void *ctx, const struct in6_addr *addr, struct lnt_endpoint_value *ret_value);
	bool (*peer)(
		const void *ctx, const struct in6_addr *addr, struct lnt_peer_value *ret_value);
	/* The longest block with the address. */
	bool (*block)(
		const void *ctx, const struct in6_addr *addr, struct lnt_peer_value *ret_value);
	/* The entry of just this key. */
	bool (*policy)(const void *ctx, const struct lnt_policy_key *key,
		struct lnt_policy_value *ret_value);
	const void *ctx;
};

/* The kernel's, of this node. @maps stays the caller's and must outlive the source. */
struct lnt_policy_source lnt_source_maps(const struct lnt_maps *maps);

/* A compilation that is in no map. Likewise. */
struct lnt_policy_source lnt_source_state(const struct lnt_policy_state *state);

/* Who an address is to the policies of this source. */
uint32_t lnt_verdict_identity(const struct lnt_policy_source *src, const struct in6_addr *addr);

/* What was asked, and what it said. */
struct lnt_verdict_step {
	enum lnt_tier tier;
	int said;      /* enum lnt_verdict */
	uint32_t rule; /* 0: none */
};

/* Why nothing was asked, or why what was said did not count. */
enum lnt_verdict_why {
	LNT_WHY_POLICY,	      /* the last step, or none: no policy is about it */
	LNT_WHY_NODE_IN,      /* a pod's own node always comes in */
	LNT_WHY_NODE_OUT,     /* NetworkPolicies do not keep a pod from its node */
	LNT_WHY_ISOLATED,     /* isolated, and no rule matched */
	LNT_WHY_CLOSED,	      /* the policy does not fit into the maps */
	LNT_WHY_UNPROGRAMMED, /* the address is not in the maps */
};

/* Of the policy of one end. */
struct lnt_end_verdict {
	enum lnt_drop reason; /* LNT_DROP_NONE: allowed */
	enum lnt_verdict_why why;
	uint32_t rule; /* the last that matched, 0: none, or isolated and none */
	bool audit;    /* what is denied passes */
	unsigned n_steps;
	struct lnt_verdict_step steps[3];
};

/*
 * Whether the endpoint @addr may talk in @dir with peer @identity. @port: of the connection's
 * target, network byte order.
 */
void lnt_verdict_end(const struct lnt_policy_source *src, const struct in6_addr *addr,
	enum lnt_direction dir, uint32_t identity, uint8_t proto, __be16 port,
	struct lnt_end_verdict *ret_verdict);
