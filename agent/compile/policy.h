/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The stages that policies and identities go through, kept together so that some can be done again.
 */
#include "agent/compile/claims.h"

/* Must not be moved: they point to one another. */
struct lnt_policy_parts {
	struct lnt_rules rules;
	struct lnt_locals locals;
	struct lnt_identities ids;
	struct lnt_claims claims;
};

/* All stages, into empty @p and @s. Returns 0 or -ENOMEM, then both are to be cleared. */
int lnt_policy_build(const struct lnt_store *st, const struct lnt_policy_params *params,
	struct lnt_policy_parts *p, struct lnt_policy_state *s);

/*
 * The same where only policies have changed since: the claims stay. Returns 0 or -ENOMEM, then both
 * are to be cleared.
 */
int lnt_policy_rebuild(const struct lnt_store *st, const struct lnt_policy_params *params,
	struct lnt_policy_parts *p, struct lnt_policy_state *s);

/* The peers and endpoints of @s anew, from claims. Returns 0 or -ENOMEM. */
int lnt_policy_addresses(const struct lnt_policy_parts *p, struct lnt_policy_state *s);

void lnt_policy_parts_clear(struct lnt_policy_parts *p);
