// SPDX-License-Identifier: Apache-2.0
/* Every way through the node: who may start, what the answers match, and how packets are rewritten.
 */
#include "tests/unit/bed.h"

#include <string.h>

/* A connection between a place and a pod, told by how its packets are seen. */
struct way {
	const char *name;
	int hook, src;	     /* where the opener's packets are seen */
	int back, dst;	     /* where the answers are seen */
	int there, here;     /* what becomes of either */
	enum lnt_action act; /* of the opener's entry */
};

static const struct way ways[] = {
	{"pod to pod", FROM(A), A, FROM(B), B, BED_SENT, BED_SENT, LNT_ACT_PEER},
	{"pod to remote pod", FROM(A), A, WIRE, FAR, BED_SENT, BED_SENT, LNT_ACT_NEIGH},
	{"pod to other node", FROM(A), A, WIRE, NODE2, BED_SENT, BED_SENT, LNT_ACT_NEIGH},
	{"pod to host", FROM(A), A, TO(A), HOST, BED_UP, BED_UP, LNT_ACT_STACK},
	{"pod to other device", FROM(A), A, VIA(A), SIDE, BED_UP, BED_UP, LNT_ACT_STACK},
	{"remote pod to pod", WIRE, FAR, FROM(B), B, BED_SENT, BED_SENT, LNT_ACT_PEER},
	{"world to pod", WIRE, WORLD, FROM(B), B, BED_SENT, BED_SENT, LNT_ACT_PEER},
	{"host to pod", TO(B), HOST, FROM(B), B, BED_UP, BED_UP, LNT_ACT_STACK},
	{"other device to pod", VIA(B), SIDE, FROM(B), B, BED_UP, BED_UP, LNT_ACT_STACK},
};
#define FOR_WAYS(w) for (const struct way *w = ways; w < ways + sizeof(ways) / sizeof(*ways); w++)

/* The opener's packet and the answer, in the words of a protocol. */
static int there(struct bed *b, const struct way *w, uint8_t proto, int flags)
{
	if (proto == IPPROTO_TCP)
		return tcp(b, w->hook, w->src, 1000, w->dst, 80, (uint8_t)flags);
	if (proto == IPPROTO_UDP)
		return udp(b, w->hook, w->src, 1000, w->dst, 80);
	return ping(b, w->hook, w->src, w->dst, 1000);
}

static int here(struct bed *b, const struct way *w, uint8_t proto, int flags)
{
	if (proto == IPPROTO_TCP)
		return tcp(b, w->back, w->dst, 80, w->src, 1000, (uint8_t)flags);
	if (proto == IPPROTO_UDP)
		return udp(b, w->back, w->dst, 80, w->src, 1000);
	return pong(b, w->back, w->dst, w->src, 1000);
}

static void check_macs(const struct bed *b, int to)
{
	if (to < N_PODS)
		bed_assert_into(b, to);
}

/* A first packet is pending, its answer makes the connection, and both directions go on. */
static void converse(struct bed *b, const struct way *w, uint8_t proto)
{
	bool icmp = proto == bed_icmp(b);
	struct lnt_flow_key k = bed_key(b, w->hook, w->src, 1000, w->dst, icmp ? 0 : 80, proto);
	struct lnt_flow_key r = bed_key(b, w->back, w->dst, icmp ? 0 : 80, w->src, 1000, proto);
	struct lnt_pending pend;
	struct lnt_flow f = {}, g = {};

	bed_expect(b, there(b, w, proto, SYN), w->there, w->name, 0);
	if (w->there == BED_SENT)
		check_macs(b, w->dst);
	assert_false(bed_flow(b, &k, NULL));
	assert_true(bed_pending(b, &r, &pend));
	assert_memory_equal(&pend.orig, &k, sizeof(k));
	bed_expect(b, here(b, w, proto, SYN | ACK), w->here, w->name, 1);
	if (w->here == BED_SENT)
		check_macs(b, w->src);
	assert_false(bed_pending(b, &r, NULL));
	assert_true(bed_flow(b, &k, &f) && bed_flow(b, &r, &g));
	assert_int_equal(f.action, w->act);
	assert_int_equal(f.flags & LNT_F_REPLY, 0);
	assert_int_equal(g.flags & LNT_F_REPLY, LNT_F_REPLY);
	for (int i = 0; i < 3; i++) {
		bed_expect(b, there(b, w, proto, ACK), w->there, w->name, 2);
		bed_expect(b, here(b, w, proto, ACK), w->here, w->name, 3);
	}
	assert_int_equal(bed_flows(b), 2);
	assert_true(bed_flow(b, &k, &f) && bed_flow(b, &r, &g));
	assert_int_equal(f.packets, 4);
	assert_int_equal(g.packets, 4);
	assert_int_equal(g.bytes, 4 * bed_in(b)->len);
	assert_int_equal(f.src_identity, bed_identity(w->src));
	assert_int_equal(f.dst_identity, bed_identity(w->dst));
}

static void all_ways(void **state)
{
	struct bed *b = *state;
	const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, bed_icmp(b)};

	for (size_t i = 0; i < 3; i++) {
		FOR_WAYS(w)
		{
			bed_reset(b, bed_is4(b) ? 4 : 6);
			converse(b, w, protos[i]);
		}
	}
}

/* Where the opener is told no, no packet of either side makes an entry. */
static void all_ways_denied(void **state)
{
	struct bed *b = *state;
	const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, bed_icmp(b)};

	for (size_t i = 0; i < 3; i++) {
		FOR_WAYS(w)
		{
			int reason =
				w->hook < N_PODS ? LNT_DROP_POLICY_EGRESS : LNT_DROP_POLICY_INGRESS;
			bool host = w->src == HOST || w->dst == HOST;

			bed_reset(b, bed_is4(b) ? 4 : 6);
			bed_endpoint(b, w->hook < N_PODS ? w->src : w->dst,
				LNT_EP_ISOLATED_INGRESS | LNT_EP_ISOLATED_EGRESS);
			bed_expect(b, there(b, w, protos[i], SYN),
				host ? w->there : BED_DROP(reason), w->name, (int)i);
			bed_expect(b, there(b, w, protos[i], ACK),
				host ? w->there : BED_DROP(reason), w->name, (int)i);
			assert_true(host || !bed_flows(b));
		}
	}
}

/* What is no answer is a connection of its own, for policy to decide. */
static void no_answer(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 81, A, 1000, SYN | ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1001, SYN | ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, FROM(B), B, 80, A, 1000));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(C), C, 80, A, 1000, SYN | ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, FAR, 80, A, 1000, SYN | ACK));
	SENT(b, ping(b, FROM(A), A, B, 7));
	DROPS(b, LNT_DROP_POLICY_INGRESS, ping(b, FROM(B), B, A, 7));
	DROPS(b, LNT_DROP_POLICY_INGRESS, pong(b, FROM(B), B, A, 8));
	SENT(b, pong(b, FROM(B), B, A, 7));
	DROPS(b, LNT_DROP_POLICY_INGRESS, ping(b, FROM(B), B, A, 7));
	/* The answer from the wire to what was asked of a pod here. */
	DROPS(b, LNT_DROP_WIRE_SPOOFED, tcp(b, WIRE, B, 80, A, 1000, SYN | ACK));
}

static void hop_limit(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	for (int established = 0; established < 2; established++) {
		for (int ttl = 0; ttl < 256; ttl++) {
			bed_tcp(b, &p, A, 1000, B, 80, established ? ACK : SYN);
			pkt_set_ttl(&p, (uint8_t)ttl);
			bed_expect(b, bed_send(b, FROM(A), &p), ttl > 1 ? BED_SENT : BED_UP,
				"hop limit", ttl);
			bed_tcp(b, &p, A, 1000, HOST, 80, established ? ACK : SYN);
			pkt_set_ttl(&p, (uint8_t)ttl);
			UP(b, bed_send(b, FROM(A), &p));
		}
		SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
		SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	}
}

/* A hop limit that ends here is the stack's to answer, and policy's to forbid all the same. */
static void hop_limit_denied(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_tcp(b, &p, A, 1000, B, 80, SYN);
	pkt_set_ttl(&p, 1);
	DROPS(b, LNT_DROP_POLICY_INGRESS, bed_send(b, FROM(A), &p));
	bed_udp(b, &p, FAR, 1000, B, 80);
	pkt_set_ttl(&p, 1);
	DROPS(b, LNT_DROP_POLICY_INGRESS, bed_send(b, WIRE, &p));
}

static int to_addr(struct bed *b, int hook, const char *dst)
{
	struct pkt_end src = bed_end(b, hook == WIRE ? WORLD : A, 1000), end = {.port = 80};
	struct pkt p;

	assert_int_equal(lnt_addr_parse(dst, &end.addr), 0);
	pkt_udp(&p, &src, &end);
	return bed_send(b, hook, &p);
}

static void multicast(void **state)
{
	struct bed *b = *state;
	const char *const groups[2][3] = {{"224.0.0.251", "239.1.2.3", "255.255.255.255"},
		{"ff02::fb", "ff05::1:3", "ff0e::1"}};

	for (size_t i = 0; i < 3; i++) {
		DROPS(b, LNT_DROP_MULTICAST, to_addr(b, FROM(A), groups[!bed_is4(b)][i]));
		DROPS(b, LNT_DROP_MULTICAST, to_addr(b, TO(A), groups[!bed_is4(b)][i]));
		UP(b, to_addr(b, WIRE, groups[!bed_is4(b)][i]));
	}
}

/* Loopback and link-local addresses mean the sender's own; no router passes them on. */
static void never_routed(void **state)
{
	struct bed *b = *state;
	const char *const bad[2][3] = {
		{"127.0.0.1", "127.1.2.3", "0.0.0.0"}, {"::1", "fe80::1234", "::"}};

	for (size_t i = 0; i < 3; i++)
		DROPS(b, LNT_DROP_NO_ROUTE, to_addr(b, FROM(A), bad[!bed_is4(b)][i]));
	assert_int_equal(bed_flows(b), 0);
}

static void not_ours(void **state)
{
	struct bed *b = *state;

	UP(b, tcp(b, WIRE, WORLD, 1000, HOST, 22, SYN));
	UP(b, tcp(b, WIRE, FAR, 1000, HOST, 22, ACK));
	UP(b, udp(b, WIRE, WORLD, 1000, SIDE, 53));
	UP(b, ping(b, WIRE, NODE2, HOST, 1));
	assert_int_equal(bed_flows(b), 0);
}

static void other_protocols(void **state)
{
	struct bed *b = *state;
	struct pkt_end a = bed_end(b, A, 0), c = bed_end(b, B, 0);
	struct pkt p;

	pkt_ip(&p, &a, &c, IPPROTO_GRE, "", 0);
	SENT(b, bed_send(b, FROM(A), &p));
	memcpy(&p.data[12], "\x88\xcc", 2);
	DROPS(b, LNT_DROP_UNKNOWN_L3, bed_run(b, FROM(A), &p));
	DROPS(b, LNT_DROP_UNKNOWN_L3, bed_run(b, TO(A), &p));
	UP(b, bed_run(b, WIRE, &p));
}

static void no_route(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_route_world(b, false);
	UP(b, udp(b, FROM(A), A, 1000, HOST, 53));
	/* Neither now nor when there is a route again before the agent has seen it. */
	DROPS(b, LNT_DROP_POLICY_EGRESS, udp(b, FROM(A), A, 1000, WORLD, 53));
	bed_route_world(b, true);
	DROPS(b, LNT_DROP_POLICY_EGRESS, udp(b, FROM(A), A, 1000, WORLD, 53));
}

static const struct CMUnitTest tests[] = {
	BOTH("forward: every way is pending, answered and established", all_ways),
	BOTH("forward: every way is dropped where policy says so", all_ways_denied),
	BOTH("forward: what is no answer is decided on its own", no_answer),
	BOTH("forward: a hop less, and the stack answers for the last", hop_limit),
	BOTH("forward: the last hop does not go round policy", hop_limit_denied),
	BOTH("forward: multicast and broadcast stay out", multicast),
	BOTH("forward: loopback and link-local are not routed", never_routed),
	BOTH("forward: what is for nobody here is the host's", not_ours),
	BOTH("forward: other protocols between pods", other_protocols),
	BOTH("forward: without a route policy holds", no_route),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
