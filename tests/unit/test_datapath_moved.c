// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Flows of services whose backends change: who goes elsewhere, who stays, and when. */
#include "tests/unit/bed.h"

#include <arpa/inet.h>
#include <string.h>

static void out(const struct bed *b, int src, int sport, int dst, int dport)
{
	struct in6_addr s = bed_addr(b, src), d = bed_addr(b, dst);

	bed_assert_out(b, &s, sport, &d, dport);
}

static bool has_flow(
	const struct bed *b, int hook, int src, int sport, int dst, int dport, uint8_t proto)
{
	struct lnt_flow_key k = bed_key(b, hook, src, sport, dst, dport, proto);

	return bed_flow(b, &k, NULL);
}

/* A talks to port 53 at VIP, which is B's 5353; both directions are known. */
static void talk(struct bed *b)
{
	bed_service(b, IPPROTO_UDP, 53, B, 5353);
	for (int i = 0; i < 2; i++) {
		SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
		out(b, A, 1000, B, 5353);
		SENT(b, udp(b, FROM(B), B, 5353, A, 1000));
		out(b, VIP, 53, A, 1000);
	}
	assert_true(has_flow(b, FROM(A), A, 1000, VIP, 53, IPPROTO_UDP));
}

static void udp_leaves(void **state)
{
	struct bed *b = *state;

	talk(b);
	bed_service(b, IPPROTO_UDP, 53, C, 5354);
	SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
	out(b, A, 1000, B, 5353);
	bed_bump(b);
	for (int i = 0; i < 3; i++) {
		SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
		out(b, A, 1000, C, 5354);
		SENT(b, udp(b, FROM(C), C, 5354, A, 1000));
		out(b, VIP, 53, A, 1000);
		bed_bump(b);
	}
	assert_false(has_flow(b, FROM(B), B, 5353, A, 1000, IPPROTO_UDP));
	assert_int_equal(bed_flows(b), 2);
}

static void udp_stays(void **state)
{
	struct bed *b = *state;

	talk(b);
	for (int i = 0; i < 3; i++) {
		bed_bump(b);
		/* Either direction first. */
		if (i)
			SENT(b, udp(b, FROM(B), B, 5353, A, 1000));
		SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
		out(b, A, 1000, B, 5353);
		assert_true(has_flow(b, FROM(A), A, 1000, VIP, 53, IPPROTO_UDP));
	}
	/* The same address with another port is another backend. */
	bed_service(b, IPPROTO_UDP, 53, B, 5354);
	bed_bump(b);
	SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
	out(b, A, 1000, B, 5354);
}

static void udp_refused(void **state)
{
	struct bed *b = *state;

	talk(b);
	bed_service(b, IPPROTO_UDP, 53, -1, 0);
	bed_bump(b);
	REFUSES(b, LNT_DROP_NO_BACKEND, udp(b, FROM(A), A, 1000, VIP, 53));
	assert_int_equal(bed_flows(b), 0);
	bed_service(b, IPPROTO_UDP, 53, C, 5354);
	SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
	out(b, A, 1000, C, 5354);
}

static void tcp_stays_while_it_may(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_TCP, 80, B, 8080);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, SYN | ACK));
	bed_service(b, IPPROTO_TCP, 80, C, 8081);
	for (int i = 0; i < 2; i++) {
		bed_bump(b);
		SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, ACK));
		out(b, A, 1000, B, 8080);
		SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, ACK));
		out(b, VIP, 80, A, 1000);
	}
	/* No pod has the address any more: whoever is there now tells the client. */
	bed_endpoint_gone(b, B);
	bed_peer(b, B, 0);
	bed_bump(b);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, ACK));
	out(b, A, 1000, C, 8081);
	SENT(b, tcp(b, FROM(C), C, 8081, A, 1000, RST));
	out(b, VIP, 80, A, 1000);
}

/* From outside: to another pod, then to the node itself when the port is no service any more. */
static void outside_client(void **state)
{
	struct bed *b = *state;
	struct bed_frontend f = {.at = HOST,
		.proto = IPPROTO_UDP,
		.port = 53,
		.flags = LNT_SVC_EXTERNAL | LNT_SVC_LOCAL,
		.backend = B,
		.backend_port = 5353};

	bed_frontend(b, &f);
	for (int i = 0; i < 2; i++) {
		SENT(b, udp(b, WIRE, WORLD, 1000, HOST, 53));
		out(b, WORLD, 1000, B, 5353);
		SENT(b, udp(b, FROM(B), B, 5353, WORLD, 1000));
		out(b, HOST, 53, WORLD, 1000);
	}
	f.backend = C;
	bed_frontend(b, &f);
	bed_bump(b);
	SENT(b, udp(b, WIRE, WORLD, 1000, HOST, 53));
	out(b, WORLD, 1000, C, 5353);
	SENT(b, udp(b, FROM(C), C, 5353, WORLD, 1000));
	out(b, HOST, 53, WORLD, 1000);
	f.flags = LNT_SVC_HOST_ONLY;
	bed_frontend(b, &f);
	bed_bump(b);
	UP(b, udp(b, WIRE, WORLD, 1000, HOST, 53));
	assert_int_equal(bed_flows(b), 0);
}

/* A flow to the node's own port, which then becomes a service's. */
static void becomes_service(void **state)
{
	struct bed *b = *state;
	const struct bed_frontend f = {.at = HOST,
		.proto = IPPROTO_UDP,
		.port = 53,
		.flags = LNT_SVC_EXTERNAL | LNT_SVC_LOCAL,
		.backend = B,
		.backend_port = 5353};

	for (int i = 0; i < 3; i++)
		UP(b, udp(b, FROM(A), A, 1000, HOST, 53));
	assert_int_equal(bed_flows(b), 2);
	bed_frontend(b, &f);
	bed_bump(b);
	SENT(b, udp(b, FROM(A), A, 1000, HOST, 53));
	out(b, A, 1000, B, 5353);
	SENT(b, udp(b, FROM(B), B, 5353, A, 1000));
	out(b, HOST, 53, A, 1000);
}

/* A set that shrinks moves a backend to a slot that has become free; its flows stay with it. */
static void slot_changes(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value slots[3] = {
		{.addr = bed_addr(b, A), .port = htons(5353)},
		{.addr = bed_addr(b, B), .port = htons(5353)},
		{.addr = bed_addr(b, C), .port = htons(5353)},
	};
	struct bed_outside svc = {
		.proto = IPPROTO_UDP, .port = 53, .set = 7, .slots = slots, .n = 3};
	struct pkt_view v;
	int port = 1000;

	bed_outside_service(b, &svc, 0);
	do {
		port++;
		SENT(b, udp(b, WIRE, WORLD, port, VIP, 53));
		v = pkt_view(bed_out(b));
	} while (memcmp(&v.dst.addr, &slots[2].addr, 16) != 0 && port < 1100);
	SENT(b, udp(b, WIRE, WORLD, port, VIP, 53));
	out(b, WORLD, port, C, 5353);
	assert_int_equal(bed_flows(b), 2);
	slots[0] = slots[2];
	svc.n = 2;
	bed_outside_service(b, &svc, 0);
	for (int i = 0; i < 2; i++) {
		bed_bump(b);
		SENT(b, udp(b, WIRE, WORLD, port, VIP, 53));
		out(b, WORLD, port, C, 5353);
	}
	slots[0] = slots[1];
	svc.n = 1;
	bed_outside_service(b, &svc, 0);
	bed_bump(b);
	SENT(b, udp(b, WIRE, WORLD, port, VIP, 53));
	out(b, WORLD, port, B, 5353);
}

static const struct CMUnitTest tests[] = {
	BOTH("UDP: a flow leaves a backend that is not the service's any more", udp_leaves),
	BOTH("UDP: a flow stays with its backend", udp_stays),
	BOTH("UDP: a flow stays with a backend whose slot changes", slot_changes),
	BOTH("UDP: a flow of a service without backends is refused", udp_refused),
	BOTH("TCP: a connection stays until its backend is gone from the cluster",
		tcp_stays_while_it_may),
	BOTH("outside client: follows the frontend, and its end", outside_client),
	BOTH("UDP: a flow to what becomes a service is translated", becomes_service),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
