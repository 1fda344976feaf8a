// SPDX-License-Identifier: Apache-2.0
/*
 * What people are told about policy is what the programs do: random policies and packets, decided
 * by both; and by a compilation that is in no map.
 */
#include "agent/explain/verdict.h"
#include "tests/unit/bed_internal.h"

#include <bpf/libbpf.h>
#include <string.h>

#define ROUNDS	  40
#define PACKETS	  4 /* a round, of each kind */
#define RULES	  14
#define N_ENTRIES (2 * RULES + 1) /* with their heads, and one to spare */
#define FLAGS	  7		  /* bits of enum lnt_endpoint_flag up to LNT_EP_CLOSED */
#define IN_BLOCK  (LNT_ID_WORLD + 5)

static unsigned seed;

static uint32_t below(uint32_t n)
{
	return (uint32_t)rand_r(&seed) % n;
}

/* The same entries in the maps and in a compilation. */
struct both {
	struct bed *b;
	struct lnt_policy_state state;
	struct lnt_maps maps;
};

static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

static void add_endpoints(struct both *t)
{
	for (int pod = A; pod < N_PODS; pod++) {
		/* A table is asked only if a flag says so; few are closed. */
		uint8_t flags = (uint8_t)below(1u << (FLAGS - 1));
		struct lnt_endpoint_entry *en = &t->state.endpoints[t->state.n_endpoints++];

		if (!below(10))
			flags |= LNT_EP_CLOSED;
		if (!below(5))
			flags |= LNT_EP_AUDIT;
		bed_endpoint(t->b, pod, flags);
		en->addr = bed_addr(t->b, pod);
		assert_int_equal(bpf_map__lookup_elem(t->b->skel->maps.endpoints, &en->addr,
					 sizeof(en->addr), &en->value, sizeof(en->value), 0),
			0);
	}
	qsort(t->state.endpoints, t->state.n_endpoints, sizeof(*t->state.endpoints), by_addr);
}

static void add_peers(struct both *t)
{
	for (int who = A; who < N_WHO; who++) {
		if (bed_identity(who) == LNT_ID_WORLD)
			continue;
		t->state.peers[t->state.n_peers++] = (struct lnt_peer_entry){
			.addr = bed_addr(t->b, who), .value.identity = bed_identity(who)};
	}
	qsort(t->state.peers, t->state.n_peers, sizeof(*t->state.peers), by_addr);
}

static void add_block(struct both *t, unsigned bits, uint32_t identity)
{
	struct in6_addr world = bed_addr(t->b, WORLD);
	struct lnt_block_entry *en = &t->state.blocks[t->state.n_blocks++];
	char text[LNT_ADDRSTRLEN], cidr[LNT_PREFIXSTRLEN];
	struct lnt_prefix p;

	snprintf(cidr, sizeof(cidr), "%s/%u", lnt_addr_str(&world, text), bits);
	assert_int_equal(lnt_prefix_parse(cidr, &p), 0);
	bed_block(t->b, cidr, identity);
	*en = (struct lnt_block_entry){
		.key = {.prefixlen = 128 - lnt_addr_bits(&world) + bits, .addr = p.addr},
		.value.identity = identity};
}

static void add_rule(struct both *t)
{
	const uint32_t identities[] = {bed_identity(A), bed_identity(B), bed_identity(C),
		bed_identity(FAR), IN_BLOCK, LNT_ID_POD, LNT_ID_WORLD, LNT_ID_NODE, LNT_ID_HOST,
		LNT_ID_ANY};
	struct lnt_policy_entry en = {
		.key = {.prefixlen = below(2) ? LNT_POLICY_ALL : LNT_POLICY_PROTO + below(17),
			.policy_id = 1 + below(N_PODS),
			.identity = identities[below(ARRAY_SIZE(identities))],
			.table = (uint8_t)below(4)},
		.value = {.order = below(5), .rule = 1 + below(1000), .verdict = (uint8_t)below(3)},
	};
	unsigned bits =
		en.key.prefixlen < LNT_POLICY_PROTO ? 0 : en.key.prefixlen - LNT_POLICY_PROTO;

	if (en.key.prefixlen >= LNT_POLICY_PROTO)
		en.key.proto = below(2) ? IPPROTO_TCP : IPPROTO_UDP;
	en.key.port = htons((uint16_t)((80 + below(4)) & ~(0xffffu >> bits)));
	for (size_t i = 0; i < t->state.n_policy; i++)
		if (!memcmp(&t->state.policy[i].key, &en.key, sizeof(en.key)))
			return;
	bed_policy(t->b, &en.key, &en.value);
	t->state.policy[t->state.n_policy++] = en;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_policy_key));
}

/* The heads are the map's. */
static void add_heads(struct both *t)
{
	struct lnt_policy_state *s = &t->state;

	s->n_policy = 0;
	for (const struct lnt_policy_key *last = NULL;; last = &s->policy[s->n_policy++].key) {
		struct lnt_policy_entry *en = &s->policy[s->n_policy];

		if (bpf_map__get_next_key(t->b->skel->maps.policy, last, &en->key, sizeof(en->key)))
			break;
		assert_true(s->n_policy < N_ENTRIES);
		assert_int_equal(bpf_map__lookup_elem(t->b->skel->maps.policy, &en->key,
					 sizeof(en->key), &en->value, sizeof(en->value), 0),
			0);
	}
	qsort(s->policy, s->n_policy, sizeof(*s->policy), by_key);
}

static void fill(struct both *t)
{
	t->state.n_endpoints = t->state.n_peers = t->state.n_blocks = t->state.n_policy = 0;
	bed_reset(t->b, bed_is4(t->b) ? 4 : 6);
	add_endpoints(t);
	add_peers(t);
	if (below(2))
		add_block(t, bed_is4(t->b) ? 8 : 32, IN_BLOCK);
	if (below(4) == 0)
		add_block(t, bed_is4(t->b) ? 32 : 128, LNT_ID_WORLD);
	for (int i = 0; i < RULES; i++)
		add_rule(t);
	add_heads(t);
	bed_tell(t->b, LNT_TELL_DROPS | LNT_TELL_ALLOWS);
}

static void same(const struct lnt_end_verdict *a, const struct lnt_end_verdict *b)
{
	assert_int_equal(a->reason, b->reason);
	assert_int_equal(a->why, b->why);
	assert_int_equal(a->rule, b->rule);
	assert_int_equal(a->audit, b->audit);
	assert_int_equal(a->n_steps, b->n_steps);
	for (unsigned i = 0; i < a->n_steps; i++) {
		assert_int_equal(a->steps[i].tier, b->steps[i].tier);
		assert_int_equal(a->steps[i].said, b->steps[i].said);
		assert_int_equal(a->steps[i].rule, b->steps[i].rule);
	}
}

/* By both sources, which are of one mind. */
static struct lnt_end_verdict end(const struct both *t, int pod, enum lnt_direction dir, int peer,
	uint8_t proto, uint16_t port)
{
	const struct lnt_policy_source maps = lnt_source_maps(&t->maps);
	const struct lnt_policy_source state = lnt_source_state(&t->state);
	struct in6_addr addr = bed_addr(t->b, pod), other = bed_addr(t->b, peer);
	uint32_t identity = lnt_verdict_identity(&maps, &other);
	struct lnt_end_verdict v, w;

	assert_int_equal(lnt_verdict_identity(&state, &other), identity);
	lnt_verdict_end(&maps, &addr, dir, identity, proto, htons(port), &v);
	lnt_verdict_end(&state, &addr, dir, identity, proto, htons(port), &w);
	same(&v, &w);
	return v;
}

static void try(struct both *t, int hook, int src, int dst)
{
	static int sport = 1000;
	bool udp_ = below(2), from = src < N_PODS, to = dst < N_PODS;
	uint8_t proto = udp_ ? IPPROTO_UDP : IPPROTO_TCP;
	uint16_t port = (uint16_t)(80 + below(4));
	struct lnt_end_verdict last = {}, v;
	enum lnt_direction dir = LNT_EGRESS;
	struct lnt_event ev;
	int got;

	if (from)
		last = end(t, src, LNT_EGRESS, dst, proto, port);
	if (to && (!last.reason || last.audit)) {
		v = end(t, dst, LNT_INGRESS, src, proto, port);
		last = v;
		dir = LNT_INGRESS;
	}
	sport++;
	got = udp_ ? udp(t->b, hook, src, sport, dst, port)
		   : tcp(t->b, hook, src, sport, dst, port, SYN);
	if (last.reason && !last.audit)
		assert_int_equal(got, BED_DROP(last.reason));
	else
		assert_true(got == BED_SENT || got == BED_UP);
	assert_true(bed_event(t->b, &ev));
	assert_int_equal(ev.kind,
		!last.reason	     ? LNT_EVENT_ALLOW
			: last.audit ? LNT_EVENT_AUDIT
				     : LNT_EVENT_DROP);
	assert_int_equal(ev.rule, last.rule);
	assert_int_equal(ev.direction, dir);
}

static void try_all(struct both *t)
{
	try(t, FROM(A), A, B);
	try(t, FROM(B), B, C);
	try(t, FROM(A), A, FAR);
	try(t, FROM(A), A, NODE2);
	try(t, FROM(A), A, WORLD);
	try(t, FROM(A), A, HOST);
	try(t, WIRE, FAR, B);
	try(t, WIRE, NODE2, B);
	try(t, WIRE, WORLD, C);
	try(t, TO(C), HOST, C);
}

static void agree(void **state)
{
	struct bed *b = *state;
	struct lnt_endpoint_entry endpoints[N_PODS];
	struct lnt_peer_entry peers[N_WHO];
	struct lnt_block_entry blocks[2];
	struct lnt_policy_entry policy[N_ENTRIES];
	struct both t = {
		.b = b,
		.state = {.endpoints = endpoints,
			.peers = peers,
			.blocks = blocks,
			.policy = policy},
		.maps = LNT_MAPS_NONE,
	};

	t.maps.endpoints = bpf_map__fd(b->skel->maps.endpoints);
	t.maps.peers = bpf_map__fd(b->skel->maps.peers);
	t.maps.blocks = bpf_map__fd(b->skel->maps.blocks);
	t.maps.policy = bpf_map__fd(b->skel->maps.policy);
	for (unsigned i = 0; i < ROUNDS; i++) {
		seed = i + 1;
		fill(&t);
		for (unsigned k = 0; k < PACKETS; k++)
			try_all(&t);
	}
}

static const struct CMUnitTest tests[] = {
	BOTH("verdicts for people are those of the programs", agree),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
