/* SPDX-License-Identifier: Apache-2.0 */
/* What linnetd serves: metrics, their documentation, health checks' answers, and when it is well.
 */
#include "agent/metrics.h"
#include "agent/serve/health_checks.h"
#include "agent/serving.h"
#include "lib/agent_socket.h"
#include "lib/cleanup.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DOC "docs/metrics.md"

static void write_labels(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, UINT64_MAX, "a", "x", "b", "q\"b\\n\n", NULL);
	lnt_metric_real(out, 0.25, NULL);
}

static void write_histogram(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	struct lnt_histogram h = {};

	lnt_histogram_add(&h, 0.00005);
	lnt_histogram_add(&h, 0.0001); /* bounds are inclusive */
	lnt_histogram_add(&h, 0.003);
	lnt_histogram_add(&h, 11);
	lnt_metric_histogram(out, &h);
}

static void text_is_the_format(void **state)
{
	static const struct lnt_metric metrics[] = {
		{"one_total", "counter", "a, b", "First", write_labels},
		{"two", "histogram", "", "Second", write_histogram},
	};
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	text = lnt_metrics_text(metrics, 2, NULL, &len);
	assert_non_null(text);
	assert_int_equal(len, strlen(text));
	assert_non_null(strstr(text,
		"# HELP one_total First.\n# TYPE one_total counter\n"
		"one_total{a=\"x\",b=\"q\\\"b\\\\n\\n\"} 18446744073709551615\n"
		"one_total 0.25\n# HELP two Second.\n# TYPE two histogram\n"
		"two_bucket{le=\"0.0001\"} 2\ntwo_bucket{le=\"0.00025\"} 2\n"));
	assert_non_null(strstr(text, "two_bucket{le=\"0.0025\"} 2\ntwo_bucket{le=\"0.005\"} 3\n"));
	assert_non_null(strstr(text,
		"two_bucket{le=\"10\"} 3\ntwo_bucket{le=\"+Inf\"} 4\ntwo_sum 11.00315\n"
		"two_count 4\n"));
}

/* The names of Prometheus and OpenMetrics, and their habits. */
static void names_are_good(void **state)
{
	for (size_t i = 0; i < lnt_n_agent_metrics; i++) {
		const struct lnt_metric *m = &lnt_agent_metrics[i];
		size_t len = strlen(m->name);

		for (const char *c = m->name; *c; c++)
			assert_true(islower((unsigned char)*c) || *c == '_' || isdigit(*c));
		assert_true(!strncmp(m->name, "linnet_", 7) || !strncmp(m->name, "process_", 8));
		assert_int_equal(!strcmp(m->type, "counter"),
			len > 6 && !strcmp(m->name + len - 6, "_total"));
		assert_true(isupper((unsigned char)*m->help) || isdigit((unsigned char)*m->help));
		assert_int_not_equal(m->help[strlen(m->help) - 1], '.');
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(m->name, lnt_agent_metrics[k].name);
	}
}

static char *table(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fputs("| metric | type | labels | |\n|---|---|---|---|\n", f);
	for (size_t i = 0; i < lnt_n_agent_metrics; i++) {
		const struct lnt_metric *m = &lnt_agent_metrics[i];

		fprintf(f, "| `%s` | %s | %s | %s |\n", m->name, m->type, m->labels, m->help);
	}
	fclose(f);
	return text;
}

static const char *read_doc(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "r");
	static char doc[65536];

	assert_non_null(f);
	doc[fread(doc, 1, sizeof(doc) - 1, f)] = '\0';
	return doc;
}

static void reasons_are_documented(void **state)
{
	const char *doc = read_doc("docs/configuration.md");
	char row[128];

	for (unsigned i = 0; i < LNT_NOTICE_REASON_MAX; i++) {
		snprintf(row, sizeof(row), "\n| %s | ", lnt_notice_reason_text(i));
		if (!strstr(doc, row))
			fail_msg("docs/configuration.md has no row for %s", row + 3);
	}
}

/* On failure it says what to put there. */
static void documentation_is_the_table(void **state)
{
	_cleanup_free_ char *want = table();

	if (strstr(read_doc(DOC), want))
		return;
	/* cmocka's messages are of bounded length. */
	fputs(want, stdout);
	fail_msg("%s", DOC " has not the table above");
}

/* Before there is anything to tell: no sample is made up, nothing is looked at that is not there.
 */
static void agent_that_has_not_started(void **state)
{
	struct lnt_agent a = {.store = lnt_store_new(NULL, NULL)};
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	lnt_stats_cni(&a.stats, LNT_OP_ADD, LNT_CNI_TRY_AGAIN_LATER);
	lnt_stats_cni(&a.stats, LNT_OP_ADD, -1);
	a.notices.standing[LNT_KIND_SERVICE][LNT_NOTICE_ADDRESS_CONFLICT] = 3;
	text = lnt_metrics_text(lnt_agent_metrics, lnt_n_agent_metrics, &a, &len);
	assert_non_null(text);
	assert_non_null(strstr(text, "\nlinnet_ready 0\n"));
	assert_null(strstr(text, "linnet_drops_total{"));
	assert_null(strstr(text, "linnet_map_entries{"));
	assert_non_null(strstr(text, "linnet_cni_requests_total{op=\"add\",code=\"11\"} 1\n"));
	assert_non_null(strstr(text, "linnet_cni_requests_total{op=\"add\",code=\"hung-up\"} 1\n"));
	assert_non_null(strstr(text, "linnet_cni_requests_total{op=\"add\",code=\"0\"} 0\n"));
	assert_non_null(
		strstr(text, "linnet_notices{kind=\"Service\",reason=\"AddressConflict\"} 3\n"));
	assert_null(strstr(text, "\"?\""));
	lnt_store_free(a.store);
}

static void health_checks_answer(void **state)
{
	static const struct {
		uint32_t local;
		bool healthy;
		unsigned status;
		const char *body;
	} cases[] = {
		{2, true, 200,
			"{\"service\":{\"namespace\":\"a\",\"name\":\"web\"},\"localEndpoints\":2,"
			"\"serviceProxyHealthy\":true}"},
		{0, true, 503,
			"{\"service\":{\"namespace\":\"a\",\"name\":\"web\"},\"localEndpoints\":0,"
			"\"serviceProxyHealthy\":true}"},
		{2, false, 503,
			"{\"service\":{\"namespace\":\"a\",\"name\":\"web\"},\"localEndpoints\":2,"
			"\"serviceProxyHealthy\":false}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct lnt_service_health c = {
			.ns = "a", .name = "web", .local = cases[i].local};
		struct lnt_answer answer;
		char weight[16];

		lnt_health_answer(&c, cases[i].healthy, &answer);
		assert_int_equal(answer.status, cases[i].status);
		assert_string_equal(answer.body, cases[i].body);
		assert_int_equal(answer.len, strlen(cases[i].body));
		snprintf(weight, sizeof(weight), "%u", cases[i].local);
		assert_string_equal(answer.header.value, weight);
		free(answer.body);
	}
}

/* The loop's clock is moved instead of waited for. */
static void proxy_is_unwell_when_services_wait(void **state)
{
	const struct lnt_options opt = {};
	struct lnt_agent a = {.opt = &opt};
	struct lnt_err e = {};

	uv_loop_init(&a.loop);
	assert_int_equal(lnt_serving_open(&a, &e), 0);
	a.dirty = LNT_DIRTY_SERVICES;
	lnt_serving_dirty(&a);
	/* It starts. */
	a.loop.time += LNT_SERVING_PENDING_MS + 1;
	assert_true(lnt_serving_is_healthy(&a));
	a.synced = true;
	assert_false(lnt_serving_is_healthy(&a));
	a.dirty = 0;
	lnt_serving_dirty(&a);
	assert_true(lnt_serving_is_healthy(&a));
	/* What comes later waits for as long as what came first. */
	a.dirty = LNT_DIRTY_SERVICES;
	lnt_serving_dirty(&a);
	a.loop.time += LNT_SERVING_PENDING_MS - 1;
	lnt_serving_dirty(&a);
	assert_true(lnt_serving_is_healthy(&a));
	a.loop.time++;
	assert_false(lnt_serving_is_healthy(&a));
	/* Other domains have nothing to do with it. */
	a.dirty = LNT_DIRTY_POLICY | LNT_DIRTY_CLUSTER;
	lnt_serving_dirty(&a);
	a.loop.time += 10 * LNT_SERVING_PENDING_MS;
	assert_true(lnt_serving_is_healthy(&a));
	lnt_serving_close(&a);
	uv_run(&a.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&a.loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_the_format),
		cmocka_unit_test(names_are_good),
		cmocka_unit_test(documentation_is_the_table),
		cmocka_unit_test(reasons_are_documented),
		cmocka_unit_test(agent_that_has_not_started),
		cmocka_unit_test(health_checks_answer),
		cmocka_unit_test(proxy_is_unwell_when_services_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
