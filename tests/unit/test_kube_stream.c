/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies cut into objects and lines, however the bytes arrive; and the guard against old events. */
#include "agent/kube/apply.h"
#include "agent/kube/stream.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LNT_LOG "test"
#include "lib/log.h"

struct got {
	char text[1024]; /* pieces, each followed by ';' */
	int stop_with;
};

static int take(void *ctx, const char *text, size_t n)
{
	struct got *g = ctx;
	size_t len = strlen(g->text);

	snprintf(g->text + len, sizeof(g->text) - len, "%.*s;", (int)n, text);
	return g->stop_with;
}

/* Feeds @text in chunks of @chunk bytes. Returns the error; the envelope is printed at the end. */
static int split(const char *text, size_t chunk, struct got *g)
{
	struct lnt_split s = {.fn = take, .ctx = g};
	_cleanup_free_ char *env = NULL;
	cJSON *envelope = NULL;
	struct lnt_err e = {};
	int r = 0;

	g->text[0] = '\0';
	for (size_t i = 0; text[i] && !r; i += strnlen(text + i, chunk))
		r = lnt_split_feed(&s, text + i, strnlen(text + i, chunk), &e);
	if (!r)
		r = lnt_split_finish(&s, &e, &envelope);
	if (!r) {
		env = cJSON_PrintUnformatted(envelope);
		take(g, env, strlen(env));
	}
	cJSON_Delete(envelope);
	lnt_split_reset(&s);
	assert_true(!r || g->stop_with || e.msg[0]);
	return r;
}

static void split_finds_items(void **state)
{
	static const char *const cases[][2] = {
		{"{}", "{};"},
		{"{\"items\":[]}", "{\"items\":[]};"},
		{"{\"items\":null,\"a\":1}", "{\"items\":null,\"a\":1};"},
		{"{\"metadata\":{\"items\":[{\"a\":1}]},\"items\":[{\"b\":[{\"items\":[{}]}]}, "
		 "{\"c\":\"]}\\\"{\"}\n,{}],\"z\":[[]]} \n",
			"{\"b\":[{\"items\":[{}]}]};{\"c\":\"]}\\\"{\"};{};"
			"{\"metadata\":{\"items\":[{\"a\":1}]},\"items\":[],\"z\":[[]]};"},
		{"{\"a\":\"items\",\"items\" : [{}]}", "{};{\"a\":\"items\",\"items\":[]};"},
		{"{\"a\":\"\\\"items\",\"b\":[{}]}", "{\"a\":\"\\\"items\",\"b\":[{}]};"},
	};
	struct got g = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t chunk = 1; chunk < 80; chunk += 1 + chunk / 3) {
			assert_int_equal(split(cases[i][0], chunk, &g), 0);
			assert_string_equal(g.text, cases[i][1]);
		}
	}
}

static void split_refuses_what_is_no_list(void **state)
{
	static const char *const bad[] = {"", "x", "[]", "7", "{", "}", "{}}", "{} x",
		"{\"items\":[1]}", "{\"items\":[\"a\"]}", "{\"items\":[[]]}", "{\"items\":[{}",
		"{\"items\":[{}]", "{\"items\":[{}}", "<html>", "{\"a\":\""};
	struct got g = {};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (size_t chunk = 1; chunk < 20; chunk += 3)
			if (split(bad[i], chunk, &g) != -EPROTO)
				fail_msg("taken: %s", bad[i]);
	g.stop_with = -ENOMEM;
	assert_int_equal(split("{\"items\":[{},{}]}", 3, &g), -ENOMEM);
	assert_string_equal(g.text, "{};");
}

static void split_is_bounded(void **state)
{
	static char spaces[1 << 16];
	struct got g = {};
	struct lnt_split s = {.fn = take, .ctx = &g};
	struct lnt_err e = {};
	int r;

	memset(spaces, ' ', sizeof(spaces));
	assert_int_equal(lnt_split_feed(&s, "{\"items\":[{", 11, &e), 0);
	for (r = 0; !r && s.item.n < 2 * LNT_STREAM_MAX;)
		r = lnt_split_feed(&s, spaces, sizeof(spaces), &e);
	assert_int_equal(r, -EMSGSIZE);
	lnt_split_reset(&s);
	assert_int_equal(lnt_split_feed(&s, "{\"a\":", 5, &e), 0);
	for (r = 0; !r && s.envelope.n < LNT_STREAM_MAX;)
		r = lnt_split_feed(&s, spaces, sizeof(spaces), &e);
	assert_int_equal(r, -EMSGSIZE);
	lnt_split_reset(&s);
}

static void lines_are_put_together(void **state)
{
	static const char text[] = "one\ntwo\r\n\n  three  \nhalf";
	struct lnt_err e = {};

	for (size_t chunk = 1; chunk < sizeof(text); chunk++) {
		struct got g = {};
		struct lnt_lines l = {.fn = take, .ctx = &g};

		for (size_t i = 0; text[i]; i += strnlen(text + i, chunk))
			assert_int_equal(
				lnt_lines_feed(&l, text + i, strnlen(text + i, chunk), &e), 0);
		assert_string_equal(g.text, "one;two;  three;");
		assert_int_equal(l.line.n, 4);
		lnt_lines_reset(&l);
	}
}

static void lines_are_bounded(void **state)
{
	static char block[1 << 16];
	struct got g = {};
	struct lnt_lines l = {.fn = take, .ctx = &g};
	struct lnt_err e = {};
	int r = 0;

	memset(block, 'x', sizeof(block));
	for (size_t n = 0; !r && n < 2 * LNT_STREAM_MAX; n += sizeof(block))
		r = lnt_lines_feed(&l, block, sizeof(block), &e);
	assert_int_equal(r, -EMSGSIZE);
	lnt_lines_reset(&l);
}

static void parse_takes_one_value_only(void **state)
{
	static const char *const bad[] = {"", " ", "{}x", "{} {}", "{", "nope"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_null(lnt_stream_parse(bad[i], strlen(bad[i])));
	assert_null(lnt_stream_parse("{}\0", 3));
	cJSON_Delete(lnt_stream_parse(" {\"a\":1} \r\n", 11));
}

/* --- the guard -------------------------------------------------------------------------------- */

struct fixture {
	struct lnt_store *st;
	struct lnt_apply a;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->st = lnt_store_new(NULL, NULL);
	f->a = (struct lnt_apply){
		.store = f->st, .kind = LNT_KIND_NAMESPACE, .resource = "namespaces"};
	lnt_log_set_level(LNT_ERROR);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_apply_listed(&f->a);
	lnt_store_free(f->st);
	free(f);
	lnt_log_set_level(LNT_INFO);
	return lnt_intern_count() ? -1 : 0;
}

/* An object whose label v is its version. */
static cJSON *namespace(const char *name, const char *version)
{
	_cleanup_free_ char *text = NULL;

	assert_true(asprintf(&text,
			    "{\"metadata\":{\"name\":\"%s\",\"resourceVersion\":\"%s\","
			    "\"labels\":{\"v\":\"%s\"}}}",
			    name, version, version) > 0);
	return cJSON_Parse(text);
}

static void event(struct fixture *f, const char *name, const char *version, bool deleted)
{
	cJSON *json = namespace(name, version);

	assert_int_equal(lnt_apply_event(&f->a, json, deleted), 0);
	cJSON_Delete(json);
}

static const char *held(struct fixture *f, const char *name)
{
	const struct lnt_meta *obj = lnt_store_get(f->st, LNT_KIND_NAMESPACE, "", name);

	return obj ? lnt_labels_get(&((const struct lnt_namespace *)obj)->labels, "v") : "none";
}

static void old_events_do_not_take_back(void **state)
{
	struct fixture *f = *state;

	event(f, "a", "10", false);
	event(f, "a", "9", false);
	assert_string_equal(held(f, "a"), "10");
	event(f, "a", "9", true);
	assert_string_equal(held(f, "a"), "10");
	event(f, "a", "11", true);
	assert_string_equal(held(f, "a"), "none");
	event(f, "a", "10", false);
	assert_string_equal(held(f, "a"), "none");
	event(f, "a", "12", false);
	assert_string_equal(held(f, "a"), "12");
	event(f, "b", "5", false);
	assert_string_equal(held(f, "b"), "5");
}

static void opaque_versions_are_taken_as_they_come(void **state)
{
	struct fixture *f = *state;

	event(f, "a", "x9", false);
	event(f, "a", "x8", false);
	assert_string_equal(held(f, "a"), "x8");
	event(f, "a", "x7", true);
	assert_string_equal(held(f, "a"), "none");
	event(f, "a", "x6", false);
	assert_string_equal(held(f, "a"), "x6");
}

/* After a restore of the server's database. */
static void lists_may_go_back(void **state)
{
	struct fixture *f = *state;
	cJSON *json = namespace("a", "3");

	event(f, "a", "10", false);
	assert_int_equal(lnt_apply_item(&f->a, json), 0);
	assert_string_equal(held(f, "a"), "3");
	cJSON_Delete(json);
}

static void deletions_are_forgotten_in_bounds(void **state)
{
	struct fixture *f = *state;
	char name[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		event(f, name, "5", true);
	}
	assert_true(lnt_intern_count() <= LNT_APPLY_GRAVES + 1);
	lnt_apply_listed(&f->a);
	assert_int_equal(lnt_intern_count(), 0);
}

static void broken_update_removes_the_old_object(void **state)
{
	struct fixture *f = *state;
	cJSON *json = cJSON_Parse("{\"metadata\":{\"name\":\"a\",\"labels\":7}}");

	event(f, "a", "1", false);
	event(f, "b", "1", false);
	assert_int_equal(lnt_apply_event(&f->a, json, false), 0);
	assert_string_equal(held(f, "a"), "none");
	assert_string_equal(held(f, "b"), "1");
	cJSON_Delete(json);
	json = cJSON_Parse("{\"metadata\":{}}");
	assert_int_equal(lnt_apply_event(&f->a, json, true), 0);
	assert_int_equal(lnt_apply_item(&f->a, json), 0);
	assert_string_equal(held(f, "b"), "1");
	cJSON_Delete(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_finds_items),
		cmocka_unit_test(split_refuses_what_is_no_list),
		cmocka_unit_test(split_is_bounded),
		cmocka_unit_test(lines_are_put_together),
		cmocka_unit_test(lines_are_bounded),
		cmocka_unit_test(parse_takes_one_value_only),
		cmocka_unit_test_setup_teardown(old_events_do_not_take_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
			opaque_versions_are_taken_as_they_come, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_may_go_back, setup, teardown),
		cmocka_unit_test_setup_teardown(deletions_are_forgotten_in_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(
			broken_update_removes_the_old_object, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
