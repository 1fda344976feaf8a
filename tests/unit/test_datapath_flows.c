// SPDX-License-Identifier: Apache-2.0
/* The life of a connection: pending, established, closing, and its end by the sweeper. */
#include "tests/unit/bed.h"

#include <string.h>

static const struct lnt_sweep limits = {.tcp_idle = 10, .closing_idle = 2, .other_idle = 4};

static unsigned sweeps(struct bed *b, int n)
{
	struct lnt_sweep s = limits;

	while (n--) {
		s = limits;
		bed_sweep(b, &s);
	}
	return s.removed;
}

static void opened(struct bed *b, int port)
{
	SENT(b, tcp(b, FROM(A), A, port, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, port, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, port, B, 80, ACK));
}

static bool pending(struct bed *b, uint8_t proto)
{
	struct lnt_flow_key k = bed_key(b, FROM(B), B, 80, A, 1000, proto);

	return bed_pending(b, &k, NULL);
}

/* SYNs alone stay pending, however many; so do ACKs that nobody answers. */
static void tcp_needs_answer(void **state)
{
	struct bed *b = *state;

	for (int i = 0; i < 3; i++)
		SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	assert_true(pending(b, IPPROTO_TCP));
	for (int i = 0; i < 3; i++)
		SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	assert_int_equal(bed_flows(b), 0);
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	assert_int_equal(bed_flows(b), 2);
	assert_false(pending(b, IPPROTO_TCP));
}

/* UDP may be one way for ever: its second packet establishes it. */
static void udp_one_way(void **state)
{
	struct bed *b = *state;
	struct lnt_flow f;
	struct lnt_flow_key k = bed_key(b, FROM(A), A, 1000, B, 80, IPPROTO_UDP);

	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	assert_int_equal(bed_flows(b), 0);
	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	assert_int_equal(bed_flows(b), 2);
	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	assert_true(bed_flow(b, &k, &f));
	assert_int_equal(f.packets, 3);
	assert_int_equal(f.bytes, 3 * bed_in(b)->len);
	SENT(b, udp(b, FROM(B), B, 80, A, 1000));
	assert_int_equal(bed_flows(b), 2);
}

/* A port that refuses is no connection to remember for long. */
static void refused(void **state)
{
	struct bed *b = *state;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, RST | ACK));
	sweeps(b, 4);
	assert_int_equal(bed_flows(b), 0);
}

static void closing(void **state)
{
	struct bed *b = *state;

	/* Half closed: one side may go on for long. */
	opened(b, 1000);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, FIN | ACK));
	sweeps(b, 5);
	assert_int_equal(bed_flows(b), 2);
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, FIN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, ACK));
	sweeps(b, 2);
	assert_int_equal(bed_flows(b), 2);
	sweeps(b, 1);
	assert_int_equal(bed_flows(b), 0);
	opened(b, 1001);
	SENT(b, tcp(b, FROM(B), B, 80, A, 1001, RST));
	sweeps(b, 2);
	assert_int_equal(bed_flows(b), 2);
	sweeps(b, 1);
	assert_int_equal(bed_flows(b), 0);
}

/* The same ports once more after a close: a new connection, which does not inherit the old's end.
 */
static void opened_anew(void **state)
{
	struct bed *b = *state;
	struct lnt_flow f;
	struct lnt_flow_key k = bed_key(b, FROM(A), A, 1000, B, 80, IPPROTO_TCP);

	for (int rst = 0; rst < 2; rst++) {
		opened(b, 1000);
		if (!rst)
			SENT(b, tcp(b, FROM(A), A, 1000, B, 80, FIN | ACK));
		SENT(b, tcp(b, FROM(B), B, 80, A, 1000, rst ? RST : FIN | ACK));
		opened(b, 1000);
		assert_true(bed_flow(b, &k, &f));
		assert_int_equal(f.flags & (LNT_F_FIN | LNT_F_RST), 0);
		k = bed_key(b, FROM(B), B, 80, A, 1000, IPPROTO_TCP);
		assert_true(bed_flow(b, &k, &f));
		assert_int_equal(f.flags & (LNT_F_FIN | LNT_F_RST), 0);
		sweeps(b, 5);
		assert_int_equal(bed_flows(b), 2);
	}
}

/*
 * Known ports again, decided at the same epoch: the entries start again without the slow path. Not
 * after a change, nor for what is translated, nor with half of the entries.
 */
static void reopened(void **state)
{
	struct bed *b = *state;
	struct lnt_flow_key back = bed_key(b, FROM(B), B, 80, A, 1000, IPPROTO_TCP);
	uint64_t decided, reopens = bed_counter(b, LNT_CNT_FLOW_REOPENED) + 1;
	struct lnt_flow f;

	opened(b, 1000);
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, RST));
	decided = bed_counter(b, LNT_CNT_FLOW_NEW);
	opened(b, 1000);
	assert_int_equal(bed_counter(b, LNT_CNT_FLOW_REOPENED), reopens);
	assert_int_equal(bed_counter(b, LNT_CNT_FLOW_NEW), decided);
	assert_true(bed_flow(b, &back, &f));
	assert_int_equal(f.packets, 1);

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	bed_endpoint(b, B, 0);
	bed_bump(b);
	opened(b, 1000);
	assert_int_equal(bed_counter(b, LNT_CNT_FLOW_REOPENED), reopens);
	bed_forget_flow(b, &back);
	opened(b, 1000);
	assert_int_equal(bed_counter(b, LNT_CNT_FLOW_REOPENED), reopens);
	assert_int_equal(bed_flows(b), 2);

	bed_service(b, IPPROTO_TCP, 80, B, 80);
	for (int i = 0; i < 2; i++) {
		SENT(b, tcp(b, FROM(A), A, 2000, VIP, 80, SYN));
		SENT(b, tcp(b, FROM(B), B, 80, A, 2000, SYN | ACK));
	}
	assert_int_equal(bed_counter(b, LNT_CNT_FLOW_REOPENED), reopens);
}

/* By the other side it is another connection, for policy to decide, whatever became of the first.
 */
static void opened_back(void **state)
{
	struct bed *b = *state;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1000, SYN));
	opened(b, 1000);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1000, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, ACK));
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, RST));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1000, SYN));
	/* At once from both sides, where both may. */
	bed_allow(b, A, LNT_INGRESS, bed_identity(B), 0, 0, LNT_POLICY_ALL);
	SENT(b, tcp(b, FROM(A), A, 1001, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1001, SYN));
	SENT(b, tcp(b, FROM(A), A, 1001, B, 80, SYN | ACK));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1001, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1001, B, 80, ACK));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1001, ACK));
}

static void idle(void **state)
{
	struct bed *b = *state;

	opened(b, 1000);
	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	SENT(b, udp(b, FROM(B), B, 80, A, 1000));
	SENT(b, ping(b, FROM(A), A, B, 9));
	SENT(b, pong(b, FROM(B), B, A, 9));
	assert_int_equal(bed_flows(b), 6);
	sweeps(b, 4);
	assert_int_equal(bed_flows(b), 6);
	sweeps(b, 1);
	assert_int_equal(bed_flows(b), 2);
	sweeps(b, 5);
	assert_int_equal(bed_flows(b), 2);
	assert_int_equal(sweeps(b, 1), 2);
	assert_int_equal(bed_flows(b), 0);
}

/* One direction's packets keep the other's entry, for as long as they come. */
static void active(void **state)
{
	struct bed *b = *state;
	int translated;

	bed_service(b, IPPROTO_UDP, 53, B, 5353);
	SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
	SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
	SENT(b, udp(b, FROM(A), A, 1001, WORLD, 53));
	translated = pkt_view(bed_out(b)).src.port;
	SENT(b, udp(b, WIRE, WORLD, 53, HOST, translated));
	assert_int_equal(bed_flows(b), 4);
	for (int i = 0; i < 20; i++) {
		SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
		SENT(b, udp(b, WIRE, WORLD, 53, HOST, translated));
		assert_int_equal(sweeps(b, 3), 0);
	}
	assert_int_equal(bed_flows(b), 4);
	sweeps(b, 6);
	assert_int_equal(bed_flows(b), 0);
}

/* A question that was never answered is not an open door for ever. */
static void pending_ends(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	sweeps(b, 3);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	sweeps(b, 2);
	assert_false(pending(b, IPPROTO_UDP));
	assert_true(pending(b, IPPROTO_TCP));
	DROPS(b, LNT_DROP_POLICY_INGRESS, udp(b, FROM(B), B, 80, A, 1000));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
}

/* What is denied now does not live on by being tried. */
static void denied_ends(void **state)
{
	struct bed *b = *state;

	opened(b, 1000);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_bump(b);
	for (int i = 0; i < 11; i++) {
		DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1000, B, 80, ACK));
		DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1000, ACK));
		sweeps(b, 1);
	}
	assert_int_equal(bed_flows(b), 0);
}

static const struct CMUnitTest tests[] = {
	BOTH("flow: TCP is established by an answer alone", tcp_needs_answer),
	BOTH("flow: one-way UDP is established by its second packet", udp_one_way),
	BOTH("flow: a refused connection goes early", refused),
	BOTH("flow: a closed connection goes early, a half-closed one does not", closing),
	BOTH("flow: a SYN after a close opens anew", opened_anew),
	BOTH("flow: known ports start again without the slow path", reopened),
	BOTH("flow: a SYN the other way is decided on its own", opened_back),
	BOTH("sweep: what is idle goes at its limit", idle),
	BOTH("sweep: what is active in one direction stays", active),
	BOTH("sweep: what was never answered goes too", pending_ends),
	BOTH("sweep: what is denied goes", denied_ends),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
