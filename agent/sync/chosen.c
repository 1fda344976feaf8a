/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backends in use against those in the maps (chosen.h). The backends' table knows no protocol, the
 * services' does: the sets in which something in use was found are looked for there. Two passes
 * over what may be 100,000 entries, each with a search in what is in use, which is little.
 */
#include "agent/sync/chosen.h"
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* Something in use is in this set. */
struct hit {
	uint32_t set;
	uint32_t use;
};

struct hits {
	struct hit *items; /* owned */
	size_t n, room;
};

static void hits_clear(struct hits *h)
{
	free(h->items);
}

size_t lnt_in_use_find(
	const struct lnt_in_use *uses, size_t n, const struct lnt_service_key *backend)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(&uses[mid].backend, backend, sizeof(*backend)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int hit_cmp(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	return (x->set > y->set) - (x->set < y->set);
}

static int add_hit(struct hits *h, uint32_t set, uint32_t use)
{
	if (h->n == h->room) {
		size_t room = h->room ? h->room * 2 : 64;
		struct hit *items = reallocarray(h->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		h->items = items;
		h->room = room;
	}
	h->items[h->n++] = (struct hit){set, use};
	return 0;
}

static int add_hits(uint32_t set, const struct lnt_backend_value *b, const struct lnt_in_use *uses,
	size_t n, struct hits *h)
{
	/* Protocol 0 comes before all of the same address and port. */
	const struct lnt_service_key any = {.addr = b->addr, .port = b->port};

	for (size_t u = lnt_in_use_find(uses, n, &any); u < n; u++) {
		const struct lnt_service_key *use = &uses[u].backend;

		if (use->port != b->port || memcmp(&use->addr, &b->addr, sizeof(b->addr)) != 0)
			break;
		if (add_hit(h, set, (uint32_t)u))
			return -ENOMEM;
	}
	return 0;
}

static int find_hits(
	const struct lnt_sync_services *s, const struct lnt_in_use *uses, size_t n, struct hits *h)
{
	const struct lnt_sync_set *set;

	for (set = s->sets; set; set = set->hh.next)
		for (uint32_t i = 0; i < set->n; i++)
			if (add_hits(set->number, &set->slots[i], uses, n, h))
				return -ENOMEM;
	return 0;
}

/* What was found in @set is chosen, where the protocol is the one too. */
static void mark_set(const struct hits *h, uint32_t set, uint8_t proto, struct lnt_in_use *uses)
{
	const struct hit key = {.set = set};
	const struct hit *end = h->items + h->n;
	const struct hit *at = bsearch(&key, h->items, h->n, sizeof(key), hit_cmp);

	if (!at)
		return;
	while (at > h->items && at[-1].set == set)
		at--;
	for (; at < end && at->set == set; at++) {
		if (uses[at->use].backend.proto == proto)
			uses[at->use].chosen = true;
	}
}

int lnt_sync_mark_chosen(const struct lnt_sync *s, struct lnt_in_use *uses, size_t n)
{
	_cleanup_(hits_clear) struct hits h = {};
	const struct lnt_sync_frontend *f;
	int r;

	for (size_t i = 0; i < n; i++)
		uses[i].chosen = false;
	r = find_hits(&s->svc, uses, n, &h);
	if (r || !h.n)
		return r;
	qsort(h.items, h.n, sizeof(*h.items), hit_cmp);
	for (f = s->svc.frontends; f; f = f->hh.next) {
		/* Who may be carried to is not who is chosen. */
		if (f->key.kind != LNT_FRONTEND_ASKED)
			continue;
		if (f->value.count)
			mark_set(&h, f->value.set, f->key.proto, uses);
		if (f->value.ext_count)
			mark_set(&h, f->value.ext_set, f->key.proto, uses);
	}
	return 0;
}
