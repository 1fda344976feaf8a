/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The distinct label selectors of many, and which of them match given labels without asking each:
 * a selector is filed under the values of one In requirement, or under the key of an Exists one.
 * Only those filed nowhere (empty, or negative requirements alone) are asked for all labels.
 */
#include "agent/compile/index.h"
#include "agent/model/model.h"

struct lnt_selectors {
	struct lnt_selectors_item {
		const struct lnt_selector *sel; /* the store's */
		char *text;			/* owned, lnt_selector_text() */
	} * items;
	size_t n, cap;
	struct lnt_index by_content;
	struct lnt_selectors_file {
		const char *key, *value; /* value NULL: any */
		uint32_t selector;
		uint32_t next; /* of the same key and value, or LNT_NONE */
	} * files;
	size_t n_files, cap_files;
	struct lnt_index by_label;
	struct lnt_u32s unfiled;
	const char **keys; /* that any selector mentions, interned */
	size_t n_keys, cap_keys;
	struct lnt_index by_key;
};

/* The index of a selector equal to @sel, which is added if there is none. Returns 0 or -ENOMEM. */
int lnt_selectors_add(struct lnt_selectors *s, const struct lnt_selector *sel, uint32_t *ret_index);

/* Indexes of all that match @labels, ascending, into @ret (emptied first). Returns 0 or -ENOMEM. */
int lnt_selectors_match(
	const struct lnt_selectors *s, const struct lnt_labels *labels, struct lnt_u32s *ret);

/* The same for labels that are not known: what matches whatever they are. */
int lnt_selectors_match_all(const struct lnt_selectors *s, struct lnt_u32s *ret);

/* The index of an interned label key in @s->keys, or LNT_NONE when no selector mentions it. */
uint32_t lnt_selectors_key(const struct lnt_selectors *s, const char *key);

void lnt_selectors_clear(struct lnt_selectors *s);
