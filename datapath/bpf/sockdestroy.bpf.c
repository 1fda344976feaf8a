// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sockets whose backend is gone (datapath/sockdestroy.h). An object of its own, because it needs
 * the kernel's BTF and, for two of its programs, a kernel function of 6.5; the datapath needs
 * neither. The kernel's types are declared as far as they are used; libbpf finds the real offsets.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath/abi.h"
#include "datapath/sockdestroy_abi.h"

#ifndef AF_INET
#define AF_INET 2
#endif

/* linux/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_LISTEN = 10,
	TCP_NEW_SYN_RECV = 12,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
};

struct seq_file;
struct udp_sock;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

#pragma clang attribute pop

/* Weak: where it is missing the programs that call it are not loaded. */
extern int bpf_sock_destroy(struct sock_common *sk) __ksym __weak;

/* Sockets to end, by cookie. Written by the agent for the length of a run, read below. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u8);
} doomed SEC(".maps");

static __always_inline void mapped(struct in6_addr *ret, __be32 v4)
{
	ret->s6_addr32[2] = bpf_htonl(0xffff);
	ret->s6_addr32[3] = v4;
}

/* Has a peer: neither listening nor closed, nor one of the small stand-ins without storage. */
static __always_inline bool has_peer(__u8 state)
{
	return state != TCP_CLOSE && state != TCP_LISTEN && state != TCP_TIME_WAIT &&
		state != TCP_NEW_SYN_RECV;
}

static __always_inline bool same_addr(const struct in6_addr *a, const struct in6_addr *b)
{
	return a->s6_addr32[0] == b->s6_addr32[0] && a->s6_addr32[1] == b->s6_addr32[1] &&
		a->s6_addr32[2] == b->s6_addr32[2] && a->s6_addr32[3] == b->s6_addr32[3];
}

/*
 * Over sock_peer, in all network namespaces at once: writes a struct lnt_sock for each socket that
 * is connected to the backend that its storage names. One that has been disconnected since, or
 * connected to something else, is left out.
 */
SEC("iter/bpf_sk_storage_map")
int sock_find(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct lnt_sock_peer *peer = ctx->value;
	struct sock *sk = ctx->sk;
	struct lnt_sock s = {};

	if (!sk || !peer)
		return 0;
	s.state = sk->__sk_common.skc_state;
	s.rport = sk->__sk_common.skc_dport;
	if (!has_peer(s.state) || s.rport != peer->backend_port)
		return 0;
	s.family = (__u8)sk->__sk_common.skc_family;
	if (s.family == AF_INET) {
		mapped(&s.raddr, sk->__sk_common.skc_daddr);
		mapped(&s.laddr, sk->__sk_common.skc_rcv_saddr);
	} else {
		s.raddr = sk->__sk_common.skc_v6_daddr;
		s.laddr = sk->__sk_common.skc_v6_rcv_saddr;
	}
	if (!same_addr(&s.raddr, &peer->backend_addr))
		return 0;
	s.lport = bpf_htons(sk->__sk_common.skc_num);
	s.proto = sk->sk_protocol;
	s.ifindex = (__u32)sk->__sk_common.skc_bound_dev_if;
	s.netns = sk->__sk_common.skc_net.net->ns.inum;
	s.cookie = bpf_get_socket_cookie(sk);
	bpf_seq_write(ctx->meta->seq, &s, sizeof(s));
	return 0;
}

static __always_inline void end_if_doomed(struct sock_common *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);

	if (bpf_map_lookup_elem(&doomed, &cookie))
		bpf_sock_destroy(sk);
}

/* Over the TCP sockets of the namespace in which it is opened, each locked. */
SEC("iter/tcp")
int sock_end_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;

	if (sk && has_peer(sk->skc_state))
		end_if_doomed(sk);
	return 0;
}

/* The same for UDP. */
SEC("iter/udp")
int sock_end_udp(struct bpf_iter__udp *ctx)
{
	struct sock_common *sk = (struct sock_common *)ctx->udp_sk;

	if (sk && sk->skc_state == TCP_ESTABLISHED)
		end_if_doomed(sk);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
