/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens where, and the answers that are about the agent itself (serving.h).
 *
 * Load balancers and scrapers have servers of their own, so that neither can use up the other's
 * connections. Each answer is made from what the agent holds at that moment; that there is one
 * proves that the loop turns.
 */
#define LNT_LOG "http"
#include "agent/serving.h"
#include "agent/metrics.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct lnt_serving {
	struct lnt_server *admin;  /* --http-address */
	struct lnt_server *public; /* what load balancers ask */
	struct lnt_health_checks *checks;
	uint64_t health_version; /* of the services that the checks know */
	uint64_t pending_since;	 /* ms of the loop, 0: no service waits */
};

/* --- health ----------------------------------------------------------------------------------- */

void lnt_serving_dirty(struct lnt_agent *a)
{
	if (!a->serving)
		return;
	if (!(a->dirty & LNT_DIRTY_SERVICES))
		a->serving->pending_since = 0;
	else if (!a->serving->pending_since)
		a->serving->pending_since = uv_now(&a->loop);
}

/* As kube-proxy has it: a start, or an API server that is away, makes nobody unwell. */
bool lnt_serving_is_healthy(const struct lnt_agent *a)
{
	uint64_t since = a->serving->pending_since;

	return !a->synced || !since || uv_now(&a->loop) - since < LNT_SERVING_PENDING_MS;
}

static bool is_healthy(void *ctx)
{
	return lnt_serving_is_healthy(ctx);
}

static bool is_eligible(const struct lnt_agent *a)
{
	const struct lnt_node *node = (const struct lnt_node *)lnt_store_get(
		a->store, LNT_KIND_NODE, "", a->opt->node_name);

	return !node || !node->leaving;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void say_text(struct lnt_answer *ret_answer, unsigned status, const char *text)
{
	struct lnt_answer a = {.status = status, .type = "text/plain; charset=utf-8"};
	int n = asprintf(&a.body, "%s\n", text);

	if (n < 0)
		a.body = NULL;
	a.len = a.body ? (size_t)n : 0;
	*ret_answer = a;
}

/* Only what can be asked with GET is served. */
static bool refuse(const struct lnt_request *req, struct lnt_answer *ret_answer)
{
	if (!strcmp(req->method, "GET") || !strcmp(req->method, "HEAD"))
		return false;
	say_text(ret_answer, 405, "method not allowed");
	return true;
}

static void say_metrics(const struct lnt_agent *a, struct lnt_answer *ret_answer)
{
	struct lnt_answer answer = {
		.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8"};

	answer.body = lnt_metrics_text(lnt_agent_metrics, lnt_n_agent_metrics, a, &answer.len);
	*ret_answer = answer;
}

static void answer_admin(void *ctx, const struct lnt_request *req, struct lnt_answer *ret_answer)
{
	const struct lnt_agent *a = ctx;

	if (refuse(req, ret_answer))
		return;
	if (!strcmp(req->path, "/healthz"))
		say_text(ret_answer, 200, "ok");
	else if (!strcmp(req->path, "/readyz"))
		say_text(ret_answer, a->ready ? 200 : 503, a->ready ? "ok" : a->why_not);
	else if (!strcmp(req->path, "/metrics"))
		say_metrics(a, ret_answer);
	else
		say_text(ret_answer, 404, "/healthz, /readyz, /metrics");
}

/*
 * kube-proxy's two endpoints. lastUpdated is only there for those who look at it: a proxy that is
 * well is up to date.
 */
static void answer_healthz(void *ctx, const struct lnt_request *req, struct lnt_answer *ret_answer)
{
	bool live = !strcmp(req->path, "/livez"), well = lnt_serving_is_healthy(ctx);
	struct lnt_answer answer = {.type = "application/json"};
	struct lnt_agent *a = ctx;
	bool eligible = is_eligible(a);
	const char *node = eligible ? ", \"nodeEligible\": true" : ", \"nodeEligible\": false";
	time_t now = time(NULL), updated = now;
	char times[2][32];
	struct tm tm;
	int n;

	if (!live && strcmp(req->path, "/healthz")) {
		say_text(ret_answer, 404, "/healthz, /livez");
		return;
	}
	if (!well)
		updated -= (time_t)((uv_now(&a->loop) - a->serving->pending_since) / 1000);
	strftime(times[0], sizeof(times[0]), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&updated, &tm));
	strftime(times[1], sizeof(times[1]), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	n = asprintf(&answer.body, "{\"lastUpdated\": \"%s\",\"currentTime\": \"%s\"%s}", times[0],
		times[1], live ? "" : node);
	if (n < 0)
		answer.body = NULL;
	answer.len = answer.body ? (size_t)n : 0;
	answer.status = well && (live || eligible) ? 200 : 503;
	*ret_answer = answer;
}

static void say_state(const char *option, const struct lnt_bind *bind, int err)
{
	char addr[LNT_ADDRSTRLEN];

	lnt_addr_str(&bind->addr, addr);
	if (err)
		log_warn("cannot listen at %s port %u (--%s): %s; trying again", addr, bind->port,
			option, strerror(-err));
	else
		log_info("listening at %s port %u (--%s)", addr, bind->port, option);
}

static void admin_state(void *ctx, int err)
{
	const struct lnt_agent *a = ctx;

	say_state("http-address", &a->opt->http, err);
}

static void healthz_state(void *ctx, int err)
{
	const struct lnt_agent *a = ctx;

	say_state("healthz-bind-address", &a->opt->healthz, err);
}

/* --- health checks of services ---------------------------------------------------------------- */

static void say_notice(void *ctx, const struct lnt_notice *n, bool gone)
{
	struct lnt_agent *a = ctx;

	lnt_notice_say(&a->notices, n, gone);
}

void lnt_serving_services(struct lnt_agent *a)
{
	uint64_t version = lnt_services_health_version(a->services);
	_cleanup_free_ struct lnt_service_health *list = NULL;
	struct lnt_serving *s = a->serving;
	size_t n = 0;

	if (!s || s->health_version == version)
		return;
	if (lnt_services_health(a->services, &list, &n) ||
		lnt_health_checks_set(s->checks, list, n, a->nodeport_addrs, a->n_nodeport_addrs))
		log_error("out of memory for health checks; some are not served");
	else
		s->health_version = version;
}

struct lnt_health_stats lnt_serving_health_stats(const struct lnt_agent *a)
{
	return a->serving ? lnt_health_checks_stats(a->serving->checks)
			  : (struct lnt_health_stats){};
}

/* --- life ------------------------------------------------------------------------------------- */

static int listen_at(struct lnt_agent *a, struct lnt_server *server, const struct lnt_bind *bind,
	const struct lnt_listener_ops *ops)
{
	if (!bind->port || lnt_server_listen(server, &bind->addr, bind->port, ops, a))
		return 0;
	return -ENOMEM;
}

int lnt_serving_open(struct lnt_agent *a, struct lnt_err *e)
{
	static const struct lnt_listener_ops admin = {answer_admin, admin_state};
	static const struct lnt_listener_ops healthz = {answer_healthz, healthz_state};
	static const struct lnt_server_limits few = {16, 0, 10, 8192};
	static const struct lnt_server_limits many = {128, 32, 5, 4096};
	const struct lnt_health_ops ops = {is_healthy, say_notice, a};
	struct lnt_serving *s = calloc(1, sizeof(*s));

	if (!s)
		return lnt_err_sys(e, -ENOMEM, "serve HTTP");
	a->serving = s;
	s->admin = lnt_server_new(&a->loop, &few, e);
	s->public = s->admin ? lnt_server_new(&a->loop, &many, e) : NULL;
	if (!s->public)
		return e->err;
	s->checks = lnt_health_checks_new(s->public, &ops);
	if (!s->checks || listen_at(a, s->admin, &a->opt->http, &admin) ||
		listen_at(a, s->public, &a->opt->healthz, &healthz))
		return lnt_err_sys(e, -ENOMEM, "serve HTTP");
	return 0;
}

void lnt_serving_close(struct lnt_agent *a)
{
	struct lnt_serving *s = TAKE_PTR(a->serving);

	if (!s)
		return;
	lnt_health_checks_free(s->checks);
	lnt_server_close(s->admin);
	lnt_server_close(s->public);
	free(s);
}
