// SPDX-License-Identifier: Apache-2.0
/* Fail closed: who is not known, or is not who they say, gets nothing through. */
#include "tests/unit/bed.h"

#include <string.h>

static void unknown_device(void **state)
{
	struct bed *b = *state;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	bed_endpoint_gone(b, A);
	bed_device_gone(b, A);
	DROPS(b, LNT_DROP_NO_ENDPOINT, tcp(b, FROM(A), A, 1001, B, 80, SYN));
	DROPS(b, LNT_DROP_NO_ENDPOINT, udp(b, FROM(A), A, 1001, WORLD, 80));
	DROPS(b, LNT_DROP_NO_ENDPOINT, tcp(b, TO(A), HOST, 1001, A, 80, SYN));
	DROPS(b, LNT_DROP_NO_ENDPOINT, ping(b, VIA(A), SIDE, A, 1));
}

/* A pod whose device exists, and of which the agent knows nothing yet. */
static void new_pod(void **state)
{
	struct bed *b = *state;

	DROPS(b, LNT_DROP_NO_ENDPOINT, tcp(b, FROM(NEWPOD), NEWPOD, 1, B, 80, SYN));
	DROPS(b, LNT_DROP_NO_ENDPOINT, tcp(b, TO(NEWPOD), HOST, 1, NEWPOD, 80, SYN));
	/* What others send it goes to the stack, whose way to it is to_pod. */
	UP(b, udp(b, FROM(A), A, 1, NEWPOD, 80));
	UP(b, udp(b, WIRE, FAR, 1, NEWPOD, 80));
	DROPS(b, LNT_DROP_NO_ENDPOINT, udp(b, VIA(NEWPOD), FAR, 1, NEWPOD, 80));
}

static void endpoint_gone(void **state)
{
	struct bed *b = *state;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	bed_endpoint_gone(b, A);
	bed_bump(b);
	DROPS(b, LNT_DROP_SPOOFED_IP, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_SPOOFED_IP, tcp(b, FROM(A), A, 1001, B, 80, SYN));
	DROPS(b, LNT_DROP_NO_ENDPOINT, tcp(b, FROM(B), B, 80, A, 1000, ACK));
	DROPS(b, LNT_DROP_NO_ENDPOINT, tcp(b, TO(A), HOST, 1001, A, 80, SYN));
}

/* The other end's address goes while a connection is up. */
static void endpoint_moves(void **state)
{
	struct bed *b = *state;
	struct lnt_flow f;
	struct lnt_flow_key k = bed_key(b, FROM(A), A, 1000, B, 80, IPPROTO_TCP);

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	assert_true(bed_flow(b, &k, &f));
	assert_int_equal(f.ifindex, bed_ifindex(b, B));
	bed_endpoint_gone(b, B);
	bed_bump(b);
	UP(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_SPOOFED_IP, tcp(b, FROM(B), B, 80, A, 1000, ACK));
	assert_true(bed_flow(b, &k, &f));
	assert_int_equal(f.action, LNT_ACT_STACK);
}

static void spoofed_source(void **state)
{
	struct bed *b = *state;
	const int others[] = {B, FAR, HOST, WORLD, VIP, NEWPOD, LOOP};

	for (size_t i = 0; i < 7; i++) {
		DROPS(b, LNT_DROP_SPOOFED_IP, tcp(b, FROM(A), others[i], 1000, C, 80, SYN));
		DROPS(b, LNT_DROP_SPOOFED_IP, udp(b, FROM(A), others[i], 1000, WORLD, 53));
		DROPS(b, LNT_DROP_SPOOFED_IP, ping(b, FROM(A), others[i], C, 1));
	}
	assert_int_equal(bed_flows(b), 0);
}

/* A pod injects into a connection of two others, on either side of it. */
static void spoofed_source_of_flow(void **state)
{
	struct bed *b = *state;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	assert_int_equal(bed_flows(b), 2);
	DROPS(b, LNT_DROP_SPOOFED_IP, tcp(b, FROM(C), A, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_SPOOFED_IP, tcp(b, FROM(C), B, 80, A, 1000, RST));
	DROPS(b, LNT_DROP_SPOOFED_IP, tcp(b, FROM(B), A, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_WIRE_SPOOFED, tcp(b, WIRE, A, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_WIRE_SPOOFED, tcp(b, WIRE, B, 80, A, 1000, RST));
}

/* @p with the MAC of C's pod, through A's device. */
static int wrong_mac(struct bed *b)
{
	memcpy(&bed_in(b)->data[6], bed_mac(b, C), 6);
	return bed_again(b, FROM(A));
}

static void spoofed_mac(void **state)
{
	struct bed *b = *state;

	bed_tcp(b, bed_in(b), A, 1000, B, 80, SYN);
	DROPS(b, LNT_DROP_SPOOFED_MAC, wrong_mac(b));
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	DROPS(b, LNT_DROP_SPOOFED_MAC, wrong_mac(b));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_SPOOFED_MAC, wrong_mac(b));
	bed_bump(b);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	DROPS(b, LNT_DROP_SPOOFED_MAC, wrong_mac(b));
}

/* The same where the pod is the one that answers. */
static void spoofed_mac_of_reply(void **state)
{
	struct bed *b = *state;

	SENT(b, tcp(b, FROM(B), B, 1000, A, 80, SYN));
	bed_tcp(b, bed_in(b), A, 80, B, 1000, SYN | ACK);
	DROPS(b, LNT_DROP_SPOOFED_MAC, wrong_mac(b));
	SENT(b, tcp(b, FROM(A), A, 80, B, 1000, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 80, B, 1000, ACK));
	DROPS(b, LNT_DROP_SPOOFED_MAC, wrong_mac(b));
}

static void wire_spoofed(void **state)
{
	struct bed *b = *state;

	DROPS(b, LNT_DROP_WIRE_SPOOFED, tcp(b, WIRE, A, 1000, B, 80, SYN));
	DROPS(b, LNT_DROP_WIRE_SPOOFED, udp(b, WIRE, B, 1000, B, 80));
	DROPS(b, LNT_DROP_WIRE_SPOOFED, udp(b, WIRE, A, 1000, HOST, 80));
	SENT(b, tcp(b, WIRE, FAR, 1000, B, 80, SYN));
}

/* The node's address opens every pod to its owner, so only the node may have it. */
static void node_spoofed(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, HOST, 1000, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, WIRE, HOST, 1000, B, 80));
	DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, WIRE, LOOP, 1000, B, 80));
	UP(b, tcp(b, TO(B), HOST, 1000, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, VIA(B), HOST, 1001, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, VIA(B), HOST, 1001, B, 80));
}

/* By a device that is not linnet's, the stack lets IPv6 come with any source. */
static void side_spoofed(void **state)
{
	struct bed *b = *state;

	DROPS(b, LNT_DROP_WIRE_SPOOFED, udp(b, VIA(B), A, 1000, B, 80));
	DROPS(b, LNT_DROP_WIRE_SPOOFED, udp(b, VIA(B), B, 1000, B, 80));
	UP(b, udp(b, VIA(B), SIDE, 1000, B, 80));
}

/* A drop of TCP port 80 from A to B by B's policy. */
static void dropped(struct bed *b, struct lnt_event *ret_event, uint16_t sport)
{
	struct lnt_flow_key k = bed_key(b, FROM(A), A, sport, B, 80, IPPROTO_TCP);
	struct in6_addr target = bed_addr(b, B);

	assert_false(bed_event(b, ret_event));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, sport, B, 80, SYN));
	assert_true(bed_event(b, ret_event));
	assert_memory_equal(&ret_event->key, &k, sizeof(k));
	assert_memory_equal(&ret_event->target, &target, sizeof(target));
	assert_int_equal(ret_event->target_port, htons(80));
	assert_int_equal(ret_event->kind, LNT_EVENT_DROP);
	assert_int_equal(ret_event->reason, LNT_DROP_POLICY_INGRESS);
	assert_int_equal(ret_event->direction, LNT_INGRESS);
	assert_int_equal(ret_event->src_identity, bed_identity(A));
	assert_int_equal(ret_event->dst_identity, bed_identity(B));
	assert_int_equal(ret_event->policy_id, 1 + B);
	assert_int_equal(ret_event->ifindex, bed_ifindex(b, A));
}

static void told_why(void **state)
{
	struct bed *b = *state;
	struct lnt_event ev;

	bed_tell(b, LNT_TELL_DROPS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	dropped(b, &ev, 1000);
	assert_int_equal(ev.rule, 0);
	bed_bump(b);
	bed_endpoint(b, B, 0);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	assert_false(bed_event(b, &ev));
	/* And nothing of the drop before. */
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1001, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 1000, A, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1001, B, 80, SYN));
	bed_tcp(b, bed_in(b), A, 80, B, 1000, SYN | ACK);
	DROPS(b, LNT_DROP_SPOOFED_MAC, wrong_mac(b));
	assert_true(bed_event(b, &ev));
	assert_int_equal(ev.reason, LNT_DROP_SPOOFED_MAC);
	assert_int_equal(ev.policy_id, 0);
}

static void told_the_rule(void **state)
{
	struct bed *b = *state;
	struct lnt_event ev;

	bed_tell(b, LNT_TELL_DROPS | LNT_TELL_ALLOWS);
	bed_endpoint(b, B, LNT_EP_ADMIN_INGRESS);
	bed_rule(b, B, LNT_INGRESS | LNT_POLICY_ADMIN, LNT_ID_ANY, 5, LNT_DENY);
	dropped(b, &ev, 1000);
	assert_int_equal(ev.rule, 5);
	bed_rule(b, B, LNT_INGRESS | LNT_POLICY_ADMIN, bed_identity(A), 4, LNT_ALLOW);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	assert_true(bed_event(b, &ev));
	/* A's side has no policy, but a verdict too; the last told is B's. */
	assert_int_equal(ev.kind, LNT_EVENT_ALLOW);
	assert_int_equal(ev.direction, LNT_INGRESS);
	assert_int_equal(ev.rule, 4);
}

/* Packets of a connection that was up, from either side. */
static void told_of_the_known(void **state)
{
	struct bed *b = *state;
	struct in6_addr target = bed_addr(b, B);
	struct lnt_event ev;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_tell(b, LNT_TELL_DROPS);
	for (int i = 0; i < 4; i++) {
		if (i % 2)
			DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1000, ACK));
		else
			DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1000, B, 80, ACK));
		assert_true(bed_event(b, &ev));
		assert_memory_equal(&ev.target, &target, sizeof(target));
		assert_int_equal(ev.target_port, htons(80));
		assert_int_equal(ev.direction, LNT_INGRESS);
	}
}

/* Nobody takes them: they are counted. */
static void told_too_much(void **state)
{
	struct bed *b = *state;
	uint64_t before = bed_counter(b, LNT_CNT_EVENTS_LOST);
	struct lnt_event ev;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_tell(b, LNT_TELL_DROPS);
	for (int i = 0; i < 3000; i++)
		DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, FROM(A), A, 1000, B, 80));
	assert_in_range(bed_counter(b, LNT_CNT_EVENTS_LOST) - before, 1, 2999);
	assert_true(bed_event(b, &ev));
}

/* Nobody listens: drops are counted and nothing else. */
static void told_nobody(void **state)
{
	struct bed *b = *state;
	struct lnt_event ev;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	assert_false(bed_event(b, &ev));
}

static const struct CMUnitTest tests[] = {
	BOTH("closed: an unknown device passes nothing", unknown_device),
	BOTH("closed: a pod that is not programmed gets and sends nothing", new_pod),
	BOTH("closed: a pod that is gone gets and sends nothing", endpoint_gone),
	BOTH("closed: a flow to a pod that is gone leaves its device", endpoint_moves),
	BOTH("closed: a source that is not the pod's is dropped", spoofed_source),
	BOTH("closed: nobody else sends on a known flow", spoofed_source_of_flow),
	BOTH("closed: a MAC that is not the pod's is dropped", spoofed_mac),
	BOTH("closed: a MAC that is not the answering pod's is dropped", spoofed_mac_of_reply),
	BOTH("closed: a local pod's source off the wire is dropped", wire_spoofed),
	BOTH("closed: the node's source off the wire is not the node", node_spoofed),
	BOTH("closed: a local pod's source by another device is dropped", side_spoofed),
	BOTH("drop: the event tells who, whom and which policy", told_why),
	BOTH("drop: the event tells the rule", told_the_rule),
	BOTH("drop: what is told of a known connection", told_of_the_known),
	BOTH("drop: what could not be told is counted", told_too_much),
	BOTH("drop: nothing is told to nobody", told_nobody),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
