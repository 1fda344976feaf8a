/* SPDX-License-Identifier: Apache-2.0 */
/* The API server as a whole: one HTTP client, a reflector for each kind, and when all is listed. */
#include "agent/kube/config.h"
#include "agent/kube/locator.h"
#include "agent/kube/node_up.h"
#include "agent/kube/reflector.h"
#include "agent/kube/reporter.h"
#include "lib/cleanup.h"

#include <errno.h>

struct lnt_kube {
	struct lnt_kube_config cfg;
	struct lnt_kube_events events;
	struct lnt_http *http;
	struct lnt_locator *locator; /* NULL: the configuration says where the server is */
	struct lnt_reflector *reflectors[LNT_KIND_MAX];
	struct lnt_reporter *reporter;
	struct lnt_node_up *node_up;
	unsigned n_synced;
	unsigned parts; /* of the above and the client, that are not closed yet */
	bool started, closing;
};

static void on_synced(void *ctx)
{
	struct lnt_kube *k = ctx;

	if (++k->n_synced == LNT_KIND_MAX && k->events.synced)
		k->events.synced(k->events.ctx);
}

static void on_alive(void *ctx)
{
	struct lnt_kube *k = ctx;

	for (int i = 0; i < LNT_KIND_MAX; i++)
		lnt_reflector_nudge(k->reflectors[i]);
}

static void on_lost(void *ctx)
{
	struct lnt_kube *k = ctx;

	if (k->locator)
		lnt_locator_look(k->locator);
}

static void start(struct lnt_kube *k)
{
	k->started = true;
	for (int i = 0; i < LNT_KIND_MAX; i++)
		lnt_reflector_start(k->reflectors[i]);
}

/* Until the first answer one look leads to the next: the Service may take long to refuse. */
static void on_looked(void *ctx, bool found, bool moved)
{
	struct lnt_kube *k = ctx;

	for (int i = 0; moved && k->started && i < LNT_KIND_MAX; i++)
		lnt_reflector_moved(k->reflectors[i]);
	if (!k->started)
		start(k);
	if (!found && !k->n_synced)
		lnt_locator_look(k->locator);
}

static void on_http_closed(void *ctx)
{
	struct lnt_kube *k = ctx;

	lnt_kube_config_clear(&k->cfg);
	free(k);
}

/* The client goes last: requests of the others point into it. */
static void on_part_closed(void *ctx)
{
	struct lnt_kube *k = ctx;

	if (!--k->parts)
		lnt_http_close(k->http, on_http_closed, k);
}

/* All that uses the client. False: no memory. */
static bool make_parts(struct lnt_kube *k, uv_loop_t *loop, struct lnt_store *store)
{
	const struct lnt_reflector_events on = {on_synced, on_alive, on_lost, on_part_closed, k};
	const struct lnt_locator_events found = {on_looked, on_part_closed, k};

	k->reporter = lnt_reporter_new(loop, k->http, NULL, on_part_closed, k);
	if (!k->reporter)
		return false;
	k->parts++;
	k->node_up = lnt_node_up_new(loop, k->http, 0, on_part_closed, k);
	if (!k->node_up)
		return false;
	k->parts++;
	if (k->cfg.locate) {
		k->locator = lnt_locator_new(loop, k->http, 0, &found);
		if (!k->locator)
			return false;
		k->parts++;
	}
	for (int i = 0; i < LNT_KIND_MAX; i++) {
		k->reflectors[i] = lnt_reflector_new(loop, k->http, store, i, k->cfg.stall_ms, &on);
		if (!k->reflectors[i])
			return false;
		k->parts++;
	}
	return true;
}

struct lnt_kube *lnt_kube_new(uv_loop_t *loop, const struct lnt_kube_config *cfg,
	struct lnt_store *store, const struct lnt_kube_events *events, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_kube *k = calloc(1, sizeof(*k));

	if (!k || lnt_kube_config_copy(cfg, &k->cfg)) {
		lnt_err_set(e, -ENOMEM, "no memory");
		return NULL;
	}
	k->events = *events;
	k->http = lnt_http_new(loop, &k->cfg, e);
	if (!k->http) {
		lnt_kube_config_clear(&k->cfg);
		return NULL;
	}
	if (!make_parts(k, loop, store)) {
		lnt_err_set(e, -ENOMEM, "no memory");
		lnt_kube_close(TAKE_PTR(k));
		return NULL;
	}
	return TAKE_PTR(k);
}

void lnt_kube_start(struct lnt_kube *k)
{
	if (k->locator)
		lnt_locator_look(k->locator);
	else
		start(k);
}

const char *lnt_kube_server(const struct lnt_kube *k, char buf[static LNT_KUBE_SERVER_STRLEN])
{
	return lnt_http_server(k->http, buf);
}

void lnt_kube_watch_state(
	const struct lnt_kube *k, enum lnt_kind kind, struct lnt_kube_watch_state *ret_state)
{
	lnt_reflector_state(k->reflectors[kind], ret_state);
}

void lnt_kube_report(struct lnt_kube *k, const struct lnt_report *what, bool gone)
{
	if (k->closing)
		return;
	if (gone)
		lnt_reporter_gone(k->reporter, what);
	else
		lnt_reporter_say(k->reporter, what);
}

void lnt_kube_node_up(struct lnt_kube *k, const struct lnt_node *node)
{
	if (!k->closing)
		lnt_node_up_say(k->node_up, node);
}

struct lnt_report_stats lnt_kube_report_stats(const struct lnt_kube *k)
{
	return lnt_reporter_stats(k->reporter);
}

void lnt_kube_close(struct lnt_kube *k)
{
	if (k->closing)
		return;
	k->closing = true;
	k->parts++;
	for (int i = 0; i < LNT_KIND_MAX; i++)
		if (k->reflectors[i])
			lnt_reflector_close(k->reflectors[i]);
	if (k->locator)
		lnt_locator_close(k->locator);
	if (k->reporter)
		lnt_reporter_close(k->reporter);
	if (k->node_up)
		lnt_node_up_close(k->node_up);
	on_part_closed(k);
}
