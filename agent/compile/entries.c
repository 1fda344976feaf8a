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
	uint32_t order;
	uint32_t rule;	  /* in lnt_rules.items; NO_RULE: a head that says nothing itself */
	uint32_t lengths; /* of a head */
};

#define NO_RULE UINT32_MAX

struct build {
	const struct lnt_rules *rules;
	const struct lnt_identities *ids;
	const struct lnt_locals *locals;
	struct draft *drafts;
	size_t n, cap;
	uint32_t from;	       /* the first identity */
	struct lnt_u32s peers; /* identities of the rule at hand */
	struct l4 *l4;	       /* ports of the rule at hand */
	size_t n_l4, cap_l4;
};

static void clear(struct build *b)
{
	free(b->drafts);
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
		if (lnt_named_is(port, f->name, f->proto) &&
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

/* Adds the identities that have an element, as indexes, to b->peers. */
static int push_having(struct build *b, uint32_t element)
{
	for (uint32_t k = b->ids->first[element]; k < b->ids->first[element + 1]; k++)
		if (b->ids->having[k] >= b->from && lnt_u32s_push(&b->peers, b->ids->having[k]))
			return -ENOMEM;
	return 0;
}

/* The identities that a rule's peers select, as indexes, into b->peers. */
static int collect_peers(struct build *b, const struct lnt_rule *r)
{
	b->peers.n = 0;
	for (uint32_t i = 0; i < r->n_peers; i++)
		if (push_having(b, b->rules->peers.v[r->first_peer + i]))
			return -ENOMEM;
	lnt_u32s_sort(&b->peers);
	return 0;
}

static int draft(
	struct build *b, uint32_t rule, uint32_t policy_id, uint32_t identity, const struct l4 *l4)
{
	const struct lnt_rule *r = &b->rules->items[rule];

	if (LNT_GROW(b->drafts, b->cap, b->n + 1))
		return -ENOMEM;
	b->drafts[b->n++] = (struct draft){
		.key.prefixlen = l4->prefixlen,
		.key.policy_id = policy_id,
		.key.identity = identity,
		.key.table = (uint8_t)(r->dir |
			(r->policy->tier == LNT_TIER_ADMIN ? LNT_POLICY_ADMIN : 0)),
		.key.proto = l4->proto,
		.key.port = htons(l4->port),
		.order = r->order,
		.rule = rule,
	};
	return 0;
}

/* Whether a rule's peers, of which b->peers has those that are identities, include @identity. */
static bool is_peer(const struct build *b, const struct lnt_rule *r, uint32_t identity)
{
	uint32_t kind = lnt_sets_at(&b->ids->sets, identity)[0];
	size_t lo = 0, hi = b->peers.n;

	if (lnt_rule_any_peer(r) || r->kinds & 1u << kind)
		return true;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->peers.v[mid] < identity)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < b->peers.n && b->peers.v[lo] == identity;
}

/* Egress to a named port: each identity has its own number for it. */
static int draft_named(
	struct build *b, uint32_t rule, uint32_t policy_id, const struct lnt_netpol_port *port)
{
	const struct lnt_rule *r = &b->rules->items[rule];
	const struct lnt_named *nm = &b->rules->named;

	for (uint32_t f = 0; f < nm->n_facts; f++) {
		const struct l4 l4 = {LNT_POLICY_PORT, nm->facts[f].proto, nm->facts[f].port};
		uint32_t element = lnt_rules_fact0(b->rules) + f;

		if (!lnt_named_is(port, nm->facts[f].name, nm->facts[f].proto))
			continue;
		for (uint32_t k = b->ids->first[element]; k < b->ids->first[element + 1]; k++) {
			uint32_t id = b->ids->having[k];

			if (id >= b->from && is_peer(b, r, id) &&
				draft(b, rule, policy_id, b->ids->numbers[id], &l4))
				return -ENOMEM;
		}
	}
	return 0;
}

/* All peers of a rule, with the ports of one kind. */
static int draft_peers(struct build *b, uint32_t rule, uint32_t policy_id, const struct l4 *l4)
{
	static const uint32_t kinds[] = {
		[LNT_ELEMENT_HOST] = LNT_ID_HOST,
		[LNT_ELEMENT_NODE] = LNT_ID_NODE,
		[LNT_ELEMENT_POD] = LNT_ID_POD,
	};
	const struct lnt_rule *r = &b->rules->items[rule];

	if (lnt_rule_any_peer(r))
		return b->from ? 0 : draft(b, rule, policy_id, LNT_ID_ANY, l4);
	for (size_t k = 0; !b->from && k < ARRAY_SIZE(kinds); k++)
		if (r->kinds & 1u << k && draft(b, rule, policy_id, kinds[k], l4))
			return -ENOMEM;
	for (size_t p = 0; p < b->peers.n; p++) {
		uint32_t id = b->peers.v[p];

		if (!(r->kinds & 1u << lnt_sets_at(&b->ids->sets, id)[0]) &&
			draft(b, rule, policy_id, b->ids->numbers[id], l4))
			return -ENOMEM;
	}
	return 0;
}

static int draft_rule(struct build *b, uint32_t rule, uint32_t set)
{
	const struct lnt_rule *r = &b->rules->items[rule];
	uint32_t policy_id = b->locals->numbers[set];

	if (collect_ports(b, r, set) || collect_peers(b, r))
		return -ENOMEM;
	for (size_t i = 0; i < b->n_l4; i++)
		if (draft_peers(b, rule, policy_id, &b->l4[i]))
			return -ENOMEM;
	for (size_t i = 0; r->dir == LNT_EGRESS && i < r->rule->n_ports; i++) {
		const struct lnt_netpol_port *port = &r->rule->ports[i];

		if (port->name && !lnt_rule_port_problem(port) &&
			draft_named(b, rule, policy_id, port))
			return -ENOMEM;
	}
	return 0;
}

/* Baseline rules are never asked where NetworkPolicies isolate, which have their table then. */
static bool is_asked(const struct lnt_rule *r, uint8_t flags)
{
	if (r->policy->tier != LNT_TIER_BASELINE)
		return true;
	return flags & (r->dir == LNT_INGRESS ? LNT_EP_BASELINE_INGRESS : LNT_EP_BASELINE_EGRESS);
}

static int draft_set(struct build *b, uint32_t set)
{
	uint8_t flags = lnt_locals_flags(b->locals, b->rules, set);
	const uint32_t *v = lnt_sets_at(&b->locals->sets, set);

	for (uint32_t i = 0; i < b->locals->sets.items[set].n; i++) {
		if (v[i] >= b->rules->n_policies)
			break;
		for (uint32_t r = b->rules->first[v[i]]; r < b->rules->first[v[i] + 1]; r++)
			if (is_asked(&b->rules->items[r], flags) && draft_rule(b, r, set))
				return -ENOMEM;
	}
	return 0;
}

/* --- pruning ---------------------------------------------------------------------------------- */

/* Protocol and port as one number of 24 bits, of which a key's prefix length counts those fixed. */
static uint32_t l4_start(const struct draft *d)
{
	return (uint32_t)d->key.proto << 16 | ntohs(d->key.port);
}

static uint32_t l4_end(const struct draft *d)
{
	return l4_start(d) + (1u << (LNT_POLICY_PORT - d->key.prefixlen));
}

static bool same_table(const struct draft *a, const struct draft *b)
{
	return a->key.policy_id == b->key.policy_id && a->key.identity == b->key.identity &&
		a->key.table == b->key.table;
}

/* By table, then each prefix before what is inside of it, then who goes first. */
static int nest_cmp(const void *pa, const void *pb)
{
	const struct draft *a = pa, *b = pb;

	if (a->key.policy_id != b->key.policy_id)
		return a->key.policy_id < b->key.policy_id ? -1 : 1;
	if (a->key.identity != b->key.identity)
		return a->key.identity < b->key.identity ? -1 : 1;
	if (a->key.table != b->key.table)
		return a->key.table < b->key.table ? -1 : 1;
	if (l4_start(a) != l4_start(b))
		return l4_start(a) < l4_start(b) ? -1 : 1;
	if (a->key.prefixlen != b->key.prefixlen)
		return a->key.prefixlen < b->key.prefixlen ? -1 : 1;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return (a->rule > b->rule) - (a->rule < b->rule);
}

/*
 * Leaves out every draft inside of another of the same table that goes before it: it would never be
 * asked, or worse, as the longer match it would be asked alone. Sorts the drafts.
 */
static void prune(struct build *b)
{
	const struct draft *around[LNT_POLICY_PORT - LNT_POLICY_ALL + 1];
	size_t depth = 0, n = 0;

	if (b->n)
		qsort(b->drafts, b->n, sizeof(*b->drafts), nest_cmp);
	for (size_t i = 0; i < b->n; i++) {
		struct draft d = b->drafts[i];

		while (depth &&
			(!same_table(around[depth - 1], &d) ||
				l4_end(around[depth - 1]) <= l4_start(&d)))
			depth--;
		/* Kept ones have lower orders the deeper they are. */
		if (depth && around[depth - 1]->order <= d.order)
			continue;
		b->drafts[n] = d;
		around[depth++] = &b->drafts[n++];
	}
	b->n = n;
}

/* --- heads ------------------------------------------------------------------------------------ */

/* Gives every identity of every table its head. The drafts are sorted by table before, not after.
 */
static int add_heads(struct build *b)
{
	const size_t n = b->n;

	for (size_t first = 0, end; first < n; first = end) {
		struct draft head = b->drafts[first];

		for (end = first; end < n && same_table(&b->drafts[end], &head); end++)
			if (b->drafts[end].key.prefixlen > LNT_POLICY_ALL)
				head.lengths |= LNT_POLICY_LENGTH(b->drafts[end].key.prefixlen);
		if (head.key.prefixlen == LNT_POLICY_ALL) {
			b->drafts[first] = head;
			continue;
		}
		head.key.prefixlen = LNT_POLICY_ALL;
		head.key.proto = 0;
		head.key.port = 0;
		head.order = 0;
		head.rule = NO_RULE;
		if (LNT_GROW(b->drafts, b->cap, b->n + 1))
			return -ENOMEM;
		b->drafts[b->n++] = head;
	}
	return 0;
}

static int key_cmp(const void *pa, const void *pb)
{
	const struct draft *a = pa, *b = pb;

	return memcmp(&a->key, &b->key, sizeof(a->key));
}

/* --- rules' names ----------------------------------------------------------------------------- */

static int name_cmp(const void *pa, const void *pb)
{
	const struct lnt_rule_name *a = pa, *b = pb;

	return (a->rule > b->rule) - (a->rule < b->rule);
}

/* "namespace/policy ingress[0]"; "cnp:policy egress[1] 'name'" of a ClusterNetworkPolicy. */
static char *rule_text(const struct lnt_rule *r)
{
	const struct lnt_meta *meta = &r->policy->meta;
	const char *dir = r->dir == LNT_INGRESS ? "ingress" : "egress";
	char *text;
	int n;

	if (meta->kind == LNT_KIND_NETWORKPOLICY)
		n = asprintf(&text, "%s/%s %s[%u]", meta->ns, meta->name, dir, r->rule->index);
	else if (r->rule->name)
		n = asprintf(&text, "cnp:%s %s[%u] '%s'", meta->name, dir, r->rule->index,
			r->rule->name);
	else
		n = asprintf(&text, "cnp:%s %s[%u]", meta->name, dir, r->rule->index);
	return n < 0 ? NULL : text;
}

static int name_rule(struct lnt_rule *r, struct lnt_numbers *nums, struct lnt_policy_state *s)
{
	struct lnt_rule_name *n = &s->rules[s->n_rules];

	n->name = rule_text(r);
	if (!n->name)
		return -ENOMEM;
	s->n_rules++;
	if (lnt_numbers_take(nums, lnt_hash_str(LNT_HASH_INIT, n->name), &n->rule))
		return -ENOMEM;
	r->number = n->rule;
	return 0;
}

int lnt_entries_name(
	struct lnt_rules *rules, const struct lnt_locals *locals, struct lnt_policy_state *s)
{
	_cleanup_(lnt_numbers_clear) struct lnt_numbers nums = {.first = 1, .last = UINT32_MAX};

	s->rules = calloc(rules->n + 1, sizeof(*s->rules));
	if (!s->rules)
		return -ENOMEM;
	for (size_t p = 0; p < rules->n_policies; p++) {
		if (!locals->applied[p])
			continue;
		for (uint32_t r = rules->first[p]; r < rules->first[p + 1]; r++)
			if (name_rule(&rules->items[r], &nums, s))
				return -ENOMEM;
	}
	qsort(s->rules, s->n_rules, sizeof(*s->rules), name_cmp);
	LNT_SHRINK(s->rules, s->n_rules);
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static uint8_t verdict_of(const struct lnt_rule *r)
{
	if (!r)
		return LNT_SILENT;
	switch (r->rule->action) {
	case LNT_RULE_ACCEPT:
		return LNT_ALLOW;
	case LNT_RULE_PASS:
		return LNT_PASS;
	case LNT_RULE_DENY:
		break;
	}
	return LNT_DENY;
}

/* Both sorted by key, and no key in both. */
static int merge(const struct build *b, struct lnt_policy_state *s)
{
	struct lnt_policy_entry *all = calloc(s->n_policy + b->n, sizeof(*all));
	size_t old = 0, n = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++) {
		const struct draft *d = &b->drafts[i];
		const struct lnt_rule *r = d->rule == NO_RULE ? NULL : &b->rules->items[d->rule];

		while (old < s->n_policy &&
			memcmp(&s->policy[old].key, &d->key, sizeof(d->key)) < 0)
			all[n++] = s->policy[old++];
		all[n++] = (struct lnt_policy_entry){
			.key = d->key,
			.value = {.order = d->order,
				.rule = r ? r->number : 0,
				.lengths = d->lengths,
				.verdict = verdict_of(r)},
		};
	}
	while (old < s->n_policy)
		all[n++] = s->policy[old++];
	free(s->policy);
	s->policy = all;
	s->n_policy = n;
	return 0;
}

int lnt_entries_add(const struct lnt_rules *rules, const struct lnt_identities *ids, uint32_t from,
	const struct lnt_locals *locals, struct lnt_policy_state *s)
{
	_cleanup_(clear) struct build b = {
		.rules = rules, .ids = ids, .locals = locals, .from = from};

	for (uint32_t set = 0; set < locals->sets.n; set++)
		if (draft_set(&b, set))
			return -ENOMEM;
	if (!b.n)
		return 0;
	prune(&b);
	if (add_heads(&b))
		return -ENOMEM;
	qsort(b.drafts, b.n, sizeof(*b.drafts), key_cmp);
	return merge(&b, s);
}
