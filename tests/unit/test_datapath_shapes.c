// SPDX-License-Identifier: Apache-2.0
/*
 * Packets of odd shapes: fragments, options, extension headers, headers cut short and bytes turned.
 * Whatever they are, policy is not gone round.
 */
#include "tests/unit/bed.h"

#include <string.h>

/* To WIRE's and FROM's hooks alike: what comes of the fragment [@off, @off + @len). */
static int fragment(struct bed *b, int hook, const struct pkt *whole, int off, int len, int id)
{
	bool more = whole->l4 + (size_t)off + (size_t)len < whole->len;
	struct pkt p;

	pkt_fragment(&p, whole, (size_t)off, (size_t)len, more, (uint32_t)id);
	return bed_send(b, hook, &p);
}

static void fragments(void **state)
{
	struct bed *b = *state;
	struct pkt udp80, udp81;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	bed_allow(b, B, LNT_INGRESS, LNT_ID_ANY, IPPROTO_UDP, 80, LNT_POLICY_PORT);
	bed_udp(b, &udp80, A, 1000, B, 80);
	bed_udp(b, &udp81, A, 1000, B, 81);
	DROPS(b, LNT_DROP_FRAGMENT, fragment(b, FROM(A), &udp80, 8, 8, 1));
	SENT(b, fragment(b, FROM(A), &udp80, 0, 8, 1));
	SENT(b, fragment(b, FROM(A), &udp80, 8, 8, 1));
	bed_assert_into(b, B);
	SENT(b, fragment(b, FROM(A), &udp80, 16, 100, 1));
	/* Of another datagram, or seen elsewhere. */
	DROPS(b, LNT_DROP_FRAGMENT, fragment(b, FROM(A), &udp80, 8, 8, 2));
	DROPS(b, LNT_DROP_FRAGMENT, fragment(b, FROM(C), &udp80, 8, 8, 1));
	DROPS(b, LNT_DROP_FRAGMENT, fragment(b, WIRE, &udp80, 8, 8, 1));
	DROPS(b, LNT_DROP_FRAGMENT, fragment(b, VIA(B), &udp80, 8, 8, 1));
	/* Denied with all its parts. */
	DROPS(b, LNT_DROP_POLICY_INGRESS, fragment(b, FROM(A), &udp81, 0, 8, 3));
	DROPS(b, LNT_DROP_POLICY_INGRESS, fragment(b, FROM(A), &udp81, 8, 100, 3));
	/* Ports too short to read. */
	bed_tcp(b, &udp80, A, 1000, B, 80, SYN);
	udp80.len = udp80.l4 + 7;
	DROPS(b, LNT_DROP_MALFORMED, bed_send(b, FROM(A), &udp80));
}

/* A SYN in fragments is a SYN: it does not come back through what the other side has opened. */
static void fragments_of_syn(void **state)
{
	struct bed *b = *state;
	struct pkt ack, syn;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	bed_tcp(b, &ack, B, 80, A, 1000, ACK);
	bed_tcp(b, &syn, B, 80, A, 1000, SYN);
	SENT(b, fragment(b, FROM(B), &ack, 0, 16, 1));
	DROPS(b, LNT_DROP_POLICY_INGRESS, fragment(b, FROM(B), &syn, 0, 16, 2));
	DROPS(b, LNT_DROP_MALFORMED, fragment(b, FROM(B), &syn, 0, 8, 3));
}

static void fragments_of_flow(void **state)
{
	struct bed *b = *state;
	struct pkt there, here;

	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS);
	bed_udp(b, &there, A, 1000, FAR, 53);
	bed_udp(b, &here, FAR, 53, A, 1000);
	SENT(b, udp(b, FROM(A), A, 1000, FAR, 53));
	SENT(b, fragment(b, WIRE, &here, 0, 16, 9));
	SENT(b, fragment(b, WIRE, &here, 16, 100, 9));
	bed_assert_into(b, A);
	assert_int_equal(bed_flows(b), 2);
	SENT(b, fragment(b, FROM(A), &there, 0, 8, 9));
	SENT(b, fragment(b, FROM(A), &there, 8, 100, 9));
}

static void options(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	for (size_t n = 4; n <= 40; n += 4) {
		bed_tcp(b, &p, A, 1000, B, 80, SYN);
		pkt_ip4_options(&p, n);
		bed_disallow(b);
		DROPS(b, LNT_DROP_POLICY_INGRESS, bed_send(b, FROM(A), &p));
		DROPS(b, LNT_DROP_WIRE_SPOOFED, bed_send(b, WIRE, &p));
		bed_allow(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_TCP, 80, LNT_POLICY_PORT);
		SENT(b, bed_send(b, FROM(A), &p));
	}
}

static void extension_headers(void **state)
{
	struct bed *b = *state;
	const uint8_t types[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS};
	struct pkt p;

	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	for (size_t n = 1; n < 9; n++) {
		bed_tcp(b, &p, A, 1000, B, 80, SYN);
		pkt_ip6_ext(&p, types[n % 3], n);
		bed_disallow(b);
		DROPS(b, LNT_DROP_POLICY_INGRESS, bed_send(b, FROM(A), &p));
		bed_allow(b, B, LNT_INGRESS, bed_identity(A), IPPROTO_TCP, 80, LNT_POLICY_PORT);
		if (n <= 6)
			SENT(b, bed_send(b, FROM(A), &p));
		else
			/* More than are read: a protocol that the rule does not name. */
			DROPS(b, LNT_DROP_POLICY_INGRESS, bed_send(b, FROM(A), &p));
	}
	/* A header that says it is longer than the packet. */
	bed_tcp(b, &p, A, 1000, B, 80, SYN);
	pkt_ip6_ext(&p, IPPROTO_DSTOPTS, 1);
	p.data[14 + 40 + 1] = 255;
	DROPS(b, LNT_DROP_MALFORMED, bed_send(b, FROM(A), &p));
}

/* IPv6 that carries the mapped form of IPv4 addresses is no IPv4. */
static void mapped(void **state)
{
	struct bed *b = *state;
	struct in6_addr a4 = lnt_addr_from4(0), b4;
	struct pkt p;

	assert_int_equal(lnt_addr_parse("10.1.0.10", &a4), 0);
	assert_int_equal(lnt_addr_parse("10.1.0.11", &b4), 0);
	bed_reset(b, 4);
	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	SENT(b, udp(b, FROM(B), B, 80, A, 1000));
	assert_int_equal(bed_flows(b), 2);
	bed_reset(b, 6);
	for (int pod = A; pod < N_PODS; pod++)
		bed_endpoint(b, pod, 0);
	bed_udp(b, &p, A, 1000, B, 80);
	memcpy(&p.data[14 + 24], &b4, 16);
	pkt_seal(&p);
	DROPS(b, LNT_DROP_MALFORMED, bed_send(b, FROM(A), &p));
	memcpy(&p.data[14 + 8], &a4, 16);
	pkt_seal(&p);
	DROPS(b, LNT_DROP_MALFORMED, bed_send(b, FROM(A), &p));
	memcpy(&p.data[14 + 8], &a4, 16);
	bed_udp(b, &p, FAR, 1000, B, 80);
	memcpy(&p.data[14 + 24], &b4, 16);
	pkt_seal(&p);
	UP(b, bed_send(b, WIRE, &p));
	DROPS(b, LNT_DROP_MALFORMED, bed_send(b, VIA(B), &p));
}

/* The same on the fast path of an IPv4 flow. */
static void mapped_flow(void **state)
{
	struct bed *b = *state;
	struct pkt_end a = bed_end(b, A, 1000), c = bed_end(b, B, 80);
	uint8_t l4[20] = {1000 >> 8, 1000 & 255, 0, 80, 0, 20};
	struct pkt p = {};

	SENT(b, udp(b, FROM(A), A, 1000, B, 80));
	SENT(b, udp(b, FROM(B), B, 80, A, 1000));
	memcpy(&p.data[12], "\x86\xdd\x60\0\0\0\0\x14\x11\x40", 10);
	memcpy(&p.data[22], &a.addr, 16);
	memcpy(&p.data[38], &c.addr, 16);
	memcpy(&p.data[54], l4, sizeof(l4));
	p.len = 74;
	p.l4 = 54;
	DROPS(b, LNT_DROP_MALFORMED, bed_send(b, FROM(A), &p));
}

/* --- cut and turned --------------------------------------------------------------------------- */

/* The kernel runs no test with less than an IP header behind the Ethernet header that says so. */
static size_t shortest(const struct pkt *p)
{
	if (p->data[12] == 0x86)
		return 14 + 40;
	return p->data[13] == 0x06 ? 15 : 14 + 20;
}

/* Valid packets of every kind, from A where @hook is a pod's and from FAR off the wire. */
static size_t samples(struct bed *b, int src, int dst, struct pkt *s)
{
	struct pkt_end from = bed_end(b, src, 1000), to = bed_end(b, dst, 80);
	struct in6_addr target = bed_addr(b, GW);
	size_t n = 0;

	bed_tcp(b, &s[n++], src, 1000, dst, 80, SYN);
	bed_tcp(b, &s[n++], src, 1000, dst, 80, ACK);
	bed_udp(b, &s[n++], src, 1000, dst, 80);
	pkt_echo(&s[n++], &from, &to, 5);
	pkt_error(&s[n++], &from, &to, &s[2], 8);
	pkt_fragment(&s[n++], &s[2], 0, 8, true, 5);
	pkt_fragment(&s[n++], &s[2], 8, 8, false, 5);
	s[n] = s[1];
	if (bed_is4(b)) {
		pkt_ip4_options(&s[n++], 12);
		pkt_arp(&s[n++], from.mac, 1, from.mac, &from.addr, &target);
	} else {
		pkt_ip6_ext(&s[n++], IPPROTO_DSTOPTS, 3);
		pkt_nd(&s[n++], &from, &to, 135, &target, from.mac);
		pkt_nd(&s[n++], &from, &to, 136, &target, from.mac);
	}
	return n;
}
#define N_SAMPLES 12

/* A packet that must not get anywhere may still be answered: ARP and ND, back to where it came
 * from. */
static bool is_answer(const struct bed *b, const struct pkt *in)
{
	const struct pkt *out = bed_out(b);

	if (memcmp(&out->data[0], &in->data[6], 6))
		return false;
	return (out->data[12] == 0x08 && out->data[13] == 0x06 && out->data[21] == 2) ||
		(out->data[12] == 0x86 && out->data[20] == IPPROTO_ICMPV6 && out->data[54] == 136);
}

/* Whether the packet is addressed to @who, or to none that it can be delivered to. */
static void must_not_pass(struct bed *b, int hook, const struct pkt *p, const char *how, int at)
{
	int verdict = bed_run_raw(b, hook, p, 1, NULL);

	if (verdict == 2 || (verdict == BED_SENT && is_answer(b, p)))
		return;
	fail_msg("verdict %d of a packet %s at %d", verdict, how, at);
}

static void cut_short(void **state)
{
	struct bed *b = *state;
	struct pkt s[N_SAMPLES], p;
	size_t n = samples(b, A, B, s);

	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	for (size_t i = 0; i < n; i++) {
		bed_place(b, FROM(A), &s[i]);
		for (p = s[i]; p.len >= shortest(&p); p.len--)
			must_not_pass(b, FROM(A), &p, "cut", (int)p.len);
		if (s[i].data[12] == 0x08 && s[i].data[13] == 0x06)
			continue;
		bed_place(b, VIA(B), &s[i]);
		for (p = s[i]; p.len >= shortest(&p); p.len--)
			must_not_pass(b, VIA(B), &p, "cut", (int)p.len);
	}
	/* The same where everything is allowed: passed or dropped, nothing else. */
	bed_reset(b, bed_is4(b) ? 4 : 6);
	for (size_t i = 0; i < n; i++) {
		bed_place(b, FROM(A), &s[i]);
		for (p = s[i]; p.len >= shortest(&p); p.len--)
			bed_run(b, FROM(A), &p);
		bed_place(b, WIRE, &s[i]);
		for (p = s[i]; p.len >= shortest(&p); p.len--)
			bed_run(b, WIRE, &p);
	}
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Up to four bytes of the headers turned into others. */
static void turn(struct pkt *p, uint32_t *seed)
{
	for (uint32_t n = 1 + next(seed) % 4; n; n--)
		p->data[14 + next(seed) % (p->len - 14)] = (uint8_t)next(seed);
	if (next(seed) % 4 == 0)
		p->len = shortest(p) + next(seed) % (p->len - shortest(p) + 1);
}

/* Whether the packet, of the family or not, is for @who. */
static bool is_for(const struct bed *b, const struct pkt *p, int who)
{
	struct in6_addr a = bed_addr(b, who);

	if (bed_is4(b))
		return !memcmp(&p->data[30], &a.s6_addr[12], 4);
	return !memcmp(&p->data[38], &a, 16);
}

/*
 * With A and B cut off from everybody but the host, a packet from A may go up to the host, back to
 * A or be answered; anything else would be a way round policy.
 */
static void turned(void **state)
{
	struct bed *b = *state;
	struct pkt s[N_SAMPLES], p;
	size_t n = samples(b, A, B, s);
	uint32_t seed = 20240607;

	print_message("seed %u\n", seed);
	bed_endpoint(b, A, LNT_EP_ISOLATED_INGRESS | LNT_EP_ISOLATED_EGRESS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS | LNT_EP_ISOLATED_EGRESS);
	for (int i = 0; i < 60000; i++) {
		int hook = i % 2 ? FROM(A) : VIA(B), verdict;

		p = s[(size_t)i / 2 % n];
		bed_place(b, hook, &p);
		turn(&p, &seed);
		verdict = bed_run_raw(b, hook, &p, 1, NULL);
		if (verdict == 2)
			continue;
		if (verdict == BED_SENT && hook == FROM(A) &&
			(is_answer(b, &p) || is_for(b, &p, A)))
			continue;
		if (verdict == BED_UP && (hook == FROM(A) ? is_for(b, &p, HOST) : p.data[13] == 6))
			continue; /* to the host, or the stack's own ARP */
		for (size_t j = 0; j < p.len; j++)
			print_error("%02x ", p.data[j]);
		fail_msg("verdict %d of packet %d at hook %d", verdict, i, hook);
	}
}

static const struct CMUnitTest tests[] = {
	BOTH("fragment: the first is remembered, what has none is dropped", fragments),
	BOTH("fragment: of an answer", fragments_of_flow),
	BOTH("fragment: a SYN in fragments is a SYN", fragments_of_syn),
	ONLY4("shape: IPv4 options", options),
	ONLY6("shape: IPv6 extension headers", extension_headers),
	ONLY6("shape: mapped addresses in IPv6 are dropped", mapped),
	ONLY4("shape: mapped addresses in IPv6 do not match a flow of IPv4", mapped_flow),
	BOTH("shape: cut at every byte", cut_short),
	BOTH("shape: bytes turned", turned),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
