/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the CNI plugin asks of the agent. An ADD is answered when the pod's policy, its endpoint and
 * its hostPorts are in the maps; until then it waits here, for the pod to arrive in the store, for
 * a bounded time.
 */
#define LNT_LOG "cni"
#include "agent/agent.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

struct lnt_add {
	struct lnt_add *next;
	struct lnt_agent *agent;
	struct lnt_cni_conn *conn; /* NULL: answered, or its plugin is gone */
	uv_timer_t timer;
	uint64_t start; /* uv_hrtime() */
	char container_id[LNT_CONTAINER_ID_MAX + 1];
	char ifname[IFNAMSIZ];
};

static void reply(struct lnt_agent *a, enum lnt_cni_op op, struct lnt_cni_conn *conn, unsigned code,
	const char *msg)
{
	lnt_stats_cni(&a->stats, op, (int)code);
	lnt_cni_reply(conn, code, msg);
}

static void add_closed(uv_handle_t *h)
{
	free(h->data);
}

static void add_unlink(struct lnt_add *add)
{
	struct lnt_add **p = &add->agent->adds;

	while (*p && *p != add)
		p = &(*p)->next;
	if (*p)
		*p = add->next;
	uv_close((uv_handle_t *)&add->timer, add_closed);
}

/* What a turn has to look at when @ep comes or goes. */
static unsigned dirty_for(const struct lnt_endpoint *ep)
{
	return LNT_DIRTY_POLICY | (ep && ep->n_portmaps ? LNT_DIRTY_SERVICES : 0);
}

/* Forgets an endpoint and says what is dirty then; 0: there was none. */
static unsigned forget(struct lnt_agent *a, const char *container_id, const char *ifname)
{
	unsigned dirty = dirty_for(lnt_registry_find(&a->registry, container_id, ifname));

	return lnt_registry_remove(&a->registry, container_id, ifname) ? dirty : 0;
}

/* Whether the hostPorts that nobody else has are in the maps. */
static bool has_host_ports(const struct lnt_agent *a, const struct lnt_endpoint *ep)
{
	_cleanup_free_ const struct lnt_frontend **list = NULL;
	size_t n = 0;

	if (!ep->n_portmaps)
		return true;
	if (lnt_services_host_ports(a->services, ep, &list, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!lnt_sync_has_frontend(a->sync, list[i]))
			return false;
	return true;
}

/* Takes the endpoint back: the plugin undoes its part when ADD fails. */
static void add_fail(struct lnt_add *add, const char *msg)
{
	struct lnt_agent *a = add->agent;

	lnt_agent_mark(a, forget(a, add->container_id, add->ifname));
	if (add->conn)
		reply(a, LNT_OP_ADD, add->conn, LNT_CNI_TRY_AGAIN_LATER, msg);
	else
		lnt_stats_cni(&a->stats, LNT_OP_ADD, -1);
	add_unlink(add);
}

static void add_timeout(uv_timer_t *timer)
{
	struct lnt_add *add = timer->data;
	const struct lnt_endpoint *ep =
		lnt_registry_find(&add->agent->registry, add->container_id, add->ifname);
	char msg[1024];

	snprintf(msg, sizeof(msg), "pod %s/%s is not programmed after %d s: %s",
		ep ? ep->pod_ns : "?", ep ? ep->pod_name : "?", LNT_AGENT_ADD_TIMEOUT_MS / 1000,
		ep && add->agent->sync && lnt_sync_has_endpoint(add->agent->sync, ep)
			? "its hostPorts are not in the maps; the agent's log says why"
			: "the agent has not seen it in the API yet");
	log_warn("ADD %s: %s", add->container_id, msg);
	add_fail(add, msg);
}

void lnt_adds_settle(struct lnt_agent *a)
{
	struct lnt_add *add, *next;

	for (add = a->adds; add; add = next) {
		const struct lnt_endpoint *ep =
			lnt_registry_find(&a->registry, add->container_id, add->ifname);

		next = add->next;
		if (!ep || !a->sync || !lnt_sync_has_endpoint(a->sync, ep) ||
			!has_host_ports(a, ep))
			continue;
		log_debug("endpoint %s/%s (%s) is programmed", ep->pod_ns, ep->pod_name,
			ep->host_ifname);
		lnt_histogram_add(&a->stats.adds, (double)(uv_hrtime() - add->start) / 1e9);
		reply(a, LNT_OP_ADD, add->conn, 0, "");
		add_unlink(add);
	}
}

const struct lnt_add *lnt_adds_next(const struct lnt_add *add)
{
	return add->next;
}

const struct lnt_endpoint *lnt_adds_endpoint(const struct lnt_add *add)
{
	return lnt_registry_find(&add->agent->registry, add->container_id, add->ifname);
}

void lnt_adds_close(struct lnt_agent *a)
{
	while (a->adds)
		add_fail(a->adds, "linnetd is stopping");
}

/*
 * The one of this node's endpoints that has a hostPort of @ep already; NULL: none. One whose device
 * is gone only waits for its DEL.
 */
static const struct lnt_endpoint *find_holder(const struct lnt_agent *a,
	const struct lnt_endpoint *ep, const struct lnt_portmap **ret_map)
{
	for (size_t i = 0; i < a->registry.n; i++) {
		const struct lnt_endpoint *other = &a->registry.eps[i];

		if (!strcmp(other->container_id, ep->container_id) &&
			!strcmp(other->ifname, ep->ifname))
			continue;
		for (size_t k = 0; k < (size_t)other->n_portmaps * ep->n_portmaps; k++) {
			*ret_map = &ep->portmaps[k % ep->n_portmaps];
			if (lnt_portmap_conflicts(&other->portmaps[k / ep->n_portmaps], *ret_map) &&
				if_nametoindex(other->host_ifname) == other->host_ifindex)
				return other;
		}
	}
	return NULL;
}

/* Whether @ep asks for a hostPort that another endpoint has; answers then. */
static bool refuse_taken(
	const struct lnt_agent *a, struct lnt_cni_conn *conn, const struct lnt_endpoint *ep)
{
	const struct lnt_portmap *map;
	const struct lnt_endpoint *holder = find_holder(a, ep, &map);
	char text[LNT_PORTMAP_STRLEN], msg[1024];

	if (!holder)
		return false;
	snprintf(msg, sizeof(msg), "hostPort %s is taken on this node by %s %s%s%s",
		lnt_portmap_str(map, text), *holder->pod_name ? "pod" : "container",
		*holder->pod_name ? holder->pod_ns : holder->container_id,
		*holder->pod_name ? "/" : "", holder->pod_name);
	log_warn("ADD %s for %s/%s: %s", ep->container_id, ep->pod_ns, ep->pod_name, msg);
	lnt_cni_reply(conn, LNT_CNI_TRY_AGAIN_LATER, msg);
	return true;
}

static void handle_add(struct lnt_agent *a, struct lnt_cni_conn *conn, const cJSON *req)
{
	struct lnt_endpoint ep = {};
	struct lnt_err e = {};
	struct lnt_add *add;

	if (!a->ready) {
		reply(a, LNT_OP_ADD, conn, LNT_CNI_TRY_AGAIN_LATER, a->why_not);
		return;
	}
	if (lnt_endpoint_from_json(cJSON_GetObjectItem(req, "endpoint"), &e, &ep)) {
		reply(a, LNT_OP_ADD, conn, LNT_CNI_DECODE_FAILURE, e.msg);
		return;
	}
	if (refuse_taken(a, conn, &ep))
		return;
	add = calloc(1, sizeof(*add));
	if (!add || lnt_registry_put(&a->registry, &ep)) {
		free(add);
		reply(a, LNT_OP_ADD, conn, LNT_CNI_TRY_AGAIN_LATER, "out of memory");
		return;
	}
	add->agent = a;
	add->conn = conn;
	add->start = uv_hrtime();
	strcpy(add->container_id, ep.container_id);
	strcpy(add->ifname, ep.ifname);
	uv_timer_init(&a->loop, &add->timer);
	add->timer.data = add;
	uv_timer_start(&add->timer, add_timeout, LNT_AGENT_ADD_TIMEOUT_MS, 0);
	add->next = a->adds;
	a->adds = add;
	a->dirty |= dirty_for(&ep);
	lnt_agent_turn(a);
}

static void handle_del(struct lnt_agent *a, struct lnt_cni_conn *conn, const cJSON *req)
{
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(req, "containerID"));
	const char *ifname = cJSON_GetStringValue(cJSON_GetObjectItem(req, "ifname"));
	unsigned dirty;

	if (!id || !ifname) {
		reply(a, LNT_OP_DEL, conn, LNT_CNI_DECODE_FAILURE,
			"del needs containerID and ifname");
		return;
	}
	dirty = forget(a, id, ifname);
	if (dirty) {
		a->dirty |= dirty;
		lnt_agent_turn(a);
	}
	reply(a, LNT_OP_DEL, conn, 0, "");
}

static void handle_check(struct lnt_agent *a, struct lnt_cni_conn *conn, const cJSON *req)
{
	struct lnt_endpoint ep = {};
	struct lnt_err e = {};

	if (lnt_endpoint_from_json(cJSON_GetObjectItem(req, "endpoint"), &e, &ep))
		reply(a, LNT_OP_CHECK, conn, LNT_CNI_DECODE_FAILURE, e.msg);
	else if (!a->sync || !lnt_sync_has_endpoint(a->sync, &ep))
		reply(a, LNT_OP_CHECK, conn, LNT_CNI_CHECK_FAILED,
			"the endpoint is not in the agent's maps with this device and MAC");
	else if (!has_host_ports(a, &ep))
		lnt_cni_reply(conn, LNT_CNI_CHECK_FAILED,
			"not all of the endpoint's hostPorts are in the agent's maps");
	else
		reply(a, LNT_OP_CHECK, conn, 0, "");
}

static void request(void *ctx, struct lnt_cni_conn *conn, const cJSON *req)
{
	const char *op = cJSON_GetStringValue(cJSON_GetObjectItem(req, "op"));
	struct lnt_agent *a = ctx;

	if (!op)
		reply(a, LNT_OP_OTHER, conn, LNT_CNI_DECODE_FAILURE, "the request has no op");
	else if (!strcmp(op, "status") && a->ready)
		reply(a, LNT_OP_STATUS, conn, 0, "");
	else if (!strcmp(op, "status"))
		reply(a, LNT_OP_STATUS, conn, LNT_CNI_NOT_AVAILABLE, a->why_not);
	else if (!strcmp(op, "add"))
		handle_add(a, conn, req);
	else if (!strcmp(op, "del"))
		handle_del(a, conn, req);
	else if (!strcmp(op, "check"))
		handle_check(a, conn, req);
	else
		reply(a, LNT_OP_OTHER, conn, LNT_CNI_DECODE_FAILURE,
			"the request's op is not known");
}

static void gone(void *ctx, struct lnt_cni_conn *conn)
{
	struct lnt_agent *a = ctx;

	for (struct lnt_add *add = a->adds; add; add = add->next) {
		if (add->conn != conn)
			continue;
		add->conn = NULL;
		add_fail(add, "");
		return;
	}
}

struct lnt_cni_handler lnt_adds_handler(struct lnt_agent *a)
{
	return (struct lnt_cni_handler){.request = request, .gone = gone, .ctx = a};
}
