/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Numbers that a seed gives, the same everywhere (splitmix64). */
#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

/* From 0 to @n - 1; 0 for no @n. */
static inline unsigned roll(struct rng *r, unsigned n)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return n ? (unsigned)((z ^ z >> 31) % n) : 0;
}

/* Once in @n. */
static inline bool one_in(struct rng *r, unsigned n)
{
	return !roll(r, n);
}

#define PICK(r, list) ((list)[roll(r, sizeof(list) / sizeof(*(list)))])
