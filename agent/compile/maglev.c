/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of maglev.h. Nodes agree as long as they agree on this file and on hash.h. */
#include "agent/compile/maglev.h"
#include "agent/compile/hash.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A backend that takes its turns: its permutation is (at, at + skip, at + 2 skip, ...) % size. */
struct turn {
	uint32_t at;
	uint32_t skip;
	uint16_t index;
};

bool lnt_maglev_size_ok(uint64_t size)
{
	if (size < 2 || size > LNT_MAGLEV_SIZE_MAX)
		return false;
	for (uint64_t d = 2; d * d <= size; d++)
		if (size % d == 0)
			return false;
	return true;
}

static int identity_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct lnt_backend_value *backends = ctx;
	const struct lnt_backend_value *a = &backends[*(const uint16_t *)pa];
	const struct lnt_backend_value *b = &backends[*(const uint16_t *)pb];
	int r = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return r ? r : memcmp(&a->port, &b->port, sizeof(a->port));
}

static struct turn turn_of(const struct lnt_backend_value *b, uint32_t size, uint16_t index)
{
	uint64_t h = lnt_hash_bytes(LNT_HASH_INIT, &b->addr, sizeof(b->addr));

	h = lnt_hash_mix(lnt_hash_bytes(h, &b->port, sizeof(b->port)));
	return (struct turn){
		.at = (uint32_t)(h % size),
		.skip = (uint32_t)(lnt_hash_mix(h ^ LNT_HASH_INIT) % (size - 1)) + 1,
		.index = index,
	};
}

/*
 * Everyone in turn takes the first free entry of its permutation. Most looks find one taken: a bit
 * an entry stays in the nearest cache.
 */
static void fill(struct turn *turns, uint32_t n, uint32_t size, uint16_t *table)
{
	uint64_t taken[LNT_MAGLEV_SIZE_MAX / 64 + 1] = {};
	uint32_t left = size;

	for (;;) {
		for (uint32_t i = 0; i < n; i++) {
			struct turn *t = &turns[i];
			uint32_t at = t->at;

			while (taken[at / 64] >> at % 64 & 1) {
				at += t->skip;
				if (at >= size)
					at -= size;
			}
			taken[at / 64] |= 1ull << at % 64;
			table[at] = t->index;
			t->at = at;
			if (!--left)
				return;
		}
	}
}

int lnt_maglev_table(
	const struct lnt_backend_value *backends, uint32_t n, uint32_t size, uint16_t *ret_table)
{
	_cleanup_free_ uint16_t *order = NULL;
	_cleanup_free_ struct turn *turns = NULL;

	if (!lnt_maglev_size_ok(size))
		return -EINVAL;
	if (!n || n > size || n > LNT_MAGLEV_BACKENDS_MAX)
		return -E2BIG;
	order = calloc(n, sizeof(*order));
	turns = calloc(n, sizeof(*turns));
	if (!order || !turns)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		order[i] = (uint16_t)i;
	qsort_r(order, n, sizeof(*order), identity_cmp, (void *)backends);
	for (uint32_t i = 0; i < n; i++)
		turns[i] = turn_of(&backends[order[i]], size, order[i]);
	fill(turns, n, size, ret_table);
	return 0;
}
