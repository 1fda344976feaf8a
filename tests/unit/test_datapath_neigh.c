// SPDX-License-Identifier: Apache-2.0
/* ARP and neighbour discovery on a pod's device: every question is answered with the host's MAC,
 * and nobody speaks for others. */
#include "tests/unit/bed.h"

#include <string.h>

#define REQUEST 1
#define REPLY	2
enum {
	RS = 133,
	RA,
	NS,
	NA,
	REDIRECT,
	MLD2 = 143,
	MLD = 131
};

static const struct in6_addr unspecified;

static int arp(struct bed *b, int op, const uint8_t *mac, const struct in6_addr *spa, int target)
{
	struct in6_addr tpa = bed_addr(b, target);
	struct pkt p;

	pkt_arp(&p, mac, (uint16_t)op, mac, spa, &tpa);
	return bed_run(b, FROM(A), &p);
}

static void arp_answered(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), zero = lnt_addr_from4(0), target;
	const struct pkt *out = bed_out(b);
	const int targets[] = {GW, B, WORLD, HOST};

	for (size_t i = 0; i < 4; i++) {
		struct pkt want;

		target = bed_addr(b, targets[i]);
		SENT(b, arp(b, REQUEST, bed_mac(b, A), &a, targets[i]));
		pkt_arp(&want, bed_host_mac(b, A), REPLY, bed_host_mac(b, A), &target, &a);
		memcpy(&want.data[0], bed_mac(b, A), 6);
		memcpy(&want.data[32], bed_mac(b, A), 6);
		assert_int_equal(out->len, want.len);
		assert_memory_equal(out->data, want.data, want.len);
	}
	SENT(b, arp(b, REQUEST, bed_mac(b, A), &zero, GW));
	/* Its own address: a probe for duplicates, or an announcement. */
	DROPS(b, LNT_DROP_MULTICAST, arp(b, REQUEST, bed_mac(b, A), &zero, A));
	DROPS(b, LNT_DROP_MULTICAST, arp(b, REQUEST, bed_mac(b, A), &a, A));
}

static void arp_spoofed(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), other = bed_addr(b, B), gw = bed_addr(b, GW);
	struct pkt p;

	DROPS(b, LNT_DROP_FOREIGN_ND, arp(b, REQUEST, bed_mac(b, A), &other, GW));
	DROPS(b, LNT_DROP_FOREIGN_ND, arp(b, REQUEST, bed_mac(b, B), &a, GW));
	DROPS(b, LNT_DROP_FOREIGN_ND, arp(b, REPLY, bed_mac(b, A), &other, GW));
	DROPS(b, LNT_DROP_FOREIGN_ND, arp(b, REPLY, bed_mac(b, A), &gw, B));
	UP(b, arp(b, REPLY, bed_mac(b, A), &a, GW));
	DROPS(b, LNT_DROP_FOREIGN_ND, arp(b, 3, bed_mac(b, A), &a, GW));
	/* One MAC outside, another inside. */
	pkt_arp(&p, bed_mac(b, A), REPLY, bed_mac(b, B), &a, &gw);
	DROPS(b, LNT_DROP_FOREIGN_ND, bed_run(b, FROM(A), &p));
	pkt_arp(&p, bed_mac(b, B), REPLY, bed_mac(b, A), &a, &gw);
	DROPS(b, LNT_DROP_FOREIGN_ND, bed_run(b, FROM(A), &p));
}

static void arp_cut(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), gw = bed_addr(b, GW);
	struct pkt p;

	pkt_arp(&p, bed_mac(b, A), REQUEST, bed_mac(b, A), &a, &gw);
	for (p.len = 41; p.len > 14; p.len--)
		DROPS(b, LNT_DROP_MALFORMED, bed_run(b, FROM(A), &p));
}

/* The host's own questions, towards the pod. */
static void arp_to_pod(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), gw = bed_addr(b, GW);
	struct pkt p;

	pkt_arp(&p, bed_host_mac(b, A), REQUEST, bed_host_mac(b, A), &gw, &a);
	UP(b, bed_run(b, TO(A), &p));
	UP(b, bed_run(b, WIRE, &p));
}

static int nd(struct bed *b, int hook, const struct in6_addr *src, const struct in6_addr *dst,
	int type, const struct in6_addr *target, bool opt)
{
	struct pkt_end s = {.addr = *src}, d = {.addr = *dst};
	struct pkt p;

	memcpy(s.mac, bed_mac(b, A), 6);
	pkt_nd(&p, &s, &d, (uint8_t)type, target, opt ? s.mac : NULL);
	bed_place(b, hook, &p);
	return bed_run(b, hook, &p);
}

static struct in6_addr ip6(const char *s)
{
	struct in6_addr a;

	assert_int_equal(lnt_addr_parse(s, &a), 0);
	return a;
}

static void ns_answered(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), ll = ip6("fe80::5"), group = ip6("ff02::1:ff00:1");
	const int targets[] = {GW, B, WORLD, HOST};

	for (size_t i = 0; i < 8; i++) {
		struct in6_addr target = bed_addr(b, targets[i % 4]);
		struct pkt_end from = {.addr = target}, to = {.addr = i % 3 ? a : ll};
		struct pkt want;

		memcpy(from.mac, bed_host_mac(b, A), 6);
		memcpy(to.mac, bed_mac(b, A), 6);
		SENT(b, nd(b, FROM(A), &to.addr, i % 2 ? &group : &target, NS, &target, i < 4));
		pkt_nd(&want, &from, &to, NA, &target, from.mac);
		want.data[want.l4 + 4] = 0xe0; /* router, solicited, override */
		pkt_seal(&want);
		assert_int_equal(bed_out(b)->len, want.len);
		assert_memory_equal(bed_out(b)->data, want.data, want.len);
	}
	/* Duplicate address detection, and questions for itself. */
	DROPS(b, LNT_DROP_MULTICAST, nd(b, FROM(A), &unspecified, &group, NS, &a, false));
	DROPS(b, LNT_DROP_MULTICAST, nd(b, FROM(A), &unspecified, &group, NS, &ll, false));
	DROPS(b, LNT_DROP_MULTICAST, nd(b, FROM(A), &a, &group, NS, &a, true));
}

static void na_spoofed(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), other = bed_addr(b, B), host = bed_addr(b, HOST);
	struct in6_addr ll = ip6("fe80::5"), all = ip6("ff02::1"), world = bed_addr(b, WORLD);

	UP(b, nd(b, FROM(A), &a, &host, NA, &a, true));
	UP(b, nd(b, FROM(A), &a, &all, NA, &a, true));
	UP(b, nd(b, FROM(A), &ll, &all, NA, &ll, true));
	DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &a, &host, NA, &other, true));
	DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &a, &all, NA, &other, true));
	DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &other, &host, NA, &a, true));
	/* Its own address told to whom it is no neighbour of: a way round policy. */
	DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &a, &other, NA, &a, true));
	DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &a, &world, NA, &a, true));
	DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &a, &world, NA, &ll, true));
	DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &world, &other, NA, &ll, true));
}

static void router_messages(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), all = ip6("ff02::1"), other = bed_addr(b, B);
	struct pkt p;
	const int types[] = {RA, REDIRECT};

	for (size_t i = 0; i < 2; i++) {
		DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &a, &all, types[i], &a, true));
		DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, FROM(A), &a, &other, types[i], &a, true));
	}
	DROPS(b, LNT_DROP_MULTICAST, nd(b, FROM(A), &a, &all, RS, &a, true));
	DROPS(b, LNT_DROP_MULTICAST, nd(b, FROM(A), &a, &all, MLD, &a, false));
	DROPS(b, LNT_DROP_MULTICAST, nd(b, FROM(A), &a, &all, MLD2, &a, false));
	pkt_nd(&p, &(struct pkt_end){.addr = a}, &(struct pkt_end){.addr = all}, MLD2, &a, NULL);
	pkt_ip6_ext(&p, IPPROTO_HOPOPTS, 1);
	DROPS(b, LNT_DROP_MULTICAST, bed_send(b, FROM(A), &p));
	memcpy(&p.data[6], bed_mac(b, B), 6);
	DROPS(b, LNT_DROP_SPOOFED_MAC, bed_run(b, FROM(A), &p));
}

/* Neighbour discovery stays on its link: what the stack forwards to a pod is none. */
static void nd_to_pod(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), host = bed_addr(b, HOST), far = bed_addr(b, FAR);

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	UP(b, nd(b, TO(A), &host, &a, NS, &a, true));
	for (int type = RS; type <= REDIRECT; type++)
		DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, VIA(A), &far, &a, type, &a, true));
	DROPS(b, LNT_DROP_FOREIGN_ND, nd(b, VIA(A), &far, &a, MLD, &a, true));
}

/* The answer that the program itself redirects comes by to_pod; it has the pod's device as origin.
 */
static void nd_answer_passes(void **state)
{
	struct bed *b = *state;
	struct in6_addr a = bed_addr(b, A), gw = bed_addr(b, GW);
	struct pkt answer;

	SENT(b, nd(b, FROM(A), &a, &gw, NS, &gw, true));
	answer = *bed_out(b);
	answer.l4 = 54;
	UP(b, bed_run(b, BACK(A), &answer));
}

/* An IPv4 packet with ICMPv6 in it, or the other way round, is of no protocol that anybody speaks.
 */
static void wrong_icmp(void **state)
{
	struct bed *b = *state;
	struct pkt_end src = bed_end(b, A, 0), dst = bed_end(b, B, 0), world = bed_end(b, WORLD, 0);
	uint8_t l4[32] = {NA}, proto = bed_is4(b) ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct pkt p;

	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	l4[8] = 0xfe;
	for (int type = 0; type < 256; type++) {
		l4[0] = (uint8_t)type;
		pkt_ip(&p, &src, &dst, proto, l4, sizeof(l4));
		DROPS(b, LNT_DROP_POLICY_EGRESS, bed_send(b, FROM(A), &p));
		pkt_ip(&p, &src, &world, proto, l4, sizeof(l4));
		DROPS(b, LNT_DROP_POLICY_EGRESS, bed_send(b, FROM(A), &p));
		pkt_ip(&p, &world, &src, proto, l4, sizeof(l4));
		DROPS(b, LNT_DROP_SPOOFED_IP, bed_send(b, FROM(A), &p));
		pkt_ip(&p, &world, &dst, proto, l4, sizeof(l4));
		DROPS(b, LNT_DROP_POLICY_INGRESS, bed_send(b, WIRE, &p));
		DROPS(b, LNT_DROP_POLICY_INGRESS, bed_send(b, VIA(B), &p));
	}
}

static const struct CMUnitTest tests[] = {
	ONLY4("arp: a question is answered with the host's MAC, one's own is not", arp_answered),
	ONLY4("arp: who speaks for another is dropped", arp_spoofed),
	ONLY4("arp: what is cut short is dropped", arp_cut),
	ONLY4("arp: the host's own passes", arp_to_pod),
	ONLY6("nd: a question is answered with the host's MAC, one's own is not", ns_answered),
	ONLY6("nd: who speaks for another, or to none of the link, is dropped", na_spoofed),
	ONLY6("nd: router and listener messages are dropped", router_messages),
	ONLY6("nd: only the host's own reaches a pod", nd_to_pod),
	ONLY6("nd: the answer passes on its way back", nd_answer_passes),
	BOTH("nd: the other family's ICMP is none", wrong_icmp),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
