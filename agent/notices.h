/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the agent says what is wrong with the cluster's objects (model/notice.h): in the log, once
 * when it appears and once when it is gone; in counters; and to whoever else wants to know.
 */
#include "agent/model/notice.h"

/* So many are kept as they are, for people to see; the others are counted. */
#define LNT_NOTICES_SHOWN 64

struct lnt_notice_sink {
	uint64_t raised[LNT_KIND_MAX][LNT_NOTICE_REASON_MAX];
	uint32_t standing[LNT_KIND_MAX][LNT_NOTICE_REASON_MAX];
	void (*tell)(void *ctx, const struct lnt_notice *n, bool gone); /* may be NULL */
	void *ctx;
	struct lnt_notice shown[LNT_NOTICES_SHOWN]; /* owned with their strings: standing ones */
	size_t n_shown;
};

/* Frees what is shown. */
void lnt_notice_sink_clear(struct lnt_notice_sink *s);

/* @n is new, or @gone. Each is said once, by whoever finds out. */
void lnt_notice_say(struct lnt_notice_sink *s, const struct lnt_notice *n, bool gone);

/* For who finds the same notices again in every turn: they are compared with the last turn's. */
struct lnt_notices {
	struct lnt_notice_sink *sink;
	struct lnt_notice *last; /* owned with their strings: what the last turn found */
	size_t n_last;
	struct lnt_notice *now; /* what this turn has found so far */
	size_t n_now;
};

/* This turn found @n, which is copied. Out of memory: it is logged each time. */
void lnt_notices_add(struct lnt_notices *ns, const struct lnt_notice *n);

/* The turn is over. */
void lnt_notices_end(struct lnt_notices *ns);
void lnt_notices_clear(struct lnt_notices *ns);
