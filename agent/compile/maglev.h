/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Maglev's look-up table: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
 * Balancer", NSDI 2016, section 3.4. A backend's permutation is made from its address and port
 * alone, and backends take turns in the order of these, so that all nodes come to one table.
 */
#include "agent/compile/compile.h"

/* Larger tables are of no use: a slot is 16 bits. */
#define LNT_MAGLEV_SIZE_MAX	131071u
#define LNT_MAGLEV_BACKENDS_MAX 65535u

/* Whether tables can have @size entries: a prime up to LNT_MAGLEV_SIZE_MAX. */
bool lnt_maglev_size_ok(uint64_t size);

/*
 * The table of @size entries for @n different backends, in whatever order: ret_table[i] is an index
 * into @backends, and each has size / n entries, or one more. Returns 0, -ENOMEM, -EINVAL for a
 * size that is none, or -E2BIG for no backends or more than there are entries or 65,535.
 */
int lnt_maglev_table(
	const struct lnt_backend_value *backends, uint32_t n, uint32_t size, uint16_t *ret_table);
