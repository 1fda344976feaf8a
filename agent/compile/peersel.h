/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Peer selectors: what the peers of NetworkPolicy rules select, each distinct one once. A peer
 * selector is a scope (the namespaces of a namespaceSelector, or the policy's own) and a selector
 * of pods. Collected first, then sealed: sealing numbers them 0, 1, 2... in the order of their
 * texts (their rank).
 */
#include "agent/compile/selectors.h"

struct lnt_peersels {
	struct lnt_selectors namespaces, pods;
	const char **locals; /* interned names of namespaces that are a scope */
	size_t n_locals, cap_locals;
	struct lnt_index by_local;
	struct lnt_peersel {
		uint32_t scope; /* twice the index in namespaces; or in locals, and one */
		uint32_t pods;	/* index in pods */
	} * items;
	size_t n, cap;
	struct lnt_index by_content;
	/* Since lnt_peersels_seal(): */
	uint32_t *ranks;  /* by index */
	uint64_t *hashes; /* content, by rank */
	uint32_t *first;  /* in of_pods, by index in pods; one more for the end */
	struct lnt_peersel_rank {
		uint32_t scope, rank;
	} * of_pods; /* sorted by scope */
};

/* The index of what @peer (with a selector) of a policy in @ns selects. Returns 0 or -ENOMEM. */
int lnt_peersels_add(struct lnt_peersels *ps, const struct lnt_netpol_peer *peer, const char *ns,
	uint32_t *ret_index);

int lnt_peersels_seal(struct lnt_peersels *ps);

/*
 * The scopes that a namespace lies in, ascending. @labels NULL: not known, then only the scope of
 * its name and that of all namespaces. Returns 0 or -ENOMEM.
 */
int lnt_peersels_scopes(const struct lnt_peersels *ps, const char *ns,
	const struct lnt_labels *labels, struct lnt_u32s *ret);

/*
 * Ranks of the peer selectors that match a pod with @labels in a namespace with these scopes,
 * ascending. @scratch: any array, its content is lost. Returns 0 or -ENOMEM.
 */
int lnt_peersels_match(const struct lnt_peersels *ps, const uint32_t *scopes, size_t n_scopes,
	const struct lnt_labels *labels, struct lnt_u32s *scratch, struct lnt_u32s *ret);

void lnt_peersels_clear(struct lnt_peersels *ps);
