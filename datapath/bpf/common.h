/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What every BPF file needs: kernel types, helpers, the ABI, the configuration. */
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath/abi.h"

#ifndef AF_INET
#define AF_INET	 2
#define AF_INET6 10
#endif

/* Of linux/icmp.h and linux/if_arp.h, which drag the C library in. */
#define ICMP_ECHOREPLY	   0
#define ICMP_DEST_UNREACH  3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_ECHO	   8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ARPOP_REQUEST	   1
#define ARPOP_REPLY	   2

/* SCTP's common header and the first chunk's, which no header of Linux has (RFC 9260, 3). */
struct sctp_start {
	__be16 source;
	__be16 dest;
	__be32 tag;
	__u32 check; /* little-endian */
	__u8 chunk;
	__u8 chunk_flags;
	__be16 chunk_len;
};
#define SCTP_INIT	       1
#define SCTP_ABORT	       6
#define SCTP_SHUTDOWN	       7
#define SCTP_SHUTDOWN_ACK      8
#define SCTP_SHUTDOWN_COMPLETE 14

#define GSO_BY_FRAGS 0xffff /* of linux/skbuff.h */
#define IP_OFFSET    0x1fff
#define IP_MF	     0x2000
#define ETH_HLEN_    14

/* Lets other programs on the hook, then the stack, have the packet (TCX_NEXT, TC_ACT_UNSPEC). */
#define LNT_NEXT (-1)

extern const volatile struct lnt_config cfg;

static __always_inline bool addr_eq(const struct in6_addr *a, const struct in6_addr *b)
{
	return a->s6_addr32[0] == b->s6_addr32[0] && a->s6_addr32[1] == b->s6_addr32[1] &&
		a->s6_addr32[2] == b->s6_addr32[2] && a->s6_addr32[3] == b->s6_addr32[3];
}

static __always_inline void addr_set4(struct in6_addr *a, __be32 v4)
{
	a->s6_addr32[0] = 0;
	a->s6_addr32[1] = 0;
	a->s6_addr32[2] = bpf_htonl(0xffff);
	a->s6_addr32[3] = v4;
}

static __always_inline bool addr_is4(const struct in6_addr *a)
{
	return !a->s6_addr32[0] && !a->s6_addr32[1] && a->s6_addr32[2] == bpf_htonl(0xffff);
}

/* Link-local, multicast, broadcast and unspecified addresses are never routed. */
static __always_inline bool addr_is_multicast(const struct in6_addr *a)
{
	if (addr_is4(a))
		return (bpf_ntohl(a->s6_addr32[3]) >> 28) == 0xe || a->s6_addr32[3] == 0xffffffff;
	return a->s6_addr[0] == 0xff;
}

static __always_inline __u32 mix(__u32 h, __u32 v)
{
	h ^= v;
	h *= 0x9e3779b1;
	return h ^ (h >> 15);
}

static __always_inline bool mac_eq(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		(a[5] ^ b[5]));
}

static __always_inline void mac_copy(__u8 *dst, const __u8 *src)
{
	__builtin_memcpy(dst, src, 6);
}
