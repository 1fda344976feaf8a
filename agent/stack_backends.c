/* SPDX-License-Identifier: Apache-2.0 */
/* The frontends that need to_node, by key (stack_backends.h). */
#include "agent/stack_backends.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* Out of memory: hh.tbl of what was to be added is NULL. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Route look-ups in one update; past these every service with such a backend is taken for one. */
#define LOOKUPS_MAX 4096

struct lnt_stack_frontend {
	struct lnt_service_key key;
	UT_hash_handle hh;
};

struct look {
	struct lnt_stack_backends *t;
	struct lnt_nl *nl;
	const struct lnt_node_devices *devices;
	const struct lnt_backend_set *last; /* frontends of one service share a set */
	bool last_needs;
	unsigned lookups;
};

static void forget(struct lnt_stack_backends *t, struct lnt_stack_frontend *f)
{
	t->n_sctp -= f->key.proto == IPPROTO_SCTP;
	HASH_DEL(t->frontends, f);
	free(f);
}

static void forget_all(struct lnt_stack_backends *t)
{
	struct lnt_stack_frontend *f, *next;

	HASH_ITER (hh, t->frontends, f, next)
		forget(t, f);
}

void lnt_stack_backends_clear(struct lnt_stack_backends *t)
{
	forget_all(t);
	free(t->cidrs);
	*t = (struct lnt_stack_backends){};
}

bool lnt_stack_backends_any(const struct lnt_stack_backends *t)
{
	return t->frontends;
}

bool lnt_stack_backends_sctp(const struct lnt_stack_backends *t)
{
	return t->n_sctp;
}

int lnt_stack_backends_place(
	struct lnt_stack_backends *t, const struct lnt_prefix *cidrs, size_t n, struct lnt_err *e)
{
	struct lnt_prefix *copy = calloc(n + 1, sizeof(*copy));

	if (!copy)
		return lnt_err_sys(e, -ENOMEM, "pod CIDRs");
	if (n)
		memcpy(copy, cidrs, n * sizeof(*copy));
	free(t->cidrs);
	t->cidrs = copy;
	t->n_cidrs = n;
	t->known = false;
	return 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* CIDRs of nodes do not overlap: the last that begins at @a or before is the one. */
static bool in_pod_cidr(const struct lnt_stack_backends *t, const struct in6_addr *a)
{
	size_t lo = 0, hi = t->n_cidrs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(&t->cidrs[mid].addr, a, sizeof(*a)) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && lnt_prefix_has(&t->cidrs[lo - 1], a);
}

/* Not by one of the node's devices: then up its stack. An address without a route is nobody's. */
static bool is_of_stack(struct look *l, const struct in6_addr *a)
{
	struct lnt_route route;

	if (l->lookups >= LOOKUPS_MAX)
		return true;
	l->lookups++;
	if (lnt_route_lookup(l->nl, a, NULL, &route))
		return false;
	for (size_t i = 0; i < l->devices->n; i++)
		if (l->devices->links[i].ifindex == route.oif)
			return false;
	return true;
}

static bool needs(struct look *l, const struct lnt_frontend *f)
{
	const struct lnt_backend_set *set = f ? f->ext_set : NULL;
	bool found = false;

	/* Of whatever service: the node's own SCTP sockets are translated there. */
	if (f && f->key.proto == IPPROTO_SCTP)
		return true;
	if (!set)
		return false;
	if (set == l->last)
		return l->last_needs;
	for (uint32_t i = 0; !found && i < set->n; i++)
		found = !in_pod_cidr(l->t, &set->backends[i].addr) &&
			is_of_stack(l, &set->backends[i].addr);
	l->last = set;
	l->last_needs = found;
	return found;
}

static int note(struct look *l, const struct lnt_service_key *key, const struct lnt_frontend *f)
{
	struct lnt_stack_frontend *known;
	bool is = needs(l, f);

	HASH_FIND(hh, l->t->frontends, key, sizeof(*key), known);
	if (known && !is)
		forget(l->t, known);
	if (known || !is)
		return 0;
	known = calloc(1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	known->key = *key;
	HASH_ADD(hh, l->t->frontends, key, sizeof(known->key), known);
	if (known->hh.tbl) {
		l->t->n_sctp += key->proto == IPPROTO_SCTP;
		return 0;
	}
	free(known);
	return -ENOMEM;
}

static int note_frontend(void *ctx, const struct lnt_frontend *f)
{
	return note(ctx, &f->key, f);
}

int lnt_stack_backends_update(struct lnt_stack_backends *t, struct lnt_nl *nl,
	const struct lnt_node_devices *devices, const struct lnt_services *services,
	const struct lnt_service_change *changes, size_t n, struct lnt_err *e)
{
	struct look l = {.t = t, .nl = nl, .devices = devices};
	int r = 0;

	if (!t->known) {
		forget_all(t);
		r = lnt_services_each(services, note_frontend, &l);
		t->known = !r;
	}
	for (size_t i = 0; t->known && !r && i < n; i++)
		r = note(&l, &changes[i].key, changes[i].want);
	return r ? lnt_err_sys(e, r, "find backends of the node itself") : 0;
}
