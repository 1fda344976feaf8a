// SPDX-License-Identifier: Apache-2.0
/*
 * Direct server return: what the node that is asked sends on, what the backend's node makes of it,
 * and what it must not believe. The bed is the one node, then the other: the pod FAR is the first
 * one's name for the second one's pod B.
 */
#include "tests/unit/bed_xdp.h"

#include <arpa/inet.h>
#include <string.h>

#define OPTION 30

static const struct bed_frontend asked_tcp = {.at = VIP,
	.proto = IPPROTO_TCP,
	.port = 80,
	.flags = LNT_SVC_EXTERNAL | LNT_SVC_DSR,
	.backend = FAR,
	.backend_port = 8080};
static const struct bed_frontend asked_udp = {.at = VIP,
	.proto = IPPROTO_UDP,
	.port = 53,
	.flags = LNT_SVC_EXTERNAL | LNT_SVC_DSR,
	.backend = FAR,
	.backend_port = 5353};
static const struct bed_frontend carried_tcp = {.at = VIP,
	.proto = IPPROTO_TCP,
	.port = 80,
	.kind = LNT_FRONTEND_CARRIED,
	.backend = B,
	.backend_port = 8080};
static const struct bed_frontend carried_udp = {.at = VIP,
	.proto = IPPROTO_UDP,
	.port = 53,
	.kind = LNT_FRONTEND_CARRIED,
	.backend = B,
	.backend_port = 5353};

static void out(const struct bed *b, int src, int sport, int dst, int dport)
{
	struct in6_addr s = bed_addr(b, src), d = bed_addr(b, dst);

	bed_assert_out(b, &s, sport, &d, dport);
}

static size_t room(const struct bed *b)
{
	return bed_is4(b) ? 8 : 24;
}

/* Puts what the first node would carry into a packet: @service's address and @port. */
static void carry(const struct bed *b, struct pkt *p, int service, uint16_t port)
{
	struct in6_addr addr = bed_addr(b, service);
	uint8_t o4[8] = {OPTION, 8, (uint8_t)(port >> 8), (uint8_t)port};
	uint8_t o6[24] = {0, 2, OPTION, 20, (uint8_t)(port >> 8), (uint8_t)port};

	if (bed_is4(b)) {
		memcpy(&o4[4], &addr.s6_addr[12], 4);
		pkt_insert(p, 34, o4, sizeof(o4));
		p->data[14] += 2;
	} else {
		o6[0] = p->data[20];
		memcpy(&o6[8], &addr, 16);
		p->data[20] = IPPROTO_DSTOPTS;
		pkt_insert(p, 54, o6, sizeof(o6));
	}
	pkt_seal(p);
}

/* Whether the last packet that came out carries @service and @port. */
static bool carries(struct bed *b, int service, uint16_t port)
{
	const struct pkt *p = bed_out(b);
	struct in6_addr addr = bed_addr(b, service);
	uint16_t be = htons(port);

	if (p->l4 - bed_in(b)->l4 != (int)room(b))
		return false;
	if (bed_is4(b))
		return p->data[34] == OPTION && p->data[35] == 8 && !memcmp(&p->data[36], &be, 2) &&
			!memcmp(&p->data[38], &addr.s6_addr[12], 4);
	return p->data[20] == IPPROTO_DSTOPTS && p->data[55] == 2 && p->data[56] == OPTION &&
		!memcmp(&p->data[58], &be, 2) && !memcmp(&p->data[62], &addr, 16);
}

static bool is_plain(struct bed *b)
{
	return bed_out(b)->l4 == bed_in(b)->l4;
}

/* It has the node's address as source, and carries nothing. */
static void translated(struct bed *b)
{
	struct pkt_view v = pkt_view(bed_out(b));
	struct in6_addr host = bed_addr(b, HOST);

	assert_memory_equal(&v.src.addr, &host, sizeof(host));
	assert_true(is_plain(b));
}

static bool is_to_far(struct bed *b)
{
	struct pkt_view v = pkt_view(bed_out(b));
	struct in6_addr src = bed_addr(b, WORLD), dst = bed_addr(b, FAR);

	return !memcmp(&v.src.addr, &src, 16) && !memcmp(&v.dst.addr, &dst, 16);
}

/* What the first node has sent, as it arrives at the second, where FAR is B. */
static struct pkt arrival(const struct bed *b)
{
	struct pkt p = *bed_out(b);
	struct in6_addr pod = bed_addr(b, B);

	if (bed_is4(b))
		memcpy(&p.data[30], &pod.s6_addr[12], 4);
	else
		memcpy(&p.data[38], &pod, 16);
	pkt_seal(&p);
	return p;
}

/* A packet of the client for the pod itself that carries the service. */
static int told(struct bed *b, uint8_t proto, int client, int sport, int dport, uint8_t flags,
	int service, uint16_t port)
{
	struct pkt p;

	if (proto == IPPROTO_TCP)
		bed_tcp(b, &p, client, sport, B, dport, flags);
	else
		bed_udp(b, &p, client, sport, B, dport);
	carry(b, &p, service, port);
	return bed_send(b, WIRE, &p);
}

/* --- the node that is asked ------------------------------------------------------------------- */

static void tcp_sent_on(void **state)
{
	struct bed *b = *state;
	struct lnt_flow_key fwd = bed_key(b, WIRE, WORLD, 1000, VIP, 80, IPPROTO_TCP);
	struct lnt_flow f;

	bed_frontend(b, &asked_tcp);
	for (int i = 0; i < 3; i++) {
		SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, SYN));
		out(b, WORLD, 1000, FAR, 8080);
		assert_true(carries(b, VIP, 80));
		assert_int_equal(bed_flows(b), 0);
	}
	SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, ACK));
	assert_true(carries(b, VIP, 80));
	assert_true(bed_flow(b, &fwd, &f));
	assert_int_equal(bed_flows(b), 1);
	assert_int_equal(f.action, LNT_ACT_NEIGH);
	for (int i = 0; i < 3; i++) {
		SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, ACK));
		out(b, WORLD, 1000, FAR, 8080);
		assert_true(is_plain(b));
		bed_bump(b);
	}
	assert_int_equal(bed_flows(b), 1);
}

static void udp_sent_on(void **state)
{
	struct bed *b = *state;
	struct lnt_sweep sweep = {.tcp_idle = 800, .closing_idle = 2, .other_idle = 18};
	unsigned carried = 0;

	bed_frontend(b, &asked_udp);
	for (int i = 0; i < 40; i++) {
		SENT(b, udp(b, WIRE, WORLD, 1000, VIP, 53));
		out(b, WORLD, 1000, FAR, 5353);
		assert_true(carries(b, VIP, 53) || is_plain(b));
		assert_true(i >= 16 || carries(b, VIP, 53));
		carried += carries(b, VIP, 53);
	}
	assert_int_equal(carried, 16);
	assert_int_equal(bed_flows(b), 1);
	/* And once more from time to time, and when something has changed. */
	for (int i = 0; i < 2; i++) {
		if (i)
			bed_bump(b);
		else
			bed_sweep(b, &sweep);
		SENT(b, udp(b, WIRE, WORLD, 1000, VIP, 53));
		assert_true(carries(b, VIP, 53));
		SENT(b, udp(b, WIRE, WORLD, 1000, VIP, 53));
		assert_true(is_plain(b));
	}
}

/* What the option is not for: it is source-translated, as without DSR. */
static void not_for_all(void **state)
{
	struct bed *b = *state;
	struct bed_frontend f = asked_tcp;
	const int elsewhere[] = {NODE2, WORLD2};

	for (int i = 0; i < 2; i++) {
		f.backend = elsewhere[i];
		bed_frontend(b, &f);
		SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, SYN));
		translated(b);
	}
	/* A pod here needs no such thing. */
	f.backend = B;
	bed_frontend(b, &f);
	SENT(b, tcp(b, WIRE, WORLD, 1001, VIP, 80, SYN));
	out(b, WORLD, 1001, B, 8080);
	assert_true(is_plain(b));
	/* Nor do pods and nodes that ask. */
	bed_frontend(b, &asked_tcp);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	out(b, A, 1000, FAR, 8080);
	assert_true(is_plain(b));
	SENT(b, tcp(b, WIRE, NODE2, 1000, VIP, 80, SYN));
	translated(b);
}

/* A mode that changes is for new connections. */
static void mode_changes(void **state)
{
	struct bed *b = *state;
	struct bed_frontend f = asked_tcp;

	bed_frontend(b, &f);
	SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, SYN));
	SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, ACK));
	f.flags = LNT_SVC_EXTERNAL;
	bed_frontend(b, &f);
	bed_bump(b);
	SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, ACK));
	out(b, WORLD, 1000, FAR, 8080);
	SENT(b, tcp(b, WIRE, WORLD, 1001, VIP, 80, SYN));
	translated(b);
	SENT(b, tcp(b, WIRE, FAR, 8080, HOST, pkt_view(bed_out(b)).src.port, SYN | ACK));
	f.flags = LNT_SVC_EXTERNAL | LNT_SVC_DSR;
	bed_frontend(b, &f);
	bed_bump(b);
	SENT(b, tcp(b, WIRE, WORLD, 1001, VIP, 80, ACK));
	translated(b);
	SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, ACK));
	out(b, WORLD, 1000, FAR, 8080);
}

/* Options that a packet has already stay behind ours; with too many there is no room. */
static void options_of_others(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	bed_frontend(b, &asked_tcp);
	for (size_t n = 4; n <= 40; n += 12) {
		bed_tcp(b, &p, WORLD, 1000 + (int)n, VIP, 80, SYN);
		if (bed_is4(b))
			pkt_ip4_options(&p, n);
		else
			pkt_ip6_ext(&p, n % 8 ? IPPROTO_DSTOPTS : IPPROTO_HOPOPTS, n / 10 + 1);
		SENT(b, bed_send(b, WIRE, &p));
		if (bed_is4(b) && n <= 32) {
			out(b, WORLD, 1000 + (int)n, FAR, 8080);
			assert_true(carries(b, VIP, 80));
			assert_int_equal(bed_out(b)->data[42], 1);
		} else {
			translated(b);
		}
	}
}

/* A datagram of @len bytes, all told. */
static int sized(struct bed *b, int sport, size_t len)
{
	static const uint8_t zero[1600];
	struct pkt p;

	bed_udp(b, &p, WORLD, sport, VIP, 53);
	pkt_insert(&p, p.len, zero, len - (p.len - 14));
	pkt_seal(&p);
	return bed_send(b, WIRE, &p);
}

/* What has no room is never lost: the first of a flow decides. */
static void no_room(void **state)
{
	struct bed *b = *state;
	uint64_t before = bed_counter(b, LNT_CNT_DSR_NO_ROOM);

	bed_wire_mtu(b, 1500);
	bed_frontend(b, &asked_udp);
	SENT(b, sized(b, 1000, 1500 - room(b)));
	assert_true(carries(b, VIP, 53));
	for (int i = 0; i < 3; i++) {
		SENT(b, sized(b, 1000, 1500));
		out(b, WORLD, 1000, FAR, 5353);
		assert_true(is_plain(b));
	}
	SENT(b, udp(b, WIRE, WORLD, 1000, VIP, 53));
	assert_true(carries(b, VIP, 53));
	assert_int_equal(bed_counter(b, LNT_CNT_DSR_NO_ROOM), before);
	SENT(b, sized(b, 1001, 1500 - room(b) + 4));
	translated(b);
	assert_int_equal(bed_counter(b, LNT_CNT_DSR_NO_ROOM), before + 1);
	bed_wire_mtu(b, 9000);
}

static void fragments(void **state)
{
	struct bed *b = *state;
	struct pkt whole, p;

	bed_frontend(b, &asked_udp);
	for (int known = 0; known < 2; known++) {
		bed_udp(b, &whole, WORLD, 1000 + known, VIP, 53);
		for (int i = 0; known && i < 2; i++)
			SENT(b, udp(b, WIRE, WORLD, 1001, VIP, 53));
		for (size_t off = 0; off < 16; off += 8) {
			pkt_fragment(&p, &whole, off, off ? 64 : 8, !off, 7u + (unsigned)known);
			SENT(b, bed_send(b, WIRE, &p));
			assert_true(is_plain(b));
			if (!known)
				translated(b);
			else
				assert_true(is_to_far(b));
		}
	}
}

/* A flood of SYNs fills nothing; what has said little goes soon, what is up stays. */
static void ageing(void **state)
{
	struct bed *b = *state;
	struct lnt_sweep s = {.tcp_idle = 50, .closing_idle = 2, .other_idle = 10};
	const int packets[] = {2, 20, 20, 20}, limit[] = {10, 50, 10, 2};
	const uint8_t last[] = {ACK, ACK, FIN | ACK, RST};
	struct lnt_flow_key key;

	bed_frontend(b, &asked_tcp);
	for (int i = 0; i < 200; i++)
		SENT(b, tcp(b, WIRE, WORLD2, 1000 + i, VIP, 80, SYN));
	assert_int_equal(bed_flows(b), 0);
	for (int i = 0; i < 4; i++) {
		int sweeps = 0;

		SENT(b, tcp(b, WIRE, WORLD, 1000 + i, VIP, 80, SYN));
		for (int k = 0; k < packets[i]; k++)
			SENT(b, tcp(b, WIRE, WORLD, 1000 + i, VIP, 80, ACK));
		SENT(b, tcp(b, WIRE, WORLD, 1000 + i, VIP, 80, last[i]));
		key = bed_key(b, WIRE, WORLD, 1000 + i, VIP, 80, IPPROTO_TCP);
		for (; bed_flow(b, &key, NULL); sweeps++)
			bed_sweep(b, &s);
		assert_int_equal(sweeps, limit[i] + 1);
	}
}

/* --- the backend's node ----------------------------------------------------------------------- */

/* From the client to the pod and back, by way of both nodes. */
static void both_nodes(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	bed_frontend(b, &asked_tcp);
	bed_frontend(b, &asked_udp);
	bed_frontend(b, &carried_tcp);
	bed_frontend(b, &carried_udp);
	SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, SYN));
	p = arrival(b);
	SENT(b, bed_send(b, WIRE, &p));
	out(b, WORLD, 1000, B, 8080);
	bed_assert_into(b, B);
	assert_int_equal(bed_out(b)->len + room(b), p.len);
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	out(b, VIP, 80, WORLD, 1000);
	for (int i = 0; i < 4; i++) {
		SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, ACK));
		p = arrival(b);
		SENT(b, bed_send(b, WIRE, &p));
		out(b, WORLD, 1000, B, 8080);
		assert_int_equal(bed_out(b)->l4, bed_is4(b) ? 34 : 54);
		SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, ACK));
		out(b, VIP, 80, WORLD, 1000);
		if (i % 2)
			bed_bump(b);
	}
	for (int i = 0; i < 20; i++) {
		SENT(b, udp(b, WIRE, WORLD, 1000, VIP, 53));
		p = arrival(b);
		SENT(b, bed_send(b, WIRE, &p));
		out(b, WORLD, 1000, B, 5353);
		assert_int_equal(bed_out(b)->l4, bed_is4(b) ? 34 : 54);
		if (i > 2)
			SENT(b, udp(b, FROM(B), B, 5353, WORLD, 1000));
		if (i > 2)
			out(b, VIP, 53, WORLD, 1000);
		if (i % 3 == 2)
			bed_bump(b);
	}
}

/* Nobody's SYN-ACK is awaited: before, an epoch may pass. */
static void late_reply(void **state)
{
	struct bed *b = *state;

	bed_frontend(b, &carried_tcp);
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	bed_bump(b);
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	out(b, VIP, 80, WORLD, 1000);
	SENT(b, tcp(b, WIRE, WORLD, 1000, B, 8080, ACK));
	bed_bump(b);
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, ACK));
	out(b, VIP, 80, WORLD, 1000);
}

/*
 * A node that has not seen the beginning, as when the network moves a client's packets: it picks
 * the same pod, and the pod's node knows the connection. Where that is gone the pod says so, to the
 * client, from the service's address.
 */
static void taken_over(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	bed_frontend(b, &asked_tcp);
	bed_frontend(b, &carried_tcp);
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	for (int i = 0; i < 3; i++) {
		SENT(b, tcp(b, WIRE, WORLD, 1000, VIP, 80, ACK));
		assert_int_equal(carries(b, VIP, 80), i < 2);
		p = arrival(b);
		SENT(b, bed_send(b, WIRE, &p));
		out(b, WORLD, 1000, B, 8080);
		SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, ACK));
		out(b, VIP, 80, WORLD, 1000);
	}
	SENT(b, tcp(b, WIRE, WORLD, 1001, VIP, 80, ACK));
	p = arrival(b);
	SENT(b, bed_send(b, WIRE, &p));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1001, RST));
	out(b, VIP, 80, WORLD, 1001);
}

/* At the pod's node either direction keeps the other's entry. */
static void ageing_at_pod(void **state)
{
	struct bed *b = *state;
	struct lnt_sweep s = {.tcp_idle = 5, .closing_idle = 2, .other_idle = 3};
	struct lnt_flow_key fwd = bed_key(b, WIRE, WORLD, 1000, B, 8080, IPPROTO_TCP);
	struct lnt_flow_key reply = bed_key(b, FROM(B), B, 8080, WORLD, 1000, IPPROTO_TCP);

	bed_frontend(b, &carried_tcp);
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	for (int i = 0; i < 40; i++) {
		bed_sweep(b, &s);
		assert_true(bed_flow(b, &fwd, NULL) && bed_flow(b, &reply, NULL));
		if (i < 20)
			SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, ACK));
		else
			SENT(b, tcp(b, WIRE, WORLD, 1000, B, 8080, ACK));
	}
	for (int i = 0; i < 7; i++)
		bed_sweep(b, &s);
	assert_int_equal(bed_flows(b), 0);
}

/* XDP sends on what carries nothing, and leaves the rest to from_node. */
static void before_the_stack(void **state)
{
	struct bed *b = *state;
	struct lnt_sweep s = {.tcp_idle = 50, .closing_idle = 2, .other_idle = 10};
	struct pkt p;

	bed_neighbour(b, NODE2);
	bed_frontend(b, &asked_tcp);
	bed_frontend(b, &asked_udp);
	bed_tcp(b, &p, WORLD, 1000, VIP, 80, SYN);
	bed_place(b, WIRE, &p);
	assert_int_equal(bed_xdp(b, &p, 0), XDP_PASS);
	SENT(b, bed_run(b, WIRE, &p));
	for (int i = 0; i < 3; i++) {
		bed_tcp(b, &p, WORLD, 1000, VIP, 80, ACK);
		bed_place(b, WIRE, &p);
		assert_int_equal(bed_xdp(b, &p, 0), i ? XDP_TX : XDP_PASS);
		if (i)
			out(b, WORLD, 1000, FAR, 8080);
		SENT(b, bed_run(b, WIRE, &p));
	}
	for (int i = 0; i < 20; i++) {
		bed_udp(b, &p, WORLD, 1000, VIP, 53);
		bed_place(b, WIRE, &p);
		assert_int_equal(bed_xdp(b, &p, 0), i < 16 ? XDP_PASS : XDP_TX);
		SENT(b, bed_run(b, WIRE, &p));
	}
	bed_sweep(b, &s);
	assert_int_equal(bed_xdp(b, &p, 0), XDP_PASS);
	SENT(b, bed_run(b, WIRE, &p));
	assert_true(carries(b, VIP, 53));
}

/* A NodePort of another node: known by its port, at the address of a node. */
static void node_port(void **state)
{
	struct bed *b = *state;
	struct bed_frontend f = carried_tcp;

	f.at = N_WHO;
	f.port = 30080;
	bed_frontend(b, &f);
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, NODE2, 30080));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	out(b, NODE2, 30080, WORLD, 1000);
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, WORLD, 1001, 8080, SYN, NODE2, 30081));
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, WORLD, 1001, 8080, SYN, WORLD2, 30080));
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, WORLD, 1001, 8080, SYN, HOST, 30080));
}

static void not_believed(void **state)
{
	struct bed *b = *state;
	struct bed_frontend f = asked_tcp;

	f.backend = B;
	bed_frontend(b, &f);
	/* A service, and yet none that this node serves so. */
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, WORLD, 1, 8080, SYN, VIP, 80));
	bed_frontend(b, &carried_tcp);
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, WORLD, 1, 8080, SYN, WORLD2, 80));
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, WORLD, 1, 8080, SYN, VIP, 81));
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_UDP, WORLD, 1, 8080, 0, VIP, 80));
	/* Another port of the pod. */
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, WORLD, 1, 8081, SYN, VIP, 80));
	/* From inside the cluster. */
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, FAR, 1, 8080, SYN, VIP, 80));
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, NODE2, 1, 8080, SYN, VIP, 80));
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, HOST, 1, 8080, SYN, VIP, 80));
	/* Another pod. */
	f = carried_tcp;
	f.backend = A;
	bed_frontend(b, &f);
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_TCP, WORLD, 1, 8080, SYN, VIP, 80));
	assert_int_equal(bed_flows(b), 0);
	bed_frontend(b, &carried_tcp);
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1, 8080, SYN, VIP, 80));
}

/* From a pod it is an option like any. */
static void not_from_pods(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	bed_frontend(b, &carried_tcp);
	bed_tcp(b, &p, A, 1000, B, 8080, SYN);
	carry(b, &p, VIP, 80);
	SENT(b, bed_send(b, FROM(A), &p));
	assert_true(is_plain(b));
	SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, SYN | ACK));
	out(b, B, 8080, A, 1000);
}

/* Endpoints that the service has no more go on with what they have. */
static void was_a_backend(void **state)
{
	struct bed *b = *state;
	struct bed_frontend f = carried_udp;

	bed_frontend(b, &f);
	for (int i = 0; i < 3; i++) {
		SENT(b, told(b, IPPROTO_UDP, WORLD, 1000, 5353, 0, VIP, 53));
		SENT(b, udp(b, FROM(B), B, 5353, WORLD, 1000));
		out(b, VIP, 53, WORLD, 1000);
		f.backend = -1;
		bed_frontend(b, &f);
		bed_bump(b);
	}
	f.backend = A;
	bed_frontend(b, &f);
	SENT(b, told(b, IPPROTO_UDP, WORLD, 1000, 5353, 0, VIP, 53));
	DROPS(b, LNT_DROP_DSR_UNKNOWN, told(b, IPPROTO_UDP, WORLD, 1001, 5353, 0, VIP, 53));
}

static void source_ranges(void **state)
{
	struct bed *b = *state;
	struct bed_frontend f = carried_tcp;

	f.flags = LNT_SVC_RANGES;
	bed_frontend(b, &f);
	bed_range(b, &f, WORLD);
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	DROPS(b, LNT_DROP_SOURCE_RANGE, told(b, IPPROTO_TCP, WORLD2, 1000, 8080, SYN, VIP, 80));
}

/* Policy is asked with the client's own address. */
static void policy(void **state)
{
	struct bed *b = *state;

	bed_frontend(b, &carried_tcp);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	DROPS(b, LNT_DROP_POLICY_INGRESS, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	bed_allow(b, B, LNT_INGRESS, LNT_ID_NODE, IPPROTO_TCP, 8080, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_INGRESS, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	bed_allow(b, B, LNT_INGRESS, LNT_ID_WORLD, IPPROTO_TCP, 8080, LNT_POLICY_PORT);
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	bed_disallow(b);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, WORLD, 1000, B, 8080, ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 8080, WORLD, 1000, ACK));
}

/* One port of a client, by two addresses of a service: the pod cannot tell them apart. */
static void clash(void **state)
{
	struct bed *b = *state;
	struct bed_frontend other = carried_tcp, other_udp = carried_udp;

	other.at = other_udp.at = WORLD2;
	bed_frontend(b, &carried_tcp);
	bed_frontend(b, &carried_udp);
	bed_frontend(b, &other);
	bed_frontend(b, &other_udp);
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	DROPS(b, LNT_DROP_DSR_CLASH, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, WORLD2, 80));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, ACK));
	out(b, VIP, 80, WORLD, 1000);
	/* Its ports may be used again. */
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, VIP, 80));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, RST));
	SENT(b, told(b, IPPROTO_TCP, WORLD, 1000, 8080, SYN, WORLD2, 80));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	out(b, WORLD2, 80, WORLD, 1000);
	/* Also for the pod itself, by a client that has a way to it; but not while they are. */
	for (int i = 0; i < 2; i++) {
		SENT(b, tcp(b, WIRE, WORLD, 1000, B, 8080, SYN));
		SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, ACK));
		out(b, WORLD2, 80, WORLD, 1000);
		bed_bump(b);
	}
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, FIN | ACK));
	SENT(b, tcp(b, WIRE, WORLD, 1000, B, 8080, SYN));
	SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
	out(b, B, 8080, WORLD, 1000);
	/* A datagram is answered from the address that was asked last. */
	for (int i = 0; i < 4; i++) {
		int at = i % 2 ? WORLD2 : VIP;

		SENT(b, told(b, IPPROTO_UDP, WORLD, 1000, 5353, 0, at, 53));
		SENT(b, udp(b, FROM(B), B, 5353, WORLD, 1000));
		out(b, at, 53, WORLD, 1000);
	}
}

/* Options that are nearly ours are somebody else's, and what is cut short is no packet. */
static void malformed(void **state)
{
	struct bed *b = *state;
	struct pkt whole, p;
	size_t at = bed_is4(b) ? 34 : 56;

	bed_frontend(b, &carried_tcp);
	bed_tcp(b, &whole, WORLD, 1000, B, 8080, SYN);
	carry(b, &whole, VIP, 80);
	for (int i = 0; i < 2; i++) {
		p = whole;
		p.data[at + (size_t)i] ^= 1;
		pkt_seal(&p);
		SENT(b, bed_send(b, WIRE, &p));
		assert_true(is_plain(b));
		SENT(b, tcp(b, FROM(B), B, 8080, WORLD, 1000, SYN | ACK));
		out(b, B, 8080, WORLD, 1000);
		bed_reset(b, bed_is4(b) ? 4 : 6);
		bed_frontend(b, &carried_tcp);
	}
	/* Port 0 is no service's. */
	p = whole;
	memset(&p.data[at + 2], 0, 2);
	pkt_seal(&p);
	SENT(b, bed_send(b, WIRE, &p));
	assert_true(is_plain(b));
	for (size_t len = whole.l4 - 8u; len < whole.l4 + 8u; len++) {
		p = whole;
		p.len = len;
		DROPS(b, LNT_DROP_MALFORMED, bed_send(b, WIRE, &p));
	}
}

/* --- errors ----------------------------------------------------------------------------------- */

/* The pod's own error, and one of a router on the way of its answers, which the first node gets. */
static void errors(void **state)
{
	struct bed *b = *state;
	struct pkt_end b_end = bed_end(b, B, 5353), client = bed_end(b, WORLD, 0),
		       router = bed_end(b, WORLD2, 0), vip = bed_end(b, VIP, 0);
	struct pkt sent, p;

	bed_frontend(b, &asked_udp);
	bed_frontend(b, &carried_udp);
	SENT(b, told(b, IPPROTO_UDP, WORLD, 1000, 5353, 0, VIP, 53));
	sent = *bed_out(b);
	pkt_error(&p, &b_end, &client, &sent, 8);
	SENT(b, bed_send(b, FROM(B), &p));
	out(b, VIP, pkt_view(bed_out(b)).src.port, WORLD, pkt_view(bed_out(b)).dst.port);
	SENT(b, udp(b, FROM(B), B, 5353, WORLD, 1000));
	out(b, VIP, 53, WORLD, 1000);
	sent = *bed_out(b);
	/* At the first node, which has the flow by now. */
	SENT(b, udp(b, WIRE, WORLD, 1000, VIP, 53));
	SENT(b, udp(b, WIRE, WORLD, 1000, VIP, 53));
	pkt_error(&p, &router, &vip, &sent, 8);
	SENT(b, bed_send(b, WIRE, &p));
	out(b, WORLD2, pkt_view(bed_out(b)).src.port, FAR, pkt_view(bed_out(b)).dst.port);
}

static const struct CMUnitTest tests[] = {
	BOTH("dsr: TCP carries the service until it is established", tcp_sent_on),
	BOTH("dsr: UDP carries it in its first packets and now and then", udp_sent_on),
	BOTH("dsr: other backends and clients are translated", not_for_all),
	BOTH("dsr: a mode that changes is for new connections", mode_changes),
	BOTH("dsr: options of others stay", options_of_others),
	BOTH("dsr: without room a flow is source-translated", no_room),
	BOTH("dsr: fragments carry nothing", fragments),
	BOTH("dsr: one-way flows age by what they have said", ageing),
	BOTH("dsr: from node to node to pod, and back directly", both_nodes),
	BOTH("dsr: a reply after the epoch has moved", late_reply),
	BOTH("dsr: a node that takes a connection over", taken_over),
	BOTH("dsr: at the pod's node directions age together", ageing_at_pod),
	BOTH("dsr: what XDP sends on, and what not", before_the_stack),
	BOTH("dsr: a NodePort of another node", node_port),
	BOTH("dsr: what cannot be true is not believed", not_believed),
	BOTH("dsr: pods carry nothing", not_from_pods),
	BOTH("dsr: what was a backend goes on", was_a_backend),
	BOTH("dsr: source ranges hold at the backend's node", source_ranges),
	BOTH("dsr: policy sees the client", policy),
	BOTH("dsr: one client port, two addresses", clash),
	BOTH("dsr: malformed options", malformed),
	BOTH("dsr: errors find their way", errors),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
