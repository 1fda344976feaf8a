/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Where packets go that leave the node: the node's own routing table decides (slow path only). */
#include "datapath/bpf/flow.h"

static __always_inline bool is_node_device(__u32 ifindex)
{
	for (__u32 i = 0; i < LNT_MAX_DEVICES; i++) {
		if (i < cfg.n_devices && cfg.devices[i] == ifindex)
			return true;
	}
	return false;
}

/* Addresses that mean something on one host or one link only; no router passes them on. */
static __always_inline bool addr_stays(const struct in6_addr *a)
{
	if (addr_is4(a))
		return a->s6_addr[12] == 127 || !a->s6_addr32[3];
	if (a->s6_addr[0] == 0xfe)
		return (a->s6_addr[1] & 0xc0) == 0x80;
	return !a->s6_addr32[0] && !a->s6_addr32[1] && !a->s6_addr32[2] &&
		bpf_ntohl(a->s6_addr32[3]) <= 1;
}

/*
 * Routes from a pod (behind @ifindex) to @daddr and fills action, ifindex and nexthop of @f.
 * Destinations that the node itself owns, and devices that linnet does not serve, go through the
 * stack. Returns a drop reason, LNT_DROP_NONE when routed.
 */
static __noinline int route(struct __sk_buff *ctx, const struct in6_addr *saddr,
	const struct in6_addr *daddr, __u32 ifindex, struct lnt_flow *f)
{
	struct bpf_fib_lookup fib = {};
	long r;

	if (!saddr || !daddr || !f)
		return LNT_DROP_INTERNAL;
	fib.ifindex = ifindex;
	if (addr_is4(daddr)) {
		fib.family = AF_INET;
		fib.ipv4_src = saddr->s6_addr32[3];
		fib.ipv4_dst = daddr->s6_addr32[3];
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, saddr, 16);
		__builtin_memcpy(fib.ipv6_dst, daddr, 16);
	}
	r = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (r == BPF_FIB_LKUP_RET_NOT_FWDED || r == BPF_FIB_LKUP_RET_UNSUPP_LWT) {
		f->action = LNT_ACT_STACK;
		return LNT_DROP_NONE;
	}
	if (r != BPF_FIB_LKUP_RET_SUCCESS && r != BPF_FIB_LKUP_RET_NO_NEIGH)
		return LNT_DROP_NO_ROUTE;
	if (!is_node_device(fib.ifindex)) {
		f->action = LNT_ACT_STACK;
		return LNT_DROP_NONE;
	}
	f->action = LNT_ACT_NEIGH;
	f->ifindex = fib.ifindex;
	f->family = fib.family;
	if (fib.family == AF_INET)
		addr_set4(&f->nexthop, fib.ipv4_dst);
	else
		__builtin_memcpy(&f->nexthop, fib.ipv6_dst, 16);
	return LNT_DROP_NONE;
}
