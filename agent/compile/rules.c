/* SPDX-License-Identifier: Apache-2.0 */
/* The list of rules of rules.h. */
#include "agent/compile/rules.h"
#include "agent/compile/hash.h"
#include "agent/compile/view.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dir_name[] = {[LNT_INGRESS] = "ingress", [LNT_EGRESS] = "egress"};
static const char *const peers_name[] = {[LNT_INGRESS] = "from", [LNT_EGRESS] = "to"};

__attribute__((format(printf, 3, 4))) static int problem(
	struct lnt_rules *rs, uint32_t policy, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	if (LNT_GROW(rs->problems, rs->cap_problems, rs->n_problems + 1))
		return -ENOMEM;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	rs->problems[rs->n_problems++] = (struct lnt_rules_problem){.policy = policy, .text = text};
	return 0;
}

const char *lnt_rule_port_problem(const struct lnt_netpol_port *port)
{
	if (!port->proto)
		return "protocol not known";
	if (port->end_port && (port->name || !port->port))
		return "endPort without a number as port";
	if (port->end_port && port->end_port < port->port)
		return "endPort below port";
	return NULL;
}

static const char *peer_problem(const struct lnt_netpol_peer *peer)
{
	if (peer->has_block)
		return ".ipBlock: not supported";
	if (!peer->has_namespaces && !peer->has_pods)
		return ": no selector";
	return NULL;
}

static int add_peers(struct lnt_rules *rs, uint32_t policy, struct lnt_rule *r)
{
	r->first_peer = (uint32_t)rs->peers.n;
	for (size_t i = 0; i < r->rule->n_peers; i++) {
		const struct lnt_netpol_peer *peer = &r->rule->peers[i];
		const char *why = peer_problem(peer);
		uint32_t index;

		if (why) {
			if (problem(rs, policy, "%s[%u].%s[%zu]%s, matches nothing",
				    dir_name[r->dir], r->index, peers_name[r->dir], i, why))
				return -ENOMEM;
			continue;
		}
		if (lnt_peersels_add(&rs->peersels, peer, r->policy->meta.ns, &index) ||
			lnt_u32s_push(&rs->peers, index))
			return -ENOMEM;
	}
	r->n_peers = (uint32_t)rs->peers.n - r->first_peer;
	return 0;
}

static int add_ports(struct lnt_rules *rs, uint32_t policy, const struct lnt_rule *r)
{
	for (size_t i = 0; i < r->rule->n_ports; i++) {
		const struct lnt_netpol_port *port = &r->rule->ports[i];
		const char *why = lnt_rule_port_problem(port);

		if (why &&
			problem(rs, policy, "%s[%u].ports[%zu]: %s, matches nothing",
				dir_name[r->dir], r->index, i, why))
			return -ENOMEM;
		if (!why && port->name &&
			lnt_named_use(&rs->named, r->dir, port->name, port->proto))
			return -ENOMEM;
	}
	return 0;
}

static int add_rules(struct lnt_rules *rs, uint32_t policy, enum lnt_direction dir,
	const struct lnt_netpol_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct lnt_rule *r;

		if (LNT_GROW(rs->items, rs->cap, rs->n + 1))
			return -ENOMEM;
		r = &rs->items[rs->n++];
		*r = (struct lnt_rule){
			.policy = lnt_rules_policy(rs, policy),
			.rule = &rules[i],
			.dir = dir,
			.index = (uint32_t)i,
		};
		if (add_peers(rs, policy, r) || add_ports(rs, policy, r))
			return -ENOMEM;
	}
	return 0;
}

static int add_policy(struct lnt_rules *rs, uint32_t i)
{
	const struct lnt_netpol *p = lnt_rules_policy(rs, i);

	rs->first[i] = (uint32_t)rs->n;
	if (p->unsupported && problem(rs, i, "%s", p->unsupported))
		return -ENOMEM;
	/* Rules of a direction that policyTypes leaves out say nothing. */
	if (p->ingress && add_rules(rs, i, LNT_INGRESS, p->ingress_rules, p->n_ingress_rules))
		return -ENOMEM;
	if (p->egress && add_rules(rs, i, LNT_EGRESS, p->egress_rules, p->n_egress_rules))
		return -ENOMEM;
	return 0;
}

static int collect_ports(void *ctx, const struct lnt_meta *obj)
{
	return lnt_named_collect(ctx, (const struct lnt_pod *)obj);
}

static int build(const struct lnt_store *st, struct lnt_rules *rs)
{
	if (lnt_view_sorted(st, LNT_KIND_NETWORKPOLICY, &rs->policies, &rs->n_policies))
		return -ENOMEM;
	rs->first = calloc(rs->n_policies + 1, sizeof(*rs->first));
	if (!rs->first)
		return -ENOMEM;
	for (uint32_t i = 0; i < rs->n_policies; i++)
		if (add_policy(rs, i))
			return -ENOMEM;
	rs->first[rs->n_policies] = (uint32_t)rs->n;
	if (rs->named.n_uses && lnt_store_each(st, LNT_KIND_POD, collect_ports, &rs->named))
		return -ENOMEM;
	if (lnt_peersels_seal(&rs->peersels) || lnt_named_seal(&rs->named))
		return -ENOMEM;
	for (size_t i = 0; i < rs->peers.n; i++)
		rs->peers.v[i] = rs->peersels.ranks[rs->peers.v[i]];
	return 0;
}

int lnt_rules_build(const struct lnt_store *st, struct lnt_rules *ret_rules)
{
	struct lnt_rules rs = {};
	int r = build(st, &rs);

	if (r)
		lnt_rules_clear(&rs);
	else
		*ret_rules = rs;
	return r;
}

void lnt_rules_clear(struct lnt_rules *rs)
{
	for (size_t i = 0; i < rs->n_problems; i++)
		free(rs->problems[i].text);
	free(rs->problems);
	free(rs->policies);
	free(rs->first);
	free(rs->items);
	lnt_u32s_clear(&rs->peers);
	lnt_peersels_clear(&rs->peersels);
	lnt_named_clear(&rs->named);
	*rs = (struct lnt_rules){};
}

uint64_t lnt_rules_hash(const struct lnt_rules *rs, size_t policy)
{
	const struct lnt_netpol *p = lnt_rules_policy(rs, policy);
	uint64_t hash = lnt_hash_str(lnt_hash_str(LNT_HASH_INIT, p->meta.ns), p->meta.name);

	hash = lnt_hash_u64(hash, (uint64_t)(p->ingress * 2 + p->egress));
	for (uint32_t i = rs->first[policy]; i < rs->first[policy + 1]; i++) {
		const struct lnt_rule *r = &rs->items[i];

		hash = lnt_hash_u64(lnt_hash_u64(hash, r->dir), lnt_rule_any_peer(r));
		hash = lnt_hash_u64(hash, r->n_peers);
		for (uint32_t k = 0; k < r->n_peers; k++)
			hash = lnt_hash_u64(
				hash, rs->peersels.hashes[rs->peers.v[r->first_peer + k]]);
		hash = lnt_hash_u64(hash, r->rule->n_ports);
		for (size_t k = 0; k < r->rule->n_ports; k++) {
			const struct lnt_netpol_port *port = &r->rule->ports[k];

			hash = lnt_hash_str(hash, port->name ? port->name : "");
			hash = lnt_hash_u64(hash, port->proto);
			hash = lnt_hash_u64(hash, (uint64_t)port->port << 16 | port->end_port);
		}
	}
	return hash;
}
