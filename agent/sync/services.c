/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frontends, backend sets and source ranges into their maps. A round looks at the frontends that
 * may have changed and at their sets, and writes differences:
 *
 *   1. frontends whose sets lose backends get the lower counts;
 *   2. backends into their slots; a backend that stays keeps its slot if the set is long enough;
 *   3. source ranges that are new; 4. Maglev tables;
 *   5. frontends; 6. frontends that go;
 *   7. slots and ranges that no frontend reaches any more.
 *
 * So a packet that meets the moment between finds a backend of before or of after, and never one
 * of another service. A set keeps its number for as long as it lives; a restarted agent takes
 * numbers over from the frontends that it finds.
 */
#include "agent/sync/services.h"
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define TABLES_MS 20 /* of a round, for Maglev tables */

struct round {
	struct lnt_sync_services *s;
	const struct lnt_service_change *changes;
	size_t n;
	struct lnt_sync_set **sets; /* owned; each once */
	size_t n_sets, cap_sets;
	int failed; /* the first failure, others do not stop the round */
	bool frontends_failed;
	bool stale; /* something is not as a flow may remember it */
	struct lnt_err *e;
	size_t *writes;
};

static void round_end(struct round *r)
{
	for (size_t i = 0; i < r->n_sets; i++) {
		r->sets[i]->in_round = false;
		r->sets[i]->disputed = false;
		r->sets[i]->outside = false;
		r->sets[i]->want = NULL;
	}
	free(r->sets);
}

static void fail(struct round *r, int err)
{
	if (!r->failed)
		r->failed = err;
}

static struct lnt_sync_frontend *frontend_find(
	const struct lnt_sync_services *s, const struct lnt_service_key *key)
{
	struct lnt_sync_frontend *f;

	HASH_FIND(hh, s->frontends, key, sizeof(*key), f);
	return f;
}

static int join(struct round *r, struct lnt_sync_set *set)
{
	if (set->in_round)
		return 0;
	if (r->n_sets == r->cap_sets) {
		size_t cap = r->cap_sets ? r->cap_sets * 2 : 16;
		struct lnt_sync_set **sets = reallocarray(r->sets, cap, sizeof(*sets));

		if (!sets)
			return -ENOMEM;
		r->sets = sets;
		r->cap_sets = cap;
	}
	set->in_round = true;
	r->sets[r->n_sets++] = set;
	return 0;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/*
 * A set of an earlier process that one of the wanted sets may go on with: it is named by a frontend
 * in the kernel, and all frontends that name it want the same set.
 */
static int offer(struct round *r, uint32_t number, struct lnt_backend_set *want)
{
	struct lnt_sync_set *set = number ? lnt_sync_set_get(r->s, number, false) : NULL;

	if (!set || set->owned || !want)
		return 0;
	if (set->want && set->want != want)
		set->disputed = true;
	set->want = want;
	return join(r, set);
}

static void take_over(struct lnt_sync_set *set)
{
	if (!set->want || set->owned)
		return;
	if (!set->disputed && !set->want->number) {
		set->owned = true;
		set->want->number = set->number;
	} else {
		set->want = NULL;
	}
}

static int number(struct round *r, struct lnt_backend_set *want)
{
	struct lnt_sync_set *set;

	if (!want)
		return 0;
	while (!want->number) {
		uint32_t next = r->s->next_set++;

		if (next && !lnt_sync_set_get(r->s, next, false))
			want->number = next;
	}
	set = lnt_sync_set_get(r->s, want->number, true);
	if (!set)
		return -ENOMEM;
	set->owned = true;
	set->want = want;
	return join(r, set);
}

static int number_all(struct round *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct lnt_service_change *c = &r->changes[i];
		struct lnt_sync_frontend *f = frontend_find(r->s, &c->key);

		if (c->want && f &&
			(offer(r, f->value.set, c->want->set) ||
				offer(r, f->value.ext_set, c->want->ext_set)))
			return -ENOMEM;
	}
	for (size_t i = 0; i < r->n_sets; i++)
		take_over(r->sets[i]);
	for (size_t i = 0; i < r->n; i++) {
		const struct lnt_frontend *f = r->changes[i].want;

		if (f && (number(r, f->set) || number(r, f->ext_set)))
			return -ENOMEM;
		if (f && f->ext_set)
			lnt_sync_set_get(r->s, f->ext_set->number, false)->outside = true;
	}
	return 0;
}

/* --- slots ------------------------------------------------------------------------------------ */

struct slot_writes {
	struct lnt_backend_key *keys;
	struct lnt_backend_value *values;
	struct lnt_sync_set **sets;
	size_t n;
};

static void slot_writes_clear(struct slot_writes *w)
{
	free(w->keys);
	free(w->values);
	free(w->sets);
}

static int backend_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_backend_value));
}

/*
 * What has to be written so that slots 0 to want->n - 1 hold the wanted backends. Those that are in
 * one of these slots stay there, so that one change is one write however large the set is.
 */
static int plan_slots(struct lnt_sync_set *set, struct slot_writes *w)
{
	const struct lnt_backend_set *want = set->want;
	_cleanup_free_ bool *placed = calloc(want->n + 1, sizeof(*placed));
	_cleanup_free_ bool *kept = calloc(want->n + 1, sizeof(*kept));
	uint32_t next = 0;

	if (!placed || !kept || lnt_sync_set_room(set, want->n))
		return -ENOMEM;
	for (uint32_t i = 0; i < want->n && i < set->n; i++) {
		const struct lnt_backend_value *at = bsearch(&set->slots[i], want->backends,
			want->n, sizeof(*want->backends), backend_cmp);

		if (!at || placed[at - want->backends])
			continue;
		placed[at - want->backends] = true;
		kept[i] = true;
	}
	for (uint32_t i = 0; i < want->n; i++) {
		if (kept[i])
			continue;
		while (placed[next])
			next++;
		w->keys[w->n] = (struct lnt_backend_key){set->number, i};
		w->values[w->n] = want->backends[next++];
		w->sets[w->n++] = set;
	}
	set->usable = set->wanted = want->n;
	return 0;
}

static int plan(struct round *r, struct slot_writes *w)
{
	size_t most = 1;

	for (size_t i = 0; i < r->n_sets; i++)
		most += r->sets[i]->want ? r->sets[i]->want->n : 0;
	w->keys = calloc(most, sizeof(*w->keys));
	w->values = calloc(most, sizeof(*w->values));
	w->sets = calloc(most, sizeof(struct lnt_sync_set *));
	if (!w->keys || !w->values || !w->sets)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_sets; i++)
		if (r->sets[i]->want && plan_slots(r->sets[i], w))
			return -ENOMEM;
	return 0;
}

/* A slot that does not fit ends what its set can promise. */
static int write_slots(struct round *r, const struct slot_writes *w)
{
	_cleanup_free_ bool *ok = calloc(w->n + 1, sizeof(*ok));

	if (!ok)
		return -ENOMEM;
	fail(r,
		lnt_sync_write(r->s->backends, "backends", w->keys, sizeof(*w->keys), w->values,
			sizeof(*w->values), w->n, ok, r->e, r->writes));
	for (size_t i = 0; i < w->n; i++) {
		struct lnt_sync_set *set = w->sets[i];
		uint32_t slot = w->keys[i].slot;

		if (ok[i]) {
			r->stale |= slot < set->n;
			set->slots[slot] = w->values[i];
			if (slot >= set->n)
				set->n = slot + 1;
		} else if (slot < set->usable) {
			set->usable = slot;
		}
	}
	return 0;
}

/* --- Maglev tables ---------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * As many tables as the time allows, those of this round's sets first; the others stay due for the
 * rounds that follow.
 */
static int make_tables(struct round *r)
{
	uint64_t end = now_ms() + TABLES_MS;
	struct lnt_sync_set *set, *next;

	for (size_t i = 0; i < r->n_sets; i++)
		if (r->sets[i]->want)
			lnt_sync_maglev_look(r->s, r->sets[i], r->writes);
	lnt_sync_maglev_retry(r->s);
	for (size_t i = 0; i < r->n_sets && r->s->n_due && now_ms() <= end; i++)
		if (r->sets[i]->due)
			lnt_sync_maglev_make(r->s, r->sets[i], r->writes);
	if (!r->s->n_due || now_ms() > end)
		return 0;
	HASH_ITER (hh, r->s->sets, set, next) {
		if (!set->due)
			continue;
		if (now_ms() > end)
			return 0;
		if (join(r, set))
			return -ENOMEM;
		lnt_sync_maglev_make(r->s, set, r->writes);
	}
	return 0;
}

/* --- ranges ----------------------------------------------------------------------------------- */

static int cidr_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_cidr_key));
}

static bool has_range(const struct lnt_cidr_key *list, uint32_t n, const struct lnt_cidr_key *key)
{
	return n && bsearch(key, list, n, sizeof(*list), cidr_cmp);
}

static struct lnt_range_key range_key(const struct lnt_sync_set *set, const struct lnt_cidr_key *c)
{
	return (struct lnt_range_key){
		.prefixlen = 32 + c->prefixlen, .set = set->number, .addr = c->addr};
}

/* A range that does not fit lets fewer clients in. */
static int write_ranges(struct round *r, struct lnt_sync_set *set)
{
	const struct lnt_cidr_value value = {};
	uint32_t had = set->n_ranges;
	struct lnt_cidr_key *ranges;

	if (!set->want || !set->want->n_ranges)
		return 0;
	ranges = reallocarray(set->ranges, had + set->want->n_ranges, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	set->ranges = ranges;
	for (uint32_t i = 0; i < set->want->n_ranges; i++) {
		struct lnt_range_key key = range_key(set, &set->want->ranges[i]);

		if (has_range(ranges, had, &set->want->ranges[i]))
			continue;
		if (bpf_map_update_elem(r->s->ranges, &key, &value, BPF_ANY)) {
			fail(r, lnt_err_sys(r->e, -errno, "write map ranges"));
			continue;
		}
		ranges[set->n_ranges++] = set->want->ranges[i];
		(*r->writes)++;
	}
	if (set->n_ranges > had)
		qsort(ranges, set->n_ranges, sizeof(*ranges), cidr_cmp);
	return 0;
}

static void prune_ranges(struct round *r, struct lnt_sync_set *set)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->n_ranges; i++) {
		struct lnt_range_key key = range_key(set, &set->ranges[i]);

		if (set->want &&
			has_range(set->want->ranges, set->want->n_ranges, &set->ranges[i])) {
			set->ranges[n++] = set->ranges[i];
		} else if (!bpf_map_delete_elem(r->s->ranges, &key) || errno == ENOENT) {
			(*r->writes)++;
		} else {
			fail(r, lnt_err_sys(r->e, -errno, "delete from map ranges"));
			set->ranges[n++] = set->ranges[i];
		}
	}
	set->n_ranges = n;
}

/* --- frontends -------------------------------------------------------------------------------- */

static uint32_t usable(const struct round *r, const struct lnt_backend_set *want)
{
	return want ? lnt_sync_set_get(r->s, want->number, false)->usable : 0;
}

static struct lnt_service_value value_of(const struct round *r, const struct lnt_frontend *f)
{
	return (struct lnt_service_value){
		.set = f->set ? f->set->number : 0,
		.count = usable(r, f->set),
		.ext_set = f->ext_set ? f->ext_set->number : 0,
		.ext_count = usable(r, f->ext_set),
		.affinity = f->affinity,
		.flags = f->flags,
	};
}

struct frontend_writes {
	struct lnt_service_key *keys;
	struct lnt_service_value *values;
	size_t n;
};

static void frontend_writes_clear(struct frontend_writes *w)
{
	free(w->keys);
	free(w->values);
}

static int frontend_writes_init(const struct round *r, struct frontend_writes *w)
{
	w->keys = calloc(r->n + 1, sizeof(*w->keys));
	w->values = calloc(r->n + 1, sizeof(*w->values));
	return w->keys && w->values ? 0 : -ENOMEM;
}

/* Sets that are named before and after, with the lower of the counts. */
static void plan_shrink(const struct round *r, struct frontend_writes *w)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct lnt_service_change *c = &r->changes[i];
		const struct lnt_sync_frontend *f = frontend_find(r->s, &c->key);
		struct lnt_service_value v, want;

		if (!c->want || !f)
			continue;
		v = f->value;
		want = value_of(r, c->want);
		if (v.set == want.set && want.count < v.count)
			v.count = want.count;
		if (v.ext_set == want.ext_set && want.ext_count < v.ext_count)
			v.ext_count = want.ext_count;
		if (!memcmp(&v, &f->value, sizeof(v)))
			continue;
		w->keys[w->n] = c->key;
		w->values[w->n++] = v;
	}
}

static void plan_frontends(const struct round *r, struct frontend_writes *w)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct lnt_service_change *c = &r->changes[i];
		const struct lnt_sync_frontend *f = frontend_find(r->s, &c->key);
		struct lnt_service_value v;

		if (!c->want)
			continue;
		v = value_of(r, c->want);
		if (f && !memcmp(&v, &f->value, sizeof(v)))
			continue;
		w->keys[w->n] = c->key;
		w->values[w->n++] = v;
	}
}

/* The sets that a frontend names now are looked at in the end: it may be the last to leave. */
static int join_named(struct round *r, const struct lnt_service_key *key)
{
	const struct lnt_sync_frontend *f = frontend_find(r->s, key);
	const uint32_t numbers[2] = {f ? f->value.set : 0, f ? f->value.ext_set : 0};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct lnt_sync_set *set =
			numbers[i] ? lnt_sync_set_get(r->s, numbers[i], false) : NULL;

		if (set && join(r, set))
			return -ENOMEM;
	}
	return 0;
}

/* Whether whoever remembers @old remembers nothing that is wrong by @now. */
static bool only_grew(const struct lnt_service_value *old, const struct lnt_service_value *now)
{
	struct lnt_service_value v = *now;

	if (now->count < old->count || now->ext_count < old->ext_count)
		return false;
	v.count = old->count;
	v.ext_count = old->ext_count;
	return !memcmp(&v, old, sizeof(v));
}

static int write_frontends(
	struct round *r, void (*plan)(const struct round *r, struct frontend_writes *w))
{
	_cleanup_(frontend_writes_clear) struct frontend_writes w = {};
	_cleanup_free_ bool *ok = NULL;
	int failed;

	if (frontend_writes_init(r, &w))
		return -ENOMEM;
	plan(r, &w);
	ok = calloc(w.n + 1, sizeof(*ok));
	if (!ok)
		return -ENOMEM;
	failed = lnt_sync_write(r->s->services, "services", w.keys, sizeof(*w.keys), w.values,
		sizeof(*w.values), w.n, ok, r->e, r->writes);
	r->frontends_failed |= failed != 0;
	fail(r, failed);
	for (size_t i = 0; i < w.n; i++) {
		const struct lnt_sync_frontend *f = frontend_find(r->s, &w.keys[i]);

		if (!ok[i])
			continue;
		r->stale |= !f || !only_grew(&f->value, &w.values[i]);
		if (join_named(r, &w.keys[i]) ||
			lnt_sync_frontend_put(r->s, &w.keys[i], &w.values[i]))
			return -ENOMEM;
	}
	return 0;
}

static int delete_frontend(struct round *r, struct lnt_sync_frontend *f)
{
	const struct lnt_service_value none = {};

	if (join_named(r, &f->key))
		return -ENOMEM;
	if (bpf_map_delete_elem(r->s->services, &f->key) && errno != ENOENT) {
		fail(r, lnt_err_sys(r->e, -errno, "delete from map services"));
		return 0;
	}
	(*r->writes)++;
	r->stale = true;
	lnt_sync_frontend_put(r->s, &f->key, &none);
	HASH_DEL(r->s->frontends, f);
	free(f);
	return 0;
}

static int delete_frontends(struct round *r, bool whole)
{
	struct lnt_sync_frontend *f, *next;

	for (size_t i = 0; i < r->n; i++) {
		f = frontend_find(r->s, &r->changes[i].key);
		if (f && r->changes[i].want)
			f->seen = whole;
		else if (f && delete_frontend(r, f))
			return -ENOMEM;
	}
	if (!whole)
		return 0;
	HASH_ITER (hh, r->s->frontends, f, next) {
		bool wanted = f->seen;

		f->seen = false;
		if (!wanted && delete_frontend(r, f))
			return -ENOMEM;
	}
	return 0;
}

/* --- what nothing reaches any more ------------------------------------------------------------ */

/* Slots past the end, or all when no frontend names the set. */
static void prune_slots(struct round *r, struct lnt_sync_set *set)
{
	static const struct lnt_backend_value zero;
	uint32_t from = set->refs ? set->wanted : 0;

	set->late = false;
	while (set->n > from) {
		struct lnt_backend_key key = {set->number, set->n - 1};

		/* A hole, which a stopped agent may have left, is no entry. */
		if (memcmp(&set->slots[set->n - 1], &zero, sizeof(zero)) != 0) {
			if (bpf_map_delete_elem(r->s->backends, &key) && errno != ENOENT) {
				fail(r, lnt_err_sys(r->e, -errno, "delete from map backends"));
				return;
			}
			(*r->writes)++;
		}
		memset(&set->slots[--set->n], 0, sizeof(zero));
	}
}

static int prune(struct round *r, bool whole)
{
	struct lnt_sync_set *set, *next;

	if (whole) {
		HASH_ITER (hh, r->s->sets, set, next)
			if (join(r, set))
				return -ENOMEM;
	}
	for (size_t i = 0; i < r->n_sets; i++) {
		set = r->sets[i];
		if (!set->ext_refs)
			lnt_sync_maglev_drop(r->s, set, r->writes);
		/* What a table that is due may name must stay, */
		set->late |= set->due;
		if (set->refs && set->late && !set->due && !r->frontends_failed)
			prune_slots(r, set);
		/*
		 * and what a frontend that could not be written promises. One in use that this
		 * round does not want is not its business.
		 */
		if (set->refs && (!set->want || r->frontends_failed))
			continue;
		if (!set->refs)
			set->want = NULL;
		if (!set->due)
			prune_slots(r, set);
		prune_ranges(r, set);
		if (set->refs || set->n || set->n_ranges)
			continue;
		lnt_sync_set_free(r->s, set);
		r->sets[i--] = r->sets[--r->n_sets];
	}
	return 0;
}

static int sync_round(struct round *r, bool whole)
{
	_cleanup_(slot_writes_clear) struct slot_writes slots = {};

	if (number_all(r) || plan(r, &slots) || write_frontends(r, plan_shrink) ||
		write_slots(r, &slots))
		return -ENOMEM;
	for (size_t i = 0; i < r->n_sets; i++)
		if (write_ranges(r, r->sets[i]))
			return -ENOMEM;
	if (make_tables(r))
		return -ENOMEM;
	return write_frontends(r, plan_frontends) || delete_frontends(r, whole) || prune(r, whole)
		? -ENOMEM
		: 0;
}

int lnt_sync_services(struct lnt_sync *s, const struct lnt_service_change *changes, size_t n,
	bool whole, struct lnt_err *e, size_t *ret_writes)
{
	_cleanup_(round_end) struct round r = {
		.s = &s->svc,
		.changes = changes,
		.n = n,
		.e = e,
		.writes = ret_writes,
	};

	int err = sync_round(&r, whole);

	if (r.stale)
		fail(&r, lnt_sync_bump_epoch(s, e));
	return err ? lnt_err_sys(e, -ENOMEM, "sync services") : r.failed;
}

/* Whether each of @want is in one of the slots that the frontend promises. */
static bool has_set(const struct lnt_sync *s, const struct lnt_backend_set *want, uint32_t number,
	uint32_t count)
{
	uint32_t found = 0;

	if (!want)
		return !number;
	for (uint32_t i = 0; want->n && i < count; i++) {
		const struct lnt_backend_key key = {number, i};
		struct lnt_backend_value v;

		found += !bpf_map_lookup_elem(s->svc.backends, &key, &v) &&
			bsearch(&v, want->backends, want->n, sizeof(v), backend_cmp);
	}
	return found == want->n;
}

bool lnt_sync_has_frontend(const struct lnt_sync *s, const struct lnt_frontend *f)
{
	struct lnt_service_value v;

	return !bpf_map_lookup_elem(s->svc.services, &f->key, &v) && v.flags == f->flags &&
		has_set(s, f->set, v.set, v.count) &&
		has_set(s, f->ext_set, v.ext_set, v.ext_count);
}
