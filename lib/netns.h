/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Network namespaces. The only place where setns(2) is called: the thread is in another namespace
 * for the length of one of these calls or of a _cleanup_netns_ scope, and never stays there. A
 * thread that cannot come back ends the process, because whatever it did next would hit the wrong
 * node.
 */
#include "lib/cleanup.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Opens @path, which must be a network namespace (nsfs): /proc/<pid>/ns/net or a bind mount of it.
 * Returns 0 with an O_CLOEXEC descriptor that the caller closes, -ENOENT, -EINVAL for anything that
 * is no network namespace, or another -errno. namespaces(7), ioctl_ns(2).
 */
int lnt_netns_open(const char *path, struct lnt_err *e, int *ret_fd);

/* Whether @fd is the namespace that the calling thread is in. */
bool lnt_netns_is_current(int fd);

/*
 * socket(2) in the namespace @fd, or in the current one when @fd is -1. A socket stays in the
 * namespace where it was opened, so that this is all the switching most callers need. SOCK_CLOEXEC
 * is added. Returns the descriptor, which the caller owns, or -errno.
 */
int lnt_netns_socket(int fd, int domain, int type, int protocol);

/*
 * The number by which BPF programs know the namespace @fd (-1: the current one), SO_NETNS_COOKIE
 * (Linux 5.14): never given to another one as long as the node is up. Returns 0 or -errno.
 */
int lnt_netns_cookie(int fd, uint64_t *ret_cookie);

/*
 * Enters @fd for a scope:
 *
 *   _cleanup_netns_ int home = -1;
 *   r = lnt_netns_enter(fd, &home);
 *
 * Only for what has no socket, such as files below /proc/sys/net. Returns 0 or -errno.
 */
int lnt_netns_enter(int fd, int *ret_home);

/* Ends the scope that lnt_netns_enter() began and closes *@home. -1: does nothing. */
void lnt_netns_leave(int *home);

#define _cleanup_netns_ _cleanup_(lnt_netns_leave)
