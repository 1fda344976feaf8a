/* SPDX-License-Identifier: Apache-2.0 */
/* What a node says once its network works: requests, and when, to a server that answers as it is
 * told. */
#include "agent/kube/node_up.h"
#include "tests/unit/api_case.h"

#include <cjson/cJSON.h>

#define CONDITION "PATCH /api/v1/nodes/n1/status|"
#define TAINTS	  "PATCH /api/v1/nodes/n1|"
#define AGAIN_MS  300

/* --- texts ------------------------------------------------------------------------------------ */

static void condition_is_one_of_the_api(void **state)
{
	_cleanup_free_ char *text = lnt_node_up_condition_json(1767225600);

	assert_string_equal(text,
		"{\"status\":{\"conditions\":[{\"type\":\"NetworkUnavailable\",\"status\":"
		"\"False\","
		"\"reason\":\"LinnetIsUp\",\"message\":\"linnet carries pods on this node\","
		"\"lastHeartbeatTime\":\"2026-01-01T00:00:00Z\","
		"\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]}}");
}

static void taints_go_from_the_end_and_only_ours(void **state)
{
	_cleanup_free_ char *text = lnt_node_up_taints_json(1 << 2 | 1 << 0);

	assert_string_equal(text,
		"[{\"op\":\"test\",\"path\":\"/spec/taints/2/key\",\"value\":\"" LNT_NODE_TAINT
		"\"},"
		"{\"op\":\"remove\",\"path\":\"/spec/taints/2\"},"
		"{\"op\":\"test\",\"path\":\"/spec/taints/0/key\",\"value\":\"" LNT_NODE_TAINT
		"\"},"
		"{\"op\":\"remove\",\"path\":\"/spec/taints/0\"}]");
}

/* --- times ------------------------------------------------------------------------------------ */

struct fixture {
	struct api_case api;
	struct lnt_node_up *u;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int r = api_open(&f->api, 20511, 200);

	f->u = lnt_node_up_new(&f->api.loop, f->api.http, AGAIN_MS, api_on_closed, &f->api);
	*state = f;
	return r || !f->u ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	lnt_node_up_close(f->u);
	r = api_close(&f->api);
	free(f);
	return r;
}

static unsigned answered(const void *ctx)
{
	return ((const struct fixture *)ctx)->api.n;
}

/* Runs until @n requests have been answered in all; else fails. */
static void run_to(struct fixture *f, unsigned n)
{
	api_run_to(&f->api, n, answered, f);
}

static struct lnt_node node(bool down, uint64_t taints)
{
	return (struct lnt_node){
		.meta = {.kind = LNT_KIND_NODE, .ns = "", .name = "n1"},
		.network_down = down,
		.not_ready_taints = taints,
	};
}

static void what_is_so_is_not_asked_for(void **state)
{
	struct fixture *f = *state;
	struct lnt_node n = node(false, 0);

	lnt_node_up_say(f->u, &n);
	api_run_for(&f->api, 50);
	assert_int_equal(f->api.n, 0);
}

static void condition_comes_before_the_taint(void **state)
{
	struct fixture *f = *state;
	struct lnt_node n = node(true, 1);

	lnt_node_up_say(f->u, &n);
	run_to(f, 2);
	assert_string_equal(f->api.seen, CONDITION TAINTS);
}

static void what_the_watch_has_not_told_yet_is_not_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct lnt_node n = node(true, 0);
	unsigned ms, seen;

	lnt_node_up_say(f->u, &n);
	run_to(f, 1);
	lnt_node_up_say(f->u, &n);
	ms = api_run_for(&f->api, AGAIN_MS / 4);
	assert_in_range(f->api.n, 1, 1 + ms / AGAIN_MS);
	seen = f->api.n;
	n = node(false, 0);
	lnt_node_up_say(f->u, &n);
	api_run_for(&f->api, AGAIN_MS * 3 / 2);
	/* One more where the machine was so slow that it was under way already. */
	assert_in_range(f->api.n, seen, seen + (ms >= AGAIN_MS));
}

static void what_others_undo_is_asked_for_again_in_time(void **state)
{
	struct fixture *f = *state;
	struct lnt_node n = node(false, 2), gone = node(false, 0);
	uint64_t start;

	lnt_node_up_say(f->u, &n);
	run_to(f, 1);
	start = uv_hrtime();
	lnt_node_up_say(f->u, &gone);
	lnt_node_up_say(f->u, &n);
	run_to(f, 2);
	assert_true(uv_hrtime() - start > (AGAIN_MS - 50) * 1000000ull);
	assert_string_equal(f->api.seen, TAINTS TAINTS);
}

static void refused_is_asked_for_again(void **state)
{
	static const unsigned statuses[] = {503, 422, 403, 409};
	struct fixture *f = *state;
	struct lnt_node n = node(true, 0);

	lnt_node_up_say(f->u, &n);
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		f->api.answer = statuses[i];
		run_to(f, i + 1);
	}
	f->api.answer = 200;
	run_to(f, ARRAY_SIZE(statuses) + 1);
	n = node(false, 0);
	lnt_node_up_say(f->u, &n);
	api_run_for(&f->api, AGAIN_MS * 3 / 2);
	assert_int_equal(f->api.n, ARRAY_SIZE(statuses) + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(condition_is_one_of_the_api),
		cmocka_unit_test(taints_go_from_the_end_and_only_ours),
		cmocka_unit_test_setup_teardown(what_is_so_is_not_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(condition_comes_before_the_taint, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_the_watch_has_not_told_yet_is_not_asked_for_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_others_undo_is_asked_for_again_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_is_asked_for_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
