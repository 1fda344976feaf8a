/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of notices, compared, and where they are said (notices.h). */
#define LNT_LOG "agent"
#include "agent/notices.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>

static bool same(const struct lnt_notice *a, const struct lnt_notice *b)
{
	return a->kind == b->kind && a->reason == b->reason && !strcmp(a->name, b->name) &&
		!strcmp(a->ns, b->ns) && !strcmp(a->text, b->text);
}

static void free_strings(struct lnt_notice *n)
{
	free((char *)n->ns);
	free((char *)n->name);
	free((char *)n->text);
}

/* With strings of its own. Returns 0 or -ENOMEM. */
static int copy_of(const struct lnt_notice *n, struct lnt_notice *ret_copy)
{
	struct lnt_notice copy = *n;

	copy.ns = strdup(n->ns);
	copy.name = strdup(n->name);
	copy.text = strdup(n->text);
	if (copy.ns && copy.name && copy.text) {
		*ret_copy = copy;
		return 0;
	}
	free_strings(&copy);
	return -ENOMEM;
}

static void show(struct lnt_notice_sink *s, const struct lnt_notice *n)
{
	if (s->n_shown < LNT_NOTICES_SHOWN && !copy_of(n, &s->shown[s->n_shown]))
		s->n_shown++;
}

static void hide(struct lnt_notice_sink *s, const struct lnt_notice *n)
{
	for (size_t i = 0; i < s->n_shown; i++) {
		if (!same(&s->shown[i], n))
			continue;
		free_strings(&s->shown[i]);
		s->shown[i] = s->shown[--s->n_shown];
		return;
	}
}

void lnt_notice_sink_clear(struct lnt_notice_sink *s)
{
	while (s->n_shown)
		free_strings(&s->shown[--s->n_shown]);
}

void lnt_notice_say(struct lnt_notice_sink *s, const struct lnt_notice *n, bool gone)
{
	const char *kind = lnt_notice_kind_text(n->kind), *slash = *n->ns ? "/" : "";

	if (gone) {
		log_info("no longer: %s %s%s%s: %s", kind, n->ns, slash, n->name, n->text);
		s->standing[n->kind][n->reason]--;
		hide(s, n);
	} else {
		log_warn("%s %s%s%s: %s", kind, n->ns, slash, n->name, n->text);
		s->standing[n->kind][n->reason]++;
		s->raised[n->kind][n->reason]++;
		show(s, n);
	}
	if (s->tell)
		s->tell(s->ctx, n, gone);
}

static bool has(const struct lnt_notice *list, size_t n, const struct lnt_notice *what)
{
	for (size_t i = 0; i < n; i++) {
		if (same(&list[i], what))
			return true;
	}
	return false;
}

static void list_free(struct lnt_notice *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free_strings(&list[i]);
	free(list);
}

void lnt_notices_add(struct lnt_notices *ns, const struct lnt_notice *n)
{
	struct lnt_notice *now;

	if (has(ns->now, ns->n_now, n))
		return;
	now = reallocarray(ns->now, ns->n_now + 1, sizeof(*now));
	if (now)
		ns->now = now;
	if (!now || copy_of(n, &now[ns->n_now])) {
		log_warn("out of memory for a notice: %s %s/%s: %s", lnt_notice_kind_text(n->kind),
			n->ns, n->name, n->text);
		return;
	}
	if (!has(ns->last, ns->n_last, n))
		lnt_notice_say(ns->sink, n, false);
	ns->n_now++;
}

void lnt_notices_end(struct lnt_notices *ns)
{
	for (size_t i = 0; i < ns->n_last; i++) {
		if (!has(ns->now, ns->n_now, &ns->last[i]))
			lnt_notice_say(ns->sink, &ns->last[i], true);
	}
	list_free(ns->last, ns->n_last);
	ns->last = TAKE_PTR(ns->now);
	ns->n_last = ns->n_now;
	ns->n_now = 0;
}

void lnt_notices_clear(struct lnt_notices *ns)
{
	list_free(ns->last, ns->n_last);
	list_free(ns->now, ns->n_now);
	*ns = (struct lnt_notices){.sink = ns->sink};
}
