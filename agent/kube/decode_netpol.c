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
#include "agent/kube/decode.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* IANA service names (RFC 6335, 5.1). */
#define PORT_NAME_MAX 15

struct notes {
	char text[480]; /* "" when everything was understood */
	size_t len;
	bool oom;
};

__attribute__((format(printf, 2, 3))) static void note(struct notes *n, const char *fmt, ...)
{
	va_list ap;

	if (n->len)
		n->len += snprintf(n->text + n->len, sizeof(n->text) - n->len, "; ");
	if (n->len < sizeof(n->text)) {
		va_start(ap, fmt);
		n->len += vsnprintf(n->text + n->len, sizeof(n->text) - n->len, fmt, ap);
		va_end(ap);
	}
	if (n->len >= sizeof(n->text))
		n->len = sizeof(n->text) - 1;
}

/*
 * Notes each field of @json that is not in @known (NULL-terminated), and what is no object. Returns
 * whether it is an object of known fields.
 */
static bool only_known(
	struct notes *n, const cJSON *json, const char *path, const char *const *known)
{
	const cJSON *field;
	bool all = true;

	if (!cJSON_IsObject(json)) {
		note(n, "%s: no object", path);
		return false;
	}
	cJSON_ArrayForEach (field, json) {
		const char *const *k = known;

		while (*k && strcmp(*k, field->string))
			k++;
		if (!*k && !cJSON_IsNull(field)) {
			note(n, "%s: unknown field '%.32s'", path, field->string);
			all = false;
		}
	}
	return all;
}

/* --- selectors -------------------------------------------------------------------------------- */

static bool parse_op(const char *text, enum lnt_label_op *ret_op)
{
	static const char *const ops[] = {
		[LNT_OP_IN] = "In",
		[LNT_OP_NOT_IN] = "NotIn",
		[LNT_OP_EXISTS] = "Exists",
		[LNT_OP_NOT_EXISTS] = "DoesNotExist",
	};

	for (size_t i = 0; text && i < ARRAY_SIZE(ops); i++) {
		if (!strcmp(text, ops[i])) {
			*ret_op = (enum lnt_label_op)i;
			return true;
		}
	}
	return false;
}

/* Appends a requirement with room for @n_values. NULL: no memory, noted. */
static struct lnt_requirement *add_requirement(struct notes *n, struct lnt_selector *sel,
	const char *key, enum lnt_label_op op, size_t n_values)
{
	struct lnt_requirement *reqs, *r;

	reqs = reallocarray(sel->reqs, sel->n_reqs + 1, sizeof(*reqs));
	if (!reqs) {
		n->oom = true;
		return NULL;
	}
	sel->reqs = reqs;
	r = &reqs[sel->n_reqs++];
	*r = (struct lnt_requirement){.key = lnt_intern(key), .op = op};
	if (n_values)
		r->values = calloc(n_values, sizeof(*r->values));
	if (!r->key || (n_values && !r->values)) {
		n->oom = true;
		return NULL;
	}
	return r;
}

static bool add_value(struct notes *n, struct lnt_requirement *r, const char *value)
{
	const char *s = lnt_intern(value);

	if (!s || !r->values) {
		n->oom = true;
		return false;
	}
	r->values[r->n_values++] = s;
	return true;
}

static bool decode_expression(
	struct notes *n, const cJSON *json, const char *path, struct lnt_selector *sel)
{
	static const char *const known[] = {"key", "operator", "values", NULL};
	const char *key = lnt_json_text(json, "key"), *op_text = lnt_json_text(json, "operator");
	const cJSON *values = lnt_json_get(json, "values"), *v;
	struct lnt_requirement *r;
	enum lnt_label_op op;
	int n_values = cJSON_GetArraySize(values);

	if (!only_known(n, json, path, known))
		return false;
	if (!key || !lnt_decode_is_key(key) || !parse_op(op_text, &op)) {
		note(n, "%s: operator '%.32s' or key not understood", path, op_text ?: "");
		return false;
	}
	/* In and NotIn have values, the others have none (metav1.LabelSelectorRequirement). */
	if ((values && !cJSON_IsArray(values)) ||
		(op == LNT_OP_IN || op == LNT_OP_NOT_IN) != (n_values > 0)) {
		note(n, "%s: values do not fit operator %s", path, op_text);
		return false;
	}
	r = add_requirement(n, sel, key, op, n_values);
	if (!r)
		return false;
	cJSON_ArrayForEach (v, values) {
		if (!cJSON_IsString(v) || !lnt_decode_is_value(v->valuestring)) {
			note(n, "%s: a value is no label value", path);
			return false;
		}
		if (!add_value(n, r, v->valuestring))
			return false;
	}
	return true;
}

static bool decode_match_labels(
	struct notes *n, const cJSON *map, const char *path, struct lnt_selector *sel)
{
	struct lnt_requirement *r;
	const cJSON *item;

	if (map && !cJSON_IsObject(map)) {
		note(n, "%s.matchLabels: no object", path);
		return false;
	}
	cJSON_ArrayForEach (item, map) {
		if (!cJSON_IsString(item) || !lnt_decode_is_key(item->string) ||
			!lnt_decode_is_value(item->valuestring)) {
			note(n, "%s.matchLabels: '%.64s' is no label", path, item->string);
			return false;
		}
		r = add_requirement(n, sel, item->string, LNT_OP_IN, 1);
		if (!r || !add_value(n, r, item->valuestring))
			return false;
	}
	return true;
}

/* Returns whether all of it is understood; if not, @sel must not be used (but cleared). */
static bool decode_selector(
	struct notes *n, const cJSON *json, const char *path, struct lnt_selector *sel)
{
	static const char *const known[] = {"matchLabels", "matchExpressions", NULL};
	const cJSON *list = lnt_json_get(json, "matchExpressions"), *item;

	if (list && !cJSON_IsArray(list)) {
		note(n, "%s.matchExpressions: no list", path);
		return false;
	}
	if (!only_known(n, json, path, known) ||
		!decode_match_labels(n, lnt_json_get(json, "matchLabels"), path, sel))
		return false;
	cJSON_ArrayForEach (item, list) {
		if (!decode_expression(n, item, path, sel))
			return false;
	}
	lnt_selector_normalize(sel);
	return true;
}

/* --- peers and ports -------------------------------------------------------------------------- */

static bool decode_block(
	struct notes *n, const cJSON *json, const char *path, struct lnt_netpol_peer *peer)
{
	static const char *const known[] = {"cidr", "except", NULL};
	const char *cidr = lnt_json_text(json, "cidr"), *text;
	const cJSON *list = lnt_json_get(json, "except"), *item;

	if (!only_known(n, json, path, known))
		return false;
	if (list && !cJSON_IsArray(list)) {
		note(n, "%s: except is no list", path);
		return false;
	}
	if (!cidr || lnt_prefix_parse(cidr, &peer->block)) {
		note(n, "%s: cidr '%.64s' is no prefix", path, cidr ?: "");
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
			note(n, "%s: except '%.64s' is no prefix", path, text ?: "");
			return false;
		}
		peer->n_except++;
	}
	return true;
}

static bool decode_peer(
	struct notes *n, const cJSON *json, const char *path, struct lnt_netpol_peer *peer)
{
	static const char *const known[] = {"namespaceSelector", "podSelector", "ipBlock", NULL};
	const cJSON *namespaces = lnt_json_get(json, "namespaceSelector");
	const cJSON *pods = lnt_json_get(json, "podSelector");
	const cJSON *block = lnt_json_get(json, "ipBlock");

	if (!only_known(n, json, path, known))
		return false;
	/* Also what a peer of a newer API looks like to an older reader: it matches nothing. */
	if (!namespaces && !pods && !block) {
		note(n, "%s: no peer", path);
		return false;
	}
	if (block && (namespaces || pods)) {
		note(n, "%s: ipBlock beside a selector", path);
		return false;
	}
	peer->has_namespaces = namespaces;
	peer->has_pods = pods;
	peer->has_block = block;
	return (!namespaces || decode_selector(n, namespaces, path, &peer->namespaces)) &&
		(!pods || decode_selector(n, pods, path, &peer->pods)) &&
		(!block || decode_block(n, block, path, peer));
}

static bool decode_port_number(struct notes *n, const cJSON *port, const cJSON *end,
	const char *path, struct lnt_netpol_port *ret_port)
{
	long first, last = 0;

	if (!lnt_json_int(port, 1, 65535, &first) || (end && !lnt_json_int(end, 1, 65535, &last))) {
		note(n, "%s: port or endPort is no port", path);
		return false;
	}
	if (end && last < first) {
		note(n, "%s: endPort is below port", path);
		return false;
	}
	ret_port->port = (uint16_t)first;
	ret_port->end_port = (uint16_t)last;
	return true;
}

static bool decode_port(
	struct notes *n, const cJSON *json, const char *path, struct lnt_netpol_port *ret_port)
{
	static const char *const known[] = {"protocol", "port", "endPort", NULL};
	const cJSON *port = lnt_json_get(json, "port"), *end = lnt_json_get(json, "endPort");
	const char *name = cJSON_GetStringValue(port);

	if (!only_known(n, json, path, known))
		return false;
	if (!lnt_json_proto(lnt_json_get(json, "protocol"), &ret_port->proto)) {
		note(n, "%s: unknown protocol", path);
		return false;
	}
	if (!port && !end)
		return true;
	if (!cJSON_IsString(port))
		return decode_port_number(n, port, end, path, ret_port);
	if (end || !*name || strlen(name) > PORT_NAME_MAX || !lnt_decode_is_value(name)) {
		note(n, "%s: named port with endPort, or no port name", path);
		return false;
	}
	ret_port->name = lnt_intern(name);
	n->oom |= !ret_port->name;
	return ret_port->name;
}

/* --- rules ------------------------------------------------------------------------------------ */

/* A list that is present and has elements must keep one, or the rule would match more. */
static bool decode_peers(
	struct notes *n, const cJSON *list, const char *path, struct lnt_netpol_rule *rule)
{
	struct lnt_netpol_peer *peer;
	const cJSON *item;
	char at[64];
	int i = 0;

	if (list && !cJSON_IsArray(list)) {
		note(n, "%s: no list", path);
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
	struct notes *n, const cJSON *list, const char *path, struct lnt_netpol_rule *rule)
{
	struct lnt_netpol_port *port;
	const cJSON *item;
	char at[64];
	int i = 0;

	if (list && !cJSON_IsArray(list)) {
		note(n, "%s: no list", path);
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
static bool decode_rule(struct notes *n, const cJSON *json, const char *path, const char *peers,
	struct lnt_netpol_rule *rule)
{
	const char *const known[] = {peers, "ports", NULL};
	char at[48];

	if (!only_known(n, json, path, known))
		return false;
	snprintf(at, sizeof(at), "%s.%s", path, peers);
	if (!decode_peers(n, lnt_json_get(json, peers), at, rule))
		return false;
	snprintf(at, sizeof(at), "%s.ports", path);
	return decode_ports(n, lnt_json_get(json, "ports"), at, rule);
}

static void decode_rules(struct notes *n, const cJSON *spec, const char *direction,
	const char *peers, struct lnt_netpol_rule **ret_rules, size_t *ret_n)
{
	const cJSON *list = lnt_json_get(spec, direction), *item;
	struct lnt_netpol_rule *rules;
	size_t n_rules = 0;
	char path[32];
	int i = 0;

	if (list && !cJSON_IsArray(list)) {
		note(n, "%s: no list", direction);
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

static struct directions decode_types(struct notes *n, const cJSON *spec)
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
		note(n, "policyTypes: not understood, both directions are isolated");
		d.ingress = d.egress = true;
	}
	return d;
}

static void decode_spec(struct notes *n, const cJSON *spec, struct lnt_netpol *obj)
{
	static const char *const known[] = {
		"podSelector", "policyTypes", "ingress", "egress", NULL};
	const cJSON *selector = lnt_json_get(spec, "podSelector");
	struct directions d = decode_types(n, spec);

	obj->ingress = d.ingress;
	obj->egress = d.egress;
	if (selector && !decode_selector(n, selector, "podSelector", &obj->pods)) {
		lnt_selector_clear(&obj->pods);
		note(n, "all pods of the namespace are isolated");
		return;
	}
	if (spec && !only_known(n, spec, "spec", known)) {
		note(n, "no rule of the policy is used");
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
	struct notes n = {};

	obj->tier = LNT_TIER_NETWORK;
	if (spec && !cJSON_IsObject(spec)) {
		obj->ingress = obj->egress = true;
		note(&n, "spec: no object, all pods of the namespace are isolated");
	} else {
		decode_spec(&n, spec, obj);
	}
	if (n.len) {
		lnt_err_set(e, -ENOTSUP, "%s", n.text);
		obj->unsupported = strdup(n.text);
	}
	return n.oom || (n.len && !obj->unsupported) ? -ENOMEM : 0;
}
