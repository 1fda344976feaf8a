/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of view.h. */
#include "agent/compile/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lnt_meta_cmp(const struct lnt_meta *a, const struct lnt_meta *b)
{
	/* Interned: the same namespace is the same pointer. */
	int r = a->ns == b->ns ? 0 : strcmp(a->ns, b->ns);

	return r ? r : strcmp(a->name, b->name);
}

static int by_name(const void *a, const void *b)
{
	return lnt_meta_cmp(*(const struct lnt_meta *const *)a, *(const struct lnt_meta *const *)b);
}

struct list {
	const struct lnt_meta **objs;
	size_t n;
};

static int collect(void *ctx, const struct lnt_meta *obj)
{
	struct list *l = ctx;

	l->objs[l->n++] = obj;
	return 0;
}

int lnt_view_all(const struct lnt_store *st, enum lnt_kind kind, const struct lnt_meta ***ret_objs,
	size_t *ret_n)
{
	size_t n = lnt_store_count(st, kind);
	struct list l = {};

	if (n) {
		l.objs = calloc(n, sizeof(const struct lnt_meta *));
		if (!l.objs)
			return -ENOMEM;
		lnt_store_each(st, kind, collect, &l);
	}
	*ret_objs = l.objs;
	*ret_n = l.n;
	return 0;
}

int lnt_view_sorted(const struct lnt_store *st, enum lnt_kind kind,
	const struct lnt_meta ***ret_objs, size_t *ret_n)
{
	int r = lnt_view_all(st, kind, ret_objs, ret_n);

	if (!r && *ret_n)
		qsort(*ret_objs, *ret_n, sizeof(const struct lnt_meta *), by_name);
	return r;
}
