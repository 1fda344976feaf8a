/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Services at the socket: connect and sendmsg are turned from a service to one of its backends
 * before a packet exists; recvmsg and getpeername show the service again; bind of what is a
 * NodePort on this node is refused to the node's own processes. Both families are one code:
 * addresses are 16 bytes, and an IPv6 socket that speaks mapped IPv4 needs no case of its own.
 */
#include "datapath/bpf/decide.h"

#define SOCK_OK	      1
#define SOCK_REFUSE   0
#define EADDRINUSE_   98
#define ECONNREFUSED_ 111

static __always_inline void sock_addr_get(
	const struct bpf_sock_addr *ctx, bool is4, struct in6_addr *addr)
{
	if (is4) {
		addr_set4(addr, ctx->user_ip4);
		return;
	}
	addr->s6_addr32[0] = ctx->user_ip6[0];
	addr->s6_addr32[1] = ctx->user_ip6[1];
	addr->s6_addr32[2] = ctx->user_ip6[2];
	addr->s6_addr32[3] = ctx->user_ip6[3];
}

static __always_inline void sock_addr_set(
	struct bpf_sock_addr *ctx, bool is4, const struct in6_addr *addr, __be16 port)
{
	if (is4) {
		ctx->user_ip4 = addr->s6_addr32[3];
	} else {
		ctx->user_ip6[0] = addr->s6_addr32[0];
		ctx->user_ip6[1] = addr->s6_addr32[1];
		ctx->user_ip6[2] = addr->s6_addr32[2];
		ctx->user_ip6[3] = addr->s6_addr32[3];
	}
	ctx->user_port = port;
}

static __always_inline int sock_refuse(void)
{
	count(LNT_CNT_SOCK_REFUSED);
	if (cfg.has_set_retval)
		bpf_set_retval(-ECONNREFUSED_);
	return SOCK_REFUSE;
}

/* The socket's network namespace: the hooks see the sockets of all. NULL: none of ours. */
static __always_inline struct lnt_netns_value *sock_netns(struct bpf_sock_addr *ctx)
{
	__u64 cookie = bpf_get_netns_cookie(ctx);

	return bpf_map_lookup_elem(&netns, &cookie);
}

/*
 * The service that a socket's address is. None is for a namespace that is not ours or opted out; a
 * loopback address is the node's in its own namespace only.
 */
static __always_inline struct lnt_service_value *sock_service(
	struct bpf_sock_addr *ctx, const struct in6_addr *addr)
{
	struct lnt_service_value *svc =
		service_find(addr, (__be16)ctx->user_port, (__u8)ctx->protocol);
	struct lnt_netns_value *ns;

	if (!svc)
		return NULL;
	ns = sock_netns(ctx);
	if (!ns)
		return NULL;
	return svc->flags & LNT_SVC_HOST_ONLY && !(ns->flags & LNT_NETNS_HOST) ? NULL : svc;
}

/*
 * The backend that a socket of this namespace gets for the service at (@addr, ctx->user_port), by
 * slot @pick modulo their number. Returns false with *ret_is_service for a service that has none.
 */
static __always_inline bool sock_backend(struct bpf_sock_addr *ctx, const struct in6_addr *addr,
	__u32 pick, bool *ret_is_service, struct backend *ret_backend)
{
	struct lnt_service_value *svc = sock_service(ctx, addr);

	*ret_is_service = !!svc;
	if (!svc || !svc->count)
		return false;
	if (svc->affinity) {
		struct lnt_affinity_key client = {};

		client.client[0] = bpf_get_netns_cookie(ctx);
		client.set = svc->set;
		return backend_of_client(&client, svc->affinity, pick % svc->count, ret_backend);
	}
	return backend_at(svc->set, pick % svc->count, ret_backend);
}

static __always_inline int sock_connect(struct bpf_sock_addr *ctx, bool is4)
{
	struct lnt_sock_peer *peer;
	struct backend backend = {};
	struct in6_addr addr;
	bool is_service, found;

	sock_addr_get(ctx, is4, &addr);
	found = sock_backend(ctx, &addr, bpf_get_prandom_u32(), &is_service, &backend);
	if (!is_service) {
		/* A datagram socket may be connected again, to something that is no service. */
		if (ctx->protocol == IPPROTO_UDP)
			bpf_sk_storage_delete(&sock_peer, ctx->sk);
		return SOCK_OK;
	}
	if (!found)
		return sock_refuse();
	peer = bpf_sk_storage_get(&sock_peer, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (peer) {
		peer->service_addr = addr;
		peer->service_port = (__be16)ctx->user_port;
		peer->backend_addr = backend.addr;
		peer->backend_port = backend.port;
	} else {
		count(LNT_CNT_SOCK_STATE_FULL);
	}
	sock_addr_set(ctx, is4, &backend.addr, backend.port);
	count(LNT_CNT_SOCK_TRANSLATED);
	return SOCK_OK;
}

/* An unconnected socket keeps to one backend of a service, as a connection would. */
static __always_inline int sock_sendmsg(struct bpf_sock_addr *ctx, bool is4)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct lnt_sock_rev_value rv = {}, *known;
	struct lnt_sock_rev_key rk = {};
	struct backend backend = {};
	struct in6_addr addr;
	bool is_service, found;

	sock_addr_get(ctx, is4, &addr);
	found = sock_backend(ctx, &addr,
		mix(mix((__u32)cookie, (__u32)(cookie >> 32)), ctx->user_port), &is_service,
		&backend);
	if (!is_service)
		return SOCK_OK;
	if (!found)
		return sock_refuse();
	rk.cookie = cookie;
	rk.backend_addr = backend.addr;
	rk.backend_port = backend.port;
	rv.addr = addr;
	rv.port = (__be16)ctx->user_port;
	known = bpf_map_lookup_elem(&sock_rev, &rk);
	if (!known || !addr_eq(&known->addr, &rv.addr) || known->port != rv.port) {
		if (bpf_map_update_elem(&sock_rev, &rk, &rv, BPF_ANY))
			count(LNT_CNT_SOCK_STATE_FULL);
	}
	sock_addr_set(ctx, is4, &backend.addr, backend.port);
	count(LNT_CNT_SOCK_TRANSLATED);
	return SOCK_OK;
}

/* What a socket is shown instead of its backend. */
struct sock_name {
	struct in6_addr addr;
	__be16 port;
};

/* The service behind which a connected socket's peer (in @ctx) stands. False: behind none. */
static __always_inline bool sock_peer_name(
	struct bpf_sock_addr *ctx, bool is4, struct sock_name *ret_name)
{
	struct lnt_sock_peer *peer;
	struct in6_addr addr;

	if (!ctx->sk)
		return false;
	peer = bpf_sk_storage_get(&sock_peer, ctx->sk, NULL, 0);
	if (!peer)
		return false;
	sock_addr_get(ctx, is4, &addr);
	if (peer->backend_port != (__be16)ctx->user_port || !addr_eq(&peer->backend_addr, &addr))
		return false;
	ret_name->addr = peer->service_addr;
	ret_name->port = peer->service_port;
	return true;
}

/* The service to which an unconnected socket sent what @ctx's peer answers. False: none. */
static __always_inline bool sock_rev_name(
	struct bpf_sock_addr *ctx, bool is4, struct sock_name *ret_name)
{
	struct lnt_sock_rev_key rk = {};
	struct lnt_sock_rev_value *rv;

	rk.cookie = bpf_get_socket_cookie(ctx);
	sock_addr_get(ctx, is4, &rk.backend_addr);
	rk.backend_port = (__be16)ctx->user_port;
	rv = bpf_map_lookup_elem(&sock_rev, &rk);
	if (!rv)
		return false;
	ret_name->addr = rv->addr;
	ret_name->port = rv->port;
	return true;
}

static __always_inline int sock_recvmsg(struct bpf_sock_addr *ctx, bool is4)
{
	struct sock_name name;

	if (sock_peer_name(ctx, is4, &name) || sock_rev_name(ctx, is4, &name))
		sock_addr_set(ctx, is4, &name.addr, name.port);
	return SOCK_OK;
}

static __always_inline int sock_getpeername(struct bpf_sock_addr *ctx, bool is4)
{
	struct sock_name name;

	if (sock_peer_name(ctx, is4, &name))
		sock_addr_set(ctx, is4, &name.addr, name.port);
	return SOCK_OK;
}

/* Whether a NodePort of the family of @any, the unspecified address, is served on this node. */
static __always_inline bool port_is_reserved(const struct in6_addr *any, __be16 port, __u8 proto)
{
	struct lnt_service_key key = {};

	key.addr = *any;
	key.port = port;
	key.proto = proto;
	key.kind = LNT_FRONTEND_RESERVED;
	return bpf_map_lookup_elem(&services, &key);
}

/*
 * A socket of the node's own at a NodePort would get nothing from outside, or, before linnet runs
 * again, what is the service's. The kernel's own choice (port 0) is not looked at: it comes from
 * the ephemeral range. An IPv6 socket at the unspecified address takes IPv4 as well, or may.
 */
static __always_inline int sock_bind(struct bpf_sock_addr *ctx, bool is4)
{
	struct in6_addr addr, any4, any6 = {};
	__be16 port = (__be16)ctx->user_port;
	__u8 proto = (__u8)ctx->protocol;
	struct lnt_service_key key = {};
	struct lnt_netns_value *ns;

	if (!port)
		return SOCK_OK;
	ns = sock_netns(ctx);
	if (!ns || !(ns->flags & LNT_NETNS_HOST))
		return SOCK_OK;
	sock_addr_get(ctx, is4, &addr);
	addr_set4(&any4, 0);
	if (addr_eq(&addr, &any4)) {
		if (!port_is_reserved(&any4, port, proto))
			return SOCK_OK;
	} else if (addr_eq(&addr, &any6)) {
		if (!port_is_reserved(&any6, port, proto) && !port_is_reserved(&any4, port, proto))
			return SOCK_OK;
	} else {
		key.addr = addr;
		key.port = port;
		key.proto = proto;
		if (!bpf_map_lookup_elem(&services, &key) ||
			(addr_is4(&addr) ? !port_is_reserved(&any4, port, proto)
					 : !port_is_reserved(&any6, port, proto)))
			return SOCK_OK;
	}
	count(LNT_CNT_BIND_REFUSED);
	if (cfg.has_set_retval)
		bpf_set_retval(-EADDRINUSE_);
	return SOCK_REFUSE;
}
