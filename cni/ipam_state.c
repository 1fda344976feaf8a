/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator's file in memory, ipam_state.h: parser, printer, and the search for a free address.
 */
#include "cni/ipam_state.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

#define HEADER	 "linnet-ipam 1"
#define MAX_LINE (5 + LNT_ADDRSTRLEN + LNT_NETWORK_NAME_MAX + LNT_CONTAINER_ID_MAX + IFNAMSIZ + 8)

void lnt_ipam_state_free(struct lnt_ipam_state *st)
{
	free(st->text);
	free(st->entries);
	*st = (struct lnt_ipam_state){};
}

/* --- parser ----------------------------------------------------------------------------------- */

/* Takes the next word off @line, which may hold several blanks in a row nowhere. */
static struct lnt_span word(struct lnt_span *line)
{
	const char *end = memchr(line->p, ' ', line->n);
	struct lnt_span w = {.p = line->p, .n = end ? (size_t)(end - line->p) : line->n};

	line->p += w.n + (end ? 1 : 0);
	line->n -= w.n + (end ? 1 : 0);
	return w;
}

static bool equal(struct lnt_span a, const char *s)
{
	return a.n == strlen(s) && !memcmp(a.p, s, a.n);
}

/* The word as a string, or "" when it is too long to be one of ours. */
static const char *text_of(struct lnt_span w, char buf[static LNT_PREFIXSTRLEN])
{
	size_t n = w.n < LNT_PREFIXSTRLEN ? w.n : 0;

	memcpy(buf, w.p, n);
	buf[n] = '\0';
	return buf;
}

static struct lnt_ipam_entry *grow(struct lnt_ipam_state *st)
{
	if (st->n == st->room) {
		size_t room = st->room ? st->room * 2 : 64;
		void *grown = realloc(st->entries, room * sizeof(*st->entries));

		if (!grown)
			return NULL;
		st->entries = grown;
		st->room = room;
	}
	return &st->entries[st->n];
}

/* The printer relies on it. */
static bool fits(struct lnt_span s, size_t max)
{
	return s.n && s.n <= max;
}

static const char *parse_used(
	struct lnt_ipam_state *st, struct lnt_span whole, struct lnt_span line)
{
	struct lnt_ipam_entry *entry = grow(st);
	char buf[LNT_PREFIXSTRLEN];

	if (!entry)
		return "out of memory";
	if (lnt_addr_parse(text_of(word(&line), buf), &entry->addr))
		return "not an address";
	if (st->n && memcmp(&entry[-1].addr, &entry->addr, sizeof(entry->addr)) >= 0)
		return "not in ascending order";
	entry->network = word(&line);
	entry->container = word(&line);
	entry->ifname = word(&line);
	entry->line = (struct lnt_span){.p = whole.p, .n = whole.n + 1};
	if (line.n || !fits(entry->network, LNT_NETWORK_NAME_MAX) ||
		!fits(entry->container, LNT_CONTAINER_ID_MAX) || !fits(entry->ifname, IFNAMSIZ - 1))
		return "not of the form 'used <address> <network> <container> <interface>'";
	st->n++;
	return NULL;
}

static const char *parse_last(struct lnt_ipam_state *st, struct lnt_span line)
{
	struct lnt_ipam_last *last = &st->last[st->n_last];
	char buf[LNT_PREFIXSTRLEN];

	if (st->n_last == LNT_MAX_LAST)
		return "too many ranges";
	if (lnt_addr_parse(text_of(word(&line), buf), &last->addr) ||
		lnt_prefix_parse(text_of(word(&line), buf), &last->range) || line.n)
		return "not of the form 'last <address> <range>'";
	st->n_last++;
	return NULL;
}

/* One line after the header. *@end: the closing line was seen. Returns what is wrong, or NULL. */
static const char *parse_line(
	struct lnt_ipam_state *st, struct lnt_span line, unsigned long count, bool *end)
{
	struct lnt_span whole = line, kind = word(&line);
	char expect[32];

	if (*end)
		return "text after the end";
	if (equal(kind, "used"))
		return parse_used(st, whole, line);
	if (equal(kind, "last"))
		return parse_last(st, line);
	if (!equal(kind, "end"))
		return "neither 'used' nor 'last' nor 'end'";
	snprintf(expect, sizeof(expect), "%lu", count);
	if (!equal(line, expect))
		return "the number of lines does not match";
	*end = true;
	return NULL;
}

int lnt_ipam_state_parse(char *text, size_t len, struct lnt_err *e, struct lnt_ipam_state *ret_st)
{
	struct lnt_ipam_state st = {};
	const char *p = text, *stop = text + len, *wrong = NULL;
	unsigned long n = 0;
	bool end = false;

	for (; p < stop && !wrong; n++) {
		const char *nl = memchr(p, '\n', (size_t)(stop - p));
		struct lnt_span line = {.p = p, .n = (size_t)((nl ? nl : stop) - p)};

		if (!nl)
			wrong = "cut off";
		else if (!n)
			wrong = equal(line, HEADER) ? NULL : "not '" HEADER "'";
		else
			wrong = parse_line(&st, line, n - 1, &end);
		p = nl ? nl + 1 : stop;
	}
	if (!wrong && !end)
		wrong = "the end is missing";
	if (wrong) {
		free(st.entries);
		return lnt_err_set(e, -EBADMSG, "line %lu: %s", n, wrong);
	}
	st.text = text;
	*ret_st = st;
	return 0;
}

/* --- printer ---------------------------------------------------------------------------------- */

static char *put(char *p, const char *s, size_t n)
{
	memcpy(p, s, n);
	p[n] = ' ';
	return p + n + 1;
}

static char *put_addr(char *p, const struct in6_addr *addr)
{
	lnt_addr_str(addr, p);
	p += strlen(p);
	*p++ = ' ';
	return p;
}

int lnt_ipam_state_print(const struct lnt_ipam_state *st, char **ret_text, size_t *ret_len)
{
	char *text = malloc((st->n + st->n_last + 2) * MAX_LINE), *p = text;

	if (!text)
		return -ENOMEM;
	p += sprintf(p, HEADER "\n");
	for (unsigned i = 0; i < st->n_last; i++) {
		p = put(p, "last", 4);
		p = put_addr(p, &st->last[i].addr);
		lnt_prefix_str(&st->last[i].range, p);
		p += strlen(p);
		*p++ = '\n';
	}
	for (size_t i = 0; i < st->n; i++) {
		const struct lnt_ipam_entry *entry = &st->entries[i];

		if (entry->line.n) { /* most of the time of an ADD would go into text of addresses
				      */
			memcpy(p, entry->line.p, entry->line.n);
			p += entry->line.n;
			continue;
		}
		p = put(p, "used", 4);
		p = put_addr(p, &entry->addr);
		p = put(p, entry->network.p, entry->network.n);
		p = put(p, entry->container.p, entry->container.n);
		p = put(p, entry->ifname.p, entry->ifname.n);
		p[-1] = '\n';
	}
	p += sprintf(p, "end %zu\n", st->n + st->n_last);
	*ret_text = text;
	*ret_len = (size_t)(p - text);
	return 0;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* Index of the first entry that is not below @addr. */
static size_t lower_bound(const struct lnt_ipam_state *st, const struct in6_addr *addr)
{
	size_t lo = 0, hi = st->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(&st->entries[mid].addr, addr, sizeof(*addr)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct lnt_span span(const char *s)
{
	return (struct lnt_span){.p = s, .n = strlen(s)};
}

int lnt_ipam_state_add(
	struct lnt_ipam_state *st, const struct in6_addr *addr, const struct lnt_owner *owner)
{
	size_t i = lower_bound(st, addr);

	if (i < st->n && IN6_ARE_ADDR_EQUAL(&st->entries[i].addr, addr))
		return -EEXIST;
	if (!grow(st))
		return -ENOMEM;
	memmove(&st->entries[i + 1], &st->entries[i], (st->n - i) * sizeof(*st->entries));
	st->entries[i] = (struct lnt_ipam_entry){
		.addr = *addr,
		.network = span(owner->network),
		.container = span(owner->container_id),
		.ifname = span(owner->ifname),
	};
	st->n++;
	return 0;
}

bool lnt_ipam_entry_is(
	const struct lnt_ipam_entry *entry, const char *container_id, const char *ifname)
{
	return equal(entry->container, container_id) && equal(entry->ifname, ifname);
}

/* --- the search ------------------------------------------------------------------------------- */

/* Addresses are counted in the low 64 bits; what lies above them is the range's. */
static uint64_t low64(const struct in6_addr *a)
{
	uint64_t v = 0;

	for (unsigned i = 8; i < 16; i++)
		v = v << 8 | a->s6_addr[i];
	return v;
}

static struct in6_addr with_low64(const struct in6_addr *a, uint64_t v)
{
	struct in6_addr r = *a;

	for (unsigned i = 16; i-- > 8; v >>= 8)
		r.s6_addr[i] = (uint8_t)v;
	return r;
}

/* First and last address of @range that may be handed out, in the low 64 bits. */
static void usable(const struct lnt_prefix *range, uint64_t *ret_lo, uint64_t *ret_hi)
{
	unsigned host = lnt_addr_bits(&range->addr) - range->len;
	uint64_t base = low64(&range->addr), top;

	top = base | (host >= 64 ? UINT64_MAX : (UINT64_C(1) << host) - 1);
	*ret_lo = base;
	*ret_hi = top;
	if (host < 2)
		return;
	if (lnt_addr_is4(&range->addr)) {
		*ret_lo = base + 2;
		*ret_hi = top - 1;
	} else {
		*ret_lo = base + 1;
	}
}

/* The first free address from @from to @to. Entries are in order, so it is one walk. */
static bool first_free(const struct lnt_ipam_state *st, const struct in6_addr *base, uint64_t from,
	uint64_t to, struct in6_addr *ret_addr)
{
	struct in6_addr addr = with_low64(base, from);
	size_t i = lower_bound(st, &addr);

	while (i < st->n && IN6_ARE_ADDR_EQUAL(&st->entries[i].addr, &addr)) {
		if (from == to)
			return false;
		addr = with_low64(base, ++from);
		i++;
	}
	*ret_addr = addr;
	return true;
}

int lnt_ipam_state_next(
	const struct lnt_ipam_state *st, const struct lnt_prefix *range, struct in6_addr *ret_addr)
{
	uint64_t lo, hi, start;

	usable(range, &lo, &hi);
	start = lo;
	for (unsigned i = 0; i < st->n_last; i++) {
		const struct lnt_ipam_last *last = &st->last[i];
		uint64_t at = low64(&last->addr);

		if (last->range.len == range->len &&
			IN6_ARE_ADDR_EQUAL(&last->range.addr, &range->addr) && at >= lo && at < hi)
			start = at + 1;
	}
	if (first_free(st, &range->addr, start, hi, ret_addr))
		return 0;
	if (start > lo && first_free(st, &range->addr, lo, start - 1, ret_addr))
		return 0;
	return -ENOSPC;
}

void lnt_ipam_state_note(
	struct lnt_ipam_state *st, const struct lnt_prefix *range, const struct in6_addr *addr)
{
	unsigned i = 0;

	while (i < st->n_last &&
		(st->last[i].range.len != range->len ||
			!IN6_ARE_ADDR_EQUAL(&st->last[i].range.addr, &range->addr)))
		i++;
	if (i == LNT_MAX_LAST) { /* ranges of long ago: forget the oldest */
		memmove(&st->last[0], &st->last[1], (LNT_MAX_LAST - 1) * sizeof(st->last[0]));
		i--;
	} else if (i == st->n_last) {
		st->n_last++;
	}
	st->last[i] = (struct lnt_ipam_last){.addr = *addr, .range = *range};
}
