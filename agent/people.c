/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of people.h, and who answers them. */
#include "agent/people.h"
#include "agent/agent.h"
#include "agent/explain/lists.h"
#include "agent/explain/monitor.h"
#include "agent/explain/names.h"
#include "agent/explain/pod_policies.h"
#include "agent/explain/status.h"
#include "agent/explain/trace.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

struct lnt_people {
	struct lnt_ctl_server *server;
	struct lnt_monitor *monitor;
	struct lnt_directory *dir; /* NULL: to be made */
};

/* Kept as long as it is true: a long list asks for names many times. NULL: out of memory. */
static const struct lnt_directory *directory(struct lnt_agent *a)
{
	if (!a->people->dir)
		a->people->dir = lnt_directory_new(a->store, a->registry.eps, a->registry.n);
	return a->people->dir;
}

static void get_policies(struct lnt_agent *a, struct lnt_ctl_conn *conn, const cJSON *req)
{
	_cleanup_json_ cJSON *json = NULL;
	const char *name = lnt_json_str(req, "pod"), *slash = name ? strchr(name, '/') : NULL;
	_cleanup_free_ char *ns = slash ? strndup(name, (size_t)(slash - name)) : NULL;
	const struct lnt_pod *pod = ns
		? (const struct lnt_pod *)lnt_store_get(a->store, LNT_KIND_POD, ns, slash + 1)
		: NULL;

	if (!pod) {
		lnt_ctl_refuse(conn, slash ? "there is no such pod" : "NAMESPACE/POD is needed");
		return;
	}
	json = lnt_pod_policies_json(a->store, pod, a->opt->policy_audit);
	if (json)
		lnt_ctl_say(conn, json);
	else
		lnt_ctl_refuse(conn, "out of memory");
}

static void get_trace(struct lnt_agent *a, struct lnt_ctl_conn *conn, const cJSON *req)
{
	const struct lnt_directory *dir = directory(a);
	const char *from = lnt_json_str(req, "from"), *to = lnt_json_str(req, "to");
	const cJSON *family = lnt_json_get(req, "family");
	struct lnt_trace_env env = {
		.names = {.st = a->store, .dir = dir},
		.node_name = a->opt->node_name,
		.compiled = lnt_policies_state(a->policies),
		.audit = a->opt->policy_audit,
	};
	_cleanup_json_ cJSON *json = NULL;
	struct lnt_err e = {};

	if (!from || !to || !dir) {
		lnt_ctl_refuse(conn, dir ? "a trace needs from and to" : "out of memory");
		return;
	}
	if (!a->sync) {
		lnt_ctl_refuse(conn, a->why_not);
		return;
	}
	env.here = lnt_source_maps(lnt_sync_maps(a->sync));
	json = lnt_trace_json(&env, from, to, cJSON_IsNumber(family) ? family->valueint : 0, &e);
	if (json)
		lnt_ctl_say(conn, json);
	else
		lnt_ctl_refuse(conn, e.msg);
}

static void get_names(struct lnt_agent *a, struct lnt_ctl_conn *conn, const cJSON *req)
{
	struct lnt_names_env env = {
		.node_name = a->opt->node_name,
		.st = a->store,
		.dir = directory(a),
		.services = a->services,
		.compiled = lnt_policies_state(a->policies),
	};
	_cleanup_json_ cJSON *json = NULL;

	if (!a->sync || !env.dir) {
		lnt_ctl_refuse(conn, a->sync ? "out of memory" : a->why_not);
		return;
	}
	env.source = lnt_source_maps(lnt_sync_maps(a->sync));
	json = lnt_names_json(&env, req);
	lnt_ctl_say(conn, json);
}

static void get_status(struct lnt_agent *a, struct lnt_ctl_conn *conn)
{
	_cleanup_json_ cJSON *json = lnt_status_json(a);

	lnt_ctl_say(conn, json);
}

static void request(void *ctx, struct lnt_ctl_conn *conn, const cJSON *req)
{
	const char *what = lnt_json_str(req, "get");
	struct lnt_agent *a = ctx;

	if (!what)
		lnt_ctl_refuse(conn, "the request gets nothing");
	else if (!strcmp(what, "monitor"))
		lnt_monitor_listen(a->people->monitor, conn, req);
	else if (!strcmp(what, "status"))
		get_status(a, conn);
	else if (!strcmp(what, "list"))
		lnt_list_tell(a, conn, req);
	else if (!strcmp(what, "names"))
		get_names(a, conn, req);
	else if (!strcmp(what, "policies"))
		get_policies(a, conn, req);
	else if (!strcmp(what, "trace"))
		get_trace(a, conn, req);
	else
		lnt_ctl_refuse(conn, "this agent does not know what is asked for");
}

static void gone(void *ctx, struct lnt_ctl_conn *conn)
{
	struct lnt_agent *a = ctx;

	lnt_monitor_leave(a->people->monitor, conn);
}

int lnt_people_open(struct lnt_agent *a, struct lnt_err *e)
{
	const struct lnt_ctl_handler handler = {.request = request, .gone = gone, .ctx = a};

	a->people = calloc(1, sizeof(*a->people));
	if (a->people)
		a->people->monitor = lnt_monitor_new(a);
	if (!a->people || !a->people->monitor)
		return lnt_err_sys(e, -ENOMEM, "serve people");
	return lnt_ctl_server_new(&a->loop, a->opt->run_dir, &handler, e, &a->people->server);
}

void lnt_people_forget(struct lnt_agent *a)
{
	if (!a->people)
		return;
	if (a->people->monitor)
		lnt_monitor_forget(a->people->monitor);
	lnt_directory_free(TAKE_PTR(a->people->dir));
}

void lnt_people_close(struct lnt_agent *a)
{
	if (!a->people)
		return;
	lnt_ctl_server_close(a->people->server);
	lnt_monitor_close(a->people->monitor);
	lnt_directory_free(a->people->dir);
	free(TAKE_PTR(a->people));
}
