/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rules to map entries: each policy id's rules times the identities of their peers times ports. */
#include "agent/compile/identity.h"
#include "agent/compile/local.h"

/*
 * Fills policy, n_policy, rules and n_rules of @s for the policy ids in use. Where rules of one
 * policy id come to the same key, the first in lnt_rules order is the one named. Returns 0 or
 * -ENOMEM, then @s is to be cleared.
 */
int lnt_entries_build(const struct lnt_rules *rules, const struct lnt_identities *ids,
	const struct lnt_locals *locals, struct lnt_policy_state *s);
