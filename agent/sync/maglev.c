/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maglev tables into their map (services.h). A table is some hundred entries of the map, of which
 * part 0 has the hash of what the table was made from. It is written last, and while parts differ
 * it has none, so that an agent which restarts knows whether a table is whole. What was written is
 * not kept: tables are large.
 */
#include "agent/compile/hash.h"
#include "agent/compile/maglev.h"
#include "agent/sync/services.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static void set_due(struct lnt_sync_services *s, struct lnt_sync_set *set, bool due)
{
	s->n_due += (size_t)due - (size_t)set->due;
	set->due = due;
}

static void set_missing(struct lnt_sync_services *s, struct lnt_sync_set *set, bool missing)
{
	s->n_missing += (size_t)missing - (size_t)set->missing;
	set->missing = missing;
}

int lnt_sync_maglev_read(struct lnt_sync_services *s)
{
	struct lnt_maglev_key key, *last = NULL;
	struct lnt_maglev_value v;

	for (; !bpf_map_get_next_key(s->maglev, last, &key); last = &key) {
		struct lnt_sync_set *set = lnt_sync_set_get(s, key.set, true);

		if (!set)
			return -ENOMEM;
		if (key.part >= set->parts)
			set->parts = key.part + 1;
		if (!key.part && !bpf_map_lookup_elem(s->maglev, &key, &v))
			set->table = v.content;
	}
	return errno == ENOENT ? 0 : -errno;
}

static uint64_t content_of(const struct lnt_sync_services *s, const struct lnt_sync_set *set)
{
	uint64_t h = lnt_hash_u64(LNT_HASH_INIT, s->maglev_size);

	h = lnt_hash_mix(lnt_hash_bytes(h, set->slots, set->usable * sizeof(*set->slots)));
	return h ? h : 1;
}

void lnt_sync_maglev_look(struct lnt_sync_services *s, struct lnt_sync_set *set, size_t *ret_writes)
{
	bool needed = (set->outside || set->ext_refs) && s->maglev_size && set->usable > 1;

	if (!needed)
		lnt_sync_maglev_drop(s, set, ret_writes);
	else
		set_due(s, set, content_of(s, set) != set->table);
}

void lnt_sync_maglev_drop(struct lnt_sync_services *s, struct lnt_sync_set *set, size_t *ret_writes)
{
	struct lnt_maglev_key key = {.set = set->number};

	set_due(s, set, false);
	set_missing(s, set, false);
	for (; key.part < set->parts; key.part++)
		*ret_writes += !bpf_map_delete_elem(s->maglev, &key);
	s->retry |= set->parts && s->n_missing;
	set->parts = 0;
	set->table = 0;
}

/* A table as the entries of the map. */
struct parts {
	struct lnt_maglev_key *keys;	 /* owned */
	struct lnt_maglev_value *values; /* owned */
	bool *ok;			 /* owned */
	uint32_t n;
};

static void parts_clear(struct parts *p)
{
	free(p->keys);
	free(p->values);
	free(p->ok);
}

static int parts_fill(
	const struct lnt_sync_services *s, const struct lnt_sync_set *set, struct parts *p)
{
	uint32_t size = s->maglev_size;
	_cleanup_free_ uint16_t *table = calloc(size, sizeof(*table));
	int r;

	p->n = (size + LNT_MAGLEV_SLOTS - 1) / LNT_MAGLEV_SLOTS;
	p->keys = calloc(p->n, sizeof(*p->keys));
	p->values = calloc(p->n, sizeof(*p->values));
	p->ok = calloc(p->n, sizeof(*p->ok));
	if (!table || !p->keys || !p->values || !p->ok)
		return -ENOMEM;
	r = lnt_maglev_table(set->slots, set->usable, size, table);
	if (r)
		return r;
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t at = i * LNT_MAGLEV_SLOTS;
		uint32_t n = size - at < LNT_MAGLEV_SLOTS ? size - at : LNT_MAGLEV_SLOTS;

		p->keys[i] = (struct lnt_maglev_key){.set = set->number, .part = i};
		memcpy(p->values[i].slots, table + at, n * sizeof(*table));
	}
	return 0;
}

/* All parts, then part 0 once more with what makes it valid. */
static int parts_write(
	const struct lnt_sync_services *s, struct parts *p, uint64_t content, size_t *ret_writes)
{
	struct lnt_err e = {};
	int r;

	if (bpf_map_update_elem(s->maglev, p->keys, p->values, BPF_ANY))
		return -errno;
	r = lnt_sync_write(s->maglev, "maglev", p->keys, sizeof(*p->keys), p->values,
		sizeof(*p->values), p->n, p->ok, &e, ret_writes);
	if (r)
		return r;
	p->values[0].content = content;
	return bpf_map_update_elem(s->maglev, p->keys, p->values, BPF_ANY) ? -errno : 0;
}

void lnt_sync_maglev_make(struct lnt_sync_services *s, struct lnt_sync_set *set, size_t *ret_writes)
{
	_cleanup_(parts_clear) struct parts p = {};
	uint64_t content = content_of(s, set);
	struct lnt_maglev_key key = {.set = set->number};
	int r = parts_fill(s, set, &p);

	set_due(s, set, false);
	if (!r) {
		set->table = 0;
		r = parts_write(s, &p, content, ret_writes);
	}
	if (r) {
		set->parts = set->parts > p.n ? set->parts : p.n;
		lnt_sync_maglev_drop(s, set, ret_writes);
		s->retry = false;
		set_missing(s, set, true);
		return;
	}
	for (key.part = p.n; key.part < set->parts; key.part++)
		*ret_writes += !bpf_map_delete_elem(s->maglev, &key);
	set->parts = p.n;
	set->table = content;
	set_missing(s, set, false);
}

void lnt_sync_maglev_retry(struct lnt_sync_services *s)
{
	struct lnt_sync_set *set, *next;

	if (!s->retry || !s->n_missing)
		return;
	s->retry = false;
	HASH_ITER (hh, s->sets, set, next)
		set_due(s, set, set->due || set->missing);
}
