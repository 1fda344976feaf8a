/* SPDX-License-Identifier: Apache-2.0 */
/* Counting of stats.h. */
#include "agent/stats.h"
#include "lib/agent_socket.h"

const unsigned lnt_cni_codes[LNT_N_CNI_CODES] = {
	0,
	LNT_CNI_DECODE_FAILURE,
	LNT_CNI_TRY_AGAIN_LATER,
	LNT_CNI_NOT_AVAILABLE,
	LNT_CNI_CHECK_FAILED,
};

void lnt_histogram_add(struct lnt_histogram *h, double seconds)
{
	static const double bounds[LNT_N_BUCKETS] = LNT_BUCKETS;
	unsigned i = 0;

	while (i < LNT_N_BUCKETS && seconds > bounds[i])
		i++;
	h->counts[i]++;
	h->sum += seconds;
}

void lnt_stats_cni(struct lnt_stats *s, enum lnt_cni_op op, int code)
{
	unsigned i = 0;

	while (i < LNT_N_CNI_CODES && (code < 0 || lnt_cni_codes[i] != (unsigned)code))
		i++;
	s->cni[op][i]++;
}
