/* SPDX-License-Identifier: Apache-2.0 */
/* linnetctl status: whether this node's linnet is well, and what it has. */
#include "agent/ctl/status.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/table.h"
#include "datapath/abi.h"
#include "lib/json.h"
#include "lib/version.h"

#include <string.h>
#include <sys/utsname.h>

static const char usage[] =
	"usage: linnetctl status [-o json|wide]\n"
	"Prints whether this node's linnet is well: the agent, its watches of the API server, the\n"
	"programs that are attached and the maps. Without an agent it tells what the kernel has.\n"
	"Exits with 0 if all is well, 1 if it names a problem, 3 if no agent answers.\n"
	"  -o wide   every device and map, and what each map is\n";

/* --- JSON ------------------------------------------------------------------------------------- */

static cJSON *attachments_json(const struct ctl_kernel *k)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < k->n_attachments; i++) {
		const struct ctl_attachment *at = &k->attachments[i];
		cJSON *item = cJSON_CreateObject();

		cJSON_AddStringToObject(item, "program", at->prog);
		cJSON_AddNumberToObject(item, "id", at->id);
		cJSON_AddStringToObject(item, "hook", at->hook);
		if (*at->device)
			cJSON_AddStringToObject(item, "device", at->device);
		cJSON_AddBoolToObject(item, "attached", at->attached);
		cJSON_AddBoolToObject(item, "current", at->current);
		cJSON_AddItemToArray(list, item);
	}
	return list;
}

static cJSON *maps_json(const struct ctl_kernel *k)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < k->n_maps; i++) {
		const struct ctl_map *m = &k->maps[i];
		cJSON *item = cJSON_CreateObject();

		cJSON_AddStringToObject(item, "map", m->name);
		cJSON_AddStringToObject(item, "type", m->type);
		if (m->counted)
			cJSON_AddNumberToObject(item, "entries", (double)m->entries);
		cJSON_AddNumberToObject(item, "max", m->max);
		cJSON_AddNumberToObject(item, "bytes", (double)m->bytes);
		cJSON_AddItemToArray(list, item);
	}
	return list;
}

static cJSON *kernel_json(const struct ctl_found *f)
{
	cJSON *json = cJSON_CreateObject(), *progs;
	struct utsname u = {};

	uname(&u);
	cJSON_AddStringToObject(json, "release", u.release);
	cJSON_AddStringToObject(json, "bpfRoot", f->bpf_root);
	cJSON_AddNumberToObject(json, "abi", LNT_ABI_VERSION);
	progs = cJSON_AddArrayToObject(json, "programs");
	for (size_t i = 0; i < f->kernel.n_progs; i++) {
		cJSON *item = cJSON_CreateObject();

		cJSON_AddStringToObject(item, "program", f->kernel.progs[i].name);
		cJSON_AddNumberToObject(item, "id", f->kernel.progs[i].id);
		cJSON_AddItemToArray(progs, item);
	}
	cJSON_AddItemToObject(json, "attached", attachments_json(&f->kernel));
	cJSON_AddItemToObject(json, "maps", maps_json(&f->kernel));
	return json;
}

cJSON *ctl_status_json(const struct ctl_found *f)
{
	cJSON *json = cJSON_CreateObject(), *eps;

	cJSON_AddBoolToObject(json, "ok", !cJSON_GetArraySize(f->problems));
	cJSON_AddItemToObject(json, "problems", cJSON_Duplicate(f->problems, true));
	cJSON_AddStringToObject(json, "version", LNT_VERSION);
	cJSON_AddItemToObject(
		json, "agent", f->agent ? cJSON_Duplicate(f->agent, true) : cJSON_CreateNull());
	cJSON_AddItemToObject(json, "kernel", kernel_json(f));
	eps = cJSON_AddObjectToObject(json, "endpoints");
	cJSON_AddNumberToObject(eps, "total", (double)f->n_eps);
	cJSON_AddNumberToObject(eps, "closed", (double)f->n_closed);
	cJSON_AddNumberToObject(eps, "notProgrammed", (double)f->n_missing);
	return json;
}

/* --- text ------------------------------------------------------------------------------------- */

static double number(const cJSON *json, const char *key)
{
	const cJSON *item = lnt_json_get(json, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void print_watches_in_short(const cJSON *agent)
{
	int n = 0, open = 0, absent = 0;
	char age[CTL_AGE_STRLEN];
	double oldest = 0;
	const cJSON *w;

	cJSON_ArrayForEach (w, lnt_json_get(agent, "watches")) {
		const char *state = ctl_text(w, "state");

		n++;
		absent += !strcmp(state, "absent");
		open += !strcmp(state, "open");
		if (!strcmp(state, "open") && number(w, "ageSeconds") > oldest)
			oldest = number(w, "ageSeconds");
	}
	printf("API server     %s, %s; %d of %d watches open, the quietest heard of %s ago\n",
		ctl_text(agent, "apiServer"),
		cJSON_IsTrue(lnt_json_get(agent, "synced")) ? "synced" : "not synced", open,
		n - absent, ctl_age(oldest, age));
}

static void print_masquerade(const cJSON *agent)
{
	const cJSON *list = lnt_json_get(agent, "masqueradeAddresses"), *item;

	fputs("Masquerade     ", stdout);
	if (!cJSON_IsTrue(lnt_json_get(agent, "masquerade")))
		fputs("off", stdout);
	cJSON_ArrayForEach (item, list)
		printf("%s%s", item == list->child ? "" : ", ", cJSON_GetStringValue(item));
	putchar('\n');
}

static void print_xdp(const cJSON *agent)
{
	const cJSON *list = lnt_json_get(agent, "xdp"), *item;

	fputs("XDP            ", stdout);
	if (!cJSON_GetArraySize(list))
		fputs("off", stdout);
	cJSON_ArrayForEach (item, list) {
		const char *why = ctl_text(item, "why");

		printf("%s%s on %s%s%s%s", item == list->child ? "" : "; ", ctl_text(item, "mode"),
			ctl_text(item, "device"), *why ? " (" : "", why, *why ? ")" : "");
	}
	putchar('\n');
}

static void print_agent(const struct ctl_found *f)
{
	const cJSON *a = f->agent;
	char age[CTL_AGE_STRLEN];

	if (!a) {
		puts("Agent          none answers");
		return;
	}
	printf("Node           %s\n", ctl_text(a, "node"));
	printf("Agent          %s, version %s, up %s, process %.0f\n",
		cJSON_IsTrue(lnt_json_get(a, "ready")) ? "ready" : "not ready",
		ctl_text(a, "version"), ctl_age(number(a, "uptimeSeconds"), age), number(a, "pid"));
	print_watches_in_short(a);
	print_masquerade(a);
	printf("Load balancer  %s\n", ctl_text(a, "loadbalancerMode"));
	print_xdp(a);
	printf("Policy audit   %s\n",
		cJSON_IsTrue(lnt_json_get(a, "policyAudit")) ? "on: nothing is denied" : "off");
}

static void print_notices(const cJSON *agent)
{
	const cJSON *list = lnt_json_get(agent, "notices"), *n;
	int shown = cJSON_GetArraySize(list);

	if (!shown)
		return;
	puts("\nNotices of objects:");
	cJSON_ArrayForEach (n, list)
		printf("  %s %s: %s: %s\n", ctl_text(n, "kind"), ctl_text(n, "object"),
			ctl_text(n, "reason"), ctl_text(n, "text"));
	if (number(agent, "noticesTotal") > shown)
		printf("  and %.0f more, in the agent's log\n",
			number(agent, "noticesTotal") - shown);
}

/* Each device, or in short how many there are. */
static void print_programs(const struct ctl_kernel *k, bool wide)
{
	static const char *const head[] = {"PROGRAM", "HOOK", "AT", "ID", "STATE", NULL};
	_cleanup_(ctl_table_clear) struct ctl_table t = {};

	ctl_table_head(&t, head);
	for (size_t i = 0, same; i < k->n_attachments; i += same) {
		const struct ctl_attachment *at = &k->attachments[i];
		char where[64], id[16];

		for (same = 1; !wide && i + same < k->n_attachments; same++) {
			const struct ctl_attachment *next = at + same;

			if (next->id != at->id || next->hook != at->hook ||
				next->attached != at->attached)
				break;
		}
		snprintf(where, sizeof(where), "%s", *at->device ? at->device : "cgroup");
		if (same > 1)
			snprintf(where, sizeof(where), "%zu devices", same);
		snprintf(id, sizeof(id), "%u", at->id);
		ctl_table_row(&t,
			(const char *const[]){at->prog, at->hook, where, id,
				!at->attached	      ? "gone"
					: at->current ? "attached"
						      : "old",
				NULL});
	}
	putchar('\n');
	ctl_table_print(&t, stdout);
}

static void print_maps(const struct ctl_kernel *k, bool wide)
{
	static const char *const head[] = {"MAP", "ENTRIES", "MAX", "USED", "TYPE", "MEMORY", NULL};
	static const char *const head_short[] = {"MAP", "ENTRIES", "MAX", "USED", NULL};
	_cleanup_(ctl_table_clear) struct ctl_table t = {};

	ctl_table_head(&t, wide ? head : head_short);
	for (size_t i = 0; i < k->n_maps; i++) {
		const struct ctl_map *m = &k->maps[i];
		char entries[24] = "-", max[16], used[16] = "-", bytes[CTL_SIZE_STRLEN];

		if (!wide && !m->counted)
			continue;
		snprintf(max, sizeof(max), "%u", m->max);
		if (m->counted) {
			snprintf(entries, sizeof(entries), "%llu", (unsigned long long)m->entries);
			snprintf(used, sizeof(used), "%.0f%%",
				m->max ? 100.0 * (double)m->entries / m->max : 0);
		}
		ctl_table_row(&t,
			(const char *const[]){m->name, entries, max, used, m->type,
				ctl_size((double)m->bytes, bytes), NULL});
	}
	putchar('\n');
	ctl_table_print(&t, stdout);
}

static void print_watches(const cJSON *agent)
{
	static const char *const head[] = {
		"WATCH", "STATE", "AGE", "OBJECTS", "EVENTS", "RELISTS", "ERRORS", NULL};
	_cleanup_(ctl_table_clear) struct ctl_table t = {};
	const cJSON *w;

	ctl_table_head(&t, head);
	cJSON_ArrayForEach (w, lnt_json_get(agent, "watches")) {
		char age[CTL_AGE_STRLEN], n[4][24];

		snprintf(n[0], sizeof(n[0]), "%.0f",
			number(lnt_json_get(agent, "objects"), ctl_text(w, "resource")));
		snprintf(n[1], sizeof(n[1]), "%.0f", number(w, "events"));
		snprintf(n[2], sizeof(n[2]), "%.0f", number(w, "relists"));
		snprintf(n[3], sizeof(n[3]), "%.0f", number(w, "errors"));
		ctl_table_row(&t,
			(const char *const[]){ctl_text(w, "resource"), ctl_text(w, "state"),
				ctl_age(number(w, "ageSeconds"), age), n[0], n[1], n[2], n[3],
				NULL});
	}
	putchar('\n');
	ctl_table_print(&t, stdout);
}

void ctl_status_print(const struct ctl_found *f, bool wide)
{
	struct utsname u = {};
	const cJSON *p;

	uname(&u);
	print_agent(f);
	printf("Kernel         %s, ABI %u, pins in %s\n", u.release, LNT_ABI_VERSION, f->bpf_root);
	printf("Endpoints      %zu (%zu closed, %zu not programmed, %d waiting)\n", f->n_eps,
		f->n_closed, f->n_missing, cJSON_GetArraySize(lnt_json_get(f->agent, "waiting")));
	if (f->kernel.n_attachments)
		print_programs(&f->kernel, wide);
	if (f->kernel.n_maps)
		print_maps(&f->kernel, wide);
	if (f->agent)
		print_watches(f->agent);
	print_notices(f->agent);
	puts(cJSON_GetArraySize(f->problems) ? "\nProblems:" : "\nProblems: none");
	cJSON_ArrayForEach (p, f->problems)
		printf("  %s: %s\n", ctl_text(p, "problem"), ctl_text(p, "text"));
}

int ctl_status(struct ctl *c, int argc, char **argv)
{
	_cleanup_(ctl_found_clear) struct ctl_found f = {};
	_cleanup_json_ cJSON *agent = NULL;
	int code;

	if (!ctl_options_only(c, argc, argv, usage, &code))
		return code;
	f.agent = agent = ctl_get(c, "status");
	f.bpf_root = ctl_bpf_root(c, agent);
	ctl_status_find(&f, c->run_dir);
	ctl_status_judge(&f);
	if (c->json)
		ctl_print_json(ctl_status_json(&f));
	else
		ctl_status_print(&f, c->wide);
	if (!agent)
		return CTL_ABSENT;
	return cJSON_GetArraySize(f.problems) ? CTL_DENIED : CTL_OK;
}
