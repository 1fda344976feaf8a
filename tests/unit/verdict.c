/* SPDX-License-Identifier: Apache-2.0 */
/* The look-ups of verdict.h. */
#include "tests/unit/verdict.h"

#include <stdlib.h>
#include <string.h>

int verdict_compile(const struct lnt_store *st, const char *node_name,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_policy_state *ret_state)
{
	const struct lnt_policy_params params = {
		.node_name = node_name,
		.eps = eps,
		.n_eps = n_eps,
	};
	struct lnt_err e = {};

	return lnt_compile_policy(st, &params, &e, ret_state);
}

const struct lnt_endpoint_value *verdict_endpoint(
	const struct lnt_policy_state *s, const struct in6_addr *addr)
{
	for (size_t i = 0; i < s->n_endpoints; i++)
		if (!memcmp(&s->endpoints[i].addr, addr, sizeof(*addr)))
			return &s->endpoints[i].value;
	return NULL;
}

static uint32_t block_identity(const struct lnt_policy_state *s, const struct in6_addr *addr)
{
	const struct lnt_block_entry *best = NULL;

	for (size_t i = 0; i < s->n_blocks; i++) {
		const struct lnt_block_entry *b = &s->blocks[i];
		unsigned bits = b->key.prefixlen, bytes = bits / 8;
		uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

		if (!memcmp(&b->key.addr, addr, bytes) &&
			(!mask || !((b->key.addr.s6_addr[bytes] ^ addr->s6_addr[bytes]) & mask)) &&
			(!best || bits > best->key.prefixlen))
			best = b;
	}
	return best ? best->value.identity : LNT_ID_WORLD;
}

uint32_t verdict_identity(const struct lnt_policy_state *s, const struct in6_addr *addr)
{
	for (size_t i = 0; i < s->n_peers; i++)
		if (!memcmp(&s->peers[i].addr, addr, sizeof(*addr)))
			return s->peers[i].value.identity;
	return block_identity(s, addr);
}

/* Whether the first bits of the data after prefixlen are equal, as in the kernel's trie. */
static bool prefix_equal(
	const struct lnt_policy_key *a, const struct lnt_policy_key *b, unsigned bits)
{
	const uint8_t *x = (const uint8_t *)a + sizeof(a->prefixlen);
	const uint8_t *y = (const uint8_t *)b + sizeof(b->prefixlen);
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return !memcmp(x, y, bits / 8) && (!mask || !((x[bits / 8] ^ y[bits / 8]) & mask));
}

static const struct lnt_policy_value *lookup(
	const struct lnt_policy_state *s, const struct lnt_policy_key *key)
{
	const struct lnt_policy_entry *best = NULL;

	for (size_t i = 0; i < s->n_policy; i++) {
		const struct lnt_policy_entry *en = &s->policy[i];

		/* These two match as a whole; most entries are ruled out by them, and soon. */
		if (en->key.policy_id != key->policy_id || en->key.identity != key->identity)
			continue;
		if (prefix_equal(&en->key, key, en->key.prefixlen) &&
			(!best || en->key.prefixlen > best->key.prefixlen))
			best = en;
	}
	return best && best->value.verdict != LNT_SILENT ? &best->value : NULL;
}

/* What a table says of a peer; NULL: nothing. */
static const struct lnt_policy_value *ask(const struct lnt_policy_state *s, uint32_t policy_id,
	unsigned table, uint32_t identity, uint8_t proto, uint16_t port)
{
	const uint32_t peers[] = {identity, lnt_id_kind(identity), LNT_ID_ANY};
	struct lnt_policy_key key = {
		.prefixlen = LNT_POLICY_PORT,
		.policy_id = policy_id,
		.table = (uint8_t)table,
		.proto = proto,
		.port = htons(port),
	};
	const struct lnt_policy_value *best = NULL, *v;

	for (int i = 0; i < 3; i++) {
		key.identity = peers[i];
		v = lookup(s, &key);
		if (v && (!best || v->order < best->order))
			best = v;
	}
	return best;
}

static struct verdict say(
	const struct lnt_policy_state *s, bool allowed, const struct lnt_policy_value *by)
{
	return (struct verdict){allowed, by ? lnt_policy_rule_name(s, by->rule) : ""};
}

struct verdict verdict_of(const struct lnt_policy_state *s, enum lnt_direction dir,
	const struct in6_addr *ep, const struct in6_addr *peer, uint8_t proto, uint16_t port)
{
	static const struct {
		uint8_t admin, isolated, baseline;
	} flags[] = {
		[LNT_INGRESS] = {LNT_EP_ADMIN_INGRESS, LNT_EP_ISOLATED_INGRESS,
			LNT_EP_BASELINE_INGRESS},
		[LNT_EGRESS] = {LNT_EP_ADMIN_EGRESS, LNT_EP_ISOLATED_EGRESS,
			LNT_EP_BASELINE_EGRESS},
	};
	const struct lnt_endpoint_value *v = verdict_endpoint(s, ep);
	uint32_t identity = verdict_identity(s, peer);
	bool host = lnt_id_kind(identity) == LNT_ID_HOST;
	const struct lnt_policy_value *by;

	if (!v)
		return say(s, false, NULL);
	if (host && dir == LNT_INGRESS)
		return say(s, true, NULL);
	if (v->flags & flags[dir].admin) {
		by = ask(s, v->policy_id, dir | LNT_POLICY_ADMIN, identity, proto, port);
		if (by && by->verdict != LNT_PASS)
			return say(s, by->verdict == LNT_ALLOW, by);
	}
	if (v->flags & flags[dir].isolated) {
		by = ask(s, v->policy_id, dir, identity, proto, port);
		return say(s, host || by, host ? NULL : by);
	}
	if (!(v->flags & flags[dir].baseline))
		return say(s, true, NULL);
	by = ask(s, v->policy_id, dir, identity, proto, port);
	return say(s, !by || by->verdict != LNT_DENY, by);
}

static int key_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_policy_key));
}

static bool in_head(const struct lnt_policy_state *s, const struct lnt_policy_key *k)
{
	const struct lnt_policy_key head = {.prefixlen = LNT_POLICY_ALL,
		.policy_id = k->policy_id,
		.identity = k->identity,
		.table = k->table};
	const struct lnt_policy_entry *en =
		bsearch(&head, s->policy, s->n_policy, sizeof(*en), key_cmp);

	return en && en->value.lengths & LNT_POLICY_LENGTH(k->prefixlen);
}

static const char *check_policy(const struct lnt_policy_state *s)
{
	for (size_t i = 0; i < s->n_policy; i++) {
		const struct lnt_policy_entry *en = &s->policy[i];
		const struct lnt_policy_key *k = &en->key;
		unsigned bits = k->prefixlen - LNT_POLICY_PROTO;

		if (i && memcmp(&en[-1].key, k, sizeof(*k)) >= 0)
			return "policy entries are not sorted";
		if (k->prefixlen != LNT_POLICY_ALL &&
			(k->prefixlen < LNT_POLICY_PROTO || k->prefixlen > LNT_POLICY_PORT))
			return "strange prefix length";
		if (k->prefixlen == LNT_POLICY_ALL ? k->proto || k->port
						   : ntohs(k->port) & (0xffffu >> bits))
			return "bits beyond the prefix";
		if (k->prefixlen != LNT_POLICY_ALL && !k->proto)
			return "port of no protocol";
		if (!k->policy_id || (k->identity != LNT_ID_ANY && lnt_id_kind(k->identity) == 0))
			return "number out of range";
		if (k->prefixlen != LNT_POLICY_ALL && !in_head(s, k))
			return "longer entry that no head knows";
		if (en->value.verdict == LNT_SILENT && en->value.lengths &&
			k->prefixlen == LNT_POLICY_ALL)
			continue;
		if (en->value.verdict > LNT_PASS || !*lnt_policy_rule_name(s, en->value.rule))
			return "entry without a rule";
		if (!en->value.order && en->value.verdict != LNT_ALLOW)
			return "a NetworkPolicy denies";
	}
	return NULL;
}

const char *verdict_check(const struct lnt_policy_state *s)
{
	for (size_t i = 1; i < s->n_peers; i++)
		if (memcmp(&s->peers[i - 1].addr, &s->peers[i].addr, 16) >= 0)
			return "peers are not sorted";
	for (size_t i = 1; i < s->n_endpoints; i++)
		if (memcmp(&s->endpoints[i - 1].addr, &s->endpoints[i].addr, 16) >= 0)
			return "endpoints are not sorted";
	for (size_t i = 0; i < s->n_endpoints; i++) {
		const struct lnt_endpoint_value *v = &s->endpoints[i].value;

		if (verdict_identity(s, &s->endpoints[i].addr) != v->identity)
			return "endpoint and peer differ";
		if (!v->policy_id && v->flags & ~LNT_EP_AUDIT)
			return "flags without a policy";
	}
	for (size_t i = 0; i < s->n_rules; i++)
		if (!s->rules[i].rule || (i && s->rules[i - 1].rule >= s->rules[i].rule))
			return "rules are not sorted";
	return check_policy(s);
}

static bool same(const void *a, size_t n_a, const void *b, size_t n_b, size_t size)
{
	return n_a == n_b && (!n_a || !memcmp(a, b, n_a * size));
}

bool verdict_same(const struct lnt_policy_state *a, const struct lnt_policy_state *b)
{
	if (!same(a->peers, a->n_peers, b->peers, b->n_peers, sizeof(*a->peers)) ||
		!same(a->blocks, a->n_blocks, b->blocks, b->n_blocks, sizeof(*a->blocks)) ||
		!same(a->endpoints, a->n_endpoints, b->endpoints, b->n_endpoints,
			sizeof(*a->endpoints)) ||
		!same(a->policy, a->n_policy, b->policy, b->n_policy, sizeof(*a->policy)) ||
		a->n_rules != b->n_rules || a->n_problems != b->n_problems)
		return false;
	for (size_t i = 0; i < a->n_rules; i++)
		if (a->rules[i].rule != b->rules[i].rule ||
			strcmp(a->rules[i].name, b->rules[i].name) != 0)
			return false;
	for (size_t i = 0; i < a->n_problems; i++)
		if (strcmp(a->problems[i].policy.name, b->problems[i].policy.name) != 0 ||
			strcmp(a->problems[i].text, b->problems[i].text) != 0)
			return false;
	return true;
}
