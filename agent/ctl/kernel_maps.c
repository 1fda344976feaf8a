/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of kernel.h, read in batches: one system call for thousands of entries. */
#include "agent/ctl/kernel_internal.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#define BATCH 4096 /* entries; more than a bucket of a hash has */

struct buffers {
	void *keys, *values;
	void *from, *to; /* the kernel's mark of where it was: a bucket, or a key */
};

static void buffers_free(struct buffers *b)
{
	free(b->keys);
	free(b->values);
	free(b->from);
	free(b->to);
}

static int buffers_make(struct buffers *b, const struct bpf_map_info *info)
{
	size_t mark = info->key_size < 8 ? 8 : info->key_size;

	b->keys = calloc(BATCH, info->key_size);
	b->values = calloc(BATCH, info->value_size);
	b->from = calloc(1, mark);
	b->to = calloc(1, mark);
	return b->keys && b->values && b->from && b->to ? 0 : -ENOMEM;
}

/* False: somebody has seen enough. */
static bool tell(const struct buffers *b, const struct bpf_map_info *info, uint32_t n,
	bool (*fn)(void *ctx, const void *key, const void *value), void *ctx)
{
	for (uint32_t i = 0; fn && i < n; i++)
		if (!fn(ctx, (const char *)b->keys + (size_t)i * info->key_size,
			    (const char *)b->values + (size_t)i * info->value_size))
			return false;
	return true;
}

static int walk(int fd, const struct bpf_map_info *info,
	bool (*fn)(void *ctx, const void *key, const void *value), void *ctx, uint64_t *ret_n)
{
	_cleanup_(buffers_free) struct buffers b = {};
	bool first = true;
	int r = buffers_make(&b, info);

	*ret_n = 0;
	while (!r) {
		uint32_t n = BATCH;
		void *mark;

		r = bpf_map_lookup_batch(
			fd, first ? NULL : b.from, b.to, b.keys, b.values, &n, NULL);
		if (r && r != -ENOENT)
			return r;
		*ret_n += n;
		if (!tell(&b, info, n, fn, ctx))
			return 0;
		first = false;
		mark = b.from;
		b.from = b.to;
		b.to = mark;
	}
	return r == -ENOENT ? 0 : r;
}

int ctl_map_open(const char *bpf_root, const char *map)
{
	char path[PATH_MAX];
	int r = lnt_pin_path(bpf_root, "maps", map, path);

	return r ? r : bpf_obj_get(path);
}

static int open_map(const char *bpf_root, const char *map, struct bpf_map_info *ret_info)
{
	__u32 len = sizeof(*ret_info);
	int r, fd = ctl_map_open(bpf_root, map);

	if (fd < 0)
		return fd;
	memset(ret_info, 0, sizeof(*ret_info));
	r = bpf_obj_get_info_by_fd(fd, ret_info, &len);
	if (!r)
		return fd;
	close(fd);
	return r;
}

int ctl_map_walk(const char *bpf_root, const char *map,
	bool (*fn)(void *ctx, const void *key, const void *value), void *ctx, struct lnt_err *e,
	uint64_t *ret_n)
{
	struct bpf_map_info info;
	_cleanup_close_ int fd = open_map(bpf_root, map, &info);
	int r;

	if (fd < 0)
		return lnt_err_sys(e, fd, "open map %s below %s", map, bpf_root);
	r = walk(fd, &info, fn, ctx, ret_n);
	return r ? lnt_err_sys(e, r, "read map %s", map) : 0;
}

static const char *type_name(uint32_t type)
{
	switch (type) {
	case BPF_MAP_TYPE_HASH:
		return "hash";
	case BPF_MAP_TYPE_LRU_HASH:
		return "lru";
	case BPF_MAP_TYPE_LPM_TRIE:
		return "lpm";
	case BPF_MAP_TYPE_ARRAY:
		return "array";
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return "per-cpu";
	case BPF_MAP_TYPE_RINGBUF:
		return "ring";
	case BPF_MAP_TYPE_SK_STORAGE:
		return "sockets";
	default:
		return "other";
	}
}

/* What the kernel charges for it. */
static uint64_t bytes_of(int fd)
{
	_cleanup_fclose_ FILE *f = NULL;
	unsigned long long n = 0;
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "memlock:", 8))
			n = strtoull(line + 8, NULL, 10);
	return n;
}

int ctl_map_look(const char *bpf_root, const char *name, struct ctl_map *ret_map)
{
	struct bpf_map_info info;
	_cleanup_close_ int fd = open_map(bpf_root, name, &info);
	struct ctl_map map = {};
	int r;

	if (fd < 0)
		return fd;
	snprintf(map.name, sizeof(map.name), "%s", name);
	map.type = type_name(info.type);
	map.max = info.max_entries;
	map.bytes = bytes_of(fd);
	map.lru = info.type == BPF_MAP_TYPE_LRU_HASH;
	map.counted =
		map.lru || info.type == BPF_MAP_TYPE_HASH || info.type == BPF_MAP_TYPE_LPM_TRIE;
	if (map.counted) {
		r = walk(fd, &info, NULL, NULL, &map.entries);
		/* A kernel that reads no batches of such a map: unknown. */
		map.counted = !r;
	}
	*ret_map = map;
	return 0;
}
