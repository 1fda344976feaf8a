/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Addresses are 16 bytes in network byte order everywhere: IPv6, or IPv4 mapped as ::ffff:a.b.c.d
 * (RFC 4291, 2.5.5.2). Prefix lengths count within the family (0-32 or 0-128) in user space; the
 * 16-byte length is 96 more for IPv4.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define LNT_ADDRSTRLEN	 INET6_ADDRSTRLEN
#define LNT_PREFIXSTRLEN (INET6_ADDRSTRLEN + 4)

struct lnt_prefix {
	struct in6_addr addr; /* host bits zero */
	uint8_t len;	      /* within the family */
};

static inline bool lnt_addr_is4(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a);
}

/* Bits of the address that follow the family: 32 or 128. */
static inline unsigned lnt_addr_bits(const struct in6_addr *a)
{
	return lnt_addr_is4(a) ? 32 : 128;
}

/* The mapped form of an IPv4 address in network byte order. */
struct in6_addr lnt_addr_from4(in_addr_t v4);

/* "10.0.0.1" or "fd00::1" to an address. Returns 0, or -EINVAL with the output untouched. */
int lnt_addr_parse(const char *s, struct in6_addr *ret_addr);

/* Text of an address, IPv4 dotted. Returns @buf. */
const char *lnt_addr_str(const struct in6_addr *a, char buf[static LNT_ADDRSTRLEN]);

/* "10.0.0.0/24" to a prefix; host bits are cleared. Returns 0, or -EINVAL. */
int lnt_prefix_parse(const char *s, struct lnt_prefix *ret_prefix);

/* Text of a prefix. Returns @buf. */
const char *lnt_prefix_str(const struct lnt_prefix *p, char buf[static LNT_PREFIXSTRLEN]);

/* Whether @a lies in @p; never across families. */
bool lnt_prefix_has(const struct lnt_prefix *p, const struct in6_addr *a);
