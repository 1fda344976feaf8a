/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the agent counts of itself, for its metrics. */
#include <stdint.h>

/* Upper bounds of the buckets of a duration, in seconds; the last bucket has none. */
#define LNT_BUCKETS                                                                               \
	{                                                                                         \
		0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, \
			1, 2.5, 5, 10                                                             \
	}
#define LNT_N_BUCKETS 16

struct lnt_histogram {
	uint64_t counts[LNT_N_BUCKETS + 1]; /* each its own, not those below it */
	double sum;
};

void lnt_histogram_add(struct lnt_histogram *h, double seconds);

enum lnt_cni_op {
	LNT_OP_ADD,
	LNT_OP_DEL,
	LNT_OP_CHECK,
	LNT_OP_STATUS,
	LNT_OP_OTHER,
	LNT_OP_MAX,
};

/* Enough for every code that the agent answers with; see stats.c. */
#define LNT_N_CNI_CODES 5
extern const unsigned lnt_cni_codes[LNT_N_CNI_CODES];

struct lnt_stats {
	struct lnt_histogram turns;
	uint64_t turns_failed;
	uint64_t writes;	   /* to maps and routes */
	struct lnt_histogram adds; /* that succeeded, as the plugin waited for them */
	uint64_t cni[LNT_OP_MAX][LNT_N_CNI_CODES + 1]; /* the last: the plugin hung up */
	uint64_t sweeps;
	uint32_t flows;	     /* after the last sweep */
	uint32_t identities; /* of the last compilation */
	int64_t started;     /* seconds since 1970 */
};

/* A reply with @code; -1: there was nobody left to reply to. */
void lnt_stats_cni(struct lnt_stats *s, enum lnt_cni_op op, int code);
