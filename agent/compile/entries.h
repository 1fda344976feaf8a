/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rules to map entries: each policy id's rules times the identities of their peers times ports. */
#include "agent/compile/identity.h"
#include "agent/compile/local.h"

/*
 * Gives out numbers to the rules that apply, and fills rules and n_rules of @s. Returns 0 or
 * -ENOMEM, then @s is to be cleared; so do the others.
 */
int lnt_entries_name(
	struct lnt_rules *rules, const struct lnt_locals *locals, struct lnt_policy_state *s);

/*
 * Adds to policy and n_policy of @s the entries for peers that are one of @ids' sets from index
 * @from on; with 0 all of them, also those for whole kinds and for anybody. Where rules of one
 * policy id come to the same key, the first in lnt_rules order is the one named.
 */
int lnt_entries_add(const struct lnt_rules *rules, const struct lnt_identities *ids, uint32_t from,
	const struct lnt_locals *locals, struct lnt_policy_state *s);
