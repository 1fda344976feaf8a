/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/policy_text.h"

#include "lib/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void print_selector(FILE *f, const char *name, const struct lnt_selector *sel)
{
	_cleanup_free_ char *text = lnt_selector_text(sel);

	fprintf(f, "%s{%s}", name, text);
}

static void print_peer(FILE *f, const struct lnt_netpol_peer *p)
{
	char buf[LNT_PREFIXSTRLEN];

	if (p->has_namespaces)
		print_selector(f, "ns", &p->namespaces);
	if (p->has_pods)
		print_selector(f, "pods", &p->pods);
	if (p->has_nodes)
		print_selector(f, "nodes", &p->nodes);
	if (p->has_block)
		fputs(lnt_prefix_str(&p->block, buf), f);
	for (size_t i = 0; i < p->n_except; i++)
		fprintf(f, "-%s", lnt_prefix_str(&p->except[i], buf));
}

static void print_rules(FILE *f, const char *name, bool tiered, bool isolated,
	const struct lnt_netpol_rule *rules, size_t n)
{
	static const char *const actions[] = {
		[LNT_RULE_ACCEPT] = "+", [LNT_RULE_DENY] = "-", [LNT_RULE_PASS] = ">"};

	if (!isolated) {
		assert_int_equal(n, 0);
		return;
	}
	fprintf(f, " %s:", name);
	for (size_t i = 0; i < n; i++) {
		if (tiered)
			fprintf(f, "%s%s", i ? " " : "", rules[i].name ?: "");
		if (tiered)
			fprintf(f, "#%u%s", rules[i].index, actions[rules[i].action]);
		fputs("[", f);
		for (size_t j = 0; j < rules[i].n_peers; j++) {
			fputs(j ? " " : "", f);
			print_peer(f, &rules[i].peers[j]);
		}
		fputs(rules[i].n_peers ? "|" : "any|", f);
		for (size_t j = 0; j < rules[i].n_ports; j++) {
			const struct lnt_netpol_port *p = &rules[i].ports[j];

			fprintf(f, "%s%u/%s%u-%u", j ? " " : "", p->proto, p->name ?: "", p->port,
				p->end_port);
		}
		fputs(rules[i].n_ports ? "]" : "any]", f);
	}
}

char *policy_text(const struct lnt_netpol *p)
{
	bool tiered = p->tier != LNT_TIER_NETWORK;
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (tiered) {
		fprintf(f, "%s %u ", p->tier == LNT_TIER_ADMIN ? "Admin" : "Baseline", p->priority);
		print_selector(f, "ns", &p->namespaces);
	}
	print_selector(f, "", &p->pods);
	print_rules(f, "in", tiered, p->ingress, p->ingress_rules, p->n_ingress_rules);
	print_rules(f, "out", tiered, p->egress, p->egress_rules, p->n_egress_rules);
	fclose(f);
	return text;
}
