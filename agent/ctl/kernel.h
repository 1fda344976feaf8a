/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel has of linnet, whether an agent runs or not: pinned programs and maps, and where
 * programs are attached in this network namespace and at cgroups.
 */
#include "lib/addr.h"
#include "lib/err.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_NAME_MAX 64

struct ctl_prog {
	char name[CTL_NAME_MAX]; /* of the pin */
	uint32_t id;
	bool cgroup; /* a hook of sockets */
};

struct ctl_attachment {
	char prog[CTL_NAME_MAX];
	uint32_t id;
	const char *hook;      /* "clsact ingress", "tcx egress", "xdp native", "cgroup" */
	char device[IFNAMSIZ]; /* "": none; of a link whose device is gone its name */
	bool attached;	       /* false: the link is pinned, and on nothing */
	bool current;	       /* it is the pinned program, not one of an earlier agent's */
};

struct ctl_map {
	char name[CTL_NAME_MAX];
	const char *type;
	uint32_t max;
	uint64_t entries;
	uint64_t bytes; /* 0: unknown */
	bool counted;	/* has entries that come and go; else they mean nothing */
	bool lru;	/* is full for good and pushes out the oldest */
};

struct ctl_kernel {
	struct ctl_prog *progs; /* owned, as are the next two; sorted by name */
	size_t n_progs;
	struct ctl_attachment *attachments; /* by hook, program and device */
	size_t n_attachments;
	struct ctl_map *maps; /* sorted by name */
	size_t n_maps;
};

/*
 * Reads all of it, of this ABI's pins below @bpf_root; a map's entries are counted by walking it.
 * Returns 0, or -ENOENT if nothing is pinned there, or another -errno. Clear it in any case.
 */
int ctl_kernel_read(const char *bpf_root, struct lnt_err *e, struct ctl_kernel *ret_kernel);
/* The same without maps. */
int ctl_kernel_read_programs(
	const char *bpf_root, struct lnt_err *e, struct ctl_kernel *ret_kernel);
void ctl_kernel_clear(struct ctl_kernel *k);

/* The attachment of @prog at a device whose hook begins with @hook, or at cgroups; NULL: none. */
const struct ctl_attachment *ctl_kernel_find(
	const struct ctl_kernel *k, const char *prog, const char *device);

/* Opens a pinned map, which the caller closes. Returns a descriptor or -errno. */
int ctl_map_open(const char *bpf_root, const char *map);

/*
 * Calls @fn for each entry of a pinned hash or LPM trie, until it returns false; NULL: counts only.
 * Entries that come or go meanwhile may be missed, none is told of twice that stays. Returns 0 or
 * -errno; *ret_n counts.
 */
int ctl_map_walk(const char *bpf_root, const char *map,
	bool (*fn)(void *ctx, const void *key, const void *value), void *ctx, struct lnt_err *e,
	uint64_t *ret_n);
