/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: one uthash table a kind. Names are interned, so the key is the two pointers that lie
 * side by side in lnt_meta, and a look-up by text first looks for the interned strings.
 */
#include "agent/model/store.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* Out of memory: hh.tbl of what was to be added is NULL. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* The key is meta.ns and meta.name. */
#define KEY_LEN (2 * sizeof(const char *))
_Static_assert(
	offsetof(struct lnt_meta, name) == offsetof(struct lnt_meta, ns) + sizeof(const char *),
	"the key must be contiguous");

struct entry {
	struct lnt_meta *obj;
	bool marked;
	struct entry *prev, *next; /* slices of one service */
	UT_hash_handle hh;
};

/* The slices of a service. Their strings are the key, so it lives as long as it has slices. */
struct group {
	const char *ns;
	const char *service;
	struct entry *slices;
	UT_hash_handle hh;
};

struct lnt_store {
	struct entry *kinds[LNT_KIND_MAX];
	struct group *groups;
	lnt_store_listener *listener;
	void *ctx;
};

struct lnt_store *lnt_store_new(lnt_store_listener *listener, void *ctx)
{
	struct lnt_store *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->listener = listener;
	st->ctx = ctx;
	return st;
}

void lnt_store_free(struct lnt_store *st)
{
	struct group *g, *next_group;
	struct entry *e, *next;

	if (!st)
		return;
	HASH_ITER (hh, st->groups, g, next_group) {
		HASH_DEL(st->groups, g);
		free(g);
	}
	for (int k = 0; k < LNT_KIND_MAX; k++) {
		HASH_ITER (hh, st->kinds[k], e, next) {
			HASH_DEL(st->kinds[k], e);
			lnt_object_free(e->obj);
			free(e);
		}
	}
	free(st);
}

static void tell(struct lnt_store *st, const struct lnt_meta *obj, bool removed)
{
	if (st->listener)
		st->listener(st->ctx, obj, removed);
}

static struct group *group_find(const struct lnt_store *st, const char *ns, const char *service)
{
	const struct group like = {.ns = ns, .service = service};
	struct group *g;

	HASH_FIND(hh, st->groups, &like.ns, KEY_LEN, g);
	return g;
}

static int group_add(struct lnt_store *st, struct entry *e)
{
	const struct lnt_endpointslice *s = (const struct lnt_endpointslice *)e->obj;
	struct group *g = group_find(st, s->meta.ns, s->service);

	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		g->ns = s->meta.ns;
		g->service = s->service;
		HASH_ADD_KEYPTR(hh, st->groups, &g->ns, KEY_LEN, g);
		if (!g->hh.tbl) {
			free(g);
			return -ENOMEM;
		}
	}
	DL_APPEND(g->slices, e);
	return 0;
}

static void group_remove(struct lnt_store *st, struct entry *e)
{
	const struct lnt_endpointslice *s = (const struct lnt_endpointslice *)e->obj;
	struct group *g = group_find(st, s->meta.ns, s->service);

	DL_DELETE(g->slices, e);
	if (g->slices)
		return;
	HASH_DEL(st->groups, g);
	free(g);
}

static int insert(struct lnt_store *st, struct lnt_meta *obj)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e) {
		e->obj = obj;
		HASH_ADD_KEYPTR(hh, st->kinds[obj->kind], &obj->ns, KEY_LEN, e);
		if (e->hh.tbl && obj->kind == LNT_KIND_ENDPOINTSLICE && group_add(st, e)) {
			HASH_DEL(st->kinds[obj->kind], e);
			e->hh.tbl = NULL;
		}
	}
	if (!e || !e->hh.tbl) {
		free(e);
		lnt_object_free(obj);
		return -ENOMEM;
	}
	tell(st, obj, false);
	return 0;
}

static void drop(struct lnt_store *st, struct entry *e)
{
	struct lnt_meta *obj = e->obj;

	if (obj->kind == LNT_KIND_ENDPOINTSLICE)
		group_remove(st, e);
	HASH_DEL(st->kinds[obj->kind], e);
	free(e);
	tell(st, obj, true);
	lnt_object_free(obj);
}

static bool moves(const struct lnt_meta *old, const struct lnt_meta *obj)
{
	return obj->kind == LNT_KIND_ENDPOINTSLICE &&
		((const struct lnt_endpointslice *)old)->service !=
		((const struct lnt_endpointslice *)obj)->service;
}

int lnt_store_put(struct lnt_store *st, struct lnt_meta *obj)
{
	struct lnt_meta *old;
	struct entry *e;

	HASH_FIND(hh, st->kinds[obj->kind], &obj->ns, KEY_LEN, e);
	if (!e)
		return insert(st, obj);
	e->marked = false;
	old = e->obj;
	if (lnt_object_same(old, obj)) {
		old->version = obj->version;
		lnt_object_free(obj);
		return 0;
	}
	if (moves(old, obj)) {
		drop(st, e);
		return insert(st, obj);
	}
	/* The names are the same pointers, so only where the key lies changes. */
	e->obj = obj;
	e->hh.key = &obj->ns;
	lnt_object_free(old);
	tell(st, obj, false);
	return 0;
}

static struct entry *find(
	const struct lnt_store *st, enum lnt_kind kind, const char *ns, const char *name)
{
	const struct lnt_meta like = {.ns = lnt_intern_find(ns), .name = lnt_intern_find(name)};
	struct entry *e;

	if (!like.ns || !like.name)
		return NULL;
	HASH_FIND(hh, st->kinds[kind], &like.ns, KEY_LEN, e);
	return e;
}

void lnt_store_remove(struct lnt_store *st, enum lnt_kind kind, const char *ns, const char *name)
{
	struct entry *e = find(st, kind, ns, name);

	if (e)
		drop(st, e);
}

const struct lnt_meta *lnt_store_get(
	const struct lnt_store *st, enum lnt_kind kind, const char *ns, const char *name)
{
	struct entry *e = find(st, kind, ns, name);

	return e ? e->obj : NULL;
}

int lnt_store_each(const struct lnt_store *st, enum lnt_kind kind,
	int (*fn)(void *ctx, const struct lnt_meta *obj), void *ctx)
{
	struct entry *e, *next;
	int r;

	HASH_ITER (hh, st->kinds[kind], e, next) {
		r = fn(ctx, e->obj);
		if (r)
			return r;
	}
	return 0;
}

int lnt_store_each_slice(const struct lnt_store *st, const char *ns, const char *service,
	int (*fn)(void *ctx, const struct lnt_meta *obj), void *ctx)
{
	const struct group *g = group_find(st, ns, service);
	const struct entry *e;
	int r;

	for (e = g ? g->slices : NULL; e; e = e->next) {
		r = fn(ctx, e->obj);
		if (r)
			return r;
	}
	return 0;
}

size_t lnt_store_count(const struct lnt_store *st, enum lnt_kind kind)
{
	return HASH_COUNT(st->kinds[kind]);
}

void lnt_store_mark(struct lnt_store *st, enum lnt_kind kind)
{
	struct entry *e, *next;

	HASH_ITER (hh, st->kinds[kind], e, next)
		e->marked = true;
}

void lnt_store_sweep(struct lnt_store *st, enum lnt_kind kind)
{
	struct entry *e, *next;

	HASH_ITER (hh, st->kinds[kind], e, next)
		if (e->marked)
			drop(st, e);
}
