/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Identities: the set of all that rules select a peer by (the elements of rules.h). What a peer is
 * wherever it is, its base, is found first: of pods that agree in their namespace and in the labels
 * that selectors mention once for all. The blocks that an address of it lies in make an identity of
 * that. When all are added they are sealed, which gives out numbers; more may be added after that,
 * and sealed again.
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
	struct lnt_identities_shape {
		const char *ns;			/* interned */
		const struct lnt_label *labels; /* the model shares equal ones */
		uint32_t base;
	} * shapes; /* of pods without ports that matter */
	size_t n_shapes, cap_shapes;
	struct lnt_index by_shape;
	struct lnt_sets groups;	  /* of pods that cannot differ */
	struct lnt_u32s of_group; /* base, by group */
	struct lnt_sets bases;	  /* of elements, all but blocks */
	struct lnt_identities_known {
		uint32_t base, blocks; /* a set of rules->blocks */
		uint32_t identity;
	} * known;
	size_t n_known, cap_known;
	struct lnt_index by_base;
	struct lnt_sets sets; /* the identities, of elements */
	struct lnt_u32s key, match, scratch;
	/* Since lnt_identities_seal(): */
	uint32_t n_sealed; /* of sets */
	struct lnt_numbers nums;
	uint64_t *hashes;  /* of elements */
	uint32_t *numbers; /* by index in sets */
	uint32_t *first;   /* in having, by element; one more for the end */
	uint32_t *having;  /* indexes in sets that have the element */
};

/* The base of a pod, of a node (NULL: not known), or of all else. Return 0 or -ENOMEM. */
int lnt_identities_pod(struct lnt_identities *ids, const struct lnt_pod *pod, uint32_t *ret_base);
int lnt_identities_node(struct lnt_identities *ids, enum lnt_element_kind kind,
	const struct lnt_node *node, uint32_t *ret_base);
int lnt_identities_other(
	struct lnt_identities *ids, enum lnt_element_kind kind, uint32_t *ret_base);

/* The index in @ids->sets of what @base is at an address in @blocks. Returns 0 or -ENOMEM. */
int lnt_identities_at(
	struct lnt_identities *ids, uint32_t base, uint32_t blocks, uint32_t *ret_identity);

int lnt_identities_seal(struct lnt_identities *ids);

/*
 * Forgets what was found by the addresses of strings and labels, which others may have by now: to
 * be called before objects of another time are added.
 */
void lnt_identities_forget(struct lnt_identities *ids);
void lnt_identities_clear(struct lnt_identities *ids);
