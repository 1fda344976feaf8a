/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * What the programs of bpf/sockdestroy.bpf.c and user space tell each other. No part of the pinned
 * ABI: both are of one build, loaded together.
 */
#include <linux/in6.h>
#include <linux/types.h>

/* A socket that the socket hooks have turned from a service to a backend. */
struct lnt_sock {
	__u64 cookie; /* SO_COOKIE: of this socket and no other, as long as the node is up */
	struct in6_addr laddr; /* its own address */
	struct in6_addr raddr; /* the backend's */
	__be16 lport;
	__be16 rport;
	__u32 netns;   /* inode number of its network namespace */
	__u32 ifindex; /* of the device that it is bound to; 0: none */
	__u16 proto;   /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 family;   /* of the socket; an AF_INET6 one may speak mapped IPv4 */
	__u8 state;    /* as in linux/tcp_states.h */
};
_Static_assert(sizeof(struct lnt_sock) == 56, "lnt_sock has padding");
