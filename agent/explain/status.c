/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of status.h: what the agent knows and means to do. What the kernel really has is
 * linnetctl's to look at. The members are described in docs/linnetctl.md.
 */
#include "agent/explain/status.h"
#include "agent/agent.h"
#include "lib/version.h"

#include <time.h>
#include <unistd.h>

static void add_devices(const struct lnt_agent *a, cJSON *json)
{
	cJSON *list = cJSON_AddArrayToObject(json, "devices");

	for (size_t i = 0; i < a->devices.n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(a->devices.links[i].name));
	cJSON_AddBoolToObject(json, "toNode", a->to_node);
	list = cJSON_AddArrayToObject(json, "xdp");
	for (size_t i = 0; i < a->xdp.n; i++) {
		cJSON *item = cJSON_CreateObject();

		cJSON_AddStringToObject(item, "device", a->xdp.devices[i].name);
		cJSON_AddStringToObject(item, "mode", lnt_xdp_mode_name(a->xdp.devices[i].mode));
		if (a->xdp.devices[i].mode == LNT_XDP_OFF)
			cJSON_AddStringToObject(item, "why", a->xdp.devices[i].why);
		cJSON_AddItemToArray(list, item);
	}
}

static void add_addr(cJSON *list, const struct in6_addr *addr)
{
	char text[LNT_ADDRSTRLEN];

	if (!IN6_IS_ADDR_UNSPECIFIED(addr))
		cJSON_AddItemToArray(list, cJSON_CreateString(lnt_addr_str(addr, text)));
}

static void add_options(const struct lnt_agent *a, cJSON *json)
{
	cJSON *list;

	cJSON_AddBoolToObject(json, "masquerade", a->opt->masquerade);
	list = cJSON_AddArrayToObject(json, "masqueradeAddresses");
	add_addr(list, &a->loaded.masq4);
	add_addr(list, &a->loaded.masq6);
	cJSON_AddStringToObject(json, "loadbalancerMode", a->opt->dsr ? "dsr" : "snat");
	cJSON_AddBoolToObject(json, "policyAudit", a->opt->policy_audit);
	cJSON_AddNumberToObject(json, "maglevTableSize", a->opt->maglev_size);
	cJSON_AddNumberToObject(json, "mtu", a->devices.mtu);
}

static cJSON *watch_json(const struct lnt_kube_watch_state *w)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "resource", w->resource);
	cJSON_AddStringToObject(json, "state",
		w->absent	       ? "absent"
			: w->streaming ? "open"
			: w->synced    ? "broken"
				       : "listing");
	cJSON_AddNumberToObject(json, "ageSeconds", (double)w->age_ms / 1000);
	cJSON_AddNumberToObject(json, "events", (double)w->events);
	cJSON_AddNumberToObject(json, "relists", (double)w->relists);
	cJSON_AddNumberToObject(json, "errors", (double)w->errors);
	if (w->last_error[0])
		cJSON_AddStringToObject(json, "lastError", w->last_error);
	return json;
}

static void add_watches(const struct lnt_agent *a, cJSON *json)
{
	cJSON *list = cJSON_AddArrayToObject(json, "watches");
	char server[LNT_KUBE_SERVER_STRLEN];
	struct lnt_kube_watch_state w;

	if (a->kube)
		cJSON_AddStringToObject(json, "apiServer", lnt_kube_server(a->kube, server));
	for (unsigned i = 0; a->kube && i < LNT_KIND_MAX; i++) {
		lnt_kube_watch_state(a->kube, i, &w);
		cJSON_AddItemToArray(list, watch_json(&w));
	}
}

static void add_objects(const struct lnt_agent *a, cJSON *json)
{
	cJSON *objects = cJSON_AddObjectToObject(json, "objects");
	struct lnt_kube_watch_state w;

	for (unsigned i = 0; a->kube && i < LNT_KIND_MAX; i++) {
		lnt_kube_watch_state(a->kube, i, &w);
		cJSON_AddNumberToObject(objects, w.resource, lnt_store_count(a->store, i));
	}
}

/* Pods that the runtime waits for. */
static void add_waiting(const struct lnt_agent *a, cJSON *json)
{
	cJSON *list = cJSON_AddArrayToObject(json, "waiting");
	char name[2 * LNT_K8S_NAME_MAX];

	for (const struct lnt_add *add = a->adds; add; add = lnt_adds_next(add)) {
		const struct lnt_endpoint *ep = lnt_adds_endpoint(add);

		if (!ep)
			continue;
		snprintf(name, sizeof(name), "%s/%s", ep->pod_ns, ep->pod_name);
		cJSON_AddItemToArray(list, cJSON_CreateString(name));
	}
}

static void add_notices(const struct lnt_agent *a, cJSON *json)
{
	const struct lnt_notice_sink *s = &a->notices;
	cJSON *list = cJSON_AddArrayToObject(json, "notices");
	char name[2 * LNT_K8S_NAME_MAX];
	size_t n = 0;

	for (size_t i = 0; i < s->n_shown; i++) {
		const struct lnt_notice *notice = &s->shown[i];
		cJSON *item = cJSON_CreateObject();

		snprintf(name, sizeof(name), "%s%s%s", notice->ns, *notice->ns ? "/" : "",
			notice->name);
		cJSON_AddStringToObject(item, "kind", lnt_notice_kind_text(notice->kind));
		cJSON_AddStringToObject(item, "object", name);
		cJSON_AddStringToObject(item, "reason", lnt_notice_reason_text(notice->reason));
		cJSON_AddStringToObject(item, "text", notice->text);
		cJSON_AddItemToArray(list, item);
	}
	for (unsigned k = 0; k < LNT_KIND_MAX; k++)
		for (unsigned r = 0; r < LNT_NOTICE_REASON_MAX; r++)
			n += s->standing[k][r];
	cJSON_AddNumberToObject(json, "noticesTotal", (double)n);
}

static void add_process(const struct lnt_agent *a, cJSON *json)
{
	cJSON_AddStringToObject(json, "version", LNT_VERSION);
	cJSON_AddNumberToObject(json, "abi", LNT_ABI_VERSION);
	cJSON_AddStringToObject(json, "node", a->opt->node_name);
	cJSON_AddNumberToObject(json, "pid", getpid());
	cJSON_AddNumberToObject(json, "uptimeSeconds", (double)(time(NULL) - a->stats.started));
	cJSON_AddStringToObject(json, "bpfRoot", a->opt->bpf_root);
}

cJSON *lnt_status_json(const struct lnt_agent *a)
{
	cJSON *json = cJSON_CreateObject();

	add_process(a, json);
	cJSON_AddBoolToObject(json, "ready", a->ready);
	cJSON_AddStringToObject(json, "whyNotReady", a->ready ? "" : a->why_not);
	cJSON_AddBoolToObject(json, "synced", a->synced);
	cJSON_AddStringToObject(json, "failing", a->failing);
	add_options(a, json);
	add_devices(a, json);
	cJSON_AddNumberToObject(json, "endpoints", (double)a->registry.n);
	cJSON_AddNumberToObject(json, "identities", a->stats.identities);
	cJSON_AddNumberToObject(json, "maglevTablesMissing", (double)a->tables_missing);
	add_waiting(a, json);
	add_objects(a, json);
	add_watches(a, json);
	add_notices(a, json);
	return json;
}
