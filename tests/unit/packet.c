/* SPDX-License-Identifier: Apache-2.0 */
/* The packets of packet.h. */
#include "tests/unit/packet.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#define L3 ((size_t)ETH_HLEN)

static void put16(struct pkt *p, size_t off, uint16_t v)
{
	p->data[off] = v >> 8;
	p->data[off + 1] = v & 0xff;
}

static uint16_t get16(const struct pkt *p, size_t off)
{
	return (uint16_t)(p->data[off] << 8 | p->data[off + 1]);
}

static bool is4(const struct pkt *p)
{
	return get16(p, 12) == ETH_P_IP;
}

static uint32_t sum(const void *bytes, size_t n, uint32_t s)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++)
		s += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

/* Of the addresses, the length and the protocol (RFC 8200, 8.1). */
static uint32_t pseudo(const struct pkt *p, uint8_t proto)
{
	uint32_t len = (uint32_t)(p->len - p->l4);

	if (is4(p))
		return sum(&p->data[L3 + 12], 8, proto + len);
	return sum(&p->data[L3 + 8], 32, proto + len);
}

/* Offset of the checksum in the transport header, or 0. */
static size_t check_off(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	}
	return 0;
}

uint32_t pkt_crc32c(const void *bytes, size_t n)
{
	const uint8_t *b = bytes;
	uint32_t c = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		c ^= b[i];
		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (c & 1 ? 0x82f63b78 : 0);
	}
	return ~c;
}

#define SCTP_HEADER ((size_t)12)
#define SCTP_CHECK  8

/* The checksum of a packet as if it were zero there. */
static uint32_t sctp_sum(const struct pkt *p)
{
	struct pkt copy = *p;

	memset(&copy.data[p->l4 + SCTP_CHECK], 0, 4);
	return pkt_crc32c(&copy.data[p->l4], p->len - p->l4);
}

static bool has_sctp(const struct pkt *p, uint8_t proto)
{
	return proto == IPPROTO_SCTP && p->len >= p->l4 + SCTP_HEADER;
}

/* The transport protocol, with IPv6 extension headers passed over; *ret_frag: no whole datagram. */
static uint8_t proto_of(const struct pkt *p, bool *ret_frag)
{
	uint8_t proto = p->data[L3 + 6];
	size_t off = L3 + 40;

	*ret_frag = false;
	if (is4(p)) {
		*ret_frag = get16(p, L3 + 6) & 0x3fff;
		return p->data[L3 + 9];
	}
	while (off < p->l4) {
		size_t more = proto == IPPROTO_FRAGMENT ? 0 : p->data[off + 1];

		if (proto == IPPROTO_FRAGMENT)
			*ret_frag = get16(p, off + 2) & 0xfff9;
		proto = p->data[off];
		off += 8 * (more + 1);
	}
	return proto;
}

uint16_t pkt_find_l4(const struct pkt *p)
{
	uint8_t next = p->data[L3 + 6];
	size_t off = L3 + 40;

	if (is4(p))
		return (uint16_t)(L3 + (p->data[L3] & 15) * 4u);
	while (off + 8 <= p->len &&
		(next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
			next == IPPROTO_FRAGMENT)) {
		size_t more = next == IPPROTO_FRAGMENT ? 0 : p->data[off + 1];

		next = p->data[off];
		off += 8 * (more + 1);
	}
	return (uint16_t)off;
}

static uint16_t l4_sum(const struct pkt *p, uint8_t proto)
{
	uint32_t s = proto == IPPROTO_ICMP ? 0 : pseudo(p, proto);

	return fold(sum(&p->data[p->l4], p->len - p->l4, s));
}

void pkt_seal(struct pkt *p)
{
	bool frag;
	uint8_t proto = proto_of(p, &frag);
	size_t off = p->l4 + check_off(proto);
	uint16_t c;

	if (is4(p)) {
		put16(p, L3 + 2, (uint16_t)(p->len - L3));
		put16(p, L3 + 10, 0);
		put16(p, L3 + 10, (uint16_t)~fold(sum(&p->data[L3], p->l4 - L3, 0)));
	} else {
		put16(p, L3 + 4, (uint16_t)(p->len - L3 - 40));
	}
	if (!frag && has_sctp(p, proto)) {
		uint32_t crc = sctp_sum(p);

		for (size_t i = 0; i < 4; i++)
			p->data[p->l4 + SCTP_CHECK + i] = (uint8_t)(crc >> (8 * i));
	}
	if (frag || off == p->l4 || off + 2 > p->len)
		return;
	if (proto == IPPROTO_UDP)
		put16(p, p->l4 + 4, (uint16_t)(p->len - p->l4));
	put16(p, off, 0);
	c = (uint16_t)~l4_sum(p, proto);
	put16(p, off, c || proto != IPPROTO_UDP ? c : 0xffff);
}

void pkt_ip(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t proto,
	const void *l4, size_t len)
{
	memset(p, 0, sizeof(*p));
	memcpy(&p->data[0], dst->mac, 6);
	memcpy(&p->data[6], src->mac, 6);
	if (lnt_addr_is4(&src->addr)) {
		put16(p, 12, ETH_P_IP);
		p->data[L3] = 0x45;
		p->data[L3 + 8] = 64;
		p->data[L3 + 9] = proto;
		memcpy(&p->data[L3 + 12], &src->addr.s6_addr[12], 4);
		memcpy(&p->data[L3 + 16], &dst->addr.s6_addr[12], 4);
		p->l4 = L3 + 20;
	} else {
		put16(p, 12, ETH_P_IPV6);
		p->data[L3] = 0x60;
		p->data[L3 + 6] = proto;
		p->data[L3 + 7] = 64;
		memcpy(&p->data[L3 + 8], &src->addr, 16);
		memcpy(&p->data[L3 + 24], &dst->addr, 16);
		p->l4 = L3 + 40;
	}
	if (len > sizeof(p->data) - p->l4)
		abort();
	memcpy(&p->data[p->l4], l4, len);
	p->len = p->l4 + len;
	pkt_seal(p);
}

/* What TCP and UDP carry. */
static const uint8_t text[] = {'h', 'e', 'l', 'l', 'o', ',', ' ', 'w', 'o', 'r', 'l', 'd'};

void pkt_tcp(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t flags)
{
	uint8_t l4[sizeof(struct tcphdr) + sizeof(text)] = {};
	struct tcphdr th = {
		.th_sport = htons(src->port),
		.th_dport = htons(dst->port),
		.th_seq = htonl(0x01020304),
		.th_off = 5,
		.th_flags = flags,
		.th_win = htons(1000),
	};

	memcpy(l4, &th, sizeof(th));
	memcpy(&l4[sizeof(th)], text, sizeof(text));
	pkt_ip(p, src, dst, IPPROTO_TCP, l4, sizeof(l4));
}

void pkt_udp(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst)
{
	uint8_t l4[sizeof(struct udphdr) + sizeof(text)] = {};
	struct udphdr uh = {.uh_sport = htons(src->port), .uh_dport = htons(dst->port)};

	memcpy(l4, &uh, sizeof(uh));
	memcpy(&l4[sizeof(uh)], text, sizeof(text));
	pkt_ip(p, src, dst, IPPROTO_UDP, l4, sizeof(l4));
}

void pkt_sctp(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t chunk,
	size_t len)
{
	uint8_t l4[PKT_MAX] = {(uint8_t)(src->port >> 8), (uint8_t)src->port,
		(uint8_t)(dst->port >> 8), (uint8_t)dst->port, 1, 2, 3, 4};

	if (len > PKT_MAX - 100)
		abort();
	if (chunk == INIT)
		memset(&l4[4], 0, 4);
	l4[SCTP_HEADER] = chunk;
	l4[SCTP_HEADER + 2] = (uint8_t)((len + 4) >> 8);
	l4[SCTP_HEADER + 3] = (uint8_t)(len + 4);
	for (size_t i = 0; i < len; i++)
		l4[SCTP_HEADER + 4 + i] = i < 4 ? (uint8_t)PKT_SCTP_TAG[i] : text[i % sizeof(text)];
	pkt_ip(p, src, dst, IPPROTO_SCTP, l4, SCTP_HEADER + 4 + (len + 3) / 4 * 4);
}

static uint8_t icmp_proto(const struct pkt_end *end)
{
	return lnt_addr_is4(&end->addr) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

void pkt_icmp(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t type,
	uint16_t id)
{
	uint8_t l4[16] = {type, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id, 0, 1, 'p', 'i', 'n', 'g'};

	pkt_ip(p, src, dst, icmp_proto(src), l4, sizeof(l4));
}

void pkt_echo(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint16_t id)
{
	pkt_icmp(p, src, dst, lnt_addr_is4(&src->addr) ? ICMP_ECHO : ICMP6_ECHO_REQUEST, id);
}

void pkt_echo_reply(
	struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint16_t id)
{
	pkt_icmp(p, src, dst, lnt_addr_is4(&src->addr) ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY, id);
}

void pkt_error(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst,
	const struct pkt *about, size_t quote)
{
	uint8_t l4[8 + PKT_MAX] = {
		lnt_addr_is4(&src->addr) ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH, 3};
	size_t n = about->l4 - L3 + quote;

	if (n > about->len - L3)
		n = about->len - L3;
	memcpy(&l4[8], &about->data[L3], n);
	pkt_ip(p, src, dst, icmp_proto(src), l4, 8 + n);
}

void pkt_arp(struct pkt *p, const uint8_t *eth_src, uint16_t op, const uint8_t *sha,
	const struct in6_addr *spa, const struct in6_addr *tpa)
{
	static const uint8_t fixed[6] = {0, 1, 8, 0, 6, 4};

	memset(p, 0, sizeof(*p));
	memset(&p->data[0], 0xff, 6);
	memcpy(&p->data[6], eth_src, 6);
	put16(p, 12, ETH_P_ARP);
	memcpy(&p->data[14], fixed, 6);
	put16(p, 20, op);
	memcpy(&p->data[22], sha, 6);
	memcpy(&p->data[28], &spa->s6_addr[12], 4);
	memcpy(&p->data[38], &tpa->s6_addr[12], 4);
	p->len = 42;
}

void pkt_nd(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t type,
	const struct in6_addr *target, const uint8_t *opt_mac)
{
	uint8_t l4[32] = {type};

	memcpy(&l4[8], target, 16);
	if (opt_mac) {
		l4[24] = type == ND_NEIGHBOR_ADVERT ? 2 : 1;
		l4[25] = 1;
		memcpy(&l4[26], opt_mac, 6);
	}
	pkt_ip(p, src, dst, IPPROTO_ICMPV6, l4, opt_mac ? 32 : 24);
	p->data[L3 + 7] = 255;
}

void pkt_insert(struct pkt *p, size_t off, const void *bytes, size_t n)
{
	if (off > p->len || n > sizeof(p->data) - p->len)
		abort();
	memmove(&p->data[off + n], &p->data[off], p->len - off);
	memcpy(&p->data[off], bytes, n);
	p->len += n;
	if (off <= p->l4)
		p->l4 = (uint16_t)(p->l4 + n);
}

void pkt_ip4_options(struct pkt *p, size_t n)
{
	uint8_t nops[40];

	memset(nops, 1, sizeof(nops));
	pkt_insert(p, L3 + 20, nops, n);
	p->data[L3] = (uint8_t)(0x40 | (5 + n / 4));
	pkt_seal(p);
}

void pkt_ip6_ext(struct pkt *p, uint8_t ext_type, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t ext[8] = {p->data[L3 + 6], 0, 1, 4}; /* PadN over the rest */

		p->data[L3 + 6] = ext_type;
		pkt_insert(p, L3 + 40, ext, sizeof(ext));
	}
	pkt_seal(p);
}

void pkt_fragment(
	struct pkt *p, const struct pkt *whole, size_t off, size_t len, bool more, uint32_t id)
{
	size_t start = whole->l4 + off;

	*p = *whole;
	if (start + len > whole->len)
		len = whole->len - start;
	memmove(&p->data[p->l4], &whole->data[start], len);
	p->len = p->l4 + len;
	if (is4(p)) {
		put16(p, L3 + 4, (uint16_t)id);
		put16(p, L3 + 6, (uint16_t)(off / 8 | (more ? 0x2000 : 0)));
	} else {
		uint8_t ext[8] = {p->data[L3 + 6], 0, (uint8_t)(off >> 8),
			(uint8_t)((off & 0xf8) | more), (uint8_t)(id >> 24), (uint8_t)(id >> 16),
			(uint8_t)(id >> 8), (uint8_t)id};

		p->data[L3 + 6] = IPPROTO_FRAGMENT;
		pkt_insert(p, L3 + 40, ext, sizeof(ext));
	}
	pkt_seal(p);
}

void pkt_set_ttl(struct pkt *p, uint8_t ttl)
{
	p->data[is4(p) ? L3 + 8 : L3 + 7] = ttl;
	if (is4(p)) {
		put16(p, L3 + 10, 0);
		put16(p, L3 + 10, (uint16_t)~fold(sum(&p->data[L3], p->l4 - L3, 0)));
	}
}

uint8_t pkt_ttl(const struct pkt *p)
{
	return p->data[is4(p) ? L3 + 8 : L3 + 7];
}

struct pkt_view pkt_view(const struct pkt *p)
{
	struct pkt_view v = {.ttl = pkt_ttl(p)};
	size_t check;
	bool frag;

	memcpy(v.dst.mac, &p->data[0], 6);
	memcpy(v.src.mac, &p->data[6], 6);
	if (is4(p)) {
		in_addr_t a[2];

		memcpy(a, &p->data[L3 + 12], sizeof(a));
		v.src.addr = lnt_addr_from4(a[0]);
		v.dst.addr = lnt_addr_from4(a[1]);
	} else {
		memcpy(&v.src.addr, &p->data[L3 + 8], 16);
		memcpy(&v.dst.addr, &p->data[L3 + 24], 16);
	}
	v.proto = proto_of(p, &frag);
	check = p->l4 + check_off(v.proto);
	if (check > p->l4)
		v.l4_check = get16(p, check);
	if (v.proto == IPPROTO_TCP || v.proto == IPPROTO_UDP || v.proto == IPPROTO_SCTP) {
		v.src.port = get16(p, p->l4);
		v.dst.port = get16(p, p->l4 + 2);
	} else if (v.proto == IPPROTO_ICMP || v.proto == IPPROTO_ICMPV6) {
		v.src.port = v.dst.port = get16(p, p->l4 + 4);
	}
	return v;
}

static bool is_error(uint8_t proto, uint8_t type)
{
	return proto == IPPROTO_ICMP ? type == ICMP_DEST_UNREACH : type == ICMP6_DST_UNREACH;
}

const char *pkt_check(const struct pkt *p)
{
	bool frag;
	uint8_t proto = proto_of(p, &frag);
	size_t inner = p->l4 + 8;

	if (is4(p) && fold(sum(&p->data[L3], p->l4 - L3, 0)) != 0xffff)
		return "IPv4 header checksum";
	if ((is4(p) ? get16(p, L3 + 2) : get16(p, L3 + 4) + 40u) != p->len - L3)
		return "length in the IP header";
	if (!frag && has_sctp(p, proto)) {
		const uint8_t *c = &p->data[p->l4 + SCTP_CHECK];

		return sctp_sum(p) == (c[0] | c[1] << 8 | c[2] << 16 | (uint32_t)c[3] << 24)
			? NULL
			: "SCTP checksum";
	}
	if (frag || !check_off(proto))
		return NULL;
	if (proto == IPPROTO_UDP && is4(p) && !get16(p, p->l4 + 6))
		return NULL;
	if (l4_sum(p, proto) != 0xffff)
		return "transport checksum";
	if (proto == IPPROTO_ICMP && is_error(proto, p->data[p->l4]) &&
		fold(sum(&p->data[inner], (p->data[inner] & 15) * 4u, 0)) != 0xffff)
		return "checksum of the quoted IPv4 header";
	return NULL;
}
