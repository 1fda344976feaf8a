// SPDX-License-Identifier: Apache-2.0
/*
 * When there is no room: a flow map of 64 entries, a masquerade range of four ports. What cannot be
 * remembered is counted and decided packet by packet; what is remembered stays.
 */
#include "tests/unit/bed.h"

#include <string.h>

#define MAX_FLOWS 64

static const struct bed_options tiny = {
	.max_flows = MAX_FLOWS, .masq_port_min = 50000, .masq_port_max = 50003};

static void opened(struct bed *b, int port)
{
	SENT(b, tcp(b, FROM(A), A, port, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, port, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, port, B, 80, ACK));
	SENT(b, tcp(b, FROM(B), B, 80, A, port, ACK));
}

static void fill(struct bed *b)
{
	for (int port = 1; port <= MAX_FLOWS / 2; port++)
		opened(b, port);
	assert_int_equal(bed_flows(b), MAX_FLOWS);
}

/* The kernel counts elements a little behind, so the map may take some more: fill it in earnest. */
static int first_refused(struct bed *b)
{
	uint64_t full = bed_counter(b, LNT_CNT_FLOW_MAP_FULL);

	for (int port = 1000; port < 2000; port++) {
		opened(b, port);
		if (bed_counter(b, LNT_CNT_FLOW_MAP_FULL) != full)
			return port;
	}
	fail_msg("the map never fills");
	return 0;
}

/* Direct server return without entries: each packet is decided, and carries the service. */
static void full_and_direct(void **state)
{
	struct bed *b = *state;
	const struct bed_frontend web = {.at = VIP,
		.proto = IPPROTO_TCP,
		.port = 80,
		.flags = LNT_SVC_EXTERNAL | LNT_SVC_DSR,
		.backend = FAR,
		.backend_port = 8080};
	struct in6_addr world = bed_addr(b, WORLD), far = bed_addr(b, FAR);
	uint64_t full;
	unsigned n;

	bed_frontend(b, &web);
	fill(b);
	first_refused(b);
	n = bed_flows(b);
	full = bed_counter(b, LNT_CNT_FLOW_MAP_FULL);
	for (int i = 0; i < 5; i++) {
		SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, i ? ACK : SYN));
		bed_assert_out(b, &world, 1000, &far, 8080);
		assert_true(bed_out(b)->len > bed_in(b)->len);
	}
	assert_int_equal(bed_flows(b), n);
	assert_int_equal(bed_counter(b, LNT_CNT_FLOW_MAP_FULL), full + 4);
}

static void flows_full(void **state)
{
	struct bed *b = *state;
	uint64_t full;
	unsigned n;
	int port;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	fill(b);
	port = first_refused(b);
	n = bed_flows(b);
	full = bed_counter(b, LNT_CNT_FLOW_MAP_FULL);
	for (int i = 0; i < 10; i++) {
		SENT(b, tcp(b, FROM(A), A, port, B, 80, ACK));
		SENT(b, tcp(b, FROM(B), B, 80, A, port, ACK));
	}
	assert_int_equal(bed_flows(b), n);
	assert_true(bed_counter(b, LNT_CNT_FLOW_MAP_FULL) > full);
	/* Policy holds: for who was not asked, and for who is asked again. */
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 3000, ACK));
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, port, B, 80, ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, port, ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 80, ACK));
	bed_endpoint(b, B, 0);
	bed_bump(b);
	SENT(b, tcp(b, FROM(B), B, 80, A, port, ACK));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1, ACK));
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, ACK));
	assert_int_equal(bed_flows(b), n);
}

/* One-way UDP, the other kind that wants an entry. */
static void flows_full_udp(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	fill(b);
	first_refused(b);
	for (int i = 0; i < 5; i++)
		SENT(b, udp(b, FROM(A), A, 5000, B, 53));
	SENT(b, udp(b, FROM(B), B, 53, A, 5000));
	SENT(b, udp(b, FROM(B), B, 53, A, 5000));
}

/* There is room again when the sweeper has been. */
static void room_again(void **state)
{
	struct bed *b = *state;
	struct lnt_sweep s = {.tcp_idle = 1, .closing_idle = 1, .other_idle = 1};
	struct lnt_flow_key k;
	int port;

	fill(b);
	port = first_refused(b);
	bed_sweep(b, &s);
	SENT(b, tcp(b, FROM(A), A, port, B, 80, ACK));
	bed_sweep(b, &s);
	assert_int_equal(bed_flows(b), 0);
	SENT(b, tcp(b, FROM(B), B, 80, A, port, ACK));
	k = bed_key(b, FROM(A), A, port, B, 80, IPPROTO_TCP);
	assert_true(bed_flow(b, &k, NULL));
}

static void put16(struct pkt *p, size_t off, unsigned v)
{
	p->data[off] = (uint8_t)(v >> 8);
	p->data[off + 1] = (uint8_t)v;
}

/* @n packets that differ in their ports, in place: nothing is checked but that they pass. */
static void flood(struct bed *b, int src, int dst, uint8_t flags, unsigned n)
{
	struct pkt p;

	bed_tcp(b, &p, src, 1000, dst, 80, flags);
	bed_place(b, FROM(src), &p);
	for (unsigned i = 0; i < n; i++) {
		put16(&p, p.l4, 1 + i % 65535);
		put16(&p, p.l4 + 2u, 80 + i / 65535);
		if (bed_run_raw(b, FROM(src), &p, 1, NULL) != BED_SENT)
			fail_msg("packet %u of the flood was not sent on", i);
	}
}

static void floods(void **state)
{
	struct bed *b = *state;
	struct lnt_flow f;
	struct lnt_flow_key k = bed_key(b, FROM(A), A, 1, B, 80, IPPROTO_TCP);
	uint64_t full = bed_counter(b, LNT_CNT_FLOW_MAP_FULL);

	opened(b, 1);
	flood(b, C, B, SYN, 100000);
	assert_int_equal(bed_flows(b), 2);
	/* Twice each, so that the pending ones are known. */
	for (int i = 0; i < 2; i++)
		flood(b, C, B, ACK, 10000);
	assert_int_equal(bed_flows(b), 2);
	assert_int_equal(bed_counter(b, LNT_CNT_FLOW_MAP_FULL), full);
	assert_true(bed_flow(b, &k, &f));
	assert_int_equal(f.packets, 2);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, ACK));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1, ACK));
	assert_true(bed_flow(b, &k, &f));
	assert_int_equal(f.packets, 3);
	opened(b, 2);
	assert_int_equal(bed_flows(b), 4);
}

static void ports_run_out(void **state)
{
	struct bed *b = *state;
	bool seen[4] = {};
	int port;

	for (int sport = 1; sport <= 4; sport++) {
		SENT(b, udp(b, FROM(A), A, sport, WORLD, 53));
		port = pkt_view(bed_out(b)).src.port;
		assert_in_range(port, 50000, 50003);
		assert_false(seen[port - 50000]);
		seen[port - 50000] = true;
	}
	DROPS(b, LNT_DROP_NAT_PORTS, udp(b, FROM(A), A, 5, WORLD, 53));
	DROPS(b, LNT_DROP_NAT_PORTS, udp(b, FROM(B), B, 1, WORLD, 53));
	/* Those that have one go on, and other destinations have their own. */
	SENT(b, udp(b, FROM(A), A, 3, WORLD, 53));
	SENT(b, udp(b, FROM(B), B, 1, WORLD2, 53));
	SENT(b, udp(b, FROM(B), B, 1, WORLD, 54));
	SENT(b, tcp(b, FROM(B), B, 1, WORLD, 53, SYN));
}

static const struct CMUnitTest tests[] = {
	BOTH("full: flows without room are decided packet by packet", flows_full),
	BOTH("full: direct server return goes on", full_and_direct),
	BOTH("full: one-way UDP without room", flows_full_udp),
	BOTH("full: the sweeper makes room", room_again),
	BOTH("full: floods leave an established flow alone", floods),
	BOTH("full: ports run out for one destination alone", ports_run_out),
};

int main(void)
{
	bed_group_options = &tiny;
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
