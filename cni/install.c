/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `linnet uninstall DIR` removes the plugin. `linnet install DIR`: the plugin puts a copy of its
 * own file into a folder of plugins, from an image where there is neither a shell nor cp. A runtime
 * may execute the plugin at any moment, so the new file is whole, and on the disk, before it takes
 * the old one's place.
 */
#include "cni/install.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define NAME "linnet"
#define NEW  ".linnet.new"

/* Writes what is left of @from to the end of @to, and to the disk. */
static int copy(int from, int to)
{
	ssize_t n;

	do
		n = sendfile(to, from, NULL, 1 << 20);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 || fchmod(to, 0755) || fsync(to))
		return -errno;
	return 0;
}

int lnt_install(const char *dir, struct lnt_err *e)
{
	_cleanup_close_ int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int to = -1;
	int r;

	if (from < 0)
		return lnt_err_sys(e, -errno, "open /proc/self/exe");
	if (folder < 0)
		return lnt_err_sys(e, -errno, "open folder %s", dir);
	/* One that was killed may have left it. */
	if (unlinkat(folder, NEW, 0) && errno != ENOENT)
		return lnt_err_sys(e, -errno, "remove %s/" NEW, dir);
	to = openat(folder, NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (to < 0)
		return lnt_err_sys(e, -errno, "create %s/" NEW, dir);
	r = copy(from, to);
	if (!r && renameat(folder, NEW, folder, NAME))
		r = -errno;
	if (r) {
		unlinkat(folder, NEW, 0);
		return lnt_err_sys(e, r, "write %s/" NAME, dir);
	}
	return fsync(folder) ? lnt_err_sys(e, -errno, "sync folder %s", dir) : 0;
}

int lnt_uninstall(const char *dir, struct lnt_err *e)
{
	static const char *const names[] = {NAME, NEW};
	_cleanup_close_ int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return lnt_err_sys(e, -errno, "open folder %s", dir);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (unlinkat(folder, names[i], 0) && errno != ENOENT)
			return lnt_err_sys(e, -errno, "remove %s/%s", dir, names[i]);
	return 0;
}
