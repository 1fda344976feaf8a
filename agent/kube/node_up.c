/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of node_up.h: one at a time, the condition first. */
#define LNT_LOG "kube"
#include "agent/kube/node_up.h"
#include "agent/kube/backoff.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define STALL_MS 10000
#define AGAIN_MS 60000

enum what {
	CONDITION,
	TAINTS,
	N_WHAT,
};

struct lnt_node_up {
	uv_loop_t *loop;
	struct lnt_http *http;
	unsigned again_ms;
	void (*closed)(void *ctx);
	void *ctx;
	uv_timer_t timer;
	struct lnt_http_req *req;
	enum what asked; /* by req */
	char *name;	 /* of the node */
	bool network_down;
	uint64_t taints;
	uint64_t next[N_WHAT]; /* when it may be asked for */
	unsigned misses;
	bool complained;
};

static void schedule(struct lnt_node_up *u);

static bool is_due(const struct lnt_node_up *u, enum what what)
{
	return what == CONDITION ? u->network_down : u->taints != 0;
}

/* --- requests --------------------------------------------------------------------------------- */

char *lnt_node_up_condition_json(int64_t time)
{
	cJSON *json = cJSON_CreateObject(), *status, *list, *c = cJSON_CreateObject();
	time_t t = (time_t)time;
	char text[40], *ret;
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	status = cJSON_AddObjectToObject(json, "status");
	list = cJSON_AddArrayToObject(status, "conditions");
	cJSON_AddItemToArray(list, c);
	cJSON_AddStringToObject(c, "type", "NetworkUnavailable");
	cJSON_AddStringToObject(c, "status", "False");
	cJSON_AddStringToObject(c, "reason", "LinnetIsUp");
	cJSON_AddStringToObject(c, "message", "linnet carries pods on this node");
	cJSON_AddStringToObject(c, "lastHeartbeatTime", text);
	cJSON_AddStringToObject(c, "lastTransitionTime", text);
	ret = cJSON_PrintUnformatted(json);
	cJSON_Delete(json);
	return ret;
}

static void add_operation(cJSON *list, const char *op, const char *path, const char *value)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "op", op);
	cJSON_AddStringToObject(o, "path", path);
	if (value)
		cJSON_AddStringToObject(o, "value", value);
	cJSON_AddItemToArray(list, o);
}

/* The list of taints is one to the API server: each place is looked at before it goes, in case that
 * others have moved it. From the end, so that the places before stay. */
char *lnt_node_up_taints_json(uint64_t taints)
{
	cJSON *list = cJSON_CreateArray();
	char path[64], *ret;

	for (int i = 63; i >= 0; i--) {
		if (!(taints & 1ull << i))
			continue;
		snprintf(path, sizeof(path), "/spec/taints/%d/key", i);
		add_operation(list, "test", path, LNT_NODE_TAINT);
		snprintf(path, sizeof(path), "/spec/taints/%d", i);
		add_operation(list, "remove", path, NULL);
	}
	ret = cJSON_PrintUnformatted(list);
	cJSON_Delete(list);
	return ret;
}

static void on_done(void *ctx, const struct lnt_http_result *res)
{
	struct lnt_node_up *u = ctx;
	uint64_t now = uv_now(u->loop);

	u->req = NULL;
	if (res->status == 200) {
		log_info("node %s: %s", u->name,
			u->asked == CONDITION ? "NetworkUnavailable is False now"
					      : "taint " LNT_NODE_TAINT " removed");
		u->misses = 0;
		u->complained = false;
		/* The watch tells what has become of it, if it has not already. */
		u->next[u->asked] = now + u->again_ms;
	} else {
		/* 422: the taints have moved, and the watch has told where to or soon does. */
		if (!u->complained && res->status != 422)
			log_warn("node %s: %s cannot be changed: HTTP status %ld %.200s", u->name,
				u->asked == CONDITION ? "its condition" : "its taints", res->status,
				res->status ? res->body : res->text);
		u->complained |= res->status != 422;
		u->next[u->asked] = now + lnt_backoff_next(&u->misses) + res->retry_after * 1000ull;
	}
	schedule(u);
}

static int send_request(struct lnt_node_up *u, struct lnt_err *e)
{
	static const struct lnt_http_ops ops = {.done = on_done};
	static const struct lnt_http_body bodies[N_WHAT] = {
		[CONDITION] = {"PATCH", "application/strategic-merge-patch+json", NULL},
		[TAINTS] = {"PATCH", "application/json-patch+json", NULL},
	};
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct lnt_http_body body = bodies[u->asked];

	body.text = text = u->asked == CONDITION ? lnt_node_up_condition_json(time(NULL))
						 : lnt_node_up_taints_json(u->taints);
	if (!text ||
		asprintf(&path, "/api/v1/nodes/%s%s", u->name,
			u->asked == CONDITION ? "/status" : "") < 0) {
		path = NULL;
		return lnt_err_set(e, -ENOMEM, "no memory");
	}
	return lnt_http_send(u->http, path, &body, STALL_MS, &ops, u, e, &u->req);
}

static void on_timer(uv_timer_t *timer)
{
	struct lnt_node_up *u = timer->data;
	uint64_t now = uv_now(u->loop);
	struct lnt_err e = {};

	for (int what = 0; what < N_WHAT && !u->req; what++) {
		if (!is_due(u, what) || u->next[what] > now)
			continue;
		u->asked = what;
		if (send_request(u, &e)) {
			log_debug("node %s: %s", u->name, e.msg);
			u->next[what] = now + lnt_backoff_next(&u->misses);
		}
	}
	schedule(u);
}

static void schedule(struct lnt_node_up *u)
{
	uint64_t now = uv_now(u->loop), at = UINT64_MAX;

	if (u->req || uv_is_closing((uv_handle_t *)&u->timer))
		return;
	for (int what = 0; what < N_WHAT; what++)
		if (is_due(u, what) && u->next[what] < at)
			at = u->next[what];
	if (at == UINT64_MAX)
		uv_timer_stop(&u->timer);
	else
		uv_timer_start(&u->timer, on_timer, at > now ? at - now : 0, 0);
}

/* --- life ------------------------------------------------------------------------------------- */

struct lnt_node_up *lnt_node_up_new(uv_loop_t *loop, struct lnt_http *http, unsigned again_ms,
	void (*closed)(void *ctx), void *ctx)
{
	struct lnt_node_up *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->loop = loop;
	u->http = http;
	u->again_ms = again_ms ?: AGAIN_MS;
	u->closed = closed;
	u->ctx = ctx;
	uv_timer_init(loop, &u->timer);
	u->timer.data = u;
	return u;
}

void lnt_node_up_say(struct lnt_node_up *u, const struct lnt_node *node)
{
	if (!u->name)
		u->name = strdup(node->meta.name);
	if (!u->name)
		return;
	u->network_down = node->network_down;
	u->taints = node->not_ready_taints;
	uv_update_time(u->loop);
	schedule(u);
}

static void on_closed(uv_handle_t *h)
{
	struct lnt_node_up *u = h->data;
	void (*closed)(void *ctx) = u->closed;
	void *ctx = u->ctx;

	free(u->name);
	free(u);
	closed(ctx);
}

void lnt_node_up_close(struct lnt_node_up *u)
{
	if (u->req)
		lnt_http_cancel(u->req);
	u->req = NULL;
	uv_close((uv_handle_t *)&u->timer, on_closed);
}
