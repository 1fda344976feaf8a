/* SPDX-License-Identifier: Apache-2.0 */
/* The look-ups of verdict.h. */
#include "tests/unit/verdict.h"

#include <string.h>

const struct lnt_endpoint_value *verdict_endpoint(
	const struct lnt_policy_state *s, const struct in6_addr *addr)
{
	for (size_t i = 0; i < s->n_endpoints; i++)
		if (!memcmp(&s->endpoints[i].addr, addr, sizeof(*addr)))
			return &s->endpoints[i].value;
	return NULL;
}

uint32_t verdict_identity(const struct lnt_policy_state *s, const struct in6_addr *addr)
{
	for (size_t i = 0; i < s->n_peers; i++)
		if (!memcmp(&s->peers[i].addr, addr, sizeof(*addr)))
			return s->peers[i].value.identity;
	return LNT_ID_WORLD;
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

		if (prefix_equal(&en->key, key, en->key.prefixlen) &&
			(!best || en->key.prefixlen > best->key.prefixlen))
			best = en;
	}
	return best ? &best->value : NULL;
}

struct verdict verdict_of(const struct lnt_policy_state *s, enum lnt_direction dir,
	const struct in6_addr *ep, const struct in6_addr *peer, uint8_t proto, uint16_t port)
{
	uint8_t isolated = dir == LNT_INGRESS ? LNT_EP_ISOLATED_INGRESS : LNT_EP_ISOLATED_EGRESS;
	const struct lnt_endpoint_value *v = verdict_endpoint(s, ep);
	struct lnt_policy_key key = {
		.prefixlen = LNT_POLICY_PORT,
		.table = (uint8_t)dir,
		.proto = proto,
		.port = htons(port),
	};
	const struct lnt_policy_value *found;

	if (!v)
		return (struct verdict){false, ""};
	if (!(v->flags & isolated))
		return (struct verdict){true, ""};
	key.policy_id = v->policy_id;
	key.identity = verdict_identity(s, peer);
	found = lookup(s, &key);
	if (!found) {
		key.identity = LNT_ID_ANY;
		found = lookup(s, &key);
	}
	if (!found || found->verdict != LNT_ALLOW)
		return (struct verdict){false, ""};
	return (struct verdict){true, lnt_policy_rule_name(s, found->rule)};
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
		if (en->value.verdict != LNT_ALLOW || !*lnt_policy_rule_name(s, en->value.rule))
			return "entry without a rule";
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
		if (!v->policy_id != !v->flags)
			return "policy id without isolation, or isolation without";
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
		if (strcmp(a->problems[i].name, b->problems[i].name) != 0 ||
			strcmp(a->problems[i].text, b->problems[i].text) != 0)
			return false;
	return true;
}
