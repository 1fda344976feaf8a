/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who has which address, where several say that they do: see lnt_compile_policy(). */
#include "agent/compile/identity.h"
#include "agent/compile/local.h"

enum lnt_claim_rank {
	LNT_CLAIM_HOST,
	LNT_CLAIM_NODE,
	LNT_CLAIM_LOCAL,
	LNT_CLAIM_POD
};

struct lnt_claim {
	struct in6_addr addr;
	enum lnt_claim_rank rank;
	uint32_t base;		    /* of identities; LNT_NONE: nobody that is known */
	uint32_t identity;	    /* of identities, index in their sets */
	bool contested;		    /* others claim it too */
	uint32_t local;		    /* LNT_CLAIM_LOCAL: index in lnt_locals.items */
	const struct lnt_meta *obj; /* the store's pod or node; NULL: none */
	const char *ns, *name;	    /* LNT_CLAIM_POD: interned, references of its own */
};

struct lnt_claims {
	struct lnt_claim *items; /* sorted by address, each once */
	size_t n, cap;
};

/*
 * Collects the claims of nodes, of this node's devices, @locals and pods, adding to @ids who has an
 * address. Returns 0 or -ENOMEM.
 */
int lnt_claims_build(const struct lnt_store *st, const struct lnt_policy_params *params,
	const struct lnt_locals *locals, struct lnt_identities *ids, struct lnt_claims *ret_claims);

/* The same claims by other rules: who has each address is found out again. Returns 0 or -ENOMEM. */
int lnt_claims_identify(
	struct lnt_claims *cs, const struct lnt_locals *locals, struct lnt_identities *ids);

/*
 * What a pod of another node claims now; @pod NULL: nothing any more. Without @ids the claims are
 * to be identified after that. Returns 0, -ESTALE when an address is contested, or was, so that all
 * must be built anew, or -ENOMEM.
 */
int lnt_claims_pod(struct lnt_claims *cs, const char *ns, const char *name,
	const struct lnt_pod *pod, struct lnt_identities *ids);
void lnt_claims_clear(struct lnt_claims *cs);
