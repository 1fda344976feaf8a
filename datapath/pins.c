/* SPDX-License-Identifier: Apache-2.0 */
/* Pin paths of pins.h. */
#include "datapath/pins.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
