/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Error objects (CNI SPEC.md 1.1.0, "Error"): a cause gets a code where it is known. */
#include "lib/agent_socket.h"
#include "lib/err.h"

#include <stdio.h>

/* Records a cause with a CNI code, unless one is recorded already. @err: negative errno. Returns
 * @err. */
int lnt_fail(struct lnt_err *e, enum lnt_cni_code code, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same, with strerror(-err) appended after ": ". */
int lnt_fail_sys(struct lnt_err *e, enum lnt_cni_code code, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Gives a cause that is recorded the code @code, unless it has one. Returns @err. */
int lnt_fail_code(struct lnt_err *e, enum lnt_cni_code code, int err);

/*
 * Writes the error object for @e: its text as "msg", and as "details" what a person can do about
 * that code. @version: of the configuration, or NULL when it is not known.
 */
void lnt_error_print(FILE *out, const char *version, const struct lnt_err *e);
