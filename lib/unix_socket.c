/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting, unix_socket.h. */
#include "lib/unix_socket.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <sys/socket.h>

int lnt_unix_connect(const char *dir, const char *name, int flags, int *ret_fd)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;

	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir, name) >=
		(int)sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
