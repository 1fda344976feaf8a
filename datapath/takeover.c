/* SPDX-License-Identifier: Apache-2.0 */
/* Pins are moved by rename(2): the kernel's objects stay as they are, attached and filled. */
#include "datapath/takeover.h"
#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * What packets have left behind, since which version it is as it is now: layout, type and meaning.
 * All other maps are written anew from what Kubernetes says. Flows go with the epoch they were
 * decided at (`state`).
 */
static const struct {
	const char *name;
	int since;
} kept[] = {
	{"flows", 3},
	{"pending", 3},
	{"state", 3},
	{"frags", 3},
	{"affinity_map", 3},
	{"sock_rev", 3},
};

bool lnt_takeover_keeps(const char *name, int version)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (!strcmp(kept[i].name, name))
			return version >= kept[i].since && version <= LNT_ABI_VERSION;
	return false;
}

/* N of "vN", if that is another version; else 0. */
static int other_version(const struct dirent *d)
{
	int version = 0, end = 0;

	if (sscanf(d->d_name, "v%d%n", &version, &end) != 1 || d->d_name[end])
		return 0;
	return version == LNT_ABI_VERSION ? 0 : version;
}

static int is_other(const struct dirent *d)
{
	return other_version(d) > 0;
}

static int newest_first(const struct dirent **a, const struct dirent **b)
{
	return other_version(*b) - other_version(*a);
}

/* The other versions. None: -ENOENT, or 0 and an empty list. The caller frees it with list_free. */
struct list {
	struct dirent **d;
	int n;
};

static void list_free(struct list *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->d[i]);
	free(l->d);
}

static int list_others(const char *bpf_root, struct list *ret_list)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/linnet", bpf_root) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	ret_list->n = scandir(path, &ret_list->d, is_other, newest_first);
	if (ret_list->n >= 0)
		return 0;
	ret_list->n = 0;
	return -errno;
}

/* linnet/@dir/@kind/@name to this version's @kind. */
static int move_one(const char *bpf_root, const char *dir, const char *kind, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];
	int r = lnt_pin_path(bpf_root, kind, name, to);

	if (r || !access(to, F_OK))
		return r;
	if (snprintf(from, sizeof(from), "%s/linnet/%s/%s/%s", bpf_root, dir, kind, name) >=
		(int)sizeof(from))
		return -ENAMETOOLONG;
	return rename(from, to) ? -errno : 0;
}

static int move_kind(const char *bpf_root, const struct dirent *version, const char *kind,
	bool (*keeps)(const char *name, int version))
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;
	int r = 0;

	if (snprintf(path, sizeof(path), "%s/linnet/%s/%s", bpf_root, version->d_name, kind) >=
		(int)sizeof(path))
		return -ENAMETOOLONG;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!r && (d = readdir(dir)))
		if (d->d_name[0] != '.' && (!keeps || keeps(d->d_name, other_version(version))))
			r = move_one(bpf_root, version->d_name, kind, d->d_name);
	closedir(dir);
	return r;
}

int lnt_takeover_begin(
	const char *bpf_root, bool (*keeps)(const char *name, int version), struct lnt_err *e)
{
	_cleanup_(list_free) struct list others = {};
	int r = list_others(bpf_root, &others);

	if (r == -ENOENT || (!r && !others.n))
		return 0;
	r = r ? r : lnt_pin_mkdirs(bpf_root);
	for (int i = 0; !r && i < others.n; i++) {
		r = move_kind(bpf_root, others.d[i], "links", NULL);
		r = r ? r : move_kind(bpf_root, others.d[i], "maps", keeps);
	}
	return r ? lnt_err_sys(e, r, "take over the pins of another version of linnet") : 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

int lnt_takeover_end(const char *bpf_root, struct lnt_err *e)
{
	_cleanup_(list_free) struct list others = {};
	int r = list_others(bpf_root, &others);
	char path[PATH_MAX];

	for (int i = 0; !r && i < others.n; i++) {
		snprintf(path, sizeof(path), "%s/linnet/%s", bpf_root, others.d[i]->d_name);
		if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS))
			r = -errno;
	}
	return r && r != -ENOENT ? lnt_err_sys(e, r, "remove the pins of another version of linnet")
				 : 0;
}
