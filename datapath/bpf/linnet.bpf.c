// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs. Each is a thin entry; what it does stands in the headers, in the order in which a
 * packet meets them: packet.h (parse) -> flow.h (fast path) -> slow.h -> decide.h (service, route,
 * policy). Sockets: sock.h. Ageing: sweep.h. Before the stack: xdp.h.
 */
#include "datapath/bpf/common.h"
#include "datapath/bpf/slow.h"
#include "datapath/bpf/sock.h"
#include "datapath/bpf/sweep.h"
#include "datapath/bpf/xdp.h"

const volatile struct lnt_config cfg = {};

#define TC_ENTRY(scope, slow)                        \
	struct lnt_flow_key key;                     \
	__u8 flags;                                  \
	int r = flow_fast(ctx, scope, &key, &flags); \
                                                     \
	if (r == FLOW_MISS)                          \
		return slow_miss(ctx, &key, flags);  \
	if (r != FLOW_ODD)                           \
		return r;                            \
	pull_headers(ctx);                           \
	return slow(ctx)

/* From a pod: ingress of the host side of its veth. */
SEC("tc")
int from_pod(struct __sk_buff *ctx)
{
	/* The kernel has taken the tag off, and would put it on again where the packet goes. */
	if (ctx->vlan_present)
		return drop(ctx, LNT_DROP_UNKNOWN_L3);
	TC_ENTRY(ctx->ifindex, slow_from_pod);
}

/* From the host's stack to a pod: egress of the host side of its veth. */
SEC("tc")
int to_pod(struct __sk_buff *ctx)
{
	TC_ENTRY(ctx->ifindex | LNT_SCOPE_TO_POD, slow_to_pod);
}

/* From the wire: ingress of the node's devices. */
SEC("tc")
int from_node(struct __sk_buff *ctx)
{
	/* For a VLAN device on this one, not for this one. */
	if (ctx->vlan_present)
		return LNT_NEXT;
	TC_ENTRY(LNT_SCOPE_NODE, slow_from_node);
}

/*
 * To the wire: egress of the node's devices. Attached only where a service that is open to the
 * outside has a backend that the node's stack answers for; every packet of the node pays for it.
 * With SCTP services also on the loopback device, by which the node asks its own addresses.
 */
SEC("tc")
int to_node(struct __sk_buff *ctx)
{
	struct lnt_flow_key key;
	__u8 flags;
	int r = flow_fast(ctx, LNT_SCOPE_TO_NODE, &key, &flags);

	if (r == FLOW_MISS)
		return slow_miss_to_node(ctx, &key, flags);
	if (r != FLOW_ODD)
		return r;
	pull_headers(ctx);
	return slow_to_node(ctx);
}

/* From the wire, before the stack: node devices whose driver can; from_node gets what this leaves.
 */
SEC("xdp")
int xdp_node(struct xdp_md *ctx)
{
	return xdp_forward(ctx);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return sock_connect(ctx, true);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return sock_connect(ctx, false);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return sock_sendmsg(ctx, true);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return sock_sendmsg(ctx, false);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	return sock_recvmsg(ctx, true);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	return sock_recvmsg(ctx, false);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	return sock_getpeername(ctx, true);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	return sock_getpeername(ctx, false);
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return sock_bind(ctx, true);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	return sock_bind(ctx, false);
}

/* Run by the agent at an interval; see sweep.h. */
SEC("syscall")
int sweep(struct lnt_sweep *s)
{
	struct lnt_sweep work = *s;

	bpf_for_each_map_elem(&flows, sweep_one, &work, 0);
	bpf_for_each_map_elem(&pending, sweep_pending, &work, 0);
	s->seen = work.seen;
	s->removed = work.removed;
	s->to_node = work.to_node;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
