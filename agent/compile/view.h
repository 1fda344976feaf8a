/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Objects of the store in an order that does not depend on how they came. */
#include "agent/model/store.h"

/*
 * All objects of a kind, sorted by namespace and name, in a new array that the caller frees (NULL
 * when there are none). Returns 0 or -ENOMEM.
 */
int lnt_view_sorted(const struct lnt_store *st, enum lnt_kind kind,
	const struct lnt_meta ***ret_objs, size_t *ret_n);

/* The same in the store's order. */
int lnt_view_all(const struct lnt_store *st, enum lnt_kind kind, const struct lnt_meta ***ret_objs,
	size_t *ret_n);

/* Order by namespace and name. */
int lnt_meta_cmp(const struct lnt_meta *a, const struct lnt_meta *b);
