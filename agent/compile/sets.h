/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Distinct sequences of numbers ("elements"), and 32-bit numbers made from their content: what
 * identities and policy ids have in common. An element stands for something with a canonical text,
 * and elements are numbered in the order of these texts, so that everything here depends on content
 * only.
 */
#include "agent/compile/index.h"

struct lnt_sets {
	struct lnt_u32s pool; /* all sequences, one after the other */
	struct lnt_set {
		uint32_t at, n; /* in the pool */
	} * items;		/* owned */
	size_t n, cap;
	struct lnt_index index;
};

/*
 * The index of the sequence @v, which is added if it is new. Returns 0 or -ENOMEM. *ret_new may be
 * left out with NULL.
 */
int lnt_sets_add(
	struct lnt_sets *s, const uint32_t *v, size_t n, uint32_t *ret_index, bool *ret_new);

static inline const uint32_t *lnt_sets_at(const struct lnt_sets *s, uint32_t index)
{
	return s->pool.v + s->items[index].at;
}

void lnt_sets_clear(struct lnt_sets *s);

/*
 * Numbers given out so far, none below @first, none above @last and none twice. Zero-initialise but
 * for these two; @last is one less than a power of two.
 */
struct lnt_numbers {
	uint32_t first, last;
	struct lnt_index taken;
};

/*
 * The number of something with content hash @hash: the hash folded to its bits, or the next free
 * number after it. Returns 0 or -ENOMEM.
 */
int lnt_numbers_take(struct lnt_numbers *nums, uint64_t hash, uint32_t *ret_number);
void lnt_numbers_clear(struct lnt_numbers *nums);

/*
 * Numbers for the sequences from index @from on, into an array by index that is made larger and
 * that the caller frees; given out in lexicographic order. @hashes: content hash of each element.
 * Returns 0 or -ENOMEM.
 */
int lnt_sets_number(const struct lnt_sets *s, uint32_t from, const uint64_t *hashes,
	struct lnt_numbers *nums, uint32_t **numbers);
