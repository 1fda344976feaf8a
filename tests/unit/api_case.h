/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An API server on a loop of the test's own, which answers whatever it is asked with the status
 * that it is told, and remembers what that was; and a client of it.
 */
#include "agent/kube/http.h"
#include "agent/serve/server.h"
#include "lib/cleanup.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct api_case {
	uv_loop_t loop;
	struct lnt_server *server;
	struct lnt_kube_config cfg;
	struct lnt_http *http;
	uv_timer_t limit;
	unsigned answer; /* the status for what comes next */
	char seen[4096]; /* "METHOD path|" each */
	unsigned n;	 /* requests */
	bool timed_out;
};

static void api_on_answer(void *ctx, const struct lnt_request *req, struct lnt_answer *ret_answer)
{
	struct api_case *a = ctx;
	size_t len = strlen(a->seen);

	snprintf(a->seen + len, sizeof(a->seen) - len, "%s %s|", req->method, req->path);
	*ret_answer = (struct lnt_answer){
		.status = a->answer, .type = "application/json", .body = strdup("{}"), .len = 2};
	a->n++;
}

static const struct lnt_listener_ops api_ops = {.answer = api_on_answer};

/* At @port or the next that is free: this process has the whole namespace's to choose from. */
static int api_open(struct api_case *a, uint16_t port, unsigned answer)
{
	static const struct lnt_server_limits limits = {64, 0, 10, 8192};
	struct in6_addr addr = {.s6_addr = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};
	struct lnt_err e = {};

	uv_loop_init(&a->loop);
	uv_timer_init(&a->loop, &a->limit);
	a->limit.data = a;
	a->answer = answer;
	a->server = lnt_server_new(&a->loop, &limits, &e);
	for (; !a->cfg.server; port++) {
		struct lnt_listener *l = lnt_server_listen(a->server, &addr, port, &api_ops, a);

		if (lnt_listener_is_open(l)) {
			if (asprintf(&a->cfg.server, "http://127.0.0.1:%u", port) < 0)
				return -1;
		} else {
			lnt_listener_close(l);
		}
	}
	a->http = lnt_http_new(&a->loop, &a->cfg, &e);
	return a->server && a->http ? 0 : -1;
}

/* Once who asks is closed; @ctx: the case. */
static void api_on_closed(void *ctx)
{
	struct api_case *a = ctx;

	lnt_http_close(a->http, NULL, NULL);
	lnt_server_close(a->server);
}

/* After that has been asked to close. */
static int api_close(struct api_case *a)
{
	int r;

	uv_close((uv_handle_t *)&a->limit, NULL);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	r = uv_loop_close(&a->loop);
	free(a->cfg.server);
	return r;
}

static void api_on_limit(uv_timer_t *timer)
{
	struct api_case *a = timer->data;

	a->timed_out = true;
}

/* Returns how long it really was, in ms. */
static unsigned api_run_for(struct api_case *a, unsigned ms)
{
	uint64_t start = uv_hrtime();

	a->timed_out = false;
	uv_update_time(&a->loop);
	uv_timer_start(&a->limit, api_on_limit, ms, 0);
	while (!a->timed_out)
		uv_run(&a->loop, UV_RUN_ONCE);
	return (unsigned)((uv_hrtime() - start) / 1000000);
}

/* Runs until @count says @n, for 5 s at most; else fails. */
static void api_run_to(
	struct api_case *a, unsigned n, unsigned (*count)(const void *ctx), const void *ctx)
{
	a->timed_out = false;
	uv_timer_start(&a->limit, api_on_limit, 5000, 0);
	while (count(ctx) < n && !a->timed_out)
		uv_run(&a->loop, UV_RUN_ONCE);
	uv_timer_stop(&a->limit);
	assert_int_equal(count(ctx), n);
}
