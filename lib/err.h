/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Errors. A function returns 0 or -errno. One that can fail in several steps also takes
 * `struct lnt_err *` as its last parameter but for outputs, and fills it where the cause is known.
 * The first cause wins; callers add context in front on the way up. Only main() and loop callbacks
 * print it, once.
 */
#include <stddef.h>

/* A cause with its context, e.g. "pod a/b: create veth: no buffer space". Zero-initialise it. */
struct lnt_err {
	int err;       /* negative errno of the first cause, 0: none */
	unsigned code; /* CNI error code where the cause has one, 0: none (see cni/) */
	char msg[512]; /* always terminated; cut if too long */
};

/*
 * Records a cause unless one is recorded already. @err: negative errno. @e may be NULL.
 * The text of @err is appended by the caller's printer, not here. Returns @err.
 */
int lnt_err_set(struct lnt_err *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with strerror(-err) appended after ": ". Returns @err. */
int lnt_err_sys(struct lnt_err *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts context and ": " in front of the recorded text. @e may be NULL. Returns e->err (or 0). */
int lnt_err_prefix(struct lnt_err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
