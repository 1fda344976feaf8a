/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Content hashes of the compiler: FNV-1a over bytes, mixed with MurmurHash3's 64-bit finaliser
 * (both public domain). Numbers that outlive the process are made from these, so a change of this
 * file renumbers every identity and policy once.
 */
#include <stddef.h>
#include <stdint.h>

#define LNT_HASH_INIT 0xcbf29ce484222325ull

static inline uint64_t lnt_hash_mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

static inline uint64_t lnt_hash_bytes(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

/* With the terminating zero, so that "ab","c" and "a","bc" differ. */
static inline uint64_t lnt_hash_str(uint64_t h, const char *s)
{
	do
		h = (h ^ (uint8_t)*s) * 0x100000001b3ull;
	while (*s++);
	return h;
}

static inline uint64_t lnt_hash_u64(uint64_t h, uint64_t v)
{
	return lnt_hash_mix(h ^ (v + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2)));
}

/* For interned strings within one process only: the value changes from run to run. */
static inline uint64_t lnt_hash_ptr(uint64_t h, const void *p)
{
	return lnt_hash_u64(h, (uintptr_t)p);
}

static inline uint32_t lnt_hash_fold(uint64_t h)
{
	h = lnt_hash_mix(h);
	return (uint32_t)(h ^ h >> 32);
}
