/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How full the maps are. */
#include "agent/sync/sync.h"

struct lnt_map_fill {
	const char *map;
	uint64_t entries;
	uint32_t max; /* 0: the kernel did not say */
	bool counted; /* else entries are not known */
};

#define LNT_MAP_FILLS 9

/*
 * The kernel counts the entries of no map and to walk one costs a system call an entry, so the
 * numbers are of this process' own tables: what it has read and written. A set of backends counts
 * with the slots that it has had at most. Flows are the programs' and not counted here.
 */
void lnt_sync_fill(const struct lnt_sync *s, struct lnt_map_fill ret_fills[LNT_MAP_FILLS]);

/* The sums over all CPUs of the first @n counters of a per-CPU array. Returns 0 or -errno. */
int lnt_sync_drops(const struct lnt_sync *s, uint64_t *ret_sums, uint32_t n);
int lnt_sync_counters(const struct lnt_sync *s, uint64_t *ret_sums, uint32_t n);
