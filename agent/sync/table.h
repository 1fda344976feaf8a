/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A table is what a map holds, or should hold: entries of key and value back to back, sorted by
 * memcmp() of the key, each key once. Two tables and a map are all that sync needs: what is wanted
 * and not there is put, what is there and not wanted is deleted, and nothing else is touched.
 */
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lnt_table {
	const char *name; /* for errors */
	int fd;		  /* the map; not owned */
	uint32_t key_size;
	uint32_t value_size;
	bool last_first; /* the last keys are put first (and deleted last): longer prefixes,
			    before the shorter ones that lead to them */
	uint8_t *items;	 /* owned */
	size_t n;
};

/* Fills the sizes from the map and reads all its entries. @t->items must be NULL or owned. */
int lnt_table_read(struct lnt_table *t, const char *name, int fd, struct lnt_err *e);
void lnt_table_clear(struct lnt_table *t);

/*
 * Writes to the map what @want has and @have has not, or has with another value. An entry that does
 * not fit is left out and the first such failure returned; the others are written all the same.
 * *ret_changed counts entries written.
 */
int lnt_table_put(const struct lnt_table *have, const void *want, size_t n, struct lnt_err *e,
	size_t *ret_changed);

/* Deletes from the map what @have has and @want has not. */
int lnt_table_prune(const struct lnt_table *have, const void *want, size_t n, struct lnt_err *e,
	size_t *ret_changed);

/*
 * @have becomes a copy of @want, after both of the above. When one of them failed (@failed), the
 * map is read again instead.
 */
int lnt_table_settle(
	struct lnt_table *have, const void *want, size_t n, bool failed, struct lnt_err *e);

/* The value of @key, or NULL. */
const void *lnt_table_get(const struct lnt_table *t, const void *key);
