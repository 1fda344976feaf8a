/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports and when each is due (reporter.h). A report is remembered while what it tells stands, and
 * an hour longer, so that something that comes and goes is recognised.
 */
#define LNT_LOG "kube"
#include "agent/kube/reporter.h"
#include "agent/kube/backoff.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

/* Out of memory: hh.tbl of what was to be added is NULL. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define STALL_MS     10000
#define BUDGET	     25 /* requests at once */
#define REPORTS_MAX  512
#define OBJECT_MAX   10	   /* different things about one object within forget_ms */
#define SPREAD_MS    10	   /* for each node of the cluster, */
#define SPREAD_MAX   60000 /* not more than this in all */
#define NOTE_MAX     1024  /* API: "note" */
#define INSTANCE_MAX 128

static const struct lnt_reporter_times usual = {
	.again_ms = 30 * 60 * 1000,
	.again_more_ms = 10 * 60 * 1000,
	.flap_ms = 5 * 60 * 1000,
	.forget_ms = 60 * 60 * 1000,
	.budget_ms = 2000,
};

struct report {
	uint64_t id;
	struct lnt_report what; /* strings are owned */
	unsigned count;		/* how often it appeared */
	bool standing;
	bool ours;     /* the Event is this process' */
	bool told;     /* at least once */
	uint64_t sent; /* when it was told last */
	uint64_t due;
	uint64_t gone; /* since when it does not stand */
	UT_hash_handle hh;
};

struct lnt_reporter {
	uv_loop_t *loop;
	struct lnt_http *http;
	struct lnt_reporter_times times;
	void (*closed)(void *ctx);
	void *ctx;
	uv_timer_t timer;
	struct report *reports; /* by id */
	struct lnt_http_req *req;
	struct report *sending; /* NULL: forgotten meanwhile */
	bool patching;
	unsigned misses;
	uint64_t budget_at;   /* the time to which the budget has been used up */
	uint64_t pause_until; /* after a failure */
	struct lnt_report_stats stats;
	bool complained;
};

static void schedule(struct lnt_reporter *r);

/* --- Events ----------------------------------------------------------------------------------- */

static uint64_t hash_text(uint64_t h, const char *text)
{
	/* FNV-1a, the terminator included. */
	do
		h = (h ^ (unsigned char)*text) * 0x100000001b3;
	while (*text++);
	return h;
}

/* The uid does not count: of an object that is gone it is not known. */
static uint64_t report_id(const struct lnt_report *what)
{
	uint64_t h = 0xcbf29ce484222325;

	h = hash_text(h, lnt_notice_kind_text(what->notice.kind));
	h = hash_text(h, what->notice.ns);
	h = hash_text(h, what->notice.name);
	h = hash_text(h, lnt_notice_reason_text(what->notice.reason));
	return hash_text(h, what->notice.text);
}

void lnt_report_name(const struct lnt_report *what, char ret_name[static LNT_REPORT_NAME_MAX + 1])
{
	size_t n = strlen(what->notice.name), room = LNT_REPORT_NAME_MAX - 17;

	n = n < room ? n : room;
	/* What is cut must not end in a dot: no two may follow each other. */
	while (n && !isalnum((unsigned char)what->notice.name[n - 1]))
		n--;
	snprintf(ret_name, LNT_REPORT_NAME_MAX + 1, "%.*s.%016llx", (int)n, what->notice.name,
		(unsigned long long)hash_text(report_id(what), what->uid));
}

static void add_time(cJSON *json, const char *name, int64_t time)
{
	time_t t = (time_t)time;
	char text[40];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000000Z", gmtime_r(&t, &tm));
	cJSON_AddStringToObject(json, name, text);
}

/* Cut to @max bytes, not inside a character. */
static void add_cut(cJSON *json, const char *name, const char *text, size_t max)
{
	_cleanup_free_ char *copy = strndup(text, max);
	size_t n = copy ? strlen(copy) : 0;

	while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	if (copy)
		copy[n] = '\0';
	cJSON_AddStringToObject(json, name, copy ?: "");
}

/* Events of objects that are in no namespace are in this one, says the API server. */
static const char *event_ns(const struct lnt_notice *n)
{
	return *n->ns ? n->ns : "default";
}

static const char *api_version(enum lnt_kind kind)
{
	switch (kind) {
	case LNT_KIND_NETWORKPOLICY:
		return "networking.k8s.io/v1";
	case LNT_KIND_CLUSTERNETWORKPOLICY:
		return "policy.networking.k8s.io/v1alpha2";
	default:
		return "v1";
	}
}

char *lnt_report_json(const struct lnt_report *what, int64_t time)
{
	const struct lnt_notice *n = &what->notice;
	cJSON *json = cJSON_CreateObject(), *part;
	char name[LNT_REPORT_NAME_MAX + 1], *text;

	lnt_report_name(what, name);
	cJSON_AddStringToObject(json, "apiVersion", "events.k8s.io/v1");
	cJSON_AddStringToObject(json, "kind", "Event");
	part = cJSON_AddObjectToObject(json, "metadata");
	cJSON_AddStringToObject(part, "name", name);
	cJSON_AddStringToObject(part, "namespace", event_ns(n));
	add_time(json, "eventTime", time);
	cJSON_AddStringToObject(json, "type", "Warning");
	cJSON_AddStringToObject(json, "reason", lnt_notice_reason_text(n->reason));
	cJSON_AddStringToObject(json, "action", "Program");
	add_cut(json, "note", n->text, NOTE_MAX);
	cJSON_AddStringToObject(json, "reportingController", "linnet");
	add_cut(json, "reportingInstance", what->instance, INSTANCE_MAX);
	part = cJSON_AddObjectToObject(json, "regarding");
	cJSON_AddStringToObject(part, "apiVersion", api_version(n->kind));
	cJSON_AddStringToObject(part, "kind", lnt_notice_kind_text(n->kind));
	if (*n->ns)
		cJSON_AddStringToObject(part, "namespace", n->ns);
	cJSON_AddStringToObject(part, "name", n->name);
	cJSON_AddStringToObject(part, "uid", what->uid);
	text = cJSON_PrintUnformatted(json);
	cJSON_Delete(json);
	return text;
}

/* Another of the series. */
static char *series_json(const struct report *p)
{
	cJSON *json = cJSON_CreateObject(), *part = cJSON_AddObjectToObject(json, "series");
	char *text;

	/* The API: at least two. */
	cJSON_AddNumberToObject(part, "count", p->count < 2 ? 2 : p->count);
	add_time(part, "lastObservedTime", time(NULL));
	text = cJSON_PrintUnformatted(json);
	cJSON_Delete(json);
	return text;
}

/* --- requests --------------------------------------------------------------------------------- */

static void settle(struct lnt_reporter *r, struct report *p, bool ours)
{
	uint64_t now = uv_now(r->loop);

	r->misses = 0;
	p->ours = ours;
	p->told = true;
	p->sent = now;
	p->due = now + r->times.again_ms + lnt_backoff_random(0, r->times.again_more_ms);
}

static void fail(struct lnt_reporter *r, struct report *p, const struct lnt_http_result *res)
{
	bool soon = !res->status || res->status == 401 || res->status == 429 || res->status >= 500;

	r->stats.failed++;
	if (!r->complained)
		log_warn("Events cannot be posted: HTTP status %ld %.200s", res->status,
			res->status ? res->body : res->text);
	r->complained = true;
	if (!soon) {
		settle(r, p, false);
		return;
	}
	p->due = uv_now(r->loop) + lnt_backoff_next(&r->misses) + res->retry_after * 1000ull;
	/* The server's trouble is not this report's. */
	r->pause_until = p->due;
}

static void on_done(void *ctx, const struct lnt_http_result *res)
{
	struct lnt_reporter *r = ctx;
	struct report *p = r->sending;

	r->req = NULL;
	r->sending = NULL;
	if (!p) {
		schedule(r);
		return;
	}
	if (res->status == 200 || res->status == 201) {
		r->complained = false;
		r->stats.created += !r->patching;
		r->stats.updated += r->patching;
		settle(r, p, true);
	} else if (res->status == 409) {
		r->stats.existed++;
		settle(r, p, false);
	} else if (res->status == 404 && r->patching) {
		/* Forgotten by the server: tell it as new. */
		p->ours = false;
		p->due = uv_now(r->loop);
	} else {
		fail(r, p, res);
	}
	schedule(r);
}

static int send_report(struct lnt_reporter *r, struct report *p, struct lnt_err *e)
{
	static const struct lnt_http_ops ops = {.done = on_done};
	_cleanup_free_ char *path = NULL, *text = NULL;
	char name[LNT_REPORT_NAME_MAX + 1] = "";
	struct lnt_http_body body = {.method = "POST", .type = "application/json"};

	if (p->ours) {
		lnt_report_name(&p->what, name);
		body = (struct lnt_http_body){"PATCH", "application/merge-patch+json", NULL};
	}
	body.text = text = p->ours ? series_json(p) : lnt_report_json(&p->what, time(NULL));
	if (!text ||
		asprintf(&path, "/apis/events.k8s.io/v1/namespaces/%s/events%s%s",
			event_ns(&p->what.notice), p->ours ? "/" : "", name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r->patching = p->ours;
	return lnt_http_send(r->http, path, &body, STALL_MS, &ops, r, e, &r->req);
}

/* --- which is next ---------------------------------------------------------------------------- */

static void report_free(struct report *p)
{
	free((char *)p->what.notice.ns);
	free((char *)p->what.notice.name);
	free((char *)p->what.notice.text);
	free((char *)p->what.uid);
	free((char *)p->what.instance);
	free(p);
}

static void forget(struct lnt_reporter *r, struct report *p)
{
	if (r->sending == p)
		r->sending = NULL;
	HASH_DEL(r->reports, p);
	report_free(p);
}

/* When the next request may be made: BUDGET of them at once. */
static uint64_t allowed_from(const struct lnt_reporter *r)
{
	const uint64_t ahead = (uint64_t)(BUDGET - 1) * r->times.budget_ms;
	uint64_t at = r->budget_at > ahead ? r->budget_at - ahead : 0;

	return at > r->pause_until ? at : r->pause_until;
}

static void use_budget(struct lnt_reporter *r)
{
	uint64_t now = uv_now(r->loop);

	r->budget_at = (r->budget_at > now ? r->budget_at : now) + r->times.budget_ms;
}

static void on_timer(uv_timer_t *timer)
{
	struct lnt_reporter *r = timer->data;
	uint64_t now = uv_now(r->loop);
	struct report *p, *next, *first = NULL;
	struct lnt_err e = {};

	HASH_ITER (hh, r->reports, p, next) {
		if (!p->standing && (!p->told || now - p->gone > r->times.forget_ms))
			forget(r, p);
		else if (p->standing && (!first || p->due < first->due))
			first = p;
	}
	if (!r->req && first && first->due <= now && allowed_from(r) <= now) {
		use_budget(r);
		r->sending = first;
		if (send_report(r, first, &e)) {
			r->sending = NULL;
			r->stats.failed++;
			first->due = now + lnt_backoff_next(&r->misses);
			log_debug("Event: %s", e.msg);
		}
	}
	schedule(r);
}

/* The timer goes off when the next report may be sent. */
static void schedule(struct lnt_reporter *r)
{
	uint64_t now = uv_now(r->loop), at = now + r->times.forget_ms;

	if (r->req || uv_is_closing((uv_handle_t *)&r->timer))
		return;
	for (struct report *p = r->reports; p; p = p->hh.next)
		if (p->standing && p->due < at)
			at = p->due;
	if (at < allowed_from(r))
		at = allowed_from(r);
	uv_timer_start(&r->timer, on_timer, at > now ? at - now : 0, 0);
}

/* --- what is told ----------------------------------------------------------------------------- */

static struct report *find(const struct lnt_reporter *r, const struct lnt_report *what)
{
	uint64_t id = report_id(what);
	struct report *p;

	HASH_FIND(hh, r->reports, &id, sizeof(id), p);
	return p;
}

static bool same_object(const struct lnt_report *a, const struct lnt_report *b)
{
	return a->notice.kind == b->notice.kind && !strcmp(a->notice.name, b->notice.name) &&
		!strcmp(a->notice.ns, b->notice.ns);
}

/* Whether there is room for one more, after what no longer stands had to make way. */
static bool has_room(struct lnt_reporter *r, const struct lnt_report *what)
{
	struct report *p, *next, *oldest = NULL;
	unsigned n = 0;

	HASH_ITER (hh, r->reports, p, next) {
		n += same_object(&p->what, what);
		if (!p->standing && (!oldest || p->gone < oldest->gone))
			oldest = p;
	}
	if (n >= OBJECT_MAX)
		return false;
	if (HASH_COUNT(r->reports) < REPORTS_MAX)
		return true;
	if (oldest)
		forget(r, oldest);
	return oldest;
}

static struct report *report_new(struct lnt_reporter *r, const struct lnt_report *what)
{
	struct report *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->id = report_id(what);
	p->what = *what;
	p->what.notice.ns = strdup(what->notice.ns);
	p->what.notice.name = strdup(what->notice.name);
	p->what.notice.text = strdup(what->notice.text);
	p->what.uid = strdup(what->uid);
	p->what.instance = strdup(what->instance);
	if (p->what.notice.ns && p->what.notice.name && p->what.notice.text && p->what.uid &&
		p->what.instance)
		HASH_ADD(hh, r->reports, id, sizeof(p->id), p);
	if (p->hh.tbl)
		return p;
	report_free(p);
	return NULL;
}

void lnt_reporter_say(struct lnt_reporter *r, const struct lnt_report *what)
{
	unsigned spread =
		what->nodes < SPREAD_MAX / SPREAD_MS ? what->nodes * SPREAD_MS : SPREAD_MAX;
	struct report *p = find(r, what);

	uv_update_time(r->loop);
	if (p && strcmp(p->what.uid, what->uid) != 0) {
		/* Another object of that name. */
		forget(r, p);
		p = NULL;
	}
	if (!p && has_room(r, what))
		p = report_new(r, what);
	if (!p) {
		r->stats.dropped++;
		return;
	}
	p->standing = true;
	p->count++;
	p->due = uv_now(r->loop) + lnt_backoff_random(0, spread);
	if (p->told && p->due < p->sent + r->times.flap_ms)
		p->due = p->sent + r->times.flap_ms;
	schedule(r);
}

void lnt_reporter_gone(struct lnt_reporter *r, const struct lnt_report *what)
{
	struct report *p = find(r, what);

	if (!p)
		return;
	p->standing = false;
	p->gone = uv_now(r->loop);
}

/* --- life ------------------------------------------------------------------------------------- */

struct lnt_reporter *lnt_reporter_new(uv_loop_t *loop, struct lnt_http *http,
	const struct lnt_reporter_times *times, void (*closed)(void *ctx), void *ctx)
{
	struct lnt_reporter *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->loop = loop;
	r->http = http;
	r->times = times ? *times : usual;
	r->closed = closed;
	r->ctx = ctx;
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	return r;
}

struct lnt_report_stats lnt_reporter_stats(const struct lnt_reporter *r)
{
	return r->stats;
}

static void on_closed(uv_handle_t *h)
{
	struct lnt_reporter *r = h->data;
	void (*closed)(void *ctx) = r->closed;
	void *ctx = r->ctx;
	struct report *p, *next;

	HASH_ITER (hh, r->reports, p, next)
		forget(r, p);
	free(r);
	closed(ctx);
}

void lnt_reporter_close(struct lnt_reporter *r)
{
	if (r->req)
		lnt_http_cancel(r->req);
	r->req = NULL;
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
