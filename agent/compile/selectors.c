/* SPDX-License-Identifier: Apache-2.0 */
/* The index of selectors.h. Strings of labels and selectors are interned: pointers are compared. */
#include "agent/compile/selectors.h"
#include "agent/compile/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool same_requirement(const struct lnt_requirement *a, const struct lnt_requirement *b)
{
	return a->key == b->key && a->op == b->op && a->n_values == b->n_values &&
		(!a->n_values || !memcmp(a->values, b->values, a->n_values * sizeof(const char *)));
}

static bool same_selector(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_selectors *s = ctx;
	const struct lnt_selector *a = s->items[item].sel, *b = key;

	if (a->n_reqs != b->n_reqs)
		return false;
	for (size_t i = 0; i < a->n_reqs; i++)
		if (!same_requirement(&a->reqs[i], &b->reqs[i]))
			return false;
	return true;
}

static uint64_t hash_selector(const struct lnt_selector *sel)
{
	uint64_t hash = LNT_HASH_INIT;

	for (size_t i = 0; i < sel->n_reqs; i++) {
		const struct lnt_requirement *r = &sel->reqs[i];

		hash = lnt_hash_u64(lnt_hash_ptr(hash, r->key), r->op);
		for (size_t v = 0; v < r->n_values; v++)
			hash = lnt_hash_ptr(hash, r->values[v]);
	}
	return hash;
}

static bool same_file(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_selectors *s = ctx;
	const struct lnt_label *want = key;

	return s->files[item].key == want->key && s->files[item].value == want->value;
}

static uint32_t find_file(const struct lnt_selectors *s, const char *key, const char *value)
{
	const struct lnt_label want = {.key = key, .value = value};

	return lnt_index_get(&s->by_label, lnt_hash_ptr(lnt_hash_ptr(LNT_HASH_INIT, key), value),
		same_file, s, &want);
}

static int add_file(struct lnt_selectors *s, const char *key, const char *value, uint32_t selector)
{
	uint32_t head = find_file(s, key, value);
	struct lnt_selectors_file *f;

	if (LNT_GROW(s->files, s->cap_files, s->n_files + 1))
		return -ENOMEM;
	f = &s->files[s->n_files];
	*f = (struct lnt_selectors_file){
		.key = key, .value = value, .selector = selector, .next = LNT_NONE};
	if (head != LNT_NONE) {
		f->next = s->files[head].next;
		s->files[head].next = (uint32_t)s->n_files;
	} else if (lnt_index_put(&s->by_label,
			   lnt_hash_ptr(lnt_hash_ptr(LNT_HASH_INIT, key), value),
			   (uint32_t)s->n_files)) {
		return -ENOMEM;
	}
	s->n_files++;
	return 0;
}

static int file(struct lnt_selectors *s, const struct lnt_selector *sel, uint32_t index)
{
	const struct lnt_requirement *in = NULL, *exists = NULL;

	for (size_t i = 0; i < sel->n_reqs; i++) {
		const struct lnt_requirement *r = &sel->reqs[i];

		if (r->op == LNT_OP_IN && (!in || r->n_values < in->n_values))
			in = r;
		else if (r->op == LNT_OP_EXISTS)
			exists = r;
	}
	if (!in && !exists)
		return lnt_u32s_push(&s->unfiled, index);
	if (!in)
		return add_file(s, exists->key, NULL, index);
	for (size_t v = 0; v < in->n_values; v++)
		if (add_file(s, in->key, in->values[v], index))
			return -ENOMEM;
	return 0;
}

static bool same_key(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_selectors *s = ctx;

	return s->keys[item] == key;
}

uint32_t lnt_selectors_key(const struct lnt_selectors *s, const char *key)
{
	return lnt_index_get(&s->by_key, lnt_hash_ptr(LNT_HASH_INIT, key), same_key, s, key);
}

static int add_keys(struct lnt_selectors *s, const struct lnt_selector *sel)
{
	for (size_t i = 0; i < sel->n_reqs; i++) {
		const char *key = sel->reqs[i].key;

		if (lnt_selectors_key(s, key) != LNT_NONE)
			continue;
		if (LNT_GROW(s->keys, s->cap_keys, s->n_keys + 1) ||
			lnt_index_put(
				&s->by_key, lnt_hash_ptr(LNT_HASH_INIT, key), (uint32_t)s->n_keys))
			return -ENOMEM;
		s->keys[s->n_keys++] = key;
	}
	return 0;
}

int lnt_selectors_add(struct lnt_selectors *s, const struct lnt_selector *sel, uint32_t *ret_index)
{
	uint64_t hash = hash_selector(sel);
	uint32_t index = lnt_index_get(&s->by_content, hash, same_selector, s, sel);

	if (index != LNT_NONE) {
		*ret_index = index;
		return 0;
	}
	index = (uint32_t)s->n;
	if (LNT_GROW(s->items, s->cap, s->n + 1))
		return -ENOMEM;
	s->items[index] = (struct lnt_selectors_item){
		.sel = sel,
		.text = lnt_selector_text(sel),
	};
	if (!s->items[index].text)
		return -ENOMEM;
	s->n++;
	if (lnt_index_put(&s->by_content, hash, index) || file(s, sel, index) || add_keys(s, sel))
		return -ENOMEM;
	*ret_index = index;
	return 0;
}

static int try_filed(const struct lnt_selectors *s, const char *key, const char *value,
	const struct lnt_labels *labels, struct lnt_u32s *ret)
{
	for (uint32_t i = find_file(s, key, value); i != LNT_NONE; i = s->files[i].next)
		if (lnt_selector_matches(s->items[s->files[i].selector].sel, labels) &&
			lnt_u32s_push(ret, s->files[i].selector))
			return -ENOMEM;
	return 0;
}

int lnt_selectors_match(
	const struct lnt_selectors *s, const struct lnt_labels *labels, struct lnt_u32s *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < labels->n; i++) {
		const struct lnt_label *l = &labels->items[i];

		if (lnt_selectors_key(s, l->key) == LNT_NONE)
			continue;
		if (try_filed(s, l->key, l->value, labels, ret) ||
			try_filed(s, l->key, NULL, labels, ret))
			return -ENOMEM;
	}
	for (size_t i = 0; i < s->unfiled.n; i++)
		if (lnt_selector_matches(s->items[s->unfiled.v[i]].sel, labels) &&
			lnt_u32s_push(ret, s->unfiled.v[i]))
			return -ENOMEM;
	lnt_u32s_sort(ret);
	return 0;
}

int lnt_selectors_match_all(const struct lnt_selectors *s, struct lnt_u32s *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < s->unfiled.n; i++)
		if (!s->items[s->unfiled.v[i]].sel->n_reqs && lnt_u32s_push(ret, s->unfiled.v[i]))
			return -ENOMEM;
	lnt_u32s_sort(ret);
	return 0;
}

void lnt_selectors_clear(struct lnt_selectors *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->items[i].text);
	free(s->items);
	free(s->files);
	free(s->keys);
	lnt_u32s_clear(&s->unfiled);
	lnt_index_clear(&s->by_content);
	lnt_index_clear(&s->by_label);
	lnt_index_clear(&s->by_key);
	*s = (struct lnt_selectors){};
}
