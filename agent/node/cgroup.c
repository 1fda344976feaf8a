/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the cgroup v2 and attaching to it. */
#include "agent/node/cgroup.h"
#include "datapath/attach.h"
#include "datapath/load.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <string.h>
#include <sys/vfs.h>

/* The first mount of type cgroup2 into @ret_path. */
static int find_mount(char *ret_path, size_t size, struct lnt_err *e)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	struct mntent *m;
	int r = -ENOENT;

	if (!f)
		return lnt_err_sys(e, -errno, "open /proc/self/mounts");
	while (r && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2"))
			continue;
		snprintf(ret_path, size, "%s", m->mnt_dir);
		r = 0;
	}
	endmntent(f);
	return r ? lnt_err_set(e, r, "no cgroup v2 is mounted; mount one or give --cgroup-root")
		 : 0;
}

int lnt_cgroup_attach(const struct lnt_options *opt, struct lnt_err *e)
{
	_cleanup_close_ int fd = -1;
	const char *root = opt->cgroup_root;
	char found[4096];
	struct statfs fs;
	int r;

	if (!root) {
		r = find_mount(found, sizeof(found), e);
		if (r)
			return r;
		root = found;
	}
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return lnt_err_sys(e, -errno, "open cgroup %s", root);
	if (fstatfs(fd, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return lnt_err_set(e, -EINVAL, "%s is not in a cgroup v2", root);
	for (const struct lnt_cgroup_prog *p = lnt_cgroup_progs; p->name; p++) {
		r = lnt_attach_cgroup(opt->bpf_root, p->name, fd, p->attach_type, e);
		if (r)
			return lnt_err_prefix(e, "cgroup %s", root);
	}
	return 0;
}
