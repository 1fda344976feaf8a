// SPDX-License-Identifier: Apache-2.0
/* ICMP errors go the way of the flow they are about, and no other way. */
#include "tests/unit/bed.h"

#include <string.h>

/* An error from @src to @dst about the last packet that was sent on, @quote bytes of it. */
static int complain(struct bed *b, int hook, int src, int dst, const struct pkt *about, int quote)
{
	struct pkt_end s = bed_end(b, src, 0), d = bed_end(b, dst, 0);
	struct pkt p;

	pkt_error(&p, &s, &d, about, (size_t)quote);
	return bed_send(b, hook, &p);
}

static void of_flow(void **state)
{
	struct bed *b = *state;
	struct pkt about;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_EGRESS);
	/* Of a pending connection, from the other end. */
	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	about = *bed_out(b);
	SENT(b, complain(b, FROM(B), B, A, &about, 8));
	bed_assert_into(b, A);
	/* Of an established one, from either end. */
	SENT(b, udp(b, FROM(B), B, 80, A, 1000));
	SENT(b, complain(b, FROM(B), B, A, &about, 8));
	SENT(b, complain(b, FROM(B), B, A, &about, 20));
	SENT(b, udp(b, FROM(B), B, 80, A, 1000));
	about = *bed_out(b);
	SENT(b, complain(b, FROM(A), A, B, &about, 8));
	bed_assert_into(b, B);
}

static void of_flow_outside(void **state)
{
	struct bed *b = *state;
	struct pkt about;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	SENT(b, udp(b, FROM(A), A, 1000, FAR, 80));
	about = *bed_out(b);
	/* From the end, and from a router on the way. */
	SENT(b, complain(b, WIRE, FAR, A, &about, 8));
	SENT(b, complain(b, WIRE, NODE2, A, &about, 8));
	bed_assert_into(b, A);
	UP(b, udp(b, FROM(A), A, 1000, HOST, 80));
	about = *bed_out(b);
	UP(b, complain(b, TO(A), HOST, A, &about, 8));
	/* The host about what it could not forward. */
	bed_udp(b, &about, A, 1000, WORLD, 1);
	UP(b, complain(b, TO(A), HOST, A, &about, 8));
}

static void stray(void **state)
{
	struct bed *b = *state;
	struct pkt about;

	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	bed_udp(b, &about, A, 1001, B, 80);
	DROPS(b, LNT_DROP_STRAY_ERROR, complain(b, FROM(B), B, A, &about, 8));
	bed_udp(b, &about, A, 1000, B, 81);
	DROPS(b, LNT_DROP_STRAY_ERROR, complain(b, FROM(B), B, A, &about, 8));
	bed_udp(b, &about, B, 80, A, 1000);
	DROPS(b, LNT_DROP_STRAY_ERROR, complain(b, FROM(B), B, A, &about, 8));
	bed_udp(b, &about, A, 1000, B, 80);
	DROPS(b, LNT_DROP_STRAY_ERROR, complain(b, FROM(C), C, A, &about, 8));
	DROPS(b, LNT_DROP_STRAY_ERROR, complain(b, WIRE, WORLD, A, &about, 8));
	DROPS(b, LNT_DROP_STRAY_ERROR, complain(b, VIA(A), SIDE, A, &about, 8));
	DROPS(b, LNT_DROP_SPOOFED_IP, complain(b, FROM(C), B, A, &about, 8));
	bed_udp(b, &about, HOST, 1000, WORLD, 80);
	UP(b, complain(b, WIRE, WORLD, HOST, &about, 8));
}

/* What an error quotes was sent by whom it is sent to; else it goes round policy. */
static void misdirected(void **state)
{
	struct bed *b = *state;
	const int others[] = {B, FAR, WORLD, HOST};
	struct pkt about;

	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_allow(b, A, LNT_EGRESS, bed_identity(NODE2), 0, 0, LNT_POLICY_ALL);
	UP(b, udp(b, FROM(A), A, 1000, HOST, 53));
	UP(b, udp(b, TO(A), HOST, 53, A, 1000));
	SENT(b, udp(b, FROM(A), A, 1000, NODE2, 53));
	SENT(b, udp(b, WIRE, NODE2, 53, A, 1000));
	for (size_t i = 0; i < 4; i++) {
		bed_udp(b, &about, NODE2, 53, A, 1000);
		DROPS(b, LNT_DROP_STRAY_ERROR, complain(b, FROM(A), A, others[i], &about, 8));
		bed_udp(b, &about, A, 1000, NODE2, 53);
		if (others[i] == B)
			DROPS(b, LNT_DROP_STRAY_ERROR,
				complain(b, WIRE, NODE2, others[i], &about, 8));
		if (others[i] == HOST)
			continue;
		bed_udp(b, &about, HOST, 53, A, 1000);
		DROPS(b, LNT_DROP_STRAY_ERROR, complain(b, FROM(A), A, others[i], &about, 8));
	}
}

/* A change of policy reaches the errors of a flow as it reaches its packets. */
static void denied(void **state)
{
	struct bed *b = *state;
	struct pkt about;

	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	about = *bed_out(b);
	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_EGRESS, complain(b, FROM(B), B, A, &about, 8));
	bed_endpoint(b, A, 0);
	bed_bump(b);
	SENT(b, udp(b, FROM(B), B, 80, A, 1000));
	SENT(b, complain(b, FROM(B), B, A, &about, 8));
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, complain(b, FROM(B), B, A, &about, 8));
	DROPS(b, LNT_DROP_POLICY_INGRESS, complain(b, FROM(B), B, A, &about, 8));
	bed_allow(b, B, LNT_INGRESS, bed_identity(A), 0, 0, LNT_POLICY_ALL);
	bed_bump(b);
	SENT(b, complain(b, FROM(B), B, A, &about, 8));
}

static void cut(void **state)
{
	struct bed *b = *state;
	struct pkt about;

	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	about = *bed_out(b);
	for (int n = 0; n < 8; n++)
		DROPS(b, LNT_DROP_MALFORMED, complain(b, FROM(B), B, A, &about, n));
}

/* An error about a masqueraded packet finds its pod, which must know its own packet again. */
static void masqueraded(void **state)
{
	struct bed *b = *state;
	const int from[] = {WORLD, NODE2};
	struct pkt sent, about, quoted;
	struct pkt_view v;
	struct in6_addr a = bed_addr(b, A);

	for (size_t i = 0; i < 4; i++) {
		bed_udp(b, &sent, A, 1000, WORLD, 53);
		if (i > 1 && bed_is4(b))
			pkt_ip4_options(&sent, 8);
		else if (i > 1)
			pkt_ip6_ext(&sent, IPPROTO_DSTOPTS, 2);
		SENT(b, bed_send(b, FROM(A), &sent));
		about = *bed_out(b);
		SENT(b, complain(b, WIRE, from[i % 2], HOST, &about, 8));
		bed_assert_into(b, A);
		v = pkt_view(bed_out(b));
		assert_memory_equal(&v.dst.addr, &a, sizeof(a));
		/* What it quotes: the pod's packet but for hop limit and checksums. */
		memset(&quoted, 0, sizeof(quoted));
		memcpy(quoted.data, sent.data, 14);
		memcpy(&quoted.data[14], &bed_out(b)->data[bed_out(b)->l4 + 8],
			bed_out(b)->len - bed_out(b)->l4 - 8);
		quoted.l4 = sent.l4;
		v = pkt_view(&quoted);
		assert_memory_equal(&v.src.addr, &a, sizeof(a));
		assert_memory_equal(&quoted.data[quoted.l4], &sent.data[sent.l4], 4);
		assert_memory_equal(&quoted.data[bed_is4(b) ? 34 : 54],
			&sent.data[bed_is4(b) ? 34 : 54], sent.l4 - (bed_is4(b) ? 34 : 54));
	}
	bed_udp(b, &about, HOST, 39999, WORLD, 53);
	UP(b, complain(b, WIRE, WORLD, HOST, &about, 8));
}

static const struct CMUnitTest tests[] = {
	BOTH("error: about a flow between pods passes", of_flow),
	BOTH("error: about a flow to outside passes", of_flow_outside),
	BOTH("error: about no flow is dropped", stray),
	BOTH("error: to another than the sender of what it quotes is dropped", misdirected),
	BOTH("error: about a flow that is now denied is dropped", denied),
	BOTH("error: that quotes too little is dropped", cut),
	BOTH("error: about a masqueraded packet finds the pod", masqueraded),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
