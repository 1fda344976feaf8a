// SPDX-License-Identifier: Apache-2.0
/*
 * SCTP: what TCP and UDP get it gets too. Checksums of what comes out are made anew by bed_run(),
 * over the whole packet.
 */
#include "lib/cleanup.h"
#include "tests/unit/bed.h"

#include <arpa/inet.h>
#include <string.h>

#define ISOLATED (LNT_EP_ISOLATED_INGRESS | LNT_EP_ISOLATED_EGRESS)

static void build(const struct bed *b, struct pkt *p, int src, int sport, int dst, int dport,
	uint8_t chunk, size_t len)
{
	struct pkt_end s = bed_end(b, src, (uint16_t)sport), d = bed_end(b, dst, (uint16_t)dport);

	pkt_sctp(p, &s, &d, chunk, len);
}

static int sctp(struct bed *b, int hook, int src, int sport, int dst, int dport, uint8_t chunk)
{
	struct pkt p;

	build(b, &p, src, sport, dst, dport, chunk, 40);
	return bed_send(b, hook, &p);
}

static void out(const struct bed *b, int src, int sport, int dst, int dport)
{
	struct in6_addr s = bed_addr(b, src), d = bed_addr(b, dst);

	bed_assert_out(b, &s, sport, &d, dport);
}

/* The last packet out is from the node, to WORLD; gives its port. */
static int masqueraded(const struct bed *b, int dport)
{
	int port = pkt_view(bed_out(b)).src.port;

	out(b, HOST, port, WORLD, dport);
	assert_in_range(port, 40000, 40999);
	return port;
}

static void between_pods(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, ISOLATED);
	bed_endpoint(b, B, ISOLATED);
	bed_allow(b, A, LNT_EGRESS, bed_identity(B), IPPROTO_SCTP, 80, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_INGRESS, sctp(b, FROM(A), A, 1000, B, 80, INIT));
	bed_allow(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_SCTP, 80, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_EGRESS, sctp(b, FROM(A), A, 1000, B, 81, INIT));
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_EGRESS, udp(b, FROM(A), A, 1000, B, 80));
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, INIT));
	bed_assert_into(b, B);
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, INIT_ACK));
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, COOKIE_ECHO));
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, COOKIE_ACK));
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, DATA));
	out(b, A, 1000, B, 80);
	bed_disallow(b);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_EGRESS, sctp(b, FROM(A), A, 1000, B, 80, DATA));
}

/* Who may answer may not open, though it has the ports of what it may answer. */
static void no_way_back(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, INIT));
	DROPS(b, LNT_DROP_POLICY_INGRESS, sctp(b, FROM(B), B, 80, A, 1000, INIT));
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, INIT_ACK));
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, COOKIE_ECHO));
	DROPS(b, LNT_DROP_POLICY_INGRESS, sctp(b, FROM(B), B, 80, A, 1000, INIT));
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, COOKIE_ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, sctp(b, FROM(B), B, 81, A, 1000, DATA));
}

static void half_open(void **state)
{
	struct bed *b = *state;

	for (int i = 0; i < 50; i++) {
		SENT(b, sctp(b, FROM(A), A, 1000 + i, B, 80, INIT));
		SENT(b, sctp(b, FROM(A), A, 1000 + i, B, 80, i % 2 ? INIT : DATA));
	}
	assert_int_equal(bed_flows(b), 0);
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, INIT_ACK));
	assert_int_equal(bed_flows(b), 2);
	/* The same ports again: what was there is over. */
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, INIT));
	assert_int_equal(bed_flows(b), 0);
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, INIT_ACK));
	assert_int_equal(bed_flows(b), 2);
}

/* How many sweeps with limits of 9, 2 and 5 for established, closing and others it survives. */
static int lives(struct bed *b)
{
	int n = 0;

	for (; bed_flows(b) && n < 20; n++) {
		struct lnt_sweep s = {.tcp_idle = 9, .closing_idle = 2, .other_idle = 5};

		bed_sweep(b, &s);
	}
	return n;
}

static void associate(struct bed *b)
{
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, INIT));
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, INIT_ACK));
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, COOKIE_ECHO));
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, COOKIE_ACK));
}

static void ageing(void **state)
{
	struct bed *b = *state;

	associate(b);
	assert_int_equal(lives(b), 10);
	associate(b);
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, SHUTDOWN));
	assert_int_equal(lives(b), 10);
	associate(b);
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, SHUTDOWN));
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, SHUTDOWN_ACK));
	assert_int_equal(lives(b), 3);
	associate(b);
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, SHUTDOWN_COMPLETE));
	assert_int_equal(lives(b), 3);
	for (int i = 0; i < 2; i++) {
		associate(b);
		if (i)
			SENT(b, sctp(b, FROM(A), A, 1000, B, 80, ABORT));
		else
			SENT(b, sctp(b, FROM(B), B, 80, A, 1000, ABORT));
		assert_int_equal(lives(b), 3);
	}
	/* Refused: the answer to an INIT is an ABORT. */
	SENT(b, sctp(b, FROM(A), A, 1000, B, 80, INIT));
	SENT(b, sctp(b, FROM(B), B, 80, A, 1000, ABORT));
	assert_int_equal(lives(b), 3);
}

static void masquerade(void **state)
{
	struct bed *b = *state;
	struct pkt p;
	int port, other;

	SENT(b, sctp(b, FROM(A), A, 1000, WORLD, 80, INIT));
	port = masqueraded(b, 80);
	SENT(b, sctp(b, FROM(B), B, 1000, WORLD, 80, INIT));
	other = masqueraded(b, 80);
	assert_int_not_equal(port, other);
	SENT(b, sctp(b, WIRE, WORLD, 80, HOST, port, INIT_ACK));
	out(b, WORLD, 80, A, 1000);
	bed_assert_into(b, A);
	SENT(b, sctp(b, WIRE, WORLD, 80, HOST, other, INIT_ACK));
	out(b, WORLD, 80, B, 1000);
	/* Every length, and padding that a short frame has on the wire. */
	for (size_t len = 0; len < 1460; len++) {
		build(b, &p, A, 1000, WORLD, 80, DATA, len);
		SENT(b, bed_send(b, FROM(A), &p));
		assert_int_equal(masqueraded(b, 80), port);
	}
	for (size_t pad = 1; pad < 9; pad++) {
		build(b, &p, WORLD, 80, HOST, port, DATA, 0);
		bed_place(b, WIRE, &p);
		p.len += pad;
		assert_int_equal(bed_run_raw(b, WIRE, &p, 1, NULL), BED_SENT);
		p = *bed_out(b);
		p.len -= pad;
		assert_null(pkt_check(&p));
		out(b, WORLD, 80, A, 1000);
	}
	UP(b, sctp(b, WIRE, WORLD, 81, HOST, port, INIT_ACK));
}

/* A sum of zero is one like any, where it is not one that is still to be made. */
static void sum_of_zero(void **state)
{
	struct bed *b = *state;
	uint32_t now, want = 0xffffffff;
	struct pkt p;
	uint8_t *last;

	SENT(b, sctp(b, FROM(A), A, 1000, WORLD, 80, INIT));
	build(b, &p, A, 1000, WORLD, 80, DATA, 40);
	last = &p.data[p.len - 4];
	memset(&p.data[p.l4 + 8], 0, 4);
	/* Back from the end, over the last word. */
	for (int bit = 0; bit < 32; bit++)
		want = want >> 31 ? (want ^ 0x82f63b78) << 1 | 1 : want << 1;
	now = ~pkt_crc32c(&p.data[p.l4], p.len - p.l4 - 4) ^ want;
	for (int i = 0; i < 4; i++)
		last[i] = (uint8_t)(now >> (8 * i));
	assert_null(pkt_check(&p));
	SENT(b, bed_send(b, FROM(A), &p));
	masqueraded(b, 80);
}

static void service(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_SCTP, 80, B, 8080);
	bed_service(b, IPPROTO_TCP, 80, C, 8081);
	bed_service(b, IPPROTO_UDP, 80, FAR, 8082);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_allow(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_SCTP, 8080, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_INGRESS, sctp(b, FROM(C), C, 1000, VIP, 80, INIT));
	SENT(b, sctp(b, FROM(A), A, 1000, VIP, 80, INIT));
	out(b, A, 1000, B, 8080);
	bed_assert_into(b, B);
	SENT(b, sctp(b, FROM(B), B, 8080, A, 1000, INIT_ACK));
	out(b, VIP, 80, A, 1000);
	for (int i = 0; i < 3; i++) {
		SENT(b, sctp(b, FROM(A), A, 1000, VIP, 80, DATA));
		out(b, A, 1000, B, 8080);
		SENT(b, sctp(b, FROM(B), B, 8080, A, 1000, DATA));
		out(b, VIP, 80, A, 1000);
		bed_bump(b);
	}
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	out(b, A, 1000, C, 8081);
	SENT(b, udp(b, FROM(A), A, 1000, VIP, 80));
	out(b, A, 1000, FAR, 8082);
}

/* The backend is on the wire: translated twice where that is the world. */
static void service_elsewhere(void **state)
{
	struct bed *b = *state;
	int port;

	bed_service(b, IPPROTO_SCTP, 80, FAR, 8080);
	SENT(b, sctp(b, FROM(A), A, 1000, VIP, 80, INIT));
	out(b, A, 1000, FAR, 8080);
	SENT(b, sctp(b, WIRE, FAR, 8080, A, 1000, INIT_ACK));
	out(b, VIP, 80, A, 1000);
	bed_service(b, IPPROTO_SCTP, 81, WORLD, 8080);
	SENT(b, sctp(b, FROM(A), A, 1000, VIP, 81, INIT));
	port = masqueraded(b, 8080);
	SENT(b, sctp(b, WIRE, WORLD, 8080, HOST, port, INIT_ACK));
	out(b, VIP, 81, A, 1000);
	SENT(b, sctp(b, FROM(A), A, 1000, VIP, 81, COOKIE_ECHO));
	masqueraded(b, 8080);
	/* And one that is the node. */
	bed_service(b, IPPROTO_SCTP, 82, HOST, 8080);
	UP(b, sctp(b, FROM(A), A, 1000, VIP, 82, INIT));
	out(b, A, 1000, HOST, 8080);
	UP(b, sctp(b, TO(A), HOST, 8080, A, 1000, INIT_ACK));
	out(b, VIP, 82, A, 1000);
}

/* SCTP answers a link-local address from its own, so that the gateway's will not do in IPv6. */
static void hairpin(void **state)
{
	struct bed *b = *state;
	int self = bed_is4(b) ? GW : HOST, port;

	bed_endpoint(b, A, ISOLATED);
	bed_service(b, IPPROTO_SCTP, 80, A, 8080);
	SENT(b, sctp(b, FROM(A), A, 1000, VIP, 80, INIT));
	port = pkt_view(bed_out(b)).src.port;
	out(b, self, port, A, 8080);
	bed_assert_into(b, A);
	for (int i = 0; i < 3; i++) {
		SENT(b, sctp(b, FROM(A), A, 8080, self, port, INIT_ACK));
		out(b, VIP, 80, A, 1000);
		SENT(b, sctp(b, FROM(A), A, 1000, VIP, 80, COOKIE_ECHO));
		out(b, self, port, A, 8080);
		bed_bump(b);
	}
}

/* The node's own: no hook sees its SCTP sockets, so that to_node translates. */
static void node_asks(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_SCTP, 80, B, 8080);
	bed_service(b, IPPROTO_SCTP, 81, FAR, 8080);
	bed_endpoint(b, B, ISOLATED);
	for (int i = 0; i < 4; i++) {
		SENT(b, sctp(b, OUT, HOST, 1000, VIP, 80, i ? COOKIE_ECHO : INIT));
		out(b, HOST, 1000, B, 8080);
		UP(b, sctp(b, TO(B), HOST, 1000, B, 8080, i ? COOKIE_ECHO : INIT));
		out(b, HOST, 1000, B, 8080);
		UP(b, sctp(b, FROM(B), B, 8080, HOST, 1000, i ? COOKIE_ACK : INIT_ACK));
		out(b, VIP, 80, HOST, 1000);
		SENT(b, sctp(b, OUT, HOST, 1000, VIP, 81, i ? COOKIE_ECHO : INIT));
		out(b, HOST, 1000, FAR, 8080);
		UP(b, sctp(b, WIRE, FAR, 8080, HOST, 1000, i ? COOKIE_ACK : INIT_ACK));
		out(b, VIP, 81, HOST, 1000);
		if (i & 1)
			bed_bump(b);
	}
	assert_int_equal(bed_flows(b), 4);
	/* A backend that no pod has any more: another one, which knows nothing of it, aborts. */
	bed_service(b, IPPROTO_SCTP, 81, C, 8080);
	bed_bump(b);
	SENT(b, sctp(b, OUT, HOST, 1000, VIP, 81, DATA));
	out(b, HOST, 1000, FAR, 8080);
	bed_peer(b, FAR, 0);
	bed_bump(b);
	SENT(b, sctp(b, OUT, HOST, 1000, VIP, 81, DATA));
	out(b, HOST, 1000, C, 8080);
	UP(b, sctp(b, FROM(C), C, 8080, HOST, 1000, ABORT));
	out(b, VIP, 81, HOST, 1000);
	/* The pod itself is asked without one. */
	UP(b, sctp(b, TO(B), HOST, 1001, B, 8080, INIT));
	UP(b, sctp(b, FROM(B), B, 8080, HOST, 1001, INIT_ACK));
	out(b, B, 8080, HOST, 1001);
	/* What is no service, what was at the socket, and what only passes is left alone. */
	UP(b, sctp(b, OUT, HOST, 1000, WORLD, 80, INIT));
	out(b, HOST, 1000, WORLD, 80);
	UP(b, tcp(b, OUT, HOST, 1000, VIP, 80, SYN));
	out(b, HOST, 1000, VIP, 80);
}

static int hook_of(int target)
{
	if (target == B)
		return FROM(B);
	return target == HOST ? OUT : WIRE;
}

/*
 * An association of the node's own with @target, by a service at one of its own addresses; as @seen
 * by it. What it answers comes back by loopback.
 */
static void associate_with_own(struct bed *b, int own, int port, int target, int seen)
{
	static const uint8_t chunks[][2] = {{INIT, INIT_ACK}, {COOKIE_ECHO, COOKIE_ACK},
		{DATA, DATA}, {SHUTDOWN, SHUTDOWN_ACK}};
	unsigned before = bed_flows(b);

	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
		int sport;

		SENT(b, sctp(b, OUT, own, 1000, own, port, chunks[i][0]));
		sport = pkt_view(bed_out(b)).src.port;
		out(b, seen, sport, target, 8080);
		assert_true(own == LOOP || sport == 1000);
		if (target == B) {
			UP(b, sctp(b, TO(B), seen, sport, B, 8080, chunks[i][0]));
			out(b, seen, sport, B, 8080);
		}
		assert_int_equal(sctp(b, hook_of(target), target, 8080, seen, sport, chunks[i][1]),
			target == HOST ? BED_UP : BED_SENT);
		out(b, own, port, own, 1000);
		bed_bump(b);
	}
	assert_int_equal(bed_flows(b), before + 2);
}

static void node_asks_itself(void **state)
{
	static const int targets[] = {B, FAR, HOST};
	struct bed *b = *state;

	bed_endpoint(b, B, ISOLATED);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct bed_frontend f = {.at = HOST,
			.proto = IPPROTO_SCTP,
			.port = (uint16_t)(9000 + i),
			.flags = LNT_SVC_EXTERNAL,
			.backend = targets[i],
			.backend_port = 8080};

		bed_frontend(b, &f);
		f.at = LOOP;
		f.flags = LNT_SVC_HOST_ONLY;
		bed_frontend(b, &f);
		associate_with_own(b, HOST, f.port, targets[i], HOST);
		associate_with_own(b, LOOP, f.port, targets[i], HOST);
		/* The same by its cluster IP. */
		bed_service(b, IPPROTO_SCTP, (uint16_t)(80 + i), targets[i], 8080);
		SENT(b, sctp(b, OUT, HOST, 2000, VIP, 80 + (int)i, INIT));
		out(b, HOST, 2000, targets[i], 8080);
		UP(b, sctp(b, hook_of(targets[i]), targets[i], 8080, HOST, 2000, INIT_ACK));
		out(b, VIP, 80 + (int)i, HOST, 2000);
		/* Off the wire a loopback address is nobody's. */
		UP(b, sctp(b, WIRE, WORLD, 1000, LOOP, f.port, INIT));
		out(b, WORLD, 1000, LOOP, f.port);
	}
}

/* HOST's port 9000, which is B's 8080, as the agent writes a mapping without hostIP. */
static void host_port(struct bed *b)
{
	struct bed_frontend f = {.at = HOST,
		.proto = IPPROTO_SCTP,
		.port = 9000,
		.flags = LNT_SVC_EXTERNAL | LNT_SVC_LOCAL,
		.backend = B,
		.backend_port = 8080};

	bed_frontend(b, &f);
	f.at = LOOP;
	f.flags = LNT_SVC_HOST_ONLY;
	bed_frontend(b, &f);
}

/* An association of @who with B through it, decided anew again and again. Who asks keeps its own.
 */
static void associate_with_host_port(struct bed *b, int hook, int who)
{
	static const uint8_t chunks[][2] = {{INIT, INIT_ACK}, {COOKIE_ECHO, COOKIE_ACK},
		{DATA, DATA}, {SHUTDOWN, SHUTDOWN_ACK}};
	unsigned before = bed_flows(b);

	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
		SENT(b, sctp(b, hook, who, 1000, HOST, 9000, chunks[i][0]));
		out(b, who, 1000, B, 8080);
		bed_assert_into(b, B);
		SENT(b, sctp(b, FROM(B), B, 8080, who, 1000, chunks[i][1]));
		out(b, HOST, 9000, who, 1000);
		if (hook < N_PODS)
			bed_assert_into(b, hook);
		bed_bump(b);
	}
	assert_int_equal(bed_flows(b), before + 2);
}

static void host_port_asked(void **state)
{
	struct bed *b = *state;

	host_port(b);
	associate_with_host_port(b, WIRE, WORLD);
	associate_with_host_port(b, WIRE, NODE2);
	associate_with_host_port(b, WIRE, FAR);
	associate_with_host_port(b, FROM(A), A);
	/* Nobody's: the node's own stack has the other ports and protocols. */
	UP(b, sctp(b, WIRE, WORLD, 1000, HOST, 9001, INIT));
	UP(b, sctp(b, WIRE, WORLD, 1000, HOST, 8080, INIT));
	UP(b, tcp(b, WIRE, WORLD, 1000, HOST, 9000, SYN));
	out(b, WORLD, 1000, HOST, 9000);
	UP(b, sctp(b, OUT, HOST, 1000, NODE2, 9000, INIT));
}

static void host_port_hairpin(void **state)
{
	struct bed *b = *state;
	int self = bed_is4(b) ? GW : HOST, port;

	host_port(b);
	SENT(b, sctp(b, FROM(B), B, 1000, HOST, 9000, INIT));
	port = pkt_view(bed_out(b)).src.port;
	out(b, self, port, B, 8080);
	bed_assert_into(b, B);
	SENT(b, sctp(b, FROM(B), B, 8080, self, port, INIT_ACK));
	out(b, HOST, 9000, B, 1000);
	bed_assert_into(b, B);
}

static void host_port_policy(void **state)
{
	struct bed *b = *state;

	host_port(b);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_allow(b, B, LNT_INGRESS, bed_identity(WORLD), IPPROTO_TCP, 8080, LNT_POLICY_PORT);
	bed_allow(b, B, LNT_INGRESS, bed_identity(WORLD), IPPROTO_SCTP, 9000, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_INGRESS, sctp(b, WIRE, WORLD, 1000, HOST, 9000, INIT));
	bed_allow(b, B, LNT_INGRESS, bed_identity(WORLD), IPPROTO_SCTP, 8080, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_INGRESS, sctp(b, FROM(A), A, 1000, HOST, 9000, INIT));
	DROPS(b, LNT_DROP_POLICY_INGRESS, sctp(b, WIRE, FAR, 1000, HOST, 9000, INIT));
	associate_with_host_port(b, WIRE, WORLD);
}

/* At a loopback address it is for socket hooks only, of which SCTP has none. */
static void host_port_loopback(void **state)
{
	struct bed *b = *state;

	host_port(b);
	DROPS(b, LNT_DROP_NO_ROUTE, sctp(b, FROM(A), A, 1000, LOOP, 9000, INIT));
	UP(b, sctp(b, WIRE, WORLD, 1000, LOOP, 9000, INIT));
	out(b, WORLD, 1000, LOOP, 9000);
	assert_int_equal(bed_flows(b), 0);
}

static void node_refused(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_SCTP, 80, -1, 0);
	REFUSES(b, LNT_DROP_NO_BACKEND, sctp(b, OUT, HOST, 1000, VIP, 80, INIT));
	out(b, VIP, 80, HOST, 1000);
	/* The stack does not route for itself. */
	bed_service(b, IPPROTO_SCTP, 82, SIDE, 8080);
	REFUSES(b, LNT_DROP_NO_BACKEND, sctp(b, OUT, HOST, 1000, VIP, 82, INIT));
}

/* The answer to @chunk is an ABORT with the tag that its receiver takes. */
static void refused_with(struct bed *b, uint8_t chunk, const char *tag, uint8_t flag)
{
	const struct pkt *p = bed_out(b);

	REFUSES(b, LNT_DROP_NO_BACKEND, sctp(b, FROM(A), A, 1000, VIP, 80, chunk));
	assert_int_equal(pkt_view(p).proto, IPPROTO_SCTP);
	out(b, VIP, 80, A, 1000);
	bed_assert_into(b, A);
	assert_int_equal(p->len, p->l4 + 16);
	assert_memory_equal(&p->data[p->l4 + 4], tag, 4);
	assert_int_equal(p->data[p->l4 + 12], ABORT);
	assert_int_equal(p->data[p->l4 + 13], flag);
	assert_memory_equal(&p->data[p->l4 + 14], "\0\4", 2);
}

static void refusal(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_SCTP, 80, -1, 0);
	refused_with(b, INIT, PKT_SCTP_TAG, 0);
	refused_with(b, COOKIE_ECHO, "\1\2\3\4", 1);
	refused_with(b, DATA, "\1\2\3\4", 1);
	DROPS(b, LNT_DROP_NO_BACKEND, sctp(b, FROM(A), A, 1000, VIP, 80, ABORT));
	DROPS(b, LNT_DROP_NO_BACKEND, sctp(b, FROM(A), A, 1000, VIP, 80, SHUTDOWN_COMPLETE));
	assert_int_equal(bed_flows(b), 0);
	bed_service(b, IPPROTO_SCTP, 80, B, 8080);
	SENT(b, sctp(b, FROM(A), A, 1000, VIP, 80, INIT));
}

/* Options and extension headers stand before it; what is refused has none. */
static void odd_shapes(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	bed_service(b, IPPROTO_SCTP, 80, B, 8080);
	build(b, &p, A, 1000, VIP, 80, INIT, 40);
	if (bed_is4(b))
		pkt_ip4_options(&p, 8);
	else
		pkt_ip6_ext(&p, IPPROTO_DSTOPTS, 2);
	SENT(b, bed_send(b, FROM(A), &p));
	out(b, A, 1000, B, 8080);
	bed_service(b, IPPROTO_SCTP, 80, -1, 0);
	p.data[p.l4 + 1]++;
	pkt_seal(&p);
	bed_place(b, FROM(A), &p);
	assert_int_equal(bed_run_raw(b, FROM(A), &p, 1, NULL), BED_SENT);
	p = *bed_out(b);
	p.l4 = bed_is4(b) ? 34 : 54;
	assert_null(pkt_check(&p));
	assert_int_equal(p.data[p.l4 + 12], ABORT);
	build(b, &p, A, 1000, B, 80, INIT, 0);
	p.len -= 4;
	pkt_seal(&p);
	DROPS(b, LNT_DROP_MALFORMED, bed_send(b, FROM(A), &p));
}

/* Its sum is of bytes that the first fragment has not: ports stay, or it goes no further. */
static void fragments(void **state)
{
	struct bed *b = *state;
	struct pkt whole, p;

	bed_service(b, IPPROTO_SCTP, 80, B, 80);
	bed_service(b, IPPROTO_SCTP, 81, B, 8080);
	for (int port = 80; port <= 81; port++) {
		SENT(b, sctp(b, FROM(A), A, 1000, VIP, port, INIT));
		build(b, &whole, A, 1000, VIP, port, DATA, 100);
		pkt_fragment(&p, &whole, 0, 48, true, 7);
		if (port == 81) {
			DROPS(b, LNT_DROP_FRAGMENT, bed_send(b, FROM(A), &p));
			continue;
		}
		SENT(b, bed_send(b, FROM(A), &p));
		out(b, A, 1000, B, 80);
		assert_memory_equal(&bed_out(b)->data[p.l4], &p.data[p.l4], 48);
		pkt_fragment(&p, &whole, 48, 100, false, 7);
		SENT(b, bed_send(b, FROM(A), &p));
	}
	/* A fragment opens no connection either by which it could come back. */
	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	bed_bump(b);
	SENT(b, sctp(b, FROM(A), A, 1000, C, 80, INIT));
	SENT(b, sctp(b, FROM(C), C, 80, A, 1000, INIT_ACK));
	build(b, &whole, C, 80, A, 1000, INIT, 100);
	pkt_fragment(&p, &whole, 0, 48, true, 8);
	DROPS(b, LNT_DROP_POLICY_INGRESS, bed_send(b, FROM(C), &p));
	pkt_fragment(&p, &whole, 0, 8, true, 9);
	DROPS(b, LNT_DROP_MALFORMED, bed_send(b, FROM(C), &p));
}

static void errors(void **state)
{
	struct bed *b = *state;
	struct pkt_end s = bed_end(b, WORLD, 0), d = bed_end(b, HOST, 0);
	struct in6_addr a = bed_addr(b, A);
	const struct pkt *got = bed_out(b);
	struct pkt sent, p;
	struct pkt_view v;

	build(b, &sent, A, 1000, WORLD, 80, INIT, 40);
	SENT(b, bed_send(b, FROM(A), &sent));
	masqueraded(b, 80);
	p = *got;
	pkt_error(&p, &s, &d, got, 28);
	SENT(b, bed_send(b, WIRE, &p));
	bed_assert_into(b, A);
	v = pkt_view(got);
	assert_memory_equal(&v.dst.addr, &a, sizeof(a));
	/* What it quotes is the pod's packet again, from its ports to its tag. */
	assert_memory_equal(&got->data[got->l4 + 8 + (sent.l4 - 14)], &sent.data[sent.l4], 8);
}

static const struct CMUnitTest tests[] = {
	BOTH("SCTP: between pods, as policy allows it by port and protocol", between_pods),
	BOTH("SCTP: who may answer may not open", no_way_back),
	BOTH("SCTP: half-open associations stay out of the flows", half_open),
	BOTH("SCTP: ages as TCP does, and goes soon when it is over", ageing),
	BOTH("SCTP: masqueraded, at every length", masquerade),
	BOTH("SCTP: a checksum that is zero", sum_of_zero),
	BOTH("SCTP: a service, beside TCP and UDP on one port", service),
	BOTH("SCTP: backends elsewhere, in the world and on the node", service_elsewhere),
	BOTH("SCTP: a pod that is its own backend", hairpin),
	BOTH("SCTP: the node asks a service", node_asks),
	BOTH("SCTP: the node asks itself", node_asks_itself),
	BOTH("SCTP: the node asks one that cannot answer", node_refused),
	BOTH("SCTP: a hostPort, from outside, other nodes and pods", host_port_asked),
	BOTH("SCTP: a hostPort of the pod itself", host_port_hairpin),
	BOTH("SCTP: a hostPort, as the pod's policy allows it", host_port_policy),
	BOTH("SCTP: a hostPort at a loopback address", host_port_loopback),
	BOTH("SCTP: a service without backends aborts", refusal),
	BOTH("SCTP: IP options and extension headers", odd_shapes),
	BOTH("SCTP: fragments", fragments),
	BOTH("SCTP: ICMP errors", errors),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
