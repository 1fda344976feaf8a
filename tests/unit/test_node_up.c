/* SPDX-License-Identifier: Apache-2.0 */
/* What a node says once its network works: requests, and when, to a server that answers as it is
 * told. */
#include "agent/kube/node_up.h"
#include "agent/serve/server.h"
#include "lib/cleanup.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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
	uv_loop_t loop;
	struct lnt_server *server;
	struct lnt_kube_config cfg;
	struct lnt_http *http;
	struct lnt_node_up *u;
	uv_timer_t limit;
	unsigned answer; /* the status for what comes next */
	char seen[4096]; /* "PATCH path|" each */
	unsigned n;	 /* requests */
	bool timed_out;
};

static void on_answer(void *ctx, const struct lnt_request *req, struct lnt_answer *ret_answer)
{
	struct fixture *f = ctx;
	size_t len = strlen(f->seen);

	snprintf(f->seen + len, sizeof(f->seen) - len, "%s %s|", req->method, req->path);
	*ret_answer = (struct lnt_answer){
		.status = f->answer, .type = "application/json", .body = strdup("{}"), .len = 2};
	f->n++;
}

static const struct lnt_listener_ops ops = {.answer = on_answer};

static void on_up_closed(void *ctx)
{
	struct fixture *f = ctx;

	lnt_http_close(f->http, NULL, NULL);
	lnt_server_close(f->server);
}

static int setup(void **state)
{
	static const struct lnt_server_limits limits = {64, 0, 10, 8192};
	struct fixture *f = calloc(1, sizeof(*f));
	struct in6_addr addr = {.s6_addr = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};
	struct lnt_err e = {};

	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->limit);
	f->limit.data = f;
	f->answer = 200;
	f->server = lnt_server_new(&f->loop, &limits, &e);
	/* Any free port will do; this process has the whole namespace's to choose from. */
	for (uint16_t port = 20511; !f->cfg.server; port++) {
		struct lnt_listener *l = lnt_server_listen(f->server, &addr, port, &ops, f);

		if (lnt_listener_is_open(l)) {
			if (asprintf(&f->cfg.server, "http://127.0.0.1:%u", port) < 0)
				return -1;
		} else {
			lnt_listener_close(l);
		}
	}
	f->http = lnt_http_new(&f->loop, &f->cfg, &e);
	f->u = lnt_node_up_new(&f->loop, f->http, AGAIN_MS, on_up_closed, f);
	*state = f;
	return f->server && f->http && f->u ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	lnt_node_up_close(f->u);
	uv_close((uv_handle_t *)&f->limit, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	r = uv_loop_close(&f->loop);
	free(f->cfg.server);
	free(f);
	return r;
}

static void on_limit(uv_timer_t *timer)
{
	struct fixture *f = timer->data;

	f->timed_out = true;
}

/* Runs until @n requests have been answered in all; else fails. */
static void run_to(struct fixture *f, unsigned n)
{
	f->timed_out = false;
	uv_timer_start(&f->limit, on_limit, 5000, 0);
	while (f->n < n && !f->timed_out)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_timer_stop(&f->limit);
	assert_int_equal(f->n, n);
}

/* Returns how long it really was, in ms. */
static unsigned run_for(struct fixture *f, unsigned ms)
{
	uint64_t start = uv_hrtime();

	f->timed_out = false;
	uv_update_time(&f->loop);
	uv_timer_start(&f->limit, on_limit, ms, 0);
	while (!f->timed_out)
		uv_run(&f->loop, UV_RUN_ONCE);
	return (unsigned)((uv_hrtime() - start) / 1000000);
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
	run_for(f, 50);
	assert_int_equal(f->n, 0);
}

static void condition_comes_before_the_taint(void **state)
{
	struct fixture *f = *state;
	struct lnt_node n = node(true, 1);

	lnt_node_up_say(f->u, &n);
	run_to(f, 2);
	assert_string_equal(f->seen, CONDITION TAINTS);
}

static void what_the_watch_has_not_told_yet_is_not_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct lnt_node n = node(true, 0);
	unsigned ms, seen;

	lnt_node_up_say(f->u, &n);
	run_to(f, 1);
	lnt_node_up_say(f->u, &n);
	ms = run_for(f, AGAIN_MS / 4);
	assert_in_range(f->n, 1, 1 + ms / AGAIN_MS);
	seen = f->n;
	n = node(false, 0);
	lnt_node_up_say(f->u, &n);
	run_for(f, AGAIN_MS * 3 / 2);
	/* One more where the machine was so slow that it was under way already. */
	assert_in_range(f->n, seen, seen + (ms >= AGAIN_MS));
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
	assert_string_equal(f->seen, TAINTS TAINTS);
}

static void refused_is_asked_for_again(void **state)
{
	static const unsigned statuses[] = {503, 422, 403, 409};
	struct fixture *f = *state;
	struct lnt_node n = node(true, 0);

	lnt_node_up_say(f->u, &n);
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		f->answer = statuses[i];
		run_to(f, i + 1);
	}
	f->answer = 200;
	run_to(f, ARRAY_SIZE(statuses) + 1);
	n = node(false, 0);
	lnt_node_up_say(f->u, &n);
	run_for(f, AGAIN_MS * 3 / 2);
	assert_int_equal(f->n, ARRAY_SIZE(statuses) + 1);
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
