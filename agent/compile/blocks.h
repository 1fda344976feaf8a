/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Blocks of addresses that rules name: a CIDR and what is excepted from it, each distinct one once.
 * Collected first, then sealed: sealing numbers the blocks in the order of their content (their
 * rank) and arranges all their prefixes as a tree, in which the longest prefix of an address says
 * in which blocks it lies.
 */
#include "agent/compile/sets.h"
#include "agent/model/model.h"

struct lnt_blocks {
	struct lnt_block {
		struct lnt_prefix cidr;
		struct lnt_prefix *except; /* owned; sorted, all inside cidr */
		size_t n_except;
	} * items;
	size_t n, cap;
	struct lnt_index by_content;
	/* Since lnt_blocks_seal(): */
	uint32_t *ranks;  /* by index */
	uint64_t *hashes; /* content, by rank */
	struct lnt_blocks_node {
		struct lnt_prefix prefix;
		uint32_t parent; /* the next shorter prefix of the family, or LNT_NONE */
		uint32_t set;	 /* in sets */
	} * nodes;		 /* sorted by family and address, shorter prefixes first */
	size_t n_nodes;
	struct lnt_sets sets; /* of ranks; set 0 is empty */
};

/* The index of the block of @peer (has_block). Returns 0 or -ENOMEM. */
int lnt_blocks_add(struct lnt_blocks *bs, const struct lnt_netpol_peer *peer, uint32_t *ret_index);

int lnt_blocks_seal(struct lnt_blocks *bs);

/* The set of the blocks that @addr lies in, an index in @bs->sets. */
uint32_t lnt_blocks_of(const struct lnt_blocks *bs, const struct in6_addr *addr);

void lnt_blocks_clear(struct lnt_blocks *bs);
