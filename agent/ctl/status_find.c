/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is there, and what is wrong with it (status.h): the agent says what it means to do, the
 * plugin's records which pods there are, and the kernel is asked whether it is so.
 */
#include "agent/ctl/ctl.h"
#include "agent/ctl/status.h"
#include "datapath/abi.h"
#include "lib/json.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define NAMED_MAX 20 /* pods of one problem */

static void problem(struct ctl_found *f, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void problem(struct ctl_found *f, const char *word, const char *fmt, ...)
{
	cJSON *json = cJSON_CreateObject();
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cJSON_AddStringToObject(json, "problem", word);
	cJSON_AddStringToObject(json, "text", text);
	cJSON_AddItemToArray(f->problems, json);
}

/* --- what is there ---------------------------------------------------------------------------- */

/* Stale records wait for their DEL. */
static void find_endpoints(struct ctl_found *f, const char *run_dir)
{
	struct lnt_err e = {};
	size_t n = 0, kept = 0;

	if (lnt_endpoint_load_all(run_dir, &e, &f->eps, &n))
		problem(f, "records-unreadable", "%s", e.msg);
	for (size_t i = 0; i < n; i++)
		if (if_nametoindex(f->eps[i].host_ifname) == f->eps[i].host_ifindex)
			f->eps[kept++] = f->eps[i];
	f->n_eps = kept;
}

void ctl_status_find(struct ctl_found *f, const char *run_dir)
{
	struct lnt_err e = {};

	f->problems = cJSON_CreateArray();
	f->kernel_error = ctl_kernel_read(f->bpf_root, &e, &f->kernel);
	if (f->kernel_error == -ENOENT)
		problem(f, "nothing-pinned", "no programs of ABI %u are pinned below %s",
			LNT_ABI_VERSION, f->bpf_root);
	else if (f->kernel_error)
		problem(f, "kernel-unreadable", "%s", e.msg);
	find_endpoints(f, run_dir);
}

void ctl_found_clear(struct ctl_found *f)
{
	ctl_kernel_clear(&f->kernel);
	free(f->eps);
	cJSON_Delete(f->problems);
}

/* --- what is wrong ---------------------------------------------------------------------------- */

static double number(const cJSON *json, const char *key)
{
	const cJSON *item = lnt_json_get(json, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void judge_watches(struct ctl_found *f)
{
	const cJSON *w;

	cJSON_ArrayForEach (w, lnt_json_get(f->agent, "watches")) {
		const char *state = ctl_text(w, "state"), *why = ctl_text(w, "lastError");

		/* Servers end a watch every few minutes; then the next is opened. */
		if (!strcmp(state, "broken") && (*why || number(w, "ageSeconds") > CTL_SILENT))
			problem(f, "watch-broken", "no watch of %s is open: %s",
				ctl_text(w, "resource"), *why ? why : "it is being opened");
		else if (!strcmp(state, "open") && number(w, "ageSeconds") > CTL_SILENT)
			problem(f, "watch-silent", "the API server has not told of %s for %.0f s",
				ctl_text(w, "resource"), number(w, "ageSeconds"));
	}
}

/* Of the notices those that are the node's fault and not the object's. */
static void judge_notices(struct ctl_found *f)
{
	const cJSON *n;

	cJSON_ArrayForEach (n, lnt_json_get(f->agent, "notices")) {
		const char *reason = ctl_text(n, "reason");

		if (!strcmp(reason, "NotProgrammed") ||
			!strcmp(reason, "FailedToStartServiceHealthcheck"))
			problem(f, "not-served", "%s %s: %s", ctl_text(n, "kind"),
				ctl_text(n, "object"), ctl_text(n, "text"));
	}
}

static void judge_agent(struct ctl_found *f)
{
	if (!f->agent) {
		problem(f, "no-agent",
			"no agent answers: what is in the kernel goes on; new pods wait, and "
			"nothing follows the cluster's changes");
		return;
	}
	if (!cJSON_IsTrue(lnt_json_get(f->agent, "ready")))
		problem(f, "not-ready", "the agent is not ready: %s",
			ctl_text(f->agent, "whyNotReady"));
	if (*ctl_text(f->agent, "failing"))
		problem(f, "failing", "the agent tries again what has failed: %s",
			ctl_text(f->agent, "failing"));
	if (number(f->agent, "abi") != LNT_ABI_VERSION)
		problem(f, "other-abi", "the agent's maps are of ABI %.0f, linnetctl reads %u",
			number(f->agent, "abi"), LNT_ABI_VERSION);
	if (number(f->agent, "maglevTablesMissing") > 0)
		problem(f, "maglev-missing",
			"%.0f set(s) of backends have no Maglev table: nodes balance them each in "
			"their own way",
			number(f->agent, "maglevTablesMissing"));
	judge_watches(f);
	judge_notices(f);
}

static void expect(struct ctl_found *f, const char *prog, const char *device, const char *where)
{
	if (!ctl_kernel_find(&f->kernel, prog, device))
		problem(f, "not-attached", "%s is not attached to %s", prog, where);
}

/* Pods' devices, the node's, and the socket hooks. */
static void judge_programs(struct ctl_found *f)
{
	const cJSON *item;

	for (size_t i = 0; i < f->n_eps; i++) {
		const struct lnt_endpoint *ep = &f->eps[i];
		char where[3 * LNT_K8S_NAME_MAX];

		snprintf(where, sizeof(where), "%s of %s/%s", ep->host_ifname, ep->pod_ns,
			ep->pod_name);
		expect(f, "from_pod", ep->host_ifname, where);
		expect(f, "to_pod", ep->host_ifname, where);
	}
	for (size_t i = 0; i < f->kernel.n_progs; i++)
		if (f->kernel.progs[i].cgroup)
			expect(f, f->kernel.progs[i].name, "", "the cgroup");
	cJSON_ArrayForEach (item, lnt_json_get(f->agent, "devices")) {
		const char *device = cJSON_GetStringValue(item);

		expect(f, "from_node", device, device);
		if (cJSON_IsTrue(lnt_json_get(f->agent, "toNode")))
			expect(f, "to_node", device, device);
	}
	cJSON_ArrayForEach (item, lnt_json_get(f->agent, "xdp"))
		if (strcmp(ctl_text(item, "mode"), "off") != 0)
			expect(f, "xdp_node", ctl_text(item, "device"), ctl_text(item, "device"));
	for (size_t i = 0; i < f->kernel.n_attachments; i++) {
		const struct ctl_attachment *at = &f->kernel.attachments[i];

		if (at->attached && !at->current)
			problem(f, "old-program",
				"%s at %s%s%s is not the program that is pinned (number %u)",
				at->prog, at->hook, *at->device ? " of " : "", at->device, at->id);
	}
}

static void judge_maps(struct ctl_found *f)
{
	for (size_t i = 0; i < f->kernel.n_maps; i++) {
		const struct ctl_map *m = &f->kernel.maps[i];

		/* Eight devices are all there may be. */
		if (m->counted && !m->lru && (double)m->entries >= CTL_FULL * m->max &&
			strcmp(m->name, "xdp_out") != 0)
			problem(f, "map-full", "map %s has %llu of %u entries", m->name,
				(unsigned long long)m->entries, m->max);
	}
}

struct pods {
	struct ctl_found *f;
	struct lnt_endpoint_value *values; /* of each of @f's endpoints */
	bool *found;
};

static bool see_entry(void *ctx, const void *key, const void *value)
{
	const struct lnt_endpoint_value *v = value;
	struct pods *p = ctx;

	for (size_t i = 0; i < p->f->n_eps; i++) {
		if (p->f->eps[i].host_ifindex != v->ifindex)
			continue;
		p->found[i] = true;
		p->values[i] = *v;
	}
	return true;
}

static bool is_waiting(const struct ctl_found *f, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, lnt_json_get(f->agent, "waiting"))
		if (!strcmp(cJSON_GetStringValue(item), name))
			return true;
	return false;
}

static void judge_pod(struct ctl_found *f, const struct lnt_endpoint *ep, bool found, bool closed)
{
	char name[2 * LNT_K8S_NAME_MAX];

	snprintf(name, sizeof(name), "%s%s%s", ep->pod_ns, *ep->pod_ns ? "/" : "",
		*ep->pod_name ? ep->pod_name : ep->container_id);
	if (closed && ++f->n_closed <= NAMED_MAX)
		problem(f, "closed",
			"%s is closed: its policy does not fit into the maps, only the node "
			"reaches it",
			name);
	if (found || is_waiting(f, name))
		return;
	if (++f->n_missing <= NAMED_MAX)
		problem(f, "not-programmed",
			"%s (%s) is not in the maps: nothing passes. Is there such a pod in the "
			"API?",
			name, ep->host_ifname);
}

static void judge_endpoints(struct ctl_found *f)
{
	struct pods p = {
		.f = f,
		.values = calloc(f->n_eps + 1, sizeof(*p.values)),
		.found = calloc(f->n_eps + 1, sizeof(*p.found)),
	};
	struct lnt_err e = {};
	uint64_t n;

	if (!p.values || !p.found || ctl_map_walk(f->bpf_root, "endpoints", see_entry, &p, &e, &n))
		problem(f, "kernel-unreadable", "%s", e.err ? e.msg : "out of memory");
	else
		for (size_t i = 0; i < f->n_eps; i++)
			judge_pod(f, &f->eps[i], p.found[i], p.values[i].flags & LNT_EP_CLOSED);
	free(p.values);
	free(p.found);
}

void ctl_status_judge(struct ctl_found *f)
{
	judge_agent(f);
	if (f->kernel_error)
		return;
	judge_programs(f);
	judge_maps(f);
	judge_endpoints(f);
}
