/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's life: start, turns, stop (agent.h). */
#define LNT_LOG "agent"
#include "agent/agent.h"
#include "agent/drain.h"
#include "agent/node/cgroup.h"
#include "agent/node/conflist.h"
#include "agent/node/forwarding.h"
#include "agent/node/pod_routes.h"
#include "agent/node/watch.h"
#include "agent/people.h"
#include "agent/serving.h"
#include "datapath/attach.h"
#include "datapath/takeover.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/netns.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SWEEP_MS       10000
#define SWEEP_TCP_IDLE 800 /* 2 h 13 min: RFC 5382 asks for 2 h 4 min at least */
#define SWEEP_CLOSING  2
#define SWEEP_OTHER    18 /* 3 min: twice the stream timeout that resolvers rely on */
#define TURN_MIN_MS    1
#define TURN_MAX_MS    500
#define RETRY_MAX_MS   30000

/* --- turns ------------------------------------------------------------------------------------ */

static void on_turn(uv_timer_t *timer)
{
	lnt_agent_turn(timer->data);
}

/*
 * Turns take at most about a third of the agent's time, whatever they cost: the next one waits for
 * twice as long as the last one took. What comes after a pause is not kept waiting.
 */
void lnt_agent_mark(struct lnt_agent *a, unsigned dirty)
{
	uint64_t rest = a->turn_ns * 2 / 1000000, since = (uv_hrtime() - a->turn_ended) / 1000000;
	uint64_t wait;

	a->dirty |= dirty;
	lnt_people_forget(a);
	lnt_serving_dirty(a);
	if (!a->synced || uv_is_active((uv_handle_t *)&a->turn))
		return;
	rest = rest > TURN_MAX_MS ? TURN_MAX_MS : rest;
	wait = rest > since ? rest - since : 0;
	uv_timer_start(&a->turn, on_turn, wait < TURN_MIN_MS ? TURN_MIN_MS : wait, 0);
}

static void wait_for(struct lnt_agent *a, const char *what)
{
	if (strcmp(a->why_not, what))
		log_info("not ready: %s", what);
	snprintf(a->why_not, sizeof(a->why_not), "%s", what);
}

/* For SCTP of the node itself, to its own addresses. Programs of an earlier agent stay, as to_node.
 */
static int attach_loopback(struct lnt_agent *a, bool want, struct lnt_err *e)
{
	const char *root = a->opt->bpf_root;
	bool is = lnt_attach_is_there(
		a->nl, root, "to_node", "lo", LNT_LOOPBACK_IFINDEX, LNT_HOOK_EGRESS);
	int r = 0;

	if (want && (is || lnt_stack_backends_sctp(&a->stack_backends))) {
		r = lnt_forwarding_loopback(a->opt->run_dir, e);
		if (!r)
			r = lnt_attach_device(a->nl, root, "to_node", "lo", LNT_LOOPBACK_IFINDEX,
				LNT_HOOK_EGRESS, e);
		a->to_lo = !r;
	} else if (is) {
		r = lnt_detach_device(a->nl, root, "lo", LNT_LOOPBACK_IFINDEX, LNT_HOOK_EGRESS, e);
		a->to_lo = false;
	}
	return r;
}

/* to_node comes before the first packet that needs it and goes after the last. */
static int attach_to_node(struct lnt_agent *a, const struct lnt_config *cfg,
	const struct lnt_node_devices *devices, struct lnt_err *e)
{
	const char *root = a->opt->bpf_root;
	int r = 0;

	for (size_t i = 0; !r && i < devices->n; i++) {
		const struct lnt_link *link = &devices->links[i];

		if (cfg->has_to_node)
			r = lnt_attach_device(a->nl, root, "to_node", link->name, link->ifindex,
				LNT_HOOK_EGRESS, e);
		else if (lnt_attach_is_there(a->nl, root, "to_node", link->name, link->ifindex,
				 LNT_HOOK_EGRESS))
			r = lnt_detach_device(
				a->nl, root, link->name, link->ifindex, LNT_HOOK_EGRESS, e);
	}
	if (!r)
		r = attach_loopback(a, cfg->has_to_node, e);
	if (!r)
		a->to_node = cfg->has_to_node;
	return r;
}

/* Programs in the kernel, attached everywhere they belong, replacing a predecessor's in place. */
static int load_programs(struct lnt_agent *a, const struct lnt_config *cfg,
	const struct lnt_node_devices *devices, struct lnt_err *e)
{
	const char *root = a->opt->bpf_root;
	int r;

	r = lnt_datapath_load(root, cfg, e);
	if (!r)
		r = attach_to_node(a, cfg, devices, e);
	if (!r)
		r = lnt_cgroup_attach(a->opt, e);
	if (!r)
		r = lnt_forwarding_enable(devices, a->opt->run_dir, e);
	for (size_t i = 0; !r && i < devices->n; i++)
		r = lnt_attach_device(a->nl, root, "from_node", devices->links[i].name,
			devices->links[i].ifindex, LNT_HOOK_INGRESS, e);
	if (r)
		return r;
	for (size_t i = 0; i < a->registry.n; i++) {
		const struct lnt_endpoint *ep = &a->registry.eps[i];
		struct lnt_err ep_err = {};

		/* A device that goes away meanwhile must not keep the others from the new programs.
		 */
		if (lnt_filter_attach_pod(a->nl, root, ep->host_ifname, ep->host_ifindex, &ep_err))
			log_warn("container %s: %s", ep->container_id, ep_err.msg);
	}
	r = lnt_takeover_end(root, e);
	if (r)
		return r;
	a->drains = lnt_drain_load(root);
	a->loaded = *cfg;
	a->devices = *devices;
	a->xdp.done = false;
	lnt_agent_mark(a, LNT_DIRTY_SERVICES);
	log_info("programs loaded; %zu device(s), %zu endpoint(s)", devices->n, a->registry.n);
	return 0;
}

/* NodePorts are served at these. */
static int find_nodeport_addrs(struct lnt_agent *a, struct lnt_err *e)
{
	struct lnt_nodeport_addr *addrs;
	size_t n;
	int r = lnt_devices_nodeport_addrs(a->nl, a->opt, &a->devices, e, &addrs, &n);

	if (r)
		return r;
	free(a->nodeport_addrs);
	a->nodeport_addrs = addrs;
	a->n_nodeport_addrs = n;
	return 0;
}

/* As it is, until the services say otherwise: connections of an earlier agent may need it. */
static bool wants_to_node(struct lnt_agent *a, const struct lnt_node_devices *devices)
{
	for (size_t i = 0; !a->sync && !a->to_node && i < devices->n; i++)
		a->to_node = lnt_attach_is_there(a->nl, a->opt->bpf_root, "to_node",
			devices->links[i].name, devices->links[i].ifindex, LNT_HOOK_EGRESS);
	return a->to_node;
}

/* Programs that know whether to_node is there. */
static int set_to_node(struct lnt_agent *a, bool want, struct lnt_err *e)
{
	struct lnt_config cfg = a->loaded;

	cfg.has_to_node = want;
	return load_programs(a, &cfg, &a->devices, e);
}

/* And hostPorts at these. */
static int find_hostport_addrs(struct lnt_agent *a, struct lnt_err *e)
{
	struct lnt_hostport_addr *addrs;
	size_t n;
	int r = lnt_devices_hostport_addrs(a->nl, &a->devices, e, &addrs, &n);

	if (r)
		return r;
	free(a->hostport_addrs);
	a->hostport_addrs = addrs;
	a->n_hostport_addrs = n;
	return 0;
}

static int open_sync(struct lnt_agent *a, struct lnt_err *e)
{
	int r = lnt_sync_new(a->opt->bpf_root, e, &a->sync);

	if (r)
		return r;
	lnt_sync_set_maglev(a->sync, a->opt->maglev_size);
	/* Whoever listened to an agent before this one is gone. */
	return lnt_sync_tell(a->sync, 0, e);
}

/* The node as Kubernetes has it: programs, routes, ranges. 1: not known well enough yet. */
static int turn_cluster(
	struct lnt_agent *a, struct lnt_cluster_state *cluster, struct lnt_err *e, size_t *writes)
{
	struct lnt_node_devices devices;
	struct lnt_config cfg;
	int r, pods;

	r = lnt_compile_cluster(a->store, a->opt->node_name, e, cluster);
	if (r)
		return r;
	if (!cluster->n_own_addrs || !cluster->n_own_cidrs) {
		char what[200];

		snprintf(what, sizeof(what), "waiting for node %s to have %s", a->opt->node_name,
			cluster->n_own_addrs ? "a pod CIDR" : "an internal address");
		wait_for(a, what);
		return 1;
	}
	r = lnt_devices_find(a->nl, a->opt, cluster->own_addrs, cluster->n_own_addrs, e, &devices);
	if (r)
		return r;
	lnt_devices_config(a->opt, &devices, cluster->own_addrs, cluster->n_own_addrs, &cfg);
	cfg.has_to_node = wants_to_node(a, &devices);
	if (!a->sync || memcmp(&cfg, &a->loaded, sizeof(cfg))) {
		r = load_programs(a, &cfg, &devices, e);
		if (r)
			return r;
	}
	if (!a->sync)
		r = open_sync(a, e);
	if (!r)
		r = find_nodeport_addrs(a, e);
	if (!r)
		r = find_hostport_addrs(a, e);
	if (!r)
		r = lnt_stack_backends_place(
			&a->stack_backends, cluster->cluster_cidrs, cluster->n_cluster_cidrs, e);
	if (r)
		return r;
	r = lnt_sync_cluster(a->sync, a->nl, cluster, e, writes);
	pods = lnt_pod_routes_restore(a->nl, a->registry.eps, a->registry.n, e);
	return r ? r : pods;
}

static void note_policy(struct lnt_agent *a, const struct lnt_policy_name *policy,
	enum lnt_notice_reason reason, const char *text)
{
	const struct lnt_notice n = {
		.kind = policy->kind,
		.ns = policy->ns,
		.name = policy->name,
		.reason = reason,
		.text = text,
	};

	lnt_notices_add(&a->policy_notices, &n);
}

static void note(struct lnt_agent *a, const struct lnt_meta *obj, const char *text)
{
	const struct lnt_notice n = {
		.kind = obj->kind,
		.ns = obj->ns,
		.name = obj->name,
		.reason = LNT_NOTICE_UNSUPPORTED,
		.text = text,
	};

	lnt_notices_add(&a->policy_notices, &n);
}

/* What pods of this node ask for and do not get. */
static void note_pods(struct lnt_agent *a)
{
	for (size_t i = 0; i < a->registry.n; i++) {
		const struct lnt_endpoint *ep = &a->registry.eps[i];
		const struct lnt_pod *pod = (const struct lnt_pod *)lnt_store_get(
			a->store, LNT_KIND_POD, ep->pod_ns, ep->pod_name);

		if (pod && pod->host_port && !ep->n_portmaps)
			note(a, &pod->meta,
				"its hostPorts are not served: the runtime passed no port mappings "
				"when it was made; recreate it");
		if (pod && pod->per_packet && !ep->netns_cookie)
			note(a, &pod->meta,
				"annotation linnet.io/socket-lb has no effect: its namespace's "
				"cookie is unknown (Linux before 5.14, or a pod of an older "
				"linnet)");
		if (pod && pod->bandwidth)
			note(a, &pod->meta,
				"bandwidth annotations are not supported yet; there is no limit");
	}
}

/* Whose sockets are whose, for the socket hooks. */
static int turn_netns(struct lnt_agent *a, struct lnt_err *e, size_t *writes)
{
	_cleanup_free_ struct lnt_netns_entry *entries = NULL;
	uint64_t host = 0;
	size_t n;
	int r = lnt_netns_cookie(-1, &host);

	if (r)
		log_debug("the node's netns cookie: %s", strerror(-r));
	r = lnt_compile_netns(
		a->store, a->opt->node_name, host, a->registry.eps, a->registry.n, &entries, &n);
	if (r)
		return lnt_err_sys(e, r, "compile network namespaces");
	return lnt_sync_netns(a->sync, entries, n, e, writes);
}

/* What of policies has no effect, and which do not fit. */
static void note_policies(struct lnt_agent *a, const struct lnt_policy_state *state)
{
	size_t n_closed;
	const uint32_t *closed = lnt_sync_closed(a->sync, &n_closed);

	for (size_t i = 0; i < state->n_problems; i++)
		note_policy(a, &state->problems[i].policy, LNT_NOTICE_UNSUPPORTED,
			state->problems[i].text);
	for (size_t i = 0, k = 0; i < state->n_sets; i++) {
		const struct lnt_policy_set *set = &state->sets[i];

		while (k < n_closed && closed[k] < set->policy_id)
			k++;
		for (size_t p = 0; k < n_closed && closed[k] == set->policy_id && p < set->n; p++)
			note_policy(a, &state->set_policies[set->first + p],
				LNT_NOTICE_NOT_PROGRAMMED,
				"does not fit into the maps as a whole: pods that it selects are "
				"closed");
	}
}

static int compile_policy(struct lnt_agent *a, struct lnt_err *e)
{
	_cleanup_free_ struct in6_addr *host_addrs = NULL;
	struct lnt_policy_params params = {
		.node_name = a->opt->node_name,
		.eps = a->registry.eps,
		.n_eps = a->registry.n,
		.eps_version = a->registry.version,
		.audit = a->opt->policy_audit,
	};
	int r = lnt_devices_host_addrs(a->nl, e, &host_addrs, &params.n_host_addrs);

	params.host_addrs = host_addrs;
	return r ? r : lnt_policies_update(a->policies, a->store, &params, e);
}

static int turn_policy(struct lnt_agent *a, struct lnt_err *e, size_t *writes)
{
	const struct lnt_policy_state *state = lnt_policies_state(a->policies);
	uint64_t start = uv_hrtime(), compiled;
	size_t before = *writes;
	int r = compile_policy(a, e);

	if (r)
		return r;
	compiled = uv_hrtime();
	a->stats.identities = state->n_identities;
	r = lnt_sync_policy(a->sync, state, a->registry.eps, a->registry.n, e, writes);
	note_policies(a, state);
	note_pods(a);
	lnt_notices_end(&a->policy_notices);
	if (!r)
		r = turn_netns(a, e, writes);
	log_debug("policy: %zu write(s), compiled in %llu us, all in %llu us", *writes - before,
		(unsigned long long)(compiled - start) / 1000,
		(unsigned long long)(uv_hrtime() - start) / 1000);
	return r;
}

/* What the log says is also an Event of the object. */
static void tell_cluster(void *ctx, const struct lnt_notice *n, bool gone)
{
	struct lnt_agent *a = ctx;
	const struct lnt_meta *obj = lnt_store_get(a->store, n->kind, n->ns, n->name);
	const struct lnt_report report = {
		.notice = *n,
		.uid = obj && obj->uid ? obj->uid : "",
		.instance = a->opt->node_name,
		/* A pod's node is the only one to say so. */
		.nodes = n->kind == LNT_KIND_POD ? 0 : lnt_store_count(a->store, LNT_KIND_NODE),
	};

	if (a->kube && (gone || obj))
		lnt_kube_report(a->kube, &report, gone);
}

static void service_notice(void *ctx, const struct lnt_notice *n, bool gone)
{
	struct lnt_agent *a = ctx;

	lnt_notice_say(&a->notices, n, gone);
}

/* Sockets follow the services; what cannot be done about them holds nothing else up. */
static void drain(struct lnt_agent *a)
{
	struct lnt_err e = {};

	if (a->drains && lnt_drain_run(a->opt->bpf_root, a->sync, a->store, &a->registry, &e))
		log_error("%s", e.msg);
}

/* Tables that wait are made in turns to come, so that nothing else waits for them. */
static void look_at_tables(struct lnt_agent *a)
{
	size_t missing = lnt_sync_tables_missing(a->sync);

	if (lnt_sync_tables_due(a->sync))
		lnt_agent_mark(a, LNT_DIRTY_SERVICES);
	if (missing > a->tables_missing)
		log_warn("%zu set(s) of backends have no Maglev table: nodes balance them each in "
			 "their own way",
			missing);
	else if (missing < a->tables_missing)
		log_info("%zu set(s) of backends have no Maglev table now", missing);
	a->tables_missing = missing;
}

/* They are told about; there is nothing to be done. */
static void look_for_port_holders(struct lnt_agent *a)
{
	struct lnt_err e = {};

	if (lnt_port_holders_look(&a->port_holders, a->services, &e))
		log_error("%s", e.msg);
}

#define NAME_AT_MOST 16 /* of services that do not fit: one is as good as a thousand */

/* Whose frontends or backends are not in the maps, after a sync of @changes that failed. */
static void note_not_programmed(
	struct lnt_agent *a, const struct lnt_service_change *changes, size_t n)
{
	for (size_t i = 0, named = 0; i < n && named < NAME_AT_MOST; i++) {
		const struct lnt_frontend *f = changes[i].want;
		char text[LNT_ADDRSTRLEN + 64], addr[LNT_ADDRSTRLEN];
		struct lnt_notice notice;

		if (!f || !f->set || lnt_sync_has_frontend(a->sync, f))
			continue;
		snprintf(text, sizeof(text), "%s port %u does not fit into the maps as a whole",
			lnt_addr_str(&f->key.addr, addr), ntohs(f->key.port));
		notice = lnt_frontend_notice(f, LNT_NOTICE_NOT_PROGRAMMED, text);
		lnt_notices_add(&a->service_notices, &notice);
		named++;
	}
}

static int services_to_maps(struct lnt_agent *a, struct lnt_err *e, size_t *writes)
{
	const struct lnt_service_params params = {
		.node_name = a->opt->node_name,
		.addrs = a->nodeport_addrs,
		.n_addrs = a->n_nodeport_addrs,
		.host_addrs = a->hostport_addrs,
		.n_host_addrs = a->n_hostport_addrs,
		.eps = a->registry.eps,
		.n_eps = a->registry.n,
		.dsr = a->opt->dsr,
	};
	_cleanup_free_ struct lnt_service_change *changes = NULL;
	bool whole;
	size_t n;
	int r;

	r = lnt_services_update(a->services, a->store, &params, e);
	if (!r && lnt_services_changes(a->services, &changes, &n, &whole))
		r = lnt_err_sys(e, -ENOMEM, "compile services");
	if (!r)
		lnt_xdp_note(&a->xdp, changes, n);
	if (!r)
		r = lnt_stack_backends_update(
			&a->stack_backends, a->nl, &a->devices, a->services, changes, n, e);
	if (!r && !a->to_node && lnt_stack_backends_any(&a->stack_backends))
		r = set_to_node(a, true, e);
	if (!r && !a->to_lo && lnt_stack_backends_sctp(&a->stack_backends))
		r = attach_loopback(a, true, e);
	if (!r)
		r = lnt_sync_services(a->sync, changes, n, whole, e, writes);
	if (r && changes)
		note_not_programmed(a, changes, n);
	if (changes)
		lnt_notices_end(&a->service_notices);
	look_at_tables(a);
	if (!r && lnt_port_holders_concern(changes, n))
		look_for_port_holders(a);
	if (!r) {
		lnt_services_settle(a->services);
		r = lnt_xdp_apply(&a->xdp, a->nl, a->opt, &a->devices, e);
		lnt_serving_services(a);
		drain(a);
		a->drain_again = true;
	}
	return r;
}

static int turn_services(struct lnt_agent *a, struct lnt_err *e, size_t *writes)
{
	uint64_t start = uv_hrtime();
	size_t before = *writes;
	int r = services_to_maps(a, e, writes);

	log_debug("services: %zu write(s), %llu us", *writes - before,
		(unsigned long long)(uv_hrtime() - start) / 1000);
	return r;
}

static int become_ready(
	struct lnt_agent *a, const struct lnt_cluster_state *cluster, struct lnt_err *e)
{
	const struct lnt_node *node = (const struct lnt_node *)lnt_store_get(
		a->store, LNT_KIND_NODE, "", a->opt->node_name);
	int r = lnt_conflist_write(
		a->opt, cluster->own_cidrs, cluster->n_own_cidrs, a->devices.mtu, e);

	if (r)
		return r;
	if (!a->ready) {
		a->ready = true;
		log_info("ready: this node can carry pods");
		malloc_trim(0);
	}
	if (node)
		lnt_kube_node_up(a->kube, node);
	return 0;
}

/* Each dirty domain in turn; one that fails stays dirty and the others are done all the same. */
static int turn_domains(struct lnt_agent *a, struct lnt_err *e, size_t *writes)
{
	struct lnt_cluster_state cluster = {};
	unsigned dirty = a->dirty;
	int first = 0, r;

	a->dirty = 0;
	if (dirty & LNT_DIRTY_CLUSTER || !a->sync) {
		r = turn_cluster(a, &cluster, e, writes);
		if (r || !a->sync) {
			a->dirty |= LNT_DIRTY_CLUSTER;
			first = r;
		}
		if (!a->sync) {
			a->dirty |= dirty;
			goto out;
		}
	}
	if (dirty & LNT_DIRTY_POLICY && (r = turn_policy(a, e, writes))) {
		a->dirty |= LNT_DIRTY_POLICY;
		first = first ? first : r;
	}
	/* The node's zone and addresses count; services cost what changed of them. */
	if (dirty & (LNT_DIRTY_SERVICES | LNT_DIRTY_CLUSTER) && (r = turn_services(a, e, writes))) {
		a->dirty |= LNT_DIRTY_SERVICES;
		first = first ? first : r;
	}
	if (!first && cluster.n_own_cidrs)
		first = become_ready(a, &cluster, e);
out:
	lnt_cluster_state_clear(&cluster);
	return first;
}

void lnt_agent_turn(struct lnt_agent *a)
{
	uint64_t start = uv_hrtime(), delay;
	struct lnt_err e = {};
	size_t writes = 0;
	int r;

	lnt_people_forget(a);
	if (!a->synced)
		return;
	uv_timer_stop(&a->turn);
	r = turn_domains(a, &e, &writes);
	a->turn_ended = uv_hrtime();
	a->turn_ns = a->turn_ended - start;
	lnt_histogram_add(&a->stats.turns, (double)(uv_hrtime() - start) / 1e9);
	a->stats.turns_failed += r < 0;
	a->stats.writes += writes;
	log_debug("turn: %zu write(s), %llu us", writes,
		(unsigned long long)(uv_hrtime() - start) / 1000);
	lnt_serving_dirty(a);
	lnt_adds_settle(a);
	snprintf(a->failing, sizeof(a->failing), "%s", r < 0 ? e.msg : "");
	if (r >= 0) {
		a->failures = 0;
		return;
	}
	log_error("%s; trying again", e.msg);
	if (!a->ready)
		wait_for(a, e.msg);
	delay = 100ull << (a->failures < 9 ? a->failures : 9);
	a->failures++;
	uv_timer_start(&a->turn, on_turn, delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS, 0);
}

/* --- what makes turns ------------------------------------------------------------------------- */

static void store_changed(void *ctx, const struct lnt_meta *obj, bool removed)
{
	struct lnt_agent *a = ctx;
	static const unsigned dirties[LNT_KIND_MAX] = {
		[LNT_KIND_NAMESPACE] = LNT_DIRTY_POLICY,
		[LNT_KIND_NODE] = LNT_DIRTY_CLUSTER | LNT_DIRTY_POLICY,
		[LNT_KIND_POD] = LNT_DIRTY_POLICY,
		[LNT_KIND_SERVICE] = LNT_DIRTY_SERVICES,
		[LNT_KIND_ENDPOINTSLICE] = LNT_DIRTY_SERVICES,
		[LNT_KIND_NETWORKPOLICY] = LNT_DIRTY_POLICY,
		[LNT_KIND_CLUSTERNETWORKPOLICY] = LNT_DIRTY_POLICY,
	};

	if (obj->kind == LNT_KIND_SERVICE)
		lnt_services_touch(a->services, obj->ns, obj->name);
	else if (obj->kind == LNT_KIND_ENDPOINTSLICE)
		lnt_services_touch(
			a->services, obj->ns, ((const struct lnt_endpointslice *)obj)->service);
	lnt_policies_touch(a->policies, obj);
	lnt_agent_mark(a, dirties[obj->kind]);
}

static void kube_synced(void *ctx)
{
	struct lnt_agent *a = ctx;

	log_info("synced with the API server");
	a->synced = true;
	a->dirty = LNT_DIRTY_ALL;
	lnt_agent_turn(a);
}

/* Flows remember next hops: whatever changed about the node, they are decided again. */
static void node_changed(void *ctx)
{
	struct lnt_agent *a = ctx;
	struct lnt_err e = {};

	if (a->sync && lnt_sync_bump_epoch(a->sync, &e))
		log_error("%s", e.msg);
	lnt_agent_mark(a, LNT_DIRTY_CLUSTER | LNT_DIRTY_POLICY);
}

static void on_sweep(uv_timer_t *timer)
{
	struct lnt_sweep s = {
		.tcp_idle = SWEEP_TCP_IDLE,
		.closing_idle = SWEEP_CLOSING,
		.other_idle = SWEEP_OTHER,
	};
	struct lnt_agent *a = timer->data;
	struct lnt_err e = {};

	if (!a->sync)
		return;
	if (a->drain_again) {
		a->drain_again = false;
		drain(a);
	}
	lnt_services_rest(a->services);
	if (lnt_datapath_sweep(a->opt->bpf_root, &s, &e)) {
		log_error("%s", e.msg);
		return;
	}
	if (s.removed)
		log_debug("sweep: %u of %u flows removed", s.removed, s.seen);
	if (lnt_port_holders_any(&a->port_holders))
		look_for_port_holders(a);
	a->stats.sweeps++;
	a->stats.flows = s.seen - s.removed;
	if (a->to_node && !s.to_node && !(a->dirty & LNT_DIRTY_SERVICES) &&
		a->stack_backends.known && !lnt_stack_backends_any(&a->stack_backends) &&
		set_to_node(a, false, &e))
		log_error("%s", e.msg);
}

/* --- life --------------------------------------------------------------------------------------
 */

static void stop(uv_signal_t *signal, int signum)
{
	struct lnt_agent *a = signal->data;

	log_info("stopping; pods keep their network");
	lnt_adds_close(a);
	lnt_cni_server_close(a->cni);
	lnt_people_close(a);
	lnt_serving_close(a);
	if (a->kube)
		lnt_kube_close(TAKE_PTR(a->kube));
	lnt_node_watch_close(a->watch);
	uv_close((uv_handle_t *)&a->turn, NULL);
	uv_close((uv_handle_t *)&a->sweep, NULL);
	uv_close((uv_handle_t *)&a->sigterm, NULL);
	uv_close((uv_handle_t *)&a->sigint, NULL);
}

static void init_handles(struct lnt_agent *a)
{
	uv_timer_init(&a->loop, &a->turn);
	uv_timer_init(&a->loop, &a->sweep);
	uv_signal_init(&a->loop, &a->sigterm);
	uv_signal_init(&a->loop, &a->sigint);
	a->turn.data = a->sweep.data = a->sigterm.data = a->sigint.data = a;
	uv_timer_start(&a->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	uv_signal_start(&a->sigterm, stop, SIGTERM);
	uv_signal_start(&a->sigint, stop, SIGINT);
}

static int start_kube(struct lnt_agent *a, struct lnt_err *e)
{
	const struct lnt_kube_events events = {.synced = kube_synced, .ctx = a};
	struct lnt_kube_config cfg = {};
	int r;

	r = a->opt->kubeconfig
		? lnt_kube_config_load(a->opt->kubeconfig, e, &cfg)
		: lnt_kube_config_in_cluster(NULL, a->opt->kube_host, a->opt->kube_port, e, &cfg);
	if (r)
		return r;
	a->services = lnt_services_new(service_notice, a);
	a->policies = lnt_policies_new();
	a->store = a->services && a->policies ? lnt_store_new(store_changed, a) : NULL;
	a->kube = a->store ? lnt_kube_new(&a->loop, &cfg, a->store, &events, e) : NULL;
	lnt_kube_config_clear(&cfg);
	if (!a->kube)
		return lnt_err_set(e, -ENOMEM, "start the API client");
	lnt_kube_start(a->kube);
	return 0;
}

static int start(struct lnt_agent *a, struct lnt_err *e)
{
	struct lnt_cni_handler handler = lnt_adds_handler(a);
	int r;

	if (mkdir(a->opt->run_dir, 0755) && errno != EEXIST)
		return lnt_err_sys(e, -errno, "make %s", a->opt->run_dir);
	if ((r = lnt_bpffs_ensure(a->opt->bpf_root, e)) ||
		(r = lnt_takeover_begin(a->opt->bpf_root, lnt_takeover_keeps, e)) ||
		(r = lnt_nl_open(-1, e, &a->nl)) ||
		(r = lnt_registry_load(&a->registry, a->opt->run_dir, e)) ||
		(r = start_kube(a, e)) || (r = lnt_serving_open(a, e)) ||
		(r = lnt_people_open(a, e)) ||
		(r = lnt_node_watch_new(&a->loop, node_changed, a, e, &a->watch)))
		return r;
	wait_for(a, "waiting for the API server");
	return lnt_cni_server_new(&a->loop, a->opt->run_dir, &handler, e, &a->cni);
}

int lnt_agent_run(const struct lnt_options *opt, struct lnt_err *e)
{
	struct lnt_agent a = {
		.opt = opt,
		.policy_notices.sink = &a.notices,
		.service_notices.sink = &a.notices,
		.notices = {.tell = tell_cluster, .ctx = &a},
		.port_holders.notices.sink = &a.notices,
		.stats.started = time(NULL),
	};
	int r;

	uv_loop_init(&a.loop);
	init_handles(&a);
	r = start(&a, e);
	if (r)
		stop(&a.sigterm, 0);
	uv_run(&a.loop, UV_RUN_DEFAULT);
	uv_loop_close(&a.loop);
	lnt_sync_free(a.sync);
	lnt_store_free(a.store);
	lnt_registry_clear(&a.registry);
	lnt_policies_free(a.policies);
	lnt_notices_clear(&a.policy_notices);
	lnt_notices_clear(&a.service_notices);
	lnt_services_free(a.services);
	lnt_stack_backends_clear(&a.stack_backends);
	lnt_port_holders_clear(&a.port_holders);
	lnt_notice_sink_clear(&a.notices);
	free(a.nodeport_addrs);
	free(a.hostport_addrs);
	lnt_nl_close(a.nl);
	return r;
}
