/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Events (events.k8s.io/v1) about objects that linnet does not serve as they ask. Every node finds
 * the same things out, so an Event's name is made from what it says: the first node creates it, the
 * others are told that it exists and leave it. They do not come at once either, but spread over a
 * time that grows with the cluster.
 *
 * What stands for longer is told again before the API server forgets it (an hour, usually), by the
 * node that created the Event as another of its series, by the others in case it is gone. One that
 * comes and goes is told every five minutes at most. There is one request at a time, a budget for
 * all and one for each object; what exceeds them is counted and dropped. Nothing waits for any of
 * it.
 */
#include "agent/kube/http.h"

struct lnt_reporter;

/* Milliseconds, for tests. */
struct lnt_reporter_times {
	unsigned again_ms;	/* what stands is told again after this, */
	unsigned again_more_ms; /* or up to so much later */
	unsigned flap_ms;	/* between two tellings of what comes and goes */
	unsigned forget_ms;	/* what has gone is remembered for this */
	unsigned budget_ms;	/* a request may be made each, and some at once */
};

/* @http must outlive it. @times: NULL for the usual. @closed is called when it is freed. NULL: no
 * memory. */
struct lnt_reporter *lnt_reporter_new(uv_loop_t *loop, struct lnt_http *http,
	const struct lnt_reporter_times *times, void (*closed)(void *ctx), void *ctx);
void lnt_reporter_say(struct lnt_reporter *r, const struct lnt_report *what);
void lnt_reporter_gone(struct lnt_reporter *r, const struct lnt_report *what);
struct lnt_report_stats lnt_reporter_stats(const struct lnt_reporter *r);
void lnt_reporter_close(struct lnt_reporter *r);

/*
 * The parts of an Event, for tests: its name, 254 bytes at most with the terminator, and its JSON,
 * which the caller frees. @time: seconds since 1970. NULL: no memory.
 */
#define LNT_REPORT_NAME_MAX 253
void lnt_report_name(const struct lnt_report *what, char ret_name[static LNT_REPORT_NAME_MAX + 1]);
char *lnt_report_json(const struct lnt_report *what, int64_t time);
