/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Things that are wrong with what the cluster says and stay wrong until somebody changes it. Every
 * turn finds them again; they are logged when they appear and when they are gone, and not between.
 */
#include <stddef.h>

struct lnt_notices {
	char **last; /* owned, what the last turn found */
	size_t n_last;
	char **now; /* owned, what this turn has found so far */
	size_t n_now;
};

/* This turn found it. Out of memory: it is logged each time. */
void lnt_notices_add(struct lnt_notices *n, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The turn is over. */
void lnt_notices_end(struct lnt_notices *n);
void lnt_notices_clear(struct lnt_notices *n);
