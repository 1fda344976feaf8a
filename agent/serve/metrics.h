/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Metrics in Prometheus' text format, version 0.0.4. A metric is a row of a table: what it is
 * called and means, and the function that writes its samples when somebody asks for them. To add
 * one, add a row to agent/metrics.c, and the line that test_metrics asks for to docs/metrics.md.
 */
#include "agent/stats.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct lnt_agent;
struct lnt_metric_out;

struct lnt_metric {
	const char *name;   /* counters end in _total */
	const char *type;   /* "counter", "gauge" or "histogram" */
	const char *labels; /* "kind, reason", or "" */
	const char *help;   /* one sentence without its full stop */
	/* Writes the samples there are; none is fine. */
	void (*write)(struct lnt_metric_out *out, const struct lnt_agent *a);
};

struct lnt_metric_out {
	FILE *f;
	const struct lnt_metric *metric;
};

/* A sample. Then pairs of a label's name and value, and NULL. */
void lnt_metric_count(struct lnt_metric_out *out, uint64_t value, ...) __attribute__((sentinel));
void lnt_metric_real(struct lnt_metric_out *out, double value, ...) __attribute__((sentinel));
void lnt_metric_histogram(struct lnt_metric_out *out, const struct lnt_histogram *h);

/* The text of all @n; the caller frees it. NULL: no memory. */
char *lnt_metrics_text(
	const struct lnt_metric *metrics, size_t n, const struct lnt_agent *a, size_t *ret_len);
