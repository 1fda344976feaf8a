/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of people.h, and who answers them. */
#include "agent/people.h"
#include "agent/agent.h"
#include "agent/explain/monitor.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

struct lnt_people {
	struct lnt_ctl_server *server;
	struct lnt_monitor *monitor;
};

static void request(void *ctx, struct lnt_ctl_conn *conn, const cJSON *req)
{
	const char *what = lnt_json_str(req, "get");
	struct lnt_agent *a = ctx;

	if (!what)
		lnt_ctl_refuse(conn, "the request gets nothing");
	else if (!strcmp(what, "monitor"))
		lnt_monitor_listen(a->people->monitor, conn, req);
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
	if (a->people && a->people->monitor)
		lnt_monitor_forget(a->people->monitor);
}

void lnt_people_keep_rules(struct lnt_agent *a, struct lnt_policy_state *state)
{
	if (!state->rules)
		return;
	lnt_policy_state_clear(&a->rule_names);
	a->rule_names.rules = TAKE_PTR(state->rules);
	a->rule_names.n_rules = state->n_rules;
	state->n_rules = 0;
}

void lnt_people_close(struct lnt_agent *a)
{
	if (!a->people)
		return;
	lnt_ctl_server_close(a->people->server);
	lnt_monitor_close(a->people->monitor);
	free(TAKE_PTR(a->people));
}
