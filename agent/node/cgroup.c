/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the cgroup v2 and attaching to it. */
#define LNT_LOG "cgroup"
#include "agent/node/cgroup.h"
#include "datapath/attach.h"
#include "datapath/load.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/*
 * How much of the hierarchy a mount shows, from its root as mountinfo has it: relative to the
 * reader's own cgroup namespace, so that what is above that begins with "/..". A container that has
 * the node's hierarchy mounted besides its own finds the node's.
 */
static int height(const char *root)
{
	int up = 0;

	for (; !strncmp(root, "/..", 3); root += 3)
		up++;
	return strcmp(root, "/") && *root ? up * 2 : up * 2 + 1;
}

/* The mount of type cgroup2 that shows most into @ret_path. */
static int find_mount(char ret_path[static PATH_MAX], struct lnt_err *e)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	int best = -1;
	size_t room = 0;

	if (!f)
		return lnt_err_sys(e, -errno, "open /proc/self/mountinfo");
	while (getline(&line, &room, f) >= 0) {
		char root[PATH_MAX], path[PATH_MAX];

		/* proc_pid_mountinfo(5) */
		if (!strstr(line, " - cgroup2 ") ||
			sscanf(line, "%*d %*d %*s %4095s %4095s", root, path) != 2 ||
			height(root) <= best)
			continue;
		best = height(root);
		memcpy(ret_path, path, sizeof(path));
	}
	return best < 0 ? lnt_err_set(e, -ENOENT,
				  "no cgroup v2 is mounted; mount one or give --cgroup-root")
			: 0;
}

static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* A mount of our own, where the node has none. */
static int own_mount(const struct lnt_options *opt, char ret_path[static PATH_MAX])
{
	return snprintf(ret_path, PATH_MAX, "%s/cgroup", opt->run_dir) < PATH_MAX ? 0
										  : -ENAMETOOLONG;
}

int lnt_cgroup_ensure(const struct lnt_options *opt, struct lnt_err *e)
{
	char path[PATH_MAX];

	if (opt->cgroup_root || !find_mount(path, NULL))
		return 0;
	if (own_mount(opt, path))
		return lnt_err_sys(e, -ENAMETOOLONG, "path of the cgroup v2");
	if (mkdir(path, 0755) && errno != EEXIST)
		return lnt_err_sys(e, -errno, "make %s", path);
	if (mount("cgroup2", path, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return lnt_err_sys(e, -errno, "mount a cgroup v2 at %s", path);
	log_info("cgroup v2 mounted at %s", path);
	return 0;
}

int lnt_cgroup_unmount(const struct lnt_options *opt, struct lnt_err *e)
{
	char path[PATH_MAX];

	if (own_mount(opt, path))
		return lnt_err_sys(e, -ENAMETOOLONG, "path of the cgroup v2");
	if (is_cgroup2(path) && umount(path))
		return lnt_err_sys(e, -errno, "unmount %s", path);
	if (rmdir(path) && errno != ENOENT)
		return lnt_err_sys(e, -errno, "remove %s", path);
	return 0;
}

int lnt_cgroup_attach(const struct lnt_options *opt, struct lnt_err *e)
{
	_cleanup_close_ int fd = -1;
	const char *root = opt->cgroup_root;
	char found[PATH_MAX];
	int r;

	if (!root) {
		r = find_mount(found, e);
		if (r)
			return r;
		root = found;
	}
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return lnt_err_sys(e, -errno, "open cgroup %s", root);
	if (!is_cgroup2(root))
		return lnt_err_set(e, -EINVAL, "%s is not in a cgroup v2", root);
	for (const struct lnt_cgroup_prog *p = lnt_cgroup_progs; p->name; p++) {
		r = lnt_attach_cgroup(opt->bpf_root, p->name, fd, p->attach_type, e);
		if (r)
			return lnt_err_prefix(e, "cgroup %s", root);
	}
	return 0;
}
