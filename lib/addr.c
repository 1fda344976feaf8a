/* SPDX-License-Identifier: Apache-2.0 */
/* Text forms and containment of addr.h. */
#include "lib/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct in6_addr lnt_addr_from4(in_addr_t v4)
{
	struct in6_addr a = {};

	a.s6_addr[10] = 0xff;
	a.s6_addr[11] = 0xff;
	memcpy(&a.s6_addr[12], &v4, sizeof(v4));
	return a;
}

int lnt_addr_parse(const char *s, struct in6_addr *ret_addr)
{
	struct in6_addr a6;
	struct in_addr a4;

	if (inet_pton(AF_INET, s, &a4) == 1)
		*ret_addr = lnt_addr_from4(a4.s_addr);
	else if (inet_pton(AF_INET6, s, &a6) == 1)
		*ret_addr = a6;
	else
		return -EINVAL;
	return 0;
}

const char *lnt_addr_str(const struct in6_addr *a, char buf[static LNT_ADDRSTRLEN])
{
	if (lnt_addr_is4(a))
		inet_ntop(AF_INET, &a->s6_addr[12], buf, LNT_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, a, buf, LNT_ADDRSTRLEN);
	return buf;
}

/* Clears the bits of @a after the first @bits of its 128. */
static void mask(struct in6_addr *a, unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

		if (keep < 8)
			a->s6_addr[i] &= (uint8_t)(0xff00 >> keep);
	}
}

int lnt_prefix_parse(const char *s, struct lnt_prefix *ret_prefix)
{
	struct lnt_prefix p = {};
	char buf[LNT_PREFIXSTRLEN], *slash, *end;
	unsigned long len;

	if (strlen(s) >= sizeof(buf))
		return -EINVAL;
	strcpy(buf, s);
	slash = strchr(buf, '/');
	if (!slash)
		return -EINVAL;
	*slash++ = '\0';
	if (lnt_addr_parse(buf, &p.addr) || *slash < '0' || *slash > '9')
		return -EINVAL;
	len = strtoul(slash, &end, 10);
	if (*end || len > lnt_addr_bits(&p.addr))
		return -EINVAL;
	p.len = (uint8_t)len;
	mask(&p.addr, 128 - lnt_addr_bits(&p.addr) + p.len);
	*ret_prefix = p;
	return 0;
}

const char *lnt_prefix_str(const struct lnt_prefix *p, char buf[static LNT_PREFIXSTRLEN])
{
	char addr[LNT_ADDRSTRLEN];

	snprintf(buf, LNT_PREFIXSTRLEN, "%s/%u", lnt_addr_str(&p->addr, addr), p->len);
	return buf;
}

bool lnt_prefix_has(const struct lnt_prefix *p, const struct in6_addr *a)
{
	struct in6_addr m = *a;

	if (lnt_addr_is4(a) != lnt_addr_is4(&p->addr))
		return false;
	mask(&m, 128 - lnt_addr_bits(a) + p->len);
	return IN6_ARE_ADDR_EQUAL(&m, &p->addr);
}
