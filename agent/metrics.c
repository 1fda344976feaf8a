/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of metrics.h. Everything is read when it is asked for: counters of the programs from
 * their maps, one system call each; all else from what the agent holds.
 */
#include "agent/metrics.h"
#include "agent/serving.h"
#include "agent/sync/fill.h"
#include "lib/cleanup.h"
#include "lib/version.h"

#include <bpf/libbpf.h>
#include <curl/curl.h>
#include <dirent.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

/* --- the programs ----------------------------------------------------------------------------- */

static void write_drops(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	uint64_t sums[LNT_DROP_MAX];

	if (!a->sync || lnt_sync_drops(a->sync, sums, LNT_DROP_MAX))
		return;
	for (unsigned i = LNT_DROP_NONE + 1; i < LNT_DROP_MAX; i++)
		lnt_metric_count(out, sums[i], "reason", lnt_drop_text(i), NULL);
}

static void write_counters(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	uint64_t sums[LNT_CNT_MAX];

	if (!a->sync || lnt_sync_counters(a->sync, sums, LNT_CNT_MAX))
		return;
	for (unsigned i = 0; i < LNT_CNT_MAX; i++)
		lnt_metric_count(out, sums[i], "event", lnt_counter_text(i), NULL);
}

static void write_entries(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	struct lnt_map_fill fills[LNT_MAP_FILLS];

	if (!a->sync)
		return;
	lnt_sync_fill(a->sync, fills);
	for (unsigned i = 0; i < LNT_MAP_FILLS; i++)
		if (fills[i].counted)
			lnt_metric_count(out, fills[i].entries, "map", fills[i].map, NULL);
	/* The sweeper has seen them all. */
	if (a->stats.sweeps)
		lnt_metric_count(out, a->stats.flows, "map", "flows", NULL);
}

static void write_max_entries(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	struct lnt_map_fill fills[LNT_MAP_FILLS];

	if (!a->sync)
		return;
	lnt_sync_fill(a->sync, fills);
	for (unsigned i = 0; i < LNT_MAP_FILLS; i++)
		if (fills[i].max)
			lnt_metric_count(out, fills[i].max, "map", fills[i].map, NULL);
}

/* --- the model -------------------------------------------------------------------------------- */

static void write_ready(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, a->ready, NULL);
}

static void write_endpoints(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, a->registry.n, NULL);
}

static void write_identities(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, a->stats.identities, NULL);
}

static void write_xdp(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	for (size_t i = 0; i < a->xdp.n; i++)
		lnt_metric_count(out, 1, "device", a->xdp.devices[i].name, "mode",
			lnt_xdp_mode_name(a->xdp.devices[i].mode), NULL);
}

static void write_objects(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	static const char *const kinds[LNT_KIND_MAX] = {
		[LNT_KIND_NAMESPACE] = "Namespace",
		[LNT_KIND_NODE] = "Node",
		[LNT_KIND_POD] = "Pod",
		[LNT_KIND_SERVICE] = "Service",
		[LNT_KIND_ENDPOINTSLICE] = "EndpointSlice",
		[LNT_KIND_NETWORKPOLICY] = "NetworkPolicy",
		[LNT_KIND_CLUSTERNETWORKPOLICY] = "ClusterNetworkPolicy",
	};

	for (unsigned i = 0; i < LNT_KIND_MAX; i++)
		lnt_metric_count(out, lnt_store_count(a->store, i), "kind", kinds[i] ?: "?", NULL);
}

/* --- the watches ------------------------------------------------------------------------------ */

static void each_watch(struct lnt_metric_out *out, const struct lnt_agent *a,
	double (*value)(const struct lnt_kube_watch_state *w))
{
	struct lnt_kube_watch_state w;

	for (unsigned i = 0; a->kube && i < LNT_KIND_MAX; i++) {
		lnt_kube_watch_state(a->kube, i, &w);
		/* Nothing is wrong with a watch that there cannot be. */
		if (w.absent)
			continue;
		lnt_metric_real(out, value(&w), "resource", w.resource, NULL);
	}
}

#define WATCH_METRIC(name_, value_)                                                      \
	static double name_##_of(const struct lnt_kube_watch_state *w)                   \
	{                                                                                \
		return (double)(value_);                                                 \
	}                                                                                \
	static void write_##name_(struct lnt_metric_out *out, const struct lnt_agent *a) \
	{                                                                                \
		each_watch(out, a, name_##_of);                                          \
	}

WATCH_METRIC(watch_connected, w->streaming)
WATCH_METRIC(watch_age, (double)w->age_ms / 1000)
WATCH_METRIC(watch_events, w->events)
WATCH_METRIC(watch_relists, w->relists)
WATCH_METRIC(watch_errors, w->errors)

/* --- the agent's work ------------------------------------------------------------------------- */

static void write_turns(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_histogram(out, &a->stats.turns);
}

static void write_turns_failed(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, a->stats.turns_failed, NULL);
}

static void write_writes(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, a->stats.writes, NULL);
}

static void write_cni(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	static const char *const ops[LNT_OP_MAX] = {"add", "del", "check", "status", "other"};

	for (unsigned op = 0; op < LNT_OP_MAX; op++) {
		for (unsigned i = 0; i <= LNT_N_CNI_CODES; i++) {
			char code[16] = "hung-up";

			if (i < LNT_N_CNI_CODES)
				snprintf(code, sizeof(code), "%u", lnt_cni_codes[i]);
			if (a->stats.cni[op][i] || !i)
				lnt_metric_count(out, a->stats.cni[op][i], "op", ops[op], "code",
					code, NULL);
		}
	}
}

static void write_adds(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_histogram(out, &a->stats.adds);
}

static void write_notices(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	static const enum lnt_kind kinds[] = {LNT_KIND_POD, LNT_KIND_SERVICE,
		LNT_KIND_NETWORKPOLICY, LNT_KIND_CLUSTERNETWORKPOLICY};
	bool total = !strcmp(out->metric->type, "counter");

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++)
		for (unsigned r = 0; r < LNT_NOTICE_REASON_MAX; r++)
			lnt_metric_count(out,
				total ? a->notices.raised[kinds[k]][r]
				      : a->notices.standing[kinds[k]][r],
				"kind", lnt_notice_kind_text(kinds[k]), "reason",
				lnt_notice_reason_text(r), NULL);
}

static void write_reports(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	struct lnt_report_stats s = {};

	if (a->kube)
		s = lnt_kube_report_stats(a->kube);
	lnt_metric_count(out, s.created, "result", "created", NULL);
	lnt_metric_count(out, s.existed, "result", "existed", NULL);
	lnt_metric_count(out, s.updated, "result", "updated", NULL);
	lnt_metric_count(out, s.failed, "result", "failed", NULL);
	lnt_metric_count(out, s.dropped, "result", "dropped", NULL);
}

/* --- health checks ---------------------------------------------------------------------------- */

static void write_checks(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, lnt_serving_health_stats(a).served, NULL);
}

static void write_checks_failing(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, lnt_serving_health_stats(a).failing, NULL);
}

static void write_checks_answered(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	struct lnt_health_stats s = lnt_serving_health_stats(a);

	lnt_metric_count(out, s.ok, "code", "200", NULL);
	lnt_metric_count(out, s.unavailable, "code", "503", NULL);
}

/* --- the process ------------------------------------------------------------------------------ */

static void write_build(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	struct utsname u = {};
	char abi[16];

	uname(&u);
	snprintf(abi, sizeof(abi), "%u", LNT_ABI_VERSION);
	lnt_metric_count(out, 1, "version", LNT_VERSION, "abi", abi, "kernel", u.release, "libbpf",
		libbpf_version_string(), "libcurl", curl_version_info(CURLVERSION_NOW)->version,
		"libmicrohttpd", MHD_get_version(), "libuv", uv_version_string(), NULL);
}

static void write_cpu(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		return;
	lnt_metric_real(out,
		(double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
		NULL);
}

static void write_memory(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	size_t rss;

	if (!uv_resident_set_memory(&rss))
		lnt_metric_count(out, rss, NULL);
}

static void write_fds(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!dir)
		return;
	while (readdir(dir))
		n++;
	closedir(dir);
	/* Without "." and "..", and the folder itself. */
	lnt_metric_count(out, n - 3, NULL);
}

static void write_start(struct lnt_metric_out *out, const struct lnt_agent *a)
{
	lnt_metric_count(out, (uint64_t)a->stats.started, NULL);
}

/* --- the table -------------------------------------------------------------------------------- */

/* Longer than a line where that reads better: each row is one of docs/metrics.md. */
/* clang-format off */
const struct lnt_metric lnt_agent_metrics[] = {
	{"linnet_drops_total", "counter", "reason",
		"Packets that the programs dropped or refused", write_drops},
	{"linnet_datapath_events_total", "counter", "event",
		"What the programs count besides drops; map-full events mean that a map is too small", write_counters},
	{"linnet_map_entries", "gauge", "map",
		"Entries in a map, as the agent wrote them; flows as of the last sweep, ten seconds ago at most", write_entries},
	{"linnet_map_max_entries", "gauge", "map",
		"Entries that a map can hold", write_max_entries},
	{"linnet_ready", "gauge", "",
		"1 when this node can carry pods", write_ready},
	{"linnet_xdp", "gauge", "device, mode",
		"1; how the node's devices run XDP: native, generic or off", write_xdp},
	{"linnet_endpoints", "gauge", "",
		"Pod interfaces of this node", write_endpoints},
	{"linnet_identities", "gauge", "",
		"Sets of peer selectors that some pod of the cluster matches", write_identities},
	{"linnet_objects", "gauge", "kind",
		"Objects of the cluster that the agent knows", write_objects},
	{"linnet_watch_connected", "gauge", "resource",
		"1 while a watch of the resource is open", write_watch_connected},
	{"linnet_watch_age_seconds", "gauge", "resource",
		"Time since the API server last told something of the resource, bookmarks included", write_watch_age},
	{"linnet_watch_events_total", "counter", "resource",
		"Events and bookmarks of the resource's watches", write_watch_events},
	{"linnet_watch_relists_total", "counter", "resource",
		"Lists after the first, because a watch could not go on", write_watch_relists},
	{"linnet_watch_errors_total", "counter", "resource",
		"Lists and watches that failed or broke", write_watch_errors},
	{"linnet_turn_seconds", "histogram", "",
		"How long it took to compile what had changed and to write it to the maps", write_turns},
	{"linnet_turns_failed_total", "counter", "",
		"Turns that could not do all; they are tried again", write_turns_failed},
	{"linnet_writes_total", "counter", "",
		"Entries of maps and routes that were written or deleted", write_writes},
	{"linnet_cni_requests_total", "counter", "op, code",
		"Requests of the CNI plugin; the code is that of the CNI specification, 0 for success, or hung-up", write_cni},
	{"linnet_cni_add_seconds", "histogram", "",
		"How long a successful ADD waited for the agent", write_adds},
	{"linnet_notices", "gauge", "kind, reason",
		"What is wrong with objects now, as the log and Events say it", write_notices},
	{"linnet_notices_total", "counter", "kind, reason",
		"What was found wrong with objects", write_notices},
	{"linnet_reports_total", "counter", "result",
		"Events for the API server: created, existed (another node was first), updated, failed, or dropped for being too many", write_reports},
	{"linnet_health_checks", "gauge", "",
		"Services whose healthCheckNodePort is served", write_checks},
	{"linnet_health_checks_failing", "gauge", "",
		"Those of them of which a socket could not be opened", write_checks_failing},
	{"linnet_health_check_answers_total", "counter", "code",
		"Answers at healthCheckNodePorts", write_checks_answered},
	{"linnet_build_info", "gauge", "version, abi, kernel, libbpf, libcurl, libmicrohttpd, libuv",
		"1; linnet, the layout of the maps and what the agent runs with", write_build},
	{"process_cpu_seconds_total", "counter", "",
		"CPU time of the agent", write_cpu},
	{"process_resident_memory_bytes", "gauge", "",
		"Resident memory of the agent", write_memory},
	{"process_open_fds", "gauge", "",
		"Open file descriptors of the agent", write_fds},
	{"process_start_time_seconds", "gauge", "",
		"When the agent started, in seconds since 1970", write_start},
};
/* clang-format on */
const size_t lnt_n_agent_metrics = ARRAY_SIZE(lnt_agent_metrics);
