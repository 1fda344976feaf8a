/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of trace.h. */
#include "agent/explain/trace.h"
#include "agent/explain/applies.h"
#include "agent/explain/event.h"
#include "agent/explain/words.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* A connection between two addresses. */
struct trace {
	const struct lnt_trace_env *env;
	const struct lnt_trace_end *src, *dst;
	uint8_t proto;
	bool allowed, audited;
};

static const char *why_text(const struct lnt_end_verdict *v)
{
	switch (v->why) {
	case LNT_WHY_POLICY:
		if (!v->n_steps)
			return "no policy is about it";
		return v->steps[v->n_steps - 1].said == LNT_SILENT ||
				v->steps[v->n_steps - 1].said == LNT_PASS
			? "no rule decides, which allows"
			: "";
	case LNT_WHY_NODE_IN:
		return "a pod's own node always comes in";
	case LNT_WHY_NODE_OUT:
		return "NetworkPolicies do not keep a pod from its own node";
	case LNT_WHY_ISOLATED:
		return "isolated, no rule matched";
	case LNT_WHY_CLOSED:
		return "its policy does not fit into the maps, so it is closed";
	case LNT_WHY_UNPROGRAMMED:
		return "the address is not in the maps (yet)";
	}
	return "";
}

static void add_steps(
	const struct lnt_end_verdict *v, const struct lnt_policy_state *names, cJSON *json)
{
	static const char *const said[] = {
		[LNT_DENY] = "deny", [LNT_ALLOW] = "allow", [LNT_PASS] = "pass"};
	cJSON *list = cJSON_AddArrayToObject(json, "steps");

	for (unsigned i = 0; i < v->n_steps; i++) {
		const struct lnt_verdict_step *s = &v->steps[i];
		cJSON *step = cJSON_CreateObject();

		cJSON_AddStringToObject(step, "tier", lnt_tier_text(s->tier));
		cJSON_AddStringToObject(step, "said",
			s->said >= 0 && s->said < (int)ARRAY_SIZE(said) ? said[s->said]
									: "nothing");
		if (s->rule)
			cJSON_AddStringToObject(step, "rule", lnt_policy_rule_name(names, s->rule));
		cJSON_AddItemToArray(list, step);
	}
}

static void add_isolated_by(
	const struct lnt_store *st, const struct lnt_pod *pod, enum lnt_direction dir, cJSON *json)
{
	_cleanup_free_ const struct lnt_netpol **policies = NULL;
	cJSON *list = cJSON_AddArrayToObject(json, "isolatedBy");
	char name[LNT_POLICY_NAME_STRLEN];
	size_t n = 0;

	if (!pod || lnt_policies_of_pod(st, pod, &policies, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (lnt_policy_isolates(policies[i], dir))
			cJSON_AddItemToArray(
				list, cJSON_CreateString(lnt_policy_name(policies[i], name)));
}

static cJSON *who_json(const struct lnt_trace_end *end, bool target)
{
	static const char *const kinds[] = {
		[LNT_WHO_WORLD] = "world",
		[LNT_WHO_POD] = "pod",
		[LNT_WHO_CONTAINER] = "container",
		[LNT_WHO_NODE] = "node",
	};
	cJSON *json = cJSON_CreateObject();
	char text[LNT_ADDRSTRLEN], name[LNT_POLICY_NAME_STRLEN];

	cJSON_AddStringToObject(json, "address", lnt_addr_str(&end->addr, text));
	if (target && end->port)
		cJSON_AddNumberToObject(json, "port", end->port);
	cJSON_AddStringToObject(json, "kind", kinds[end->kind]);
	snprintf(name, sizeof(name), "%s%s%s", end->ns, end->ns[0] ? "/" : "", end->name);
	if (name[0])
		cJSON_AddStringToObject(json, "name", name);
	return json;
}

/* The policy of @pod's end as its node has it; the caller clears *ret_state. */
static int compile_there(const struct trace *t, const struct lnt_trace_end *pod, struct lnt_err *e,
	struct lnt_policy_state *ret_state)
{
	struct lnt_endpoint ep = {.container_id = "trace", .host_ifindex = 1};
	const struct lnt_policy_params params = {
		.node_name = pod->node, .eps = &ep, .n_eps = 1, .audit = t->env->audit};

	snprintf(ep.pod_ns, sizeof(ep.pod_ns), "%s", pod->ns);
	snprintf(ep.pod_name, sizeof(ep.pod_name), "%s", pod->name);
	ep.n_addrs = (unsigned)pod->pod->n_addrs;
	memcpy(ep.addrs, pod->pod->addrs, sizeof(ep.addrs));
	return lnt_compile_policy(t->env->names.st, &params, e, ret_state);
}

/* Asks one end's policy, and says what came of it. NULL: @e says why not. */
static cJSON *ask_end(struct trace *t, enum lnt_direction dir, struct lnt_err *e)
{
	_cleanup_(lnt_policy_state_clear) struct lnt_policy_state there = {};
	const struct lnt_trace_end *pod = dir == LNT_INGRESS ? t->dst : t->src;
	const struct lnt_trace_end *peer = dir == LNT_INGRESS ? t->src : t->dst;
	bool here = !strcmp(pod->node, t->env->node_name) || !pod->pod;
	const struct lnt_policy_state *names = here ? t->env->compiled : &there;
	struct lnt_policy_source source = t->env->here;
	struct lnt_end_verdict v;
	cJSON *json;

	if (!here) {
		if (compile_there(t, pod, e, &there))
			return NULL;
		source = lnt_source_state(&there);
	}
	lnt_verdict_end(&source, &pod->addr, dir, lnt_verdict_identity(&source, &peer->addr),
		t->proto, htons(t->dst->port), &v);
	t->allowed &= !v.reason || v.audit;
	t->audited |= v.reason && v.audit;
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "direction", dir == LNT_INGRESS ? "ingress" : "egress");
	cJSON_AddItemToObject(json, "of", who_json(pod, false));
	cJSON_AddStringToObject(json, "node", pod->pod ? pod->node : t->env->node_name);
	cJSON_AddStringToObject(json, "source", here ? "maps" : "compiled");
	cJSON_AddBoolToObject(json, "allowed", !v.reason);
	cJSON_AddBoolToObject(json, "audit", v.audit);
	if (v.reason)
		cJSON_AddStringToObject(json, "reason", lnt_drop_text(v.reason));
	if (v.rule)
		cJSON_AddStringToObject(json, "rule", lnt_policy_rule_name(names, v.rule));
	cJSON_AddStringToObject(json, "why", why_text(&v));
	if (v.why == LNT_WHY_ISOLATED)
		add_isolated_by(t->env->names.st, pod->pod, dir, json);
	add_steps(&v, names, json);
	return json;
}

static bool has_policy(const struct lnt_trace_end *end)
{
	return end->kind == LNT_WHO_POD || end->kind == LNT_WHO_CONTAINER;
}

/* The ends in the order in which they are asked; after a no there is nobody left to ask. */
static int ask_ends(struct trace *t, struct lnt_err *e, cJSON *list)
{
	cJSON *end;

	if (has_policy(t->src)) {
		end = ask_end(t, LNT_EGRESS, e);
		if (!end)
			return e->err;
		cJSON_AddItemToArray(list, end);
	}
	if (t->allowed && has_policy(t->dst)) {
		end = ask_end(t, LNT_INGRESS, e);
		if (!end)
			return e->err;
		cJSON_AddItemToArray(list, end);
	}
	return 0;
}

static cJSON *connection_json(struct trace *t, struct lnt_err *e)
{
	bool itself = t->src->pod && t->src->pod == t->dst->pod;
	cJSON *json = cJSON_CreateObject(), *list;
	char proto[LNT_PROTO_STRLEN];

	cJSON_AddNumberToObject(json, "family", lnt_addr_is4(&t->src->addr) ? 4 : 6);
	cJSON_AddStringToObject(json, "protocol", lnt_proto_text(t->proto, proto));
	cJSON_AddItemToObject(json, "source", who_json(t->src, false));
	cJSON_AddItemToObject(json, "destination", who_json(t->dst, true));
	list = cJSON_AddArrayToObject(json, "ends");
	if (!itself && ask_ends(t, e, list)) {
		cJSON_Delete(json);
		return NULL;
	}
	if (itself)
		cJSON_AddStringToObject(json, "why", "a pod may always talk to itself");
	else if (!cJSON_GetArraySize(list))
		cJSON_AddStringToObject(json, "why", "neither end is a pod: no policy is asked");
	cJSON_AddBoolToObject(json, "allowed", t->allowed);
	cJSON_AddBoolToObject(json, "audited", t->audited);
	return json;
}

static int trace_all(const struct lnt_trace_env *env, const struct lnt_trace_end *src,
	const struct lnt_trace_target *target, struct lnt_err *e, cJSON *list, bool *allowed)
{
	bool is4 = lnt_addr_is4(&src->addr);

	for (size_t i = 0; i < target->n; i++) {
		uint8_t icmp = is4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		struct trace t = {
			.env = env,
			.src = src,
			.dst = &target->ends[i],
			.proto = target->proto ? target->proto : icmp,
			.allowed = true,
		};
		cJSON *json;

		if (lnt_addr_is4(&t.dst->addr) != is4)
			continue;
		json = connection_json(&t, e);
		if (!json)
			return e->err;
		cJSON_AddItemToArray(list, json);
		*allowed &= t.allowed;
	}
	return 0;
}

cJSON *lnt_trace_json(const struct lnt_trace_env *env, const char *from, const char *to, int family,
	struct lnt_err *e)
{
	cJSON *json = cJSON_CreateObject(), *list;
	struct lnt_trace_target target;
	struct lnt_trace_end src[2];
	bool allowed = true;
	size_t n;

	if (lnt_trace_source(&env->names, from, e, src, &n) ||
		lnt_trace_target(&env->names, to, e, &target))
		goto fail;
	if (target.service[0])
		cJSON_AddStringToObject(json, "service", target.service);
	if (target.n_left_out)
		cJSON_AddNumberToObject(json, "leftOut", (double)target.n_left_out);
	list = cJSON_AddArrayToObject(json, "connections");
	for (size_t i = 0; i < n; i++)
		if ((!family || family == (lnt_addr_is4(&src[i].addr) ? 4 : 6)) &&
			trace_all(env, &src[i], &target, e, list, &allowed))
			goto fail;
	if (!cJSON_GetArraySize(list)) {
		lnt_err_set(e, -ENOENT, "the two have no addresses of one family%s",
			family ? " that was asked for" : "");
		goto fail;
	}
	cJSON_AddBoolToObject(json, "allowed", allowed);
	return json;
fail:
	cJSON_Delete(json);
	return NULL;
}
