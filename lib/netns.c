/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces of netns.h. */
#include "lib/netns.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define CURRENT "/proc/thread-self/ns/net"

int lnt_netns_open(const char *path, struct lnt_err *e, int *ret_fd)
{
	/* Not blocking: a FIFO in its place must not hold us up. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct statfs fs;

	if (fd < 0)
		return lnt_err_sys(e, -errno, "open network namespace %s", path);
	if (fstatfs(fd, &fs))
		return lnt_err_sys(e, -errno, "look at network namespace %s", path);
	if (fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return lnt_err_set(e, -EINVAL, "%s is not a network namespace", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

bool lnt_netns_is_current(int fd)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(CURRENT, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int lnt_netns_enter(int fd, int *ret_home)
{
	_cleanup_close_ int home = open(CURRENT, O_RDONLY | O_CLOEXEC);

	if (home < 0 || setns(fd, CLONE_NEWNET))
		return -errno;
	*ret_home = TAKE_FD(home);
	return 0;
}

void lnt_netns_leave(int *home)
{
	if (*home < 0)
		return;
	if (setns(*home, CLONE_NEWNET)) {
		log_error("return to the network namespace of the node: %s", strerror(errno));
		abort();
	}
	close(*home);
	*home = -1;
}

int lnt_netns_socket(int fd, int domain, int type, int protocol)
{
	_cleanup_netns_ int home = -1;
	int sock, r;

	if (fd >= 0) {
		r = lnt_netns_enter(fd, &home);
		if (r)
			return r;
	}
	sock = socket(domain, type | SOCK_CLOEXEC, protocol);
	return sock < 0 ? -errno : sock;
}

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int lnt_netns_cookie(int fd, uint64_t *ret_cookie)
{
	_cleanup_close_ int sock = lnt_netns_socket(fd, AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*ret_cookie);

	if (sock < 0)
		return sock;
	return getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &len) ? -errno : 0;
}
