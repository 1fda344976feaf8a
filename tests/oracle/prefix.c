/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of prefix.h, bit by bit. */
#include "tests/oracle/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool address_parse(const char *text, struct address *ret_addr)
{
	struct address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(a.family, text, a.bytes) != 1)
		return false;
	*ret_addr = a;
	return true;
}

struct address address_of(const char *text)
{
	struct address a;

	if (!address_parse(text, &a)) {
		fprintf(stderr, "no address: '%s'\n", text);
		abort();
	}
	return a;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

const char *address_text(const struct address *a, char *buf)
{
	return inet_ntop(a->family, a->bytes, buf, INET6_ADDRSTRLEN);
}

struct in6_addr address_mapped(const struct address *a)
{
	struct in6_addr m = {};

	if (a->family == AF_INET6) {
		memcpy(&m, a->bytes, 16);
	} else {
		m.s6_addr[10] = m.s6_addr[11] = 0xff;
		memcpy(&m.s6_addr[12], a->bytes, 4);
	}
	return m;
}

struct prefix prefix_of(const char *text)
{
	char buf[INET6_ADDRSTRLEN + 4];
	struct prefix p;
	char *slash;

	snprintf(buf, sizeof(buf), "%s", text);
	slash = strchr(buf, '/');
	if (!slash) {
		fprintf(stderr, "no block: '%s'\n", text);
		abort();
	}
	*slash = '\0';
	p.addr = address_of(buf);
	p.len = (unsigned)atoi(slash + 1);
	return p;
}

static unsigned bit(const struct address *a, unsigned i)
{
	return a->bytes[i / 8] >> (7 - i % 8) & 1;
}

bool prefix_has(const struct prefix *p, const struct address *a)
{
	if (p->addr.family != a->family)
		return false;
	for (unsigned i = 0; i < p->len; i++)
		if (bit(&p->addr, i) != bit(a, i))
			return false;
	return true;
}

bool prefix_within(const struct prefix *outer, const struct prefix *inner)
{
	return inner->len > outer->len && prefix_has(outer, &inner->addr);
}

/* Adds or subtracts one. Returns false when there is no such address. */
static bool step(struct address *a, int by)
{
	for (int i = a->family == AF_INET ? 3 : 15; i >= 0; i--) {
		a->bytes[i] = (unsigned char)(a->bytes[i] + by);
		if (a->bytes[i] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

unsigned prefix_edges(const struct prefix *p, struct address ret_edges[static 4])
{
	struct address first = p->addr, last = p->addr, out;
	unsigned bits = first.family == AF_INET ? 32 : 128, n = 0;

	for (unsigned i = p->len; i < bits; i++) {
		first.bytes[i / 8] &= (unsigned char)~(0x80 >> i % 8);
		last.bytes[i / 8] |= (unsigned char)(0x80 >> i % 8);
	}
	ret_edges[n++] = first;
	if (!address_equal(&first, &last))
		ret_edges[n++] = last;
	out = first;
	if (step(&out, -1))
		ret_edges[n++] = out;
	out = last;
	if (step(&out, 1))
		ret_edges[n++] = out;
	return n;
}
