/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterNetworkPolicies (policy.networking.k8s.io/v1alpha2). The API server refuses what its CRD
 * does not know, so what is not understood here comes from a newer CRD, or one that checks less.
 * It is written into `unsupported`, and read so that nothing gets through that the policy may have
 * meant to stop:
 *
 *   a peer, protocol or  an Accept rule matches nothing and is left out, a Deny or Pass rule denies
 *   field of a rule      everything in its direction: what the API asks for. Missing, empty and
 *                        doubled parts that its CRD refuses are among it, as a CRD that was set
 *                        back makes them of fields that it does not know
 *   the action           the rule denies everything
 *   domainNames          not done: matches nothing in an Accept rule, and the API allows it in no
 *                        other
 *   more than 256 rules  the order has eight bits for a rule's index: those from the 256th on are
 *                        one, which denies everything, or is left out if all of them accept
 *   ingress, egress      of another type: denies everything in that direction
 *
 * Of the policy as a whole these leave in doubt what its rules are for. Deny rules stay as they
 * are, Accept rules are left out, and Pass rules deny what they match, because without them an
 * Accept of a later policy could decide instead of a NetworkPolicy:
 *
 *   the tier      is Admin, priority 0: nobody else's Accept comes before its Deny
 *   the priority  is 0, for the same reason
 *   the subject   selects by those requirements that are understood, which is what was meant and
 *                 perhaps more; without any, all pods. That is hard on a cluster for one word, but
 *                 the other reading loses a Deny. Words that are merely wrong are refused by the
 *                 CRD that linnet ships; nodes, their own pods and what the kubelet asks are out of
 *                 the policy's reach, so it can be corrected
 *   other fields  may narrow anything
 *
 * A spec that is no object has no rules, and no effect.
 */
#include "agent/kube/decode_selector.h"
#include "lib/cleanup.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_MAX 1000
#define RULES_MAX    256
#define NAME_MAX_LEN 400 /* API: 100 characters */

static const struct direction {
	const char *rules, *peers;
	const char *known[6]; /* fields of a peer */
} ingress = {"ingress", "from", {"namespaces", "pods"}},
  egress = {"egress", "to", {"namespaces", "pods", "nodes", "networks", "domainNames"}};

/* --- peers ------------------------------------------------------------------------------------ */

/* NamespacedPod. If it is not understood the selectors are wider than was meant. */
static bool decode_pods(struct lnt_notes *n, const cJSON *json, const char *path,
	struct lnt_selector *namespaces, struct lnt_selector *pods)
{
	static const char *const known[] = {"namespaceSelector", "podSelector", NULL};
	const cJSON *of_namespaces = lnt_json_get(json, "namespaceSelector");
	const cJSON *of_pods = lnt_json_get(json, "podSelector");
	bool all = lnt_only_known(n, json, path, known);

	if (!cJSON_IsObject(json))
		return false;
	if (of_namespaces && !lnt_decode_selector(n, of_namespaces, path, namespaces))
		all = false;
	if (!of_pods)
		lnt_note(n, "%s: no podSelector", path);
	return of_pods && lnt_decode_selector(n, of_pods, path, pods) && all;
}

/* Appends one to the rule's. NULL: no memory, noted. */
static struct lnt_netpol_peer *add_peer(struct lnt_notes *n, struct lnt_netpol_rule *rule)
{
	struct lnt_netpol_peer *peers;

	peers = reallocarray(rule->peers, rule->n_peers + 1, sizeof(*peers));
	if (!peers) {
		n->oom = true;
		return NULL;
	}
	rule->peers = peers;
	peers[rule->n_peers] = (struct lnt_netpol_peer){};
	return &peers[rule->n_peers++];
}

static bool decode_networks(
	struct lnt_notes *n, const cJSON *list, const char *path, struct lnt_netpol_rule *rule)
{
	struct lnt_netpol_peer *peer;
	const cJSON *item;

	if (!cJSON_IsArray(list) || !cJSON_GetArraySize(list)) {
		lnt_note(n, "%s.networks: no list, or empty", path);
		return false;
	}
	cJSON_ArrayForEach (item, list) {
		const char *cidr = cJSON_GetStringValue(item);

		peer = add_peer(n, rule);
		if (!peer)
			return false;
		peer->has_block = true;
		if (!cidr || lnt_prefix_parse(cidr, &peer->block)) {
			lnt_note(n, "%s.networks: '%.64s' is no prefix", path, cidr ?: "");
			return false;
		}
	}
	return true;
}

/* The one field that a peer has. NULL: it is not understood, noted. */
static const cJSON *only_field(
	struct lnt_notes *n, const cJSON *json, const char *path, const char *const *known)
{
	const cJSON *field, *only = NULL;
	unsigned n_fields = 0;

	if (!lnt_only_known(n, json, path, known))
		return NULL;
	cJSON_ArrayForEach (field, json) {
		if (cJSON_IsNull(field))
			continue;
		only = field;
		n_fields++;
	}
	if (n_fields == 1)
		return only;
	lnt_note(n, "%s: %u fields and not one", path, n_fields);
	return NULL;
}

static bool decode_domains(struct lnt_notes *n, const char *path, enum lnt_rule_action action)
{
	lnt_note(n, "%s: domainNames are not supported%s", path,
		action == LNT_RULE_ACCEPT ? ", it matches nothing" : "");
	return action == LNT_RULE_ACCEPT;
}

static bool decode_peer(struct lnt_notes *n, const cJSON *json, const char *path,
	const struct direction *d, struct lnt_netpol_rule *rule)
{
	const cJSON *field = only_field(n, json, path, d->known);
	struct lnt_netpol_peer *peer;

	if (!field)
		return false;
	if (!strcmp(field->string, "domainNames"))
		return decode_domains(n, path, rule->action);
	if (!strcmp(field->string, "networks"))
		return decode_networks(n, field, path, rule);
	peer = add_peer(n, rule);
	if (!peer)
		return false;
	if (!strcmp(field->string, "nodes")) {
		peer->has_nodes = true;
		return lnt_decode_selector(n, field, path, &peer->nodes);
	}
	peer->has_namespaces = true;
	if (!strcmp(field->string, "namespaces"))
		return lnt_decode_selector(n, field, path, &peer->namespaces);
	peer->has_pods = true;
	return decode_pods(n, field, path, &peer->namespaces, &peer->pods);
}

static bool decode_peers(struct lnt_notes *n, const cJSON *list, const char *path,
	const struct direction *d, struct lnt_netpol_rule *rule)
{
	const cJSON *item;
	bool all = true;
	char at[64];
	int i = 0;

	if (!cJSON_IsArray(list) || !cJSON_GetArraySize(list)) {
		lnt_note(n, "%s.%s: no list, or empty", path, d->peers);
		return false;
	}
	cJSON_ArrayForEach (item, list) {
		snprintf(at, sizeof(at), "%s.%s[%d]", path, d->peers, i++);
		if (!decode_peer(n, item, at, d, rule))
			all = false;
	}
	return all;
}

/* --- protocols -------------------------------------------------------------------------------- */

static bool decode_range(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_netpol_port *ret_port)
{
	static const char *const known[] = {"start", "end", NULL};
	long first, last;

	if (!lnt_only_known(n, json, path, known))
		return false;
	if (!lnt_json_int(lnt_json_get(json, "start"), 1, 65535, &first) ||
		!lnt_json_int(lnt_json_get(json, "end"), 1, 65535, &last) || last < first) {
		lnt_note(n, "%s: no range of ports", path);
		return false;
	}
	ret_port->port = (uint16_t)first;
	ret_port->end_port = (uint16_t)last;
	return true;
}

static bool decode_port(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_netpol_port *ret_port)
{
	static const char *const outer[] = {"destinationPort", NULL};
	static const char *const inner[] = {"number", "range", NULL};
	const cJSON *port = only_field(n, json, path, outer);
	const cJSON *field = port ? only_field(n, port, path, inner) : NULL;
	long number;

	if (!field)
		return false;
	if (!strcmp(field->string, "range"))
		return decode_range(n, field, path, ret_port);
	if (!lnt_json_int(field, 1, 65535, &number)) {
		lnt_note(n, "%s: no port number", path);
		return false;
	}
	ret_port->port = (uint16_t)number;
	return true;
}

static bool decode_protocol(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_netpol_port *ret_port)
{
	static const char *const known[] = {"tcp", "udp", "sctp", "destinationNamedPort", NULL};
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	const cJSON *field = only_field(n, json, path, known);
	const char *name = cJSON_GetStringValue(field);

	if (!field)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (!strcmp(field->string, known[i])) {
			ret_port->proto = protos[i];
			return decode_port(n, field, path, ret_port);
		}
	}
	if (!name || !lnt_decode_is_port_name(name)) {
		lnt_note(n, "%s: no name of a port", path);
		return false;
	}
	ret_port->name = lnt_intern(name);
	n->oom |= !ret_port->name;
	return ret_port->name;
}

/* Absent: any. */
static bool decode_protocols(
	struct lnt_notes *n, const cJSON *list, const char *path, struct lnt_netpol_rule *rule)
{
	const cJSON *item;
	bool all = true;
	char at[64];
	int i = 0;

	if (!list)
		return true;
	if (!cJSON_IsArray(list) || !cJSON_GetArraySize(list)) {
		lnt_note(n, "%s.protocols: no list, or empty", path);
		return false;
	}
	rule->ports = calloc(cJSON_GetArraySize(list), sizeof(*rule->ports));
	n->oom |= !rule->ports;
	if (!rule->ports)
		return false;
	cJSON_ArrayForEach (item, list) {
		snprintf(at, sizeof(at), "%s.protocols[%d]", path, i++);
		if (!decode_protocol(n, item, at, &rule->ports[rule->n_ports++]))
			all = false;
	}
	return all;
}

/* Only pods have ports with names: the API has no such rule. */
static bool fits(struct lnt_notes *n, const cJSON *json, const char *path,
	const struct direction *d, const struct lnt_netpol_rule *rule)
{
	const cJSON *peer;
	bool named = false;

	for (size_t i = 0; i < rule->n_ports; i++)
		named |= rule->ports[i].name != NULL;
	cJSON_ArrayForEach (peer, lnt_json_list(json, d->peers)) {
		if (!named || lnt_json_get(peer, "namespaces") || lnt_json_get(peer, "pods"))
			continue;
		lnt_note(n, "%s: destinationNamedPort with peers that are no pods", path);
		return false;
	}
	return true;
}

/* --- rules ------------------------------------------------------------------------------------ */

/* Unknown ones are Deny: false, noted. */
static bool decode_action(
	struct lnt_notes *n, const cJSON *json, const char *path, enum lnt_rule_action *ret_action)
{
	static const char *const actions[] = {
		[LNT_RULE_ACCEPT] = "Accept",
		[LNT_RULE_DENY] = "Deny",
		[LNT_RULE_PASS] = "Pass",
	};
	const char *text = lnt_json_text(json, "action");

	for (size_t i = 0; text && i < ARRAY_SIZE(actions); i++) {
		if (!strcmp(text, actions[i])) {
			*ret_action = (enum lnt_rule_action)i;
			return true;
		}
	}
	lnt_note(n, "%s: unknown action '%.32s'", path, text ?: "");
	*ret_action = LNT_RULE_DENY;
	return false;
}

/* Free text that goes to terminals and logs. */
static void decode_name(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_netpol_rule *rule)
{
	const cJSON *field = lnt_json_get(json, "name");
	const char *text = cJSON_GetStringValue(field);

	if (field && (!text || strlen(text) > NAME_MAX_LEN))
		lnt_note(n, "%s: no name", path);
	else if (text && *text)
		rule->name = strdup(text);
	n->oom |= text && *text && strlen(text) <= NAME_MAX_LEN && !rule->name;
	for (char *c = rule->name; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static void deny_all(struct lnt_notes *n, const char *path, struct lnt_netpol_rule *rule)
{
	const uint32_t index = rule->index;
	char *name = TAKE_PTR(rule->name);

	lnt_netpol_rule_clear(rule);
	*rule = (struct lnt_netpol_rule){.action = LNT_RULE_DENY, .name = name, .index = index};
	lnt_note(n, "%s denies everything", path);
}

/* False: the rule matches nothing. */
static bool decode_rule(struct lnt_notes *n, const cJSON *json, const char *path,
	const struct direction *d, bool sure, struct lnt_netpol_rule *rule)
{
	const char *const known[] = {"name", "action", d->peers, "protocols", NULL};
	bool all = lnt_only_known(n, json, path, known);

	if (!cJSON_IsObject(json)) {
		deny_all(n, path, rule);
		return true;
	}
	decode_name(n, json, path, rule);
	if (!decode_action(n, json, path, &rule->action))
		all = false;
	if (!decode_peers(n, lnt_json_get(json, d->peers), path, d, rule))
		all = false;
	if (!decode_protocols(n, lnt_json_get(json, "protocols"), path, rule) ||
		!fits(n, json, path, d, rule))
		all = false;
	if (rule->action == LNT_RULE_ACCEPT) {
		if (!all)
			lnt_note(n, "%s is not used", path);
		return all && sure && rule->n_peers;
	}
	if (!all)
		deny_all(n, path, rule);
	if (!sure)
		rule->action = LNT_RULE_DENY;
	return true;
}

static bool is_accept(const cJSON *rule)
{
	const char *action = lnt_json_text(rule, "action");

	return action && !strcmp(action, "Accept");
}

/* The rules from @first on as one. False: it matches nothing. */
static bool decode_rest(struct lnt_notes *n, const cJSON *first, const struct direction *d,
	struct lnt_netpol_rule *rule)
{
	lnt_note(n, "%s: more than %u rules, those from [%u] on are not used", d->rules, RULES_MAX,
		RULES_MAX - 1);
	while (first && is_accept(first))
		first = first->next;
	if (first)
		deny_all(n, d->rules, rule);
	return first;
}

/* @sure: the policy as a whole is understood. */
static void decode_rules(struct lnt_notes *n, const cJSON *spec, const struct direction *d,
	bool sure, struct lnt_netpol_rule **ret_rules, size_t *ret_n)
{
	const cJSON *list = lnt_json_get(spec, d->rules), *item;
	int n_list = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 1;
	struct lnt_netpol_rule *rules;
	size_t n_rules = 0;
	char path[32];
	int i = 0;

	if (!list || !n_list)
		return;
	rules = calloc(n_list < RULES_MAX ? n_list : RULES_MAX, sizeof(*rules));
	n->oom |= !rules;
	if (!rules)
		return;
	if (!cJSON_IsArray(list))
		deny_all(n, d->rules, &rules[n_rules++]);
	cJSON_ArrayForEach (item, lnt_json_list(spec, d->rules)) {
		bool rest = i == RULES_MAX - 1 && n_list > RULES_MAX;

		rules[n_rules].index = (uint32_t)i;
		snprintf(path, sizeof(path), "%s[%d]", d->rules, i++);
		if (rest ? decode_rest(n, item, d, &rules[n_rules])
			 : decode_rule(n, item, path, d, sure, &rules[n_rules]))
			n_rules++;
		else
			lnt_netpol_rule_clear(&rules[n_rules]);
		if (rest)
			break;
	}
	*ret_rules = rules;
	*ret_n = n_rules;
}

/* --- the policy ------------------------------------------------------------------------------- */

static bool decode_order(struct lnt_notes *n, const cJSON *spec, struct lnt_netpol *obj)
{
	const char *tier = lnt_json_text(spec, "tier") ?: "";
	long priority = 0;
	bool all = true;

	if (!lnt_json_int(lnt_json_get(spec, "priority"), 0, PRIORITY_MAX, &priority)) {
		lnt_note(n, "priority: not from 0 to %d, 0 is used", PRIORITY_MAX);
		all = false;
	}
	obj->tier = !strcmp(tier, "Baseline") ? LNT_TIER_BASELINE : LNT_TIER_ADMIN;
	if (strcmp(tier, "Admin") && strcmp(tier, "Baseline")) {
		lnt_note(n, "tier: '%.32s' is unknown, the first place is used", tier);
		priority = 0;
		all = false;
	}
	obj->priority = (uint16_t)priority;
	return all;
}

static bool decode_subject(struct lnt_notes *n, const cJSON *json, struct lnt_netpol *obj)
{
	static const char *const known[] = {"namespaces", "pods", NULL};
	const cJSON *namespaces = lnt_json_get(json, "namespaces");
	const cJSON *pods = lnt_json_get(json, "pods");
	bool all = lnt_only_known(n, json, "subject", known);

	if (!namespaces == !pods) {
		lnt_note(n, "subject: not one of namespaces and pods");
		all = false;
	} else if (pods && !decode_pods(n, pods, "subject.pods", &obj->namespaces, &obj->pods)) {
		all = false;
	} else if (namespaces &&
		!lnt_decode_selector(n, namespaces, "subject.namespaces", &obj->namespaces)) {
		all = false;
	}
	if (!all && !obj->namespaces.n_reqs && !obj->pods.n_reqs)
		lnt_note(n, "all pods are selected");
	return all;
}

static void decode_spec(struct lnt_notes *n, const cJSON *spec, struct lnt_netpol *obj)
{
	static const char *const known[] = {
		"tier", "priority", "subject", "ingress", "egress", NULL};
	bool sure = lnt_only_known(n, spec, "spec", known);

	if (!decode_order(n, spec, obj))
		sure = false;
	if (!decode_subject(n, lnt_json_get(spec, "subject"), obj))
		sure = false;
	if (!sure)
		lnt_note(n, "Accept rules are not used, Pass rules deny");
	decode_rules(n, spec, &ingress, sure, &obj->ingress_rules, &obj->n_ingress_rules);
	decode_rules(n, spec, &egress, sure, &obj->egress_rules, &obj->n_egress_rules);
	obj->ingress = obj->n_ingress_rules;
	obj->egress = obj->n_egress_rules;
}

int lnt_decode_cnp(const cJSON *json, struct lnt_err *e, struct lnt_netpol *obj)
{
	const cJSON *spec = lnt_json_get(json, "spec");
	struct lnt_notes n = {};

	obj->tier = LNT_TIER_ADMIN;
	if (cJSON_IsObject(spec))
		decode_spec(&n, spec, obj);
	else
		lnt_note(&n, "spec: no object, the policy has no effect");
	return lnt_notes_end(&n, e, &obj->unsupported);
}
