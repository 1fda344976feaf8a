/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of pod_policies.h. */
#include "agent/explain/pod_policies.h"
#include "agent/explain/applies.h"
#include "agent/explain/words.h"
#include "lib/cleanup.h"

static void add_rules(
	cJSON *list, const struct lnt_netpol_rule *rules, size_t n, enum lnt_direction dir)
{
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, lnt_rule_json(&rules[i], dir));
}

static cJSON *policy_json(const struct lnt_netpol *p)
{
	cJSON *json = cJSON_CreateObject(), *rules;
	char name[LNT_POLICY_NAME_STRLEN];

	cJSON_AddStringToObject(json, "name", lnt_policy_name(p, name));
	cJSON_AddStringToObject(json, "tier", lnt_tier_text(p->tier));
	if (p->tier != LNT_TIER_NETWORK)
		cJSON_AddNumberToObject(json, "priority", p->priority);
	cJSON_AddBoolToObject(json, "ingress", p->ingress);
	cJSON_AddBoolToObject(json, "egress", p->egress);
	if (p->unsupported)
		cJSON_AddStringToObject(json, "unsupported", p->unsupported);
	rules = cJSON_AddArrayToObject(json, "rules");
	/* Rules of a direction that policyTypes leaves out say nothing. */
	if (p->ingress)
		add_rules(rules, p->ingress_rules, p->n_ingress_rules, LNT_INGRESS);
	if (p->egress)
		add_rules(rules, p->egress_rules, p->n_egress_rules, LNT_EGRESS);
	return json;
}

cJSON *lnt_pod_policies_json(const struct lnt_store *st, const struct lnt_pod *pod, bool audit)
{
	_cleanup_free_ const struct lnt_netpol **list = NULL;
	const struct lnt_namespace *ns = (const struct lnt_namespace *)lnt_store_get(
		st, LNT_KIND_NAMESPACE, "", pod->meta.ns);
	bool isolated[2] = {false, false};
	char name[LNT_POLICY_NAME_STRLEN];
	cJSON *json, *policies;
	size_t n;

	if (lnt_policies_of_pod(st, pod, &list, &n))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		isolated[LNT_INGRESS] |= lnt_policy_isolates(list[i], LNT_INGRESS);
		isolated[LNT_EGRESS] |= lnt_policy_isolates(list[i], LNT_EGRESS);
	}
	json = cJSON_CreateObject();
	snprintf(name, sizeof(name), "%s/%s", pod->meta.ns, pod->meta.name);
	cJSON_AddStringToObject(json, "pod", name);
	cJSON_AddStringToObject(json, "node", pod->node ? pod->node : "");
	cJSON_AddBoolToObject(json, "hostNetwork", pod->host_network);
	cJSON_AddBoolToObject(json, "audit", audit || (ns && ns->audit));
	cJSON_AddBoolToObject(json, "ingressIsolated", isolated[LNT_INGRESS]);
	cJSON_AddBoolToObject(json, "egressIsolated", isolated[LNT_EGRESS]);
	policies = cJSON_AddArrayToObject(json, "policies");
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(policies, policy_json(list[i]));
	return json;
}
