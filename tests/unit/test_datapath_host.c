// SPDX-License-Identifier: Apache-2.0
/*
 * Outside services whose backends the node's stack answers for: processes of the host, and machines
 * behind devices that linnet does not serve. Their answers are translated back in to_node.
 */
#include "tests/unit/bed.h"

#include <arpa/inet.h>
#include <string.h>

static void out(const struct bed *b, int src, int sport, int dst, int dport)
{
	struct in6_addr s = bed_addr(b, src), d = bed_addr(b, dst);

	bed_assert_out(b, &s, sport, &d, dport);
}

/* A connection from WORLD to @backend behind HOST's port, both ways, thrice decided. */
static void talk(struct bed *b, int backend, bool is_tcp)
{
	int port = is_tcp ? 30080 : 30053;

	for (int i = 0; i < 6; i++) {
		if (is_tcp)
			UP(b, tcp(b, WIRE, WORLD, 1000, HOST, port, i ? ACK : SYN));
		else
			UP(b, udp(b, WIRE, WORLD, 1000, HOST, port));
		out(b, WORLD, 1000, backend, 8080);
		if (is_tcp)
			UP(b, tcp(b, OUT, backend, 8080, WORLD, 1000, i ? ACK : SYN | ACK));
		else
			UP(b, udp(b, OUT, backend, 8080, WORLD, 1000));
		out(b, HOST, port, WORLD, 1000);
		if (i & 1)
			bed_bump(b);
	}
	assert_int_equal(bed_flows(b), 2);
}

static void node_port(struct bed *b, uint8_t proto, uint16_t port, int backend)
{
	const struct bed_frontend f = {.at = HOST,
		.proto = proto,
		.port = port,
		.flags = LNT_SVC_EXTERNAL,
		.backend = backend,
		.backend_port = 8080};

	bed_frontend(b, &f);
}

static void services(struct bed *b, int backend)
{
	node_port(b, IPPROTO_TCP, 30080, backend);
	node_port(b, IPPROTO_UDP, 30053, backend);
}

static void host_tcp(void **state)
{
	services(*state, HOST);
	talk(*state, HOST, true);
}

static void host_udp(void **state)
{
	services(*state, HOST);
	talk(*state, HOST, false);
}

static void side_tcp(void **state)
{
	services(*state, SIDE);
	talk(*state, SIDE, true);
}

static void side_udp(void **state)
{
	services(*state, SIDE);
	talk(*state, SIDE, false);
}

/* Another node's process is reached as a pod there is: with this node's address. */
static void other_node(void **state)
{
	struct bed *b = *state;
	struct pkt_view v;

	services(b, NODE2);
	SENT(b, tcp(b, WIRE, WORLD, 1000, HOST, 30080, SYN));
	v = pkt_view(bed_out(b));
	out(b, HOST, v.src.port, NODE2, 8080);
	assert_in_range(v.src.port, 40000, 40999);
	for (int i = 0; i < 3; i++) {
		SENT(b, tcp(b, WIRE, NODE2, 8080, HOST, v.src.port, i ? ACK : SYN | ACK));
		out(b, HOST, 30080, WORLD, 1000);
		SENT(b, tcp(b, WIRE, WORLD, 1000, HOST, 30080, ACK));
		out(b, HOST, v.src.port, NODE2, 8080);
		bed_bump(b);
	}
}

/* The host's own packets pass as they are, also those that look like an answer but open. */
static void hosts_own(void **state)
{
	struct bed *b = *state;

	services(b, HOST);
	UP(b, tcp(b, OUT, HOST, 8080, WORLD, 1000, SYN | ACK));
	out(b, HOST, 8080, WORLD, 1000);
	UP(b, udp(b, OUT, HOST, 8080, WORLD, 1000));
	out(b, HOST, 8080, WORLD, 1000);
	UP(b, ping(b, OUT, HOST, WORLD, 5));
	UP(b, tcp(b, WIRE, WORLD, 1000, HOST, 30080, SYN));
	UP(b, tcp(b, OUT, HOST, 8080, WORLD, 1001, ACK));
	out(b, HOST, 8080, WORLD, 1001);
	UP(b, tcp(b, OUT, HOST, 8080, WORLD2, 1000, ACK));
	out(b, HOST, 8080, WORLD2, 1000);
	for (int i = 0; i < 2; i++) {
		UP(b, tcp(b, OUT, HOST, 8080, WORLD, 1000, SYN));
		out(b, HOST, 8080, WORLD, 1000);
		UP(b, tcp(b, OUT, HOST, 8080, WORLD, 1000, ACK));
		out(b, HOST, 30080, WORLD, 1000);
	}
	assert_int_equal(bed_flows(b), 2);
}

/* A client that talks to the backend's own port is none of the service's. */
static void direct(void **state)
{
	struct bed *b = *state;

	services(b, HOST);
	UP(b, tcp(b, WIRE, WORLD, 1000, HOST, 8080, SYN));
	out(b, WORLD, 1000, HOST, 8080);
	UP(b, tcp(b, OUT, HOST, 8080, WORLD, 1000, SYN | ACK));
	out(b, HOST, 8080, WORLD, 1000);
	assert_int_equal(bed_flows(b), 0);
}

/* A port that nobody listens at: the client learns it as from the service. */
static void refused(void **state)
{
	struct bed *b = *state;
	struct pkt_end s = bed_end(b, HOST, 0), d = bed_end(b, WORLD, 0);
	const struct pkt *got = bed_out(b);
	struct pkt sent, p;
	struct pkt_view v;

	services(b, HOST);
	UP(b, tcp(b, WIRE, WORLD, 1000, HOST, 30080, SYN));
	UP(b, tcp(b, OUT, HOST, 8080, WORLD, 1000, RST | ACK));
	out(b, HOST, 30080, WORLD, 1000);
	/* Pending, of a flow, and decided again. */
	for (int i = 0; i < 3; i++) {
		UP(b, udp(b, WIRE, WORLD, 1000, HOST, 30053));
		sent = *got;
		pkt_error(&p, &s, &d, &sent, 8);
		UP(b, bed_send(b, OUT, &p));
		memset(&p, 0, sizeof(p));
		memcpy(p.data, sent.data, 14);
		memcpy(&p.data[14], &got->data[got->l4 + 8], got->len - got->l4 - 8);
		p.l4 = sent.l4;
		v = pkt_view(&p);
		assert_int_equal(v.src.port, 1000);
		assert_int_equal(v.dst.port, 30053);
		if (i)
			bed_bump(b);
	}
	/* The host's errors about what is no flow's are its own. */
	bed_udp(b, &sent, WORLD, 1000, HOST, 8081);
	pkt_error(&p, &s, &d, &sent, 8);
	UP(b, bed_send(b, OUT, &p));
}

/* A round of the sweeper that removes what was idle for @idle rounds. */
static struct lnt_sweep round_of(struct bed *b, uint16_t idle)
{
	struct lnt_sweep s = {.tcp_idle = idle, .closing_idle = idle, .other_idle = idle};

	bed_sweep(b, &s);
	return s;
}

/* What the sweeper says decides when to_node may go. */
static void sweep(void **state)
{
	struct bed *b = *state;

	node_port(b, IPPROTO_TCP, 30081, A);
	services(b, HOST);
	SENT(b, tcp(b, WIRE, WORLD, 1000, HOST, 30081, SYN));
	SENT(b, tcp(b, FROM(A), A, 8080, WORLD, 1000, SYN | ACK));
	assert_int_equal(round_of(b, 10).to_node, 0);
	UP(b, udp(b, WIRE, WORLD, 1000, HOST, 30053));
	assert_int_equal(round_of(b, 10).to_node, 1);
	UP(b, udp(b, OUT, HOST, 8080, WORLD, 1000));
	assert_int_equal(round_of(b, 10).to_node, 1);
	assert_int_equal(bed_flows(b), 4);
	for (int i = 0; i < 3; i++)
		assert_int_equal(round_of(b, 0).to_node, 0);
	assert_int_equal(bed_flows(b), 0);
}

static const struct CMUnitTest tests[] = {
	BOTH("host: TCP from outside to a process of the host", host_tcp),
	BOTH("host: UDP from outside to a process of the host", host_udp),
	BOTH("host: TCP from outside to a machine behind the node", side_tcp),
	BOTH("host: UDP from outside to a machine behind the node", side_udp),
	BOTH("host: another node's process is reached like a pod there", other_node),
	BOTH("host: its own packets pass as they are", hosts_own),
	BOTH("host: the backend's own port is no service", direct),
	BOTH("host: what it refuses, the service refuses", refused),
	BOTH("host: the sweeper says what still needs to_node", sweep),
};

static int setup(void **state)
{
	static const struct bed_options opt = {.to_node = true};

	bed_group_options = &opt;
	return bed_group_setup(state);
}

int main(void)
{
	return cmocka_run_group_tests(tests, setup, bed_group_teardown);
}
