/* SPDX-License-Identifier: Apache-2.0 */
/* The text format of metrics.h. */
#include "agent/serve/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

static void put_value_of_label(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", f);
			continue;
		}
		if (*text == '\\' || *text == '"')
			fputc('\\', f);
		fputc(*text, f);
	}
}

/* "name{label="value",...} " */
static void put_head(const struct lnt_metric_out *out, va_list labels)
{
	const char *label, *sep = "{";

	fputs(out->metric->name, out->f);
	while ((label = va_arg(labels, const char *))) {
		fprintf(out->f, "%s%s=\"", sep, label);
		put_value_of_label(out->f, va_arg(labels, const char *));
		fputc('"', out->f);
		sep = ",";
	}
	fputs(*sep == ',' ? "} " : " ", out->f);
}

void lnt_metric_count(struct lnt_metric_out *out, uint64_t value, ...)
{
	va_list labels;

	va_start(labels, value);
	put_head(out, labels);
	va_end(labels);
	fprintf(out->f, "%" PRIu64 "\n", value);
}

void lnt_metric_real(struct lnt_metric_out *out, double value, ...)
{
	va_list labels;

	va_start(labels, value);
	put_head(out, labels);
	va_end(labels);
	fprintf(out->f, "%.15g\n", value);
}

void lnt_metric_histogram(struct lnt_metric_out *out, const struct lnt_histogram *h)
{
	static const double bounds[LNT_N_BUCKETS] = LNT_BUCKETS;
	const char *name = out->metric->name;
	uint64_t n = 0;

	for (unsigned i = 0; i < LNT_N_BUCKETS; i++) {
		n += h->counts[i];
		fprintf(out->f, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, bounds[i], n);
	}
	n += h->counts[LNT_N_BUCKETS];
	fprintf(out->f, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, n);
	fprintf(out->f, "%s_sum %.9g\n%s_count %" PRIu64 "\n", name, h->sum, name, n);
}

char *lnt_metrics_text(
	const struct lnt_metric *metrics, size_t n, const struct lnt_agent *a, size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct lnt_metric_out out = {f, &metrics[i]};

		fprintf(f, "# HELP %s %s.\n# TYPE %s %s\n", metrics[i].name, metrics[i].help,
			metrics[i].name, metrics[i].type);
		metrics[i].write(&out, a);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	*ret_len = len;
	return text;
}
