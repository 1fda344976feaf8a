// SPDX-License-Identifier: Apache-2.0
/* Services translated per packet: for what did not come from a socket that linnet translates. */
#include "tests/unit/bed.h"

#include <arpa/inet.h>
#include <string.h>

static void out(const struct bed *b, int src, int sport, int dst, int dport)
{
	struct in6_addr s = bed_addr(b, src), d = bed_addr(b, dst);

	bed_assert_out(b, &s, sport, &d, dport);
}

static void backend_here(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_TCP, 80, B, 8080);
	bed_service(b, IPPROTO_UDP, 53, B, 5353);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	out(b, A, 1000, B, 8080);
	bed_assert_into(b, B);
	SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, SYN | ACK));
	out(b, VIP, 80, A, 1000);
	bed_assert_into(b, A);
	for (int i = 0; i < 3; i++) {
		SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, ACK));
		out(b, A, 1000, B, 8080);
		SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, ACK));
		out(b, VIP, 80, A, 1000);
		bed_bump(b);
	}
	SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
	out(b, A, 1000, B, 5353);
	SENT(b, udp(b, FROM(B), B, 5353, A, 1000));
	out(b, VIP, 53, A, 1000);
}

static void backend_elsewhere(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_TCP, 80, FAR, 8080);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	out(b, A, 1000, FAR, 8080);
	SENT(b, tcp(b, WIRE, FAR, 8080, A, 1000, SYN | ACK));
	out(b, VIP, 80, A, 1000);
	bed_assert_into(b, A);
}

/* The API server of a control-plane node is a process of the host. */
static void backend_is_host(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_TCP, 443, HOST, 6443);
	for (int i = 0; i < 3; i++) {
		UP(b, tcp(b, FROM(A), A, 1000, VIP, 443, i ? ACK : SYN));
		out(b, A, 1000, HOST, 6443);
		UP(b, tcp(b, TO(A), HOST, 6443, A, 1000, ACK));
		out(b, VIP, 443, A, 1000);
	}
}

/* Without to_node nobody would translate what the stack sends back to a client outside. */
static void backend_of_the_stack(void **state)
{
	static const int backends[] = {HOST, SIDE};
	struct bed *b = *state;

	for (size_t i = 0; i < 2; i++) {
		struct bed_frontend f = {.at = HOST,
			.proto = IPPROTO_TCP,
			.port = 30080,
			.flags = LNT_SVC_EXTERNAL,
			.backend = backends[i],
			.backend_port = 8080};

		bed_frontend(b, &f);
		f.proto = IPPROTO_UDP;
		bed_frontend(b, &f);
		REFUSES(b, LNT_DROP_NO_BACKEND, tcp(b, WIRE, WORLD, 1000, HOST, 30080, SYN));
		REFUSES(b, LNT_DROP_NO_BACKEND, udp(b, WIRE, WORLD, 1000, HOST, 30080));
	}
	assert_int_equal(bed_flows(b), 0);
}

/* A backend in the world: translated twice, and back. */
static void backend_in_world(void **state)
{
	struct bed *b = *state;
	struct pkt_view v;

	bed_service(b, IPPROTO_TCP, 80, WORLD, 8080);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	v = pkt_view(bed_out(b));
	out(b, HOST, v.src.port, WORLD, 8080);
	assert_in_range(v.src.port, 40000, 40999);
	for (int i = 0; i < 3; i++) {
		SENT(b, tcp(b, WIRE, WORLD, 8080, HOST, v.src.port, SYN | ACK));
		out(b, VIP, 80, A, 1000);
		SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, ACK));
		out(b, HOST, v.src.port, WORLD, 8080);
		bed_bump(b);
	}
}

/* What the asker gets: as if the service itself had refused it, on its own device. */
static void refusal(struct bed *b, bool is_tcp)
{
	struct in6_addr vip = bed_addr(b, VIP), a = bed_addr(b, A);
	const struct pkt *p = bed_out(b), *in = bed_in(b);
	struct pkt_view v = pkt_view(p);

	assert_memory_equal(&v.src.addr, &vip, sizeof(vip));
	assert_memory_equal(&v.dst.addr, &a, sizeof(a));
	bed_assert_into(b, A);
	if (is_tcp) {
		assert_int_equal(v.proto, IPPROTO_TCP);
		assert_int_equal(v.src.port, 80);
		assert_int_equal(v.dst.port, 1000);
		return;
	}
	assert_int_equal(v.proto, bed_icmp(b));
	assert_int_equal(p->data[p->l4], bed_is4(b) ? 3 : 1);
	assert_int_equal(p->data[p->l4 + 1], bed_is4(b) ? 3 : 4);
	assert_memory_equal(&p->data[p->l4 + 8], &in->data[14], in->l4 - 14 + 8);
}

static uint32_t get32(const struct pkt *p, size_t off)
{
	uint32_t v;

	memcpy(&v, &p->data[off], 4);
	return ntohl(v);
}

static void no_backend(void **state)
{
	struct bed *b = *state;
	const struct pkt *p = bed_out(b);

	bed_service(b, IPPROTO_TCP, 80, -1, 0);
	bed_service(b, IPPROTO_UDP, 80, -1, 0);
	for (int pad = 0; pad < 7; pad += 6) {
		/* A short frame is padded on the wire. */
		bed_tcp(b, bed_in(b), A, 1000, VIP, 80, SYN);
		bed_place(b, FROM(A), bed_in(b));
		bed_in(b)->len += (size_t)pad;
		REFUSES(b, LNT_DROP_NO_BACKEND, bed_again(b, FROM(A)));
		refusal(b, true);
		assert_int_equal(p->data[p->l4 + 13], RST | ACK);
		assert_int_equal(get32(p, p->l4 + 8), get32(bed_in(b), p->l4 + 4u) + 12 + 1);
	}
	REFUSES(b, LNT_DROP_NO_BACKEND, tcp(b, FROM(A), A, 1000, VIP, 80, ACK));
	refusal(b, true);
	assert_int_equal(p->data[p->l4 + 13], RST);
	REFUSES(b, LNT_DROP_NO_BACKEND, udp(b, FROM(A), A, 1000, VIP, 80));
	refusal(b, false);
	/* What is itself a refusal is not answered. */
	DROPS(b, LNT_DROP_NO_BACKEND, tcp(b, FROM(A), A, 1000, VIP, 80, RST));
	assert_int_equal(bed_flows(b), 0);
	bed_service(b, IPPROTO_TCP, 80, B, 8080);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
}

/* Policy is asked about the backend, not about the service. */
static void policy(void **state)
{
	struct bed *b = *state;

	bed_service(b, IPPROTO_TCP, 80, B, 8080);
	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_allow(b, A, LNT_EGRESS, LNT_ID_ANY, IPPROTO_TCP, 80, LNT_POLICY_PORT);
	bed_allow(b, B, LNT_INGRESS, LNT_ID_ANY, IPPROTO_TCP, 80, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	bed_allow(b, A, LNT_EGRESS, bed_identity(B), IPPROTO_TCP, 8080, LNT_POLICY_PORT);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	bed_allow(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_TCP, 8080, LNT_POLICY_PORT);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, SYN | ACK));
	bed_disallow(b);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(B), B, 8080, A, 1000, ACK));
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1000, VIP, 80, ACK));
}

/* An error of the backend comes from the service, about a packet to the service. */
static void error(void **state)
{
	struct bed *b = *state;
	struct pkt sent, p;
	struct pkt_end s = bed_end(b, B, 0), d = bed_end(b, A, 0);
	struct in6_addr vip = bed_addr(b, VIP), a = bed_addr(b, A);
	struct pkt_view v;
	const struct pkt *got = bed_out(b);

	bed_service(b, IPPROTO_UDP, 53, B, 5353);
	SENT(b, udp(b, FROM(A), A, 1000, VIP, 53));
	sent = *got;
	pkt_error(&p, &s, &d, &sent, 8);
	SENT(b, bed_send(b, FROM(B), &p));
	v = pkt_view(got);
	assert_memory_equal(&v.src.addr, &vip, sizeof(vip));
	assert_memory_equal(&v.dst.addr, &a, sizeof(a));
	memset(&p, 0, sizeof(p));
	memcpy(p.data, sent.data, 14);
	memcpy(&p.data[14], &got->data[got->l4 + 8], got->len - got->l4 - 8);
	p.l4 = sent.l4;
	v = pkt_view(&p);
	assert_memory_equal(&v.src.addr, &a, sizeof(a));
	assert_memory_equal(&v.dst.addr, &vip, sizeof(vip));
	assert_int_equal(v.src.port, 1000);
	assert_int_equal(v.dst.port, 53);
}

/* A pod that is its own backend talks to its gateway: its kernel takes no packet of its own
 * address. */
static void hairpin(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS | LNT_EP_ISOLATED_EGRESS);
	bed_service(b, IPPROTO_TCP, 80, A, 8080);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, SYN));
	out(b, GW, 1000, A, 8080);
	bed_assert_into(b, A);
	for (int i = 0; i < 3; i++) {
		SENT(b, tcp(b, FROM(A), A, 8080, GW, 1000, SYN | ACK));
		out(b, VIP, 80, A, 1000);
		bed_assert_into(b, A);
		SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, ACK));
		out(b, GW, 1000, A, 8080);
		bed_bump(b);
	}
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 8081, WORLD, 1000, SYN));
}

/* A connection of A's port 1000 with B's 8080, asked as @dst, and closed by either or by neither.
 */
static void connection(struct bed *b, int dst, int dport, bool is_closed)
{
	SENT(b, tcp(b, FROM(A), A, 1000, dst, dport, SYN));
	out(b, A, 1000, B, 8080);
	SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, SYN | ACK));
	out(b, dst, dport, A, 1000);
	SENT(b, tcp(b, FROM(A), A, 1000, dst, dport, ACK));
	if (!is_closed)
		return;
	if (dport & 1)
		SENT(b, tcp(b, FROM(A), A, 1000, dst, dport, RST));
	else
		SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, FIN | ACK));
}

/* All of it is one pair of ends to the backend, and what is over must not answer for what is new.
 */
static void one_port_many_addresses(void **state)
{
	struct bed *b = *state;
	struct lnt_flow_key swept = bed_key(b, FROM(B), B, 8080, A, 1000, IPPROTO_TCP);

	bed_service(b, IPPROTO_TCP, 80, B, 8080);
	bed_service(b, IPPROTO_TCP, 81, B, 8080);
	for (int i = 0; i < 3; i++) {
		connection(b, VIP, 80, true);
		connection(b, B, 8080, true);
		connection(b, VIP, 81, true);
		connection(b, VIP, 80, true);
		connection(b, VIP, 81, true);
		connection(b, B, 8080, true);
	}
	assert_int_equal(bed_flows(b), 2);
	/* The sweeper has seen one entry of a connection, and not yet the other. */
	bed_forget_flow(b, &swept);
	connection(b, VIP, 80, true);
	connection(b, B, 8080, true);
	/* One that is up keeps its answers. */
	connection(b, VIP, 80, false);
	SENT(b, tcp(b, FROM(A), A, 1000, B, 8080, SYN));
	SENT(b, tcp(b, FROM(B), B, 8080, A, 1000, ACK));
	out(b, VIP, 80, A, 1000);
	SENT(b, tcp(b, FROM(A), A, 1000, VIP, 80, ACK));
	out(b, A, 1000, B, 8080);
	assert_int_equal(bed_flows(b), 2);
}

static const struct CMUnitTest tests[] = {
	BOTH("service: a backend on the node, there and back", backend_here),
	BOTH("service: a backend elsewhere, there and back", backend_elsewhere),
	BOTH("service: a backend that is the host", backend_is_host),
	BOTH("service: a backend of the stack is refused to the outside", backend_of_the_stack),
	BOTH("service: a backend in the world is masqueraded too", backend_in_world),
	BOTH("service: without a backend it is refused", no_backend),
	BOTH("service: policy is asked about the backend", policy),
	BOTH("service: an error of the backend comes from the service", error),
	BOTH("service: a pod that is its own backend", hairpin),
	BOTH("service: one port of a client, through several addresses", one_port_many_addresses),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
