/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The client's side of a unix socket (SOCK_STREAM). */
#include <sys/un.h>

/* What a path may have at most, without the end. */
#define LNT_UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/*
 * Connects to "<dir>/<name>". @flags: SOCK_NONBLOCK or 0. Returns 0 with a descriptor that the
 * caller closes, or -ENAMETOOLONG, or another -errno: -ENOENT and -ECONNREFUSED mean that nobody
 * listens.
 */
int lnt_unix_connect(const char *dir, const char *name, int flags, int *ret_fd);
