/* SPDX-License-Identifier: Apache-2.0 */
/* Two lists of texts, compared (notices.h). */
#define LNT_LOG "agent"
#include "agent/notices.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

static bool has(char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(list[i], text))
			return true;
	}
	return false;
}

static void list_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void lnt_notices_add(struct lnt_notices *n, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	char **now;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0) {
		text = NULL;
		log_warn("out of memory for a notice: %s", fmt);
		return;
	}
	if (has(n->now, n->n_now, text))
		return;
	if (!has(n->last, n->n_last, text))
		log_warn("%s", text);
	now = reallocarray(n->now, n->n_now + 1, sizeof(*now));
	if (!now)
		return;
	n->now = now;
	n->now[n->n_now++] = TAKE_PTR(text);
}

void lnt_notices_end(struct lnt_notices *n)
{
	for (size_t i = 0; i < n->n_last; i++) {
		if (!has(n->now, n->n_now, n->last[i]))
			log_info("no longer: %s", n->last[i]);
	}
	list_free(n->last, n->n_last);
	n->last = TAKE_PTR(n->now);
	n->n_last = n->n_now;
	n->n_now = 0;
}

void lnt_notices_clear(struct lnt_notices *n)
{
	list_free(n->last, n->n_last);
	list_free(n->now, n->n_now);
	*n = (struct lnt_notices){};
}
