/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of verdict.h, in the order of datapath/bpf/policy.h. */
#include "agent/explain/verdict.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

/* --- the kernel's maps ------------------------------------------------------------------------ */

static bool maps_endpoint(
	const void *ctx, const struct in6_addr *addr, struct lnt_endpoint_value *ret_value)
{
	const struct lnt_maps *maps = ctx;

	return !bpf_map_lookup_elem(maps->endpoints, addr, ret_value);
}

static bool maps_peer(
	const void *ctx, const struct in6_addr *addr, struct lnt_peer_value *ret_value)
{
	const struct lnt_maps *maps = ctx;

	return !bpf_map_lookup_elem(maps->peers, addr, ret_value);
}

static bool maps_block(
	const void *ctx, const struct in6_addr *addr, struct lnt_peer_value *ret_value)
{
	const struct lnt_cidr_key key = {.prefixlen = 128, .addr = *addr};
	const struct lnt_maps *maps = ctx;

	return !bpf_map_lookup_elem(maps->blocks, &key, ret_value);
}

static bool maps_policy(
	const void *ctx, const struct lnt_policy_key *key, struct lnt_policy_value *ret_value)
{
	const struct lnt_maps *maps = ctx;

	return !bpf_map_lookup_elem(maps->policy, key, ret_value);
}

struct lnt_policy_source lnt_source_maps(const struct lnt_maps *maps)
{
	return (struct lnt_policy_source){maps_endpoint, maps_peer, maps_block, maps_policy, maps};
}

/* --- a compilation ---------------------------------------------------------------------------- */

/* Entries begin with their address, by which they are sorted. */
static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

static bool state_endpoint(
	const void *ctx, const struct in6_addr *addr, struct lnt_endpoint_value *ret_value)
{
	const struct lnt_policy_state *s = ctx;
	const struct lnt_endpoint_entry *en = s->n_endpoints
		? bsearch(addr, s->endpoints, s->n_endpoints, sizeof(*en), by_addr)
		: NULL;

	if (en)
		*ret_value = en->value;
	return en;
}

static bool state_peer(
	const void *ctx, const struct in6_addr *addr, struct lnt_peer_value *ret_value)
{
	const struct lnt_policy_state *s = ctx;
	const struct lnt_peer_entry *en =
		s->n_peers ? bsearch(addr, s->peers, s->n_peers, sizeof(*en), by_addr) : NULL;

	if (en)
		*ret_value = en->value;
	return en;
}

/* Whether the first @bits bits are the same. */
static bool same_bits(const void *a, const void *b, uint32_t bits)
{
	const uint8_t *x = a, *y = b;
	uint8_t rest = (uint8_t)(0xff00 >> bits % 8);

	return !memcmp(x, y, bits / 8) && !((x[bits / 8] ^ y[bits / 8]) & rest);
}

static bool state_block(
	const void *ctx, const struct in6_addr *addr, struct lnt_peer_value *ret_value)
{
	const struct lnt_policy_state *s = ctx;
	const struct lnt_block_entry *best = NULL;
	/* One byte more than the address, for same_bits() of all 128. */
	uint8_t whole[sizeof(*addr) + 1] = {}, block[sizeof(*addr) + 1] = {};

	memcpy(whole, addr, sizeof(*addr));
	for (size_t i = 0; i < s->n_blocks; i++) {
		const struct lnt_block_entry *en = &s->blocks[i];

		memcpy(block, &en->key.addr, sizeof(en->key.addr));
		if ((!best || en->key.prefixlen > best->key.prefixlen) &&
			same_bits(whole, block, en->key.prefixlen))
			best = en;
	}
	if (best)
		*ret_value = best->value;
	return best;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_policy_key));
}

static bool state_policy(
	const void *ctx, const struct lnt_policy_key *key, struct lnt_policy_value *ret_value)
{
	const struct lnt_policy_state *s = ctx;
	const struct lnt_policy_entry *en =
		s->n_policy ? bsearch(key, s->policy, s->n_policy, sizeof(*en), by_key) : NULL;

	if (en)
		*ret_value = en->value;
	return en;
}

struct lnt_policy_source lnt_source_state(const struct lnt_policy_state *state)
{
	return (struct lnt_policy_source){
		state_endpoint, state_peer, state_block, state_policy, state};
}

/* --- the verdict ------------------------------------------------------------------------------ */

uint32_t lnt_verdict_identity(const struct lnt_policy_source *src, const struct in6_addr *addr)
{
	struct lnt_endpoint_value ep;
	struct lnt_peer_value peer;

	if (src->endpoint(src->ctx, addr, &ep))
		return ep.identity;
	if (src->peer(src->ctx, addr, &peer) || src->block(src->ctx, addr, &peer))
		return peer.identity;
	return LNT_ID_WORLD;
}

/* One question: a table of one endpoint about one peer and port. */
struct question {
	const struct lnt_policy_source *src;
	struct lnt_policy_key key;
	uint32_t identity;
};

/* The longest match of the question's key, with the identity of the key. */
static bool find(const struct question *q, struct lnt_policy_value *ret_value)
{
	struct lnt_policy_key key = q->key;
	uint32_t lengths;

	key.prefixlen = LNT_POLICY_ALL;
	key.proto = 0;
	key.port = 0;
	if (!q->src->policy(q->src->ctx, &key, ret_value))
		return false;
	key.proto = q->key.proto;
	lengths = ret_value->lengths;
	for (unsigned cut = 0; lengths; cut++, lengths >>= 1) {
		key.prefixlen = LNT_POLICY_PORT - cut;
		key.port = q->key.port & htons((uint16_t)(0xffffu << cut));
		if (lengths & 1 && q->src->policy(q->src->ctx, &key, ret_value))
			return true;
	}
	return ret_value->verdict != LNT_SILENT;
}

/* Adds the step. The lowest order of what the number, the kind and anybody find rules. */
static int ask(struct question *q, enum lnt_tier tier, unsigned table, struct lnt_end_verdict *v)
{
	const uint32_t peers[] = {q->identity, lnt_id_kind(q->identity), LNT_ID_ANY};
	struct lnt_verdict_step *step = &v->steps[v->n_steps++];
	struct lnt_policy_value best = {.order = ~0u}, found;

	*step = (struct lnt_verdict_step){.tier = tier, .said = LNT_SILENT};
	q->key.table = (uint8_t)table;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		q->key.identity = peers[i];
		if (!find(q, &found) || found.order >= best.order)
			continue;
		best = found;
		step->said = found.verdict;
		step->rule = v->rule = found.rule;
	}
	return step->said;
}

static void deny(struct lnt_end_verdict *v, enum lnt_direction dir, enum lnt_verdict_why why)
{
	v->reason = dir == LNT_INGRESS ? LNT_DROP_POLICY_INGRESS : LNT_DROP_POLICY_EGRESS;
	v->why = why;
}

static void decide(
	struct question *q, enum lnt_direction dir, uint8_t flags, struct lnt_end_verdict *v)
{
	bool in = dir == LNT_INGRESS;
	int said;

	if (flags & (in ? LNT_EP_ADMIN_INGRESS : LNT_EP_ADMIN_EGRESS)) {
		said = ask(q, LNT_TIER_ADMIN, dir | LNT_POLICY_ADMIN, v);
		if (said == LNT_DENY)
			deny(v, dir, LNT_WHY_POLICY);
		if (said == LNT_DENY || said == LNT_ALLOW)
			return;
	}
	if (flags & (in ? LNT_EP_ISOLATED_INGRESS : LNT_EP_ISOLATED_EGRESS)) {
		if (lnt_id_kind(q->identity) == LNT_ID_HOST) {
			v->why = LNT_WHY_NODE_OUT;
			return;
		}
		if (ask(q, LNT_TIER_NETWORK, dir, v) == LNT_ALLOW)
			return;
		deny(v, dir, LNT_WHY_ISOLATED);
		v->rule = 0; /* not the rule that passed it on */
		return;
	}
	if (!(flags & (in ? LNT_EP_BASELINE_INGRESS : LNT_EP_BASELINE_EGRESS)))
		return;
	if (ask(q, LNT_TIER_BASELINE, dir, v) == LNT_DENY)
		deny(v, dir, LNT_WHY_POLICY);
}

void lnt_verdict_end(const struct lnt_policy_source *src, const struct in6_addr *addr,
	enum lnt_direction dir, uint32_t identity, uint8_t proto, __be16 port,
	struct lnt_end_verdict *ret_verdict)
{
	struct question q = {.src = src, .identity = identity};
	struct lnt_end_verdict v = {.why = LNT_WHY_POLICY};
	struct lnt_endpoint_value ep;

	if (!src->endpoint(src->ctx, addr, &ep)) {
		v.reason = LNT_DROP_NO_ENDPOINT;
		v.why = LNT_WHY_UNPROGRAMMED;
	} else if (dir == LNT_INGRESS && lnt_id_kind(identity) == LNT_ID_HOST) {
		v.why = LNT_WHY_NODE_IN;
	} else if (ep.flags & LNT_EP_CLOSED) {
		v.reason = LNT_DROP_POLICY_CLOSED;
		v.why = LNT_WHY_CLOSED;
		v.audit = ep.flags & LNT_EP_AUDIT;
	} else {
		q.key.policy_id = ep.policy_id;
		q.key.proto = proto;
		q.key.port = port;
		decide(&q, dir, ep.flags, &v);
		v.audit = ep.flags & LNT_EP_AUDIT;
	}
	*ret_verdict = v;
}
