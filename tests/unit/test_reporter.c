/* SPDX-License-Identifier: Apache-2.0 */
/* Events: what they say, and when they are sent, to a server that answers as it is told. */
#include "agent/kube/reporter.h"
#include "tests/unit/api_case.h"

#include <cjson/cJSON.h>

/* --- texts ------------------------------------------------------------------------------------ */

static struct lnt_report about(const char *name, const char *text)
{
	return (struct lnt_report){
		.notice = {.kind = LNT_KIND_SERVICE,
			.ns = "a",
			.name = name,
			.reason = LNT_NOTICE_ADDRESS_CONFLICT,
			.text = text},
		.uid = "1-2-3",
		.instance = "n1",
	};
}

static const char *get(const cJSON *json, const char *outer, const char *inner)
{
	const cJSON *at = inner ? cJSON_GetObjectItem(json, outer) : json;

	return cJSON_GetStringValue(cJSON_GetObjectItem(at, inner ?: outer)) ?: "(none)";
}

static void event_has_what_the_api_asks_for(void **state)
{
	struct lnt_report r = about("web", "10.96.0.1 port 80 belongs to a/other already");
	_cleanup_free_ char *text = lnt_report_json(&r, 1767225600);
	cJSON *json = cJSON_Parse(text);
	char name[LNT_REPORT_NAME_MAX + 1];

	lnt_report_name(&r, name);
	assert_string_equal(get(json, "apiVersion", NULL), "events.k8s.io/v1");
	assert_string_equal(get(json, "metadata", "name"), name);
	assert_string_equal(get(json, "metadata", "namespace"), "a");
	assert_string_equal(get(json, "eventTime", NULL), "2026-01-01T00:00:00.000000Z");
	assert_string_equal(get(json, "type", NULL), "Warning");
	assert_string_equal(get(json, "reason", NULL), "AddressConflict");
	assert_string_not_equal(get(json, "action", NULL), "(none)");
	assert_string_equal(get(json, "note", NULL), r.notice.text);
	assert_string_equal(get(json, "reportingController", NULL), "linnet");
	assert_string_equal(get(json, "reportingInstance", NULL), "n1");
	assert_string_equal(get(json, "regarding", "apiVersion"), "v1");
	assert_string_equal(get(json, "regarding", "kind"), "Service");
	assert_string_equal(get(json, "regarding", "name"), "web");
	assert_string_equal(get(json, "regarding", "namespace"), "a");
	assert_string_equal(get(json, "regarding", "uid"), "1-2-3");
	cJSON_Delete(json);
}

static void regarding_kinds_have_their_api(void **state)
{
	static const struct {
		enum lnt_kind kind;
		const char *name, *api;
	} rows[] = {{LNT_KIND_POD, "Pod", "v1"},
		{LNT_KIND_NETWORKPOLICY, "NetworkPolicy", "networking.k8s.io/v1"},
		{LNT_KIND_CLUSTERNETWORKPOLICY, "ClusterNetworkPolicy",
			"policy.networking.k8s.io/v1alpha2"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lnt_report r = about("x", "y");
		_cleanup_free_ char *text = NULL;
		cJSON *json;

		r.notice.kind = rows[i].kind;
		text = lnt_report_json(&r, 0);
		json = cJSON_Parse(text);
		assert_string_equal(get(json, "regarding", "kind"), rows[i].name);
		assert_string_equal(get(json, "regarding", "apiVersion"), rows[i].api);
		cJSON_Delete(json);
	}
}

static void cluster_scoped_objects_have_theirs_in_default(void **state)
{
	struct lnt_report r = about("x", "y");
	_cleanup_free_ char *text = NULL;
	cJSON *json;

	r.notice.kind = LNT_KIND_CLUSTERNETWORKPOLICY;
	r.notice.ns = "";
	text = lnt_report_json(&r, 0);
	json = cJSON_Parse(text);
	assert_string_equal(get(json, "metadata", "namespace"), "default");
	assert_string_equal(get(json, "regarding", "namespace"), "(none)");
	cJSON_Delete(json);
}

static void names_follow_from_what_is_said(void **state)
{
	char one[LNT_REPORT_NAME_MAX + 1], two[LNT_REPORT_NAME_MAX + 1], longest[254];
	struct lnt_report a = about("web", "x"), b = about("web", "x");

	b.instance = "n2";
	lnt_report_name(&a, one);
	lnt_report_name(&b, two);
	assert_string_equal(one, two);
	assert_int_equal(strlen(one), strlen("web.") + 16);
	b.notice.text = "y";
	lnt_report_name(&b, two);
	assert_string_not_equal(one, two);
	b = a;
	b.uid = "other";
	lnt_report_name(&b, two);
	assert_string_not_equal(one, two);
	/* A subdomain of 253 characters with a dot where it is cut. */
	memset(longest, 'a', 253);
	longest[253] = '\0';
	longest[235] = '.';
	a.notice.name = longest;
	lnt_report_name(&a, one);
	assert_int_equal(strlen(one), 235 + 17);
	assert_null(strstr(one, ".."));
}

static void long_texts_are_cut_between_characters(void **state)
{
	char text[1200];
	struct lnt_report r = about("web", text);
	_cleanup_free_ char *event = NULL;
	cJSON *json;

	/* Three bytes each; 1,024 is no multiple of three. */
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	event = lnt_report_json(&r, 0);
	json = cJSON_Parse(event);
	assert_int_equal(strlen(get(json, "note", NULL)), 1023);
	cJSON_Delete(json);
}

/* --- times ------------------------------------------------------------------------------------ */

struct fixture {
	struct api_case api;
	struct lnt_reporter *r;
};

/* Short enough to wait for, far enough apart to tell. */
static const struct lnt_reporter_times times = {
	.again_ms = 400, .again_more_ms = 0, .flap_ms = 150, .forget_ms = 1000, .budget_ms = 10};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int r = api_open(&f->api, 20011, 201);

	f->r = lnt_reporter_new(&f->api.loop, f->api.http, &times, api_on_closed, &f->api);
	*state = f;
	return r || !f->r ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	lnt_reporter_close(f->r);
	r = api_close(&f->api);
	free(f);
	return r;
}

static struct lnt_report_stats stats(const struct fixture *f)
{
	return lnt_reporter_stats(f->r);
}

static unsigned settled(const void *ctx)
{
	const struct fixture *f = ctx;
	struct lnt_report_stats s = stats(f);

	return s.created + s.existed + s.updated + s.failed;
}

/* Runs until @n requests have been answered in all; else fails. */
static void run_to(struct fixture *f, unsigned n)
{
	api_run_to(&f->api, n, settled, f);
}

static void first_is_created_and_refreshed(void **state)
{
	struct fixture *f = *state;
	struct lnt_report r = about("web", "x");
	char name[LNT_REPORT_NAME_MAX + 1], want[600];

	lnt_report_name(&r, name);
	lnt_reporter_say(f->r, &r);
	run_to(f, 1);
	assert_string_equal(f->api.seen, "POST /apis/events.k8s.io/v1/namespaces/a/events|");
	f->api.answer = 200;
	run_to(f, 2);
	snprintf(want, sizeof(want),
		"POST /apis/events.k8s.io/v1/namespaces/a/events|"
		"PATCH /apis/events.k8s.io/v1/namespaces/a/events/%s|",
		name);
	assert_string_equal(f->api.seen, want);
	assert_int_equal(stats(f).updated, 1);
	/* The server has forgotten it: as new. */
	f->api.answer = 404;
	f->api.seen[0] = '\0';
	while (!*f->api.seen)
		uv_run(&f->api.loop, UV_RUN_ONCE);
	f->api.answer = 201;
	run_to(f, 3);
	assert_int_equal(stats(f).created, 2);
}

static void another_nodes_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct lnt_report r = about("web", "x");

	f->api.answer = 409;
	lnt_reporter_say(f->r, &r);
	run_to(f, 2);
	assert_int_equal(stats(f).existed, 2);
	assert_null(strstr(f->api.seen, "PATCH"));
}

static void cluster_scoped_objects_are_posted_to_default(void **state)
{
	struct fixture *f = *state;
	struct lnt_report r = about("deny", "x");

	r.notice.kind = LNT_KIND_CLUSTERNETWORKPOLICY;
	r.notice.ns = "";
	lnt_reporter_say(f->r, &r);
	run_to(f, 1);
	assert_string_equal(f->api.seen, "POST /apis/events.k8s.io/v1/namespaces/default/events|");
}

static void what_is_gone_is_not_told(void **state)
{
	struct fixture *f = *state;
	struct lnt_report r = about("web", "x"), gone = r;

	r.nodes = 20; /* so that it is not sent at once */
	lnt_reporter_say(f->r, &r);
	gone.uid = "";
	lnt_reporter_gone(f->r, &gone);
	api_run_for(&f->api, 300);
	assert_int_equal(f->api.n, 0);
}

static void what_comes_and_goes_is_told_now_and_then(void **state)
{
	struct fixture *f = *state;
	struct lnt_report r = about("web", "x");
	unsigned ms = 0;

	lnt_reporter_say(f->r, &r);
	run_to(f, 1);
	f->api.answer = 200;
	for (int i = 0; i < 20; i++) {
		lnt_reporter_gone(f->r, &r);
		lnt_reporter_say(f->r, &r);
		ms += api_run_for(&f->api, 15);
	}
	assert_in_range(stats(f).updated, 1, ms / times.flap_ms + 1);
	/* Another object of the name is told at once. */
	lnt_reporter_gone(f->r, &r);
	f->api.answer = 201;
	r.uid = "4-5-6";
	lnt_reporter_say(f->r, &r);
	while (stats(f).created < 2)
		run_to(f, settled(f) + 1);
}

static void one_object_has_a_budget(void **state)
{
	struct fixture *f = *state;
	struct lnt_report r;
	char text[16];

	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "%d", i);
		r = about("web", text);
		lnt_reporter_say(f->r, &r);
		lnt_reporter_gone(f->r, &r);
	}
	assert_int_equal(stats(f).dropped, 40);
	r = about("other", "x");
	lnt_reporter_say(f->r, &r);
	run_to(f, 1);
	assert_int_equal(stats(f).created, 1);
}

static void there_is_a_bound_for_all(void **state)
{
	struct fixture *f = *state;
	char name[16];
	unsigned ms;

	for (int i = 0; i < 600; i++) {
		struct lnt_report r = about(name, "x");

		snprintf(name, sizeof(name), "s%d", i);
		lnt_reporter_say(f->r, &r);
	}
	assert_int_equal(stats(f).dropped, 600 - 512);
	/* One after the other, no faster than the budget. */
	assert_in_range(settled(f), 0, 25);
	ms = api_run_for(&f->api, 100);
	assert_in_range(settled(f), 1, 25 + ms / times.budget_ms + 1);
}

static void a_server_in_trouble_is_asked_again(void **state)
{
	struct fixture *f = *state;
	struct lnt_report r = about("web", "x");
	unsigned ms;

	f->api.answer = 503;
	lnt_reporter_say(f->r, &r);
	run_to(f, 2);
	f->api.answer = 201;
	run_to(f, 3);
	assert_int_equal(stats(f).failed, 2);
	assert_int_equal(stats(f).created, 1);
	/* One that will not take it is not asked in a loop. */
	r = about("refused", "x");
	f->api.answer = 403;
	lnt_reporter_say(f->r, &r);
	run_to(f, 4);
	ms = api_run_for(&f->api, 200);
	assert_in_range(stats(f).failed, 3, 3 + ms / times.again_ms * 2);
}

#define TIMED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_has_what_the_api_asks_for),
		cmocka_unit_test(regarding_kinds_have_their_api),
		cmocka_unit_test(cluster_scoped_objects_have_theirs_in_default),
		cmocka_unit_test(names_follow_from_what_is_said),
		cmocka_unit_test(long_texts_are_cut_between_characters),
		TIMED(first_is_created_and_refreshed),
		TIMED(another_nodes_is_left_alone),
		TIMED(cluster_scoped_objects_are_posted_to_default),
		TIMED(what_is_gone_is_not_told),
		TIMED(what_comes_and_goes_is_told_now_and_then),
		TIMED(one_object_has_a_budget),
		TIMED(there_is_a_bound_for_all),
		TIMED(a_server_in_trouble_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
