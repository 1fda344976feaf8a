/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between tables, and their way into a map (table.h). */
#include "agent/sync/table.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static size_t item_size(const struct lnt_table *t)
{
	return t->key_size + t->value_size;
}

static const uint8_t *item(const struct lnt_table *t, const void *items, size_t i)
{
	return (const uint8_t *)items + i * item_size(t);
}

/* qsort() has no context; the agent has one thread. */
static uint32_t sort_key_size;

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sort_key_size);
}

static int grow(struct lnt_table *t, size_t *room)
{
	size_t want = *room ? *room * 2 : 64;
	uint8_t *items = realloc(t->items, want * item_size(t));

	if (!items)
		return -ENOMEM;
	t->items = items;
	*room = want;
	return 0;
}

/* Every key of the map with its value, unsorted. An entry that goes meanwhile is left out. */
static int read_all(struct lnt_table *t)
{
	_cleanup_free_ uint8_t *key = malloc(t->key_size);
	const void *last = NULL;
	size_t room = 0;

	if (!key)
		return -ENOMEM;
	while (!bpf_map_get_next_key(t->fd, last, key)) {
		uint8_t *at;

		if (t->n == room && grow(t, &room))
			return -ENOMEM;
		at = t->items + t->n * item_size(t);
		memcpy(at, key, t->key_size);
		if (!bpf_map_lookup_elem(t->fd, key, at + t->key_size))
			t->n++;
		last = key;
	}
	return errno == ENOENT ? 0 : -errno;
}

int lnt_table_read(struct lnt_table *t, const char *name, int fd, struct lnt_err *e)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int r;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return lnt_err_sys(e, -errno, "look at map %s", name);
	lnt_table_clear(t);
	t->name = name;
	t->fd = fd;
	t->key_size = info.key_size;
	t->value_size = info.value_size;
	r = read_all(t);
	if (r)
		return lnt_err_sys(e, r, "read map %s", name);
	sort_key_size = t->key_size;
	if (t->n)
		qsort(t->items, t->n, item_size(t), compare);
	return 0;
}

void lnt_table_clear(struct lnt_table *t)
{
	free(t->items);
	t->items = NULL;
	t->n = 0;
}

int lnt_table_put(const struct lnt_table *have, const void *want, size_t n, struct lnt_err *e,
	size_t *ret_changed)
{
	size_t changed = 0, h = have->last_first ? have->n : 0;
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *w = item(have, want, have->last_first ? n - 1 - i : i);
		const uint8_t *old = NULL;

		if (have->last_first) {
			while (h && memcmp(item(have, have->items, h - 1), w, have->key_size) > 0)
				h--;
			old = h ? item(have, have->items, h - 1) : NULL;
		} else {
			while (h < have->n &&
				memcmp(item(have, have->items, h), w, have->key_size) < 0)
				h++;
			old = h < have->n ? item(have, have->items, h) : NULL;
		}
		if (old && !memcmp(old, w, item_size(have)))
			continue;
		if (!bpf_map_update_elem(have->fd, w, w + have->key_size, BPF_ANY))
			changed++;
		else if (!first)
			first = lnt_err_sys(e, -errno, "write map %s", have->name);
	}
	*ret_changed += changed;
	return first;
}

int lnt_table_prune(const struct lnt_table *have, const void *want, size_t n, struct lnt_err *e,
	size_t *ret_changed)
{
	size_t changed = 0, i = 0;
	int first = 0;

	for (size_t h = 0; h < have->n; h++) {
		const uint8_t *old = item(have, have->items, h);
		int c = 1;

		while (i < n && (c = memcmp(item(have, want, i), old, have->key_size)) < 0)
			i++;
		if (i < n && !c)
			continue;
		if (!bpf_map_delete_elem(have->fd, old) || errno == ENOENT)
			changed++;
		else if (!first)
			first = lnt_err_sys(e, -errno, "delete from map %s", have->name);
	}
	*ret_changed += changed;
	return first;
}

int lnt_table_settle(
	struct lnt_table *have, const void *want, size_t n, bool failed, struct lnt_err *e)
{
	uint8_t *items;

	if (failed)
		return lnt_table_read(have, have->name, have->fd, e);
	items = malloc(n ? n * item_size(have) : 1);
	if (!items)
		return lnt_table_read(have, have->name, have->fd, e);
	if (n)
		memcpy(items, want, n * item_size(have));
	free(have->items);
	have->items = items;
	have->n = n;
	return 0;
}

const void *lnt_table_get(const struct lnt_table *t, const void *key)
{
	const uint8_t *at;

	if (!t->n)
		return NULL;
	sort_key_size = t->key_size;
	at = bsearch(key, t->items, t->n, item_size(t), compare);
	return at ? at + t->key_size : NULL;
}
