/* SPDX-License-Identifier: Apache-2.0 */
/* linnetctl policy list: the cluster's policies, and what they are to this node. */
#include "agent/ctl/ctl.h"
#include "agent/ctl/table.h"
#include "lib/json.h"

static const char usage[] =
	"usage: linnetctl policy list [-n NAMESPACE] [-o json|wide]\n"
	"Prints the policies that the agent knows. PODS: how many of this node they select. "
	"STATE:\n"
	"  ready            as it is meant\n"
	"  partly           parts of it are not understood or not supported: they allow nothing\n"
	"  not-programmed   it does not fit into the maps: pods that it selects are closed\n"
	"  -n, --namespace NAMESPACE   only NetworkPolicies of this namespace\n"
	"  -o wide                     what is wrong with it, too\n";

static int number(const cJSON *json, const char *key)
{
	const cJSON *item = lnt_json_get(json, key);

	return cJSON_IsNumber(item) ? item->valueint : 0;
}

static const char *state_of(const cJSON *policy)
{
	if (!cJSON_IsTrue(lnt_json_get(policy, "programmed")))
		return "not-programmed";
	return cJSON_GetArraySize(lnt_json_get(policy, "problems")) ? "partly" : "ready";
}

static const char *directions_of(const cJSON *policy)
{
	bool in = cJSON_IsTrue(lnt_json_get(policy, "ingress"));
	bool out = cJSON_IsTrue(lnt_json_get(policy, "egress"));

	return in && out ? "ingress,egress" : in ? "ingress" : out ? "egress" : "";
}

static void add(void *ctx, cJSON *policy)
{
	const cJSON *problems = lnt_json_get(policy, "problems");
	char priority[16] = "", rules[16], pods[16], why[1024] = "";
	struct ctl_table *t = ctx;
	const char *state = state_of(policy);
	int n = cJSON_GetArraySize(problems);

	cJSON_AddStringToObject(policy, "state", state);
	if (lnt_json_get(policy, "priority"))
		snprintf(priority, sizeof(priority), "%d", number(policy, "priority"));
	snprintf(rules, sizeof(rules), "%d",
		number(policy, "ingressRules") + number(policy, "egressRules"));
	snprintf(pods, sizeof(pods), "%d", number(policy, "podsHere"));
	if (n)
		snprintf(why, sizeof(why), "%s%s", cJSON_GetStringValue(problems->child),
			n > 1 ? "; ..." : "");
	ctl_table_row(t,
		(const char *const[]){ctl_text(policy, "namespace"), ctl_text(policy, "name"),
			ctl_text(policy, "tier"), priority, directions_of(policy), rules, pods,
			state, why, NULL});
}

int ctl_policy_list(struct ctl *c, int argc, char **argv)
{
	static const char *const head[] = {"NAMESPACE", "NAME", "TIER", "PRIORITY", "DIRECTIONS",
		"RULES", "PODS", "STATE", NULL};
	static const char *const head_wide[] = {"NAMESPACE", "NAME", "TIER", "PRIORITY",
		"DIRECTIONS", "RULES", "PODS", "STATE", "PROBLEM", NULL};
	_cleanup_(ctl_table_clear) struct ctl_table t = {};
	const char *ns;
	int code;

	if (!ctl_options_namespace(c, argc, argv, usage, &ns, &code))
		return code;
	ctl_table_head(&t, c->wide ? head_wide : head);
	code = ctl_list(c, "policies", ns, add, &t);
	if (!c->json && code != CTL_FAILED)
		ctl_table_print(&t, stdout);
	return code;
}
