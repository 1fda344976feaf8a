/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Exponential backoff with jitter, so that the agents of a cluster do not come back as one. */
#include <stdint.h>
#include <sys/random.h>

#define LNT_BACKOFF_MIN_MS 100
#define LNT_BACKOFF_MAX_MS 30000

/* A random number from @from to @to. */
static inline uint32_t lnt_backoff_random(uint32_t from, uint32_t to)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) < 0)
		r = 0;
	return from + r % (to - from + 1);
}

/* The wait after failure number @*n in a row (0: the first), which it counts; 50-100% of full. */
static inline uint32_t lnt_backoff_next(unsigned *n)
{
	uint32_t full = *n < 9 ? LNT_BACKOFF_MIN_MS << *n : LNT_BACKOFF_MAX_MS;

	if (full > LNT_BACKOFF_MAX_MS)
		full = LNT_BACKOFF_MAX_MS;
	++*n;
	return lnt_backoff_random(full / 2, full);
}
