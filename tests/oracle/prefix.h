/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Addresses and blocks of the two families, which never match each other. */
#include <netinet/in.h>
#include <stdbool.h>

struct address {
	int family; /* AF_INET, AF_INET6; 0: none */
	unsigned char bytes[16];
};

struct prefix {
	struct address addr; /* as written: bits after len may be set */
	unsigned len;
};

/* "10.0.0.1" or "fd00::1"; aborts on anything else. */
struct address address_of(const char *text);
/* Whether the text is one. */
bool address_parse(const char *text, struct address *ret_addr);
bool address_equal(const struct address *a, const struct address *b);
/* Text of an address, at least INET6_ADDRSTRLEN bytes. Returns @buf. */
const char *address_text(const struct address *a, char *buf);
/* The 16 bytes that the agent keeps, IPv4 mapped. */
struct in6_addr address_mapped(const struct address *a);

/* "10.0.0.0/8"; aborts on anything else. */
struct prefix prefix_of(const char *text);
bool prefix_has(const struct prefix *p, const struct address *a);
/* Whether all of @inner is in @outer, and not the other way round too. */
bool prefix_within(const struct prefix *outer, const struct prefix *inner);
/*
 * The first and last address of the block, and those before and after it, where there are such.
 * Returns how many.
 */
unsigned prefix_edges(const struct prefix *p, struct address ret_edges[static 4]);
