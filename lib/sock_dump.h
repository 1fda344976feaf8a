/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The sockets of this network namespace (sock_diag(7)). */
#include "lib/addr.h"

#include <linux/types.h>

struct lnt_sock {
	struct in6_addr local, remote;
	__be16 local_port, remote_port;
	bool dual; /* an IPv6 socket that takes IPv4 as well */
	uint32_t inode;
};

typedef void (*lnt_sock_fn)(const struct lnt_sock *s, void *ctx);

/*
 * Calls @take for each socket of @proto, of both families, that is in one of @states, a sum of
 * 1u << TCP_LISTEN and so on; an unconnected socket of UDP is in TCP_CLOSE. Returns 0 or -errno: a
 * protocol without a diag module is -ENOENT.
 */
int lnt_sock_dump(uint8_t proto, uint32_t states, lnt_sock_fn take, void *ctx);
