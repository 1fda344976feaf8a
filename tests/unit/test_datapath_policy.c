// SPDX-License-Identifier: Apache-2.0
/* Policy at both ends: who is allowed what, and that a change reaches connections that are up. */
#include "tests/unit/bed.h"

#include <string.h>

static void ingress(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, FAR, 1, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, WORLD, 1, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, VIA(B), SIDE, 1, B, 80, SYN));
	bed_allow(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_TCP, 80, LNT_POLICY_PORT);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 81, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, FROM(A), A, 1, B, 80));
	DROPS(b, LNT_DROP_POLICY_INGRESS, ping(b, FROM(A), A, B, 80));
	DROPS(b, LNT_DROP_POLICY_INGRESS, pong(b, FROM(A), A, B, 80));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(C), C, 1, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, FAR, 1, B, 80, SYN));
	/* B itself may speak to anybody. */
	SENT(b, tcp(b, FROM(B), B, 1, A, 80, SYN));
	SENT(b, udp(b, FROM(B), B, 1, WORLD, 53));
}

static void egress(void **state)
{
	struct bed *b = *state;
	const int peers[] = {B, FAR, NODE2, WORLD};

	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	for (size_t i = 0; i < 4; i++) {
		bed_disallow(b);
		DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1, peers[i], 80, SYN));
		bed_allow(
			b, A, LNT_EGRESS, bed_identity(peers[i]), IPPROTO_TCP, 80, LNT_POLICY_PORT);
		SENT(b, tcp(b, FROM(A), A, 1, peers[i], 80, SYN));
		DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1, peers[i], 81, SYN));
		DROPS(b, LNT_DROP_POLICY_EGRESS, udp(b, FROM(A), A, 1, peers[i], 80));
		DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1, C, 80, SYN));
	}
	/* Others may speak to A. */
	SENT(b, tcp(b, FROM(B), B, 1, A, 80, SYN));
	SENT(b, tcp(b, FROM(A), A, 80, B, 1, SYN | ACK));
}

/* Both ends have to agree, and the rule that is told is one of the two. */
static void both_ends(void **state)
{
	struct bed *b = *state;
	const uint32_t ida = bed_identity(A), idb = bed_identity(B);

	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_allow(b, B, LNT_INGRESS, ida, IPPROTO_TCP, 80, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1, B, 80, SYN));
	bed_disallow(b);
	bed_allow(b, A, LNT_EGRESS, idb, IPPROTO_TCP, 80, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 80, SYN));
	bed_allow(b, B, LNT_INGRESS, ida, IPPROTO_TCP, 80, LNT_POLICY_PORT);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, SYN));
	/* Rules for the other direction, or for other pods, do not help. */
	bed_disallow(b);
	bed_allow(b, A, LNT_INGRESS, idb, IPPROTO_TCP, 80, LNT_POLICY_PORT);
	bed_allow(b, B, LNT_EGRESS, ida, IPPROTO_TCP, 80, LNT_POLICY_PORT);
	bed_allow(b, C, LNT_EGRESS, idb, IPPROTO_TCP, 80, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 2, B, 80, SYN));
}

static void wildcards(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	/* Ports 80 to 87 of anybody. */
	bed_allow(b, B, LNT_INGRESS, LNT_ID_ANY, IPPROTO_TCP, 80, LNT_POLICY_PORT - 3);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 79, SYN));
	for (int port = 80; port < 88; port++)
		SENT(b, tcp(b, WIRE, WORLD, 1, B, port, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 88, SYN));
	/* All of UDP, from A. */
	bed_allow(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_UDP, 0, LNT_POLICY_PROTO);
	SENT(b, udp(b, FROM(A), A, 1, B, 65535));
	SENT(b, udp(b, FROM(A), A, 1, B, 0));
	DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, FROM(C), C, 1, B, 80));
	DROPS(b, LNT_DROP_POLICY_INGRESS, ping(b, FROM(A), A, B, 1));
	/* Everything, from C. */
	bed_allow(b, B, LNT_INGRESS, bed_identity(C), 0, 0, LNT_POLICY_ALL);
	SENT(b, ping(b, FROM(C), C, B, 1));
	SENT(b, udp(b, FROM(C), C, 1, B, 80));
	SENT(b, tcp(b, FROM(C), C, 1, B, 9999, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, ping(b, FROM(A), A, B, 1));
}

/* Of one peer the longest match, of the peer and anybody the lower order. */
static void match_and_order(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, B, LNT_EP_BASELINE_INGRESS);
	bed_rule(b, B, LNT_INGRESS, LNT_ID_ANY, 2, LNT_ALLOW);
	bed_deny(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_TCP, 80, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 80, SYN));
	SENT(b, tcp(b, FROM(A), A, 1, B, 81, SYN));
	SENT(b, tcp(b, FROM(C), C, 1, B, 80, SYN));
}

static void host_and_self(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS | LNT_EP_ISOLATED_EGRESS);
	UP(b, tcp(b, TO(A), HOST, 1, A, 80, SYN));
	UP(b, ping(b, TO(A), HOST, A, 1));
	UP(b, udp(b, FROM(A), A, 1, HOST, 53));
	/* To itself, should a packet ever leave the pod for that. */
	SENT(b, tcp(b, FROM(A), A, 1, A, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_EGRESS, udp(b, FROM(A), A, 1, NODE2, 53));
	DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, WIRE, NODE2, 53, A, 1));
}

/* What a pod sends to the host may be sent on to another pod there, by rules that are not linnet's.
 */
static void through_the_host(void **state)
{
	struct bed *b = *state;

	UP(b, tcp(b, VIA_POD(A, B), A, 1000, B, 80, SYN));
	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, VIA_POD(A, B), A, 1001, B, 80, SYN));
	bed_allow(b, A, LNT_EGRESS, bed_identity(B), IPPROTO_TCP, 80, LNT_POLICY_PORT);
	UP(b, tcp(b, VIA_POD(A, B), A, 1001, B, 80, SYN));
	UP(b, tcp(b, FROM(B), B, 80, A, 1001, SYN | ACK));
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, VIA_POD(A, B), A, 1002, B, 80, SYN));
	DROPS(b, LNT_DROP_WIRE_SPOOFED, tcp(b, VIA_POD(C, B), A, 1003, B, 80, SYN));
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1001, ACK));
}

static void established(struct bed *b)
{
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
}

/* Denied, allowed and denied again while it is up, asked first by either side. */
static void change_reaches_flows(void **state)
{
	struct bed *b = *state;
	struct lnt_flow f, r;
	struct lnt_flow_key k = bed_key(b, FROM(A), A, 1000, B, 80, IPPROTO_TCP);
	struct lnt_flow_key rk = bed_key(b, FROM(B), B, 80, A, 1000, IPPROTO_TCP);
	uint64_t redecided;

	established(b);
	for (int i = 0; i < 3; i++) {
		bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
		bed_bump(b);
		for (int j = 0; j < 2; j++) {
			if (i % 2)
				DROPS(b, LNT_DROP_POLICY_INGRESS,
					tcp(b, FROM(A), A, 1000, B, 80, ACK));
			DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1000, ACK));
			DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1000, B, 80, ACK));
		}
		bed_allow(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_TCP, 80, LNT_POLICY_PORT);
		bed_bump(b);
		redecided = bed_counter(b, LNT_CNT_FLOW_REDECIDED);
		for (int j = 0; j < 3; j++) {
			SENT(b, tcp(b, FROM(B), B, 80, A, 1000, ACK));
			SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
		}
		assert_int_equal(bed_counter(b, LNT_CNT_FLOW_REDECIDED), redecided + 2);
		bed_disallow(b);
	}
	assert_int_equal(bed_flows(b), 2);
	assert_true(bed_flow(b, &k, &f) && bed_flow(b, &rk, &r));
	assert_int_equal(f.packets, 2 + 9);
	assert_int_equal(r.packets, 1 + 9);
}

/* Without a new epoch a flow is not asked again; with one and no change it goes on as before. */
static void epoch(void **state)
{
	struct bed *b = *state;

	established(b);
	bed_bump(b);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, ACK));
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1001, B, 80, SYN));
}

/* A change between question and answer. */
static void change_reaches_pending(void **state)
{
	struct bed *b = *state;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	assert_int_equal(bed_flows(b), 0);
	bed_allow(b, A, LNT_EGRESS, bed_identity(B), 0, 0, LNT_POLICY_ALL);
	bed_bump(b);
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	assert_int_equal(bed_flows(b), 2);
}

/* A connection that the host opened stays the host's after a change, one through it does not. */
static void change_reaches_host_flows(void **state)
{
	struct bed *b = *state;

	UP(b, tcp(b, TO(A), HOST, 1000, A, 80, SYN));
	UP(b, tcp(b, FROM(A), A, 80, HOST, 1000, SYN | ACK));
	UP(b, tcp(b, VIA(A), SIDE, 1000, A, 80, SYN));
	UP(b, tcp(b, FROM(A), A, 80, SIDE, 1000, SYN | ACK));
	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS | LNT_EP_ISOLATED_EGRESS);
	bed_bump(b);
	UP(b, tcp(b, FROM(A), A, 80, HOST, 1000, ACK));
	UP(b, tcp(b, TO(A), HOST, 1000, A, 80, ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 80, SIDE, 1000, ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, VIA(A), SIDE, 1000, A, 80, ACK));
}

/* Who a peer is changes: a label, or an address that moved to another pod. */
static void identity_changes(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_allow(b, B, LNT_INGRESS, bed_identity(FAR), 0, 0, LNT_POLICY_ALL);
	SENT(b, tcp(b, WIRE, FAR, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, FAR, 1000, SYN | ACK));
	bed_peer(b, FAR, bed_identity(C));
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, FAR, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, FAR, 1000, ACK));
	bed_peer(b, FAR, 0);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, FAR, 1000, B, 80, ACK));
	bed_peer(b, FAR, bed_identity(FAR));
	bed_bump(b);
	SENT(b, tcp(b, WIRE, FAR, 1000, B, 80, ACK));
	SENT(b, tcp(b, FROM(B), B, 80, FAR, 1000, ACK));
}

static const struct CMUnitTest tests[] = {
	BOTH("policy: isolated ingress lets in what a rule names", ingress),
	BOTH("policy: isolated egress lets out what a rule names", egress),
	BOTH("policy: both ends have to allow", both_ends),
	BOTH("policy: port ranges, protocols and anybody", wildcards),
	BOTH("policy: the longest match for the peer decides", match_and_order),
	BOTH("policy: the host and the pod itself are always allowed", host_and_self),
	BOTH("policy: both ends have to allow what the host sends on", through_the_host),
	BOTH("policy: a change reaches an established flow from both sides", change_reaches_flows),
	BOTH("policy: flows are asked again once an epoch", epoch),
	BOTH("policy: a change reaches a pending connection", change_reaches_pending),
	BOTH("policy: a change reaches flows of and through the host", change_reaches_host_flows),
	BOTH("policy: a change of who the peer is reaches flows", identity_changes),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
