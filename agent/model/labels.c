/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels: order, look-up, and one copy of each set. A deployment's pods all have the same labels,
 * so that this saves memory, and the compiler has to look at each set once.
 */
#include "agent/model/model.h"

#include <stdlib.h>
#include <string.h>

#define MIN_BUCKETS 64

/* A set that objects share. */
struct set {
	struct set *next;
	size_t hash, refs, n;
	struct lnt_label *items;
};

static struct set **buckets;
static size_t n_buckets; /* a power of two, or 0 */
static size_t n_sets;

static int label_cmp(const void *a, const void *b)
{
	return strcmp(((const struct lnt_label *)a)->key, ((const struct lnt_label *)b)->key);
}

/* Strings are interned: their addresses are hashed, whose low bits say little. */
static size_t hash_of(const struct lnt_labels *labels)
{
	uint64_t h = 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < labels->n; i++) {
		h = (h ^ (uintptr_t)labels->items[i].key) * 0xff51afd7ed558ccdull;
		h = (h ^ h >> 32 ^ (uintptr_t)labels->items[i].value) * 0xc4ceb9fe1a85ec53ull;
		h ^= h >> 29;
	}
	return (size_t)h;
}

static struct set **find(const struct lnt_labels *labels, size_t hash)
{
	struct set **link;

	if (!n_buckets)
		return NULL;
	for (link = &buckets[hash & (n_buckets - 1)]; *link; link = &(*link)->next)
		if ((*link)->hash == hash && (*link)->n == labels->n &&
			!memcmp((*link)->items, labels->items, labels->n * sizeof(*labels->items)))
			return link;
	return NULL;
}

/* Without memory the old table stays: slower, not wrong. */
static void resize(size_t n)
{
	struct set **to = calloc(n, sizeof(*to)), *s, *next;

	if (!to)
		return;
	for (size_t i = 0; i < n_buckets; i++) {
		for (s = buckets[i]; s; s = next) {
			next = s->next;
			s->next = to[s->hash & (n - 1)];
			to[s->hash & (n - 1)] = s;
		}
	}
	free(buckets);
	buckets = to;
	n_buckets = n;
}

static void free_items(struct lnt_label *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		lnt_unintern(items[i].key);
		lnt_unintern(items[i].value);
	}
	free(items);
}

/* Without memory the labels stay their object's own. */
static void share(struct lnt_labels *labels)
{
	size_t hash = hash_of(labels);
	struct set **link = find(labels, hash), *s;

	if (link) {
		(*link)->refs++;
		if (labels->items != (*link)->items)
			free_items(labels->items, labels->n);
		labels->items = (*link)->items;
		return;
	}
	if (n_sets >= n_buckets)
		resize(n_buckets ? n_buckets * 2 : MIN_BUCKETS);
	s = n_buckets ? malloc(sizeof(*s)) : NULL;
	if (!s)
		return;
	*s = (struct set){
		.next = buckets[hash & (n_buckets - 1)],
		.hash = hash,
		.refs = 1,
		.n = labels->n,
		.items = labels->items,
	};
	buckets[hash & (n_buckets - 1)] = s;
	n_sets++;
}

void lnt_labels_normalize(struct lnt_labels *labels)
{
	size_t n = 0;

	/* qsort() of glibc is not stable without memory, so later duplicates are folded first. */
	for (size_t i = 0; i < labels->n; i++) {
		size_t j = 0;

		while (j < n && labels->items[j].key != labels->items[i].key)
			j++;
		if (j < n) {
			lnt_unintern(labels->items[j].key);
			lnt_unintern(labels->items[j].value);
		} else {
			n++;
		}
		labels->items[j] = labels->items[i];
	}
	labels->n = n;
	if (!n)
		return;
	qsort(labels->items, n, sizeof(*labels->items), label_cmp);
	share(labels);
}

void lnt_labels_clear(struct lnt_labels *labels)
{
	struct set **link = labels->n ? find(labels, hash_of(labels)) : NULL, *s;

	if (!link || (*link)->items != labels->items) {
		free_items(labels->items, labels->n);
	} else if (!--(*link)->refs) {
		s = *link;
		*link = s->next;
		free_items(s->items, s->n);
		free(s);
		if (!--n_sets) {
			free(buckets);
			buckets = NULL;
			n_buckets = 0;
		}
	}
	*labels = (struct lnt_labels){};
}

const char *lnt_labels_get(const struct lnt_labels *labels, const char *key)
{
	struct lnt_label want = {.key = key}, *found;

	if (!labels->n)
		return NULL;
	found = bsearch(&want, labels->items, labels->n, sizeof(want), label_cmp);
	return found ? found->value : NULL;
}
