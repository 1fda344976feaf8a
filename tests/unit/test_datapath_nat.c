// SPDX-License-Identifier: Apache-2.0
/* Masquerading: pods speak to the world with the node's address and a port of its range. */
#include "tests/unit/bed.h"

#include <arpa/inet.h>
#include <string.h>

#define FIRST 40000
#define LAST  40999

/* The last packet out is from the node, with a port of the range, to WORLD; gives the port. */
static int masqueraded(const struct bed *b, int dst, int dport)
{
	struct pkt_view v = pkt_view(bed_out(b));
	struct in6_addr host = bed_addr(b, HOST), to = bed_addr(b, dst);

	assert_memory_equal(&v.src.addr, &host, sizeof(host));
	assert_memory_equal(&v.dst.addr, &to, sizeof(to));
	assert_in_range(v.src.port, FIRST, LAST);
	if (v.proto == IPPROTO_TCP || v.proto == IPPROTO_UDP)
		assert_int_equal(v.dst.port, dport);
	return v.src.port;
}

static void untranslated(const struct bed *b, int src, int sport, int dst, int dport)
{
	struct in6_addr s = bed_addr(b, src), d = bed_addr(b, dst);

	bed_assert_out(b, &s, sport, &d, dport);
}

static void tcp_and_udp(void **state)
{
	struct bed *b = *state;
	int port;

	SENT(b, tcp(b, FROM(A), A, 1000, WORLD, 80, SYN));
	port = masqueraded(b, WORLD, 80);
	SENT(b, tcp(b, WIRE, WORLD, 80, HOST, port, SYN | ACK));
	untranslated(b, WORLD, 80, A, 1000);
	bed_assert_into(b, A);
	for (int i = 0; i < 3; i++) {
		SENT(b, tcp(b, FROM(A), A, 1000, WORLD, 80, ACK));
		assert_int_equal(masqueraded(b, WORLD, 80), port);
		SENT(b, tcp(b, WIRE, WORLD, 80, HOST, port, ACK));
		untranslated(b, WORLD, 80, A, 1000);
	}
	SENT(b, udp(b, FROM(A), A, 1000, WORLD, 80));
	port = masqueraded(b, WORLD, 80);
	SENT(b, udp(b, WIRE, WORLD, 80, HOST, port));
	untranslated(b, WORLD, 80, A, 1000);
	SENT(b, udp(b, WIRE, WORLD, 80, HOST, port));
	untranslated(b, WORLD, 80, A, 1000);
}

static void echo(void **state)
{
	struct bed *b = *state;
	int id;

	for (int i = 0; i < 2; i++) {
		SENT(b, ping(b, FROM(A), A, WORLD, 77));
		id = masqueraded(b, WORLD, 0);
		SENT(b, pong(b, WIRE, WORLD, HOST, id));
		untranslated(b, WORLD, 77, A, 77);
	}
	UP(b, pong(b, WIRE, WORLD2, HOST, id));
	UP(b, ping(b, WIRE, WORLD, HOST, id));
}

/* A UDP checksum of zero says 'none' in IPv4 and stays; one that becomes zero is sent as ffff. */
static void udp_checksum(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	bed_udp(b, &p, A, 1000, WORLD, 53);
	memset(&p.data[p.l4 + 6], 0, 2);
	SENT(b, bed_send(b, FROM(A), &p));
	assert_int_equal(pkt_view(bed_out(b)).l4_check, 0);
	masqueraded(b, WORLD, 53);
	for (int i = 0; i < 65536; i += 13) {
		bed_udp(b, &p, A, 1000, WORLD, 53);
		p.data[p.l4 + 8] = (uint8_t)(i >> 8);
		p.data[p.l4 + 9] = (uint8_t)i;
		pkt_seal(&p);
		SENT(b, bed_send(b, FROM(A), &p));
		assert_int_not_equal(pkt_view(bed_out(b)).l4_check, 0);
	}
}

static void ports_differ(void **state)
{
	struct bed *b = *state;
	int first, second;

	SENT(b, tcp(b, FROM(A), A, 1000, WORLD, 80, SYN));
	first = masqueraded(b, WORLD, 80);
	for (int i = 0; i < 5; i++) {
		SENT(b, tcp(b, FROM(A), A, 1000, WORLD, 80, SYN));
		assert_int_equal(masqueraded(b, WORLD, 80), first);
	}
	for (int sport = 1; sport < 200; sport++) {
		SENT(b, tcp(b, FROM(B), B, sport, WORLD, 80, SYN));
		second = masqueraded(b, WORLD, 80);
		assert_int_not_equal(first, second);
		SENT(b, tcp(b, WIRE, WORLD, 80, HOST, second, SYN | ACK));
		untranslated(b, WORLD, 80, B, sport);
		SENT(b, tcp(b, FROM(B), B, sport, WORLD, 80, ACK));
		assert_int_equal(masqueraded(b, WORLD, 80), second);
	}
	SENT(b, tcp(b, WIRE, WORLD, 80, HOST, first, SYN | ACK));
	untranslated(b, WORLD, 80, A, 1000);
}

/* An answer is one to the right port from the right place; the rest is the node's. */
static void strangers(void **state)
{
	struct bed *b = *state;
	int port;

	SENT(b, udp(b, FROM(A), A, 1000, WORLD, 53));
	port = masqueraded(b, WORLD, 53);
	UP(b, udp(b, WIRE, WORLD2, 53, HOST, port));
	UP(b, udp(b, WIRE, WORLD, 54, HOST, port));
	UP(b, udp(b, WIRE, WORLD, 53, HOST, port + 1));
	UP(b, tcp(b, WIRE, WORLD, 53, HOST, port, SYN | ACK));
	assert_int_equal(bed_flows(b), 0);
}

static void not_masqueraded(void **state)
{
	struct bed *b = *state;
	const int inside[] = {FAR, NODE2};

	for (size_t i = 0; i < 2; i++) {
		SENT(b, tcp(b, FROM(A), A, 1000, inside[i], 80, SYN));
		untranslated(b, A, 1000, inside[i], 80);
	}
	/* A pod of the cluster that is not known yet. */
	bed_peer(b, FAR, 0);
	SENT(b, tcp(b, FROM(A), A, 1001, FAR, 80, SYN));
	untranslated(b, A, 1001, FAR, 80);
	UP(b, tcp(b, FROM(A), A, 1000, HOST, 80, SYN));
	untranslated(b, A, 1000, HOST, 80);
	UP(b, tcp(b, FROM(A), A, 1000, SIDE, 80, SYN));
	untranslated(b, A, 1000, SIDE, 80);
	/* Answers to who came from outside. */
	SENT(b, tcp(b, WIRE, WORLD, 1000, A, 80, SYN));
	SENT(b, tcp(b, FROM(A), A, 80, WORLD, 1000, SYN | ACK));
	untranslated(b, A, 80, WORLD, 1000);
}

/* What is up keeps its translation through changes, also where new connections would get none. */
static void kept(void **state)
{
	struct bed *b = *state;
	int port;

	SENT(b, tcp(b, FROM(A), A, 1000, WORLD, 80, SYN));
	port = masqueraded(b, WORLD, 80);
	SENT(b, tcp(b, WIRE, WORLD, 80, HOST, port, SYN | ACK));
	for (int i = 0; i < 4; i++) {
		bed_peer(b, WORLD, i % 2 ? 0 : LNT_ID_NODE);
		bed_bump(b);
		SENT(b, tcp(b, FROM(A), A, 1000, WORLD, 80, ACK));
		assert_int_equal(masqueraded(b, WORLD, 80), port);
		SENT(b, tcp(b, WIRE, WORLD, 80, HOST, port, ACK));
		untranslated(b, WORLD, 80, A, 1000);
		bed_bump(b);
		SENT(b, tcp(b, WIRE, WORLD, 80, HOST, port, ACK));
		untranslated(b, WORLD, 80, A, 1000);
	}
	assert_int_equal(bed_flows(b), 2);
	/* Nor does what had none begin to be translated. */
	bed_peer(b, FAR, LNT_ID_NODE);
	SENT(b, tcp(b, FROM(A), A, 1000, NODE2, 80, SYN));
	SENT(b, tcp(b, WIRE, NODE2, 80, A, 1000, SYN | ACK));
	bed_peer(b, NODE2, 0);
	bed_bump(b);
	SENT(b, tcp(b, FROM(A), A, 1000, NODE2, 80, ACK));
	untranslated(b, A, 1000, NODE2, 80);
	SENT(b, tcp(b, WIRE, NODE2, 80, A, 1000, ACK));
	untranslated(b, NODE2, 80, A, 1000);
}

/* The pending translation too: the answer may come after a change. */
static void kept_pending(void **state)
{
	struct bed *b = *state;
	int port;

	SENT(b, udp(b, FROM(A), A, 1000, WORLD, 53));
	port = masqueraded(b, WORLD, 53);
	bed_bump(b);
	SENT(b, udp(b, WIRE, WORLD, 53, HOST, port));
	untranslated(b, WORLD, 53, A, 1000);
	SENT(b, udp(b, FROM(A), A, 1000, WORLD, 53));
	assert_int_equal(masqueraded(b, WORLD, 53), port);
}

/* The pod goes: what still comes for it goes nowhere. */
static void pod_gone(void **state)
{
	struct bed *b = *state;
	int port;

	SENT(b, udp(b, FROM(A), A, 1000, WORLD, 53));
	port = masqueraded(b, WORLD, 53);
	SENT(b, udp(b, WIRE, WORLD, 53, HOST, port));
	bed_endpoint_gone(b, A);
	bed_device_gone(b, A);
	bed_bump(b);
	DROPS(b, LNT_DROP_NO_ENDPOINT, udp(b, WIRE, WORLD, 53, HOST, port));
	DROPS(b, LNT_DROP_NO_ENDPOINT, udp(b, WIRE, WORLD, 53, HOST, port));
}

static void fragments(void **state)
{
	struct bed *b = *state;
	struct pkt whole, p;
	struct in6_addr host = bed_addr(b, HOST);
	struct pkt_view v;

	bed_udp(b, &whole, A, 1000, WORLD, 53);
	pkt_fragment(&p, &whole, 0, 16, true, 7);
	SENT(b, bed_send(b, FROM(A), &p));
	v = pkt_view(bed_out(b));
	assert_memory_equal(&v.src.addr, &host, sizeof(host));
	assert_in_range(v.src.port, FIRST, LAST);
	pkt_fragment(&p, &whole, 16, 100, false, 7);
	SENT(b, bed_send(b, FROM(A), &p));
	v = pkt_view(bed_out(b));
	assert_memory_equal(&v.src.addr, &host, sizeof(host));
	assert_memory_equal(&bed_out(b)->data[p.l4], &p.data[p.l4], p.len - p.l4);
}

/* What has no ports to tell pods apart by has no way back; nor has ICMP that is no request. */
static void no_ports(void **state)
{
	struct bed *b = *state;
	struct pkt_end a = bed_end(b, A, 0), w = bed_end(b, WORLD, 0);
	struct pkt p;

	pkt_ip(&p, &a, &w, IPPROTO_GRE, "12345678", 8);
	DROPS(b, LNT_DROP_UNKNOWN_L4, bed_send(b, FROM(A), &p));
	pkt_ip(&p, &a, &w, bed_is4(b) ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		"\x08"
		"2345678",
		8);
	DROPS(b, LNT_DROP_UNKNOWN_L4, bed_send(b, FROM(A), &p));
	pkt_icmp(&p, &a, &w, 42, 99);
	DROPS(b, LNT_DROP_UNKNOWN_L4, bed_send(b, FROM(A), &p));
	DROPS(b, LNT_DROP_UNKNOWN_L4, pong(b, FROM(A), A, WORLD, 5));
}

/* The last hop: on the way out the stack answers the pod; what comes in for it ends. */
static void last_hop(void **state)
{
	struct bed *b = *state;
	struct pkt p;
	int port;

	SENT(b, udp(b, FROM(A), A, 1000, WORLD, 53));
	port = masqueraded(b, WORLD, 53);
	bed_udp(b, &p, A, 1000, WORLD, 53);
	pkt_set_ttl(&p, 1);
	UP(b, bed_send(b, FROM(A), &p));
	untranslated(b, A, 1000, WORLD, 53);
	bed_udp(b, &p, WORLD, 53, HOST, port);
	pkt_set_ttl(&p, 1);
	DROPS(b, LNT_DROP_TTL, bed_send(b, WIRE, &p));
}

static const struct CMUnitTest tests[] = {
	BOTH("masquerade: TCP and UDP there and back", tcp_and_udp),
	BOTH("masquerade: echo there and back", echo),
	BOTH("masquerade: UDP checksums of zero, and that become it", udp_checksum),
	BOTH("masquerade: a connection keeps its port, two have two", ports_differ),
	BOTH("masquerade: what is no answer is the node's", strangers),
	BOTH("masquerade: the cluster and the node are spoken to directly", not_masqueraded),
	BOTH("masquerade: a change leaves what is up as it is", kept),
	BOTH("masquerade: a change leaves what is pending as it is", kept_pending),
	BOTH("masquerade: answers to a pod that is gone are dropped", pod_gone),
	BOTH("masquerade: fragments", fragments),
	BOTH("masquerade: protocols without ports are dropped", no_ports),
	BOTH("masquerade: the last hop", last_hop),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
