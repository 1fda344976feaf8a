/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The store: the newest version of every object that the watches have told of, indexed by kind,
 * namespace and name. It owns the objects. Level-triggered: readers look at what is there, not at
 * what happened; a listener is only told that something of a kind changed.
 */
#include "agent/model/model.h"

struct lnt_store;

/*
 * Called after a change was made; @obj is the new object, or the old one when @removed. A slice
 * that goes from one service to another is removed and then new.
 */
typedef void lnt_store_listener(void *ctx, const struct lnt_meta *obj, bool removed);

struct lnt_store *lnt_store_new(lnt_store_listener *listener, void *ctx);
void lnt_store_free(struct lnt_store *st);

/*
 * Inserts or replaces; takes ownership of @obj in every case. An object that says the same as the
 * one that is there (lnt_object_same()) only brings its version: no listener call, pointers to the
 * old one stay valid. Returns 0 or -ENOMEM.
 */
int lnt_store_put(struct lnt_store *st, struct lnt_meta *obj);

/* Removes and frees, after the listener's call; an object that is not there is no error. */
void lnt_store_remove(struct lnt_store *st, enum lnt_kind kind, const char *ns, const char *name);

/* NULL: not there. The store keeps ownership; valid until the next change of this object. */
const struct lnt_meta *lnt_store_get(
	const struct lnt_store *st, enum lnt_kind kind, const char *ns, const char *name);

/* Calls @fn for every object of a kind, in no order, until it returns non-zero, which is returned.
 */
int lnt_store_each(const struct lnt_store *st, enum lnt_kind kind,
	int (*fn)(void *ctx, const struct lnt_meta *obj), void *ctx);

/*
 * The same for the EndpointSlices of one service, by label kubernetes.io/service-name. @ns and
 * @service are interned.
 */
int lnt_store_each_slice(const struct lnt_store *st, const char *ns, const char *service,
	int (*fn)(void *ctx, const struct lnt_meta *obj), void *ctx);
size_t lnt_store_count(const struct lnt_store *st, enum lnt_kind kind);

/*
 * Relist: marks all objects of a kind; those not put again before the sweep are removed by it, each
 * with its listener call.
 */
void lnt_store_mark(struct lnt_store *st, enum lnt_kind kind);
void lnt_store_sweep(struct lnt_store *st, enum lnt_kind kind);
