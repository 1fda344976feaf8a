/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine of reflector.h. At any time exactly one of these is under way: a request (a
 * page of a list, or a watch), or the timer of a backoff, or nothing because it was closed.
 *
 *   list: pages of 500; every item goes to the store as it arrives; when the last page is there,
 * what was not listed is swept out. A page that fails is asked for again; a continue token that has
 * expired (410) begins the list anew. watch: from the version that the list, an event or a bookmark
 * told last. A stream that ends, or stalls, or is refused for the moment is resumed there; one that
 * has expired, or says what cannot be understood, leads to a list. groups, resources:
 * the API server's lists of what it serves, after a list of an optional kind was answered with 404.
 *
 * A kind whose CRD is not installed is as good as one without objects, and asked for again from
 * time to time. That it is not installed is believed to the server's own lists only: any proxy
 * before it can say 404, and policies must not be dropped, or begun without, because of one.
 *
 * Two counters drive the backoff. `misses` counts requests that were not answered as asked and
 * falls to zero with the first answer that is. `troubles` counts streams that were of no use
 * although the server answered (expired, garbage, ended at once) and falls when one stays open for
 * a while, so that a server in such a state is not listed in a loop.
 */
#include "agent/kube/reflector.h"

#include "agent/kube/apply.h"
#include "agent/kube/backoff.h"
#include "agent/kube/stream.h"
#include "lib/cleanup.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>

#define LNT_LOG "kube"
#include "lib/log.h"

#define PAGE		500
#define LIST_STALL_MS	30000 /* a page on which nothing arrives */
#define WATCH_STALL_MS	150000
#define WATCH_MIN_S	300 /* the server is asked to end a watch between these */
#define WATCH_MAX_S	600
#define USEFUL_MS	10000 /* a watch that was open for this long was of use */
#define RETRY_AFTER_MAX 300
#define NUDGE_MS	1000
#define MOVE_MS		100
#define ABSENT_MIN_MS	20000 /* between two looks for a kind that is not served */
#define ABSENT_MAX_MS	30000

static const struct {
	const char *resource, *path;
	const char *group, *version; /* of a kind that need not be there, else NULL */
} resources[LNT_KIND_MAX] = {
	[LNT_KIND_NAMESPACE] = {.resource = "namespaces", .path = "/api/v1/namespaces"},
	[LNT_KIND_NODE] = {.resource = "nodes", .path = "/api/v1/nodes"},
	[LNT_KIND_POD] = {.resource = "pods", .path = "/api/v1/pods"},
	[LNT_KIND_SERVICE] = {.resource = "services", .path = "/api/v1/services"},
	[LNT_KIND_ENDPOINTSLICE] = {.resource = "endpointslices",
		.path = "/apis/discovery.k8s.io/v1/endpointslices"},
	[LNT_KIND_NETWORKPOLICY] = {.resource = "networkpolicies",
		.path = "/apis/networking.k8s.io/v1/networkpolicies"},
	[LNT_KIND_CLUSTERNETWORKPOLICY] = {.resource = "clusternetworkpolicies",
		.path = "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
		.group = "policy.networking.k8s.io",
		.version = "v1alpha2"},
};

enum step {
	STEP_LIST,
	STEP_PAGE,
	STEP_WATCH,
	STEP_GROUPS,
	STEP_RESOURCES
};

struct lnt_reflector {
	uv_loop_t *loop;
	struct lnt_http *http;
	struct lnt_reflector_events events;
	struct lnt_apply apply;
	enum lnt_kind kind;
	unsigned stall_ms;
	uv_timer_t timer;
	struct lnt_http_req *req; /* under way, or NULL */
	enum step next;		  /* what the timer will start, or req is */
	struct lnt_split split;
	struct lnt_lines lines;
	struct lnt_buf served; /* what the server says that it serves */
	char *more;	       /* continue token of the list under way */
	char version[128];     /* where the watch resumes, "" when only a list helps */
	uint64_t number;       /* the same as a number, or 0 */
	uint64_t since;	       /* what it was when the watch was opened */
	uint64_t opened;       /* when the watch was opened */
	uint64_t last;	       /* when something was learned last */
	unsigned misses, troubles;
	bool synced, streaming, unreachable, fresh, closing;
	bool absent;	 /* the server does not have the kind, as it said itself */
	bool disordered; /* events came out of order: do not trust the version to resume */
	uint64_t n_events, n_relists, n_errors;
	int logged; /* status or -errno of the failure that was logged, 0: none */
	char last_error[256];
};

static void run(struct lnt_reflector *r, enum step step);

/* --- failures --------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct lnt_reflector *r = timer->data;

	run(r, r->next);
}

static void wait(struct lnt_reflector *r, enum step next, uint64_t ms)
{
	r->next = next;
	uv_timer_start(&r->timer, on_timer, ms, 0);
}

static void note_error(struct lnt_reflector *r, const char *doing, const char *why)
{
	r->n_errors++;
	snprintf(r->last_error, sizeof(r->last_error), "%s: %s", doing, why);
}

/* One log line for a change of what is wrong; @code tells one trouble from another. */
static void complain(struct lnt_reflector *r, const char *doing, int code, const char *why)
{
	note_error(r, doing, why);
	if (r->logged == code) {
		log_debug("%s %s", doing, r->apply.resource);
		return;
	}
	r->logged = code;
	log_warn("%s %s: %s; the last known state stays in use", doing, r->apply.resource, why);
}

/* Something was answered as it was asked for. */
static void good(struct lnt_reflector *r)
{
	bool again = r->unreachable;

	r->misses = 0;
	r->unreachable = false;
	r->last = uv_now(r->loop);
	if (again && r->events.alive)
		r->events.alive(r->events.ctx);
}

/* The "message" of a Status, or the text itself. */
static const char *message(const cJSON *status, const char *text)
{
	const char *s = lnt_json_text(status, "message");

	return s && *s ? s : text;
}

static void cJSON_freep(cJSON **json)
{
	cJSON_Delete(*json);
}

/* Waits for a time that grows, or that the server asked for. */
static void retreat(struct lnt_reflector *r, enum step next, const struct lnt_http_result *res)
{
	uint64_t ms = lnt_backoff_next(&r->misses), after = res->retry_after;

	if (after > RETRY_AFTER_MAX)
		after = RETRY_AFTER_MAX;
	if (after)
		after = after * 1000 + lnt_backoff_random(0, 1000);
	r->unreachable = !res->status;
	r->fresh = res->err;
	wait(r, next, after > ms ? after : ms);
	if (r->unreachable && r->events.lost)
		r->events.lost(r->events.ctx);
}

/* A request was not answered as asked: say why, wait, go on with @again or a list. */
static void miss(struct lnt_reflector *r, const char *doing, enum step again,
	const struct lnt_http_result *res)
{
	_cleanup_(cJSON_freep) cJSON *status = lnt_stream_parse(res->body, strlen(res->body));
	const char *text = message(status, *res->body ? res->body : res->text);
	char why[200];
	bool soon;

	if (!*text)
		text = "no reason given";
	if (res->status)
		snprintf(why, sizeof(why), "HTTP %ld: %.160s", res->status, text);
	else
		snprintf(why, sizeof(why), "%.160s", text);
	complain(r, doing, res->status ? (int)res->status : res->err, why);
	/* Refused for the moment, or forever? 504 also says that our version is in the future. */
	soon = !res->status || res->status == 200 || res->status == 401 || res->status == 429 ||
		(res->status >= 500 && !strstr(text, "resource version"));
	retreat(r, soon ? again : STEP_LIST, res);
}

/* The server answered, but what it said is of no use: wait, then list. */
static void trouble(struct lnt_reflector *r, const char *doing, int code, const char *why)
{
	complain(r, doing, code, why);
	wait(r, STEP_LIST, lnt_backoff_next(&r->troubles));
}

/* --- versions --------------------------------------------------------------------------------- */

static bool set_version(struct lnt_reflector *r, const char *version)
{
	if (!version || !*version || strlen(version) >= sizeof(r->version))
		return false;
	strcpy(r->version, version);
	r->number = lnt_decode_version(version);
	return true;
}

/*
 * The version that an event or a bookmark carries. One from before the watch began, or a bookmark
 * below what was already told, is from another past (a database that was restored): -ESTALE.
 */
static int advance(struct lnt_reflector *r, const cJSON *object, bool bookmark, struct lnt_err *e)
{
	const char *version = lnt_json_text(lnt_json_get(object, "metadata"), "resourceVersion");
	uint64_t number = lnt_decode_version(version);

	if (!number || number >= r->number) {
		set_version(r, version);
		return 0;
	}
	if (bookmark || number < r->since)
		return lnt_err_set(e, -ESTALE, "the server's versions have gone back");
	r->disordered = true;
	return 0;
}

/* --- lists ------------------------------------------------------------------------------------ */

static int list_item(void *ctx, const char *text, size_t n)
{
	struct lnt_reflector *r = ctx;
	_cleanup_(cJSON_freep) cJSON *json = lnt_stream_parse(text, n);

	if (!json)
		return -EPROTO;
	return lnt_apply_item(&r->apply, json);
}

static int list_body(void *ctx, const char *data, size_t n, struct lnt_err *e)
{
	struct lnt_reflector *r = ctx;
	int err = lnt_split_feed(&r->split, data, n, e);

	if (err == -EPROTO)
		lnt_err_set(e, err, "an item of the list is no JSON");
	return err;
}

static void list_complete(struct lnt_reflector *r)
{
	bool first = !r->synced;

	lnt_store_sweep(r->apply.store, r->kind);
	lnt_apply_listed(&r->apply);
	if (r->absent)
		log_info("the API server has %s now", r->apply.resource);
	/* A list leaves holes where the JSON was; give them back before the quiet time. */
	malloc_trim(0);
	r->n_relists += !first && !r->absent;
	r->synced = true;
	r->absent = false;
	r->disordered = false;
	good(r);
	run(r, STEP_WATCH);
	if (first && r->events.synced)
		r->events.synced(r->events.ctx);
}

/* The page is whole; @envelope is what is around its items. */
static void page_complete(struct lnt_reflector *r, const cJSON *envelope)
{
	const cJSON *meta = lnt_json_get(envelope, "metadata");
	const char *more = lnt_json_text(meta, "continue");

	if (!set_version(r, lnt_json_text(meta, "resourceVersion"))) {
		trouble(r, "list", -EPROTO, "the list has no resourceVersion");
		return;
	}
	free(r->more);
	r->more = more && *more ? strdup(more) : NULL;
	if (more && *more) {
		good(r);
		run(r, r->more ? STEP_PAGE : STEP_LIST);
	} else {
		list_complete(r);
	}
}

/* --- kinds that need not be there ------------------------------------------------------------- */

static void look_again(struct lnt_reflector *r)
{
	good(r);
	wait(r, STEP_LIST, lnt_backoff_random(ABSENT_MIN_MS, ABSENT_MAX_MS));
}

/* A list was answered with 404. What was absent has nothing to lose. */
static void not_found(struct lnt_reflector *r)
{
	if (r->absent)
		look_again(r);
	else
		run(r, STEP_GROUPS);
}

/* Its objects have gone from the server with the CRD. */
static void set_absent(struct lnt_reflector *r)
{
	bool first = !r->synced;

	lnt_store_mark(r->apply.store, r->kind);
	lnt_store_sweep(r->apply.store, r->kind);
	lnt_apply_listed(&r->apply);
	log_info("the API server has no %s (%s/%s); looking again from time to time",
		r->apply.resource, resources[r->kind].group, resources[r->kind].version);
	r->version[0] = '\0';
	r->number = 0;
	r->troubles = 0;
	r->logged = 0;
	r->disordered = false;
	r->synced = r->absent = true;
	look_again(r);
	if (first && r->events.synced)
		r->events.synced(r->events.ctx);
}

/* The elements of the discovery object's list @name; NULL: it is no @kind. */
static const cJSON *listed(const cJSON *json, const char *kind, const char *name)
{
	const char *text = lnt_json_text(json, "kind");

	return text && !strcmp(text, kind) ? lnt_json_list(json, name) : NULL;
}

/* The element of @list whose @field is @value, or NULL. */
static const cJSON *find(const cJSON *list, const char *field, const char *value)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, list) {
		const char *text = lnt_json_text(item, field);

		if (text && !strcmp(text, value))
			return item;
	}
	return NULL;
}

static int served_body(void *ctx, const char *data, size_t n, struct lnt_err *e)
{
	struct lnt_reflector *r = ctx;

	return lnt_buf_add(&r->served, data, n, e);
}

/* What came, as JSON that the caller owns. NULL: it did not, or is none, and that is dealt with. */
static cJSON *served_json(struct lnt_reflector *r, const struct lnt_http_result *res)
{
	cJSON *json = NULL;

	r->req = NULL;
	r->fresh = false;
	if (res->err || res->status != 200) {
		miss(r, "look for", STEP_LIST, res);
	} else {
		json = lnt_stream_parse(r->served.data, r->served.n);
		if (!json)
			trouble(r, "look for", -EPROTO, "what the server says is no JSON");
	}
	lnt_buf_release(&r->served);
	return json;
}

static void groups_done(void *ctx, const struct lnt_http_result *res)
{
	struct lnt_reflector *r = ctx;
	_cleanup_(cJSON_freep) cJSON *json = served_json(r, res);
	const cJSON *groups = listed(json, "APIGroupList", "groups");
	const cJSON *group = find(groups, "name", resources[r->kind].group);

	if (!json)
		return;
	if (!groups)
		trouble(r, "list", 404, "HTTP 404, and no list of API groups");
	else if (find(lnt_json_list(group, "versions"), "version", resources[r->kind].version))
		run(r, STEP_RESOURCES);
	else
		set_absent(r);
}

static void resources_done(void *ctx, const struct lnt_http_result *res)
{
	struct lnt_reflector *r = ctx;
	_cleanup_(cJSON_freep) cJSON *json = served_json(r, res);
	const cJSON *list = listed(json, "APIResourceList", "resources");

	if (!json)
		return;
	if (!list)
		trouble(r, "list", 404, "HTTP 404, and no list of API resources");
	else if (find(list, "name", r->apply.resource))
		trouble(r, "list", 404, "HTTP 404, but the server says that it has them");
	else
		set_absent(r);
}

static void list_done(void *ctx, const struct lnt_http_result *res)
{
	struct lnt_reflector *r = ctx;
	_cleanup_(cJSON_freep) cJSON *envelope = NULL;
	struct lnt_err e = {};

	r->req = NULL;
	r->fresh = false;
	if (res->err == -EPROTO || res->err == -EMSGSIZE || res->err == -ENOMEM)
		trouble(r, "list", res->err, *res->text ? res->text : strerror(-res->err));
	else if (!res->err && res->status == 404 && resources[r->kind].group)
		not_found(r);
	else if (res->err || res->status != 200)
		miss(r, "list", res->status == 410 ? STEP_LIST : STEP_PAGE, res);
	else if (lnt_split_finish(&r->split, &e, &envelope))
		trouble(r, "list", e.err, e.msg);
	else
		page_complete(r, envelope);
	lnt_split_reset(&r->split);
}

/* --- watches ---------------------------------------------------------------------------------- */

static void watch_open(void *ctx)
{
	struct lnt_reflector *r = ctx;

	r->streaming = true;
	r->opened = uv_now(r->loop);
	r->since = r->number;
	r->last_error[0] = '\0';
	good(r);
	if (r->logged) {
		log_info("watch %s: works again", r->apply.resource);
		r->logged = 0;
	}
}

/* An ERROR event: a Status. Returns what ends the stream with the right consequence. */
static int watch_error(struct lnt_reflector *r, const cJSON *status, struct lnt_err *e)
{
	const char *reason = lnt_json_text(status, "reason");
	long code = 0;

	lnt_json_int(lnt_json_get(status, "code"), 0, 999, &code);
	if (code == 410 || (reason && (!strcmp(reason, "Expired") || !strcmp(reason, "Gone"))))
		return lnt_err_set(e, -ESTALE, "%.160s", message(status, "expired"));
	if (code == 429 || code >= 500)
		return lnt_err_set(e, -EAGAIN, "%.160s", message(status, "refused for the moment"));
	return lnt_err_set(
		e, -EPROTO, "code %ld: %.160s", code, message(status, "no reason given"));
}

struct line_ctx {
	struct lnt_reflector *r;
	struct lnt_err *e;
};

static int watch_event(struct lnt_reflector *r, const cJSON *event, struct lnt_err *e)
{
	const char *type = lnt_json_text(event, "type") ?: "";
	const cJSON *object = lnt_json_get(event, "object");
	int err = 0;

	r->last = uv_now(r->loop);
	if (!cJSON_IsObject(object))
		return lnt_err_set(e, -EPROTO, "an event without an object");
	if (!strcmp(type, "ERROR"))
		return watch_error(r, object, e);
	if (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED"))
		err = lnt_apply_event(&r->apply, object, false);
	else if (!strcmp(type, "DELETED"))
		err = lnt_apply_event(&r->apply, object, true);
	else if (strcmp(type, "BOOKMARK"))
		return lnt_err_set(e, -EPROTO, "an event of unknown type '%.32s'", type);
	if (err)
		return err;
	r->n_events++;
	return advance(r, object, !strcmp(type, "BOOKMARK"), e);
}

static int watch_line(void *ctx, const char *text, size_t n)
{
	struct line_ctx *l = ctx;
	_cleanup_(cJSON_freep) cJSON *event = lnt_stream_parse(text, n);

	if (!event)
		return lnt_err_set(l->e, -EPROTO, "a line is no JSON");
	return watch_event(l->r, event, l->e);
}

static int watch_body(void *ctx, const char *data, size_t n, struct lnt_err *e)
{
	struct lnt_reflector *r = ctx;
	struct line_ctx line = {r, e};

	r->lines.ctx = &line;
	return lnt_lines_feed(&r->lines, data, n, e);
}

/* The stream came to its end, or broke; a line that is not whole is dropped. */
static void watch_ended(struct lnt_reflector *r, uint64_t lived, const struct lnt_http_result *res)
{
	if (lived >= USEFUL_MS)
		r->troubles = 0;
	if (r->disordered) {
		trouble(r, "watch", -EILSEQ, "events came out of order");
	} else if (res->err == -ESTALE) {
		log_info("watch %s: %s; listing again", r->apply.resource, res->text);
		wait(r, STEP_LIST, lnt_backoff_next(&r->troubles));
	} else if (res->err == -EPROTO || res->err == -EMSGSIZE || res->err == -ENOMEM) {
		trouble(r, "watch", res->err, *res->text ? res->text : strerror(-res->err));
	} else if (res->err == -EAGAIN) {
		complain(r, "watch", res->err, res->text);
		wait(r, STEP_WATCH, lnt_backoff_next(&r->troubles));
	} else if (res->err) {
		/* What every stream comes to; worth a line only if the next request fails too. */
		note_error(r, "watch", res->text);
		log_debug("watch %s: %s", r->apply.resource, res->text);
		retreat(r, STEP_WATCH, res);
	} else if (lived < 1000) {
		wait(r, STEP_WATCH, lnt_backoff_next(&r->troubles));
	} else {
		run(r, STEP_WATCH);
	}
}

static void watch_done(void *ctx, const struct lnt_http_result *res)
{
	struct lnt_reflector *r = ctx;
	bool opened = r->streaming;

	r->req = NULL;
	r->fresh = false;
	r->streaming = false;
	lnt_lines_reset(&r->lines);
	if (opened)
		watch_ended(r, uv_now(r->loop) - r->opened, res);
	else
		miss(r, "watch", STEP_WATCH, res);
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct lnt_http_ops list_ops = {.body = list_body, .done = list_done};
static const struct lnt_http_ops watch_ops = {
	.open = watch_open,
	.body = watch_body,
	.done = watch_done,
};
static const struct lnt_http_ops groups_ops = {.body = served_body, .done = groups_done};
static const struct lnt_http_ops resources_ops = {.body = served_body, .done = resources_done};

static char *list_path(const struct lnt_reflector *r)
{
	char *more = r->more ? curl_easy_escape(NULL, r->more, 0) : NULL, *path = NULL;

	if (asprintf(&path, "%s?limit=%d%s%s", resources[r->kind].path, PAGE,
		    more ? "&continue=" : "", more ?: "") < 0)
		path = NULL;
	if (r->more && !more) {
		free(path);
		path = NULL;
	}
	curl_free(more);
	return path;
}

static char *watch_path(const struct lnt_reflector *r)
{
	char *version = curl_easy_escape(NULL, r->version, 0), *path = NULL;

	if (!version ||
		asprintf(&path,
			"%s?watch=1&allowWatchBookmarks=true&resourceVersion=%s"
			"&timeoutSeconds=%u",
			resources[r->kind].path, version,
			lnt_backoff_random(WATCH_MIN_S, WATCH_MAX_S)) < 0)
		path = NULL;
	curl_free(version);
	return path;
}

/* The request of a step: its path, which the caller frees (NULL: no memory), and what it leads to.
 */
static char *step_path(
	const struct lnt_reflector *r, enum step step, const struct lnt_http_ops **ret_ops)
{
	char *path;

	switch (step) {
	case STEP_WATCH:
		*ret_ops = &watch_ops;
		return watch_path(r);
	case STEP_GROUPS:
		*ret_ops = &groups_ops;
		return strdup("/apis");
	case STEP_RESOURCES:
		*ret_ops = &resources_ops;
		return asprintf(&path, "/apis/%s/%s", resources[r->kind].group,
			       resources[r->kind].version) < 0
			? NULL
			: path;
	default:
		*ret_ops = &list_ops;
		return list_path(r);
	}
}

static void run(struct lnt_reflector *r, enum step step)
{
	static const char *const doing[] = {
		[STEP_LIST] = "list",
		[STEP_PAGE] = "list",
		[STEP_WATCH] = "watch",
		[STEP_GROUPS] = "look for",
		[STEP_RESOURCES] = "look for",
	};
	const struct lnt_http_ops *ops;
	_cleanup_free_ char *path = NULL;
	struct lnt_err e = {};
	int err = -ENOMEM;

	if (r->closing)
		return;
	if ((step == STEP_PAGE && !r->more) || (step == STEP_WATCH && !r->version[0]))
		step = STEP_LIST;
	if (step == STEP_LIST) {
		free(TAKE_PTR(r->more));
		lnt_store_mark(r->apply.store, r->kind);
	}
	r->next = step;
	path = step_path(r, step, &ops);
	if (path)
		err = lnt_http_get(r->http, path, step == STEP_WATCH ? r->stall_ms : LIST_STALL_MS,
			r->fresh, ops, r, &e, &r->req);
	if (!err)
		return;
	complain(r, doing[step], err, e.err ? e.msg : strerror(-err));
	wait(r, step, lnt_backoff_next(&r->misses));
}

/* --- life ------------------------------------------------------------------------------------- */

struct lnt_reflector *lnt_reflector_new(uv_loop_t *loop, struct lnt_http *http,
	struct lnt_store *store, enum lnt_kind kind, unsigned stall_ms,
	const struct lnt_reflector_events *events)
{
	struct lnt_reflector *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->loop = loop;
	r->http = http;
	r->events = *events;
	r->kind = kind;
	r->stall_ms = stall_ms ?: WATCH_STALL_MS;
	r->apply.store = store;
	r->apply.kind = kind;
	r->apply.resource = resources[kind].resource;
	r->split.fn = list_item;
	r->split.ctx = r;
	r->lines.fn = watch_line;
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	return r;
}

void lnt_reflector_start(struct lnt_reflector *r)
{
	r->last = uv_now(r->loop);
	run(r, STEP_LIST);
}

void lnt_reflector_nudge(struct lnt_reflector *r)
{
	if (r->unreachable && !r->req && !r->closing && uv_timer_get_due_in(&r->timer) > NUDGE_MS)
		wait(r, r->next, lnt_backoff_random(0, NUDGE_MS));
}

void lnt_reflector_moved(struct lnt_reflector *r)
{
	if (r->req && !lnt_http_answered(r->req)) {
		lnt_http_cancel(TAKE_PTR(r->req));
		wait(r, r->next, lnt_backoff_random(0, MOVE_MS));
	} else {
		lnt_reflector_nudge(r);
	}
}

void lnt_reflector_state(const struct lnt_reflector *r, struct lnt_kube_watch_state *ret_state)
{
	*ret_state = (struct lnt_kube_watch_state){
		.resource = r->apply.resource,
		.synced = r->synced,
		.absent = r->absent,
		.streaming = r->streaming,
		.age_ms = uv_now(r->loop) - r->last,
		.events = r->n_events,
		.relists = r->n_relists,
		.errors = r->n_errors,
		.last_error = r->last_error,
	};
}

static void on_closed(uv_handle_t *timer)
{
	struct lnt_reflector *r = timer->data;
	struct lnt_reflector_events events = r->events;

	lnt_apply_listed(&r->apply);
	lnt_split_reset(&r->split);
	lnt_lines_reset(&r->lines);
	lnt_buf_release(&r->served);
	free(r->more);
	free(r);
	if (events.closed)
		events.closed(events.ctx);
}

void lnt_reflector_close(struct lnt_reflector *r)
{
	if (r->closing)
		return;
	r->closing = true;
	if (r->req)
		lnt_http_cancel(r->req);
	r->req = NULL;
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
