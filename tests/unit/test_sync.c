/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sync against real maps: differences only, ids that last, what a full map does, and that nothing
 * is written when nothing changed. Programs and maps are loaded into a bpffs of the test's own.
 */
#include "agent/compile/maglev.h"
#include "tests/unit/sync_case.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <time.h>

/* --- tables ----------------------------------------------------------------------------------- */

struct pair {
	uint32_t key;
	uint32_t value;
};

static struct lnt_table table_on(int fd)
{
	struct lnt_table t = {};
	struct lnt_err e = {};

	assert_int_equal(lnt_table_read(&t, "test", fd, &e), 0);
	return t;
}

static void sync_pairs(struct lnt_table *t, const struct pair *want, size_t n, size_t writes)
{
	struct lnt_err e = {};
	size_t seen = 0;

	assert_int_equal(lnt_table_put(t, want, n, &e, &seen), 0);
	assert_int_equal(lnt_table_prune(t, want, n, &e, &seen), 0);
	assert_int_equal(lnt_table_settle(t, want, n, false, &e), 0);
	assert_int_equal(seen, writes);
}

static void table_writes_differences_only(void **state)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "t", 4, 4, 16, NULL);
	const struct pair one[] = {{1, 10}, {2, 20}, {3, 30}};
	const struct pair two[] = {{1, 10}, {3, 31}, {4, 40}};
	struct lnt_table t = table_on(fd), again;
	uint32_t v;

	sync_pairs(&t, one, 3, 3);
	sync_pairs(&t, one, 3, 0);
	sync_pairs(&t, two, 3, 3); /* 3 changed, 4 added, 2 deleted */
	assert_int_equal(bpf_map_lookup_elem(fd, &(uint32_t){3}, &v), 0);
	assert_int_equal(v, 31);
	assert_int_not_equal(bpf_map_lookup_elem(fd, &(uint32_t){2}, &v), 0);
	again = table_on(fd);
	sync_pairs(&again, two, 3, 0);
	sync_pairs(&again, NULL, 0, 3);
	lnt_table_clear(&again);
	lnt_table_clear(&t);
}

static void table_goes_on_when_the_map_is_full(void **state)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "t", 4, 4, 2, NULL);
	const struct pair want[] = {{1, 10}, {2, 20}, {3, 30}};
	struct lnt_table t = table_on(fd);
	struct lnt_err e = {};
	size_t writes = 0;

	assert_int_equal(lnt_table_put(&t, want, 3, &e, &writes), -E2BIG);
	assert_int_equal(writes, 2);
	assert_non_null(strstr(e.msg, "test"));
	assert_int_equal(lnt_table_settle(&t, want, 3, true, &e), 0);
	assert_int_equal(t.n, 2);
	/* Room again: only what is missing is written. */
	sync_pairs(&t, &want[1], 1, 1);
	sync_pairs(&t, &want[1], 2, 1);
	assert_non_null(lnt_table_get(&t, &(uint32_t){3}));
	assert_null(lnt_table_get(&t, &(uint32_t){1}));
	lnt_table_clear(&t);
}

/* --- services --------------------------------------------------------------------------------- */

/* Where a round's sets and frontends are made; sets keep their numbers from round to round. */
struct wanted {
	struct lnt_backend_set sets[3];
	struct lnt_backend_value backends[3][300];
	struct lnt_frontend frontends[4];
	struct lnt_service_change changes[4];
	size_t n;
};

/* The set holds the hosts @first to @last of 10.0.@set.0. */
static struct lnt_backend_set *want_set(struct wanted *w, int set, unsigned first, unsigned last)
{
	struct lnt_backend_set *s = &w->sets[set];

	s->backends = w->backends[set];
	s->n = 0;
	for (unsigned i = first; i <= last; i++) {
		struct lnt_backend_value *b = &s->backends[s->n++];

		*b = (struct lnt_backend_value){.addr = addr("10.0.0.0"), .port = htons(8080)};
		b->addr.s6_addr[13] = (uint8_t)(set + 1);
		b->addr.s6_addr[14] = (uint8_t)(i >> 8);
		b->addr.s6_addr[15] = (uint8_t)i;
	}
	return s;
}

static struct lnt_service_key key_of(const char *vip)
{
	return (struct lnt_service_key){.addr = addr(vip), .port = htons(80), .proto = IPPROTO_TCP};
}

/* One more change; a frontend without a set goes. */
static struct lnt_frontend *want(struct wanted *w, const char *vip, struct lnt_backend_set *set,
	struct lnt_backend_set *ext_set)
{
	struct lnt_frontend *f = &w->frontends[w->n];

	*f = (struct lnt_frontend){.key = key_of(vip), .set = set, .ext_set = ext_set};
	if (ext_set)
		f->flags = LNT_SVC_EXTERNAL;
	w->changes[w->n++] = (struct lnt_service_change){f->key, set ? f : NULL};
	return f;
}

static int round_of(struct lnt_sync *s, struct wanted *w, bool whole, size_t *ret_writes)
{
	struct lnt_err e = {};
	int r;

	*ret_writes = 0;
	r = lnt_sync_services(s, w->changes, w->n, whole, &e, ret_writes);
	w->n = 0;
	return r;
}

static void sync_services(struct lnt_sync *s, struct wanted *w, bool whole, size_t writes)
{
	size_t seen;

	assert_int_equal(round_of(s, w, whole, &seen), 0);
	assert_int_equal(seen, writes);
}

static bool service_find(struct lnt_sync *s, const char *vip, struct lnt_service_value *ret_value)
{
	const struct lnt_service_key key = key_of(vip);

	return !bpf_map_lookup_elem(s->maps.services, &key, ret_value);
}

static struct lnt_service_value service_get(struct lnt_sync *s, const char *vip)
{
	struct lnt_service_value v = {};

	assert_true(service_find(s, vip, &v));
	return v;
}

/* The kernel has exactly the backends of @want in the slots of @number. */
static void assert_slots(struct lnt_sync *s, uint32_t number, const struct lnt_backend_set *want)
{
	struct lnt_backend_key key = {.set = number};
	struct lnt_backend_value v;
	bool seen[300] = {};

	for (; key.slot < want->n; key.slot++) {
		uint32_t i = 0;

		assert_int_equal(bpf_map_lookup_elem(s->maps.backends, &key, &v), 0);
		while (i < want->n && memcmp(&want->backends[i], &v, sizeof(v)) != 0)
			i++;
		assert_true(i < want->n && !seen[i]);
		seen[i] = true;
	}
	assert_int_not_equal(bpf_map_lookup_elem(s->maps.backends, &key, &v), 0);
}

static size_t entries(int fd)
{
	uint8_t key[64];
	size_t n = 0;

	for (int r = bpf_map_get_next_key(fd, NULL, key); !r; n++)
		r = bpf_map_get_next_key(fd, key, key);
	return n;
}

/* Leaves the maps empty for the next test. */
static void services_end(struct lnt_sync *s)
{
	struct wanted none = {};
	size_t writes;

	assert_int_equal(round_of(s, &none, true, &writes), 0);
	assert_int_equal(entries(s->maps.services), 0);
	assert_int_equal(entries(s->maps.backends), 0);
	assert_int_equal(entries(s->maps.ranges), 0);
	assert_int_equal(entries(s->maps.maglev), 0);
	assert_null(s->svc.sets);
	lnt_sync_free(s);
}

static void services_keep_their_number(void **state)
{
	struct lnt_sync *s = sync_open();
	struct wanted w = {};
	uint32_t number;

	want(&w, "10.96.0.1", want_set(&w, 0, 1, 2), NULL);
	sync_services(s, &w, true, 3);
	number = service_get(s, "10.96.0.1").set;
	assert_int_equal(number, w.sets[0].number);
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 2), NULL);
	sync_services(s, &w, false, 0);
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 4), NULL);
	sync_services(s, &w, false, 3); /* two slots and the count */
	assert_int_equal(service_get(s, "10.96.0.1").count, 4);
	lnt_sync_free(s);

	/* A restarted agent takes over what is there. */
	s = sync_open();
	w = (struct wanted){};
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 4), NULL);
	sync_services(s, &w, true, 0);
	assert_int_equal(w.sets[0].number, number);
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 1), NULL);
	sync_services(s, &w, false, 4); /* the count, three slots */
	assert_slots(s, number, &w.sets[0]);
	/* Another service never takes a number that was in use. */
	want(&w, "10.96.0.2", want_set(&w, 1, 1, 1), NULL);
	sync_services(s, &w, false, 2);
	assert_int_not_equal(service_get(s, "10.96.0.2").set, number);
	services_end(s);
}

static void services_one_backend_is_one_write(void **state)
{
	struct lnt_sync *s = sync_open();
	struct wanted w = {};
	uint32_t number;

	want(&w, "10.96.0.1", want_set(&w, 0, 2, 251), NULL);
	sync_services(s, &w, true, 251);
	number = w.sets[0].number;
	/* The first in order goes, one comes: in its slot. */
	want(&w, "10.96.0.1", want_set(&w, 0, 3, 252), NULL);
	sync_services(s, &w, false, 1);
	assert_slots(s, number, &w.sets[0]);
	/* One comes: its slot, the count. One goes: the count, the last into its slot, the slot. */
	want(&w, "10.96.0.1", want_set(&w, 0, 2, 252), NULL);
	sync_services(s, &w, false, 2);
	want(&w, "10.96.0.1", want_set(&w, 0, 3, 252), NULL);
	sync_services(s, &w, false, 2); /* it was the last */
	want(&w, "10.96.0.1", want_set(&w, 0, 4, 252), NULL);
	sync_services(s, &w, false, 3);
	assert_slots(s, number, &w.sets[0]);
	assert_int_equal(service_get(s, "10.96.0.1").count, 249);
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 0), NULL);
	sync_services(s, &w, false, 250);
	assert_int_equal(service_get(s, "10.96.0.1").set, number);
	assert_int_equal(service_get(s, "10.96.0.1").count, 0);
	services_end(s);
}

static void services_share_sets(void **state)
{
	struct lnt_sync *s = sync_open();
	struct wanted w = {};
	struct lnt_service_value v;

	want_set(&w, 0, 1, 3);
	want_set(&w, 1, 1, 1);
	want(&w, "10.96.0.1", &w.sets[0], NULL);
	want(&w, "192.0.2.1", &w.sets[0], &w.sets[1])->affinity = 60;
	sync_services(s, &w, true, 6);
	v = service_get(s, "192.0.2.1");
	assert_int_equal(v.set, service_get(s, "10.96.0.1").set);
	assert_int_equal(v.count, 3);
	assert_int_equal(v.ext_count, 1);
	assert_int_not_equal(v.set, v.ext_set);
	assert_int_equal(v.affinity, 60);
	assert_int_equal(v.flags, LNT_SVC_EXTERNAL);
	lnt_sync_free(s);

	/* After a restart both are found again; one frontend goes, its own set with it. */
	s = sync_open();
	w = (struct wanted){};
	want_set(&w, 0, 1, 3);
	want(&w, "10.96.0.1", &w.sets[0], NULL);
	sync_services(s, &w, true, 2);
	assert_int_equal(w.sets[0].number, v.set);
	assert_false(service_find(s, "192.0.2.1", &v));
	assert_int_equal(entries(s->maps.backends), 3);
	services_end(s);
}

/* Two frontends of one set that want different ones after a restart: none goes on with it. */
static void services_disputed_number(void **state)
{
	struct lnt_sync *s = sync_open();
	struct wanted w = {};
	uint32_t old;

	want_set(&w, 0, 1, 2);
	want(&w, "10.96.0.1", &w.sets[0], NULL);
	want(&w, "10.96.0.2", &w.sets[0], NULL);
	sync_services(s, &w, true, 4);
	old = w.sets[0].number;
	lnt_sync_free(s);
	s = sync_open();
	w = (struct wanted){};
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 2), NULL);
	want(&w, "10.96.0.2", want_set(&w, 1, 1, 2), NULL);
	sync_services(s, &w, true, 8); /* four slots, two frontends, two old slots */
	assert_int_not_equal(w.sets[0].number, old);
	assert_int_not_equal(w.sets[1].number, old);
	assert_slots(s, service_get(s, "10.96.0.1").set, &w.sets[0]);
	assert_slots(s, service_get(s, "10.96.0.2").set, &w.sets[1]);
	services_end(s);
}

/* A frontend that changes hands never leads to slots of the other set under its old number. */
static void services_change_hands(void **state)
{
	struct lnt_sync *s = sync_open();
	struct wanted w = {};

	want(&w, "10.96.0.1", want_set(&w, 0, 1, 2), NULL);
	want(&w, "10.96.0.9", &w.sets[0], NULL);
	sync_services(s, &w, true, 4);
	want(&w, "10.96.0.1", want_set(&w, 1, 1, 1), NULL);
	sync_services(s, &w, false, 2);
	assert_int_not_equal(w.sets[0].number, w.sets[1].number);
	assert_slots(s, service_get(s, "10.96.0.9").set, &w.sets[0]);
	assert_slots(s, service_get(s, "10.96.0.1").set, &w.sets[1]);
	/* The last frontend of a set takes its slots along. */
	want(&w, "10.96.0.9", NULL, NULL);
	sync_services(s, &w, false, 3);
	assert_int_equal(entries(s->maps.backends), 1);
	services_end(s);
}

static bool in_ranges(struct lnt_sync *s, uint32_t set, const char *client)
{
	const struct lnt_range_key key = {.prefixlen = 160, .set = set, .addr = addr(client)};
	struct lnt_cidr_value v;

	return !bpf_map_lookup_elem(s->maps.ranges, &key, &v);
}

static void services_source_ranges(void **state)
{
	struct lnt_cidr_key one[] = {{96 + 8, addr("10.0.0.0")}, {96 + 24, addr("192.0.2.0")}};
	struct lnt_cidr_key two[] = {{96 + 16, addr("10.1.0.0")}, {96 + 24, addr("192.0.2.0")}};
	struct lnt_sync *s = sync_open();
	struct wanted w = {};

	want(&w, "198.51.100.1", want_set(&w, 0, 1, 1), NULL)->flags = LNT_SVC_RANGES;
	w.sets[0].ranges = one;
	w.sets[0].n_ranges = 2;
	sync_services(s, &w, true, 4);
	assert_true(in_ranges(s, w.sets[0].number, "10.9.9.9"));
	assert_false(in_ranges(s, w.sets[0].number, "11.9.9.9"));
	assert_false(in_ranges(s, w.sets[0].number + 1, "10.9.9.9"));
	lnt_sync_free(s);

	s = sync_open();
	want(&w, "198.51.100.1", &w.sets[0], NULL)->flags = LNT_SVC_RANGES;
	w.sets[0].number = 0;
	w.sets[0].ranges = two;
	sync_services(s, &w, true, 2);
	assert_false(in_ranges(s, w.sets[0].number, "10.9.9.9"));
	assert_true(in_ranges(s, w.sets[0].number, "10.1.9.9"));
	assert_true(in_ranges(s, w.sets[0].number, "192.0.2.9"));
	want(&w, "198.51.100.1", &w.sets[0], NULL);
	w.sets[0].n_ranges = 0;
	sync_services(s, &w, false, 3);
	services_end(s);
}

/* What does not fit is said, the rest is served, and the next round goes on where it can. */
static void services_of_a_full_map(void **state)
{
	_cleanup_close_ int small = bpf_map_create(BPF_MAP_TYPE_HASH, "t",
		sizeof(struct lnt_backend_key), sizeof(struct lnt_backend_value), 5, NULL);
	struct lnt_sync *s = sync_open();
	struct wanted w = {};
	int backends = s->svc.backends;
	size_t writes;

	s->svc.backends = small;
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 3), NULL);
	want(&w, "10.96.0.2", want_set(&w, 1, 1, 4), NULL);
	assert_int_equal(round_of(s, &w, true, &writes), -E2BIG);
	assert_int_equal(writes, 5 + 2);
	assert_int_equal(service_get(s, "10.96.0.1").count, 3);
	assert_int_equal(service_get(s, "10.96.0.2").count, 2);
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 1), NULL);
	want(&w, "10.96.0.2", &w.sets[1], NULL);
	assert_int_equal(round_of(s, &w, true, &writes), -E2BIG);
	want(&w, "10.96.0.1", &w.sets[0], NULL);
	want(&w, "10.96.0.2", &w.sets[1], NULL);
	assert_int_equal(round_of(s, &w, true, &writes), 0);
	assert_int_equal(service_get(s, "10.96.0.2").count, 4);
	assert_int_equal(entries(small), 5);
	assert_int_equal(round_of(s, &w, true, &writes), 0);
	assert_int_equal(entries(small), 0);
	s->svc.backends = backends;
	services_end(s);
}

/* --- Maglev tables ---------------------------------------------------------------------------- */

#define SIZE  1021
#define PARTS 3 /* of 476 entries */

/* The kernel's table of @number is that of the slots there. */
static void assert_table(struct lnt_sync *s, uint32_t number)
{
	const struct lnt_sync_set *set = lnt_sync_set_get(&s->svc, number, false);
	struct lnt_maglev_key key = {.set = number};
	uint16_t table[SIZE];
	struct lnt_maglev_value v;

	assert_non_null(set);
	assert_int_equal(lnt_maglev_table(set->slots, set->wanted, SIZE, table), 0);
	for (uint32_t i = 0; i < SIZE; i++) {
		key.part = i / LNT_MAGLEV_SLOTS;
		assert_int_equal(bpf_map_lookup_elem(s->maps.maglev, &key, &v), 0);
		assert_int_equal(!!v.content, !key.part);
		assert_int_equal(v.slots[i % LNT_MAGLEV_SLOTS], table[i]);
	}
}

static void tables_follow_their_sets(void **state)
{
	struct lnt_sync *s = sync_open();
	struct wanted w = {};

	lnt_sync_set_maglev(s, SIZE);
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 3), NULL); /* inside only */
	want(&w, "10.96.0.2", want_set(&w, 1, 1, 3), &w.sets[1]);
	want(&w, "10.96.0.3", &w.sets[1], &w.sets[1]);		  /* the same set */
	want(&w, "10.96.0.4", want_set(&w, 2, 1, 1), &w.sets[2]); /* one backend */
	sync_services(s, &w, true, 7 + 4 + PARTS);
	assert_int_equal(entries(s->maps.maglev), PARTS);
	assert_table(s, w.sets[1].number);
	/* Shorter, longer, and another in a slot. */
	want(&w, "10.96.0.2", want_set(&w, 1, 2, 3), &w.sets[1]);
	want(&w, "10.96.0.3", &w.sets[1], &w.sets[1]);
	sync_services(s, &w, false, 2 + 1 + PARTS + 1);
	assert_table(s, w.sets[1].number);
	want(&w, "10.96.0.2", want_set(&w, 1, 2, 200), &w.sets[1]);
	want(&w, "10.96.0.3", &w.sets[1], &w.sets[1]);
	sync_services(s, &w, false, 197 + PARTS + 2);
	assert_table(s, w.sets[1].number);
	lnt_sync_free(s);

	/* A restart writes nothing; another size all of it. */
	s = sync_open();
	lnt_sync_set_maglev(s, SIZE);
	w.sets[0].number = w.sets[1].number = w.sets[2].number = 0;
	want(&w, "10.96.0.1", &w.sets[0], NULL);
	want(&w, "10.96.0.2", &w.sets[1], &w.sets[1]);
	want(&w, "10.96.0.3", &w.sets[1], &w.sets[1]);
	want(&w, "10.96.0.4", &w.sets[2], &w.sets[2]);
	sync_services(s, &w, true, 0);
	lnt_sync_set_maglev(s, 251);
	want(&w, "10.96.0.2", &w.sets[1], &w.sets[1]);
	want(&w, "10.96.0.3", &w.sets[1], NULL);
	sync_services(s, &w, false, 1 + PARTS - 1 + 1);
	assert_int_equal(entries(s->maps.maglev), 1);
	/* No client from outside any more. */
	want(&w, "10.96.0.2", &w.sets[1], NULL);
	sync_services(s, &w, false, 2);
	assert_int_equal(entries(s->maps.maglev), 0);
	services_end(s);
}

/* What a table cannot be made for is served without, and tried again when there is room. */
static void tables_of_a_full_map(void **state)
{
	_cleanup_close_ int small = bpf_map_create(BPF_MAP_TYPE_HASH, "t",
		sizeof(struct lnt_maglev_key), sizeof(struct lnt_maglev_value), PARTS + 1, NULL);
	struct lnt_sync *s = sync_open();
	int maglev = s->svc.maglev;
	struct wanted w = {};
	size_t writes;

	s->svc.maglev = small;
	lnt_sync_set_maglev(s, SIZE);
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 3), &w.sets[0]);
	want(&w, "10.96.0.2", want_set(&w, 1, 1, 3), &w.sets[1]);
	assert_int_equal(round_of(s, &w, true, &writes), 0);
	assert_int_equal(service_get(s, "10.96.0.2").ext_count, 3);
	assert_int_equal(lnt_sync_tables_missing(s), 1);
	assert_int_equal(lnt_sync_tables_due(s), 0);
	assert_int_equal(entries(small), PARTS);
	/* Room: the set that has one goes to a single backend, then the other is served. */
	want(&w, "10.96.0.1", want_set(&w, 0, 1, 1), &w.sets[0]);
	want(&w, "10.96.0.2", &w.sets[1], &w.sets[1]);
	assert_int_equal(round_of(s, &w, false, &writes), 0);
	assert_int_equal(round_of(s, &w, false, &writes), 0);
	assert_int_equal(lnt_sync_tables_missing(s), 0);
	assert_int_equal(entries(small), PARTS);
	services_end(s);
	s = sync_open();
	s->svc.maglev = maglev;
	services_end(s);
}

/* Many tables take several rounds; what they may name stays until they are made. */
static void tables_take_their_time(void **state)
{
	enum {
		SETS = 200,
		LARGE = 65537
	};
	static struct lnt_backend_set sets[SETS];
	static struct lnt_backend_value b[SETS][4];
	static struct lnt_frontend f[SETS];
	static struct lnt_service_change changes[SETS];
	struct lnt_sync *s = sync_open();
	struct lnt_err e = {};
	size_t writes, rounds = 1;

	lnt_sync_set_maglev(s, LARGE);
	for (uint32_t i = 0; i < SETS; i++) {
		for (uint32_t k = 0; k < 4; k++)
			b[i][k] = (struct lnt_backend_value){
				.addr = lnt_addr_from4(htonl(0x0a010000 + 4 * i + k)),
				.port = htons(80)};
		sets[i] = (struct lnt_backend_set){.backends = b[i], .n = 4};
		f[i].key = (struct lnt_service_key){
			.addr = lnt_addr_from4(htonl(0x0a600000 + i)), .port = 80, .proto = 6};
		f[i].set = f[i].ext_set = &sets[i];
		f[i].flags = LNT_SVC_EXTERNAL;
		changes[i] = (struct lnt_service_change){f[i].key, &f[i]};
	}
	assert_int_equal(lnt_sync_services(s, changes, SETS, true, &e, &writes), 0);
	assert_true(lnt_sync_tables_due(s) > 0);
	assert_int_equal(entries(s->maps.services), SETS);
	for (; lnt_sync_tables_due(s); rounds++)
		assert_int_equal(lnt_sync_services(s, NULL, 0, false, &e, &writes), 0);
	print_message("%d tables of %d entries took %zu rounds\n", SETS, LARGE, rounds);
	assert_int_equal(entries(s->maps.maglev), SETS * 138);
	for (uint32_t i = 0; i < SETS; i++) {
		sets[i].backends++;
		sets[i].n--;
	}
	assert_int_equal(lnt_sync_services(s, changes, SETS, false, &e, &writes), 0);
	assert_int_equal(entries(s->maps.backends), 3 * SETS + lnt_sync_tables_due(s));
	while (lnt_sync_tables_due(s))
		assert_int_equal(lnt_sync_services(s, NULL, 0, false, &e, &writes), 0);
	assert_int_equal(entries(s->maps.backends), 3 * SETS);
	services_end(s);
}

#define MANY 30000

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* 30,000 services of 4 endpoints: from nothing, after a restart, one endpoint's change. */
static void services_at_scale(void **state)
{
	struct lnt_service_change *changes = calloc(2 * MANY, sizeof(*changes));
	struct lnt_frontend *f = calloc(2 * MANY, sizeof(*f));
	struct lnt_backend_set *sets = calloc(MANY, sizeof(*sets));
	struct lnt_backend_value *b = calloc(4 * MANY, sizeof(*b));
	struct lnt_sync *s = sync_open();
	struct lnt_err e = {};
	size_t writes = 0;
	double t;

	for (uint32_t i = 0; i < MANY; i++) {
		for (uint32_t k = 0; k < 4; k++)
			b[4 * i + k] = (struct lnt_backend_value){
				.addr = lnt_addr_from4(htonl(0x0a010000 + 4 * i + k)),
				.port = htons(80)};
		sets[i] = (struct lnt_backend_set){.backends = b + (size_t)4 * i, .n = 4};
		f[2 * i].key = (struct lnt_service_key){
			.addr = lnt_addr_from4(htonl(0x0a600000 + i)), .port = 80, .proto = 6};
		f[2 * i].set = &sets[i];
		f[2 * i + 1].key = (struct lnt_service_key){.addr = f[2 * i].key.addr};
		for (uint32_t k = 0; k < 2; k++)
			changes[2 * i + k] =
				(struct lnt_service_change){f[2 * i + k].key, &f[2 * i + k]};
	}
	t = now_ms();
	assert_int_equal(lnt_sync_services(s, changes, 2 * MANY, true, &e, &writes), 0);
	t = now_ms() - t;
	print_message("%d services x 4: first sync %.0f ms, %zu writes\n", MANY, t, writes);
	assert_true(t < 2000);
	b[4 * 77 + 3].addr.s6_addr[12] = 11; /* still the last */
	writes = 0;
	t = now_ms();
	assert_int_equal(lnt_sync_services(s, changes + 154, 2, false, &e, &writes), 0);
	t = now_ms() - t;
	print_message("one endpoint: %.3f ms, %zu writes\n", t, writes);
	assert_int_equal(writes, 1);
	assert_true(t < 5);
	lnt_sync_free(s);
	for (uint32_t i = 0; i < MANY; i++)
		sets[i].number = 0;
	t = now_ms();
	s = sync_open();
	print_message("restart: read in %.0f ms, ", now_ms() - t);
	writes = 0;
	t = now_ms();
	assert_int_equal(lnt_sync_services(s, changes, 2 * MANY, true, &e, &writes), 0);
	print_message("compared in %.0f ms\n", now_ms() - t);
	assert_int_equal(writes, 0);
	services_end(s);
	free(changes);
	free(sets);
	free(f);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_writes_differences_only),
		cmocka_unit_test(table_goes_on_when_the_map_is_full),
		cmocka_unit_test(services_keep_their_number),
		cmocka_unit_test(services_one_backend_is_one_write),
		cmocka_unit_test(services_share_sets),
		cmocka_unit_test(services_disputed_number),
		cmocka_unit_test(services_change_hands),
		cmocka_unit_test(services_source_ranges),
		cmocka_unit_test(services_of_a_full_map),
		cmocka_unit_test(tables_follow_their_sets),
		cmocka_unit_test(tables_of_a_full_map),
		cmocka_unit_test(tables_take_their_time),
		cmocka_unit_test(services_at_scale),
	};

	return cmocka_run_group_tests(tests, setup_root, teardown_root);
}
