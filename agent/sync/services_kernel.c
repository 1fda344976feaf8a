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
	s->n_due -= set->due;
	s->n_missing -= set->missing;
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

static void refer(struct lnt_sync_services *s, const struct lnt_service_value *v, int by)
{
	struct lnt_sync_set *set = v->set ? lnt_sync_set_get(s, v->set, false) : NULL;
	struct lnt_sync_set *ext = v->ext_set ? lnt_sync_set_get(s, v->ext_set, false) : NULL;

	if (set)
		set->refs += (uint32_t)by;
	if (ext) {
		ext->refs += (uint32_t)by;
		ext->ext_refs += (uint32_t)by;
	}
}

int lnt_sync_frontend_put(struct lnt_sync_services *s, const struct lnt_service_key *key,
	const struct lnt_service_value *value)
{
	struct lnt_sync_frontend *f;

	HASH_FIND(hh, s->frontends, key, sizeof(*key), f);
	if (f) {
		refer(s, &f->value, -1);
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
	refer(s, value, 1);
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

/* All entries of a hash map, unsorted. */
struct entries {
	uint8_t *keys;	 /* owned */
	uint8_t *values; /* owned */
	size_t n;
};

static void entries_clear(struct entries *t)
{
	free(t->keys);
	free(t->values);
}

static int entries_room(struct entries *t, size_t n, size_t key_size, size_t value_size)
{
	uint8_t *keys = reallocarray(t->keys, n, key_size), *values;

	if (!keys)
		return -ENOMEM;
	t->keys = keys;
	values = reallocarray(t->values, n, value_size);
	if (!values)
		return -ENOMEM;
	t->values = values;
	return 0;
}

/* In batches: an entry at a time takes a second for the services of a large cluster. */
static int entries_read(int fd, size_t key_size, size_t value_size, struct entries *t)
{
	size_t room = 0, batch = BATCH;
	uint64_t at = 0;
	bool begun = false;

	for (;;) {
		__u32 count = (__u32)batch;
		int r;

		if (room < t->n + batch) {
			room = 2 * (t->n + batch);
			if (entries_room(t, room, key_size, value_size))
				return -ENOMEM;
		}
		r = bpf_map_lookup_batch(fd, begun ? &at : NULL, &at, t->keys + t->n * key_size,
			t->values + t->n * value_size, &count, NULL);
		if (r && errno == ENOSPC) {
			batch *= 2; /* one bucket holds more than that */
			continue;
		}
		if (r && errno != ENOENT)
			return -errno;
		t->n += count;
		if (r)
			return 0;
		begun = true;
	}
}

static int read_backends(struct lnt_sync_services *s)
{
	_cleanup_(entries_clear) struct entries t = {};
	const struct lnt_backend_key *keys;
	int r = entries_read(s->backends, sizeof(*keys), sizeof(struct lnt_backend_value), &t);

	keys = (const void *)t.keys;
	for (size_t i = 0; !r && i < t.n; i++)
		r = take_backend(s, &keys[i], t.values + i * sizeof(struct lnt_backend_value));
	return r;
}

static int read_ranges(struct lnt_sync_services *s, struct lnt_err *e)
{
	_cleanup_(lnt_table_clear) struct lnt_table t = {};
	const struct {
		struct lnt_range_key key;
		struct lnt_cidr_value value;
	} * items;
	int r = lnt_table_read(&t, "ranges", s->ranges, e);

	items = (const void *)t.items;
	for (size_t i = 0; !r && i < t.n; i++)
		r = take_range(s, &items[i].key);
	return r;
}

static int read_frontends(struct lnt_sync_services *s)
{
	_cleanup_(entries_clear) struct entries t = {};
	const struct lnt_service_value *values;
	const struct lnt_service_key *keys;
	int r = entries_read(s->services, sizeof(*keys), sizeof(*values), &t);

	keys = (const void *)t.keys;
	values = (const void *)t.values;
	for (size_t i = 0; !r && i < t.n; i++)
		r = take_frontend(s, &keys[i], &values[i]);
	return r;
}

/* Backends and ranges first, so that frontends find their sets. */
int lnt_sync_services_read(
	struct lnt_sync_services *s, const struct lnt_maps *maps, struct lnt_err *e)
{
	int r;

	s->services = maps->services;
	s->backends = maps->backends;
	s->ranges = maps->ranges;
	s->maglev = maps->maglev;
	s->next_set = 1;
	r = read_backends(s);
	if (!r)
		r = read_ranges(s, e);
	if (!r)
		r = read_frontends(s);
	if (!r)
		r = lnt_sync_maglev_read(s);
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
