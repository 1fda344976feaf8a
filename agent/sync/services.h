/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel holds of services, as this process knows it: frontends by key, sets by number.
 * Read once at the start, then changed with every write that succeeded.
 */
#include "agent/sync/sync.h"

#include <stdbool.h>

/* Out of memory: hh.tbl of what was to be added is NULL. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct lnt_sync_frontend {
	struct lnt_service_key key;
	struct lnt_service_value value;
	bool seen; /* in this round */
	UT_hash_handle hh;
};

struct lnt_sync_set {
	uint32_t number;
	uint32_t refs; /* frontends in the kernel that name it, each side for itself */
	struct lnt_backend_value *slots; /* owned; a slot that is not there is all zero */
	uint32_t n, cap;		 /* slots */
	struct lnt_cidr_key *ranges;	 /* owned; sorted by memcmp() */
	uint32_t n_ranges;
	uint32_t ext_refs;	      /* of refs: as the set for clients from outside */
	uint32_t wanted;	      /* slots from 0 that are wanted, others wait to go */
	uint64_t table;		      /* what its Maglev table was made from; 0: unknown */
	uint32_t parts;		      /* of its table, in the kernel */
	bool outside;		      /* for clients from outside, in this round */
	bool due;		      /* its table is to be made */
	bool missing;		      /* its table could not be made */
	bool late;		      /* slots that go have waited for the table */
	bool owned;		      /* given out or taken over by this process */
	bool in_round;		      /* one of the round's sets */
	bool disputed;		      /* several wanted sets could take it over: none does */
	uint32_t usable;	      /* slots from 0 that hold what is wanted, in this round */
	struct lnt_backend_set *want; /* in this round, NULL: only what is in use stays */
	UT_hash_handle hh;
};

struct lnt_sync_services {
	int services, backends, ranges, maglev; /* maps; not owned */
	struct lnt_sync_frontend *frontends;
	struct lnt_sync_set *sets;
	uint32_t next_set;	 /* number of the next set */
	uint32_t maglev_size;	 /* 0: no tables */
	size_t n_due, n_missing; /* sets of the kind */
	bool retry;		 /* a table went: there may be room for those that are missing */
};

/* Reads the maps. Returns 0 or -errno; *s is to be cleared in any case. */
int lnt_sync_services_read(
	struct lnt_sync_services *s, const struct lnt_maps *maps, struct lnt_err *e);
void lnt_sync_services_clear(struct lnt_sync_services *s);

/* The set @number, made if @make and there is none. NULL: none, or no memory. */
struct lnt_sync_set *lnt_sync_set_get(struct lnt_sync_services *s, uint32_t number, bool make);
void lnt_sync_set_free(struct lnt_sync_services *s, struct lnt_sync_set *set);

/* Room for @n slots, new ones all zero. Returns 0 or -ENOMEM. */
int lnt_sync_set_room(struct lnt_sync_set *set, uint32_t n);

/* --- Maglev tables (maglev.c) ----------------------------------------------------------------- */

/* Learns which tables there are. Returns 0 or -errno. */
int lnt_sync_maglev_read(struct lnt_sync_services *s);

/*
 * After the slots of @set have changed: its table goes if it needs none, or is due if it is not the
 * right one. A table that is due may name slots that are to go.
 */
void lnt_sync_maglev_look(
	struct lnt_sync_services *s, struct lnt_sync_set *set, size_t *ret_writes);

/*
 * Makes a table that is due. Every entry is at every moment one of before or of after. One that
 * cannot be made is removed as a whole, which leaves its set to be balanced without, and counted.
 */
void lnt_sync_maglev_make(
	struct lnt_sync_services *s, struct lnt_sync_set *set, size_t *ret_writes);
void lnt_sync_maglev_drop(
	struct lnt_sync_services *s, struct lnt_sync_set *set, size_t *ret_writes);

/* Those that could not be made are due again if there may be room. */
void lnt_sync_maglev_retry(struct lnt_sync_services *s);

/* Remembers a frontend that is in the kernel, and that it refers to its sets. */
int lnt_sync_frontend_put(struct lnt_sync_services *s, const struct lnt_service_key *key,
	const struct lnt_service_value *value);

/*
 * Writes @n entries, keys and values back to back each. @ret_ok tells of each whether it is in the
 * map. *ret_writes counts them. Returns 0 or the first failure, with the others written.
 */
int lnt_sync_write(int fd, const char *name, const void *keys, size_t key_size, const void *values,
	size_t value_size, size_t n, bool *ret_ok, struct lnt_err *e, size_t *ret_writes);
