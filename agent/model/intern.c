/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned strings: a chained hash table of reference-counted strings. Own code and not uthash,
 * whose handle is 56 bytes a string against 16 here: every name and label value of a cluster is an
 * entry. The hash is seeded at random, since users choose the strings.
 */
#include "agent/model/model.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIN_BUCKETS 256

struct string {
	struct string *next;
	uint32_t hash;
	uint32_t refs;
	char text[];
};

static struct string **buckets;
static size_t n_buckets; /* a power of two, or 0 */
static size_t n_strings;
static uint32_t seed;

/* FNV-1a from a random basis. */
static uint32_t hash_of(const char *s)
{
	uint32_t h = seed;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h ^ (h >> 15);
}

static struct string *from_text(const char *s)
{
	return (struct string *)(void *)(s - offsetof(struct string, text));
}

/* Moves everything into @n buckets. Without memory the old table stays: slower, not wrong. */
static int resize(size_t n)
{
	struct string **to = calloc(n, sizeof(*to)), *s, *next;

	if (!to)
		return -1;
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
	return 0;
}

static struct string *find(const char *s, uint32_t h)
{
	struct string *e;

	if (!n_buckets)
		return NULL;
	for (e = buckets[h & (n_buckets - 1)]; e; e = e->next)
		if (e->hash == h && !strcmp(e->text, s))
			return e;
	return NULL;
}

const char *lnt_intern_find(const char *s)
{
	struct string *e = find(s, hash_of(s));

	return e ? e->text : NULL;
}

const char *lnt_intern(const char *s)
{
	struct string *e;
	uint32_t h;
	size_t len;

	if (!n_buckets) {
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
			seed = 2166136261u;
		if (resize(MIN_BUCKETS))
			return NULL;
	}
	h = hash_of(s);
	e = find(s, h);
	if (e) {
		e->refs++;
		return e->text;
	}
	if (n_strings >= n_buckets)
		resize(n_buckets * 2);
	len = strlen(s);
	e = malloc(sizeof(*e) + len + 1);
	if (!e)
		return NULL;
	e->hash = h;
	e->refs = 1;
	memcpy(e->text, s, len + 1);
	e->next = buckets[h & (n_buckets - 1)];
	buckets[h & (n_buckets - 1)] = e;
	n_strings++;
	return e->text;
}

const char *lnt_intern_again(const char *s)
{
	from_text(s)->refs++;
	return s;
}

void lnt_unintern(const char *s)
{
	struct string *e, **link;

	if (!s)
		return;
	e = from_text(s);
	if (--e->refs)
		return;
	for (link = &buckets[e->hash & (n_buckets - 1)]; *link != e; link = &(*link)->next)
		;
	*link = e->next;
	free(e);
	n_strings--;
	if (!n_strings) {
		free(buckets);
		buckets = NULL;
		n_buckets = 0;
	} else if (n_buckets > MIN_BUCKETS && n_strings < n_buckets / 8) {
		resize(n_buckets / 2);
	}
}

size_t lnt_intern_count(void)
{
	return n_strings;
}
