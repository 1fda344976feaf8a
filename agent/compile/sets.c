/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences and their numbers, see sets.h. */
#include "agent/compile/sets.h"
#include "agent/compile/hash.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

struct sequence {
	const uint32_t *v;
	size_t n;
};

static bool same_sequence(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_sets *s = ctx;
	const struct sequence *want = key;

	return s->items[item].n == want->n &&
		(!want->n || !memcmp(lnt_sets_at(s, item), want->v, want->n * sizeof(*want->v)));
}

int lnt_sets_add(
	struct lnt_sets *s, const uint32_t *v, size_t n, uint32_t *ret_index, bool *ret_new)
{
	const struct sequence key = {.v = v, .n = n};
	uint64_t hash = lnt_hash_u64(LNT_HASH_INIT, n);
	uint32_t found;

	for (size_t i = 0; i < n; i++)
		hash = lnt_hash_u64(hash, v[i]);
	found = lnt_index_get(&s->index, hash, same_sequence, s, &key);
	if (ret_new)
		*ret_new = found == LNT_NONE;
	if (found != LNT_NONE) {
		*ret_index = found;
		return 0;
	}
	if (LNT_GROW(s->pool.v, s->pool.cap, s->pool.n + n) ||
		LNT_GROW(s->items, s->cap, s->n + 1) ||
		lnt_index_put(&s->index, hash, (uint32_t)s->n))
		return -ENOMEM;
	s->items[s->n] = (struct lnt_set){.at = (uint32_t)s->pool.n, .n = (uint32_t)n};
	if (n)
		memcpy(s->pool.v + s->pool.n, v, n * sizeof(*v));
	s->pool.n += n;
	*ret_index = (uint32_t)s->n++;
	return 0;
}

void lnt_sets_clear(struct lnt_sets *s)
{
	lnt_u32s_clear(&s->pool);
	free(s->items);
	lnt_index_clear(&s->index);
	*s = (struct lnt_sets){};
}

static bool same_number(const void *ctx, uint32_t item, const void *key)
{
	return item == *(const uint32_t *)key;
}

int lnt_numbers_take(struct lnt_numbers *nums, uint64_t hash, uint32_t *ret_number)
{
	uint32_t number = lnt_hash_fold(hash) & nums->last;

	/* The last number of all is the table's LNT_NONE. */
	while (number < nums->first || number == LNT_NONE ||
		lnt_index_get(&nums->taken, number, same_number, NULL, &number) != LNT_NONE)
		number = number < nums->first || number >= nums->last ? nums->first : number + 1;
	if (lnt_index_put(&nums->taken, number, number))
		return -ENOMEM;
	*ret_number = number;
	return 0;
}

void lnt_numbers_clear(struct lnt_numbers *nums)
{
	lnt_index_clear(&nums->taken);
}

static int by_content(const void *pa, const void *pb, void *ctx)
{
	const struct lnt_sets *s = ctx;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	const uint32_t *va = lnt_sets_at(s, a), *vb = lnt_sets_at(s, b);
	uint32_t na = s->items[a].n, nb = s->items[b].n;

	for (uint32_t i = 0; i < na && i < nb; i++)
		if (va[i] != vb[i])
			return va[i] < vb[i] ? -1 : 1;
	return (na > nb) - (na < nb);
}

int lnt_sets_number(const struct lnt_sets *s, uint32_t from, const uint64_t *hashes,
	struct lnt_numbers *nums, uint32_t **numbers)
{
	_cleanup_free_ uint32_t *order = NULL;
	size_t n = s->n - from;
	uint32_t *all;

	if (!n)
		return 0;
	all = reallocarray(*numbers, s->n, sizeof(*all));
	if (!all)
		return -ENOMEM;
	*numbers = all;
	order = calloc(n, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		order[i] = from + i;
	qsort_r(order, n, sizeof(*order), by_content, (void *)s);
	for (size_t i = 0; i < n; i++) {
		const uint32_t *v = lnt_sets_at(s, order[i]);
		uint64_t hash = LNT_HASH_INIT;

		for (uint32_t k = 0; k < s->items[order[i]].n; k++)
			hash = lnt_hash_u64(hash, hashes[v[k]]);
		if (lnt_numbers_take(nums, hash, &all[order[i]]))
			return -ENOMEM;
	}
	return 0;
}
