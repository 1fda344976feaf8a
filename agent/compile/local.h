/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The endpoints of this node with their pods, identities and the policies that select them. */
#include "agent/compile/identity.h"

struct lnt_local {
	const struct lnt_endpoint *ep;
	const struct lnt_pod *pod; /* NULL: the endpoint has none, or it is not known yet */
	uint32_t identity;	   /* index in the identities' sets, with a pod only */
	uint32_t policy;	   /* index in lnt_locals.sets, or LNT_NONE */
	uint8_t flags;		   /* enum lnt_endpoint_flag */
};

struct lnt_locals {
	struct lnt_local *items; /* as the endpoints came */
	size_t n;
	/* Elements: indexes of policies, then rules->n_policies + ranks of facts. */
	struct lnt_sets sets;
	uint32_t *numbers; /* policy ids, by index in sets */
	bool *applied;	   /* by policy: it selects a pod of this node */
};

/* The pod of @ep, in the store. NULL: it has none, or it is not known yet. */
const struct lnt_pod *lnt_local_pod(
	const struct lnt_store *st, const char *node_name, const struct lnt_endpoint *ep);

/*
 * Looks up the pods of @eps, adds them to @ids, and finds their policies. @ret_locals borrows from
 * @eps and the store. Returns 0 or -ENOMEM.
 */
int lnt_locals_build(const struct lnt_store *st, const char *node_name,
	const struct lnt_endpoint *eps, size_t n_eps, const struct lnt_rules *rules,
	struct lnt_identities *ids, struct lnt_locals *ret_locals);
void lnt_locals_clear(struct lnt_locals *ls);
