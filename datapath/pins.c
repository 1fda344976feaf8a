/* SPDX-License-Identifier: Apache-2.0 */
/* Pin paths of pins.h. */
#include "datapath/pins.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

void lnt_pin_root(const char *run_dir, char ret_root[static PATH_MAX])
{
	if (snprintf(ret_root, PATH_MAX, "%s/bpf", run_dir) >= PATH_MAX)
		*ret_root = '\0';
	else if (!is_bpffs(ret_root) && is_bpffs(LNT_BPF_ROOT))
		snprintf(ret_root, PATH_MAX, "%s", LNT_BPF_ROOT);
}

int lnt_pin_path(
	const char *bpf_root, const char *kind, const char *name, char ret_path[static PATH_MAX])
{
	int n = snprintf(ret_path, PATH_MAX, "%s/linnet/v%d%s%s%s%s", bpf_root, LNT_ABI_VERSION,
		*kind ? "/" : "", kind, *name ? "/" : "", name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int mkdir_one(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int lnt_pin_mkdirs(const char *bpf_root)
{
	static const char *const kinds[] = {"", "maps", "progs", "links", "iters"};
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/linnet", bpf_root) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = mkdir_one(path);
	for (size_t i = 0; !r && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		r = lnt_pin_path(bpf_root, kinds[i], "", path);
		if (!r)
			r = mkdir_one(path);
	}
	return r;
}
