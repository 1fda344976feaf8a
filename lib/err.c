/* SPDX-License-Identifier: Apache-2.0 */
/* The error record of err.h. */
#include "lib/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void record(struct lnt_err *e, int err, const char *tail, const char *fmt, va_list ap)
{
	int n;

	if (!e || e->err)
		return;
	e->err = err;
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	if (tail && n >= 0 && (size_t)n < sizeof(e->msg))
		snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", tail);
}

int lnt_err_set(struct lnt_err *e, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(e, err, NULL, fmt, ap);
	va_end(ap);
	return err;
}

int lnt_err_sys(struct lnt_err *e, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(e, err, strerror(-err), fmt, ap);
	va_end(ap);
	return err;
}

int lnt_err_prefix(struct lnt_err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;
	int n;

	if (!e)
		return 0;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->msg))
		snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", old);
	return e->err;
}
