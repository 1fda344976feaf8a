/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The endpoints of this node with their pods and the policies that select them: found before rules
 * are read, because only these need to be; what the pods' ports make of it follows.
 */
#include "agent/compile/rules.h"

struct lnt_local {
	const struct lnt_endpoint *ep;
	const struct lnt_pod *pod; /* NULL: the endpoint has none, or it is not known yet */
	uint32_t first, n;	   /* the policies that select it, in lnt_locals.selected */
	uint32_t policy;	   /* index in lnt_locals.sets, or LNT_NONE */
	bool audit;
};

struct lnt_locals {
	struct lnt_local *items; /* as the endpoints came */
	size_t n;
	struct lnt_u32s selected; /* indexes of policies */
	bool *applied;		  /* by policy: it selects a pod of this node */
	/*
	 * Policies that share entries. Elements: indexes of policies, then rules->n_policies +
	 * ranks of facts.
	 */
	struct lnt_sets sets;
	uint32_t *numbers; /* policy ids, by index in sets */
};

/* The pod of @ep, in the store. NULL: it has none, or it is not known yet. */
const struct lnt_pod *lnt_local_pod(
	const struct lnt_store *st, const char *node_name, const struct lnt_endpoint *ep);

/*
 * Looks up the pods of the endpoints and finds the policies that select them. @ret_locals borrows
 * from the endpoints and the store. Returns 0 or -ENOMEM.
 */
int lnt_locals_select(const struct lnt_store *st, const struct lnt_policy_params *params,
	const struct lnt_rules *rules, struct lnt_locals *ret_locals);

/* Gives out policy ids, once the rules are read. Returns 0 or -ENOMEM. */
int lnt_locals_number(struct lnt_locals *ls, const struct lnt_rules *rules);

/* How the policies of a set bind: enum lnt_endpoint_flag. */
uint8_t lnt_locals_flags(const struct lnt_locals *ls, const struct lnt_rules *rules, uint32_t set);
void lnt_locals_clear(struct lnt_locals *ls);
