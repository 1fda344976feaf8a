/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of entries.h. Bits of a key that its prefix length does not reach are zero. */
#include "agent/compile/entries.h"
#include "agent/compile/hash.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* A protocol with a port prefix, or with none, or neither; the tail of a key. */
struct l4 {
	uint8_t prefixlen; /* of the key */
	uint8_t proto;
	uint16_t port; /* host byte order */
};

struct draft {
	struct lnt_policy_key key;
	uint32_t rule; /* in lnt_rules.items */
};

struct build {
	const struct lnt_rules *rules;
	const struct lnt_identities *ids;
	const struct lnt_locals *locals;
	struct draft *drafts;
	size_t n, cap;
	uint32_t *numbers;     /* of rules, by index in rules->items; 0: not in use */
	struct lnt_u32s peers; /* identities of the rule at hand */
	struct l4 *l4;	       /* ports of the rule at hand */
	size_t n_l4, cap_l4;
};

static void clear(struct build *b)
{
	free(b->drafts);
	free(b->numbers);
	lnt_u32s_clear(&b->peers);
	free(b->l4);
}

static int push_l4(struct build *b, unsigned prefixlen, uint8_t proto, uint16_t port)
{
	if (LNT_GROW(b->l4, b->cap_l4, b->n_l4 + 1))
		return -ENOMEM;
	b->l4[b->n_l4++] = (struct l4){
		.prefixlen = (uint8_t)prefixlen,
		.proto = proto,
		.port = port,
	};
	return 0;
}

static int push_range(struct build *b, uint8_t proto, uint16_t first, uint16_t last)
{
	uint16_t ports[30];
	uint8_t bits[30];
	size_t n = lnt_port_prefixes(first, last, ports, bits);

	for (size_t i = 0; i < n; i++)
		if (push_l4(b, LNT_POLICY_PROTO + bits[i], proto, ports[i]))
			return -ENOMEM;
	return 0;
}

/* What the facts of the destination pods, elements of the policy's set, say about a name. */
static int push_named(struct build *b, uint32_t set, const struct lnt_netpol_port *port)
{
	const uint32_t *v = lnt_sets_at(&b->locals->sets, set);

	for (uint32_t i = 0; i < b->locals->sets.items[set].n; i++) {
		const struct lnt_named_fact *f;

		if (v[i] < b->rules->n_policies)
			continue;
		f = &b->rules->named.facts[v[i] - b->rules->n_policies];
		if (f->name == port->name && f->proto == port->proto &&
			push_l4(b, LNT_POLICY_PORT, f->proto, f->port))
			return -ENOMEM;
	}
	return 0;
}

/* The ports of a rule that do not depend on the peer, into b->l4. */
static int collect_ports(struct build *b, const struct lnt_rule *r, uint32_t set)
{
	b->n_l4 = 0;
	if (!r->rule->n_ports)
		return push_l4(b, LNT_POLICY_ALL, 0, 0);
	for (size_t i = 0; i < r->rule->n_ports; i++) {
		const struct lnt_netpol_port *port = &r->rule->ports[i];
		int err = 0;

		if (lnt_rule_port_problem(port))
			continue;
		if (port->name)
			err = r->dir == LNT_INGRESS ? push_named(b, set, port) : 0;
		else if (!port->port)
			err = push_l4(b, LNT_POLICY_PROTO, port->proto, 0);
		else
			err = push_range(b, port->proto, port->port,
				port->end_port ? port->end_port : port->port);
		if (err)
			return err;
	}
	return 0;
}

/* The identities that a rule's peers select, as indexes, into b->peers. */
static int collect_peers(struct build *b, const struct lnt_rule *r)
{
	b->peers.n = 0;
	for (uint32_t i = 0; i < r->n_peers; i++) {
		uint32_t sel = b->rules->peers.v[r->first_peer + i];

		for (uint32_t k = b->ids->first[sel]; k < b->ids->first[sel + 1]; k++)
			if (lnt_u32s_push(&b->peers, b->ids->having[k]))
				return -ENOMEM;
	}
	lnt_u32s_sort(&b->peers);
	return 0;
}

static int draft(
	struct build *b, uint32_t rule, uint32_t policy_id, uint32_t identity, const struct l4 *l4)
{
	if (LNT_GROW(b->drafts, b->cap, b->n + 1))
		return -ENOMEM;
	b->drafts[b->n++] = (struct draft){
		.key.prefixlen = l4->prefixlen,
		.key.policy_id = policy_id,
		.key.identity = identity,
		.key.table = (uint8_t)b->rules->items[rule].dir,
		.key.proto = l4->proto,
		.key.port = htons(l4->port),
		.rule = rule,
	};
	return 0;
}

static bool is_peer(const struct build *b, const struct lnt_rule *r, uint32_t identity)
{
	size_t lo = 0, hi = b->peers.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->peers.v[mid] < identity)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lnt_rule_any_peer(r) || (lo < b->peers.n && b->peers.v[lo] == identity);
}

/* Egress to a named port: each identity has its own number for it. */
static int draft_named(
	struct build *b, uint32_t rule, uint32_t policy_id, const struct lnt_netpol_port *port)
{
	const struct lnt_rule *r = &b->rules->items[rule];
	const struct lnt_named *nm = &b->rules->named;

	for (uint32_t f = 0; f < nm->n_facts; f++) {
		const struct l4 l4 = {LNT_POLICY_PORT, port->proto, nm->facts[f].port};
		uint32_t element = (uint32_t)b->rules->peersels.n + f;

		if (nm->facts[f].name != port->name || nm->facts[f].proto != port->proto)
			continue;
		for (uint32_t k = b->ids->first[element]; k < b->ids->first[element + 1]; k++) {
			uint32_t id = b->ids->having[k];

			if (is_peer(b, r, id) &&
				draft(b, rule, policy_id, b->ids->numbers[id], &l4))
				return -ENOMEM;
		}
	}
	return 0;
}

static int draft_rule(struct build *b, uint32_t rule, uint32_t set)
{
	const struct lnt_rule *r = &b->rules->items[rule];
	uint32_t policy_id = b->locals->numbers[set];

	if (collect_ports(b, r, set) || collect_peers(b, r))
		return -ENOMEM;
	for (size_t i = 0; i < b->n_l4; i++) {
		if (lnt_rule_any_peer(r) && draft(b, rule, policy_id, LNT_ID_ANY, &b->l4[i]))
			return -ENOMEM;
		for (size_t p = 0; p < b->peers.n; p++)
			if (draft(b, rule, policy_id, b->ids->numbers[b->peers.v[p]], &b->l4[i]))
				return -ENOMEM;
	}
	for (size_t i = 0; r->dir == LNT_EGRESS && i < r->rule->n_ports; i++) {
		const struct lnt_netpol_port *port = &r->rule->ports[i];

		if (port->name && !lnt_rule_port_problem(port) &&
			draft_named(b, rule, policy_id, port))
			return -ENOMEM;
	}
	return 0;
}

static int draft_set(struct build *b, uint32_t set)
{
	const uint32_t *v = lnt_sets_at(&b->locals->sets, set);

	for (uint32_t i = 0; i < b->locals->sets.items[set].n; i++) {
		if (v[i] >= b->rules->n_policies)
			continue;
		for (uint32_t r = b->rules->first[v[i]]; r < b->rules->first[v[i] + 1]; r++)
			if (draft_rule(b, r, set))
				return -ENOMEM;
	}
	return 0;
}

static int draft_cmp(const void *pa, const void *pb)
{
	const struct draft *a = pa, *b = pb;
	int r = memcmp(&a->key, &b->key, sizeof(a->key));

	return r ? r : (a->rule > b->rule) - (a->rule < b->rule);
}

static int name_cmp(const void *pa, const void *pb)
{
	const struct lnt_rule_name *a = pa, *b = pb;

	return (a->rule > b->rule) - (a->rule < b->rule);
}

static int name_rule(
	struct build *b, struct lnt_numbers *nums, uint32_t rule, struct lnt_policy_state *s)
{
	const struct lnt_rule *r = &b->rules->items[rule];
	struct lnt_rule_name *n = &s->rules[s->n_rules];

	if (asprintf(&n->name, "%s/%s %s[%u]", r->policy->meta.ns, r->policy->meta.name,
		    r->dir == LNT_INGRESS ? "ingress" : "egress", r->index) < 0)
		return -ENOMEM;
	s->n_rules++;
	if (lnt_numbers_take(nums, lnt_hash_str(LNT_HASH_INIT, n->name), &n->rule))
		return -ENOMEM;
	b->numbers[rule] = n->rule;
	return 0;
}

/* Names and numbers the rules of the policies that apply here. */
static int name_rules(struct build *b, struct lnt_policy_state *s)
{
	_cleanup_(lnt_numbers_clear) struct lnt_numbers nums = {.first = 1, .last = UINT32_MAX};

	b->numbers = calloc(b->rules->n + 1, sizeof(*b->numbers));
	s->rules = calloc(b->rules->n + 1, sizeof(*s->rules));
	if (!b->numbers || !s->rules)
		return -ENOMEM;
	for (size_t p = 0; p < b->rules->n_policies; p++) {
		if (!b->locals->applied[p])
			continue;
		for (uint32_t r = b->rules->first[p]; r < b->rules->first[p + 1]; r++)
			if (name_rule(b, &nums, r, s))
				return -ENOMEM;
	}
	qsort(s->rules, s->n_rules, sizeof(*s->rules), name_cmp);
	LNT_SHRINK(s->rules, s->n_rules);
	return 0;
}

int lnt_entries_build(const struct lnt_rules *rules, const struct lnt_identities *ids,
	const struct lnt_locals *locals, struct lnt_policy_state *s)
{
	_cleanup_(clear) struct build b = {.rules = rules, .ids = ids, .locals = locals};

	if (name_rules(&b, s))
		return -ENOMEM;
	for (uint32_t set = 0; set < locals->sets.n; set++)
		if (draft_set(&b, set))
			return -ENOMEM;
	if (!b.n)
		return 0;
	qsort(b.drafts, b.n, sizeof(*b.drafts), draft_cmp);
	s->policy = calloc(b.n, sizeof(*s->policy));
	if (!s->policy)
		return -ENOMEM;
	for (size_t i = 0; i < b.n; i++) {
		if (i &&
			memcmp(&b.drafts[i - 1].key, &b.drafts[i].key, sizeof(b.drafts[i].key)) ==
				0)
			continue;
		s->policy[s->n_policy++] = (struct lnt_policy_entry){
			.key = b.drafts[i].key,
			.value = {.verdict = LNT_ALLOW, .rule = b.numbers[b.drafts[i].rule]},
		};
	}
	LNT_SHRINK(s->policy, s->n_policy);
	return 0;
}
