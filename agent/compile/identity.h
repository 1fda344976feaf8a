/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Identities of pods: the set of peer selectors that match a pod and of facts about its ports that
 * egress rules ask for. Pods that agree in their namespace and in the labels that selectors mention
 * are looked at once. Pods are added first, then sealed, which gives out numbers.
 */
#include "agent/compile/rules.h"
#include "agent/compile/sets.h"

struct lnt_identities {
	const struct lnt_store *st;
	const struct lnt_rules *rules;
	struct lnt_identities_ns {
		const char *name;  /* interned */
		uint32_t first, n; /* its scopes, in scopes */
	} * namespaces;
	size_t n_namespaces, cap_namespaces;
	struct lnt_index by_ns;
	struct lnt_u32s scopes;
	struct lnt_sets groups;	  /* of pods that cannot differ */
	struct lnt_u32s of_group; /* index in sets, by group */
	/*
	 * The identities. Elements: ranks of peer selectors, then rules->peersels.n + ranks of
	 * facts.
	 */
	struct lnt_sets sets;
	struct lnt_u32s key, match, scratch;
	/* Since lnt_identities_seal(): */
	uint32_t *numbers; /* by index in sets */
	uint32_t *first;   /* in having, by element; one more for the end */
	uint32_t *having;  /* indexes in sets that have the element */
};

/* The index of a pod's identity in @ids->sets. Returns 0 or -ENOMEM. */
int lnt_identities_add(struct lnt_identities *ids, const struct lnt_pod *pod, uint32_t *ret_index);

int lnt_identities_seal(struct lnt_identities *ids);
void lnt_identities_clear(struct lnt_identities *ids);
