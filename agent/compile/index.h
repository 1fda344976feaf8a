/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The compiler's containers: growing arrays, and a hash table from content to an index into one of
 * them. The table holds hashes and indexes only; what an index means and when two things are the
 * same is the caller's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LNT_NONE UINT32_MAX

/* Makes room for @need elements of @size in *@arr. Returns 0 or -ENOMEM, then *@arr is as it was.
 */
int lnt_grow(void **arr, size_t *cap, size_t need, size_t size);
#define LNT_GROW(arr, cap, need) lnt_grow((void **)&(arr), &(cap), (need), sizeof(*(arr)))

/* Gives back what *@arr has too much; NULL for no elements. Never fails. */
void lnt_shrink(void **arr, size_t n, size_t size);
#define LNT_SHRINK(arr, n) lnt_shrink((void **)&(arr), (n), sizeof(*(arr)))

struct lnt_u32s {
	uint32_t *v; /* owned */
	size_t n, cap;
};

static inline int lnt_u32s_push(struct lnt_u32s *a, uint32_t v)
{
	int r = LNT_GROW(a->v, a->cap, a->n + 1);

	if (!r)
		a->v[a->n++] = v;
	return r;
}

/* Sorts ascending and drops repetitions. */
void lnt_u32s_sort(struct lnt_u32s *a);
void lnt_u32s_clear(struct lnt_u32s *a);

struct lnt_index {
	struct lnt_index_slot {
		uint64_t hash;
		uint32_t item1; /* the item and one; 0: free */
	} * slots;		/* owned */
	size_t mask, n;
};

/* Whether @item of the caller's array @ctx is what @key describes. */
typedef bool lnt_index_same(const void *ctx, uint32_t item, const void *key);

/* The item of that content, or LNT_NONE. */
uint32_t lnt_index_get(const struct lnt_index *t, uint64_t hash, lnt_index_same *same,
	const void *ctx, const void *key);

/* Adds an item that is not in the table yet; LNT_NONE cannot be one. Returns 0 or -ENOMEM. */
int lnt_index_put(struct lnt_index *t, uint64_t hash, uint32_t item);
void lnt_index_clear(struct lnt_index *t);
