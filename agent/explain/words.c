/* SPDX-License-Identifier: Apache-2.0 */
/* The words of words.h. */
#include "agent/explain/words.h"
#include "lib/cleanup.h"

const char *lnt_tier_text(enum lnt_tier tier)
{
	static const char *const texts[] = {
		[LNT_TIER_ADMIN] = "admin",
		[LNT_TIER_NETWORK] = "network",
		[LNT_TIER_BASELINE] = "baseline",
	};

	return texts[tier];
}

static void print_requirement(FILE *f, const struct lnt_requirement *r)
{
	switch (r->op) {
	case LNT_OP_EXISTS:
		fprintf(f, "with %s", r->key);
		return;
	case LNT_OP_NOT_EXISTS:
		fprintf(f, "without %s", r->key);
		return;
	case LNT_OP_IN:
	case LNT_OP_NOT_IN:
		break;
	}
	if (r->n_values == 1) {
		fprintf(f, "%s%s%s", r->key, r->op == LNT_OP_IN ? "=" : "!=", r->values[0]);
		return;
	}
	fprintf(f, "%s %s (", r->key, r->op == LNT_OP_IN ? "in" : "not in");
	for (size_t i = 0; i < r->n_values; i++)
		fprintf(f, "%s%s", i ? ", " : "", r->values[i]);
	fputc(')', f);
}

static void print_selector(FILE *f, const struct lnt_selector *sel)
{
	for (size_t i = 0; i < sel->n_reqs; i++) {
		if (i)
			fputs(" and ", f);
		print_requirement(f, &sel->reqs[i]);
	}
}

/* "all pods", or "pods app=web". */
static void print_all_of(FILE *f, const char *what, const struct lnt_selector *sel)
{
	fprintf(f, "%s%s%s", sel->n_reqs ? "" : "all ", what, sel->n_reqs ? " " : "");
	print_selector(f, sel);
}

static void print_peer(FILE *f, const struct lnt_netpol_peer *peer)
{
	char text[LNT_PREFIXSTRLEN];

	if (peer->has_block) {
		fputs(lnt_prefix_str(&peer->block, text), f);
		for (size_t i = 0; i < peer->n_except; i++)
			fprintf(f, "%s%s", i ? ", " : " except ",
				lnt_prefix_str(&peer->except[i], text));
	} else if (peer->has_nodes) {
		print_all_of(f, "nodes", &peer->nodes);
	} else {
		print_all_of(f, "pods", &peer->pods);
		fputs(" of ", f);
		if (peer->has_namespaces)
			print_all_of(f, "namespaces", &peer->namespaces);
		else
			fputs("the namespace", f);
	}
}

static void print_port(FILE *f, const struct lnt_netpol_port *port)
{
	static const struct {
		uint8_t proto;
		const char *text;
	} protos[] = {{IPPROTO_TCP, "TCP"}, {IPPROTO_UDP, "UDP"}, {IPPROTO_SCTP, "SCTP"}};
	const char *proto = "any protocol";

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if (protos[i].proto == port->proto)
			proto = protos[i].text;
	fputs(proto, f);
	if (port->name)
		fprintf(f, " %s", port->name);
	else if (port->port)
		fprintf(f, " %u", port->port);
	if (port->end_port)
		fprintf(f, "-%u", port->end_port);
}

#define WORDS(name_, print_, type_)                    \
	char *name_(const struct type_ *what)          \
	{                                              \
		char *text = NULL;                     \
		size_t len;                            \
		FILE *f = open_memstream(&text, &len); \
                                                       \
		if (!f)                                \
			return NULL;                   \
		print_(f, what);                       \
		if (!fclose(f))                        \
			return text;                   \
		free(text);                            \
		return NULL;                           \
	}

WORDS(lnt_selector_words, print_selector, lnt_selector)
WORDS(lnt_peer_words, print_peer, lnt_netpol_peer)
WORDS(lnt_port_words, print_port, lnt_netpol_port)

static void add_text(cJSON *list, const char *text)
{
	cJSON_AddItemToArray(list, cJSON_CreateString(text ? text : "?"));
}

cJSON *lnt_rule_json(const struct lnt_netpol_rule *rule, enum lnt_direction dir)
{
	static const char *const actions[] = {
		[LNT_RULE_ACCEPT] = "allow",
		[LNT_RULE_DENY] = "deny",
		[LNT_RULE_PASS] = "pass",
	};
	cJSON *json = cJSON_CreateObject(), *list;

	cJSON_AddStringToObject(json, "direction", dir == LNT_INGRESS ? "ingress" : "egress");
	cJSON_AddNumberToObject(json, "index", rule->index);
	if (rule->name)
		cJSON_AddStringToObject(json, "name", rule->name);
	cJSON_AddStringToObject(json, "action", actions[rule->action]);
	list = cJSON_AddArrayToObject(json, "peers");
	for (size_t i = 0; i < rule->n_peers; i++) {
		_cleanup_free_ char *text = lnt_peer_words(&rule->peers[i]);

		add_text(list, text);
	}
	list = cJSON_AddArrayToObject(json, "ports");
	for (size_t i = 0; i < rule->n_ports; i++) {
		_cleanup_free_ char *text = lnt_port_words(&rule->ports[i]);

		add_text(list, text);
	}
	return json;
}
