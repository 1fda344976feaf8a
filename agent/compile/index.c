/* SPDX-License-Identifier: Apache-2.0 */
/* The containers of index.h: open addressing with linear probing, at most two thirds full. */
#include "agent/compile/index.h"
#include "agent/compile/hash.h"

#include <errno.h>
#include <stdlib.h>

int lnt_grow(void **arr, size_t *cap, size_t need, size_t size)
{
	size_t n = *cap ? *cap : 8;
	void *p;

	if (need <= *cap)
		return 0;
	while (n < need)
		n *= 2;
	p = reallocarray(*arr, n, size);
	if (!p)
		return -ENOMEM;
	*arr = p;
	*cap = n;
	return 0;
}

void lnt_shrink(void **arr, size_t n, size_t size)
{
	void *p;

	if (!n) {
		free(*arr);
		*arr = NULL;
		return;
	}
	p = reallocarray(*arr, n, size);
	if (p)
		*arr = p;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void lnt_u32s_sort(struct lnt_u32s *a)
{
	size_t n = 0;

	if (a->n < 2)
		return;
	qsort(a->v, a->n, sizeof(*a->v), by_value);
	for (size_t i = 0; i < a->n; i++)
		if (!n || a->v[n - 1] != a->v[i])
			a->v[n++] = a->v[i];
	a->n = n;
}

void lnt_u32s_clear(struct lnt_u32s *a)
{
	free(a->v);
	*a = (struct lnt_u32s){};
}

uint32_t lnt_index_get(const struct lnt_index *t, uint64_t hash, lnt_index_same *same,
	const void *ctx, const void *key)
{
	if (!t->slots)
		return LNT_NONE;
	for (size_t i = lnt_hash_mix(hash) & t->mask; t->slots[i].item1; i = (i + 1) & t->mask)
		if (t->slots[i].hash == hash && same(ctx, t->slots[i].item1 - 1, key))
			return t->slots[i].item1 - 1;
	return LNT_NONE;
}

static void insert(struct lnt_index *t, uint64_t hash, uint32_t item1)
{
	size_t i = lnt_hash_mix(hash) & t->mask;

	while (t->slots[i].item1)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct lnt_index_slot){.hash = hash, .item1 = item1};
}

int lnt_index_put(struct lnt_index *t, uint64_t hash, uint32_t item)
{
	if (!t->slots || t->n * 3 >= t->mask * 2) {
		size_t size = t->slots ? (t->mask + 1) * 2 : 16;
		struct lnt_index bigger = {.mask = size - 1, .n = t->n};

		bigger.slots = calloc(size, sizeof(*bigger.slots));
		if (!bigger.slots)
			return -ENOMEM;
		for (size_t i = 0; t->slots && i <= t->mask; i++)
			if (t->slots[i].item1)
				insert(&bigger, t->slots[i].hash, t->slots[i].item1);
		free(t->slots);
		*t = bigger;
	}
	insert(t, hash, item + 1);
	t->n++;
	return 0;
}

void lnt_index_clear(struct lnt_index *t)
{
	free(t->slots);
	*t = (struct lnt_index){};
}
