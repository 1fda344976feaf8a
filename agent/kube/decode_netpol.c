/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NetworkPolicies (networking.k8s.io/v1). What is not understood is written into `unsupported` and
 * never allows anything:
 *
 *   a peer or port      is left out; when no peer (or no port) of a rule remains, the whole rule is
 *                       left out, because an empty list would mean "any"
 *   a field of a rule   leaves out that rule: the field may have narrowed it
 *   a field of the spec leaves out every rule, the isolation stays
 *   policyTypes         isolates both directions; only the rules of a direction that is named for
 *                       certain remain
 *   podSelector         selects all pods of the namespace and leaves out every rule: a rule must
 * not allow traffic to a pod that it was not written for
 *
 * Rules of a direction that the policy does not have are left out too; they never have an effect.
 */
#include "agent/kube/decode_selector.h"
#include "lib/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* --- peers and ports -------------------------------------------------------------------------- */

static bool decode_block(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_netpol_peer *peer)
{
	static const char *const known[] = {"cidr", "except", NULL};
	const char *cidr = lnt_json_text(json, "cidr"), *text;
	const cJSON *list = lnt_json_get(json, "except"), *item;

	if (!lnt_only_known(n, json, path, known))
		return false;
	if (list && !cJSON_IsArray(list)) {
		lnt_note(n, "%s: except is no list", path);
		return false;
	}
	if (!cidr || lnt_prefix_parse(cidr, &peer->block)) {
		lnt_note(n, "%s: cidr '%.64s' is no prefix", path, cidr ?: "");
		return false;
	}
	if (cJSON_GetArraySize(list)) {
		peer->except = calloc(cJSON_GetArraySize(list), sizeof(*peer->except));
		if (!peer->except) {
			n->oom = true;
			return false;
		}
	}
	cJSON_ArrayForEach (item, list) {
		text = cJSON_GetStringValue(item);
		if (!text || lnt_prefix_parse(text, &peer->except[peer->n_except])) {
			lnt_note(n, "%s: except '%.64s' is no prefix", path, text ?: "");
			return false;
		}
		peer->n_except++;
	}
	return true;
}

static bool decode_peer(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_netpol_peer *peer)
{
	static const char *const known[] = {"namespaceSelector", "podSelector", "ipBlock", NULL};
	const cJSON *namespaces = lnt_json_get(json, "namespaceSelector");
	const cJSON *pods = lnt_json_get(json, "podSelector");
	const cJSON *block = lnt_json_get(json, "ipBlock");

	if (!lnt_only_known(n, json, path, known))
		return false;
	/* Also what a peer of a newer API looks like to an older reader: it matches nothing. */
	if (!namespaces && !pods && !block) {
		lnt_note(n, "%s: no peer", path);
		return false;
	}
	if (block && (namespaces || pods)) {
		lnt_note(n, "%s: ipBlock beside a selector", path);
		return false;
	}
	peer->has_namespaces = namespaces;
	peer->has_pods = pods;
	peer->has_block = block;
	return (!namespaces || lnt_decode_selector(n, namespaces, path, &peer->namespaces)) &&
		(!pods || lnt_decode_selector(n, pods, path, &peer->pods)) &&
		(!block || decode_block(n, block, path, peer));
}

static bool decode_port_number(struct lnt_notes *n, const cJSON *port, const cJSON *end,
	const char *path, struct lnt_netpol_port *ret_port)
{
	long first, last = 0;

	if (!lnt_json_int(port, 1, 65535, &first) || (end && !lnt_json_int(end, 1, 65535, &last))) {
		lnt_note(n, "%s: port or endPort is no port", path);
		return false;
	}
	if (end && last < first) {
		lnt_note(n, "%s: endPort is below port", path);
		return false;
	}
	ret_port->port = (uint16_t)first;
	ret_port->end_port = (uint16_t)last;
	return true;
}

static bool decode_port(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_netpol_port *ret_port)
{
	static const char *const known[] = {"protocol", "port", "endPort", NULL};
	const cJSON *port = lnt_json_get(json, "port"), *end = lnt_json_get(json, "endPort");
	const char *name = cJSON_GetStringValue(port);

	if (!lnt_only_known(n, json, path, known))
		return false;
	if (!lnt_json_proto(lnt_json_get(json, "protocol"), &ret_port->proto)) {
		lnt_note(n, "%s: unknown protocol", path);
		return false;
	}
	if (!port && !end)
		return true;
	if (!cJSON_IsString(port))
		return decode_port_number(n, port, end, path, ret_port);
	if (end || !lnt_decode_is_port_name(name)) {
		lnt_note(n, "%s: named port with endPort, or no port name", path);
		return false;
	}
	ret_port->name = lnt_intern(name);
	n->oom |= !ret_port->name;
	return ret_port->name;
}

/* --- rules ------------------------------------------------------------------------------------ */

/* A list that is present and has elements must keep one, or the rule would match more. */
static bool decode_peers(
	struct lnt_notes *n, const cJSON *list, const char *path, struct lnt_netpol_rule *rule)
{
	struct lnt_netpol_peer *peer;
	const cJSON *item;
	char at[64];
	int i = 0;

	if (list && !cJSON_IsArray(list)) {
		lnt_note(n, "%s: no list", path);
		return false;
	}
	if (!cJSON_GetArraySize(list))
		return true;
	rule->peers = calloc(cJSON_GetArraySize(list), sizeof(*rule->peers));
	n->oom |= !rule->peers;
	if (!rule->peers)
		return false;
	cJSON_ArrayForEach (item, list) {
		snprintf(at, sizeof(at), "%s[%d]", path, i++);
		peer = &rule->peers[rule->n_peers];
		if (decode_peer(n, item, at, peer))
			rule->n_peers++;
		else
			lnt_netpol_peer_clear(peer);
	}
	return rule->n_peers > 0;
}

static bool decode_ports(
	struct lnt_notes *n, const cJSON *list, const char *path, struct lnt_netpol_rule *rule)
{
	struct lnt_netpol_port *port;
	const cJSON *item;
	char at[64];
	int i = 0;

	if (list && !cJSON_IsArray(list)) {
		lnt_note(n, "%s: no list", path);
		return false;
	}
	if (!cJSON_GetArraySize(list))
		return true;
	rule->ports = calloc(cJSON_GetArraySize(list), sizeof(*rule->ports));
	n->oom |= !rule->ports;
	if (!rule->ports)
		return false;
	cJSON_ArrayForEach (item, list) {
		snprintf(at, sizeof(at), "%s[%d]", path, i++);
		port = &rule->ports[rule->n_ports];
		if (decode_port(n, item, at, port))
			rule->n_ports++;
		else
			*port = (struct lnt_netpol_port){};
	}
	return rule->n_ports > 0;
}

/* @peers: "from" or "to". */
static bool decode_rule(struct lnt_notes *n, const cJSON *json, const char *path, const char *peers,
	struct lnt_netpol_rule *rule)
{
	const char *const known[] = {peers, "ports", NULL};
	char at[48];

	if (!lnt_only_known(n, json, path, known))
		return false;
	snprintf(at, sizeof(at), "%s.%s", path, peers);
	if (!decode_peers(n, lnt_json_get(json, peers), at, rule))
		return false;
	snprintf(at, sizeof(at), "%s.ports", path);
	return decode_ports(n, lnt_json_get(json, "ports"), at, rule);
}

static void decode_rules(struct lnt_notes *n, const cJSON *spec, const char *direction,
	const char *peers, struct lnt_netpol_rule **ret_rules, size_t *ret_n)
{
	const cJSON *list = lnt_json_get(spec, direction), *item;
	struct lnt_netpol_rule *rules;
	size_t n_rules = 0;
	char path[32];
	int i = 0;

	if (list && !cJSON_IsArray(list)) {
		lnt_note(n, "%s: no list", direction);
		return;
	}
	if (!cJSON_GetArraySize(list))
		return;
	rules = calloc(cJSON_GetArraySize(list), sizeof(*rules));
	n->oom |= !rules;
	if (!rules)
		return;
	cJSON_ArrayForEach (item, list) {
		rules[n_rules].index = (uint32_t)i;
		snprintf(path, sizeof(path), "%s[%d]", direction, i++);
		if (decode_rule(n, item, path, peers, &rules[n_rules]))
			n_rules++;
		else
			lnt_netpol_rule_clear(&rules[n_rules]);
	}
	*ret_rules = rules;
	*ret_n = n_rules;
}

/* --- the policy ------------------------------------------------------------------------------- */

struct directions {
	bool ingress, egress; /* isolated */
	bool ingress_sure, egress_sure;
};

static struct directions decode_types(struct lnt_notes *n, const cJSON *spec)
{
	const cJSON *types = lnt_json_get(spec, "policyTypes"), *item;
	const cJSON *egress = lnt_json_get(spec, "egress");
	struct directions d = {};
	bool sure = true;

	/* Absent or empty: Ingress, and Egress if there are egress rules (NetworkPolicySpec). */
	if (!types || (cJSON_IsArray(types) && !cJSON_GetArraySize(types))) {
		d.ingress = d.ingress_sure = true;
		d.egress = d.egress_sure =
			egress && (!cJSON_IsArray(egress) || cJSON_GetArraySize(egress));
		return d;
	}
	cJSON_ArrayForEach (item, lnt_json_list(spec, "policyTypes")) {
		if (cJSON_IsString(item) && !strcmp(item->valuestring, "Ingress"))
			d.ingress = d.ingress_sure = true;
		else if (cJSON_IsString(item) && !strcmp(item->valuestring, "Egress"))
			d.egress = d.egress_sure = true;
		else
			sure = false;
	}
	if (!sure || !cJSON_IsArray(types)) {
		lnt_note(n, "policyTypes: not understood, both directions are isolated");
		d.ingress = d.egress = true;
	}
	return d;
}

static void decode_spec(struct lnt_notes *n, const cJSON *spec, struct lnt_netpol *obj)
{
	static const char *const known[] = {
		"podSelector", "policyTypes", "ingress", "egress", NULL};
	const cJSON *selector = lnt_json_get(spec, "podSelector");
	struct directions d = decode_types(n, spec);

	obj->ingress = d.ingress;
	obj->egress = d.egress;
	if (selector && !lnt_decode_selector(n, selector, "podSelector", &obj->pods)) {
		lnt_selector_clear(&obj->pods);
		lnt_note(n, "all pods of the namespace are isolated");
		return;
	}
	if (spec && !lnt_only_known(n, spec, "spec", known)) {
		lnt_note(n, "no rule of the policy is used");
		return;
	}
	if (d.ingress_sure)
		decode_rules(
			n, spec, "ingress", "from", &obj->ingress_rules, &obj->n_ingress_rules);
	if (d.egress_sure)
		decode_rules(n, spec, "egress", "to", &obj->egress_rules, &obj->n_egress_rules);
}

int lnt_decode_netpol(const cJSON *json, struct lnt_err *e, struct lnt_netpol *obj)
{
	const cJSON *spec = lnt_json_get(json, "spec");
	struct lnt_notes n = {};

	obj->tier = LNT_TIER_NETWORK;
	if (spec && !cJSON_IsObject(spec)) {
		obj->ingress = obj->egress = true;
		lnt_note(&n, "spec: no object, all pods of the namespace are isolated");
	} else {
		decode_spec(&n, spec, obj);
	}
	return lnt_notes_end(&n, e, &obj->unsupported);
}
