/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Packets for tests: built whole, with right lengths and checksums, taken apart and checked again.
 * Both families by the form of the addresses (lib/addr.h). Ports and identifiers are in host order.
 */
#include "lib/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_MAX 2048

/* A packet from its Ethernet header on. */
struct pkt {
	uint8_t data[PKT_MAX];
	size_t len;
	uint16_t l4; /* offset of the transport header */
};

struct pkt_end {
	struct in6_addr addr;
	uint16_t port;
	uint8_t mac[6];
};

#define PKT_SCTP_TAG "\xca\xfe\xba\xbe"

enum pkt_sctp_chunk {
	DATA = 0,
	INIT = 1,
	INIT_ACK = 2,
	ABORT = 6,
	SHUTDOWN = 7,
	SHUTDOWN_ACK = 8,
	COOKIE_ECHO = 10,
	COOKIE_ACK = 11,
	SHUTDOWN_COMPLETE = 14
};

enum pkt_tcp_flag {
	FIN = 1,
	SYN = 2,
	RST = 4,
	ACK = 16
};

/* A packet of protocol @proto with @len bytes at @l4 after the IP header. Checksums of the
 * protocols that have one are filled in. */
void pkt_ip(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t proto,
	const void *l4, size_t len);
void pkt_tcp(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t flags);
void pkt_udp(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst);
/* SCTP with one chunk of type @chunk and @len bytes; the first four are those of PKT_SCTP_TAG. */
void pkt_sctp(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t chunk,
	size_t len);
/* ICMP of the addresses' family, with @id where an echo has its identifier. */
void pkt_icmp(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t type,
	uint16_t id);
void pkt_echo(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint16_t id);
void pkt_echo_reply(
	struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint16_t id);

/* ICMP 'unreachable' about @about, of which it quotes the IP header and @quote bytes after it. */
void pkt_error(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst,
	const struct pkt *about, size_t quote);

/* ARP for IPv4; @sha and @spa are the sender's. */
void pkt_arp(struct pkt *p, const uint8_t *eth_src, uint16_t op, const uint8_t *sha,
	const struct in6_addr *spa, const struct in6_addr *tpa);
/* Neighbour discovery (RFC 4861): a message with @target and, unless NULL, a link-layer option. */
void pkt_nd(struct pkt *p, const struct pkt_end *src, const struct pkt_end *dst, uint8_t type,
	const struct in6_addr *target, const uint8_t *opt_mac);

/* Puts @n bytes at @off; what follows moves up. Lengths and checksums are left to pkt_seal(). */
void pkt_insert(struct pkt *p, size_t off, const void *bytes, size_t n);
/* The same packet with @n bytes of IPv4 options (a multiple of 4), or with IPv6 extension headers
 * of type @ext_type, 8 bytes each, @n of them. */
void pkt_ip4_options(struct pkt *p, size_t n);
void pkt_ip6_ext(struct pkt *p, uint8_t ext_type, size_t n);
/* Cuts bytes [@off, @off + @len) of @whole's IP payload into a fragment. */
void pkt_fragment(
	struct pkt *p, const struct pkt *whole, size_t off, size_t len, bool more, uint32_t id);
void pkt_set_ttl(struct pkt *p, uint8_t ttl);
uint8_t pkt_ttl(const struct pkt *p);
/* Where the transport header is by the packet's own account. */
uint16_t pkt_find_l4(const struct pkt *p);
/* Recomputes lengths and checksums after a change. */
void pkt_seal(struct pkt *p);

/* Where a packet comes from and goes to. */
struct pkt_view {
	struct pkt_end src;
	struct pkt_end dst;
	uint8_t proto;
	uint8_t ttl;
	uint16_t l4_check; /* as it stands in the packet */
};
struct pkt_view pkt_view(const struct pkt *p);

/* The CRC32c of @n bytes; in SCTP it stands with its lowest byte first. */
uint32_t pkt_crc32c(const void *bytes, size_t n);

/* Checksums and lengths, those of a quoted IPv4 header too. NULL, or what is wrong. */
const char *pkt_check(const struct pkt *p);
