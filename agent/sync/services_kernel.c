/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the kernel holds of services, remembering it, and writing many entries at once. */
#include "agent/sync/services.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

/* Slots beyond this were not written by any agent. */
#define SLOTS_MAX (1u << 20)

#define BATCH 4096

struct lnt_sync_set *lnt_sync_set_get(struct lnt_sync_services *s, uint32_t number, bool make)
{
	struct lnt_sync_set *set;

	HASH_FIND(hh, s->sets, &number, sizeof(number), set);
	if (set || !make)
		return set;
	set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	set->number = number;
	HASH_ADD(hh, s->sets, number, sizeof(set->number), set);
	if (!set->hh.tbl) {
		free(set);
		return NULL;
	}
	if (number >= s->next_set)
		s->next_set = number + 1;
	return set;
}

void lnt_sync_set_free(struct lnt_sync_services *s, struct lnt_sync_set *set)
{
	HASH_DEL(s->sets, set);
	free(set->slots);
	free(set->ranges);
	free(set);
}

int lnt_sync_set_room(struct lnt_sync_set *set, uint32_t n)
{
	struct lnt_backend_value *slots;

	if (n <= set->cap)
		return 0;
	slots = reallocarray(set->slots, n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + set->cap, 0, (n - set->cap) * sizeof(*slots));
	set->slots = slots;
	set->cap = n;
	return 0;
}

static void refer(struct lnt_sync_services *s, uint32_t number, int by)
{
	struct lnt_sync_set *set = number ? lnt_sync_set_get(s, number, false) : NULL;

	if (set)
		set->refs += (uint32_t)by;
}

int lnt_sync_frontend_put(struct lnt_sync_services *s, const struct lnt_service_key *key,
	const struct lnt_service_value *value)
{
	struct lnt_sync_frontend *f;

	HASH_FIND(hh, s->frontends, key, sizeof(*key), f);
	if (f) {
		refer(s, f->value.set, -1);
		refer(s, f->value.ext_set, -1);
	} else {
		f = calloc(1, sizeof(*f));
		if (!f)
			return -ENOMEM;
		f->key = *key;
		HASH_ADD(hh, s->frontends, key, sizeof(f->key), f);
		if (!f->hh.tbl) {
			free(f);
			return -ENOMEM;
		}
	}
	f->value = *value;
	refer(s, value->set, 1);
	refer(s, value->ext_set, 1);
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int take_backend(
	struct lnt_sync_services *s, const struct lnt_backend_key *k, const void *value)
{
	struct lnt_sync_set *set;

	if (k->slot >= SLOTS_MAX) {
		bpf_map_delete_elem(s->backends, k);
		return 0;
	}
	set = lnt_sync_set_get(s, k->set, true);
	/* Entries come in no order. */
	if (!set ||
		lnt_sync_set_room(set,
			k->slot < set->cap    ? 0
				: k->slot < 8 ? k->slot + 1
					      : k->slot * 2))
		return -ENOMEM;
	memcpy(&set->slots[k->slot], value, sizeof(*set->slots));
	if (k->slot >= set->n)
		set->n = k->slot + 1;
	return 0;
}

static int take_range(struct lnt_sync_services *s, const struct lnt_range_key *k)
{
	struct lnt_sync_set *set = lnt_sync_set_get(s, k->set, true);
	struct lnt_cidr_key *ranges;

	if (!set)
		return -ENOMEM;
	ranges = reallocarray(set->ranges, set->n_ranges + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	set->ranges = ranges;
	/* The table is sorted by prefix length and set first, so these come sorted. */
	ranges[set->n_ranges++] =
		(struct lnt_cidr_key){.prefixlen = k->prefixlen - 32, .addr = k->addr};
	return 0;
}

static int take_frontend(struct lnt_sync_services *s, const struct lnt_service_key *k,
	const struct lnt_service_value *v)
{
	/* A set without any backend is in no other map. */
	if ((v->set && !lnt_sync_set_get(s, v->set, true)) ||
		(v->ext_set && !lnt_sync_set_get(s, v->ext_set, true)))
		return -ENOMEM;
	return lnt_sync_frontend_put(s, k, v);
}

/* Backends and ranges first, so that frontends find their sets. */
static int take_all(struct lnt_sync_services *s, const struct lnt_table *backends,
	const struct lnt_table *ranges, const struct lnt_table *services)
{
	const struct {
		struct lnt_backend_key key;
		struct lnt_backend_value value;
	} *b = (const void *)backends->items;
	const struct {
		struct lnt_range_key key;
		struct lnt_cidr_value value;
	} *g = (const void *)ranges->items;
	const struct {
		struct lnt_service_key key;
		struct lnt_service_value value;
	} *f = (const void *)services->items;
	int r = 0;

	for (size_t i = 0; !r && i < backends->n; i++)
		r = take_backend(s, &b[i].key, &b[i].value);
	for (size_t i = 0; !r && i < ranges->n; i++)
		r = take_range(s, &g[i].key);
	for (size_t i = 0; !r && i < services->n; i++)
		r = take_frontend(s, &f[i].key, &f[i].value);
	return r;
}

int lnt_sync_services_read(
	struct lnt_sync_services *s, const struct lnt_maps *maps, struct lnt_err *e)
{
	_cleanup_(lnt_table_clear) struct lnt_table backends = {}, ranges = {}, services = {};
	int r;

	s->services = maps->services;
	s->backends = maps->backends;
	s->ranges = maps->ranges;
	s->next_set = 1;
	if ((r = lnt_table_read(&backends, "backends", s->backends, e)) ||
		(r = lnt_table_read(&ranges, "ranges", s->ranges, e)) ||
		(r = lnt_table_read(&services, "services", s->services, e)))
		return r;
	r = take_all(s, &backends, &ranges, &services);
	return r ? lnt_err_sys(e, r, "read the services' maps") : 0;
}

void lnt_sync_services_clear(struct lnt_sync_services *s)
{
	struct lnt_sync_frontend *f, *next_f;
	struct lnt_sync_set *set, *next_set;

	HASH_ITER (hh, s->frontends, f, next_f) {
		HASH_DEL(s->frontends, f);
		free(f);
	}
	HASH_ITER (hh, s->sets, set, next_set)
		lnt_sync_set_free(s, set);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A batch that fails somewhere is written one by one: what was written already is the same again.
 */
int lnt_sync_write(int fd, const char *name, const void *keys, size_t key_size, const void *values,
	size_t value_size, size_t n, bool *ret_ok, struct lnt_err *e, size_t *ret_writes)
{
	const uint8_t *k = keys, *v = values;
	int first = 0;

	for (size_t at = 0; at < n; at += BATCH) {
		__u32 count = n - at < BATCH ? (__u32)(n - at) : BATCH;
		size_t end = at + count;

		if (count > 1 &&
			!bpf_map_update_batch(
				fd, k + at * key_size, v + at * value_size, &count, NULL)) {
			memset(ret_ok + at, true, end - at);
			*ret_writes += end - at;
			continue;
		}
		for (size_t i = at; i < end; i++) {
			ret_ok[i] = !bpf_map_update_elem(
				fd, k + i * key_size, v + i * value_size, BPF_ANY);
			*ret_writes += ret_ok[i];
			if (!ret_ok[i] && !first)
				first = lnt_err_sys(e, -errno, "write map %s", name);
		}
	}
	return first;
}
