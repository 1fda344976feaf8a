/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of file.h. */
#include "lib/file.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

int lnt_mkdirs(const char *path, mode_t mode, struct lnt_err *e)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (!mkdir(path, mode) || errno == EEXIST)
		return 0;
	if (errno != ENOENT || len >= sizeof(part))
		return lnt_err_sys(e, -errno, "make folder %s", path);
	memcpy(part, path, len + 1);
	for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, mode) && errno != EEXIST)
			return lnt_err_sys(e, -errno, "make folder %s", part);
		*p = '/';
	}
	if (mkdir(path, mode) && errno != EEXIST)
		return lnt_err_sys(e, -errno, "make folder %s", path);
	return 0;
}

int lnt_fd_read(
	int fd, size_t max, const char *what, struct lnt_err *e, char **ret_data, size_t *ret_len)
{
	_cleanup_free_ char *buf = NULL;
	size_t len = 0, room = 0;

	for (;;) {
		ssize_t n;

		if (room - len < 2) {
			char *grown = realloc(buf, room ? room * 2 : 16384);

			if (!grown)
				return lnt_err_sys(e, -ENOMEM, "read %s", what);
			buf = grown;
			room = room ? room * 2 : 16384;
		}
		n = read(fd, buf + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lnt_err_sys(e, -errno, "read %s", what);
		if (!n)
			break;
		len += (size_t)n;
		if (len > max)
			return lnt_err_set(e, -EFBIG, "%s is larger than %zu bytes", what, max);
	}
	buf[len] = '\0';
	*ret_data = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

int lnt_file_read(const char *path, size_t max, struct lnt_err *e, char **ret_data, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : lnt_err_sys(e, -errno, "open %s", path);
	return lnt_fd_read(fd, max, path, e, ret_data, ret_len);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int lnt_file_replace(const char *path, const void *data, size_t len, struct lnt_err *e)
{
	_cleanup_close_ int fd = -1;
	char tmp[PATH_MAX];
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp))
		return lnt_err_sys(e, -ENAMETOOLONG, "write %s", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return lnt_err_sys(e, -errno, "create %s", tmp);
	r = write_all(fd, data, len);
	if (!r && rename(tmp, path))
		r = -errno;
	if (r) {
		unlink(tmp);
		return lnt_err_sys(e, r, "write %s", path);
	}
	return 0;
}

int lnt_file_write(const char *path, const char *text, struct lnt_err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0)
		return lnt_err_sys(e, -errno, "open %s", path);
	if (write(fd, text, len) != (ssize_t)len)
		return lnt_err_sys(e, errno ? -errno : -EIO, "write %s to %s", text, path);
	return 0;
}

int lnt_file_remove(const char *path, struct lnt_err *e)
{
	if (unlink(path) && errno != ENOENT)
		return lnt_err_sys(e, -errno, "remove %s", path);
	return 0;
}

int lnt_file_lock(const char *path, struct lnt_err *e, int *ret_fd)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return lnt_err_sys(e, -errno, "open lock %s", path);
	do
		r = flock(fd, LOCK_EX);
	while (r && errno == EINTR);
	if (r)
		return lnt_err_sys(e, -errno, "lock %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
