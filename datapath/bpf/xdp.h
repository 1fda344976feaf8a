/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Services for clients from outside, before the stack: a packet of a flow that came off the wire
 * and leaves by it again (a client's to a backend on another node, and the backend's answers) is
 * rewritten where the driver has put it and sent out. from_node decides flows, and nobody else:
 * whatever is not of a flow that is known and true, or not of the plainest shape, is passed on
 * untouched and meets there what it would meet without XDP.
 */
#include "datapath/bpf/flow.h"

/* What a flow may ask for to be served here. */
#define XDP_FLOW_FLAGS \
	(LNT_F_REPLY | LNT_F_FIN | LNT_F_RST | LNT_F_NAT_SRC | LNT_F_NAT_DST | LNT_F_DSR)

/* A one's complement sum (RFC 1071), in whatever byte order its words are. */
static __always_inline __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* A checksum over data whose sum has grown by @diff (RFC 1624, 3). */
static __always_inline __u16 check_grow(__u16 check, __u64 diff)
{
	return (__u16)~sum_fold((__u16)~check + diff);
}

/* What an address adds to a sum. The prefix of a mapped one adds nothing: 0xffff is zero there. */
static __always_inline __u64 sum_addr(const struct in6_addr *a)
{
	return (__u64)a->s6_addr32[0] + a->s6_addr32[1] + a->s6_addr32[2] + a->s6_addr32[3];
}

static __always_inline __u64 sum_addr_change(const struct in6_addr *from, const struct in6_addr *to)
{
	__u64 sum = 0;

	for (int i = 0; i < 4; i++)
		sum += (__u64)(__u32)~from->s6_addr32[i] + to->s6_addr32[i];
	return sum;
}

/* Where the L4 checksum is; NULL: of a protocol that is not served here. */
static __always_inline __u16 *xdp_check(void *l4, const void *end, __u8 proto)
{
	if (proto == IPPROTO_TCP && l4 + sizeof(struct tcphdr) <= end)
		return &((struct tcphdr *)l4)->check;
	if (proto == IPPROTO_UDP && l4 + sizeof(struct udphdr) <= end)
		return &((struct udphdr *)l4)->check;
	return NULL;
}

/* The length of the IP packet by its own account; 0: it has more than the frame has, or it has no
 * hop left to give. */
static __always_inline __u32 xdp_len(struct xdp_md *ctx, bool is4, const void *l3, const void *end)
{
	const struct ipv6hdr *ip6 = l3;
	const struct iphdr *ip = l3;
	__u32 len, frame = (__u32)(end - l3);

	if (is4) {
		if ((const void *)(ip + 1) > end || ip->ttl <= 1)
			return 0;
		len = bpf_ntohs(ip->tot_len);
	} else {
		if ((const void *)(ip6 + 1) > end || ip6->hop_limit <= 1)
			return 0;
		len = bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
	}
	if (len > frame && cfg.has_xdp_frags)
		frame = (__u32)bpf_xdp_get_buff_len(ctx) - ETH_HLEN_;
	return len > frame ? 0 : len;
}

/*
 * Whether the sender has left the checksum to its device, as veth and other devices without a wire
 * hand it on: the field then holds the sum of the pseudo header. A packet has no means here to say
 * so, and none to have it completed. Right by chance once in 65,535: that packet takes the longer
 * way.
 */
static __always_inline bool xdp_check_is_partial(
	__u16 check, const struct lnt_flow_key *key, __u32 l4_len)
{
	return sum_fold(sum_addr(&key->saddr) + sum_addr(&key->daddr) + bpf_htonl(key->proto) +
		       bpf_htonl(l4_len)) == check;
}

/* The key of the packet as it leaves. */
static __always_inline void xdp_translate(const struct lnt_flow *f, struct lnt_flow_key *key)
{
	if (f->flags & LNT_F_NAT_SRC) {
		key->saddr = f->nat_saddr;
		key->sport = f->nat_sport;
	}
	if (f->flags & LNT_F_NAT_DST) {
		key->daddr = f->nat_daddr;
		key->dport = f->nat_dport;
	}
}

/*
 * The next hop's MACs, as the node's routing has them now: the neighbour must be known, the packet
 * must fit, and the way must be the flow's. Else from_node resolves it, or has the sender told.
 */
static __always_inline bool xdp_next_hop(struct xdp_md *ctx, const struct lnt_flow *f,
	const struct lnt_flow_key *to, __u32 len, struct bpf_fib_lookup *fib)
{
	fib->ifindex = ctx->ingress_ifindex;
	fib->tot_len = (__u16)len;
	if (addr_is4(&to->daddr)) {
		fib->family = AF_INET;
		fib->ipv4_src = to->saddr.s6_addr32[3];
		fib->ipv4_dst = to->daddr.s6_addr32[3];
	} else {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, &to->saddr, 16);
		__builtin_memcpy(fib->ipv6_dst, &to->daddr, 16);
	}
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0) == BPF_FIB_LKUP_RET_SUCCESS &&
		fib->ifindex == f->ifindex;
}

/* Addresses, ports and checksums. Whether the family's header ends before @end is known here, but
 * not to the verifier. */
static __always_inline void xdp_rewrite(void *l3, void *l4, const void *end, __u16 *check,
	const struct lnt_flow_key *from, const struct lnt_flow_key *to)
{
	__u64 diff = sum_addr_change(&from->saddr, &to->saddr) +
		sum_addr_change(&from->daddr, &to->daddr);
	__be16 *ports = l4;

	if (addr_is4(&from->saddr)) {
		struct iphdr *ip = l3;

		ip->check = check_grow(ip->check, diff);
		ip->saddr = to->saddr.s6_addr32[3];
		ip->daddr = to->daddr.s6_addr32[3];
	} else if (l3 + sizeof(struct ipv6hdr) <= end) {
		struct ipv6hdr *ip6 = l3;

		ip6->saddr = to->saddr;
		ip6->daddr = to->daddr;
	}
	diff += (__u64)(__u16)~from->sport + to->sport + (__u16)~from->dport + to->dport;
	ports[0] = to->sport;
	ports[1] = to->dport;
	if (from->proto == IPPROTO_TCP) {
		*check = check_grow(*check, diff);
	} else if (*check) {
		/* RFC 768: none is zero, and a sum of zero is its complement. */
		*check = check_grow(*check, diff);
		if (!*check)
			*check = 0xffff;
	}
}

/*
 * Whether the flow's packets are for here. The first one after a sweep is not: the stack sends it,
 * and so finds out whether the next hop is still there, which a packet from here does not ask.
 */
static __always_inline bool xdp_serves(const struct lnt_flow *f, __u8 flags)
{
	return f->epoch == epoch_now() && f->action == LNT_ACT_NEIGH &&
		!(f->flags & ~XDP_FLOW_FLAGS) && !f->idle && !(flags & PKT_SYN);
}

static __always_inline int xdp_forward(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct bpf_fib_lookup fib = {};
	struct lnt_flow_key key, to;
	struct ethhdr *eth = data;
	void *l3 = data + ETH_HLEN_, *l4;
	struct lnt_flow *f;
	__u16 *check;
	__u8 flags;
	__u32 len;

	if (!parse_fast_at(data, end, LNT_SCOPE_NODE, &key, &flags))
		return XDP_PASS;
	f = bpf_map_lookup_elem(&flows, &key);
	if (!f || !xdp_serves(f, flags))
		return XDP_PASS;
	l4 = data + fast_l4_off(&key);
	len = xdp_len(ctx, addr_is4(&key.saddr), l3, end);
	check = xdp_check(l4, end, key.proto);
	if (!len || !check || xdp_check_is_partial(*check, &key, (__u32)(len - (l4 - l3))))
		return XDP_PASS;
	to = key;
	xdp_translate(f, &to);
	if (!xdp_next_hop(ctx, f, &to, len, &fib))
		return XDP_PASS;
	if (fib.ifindex != ctx->ingress_ifindex && !bpf_map_lookup_elem(&xdp_out, &fib.ifindex))
		return XDP_PASS;
	hop_decrement(data);
	xdp_rewrite(l3, l4, end, check, &key, &to);
	mac_copy(eth->h_dest, fib.dmac);
	mac_copy(eth->h_source, fib.smac);
	flow_mark(f, len + ETH_HLEN_, flags);
	count(LNT_CNT_XDP_FORWARDED);
	if (fib.ifindex == ctx->ingress_ifindex && !cfg.xdp_by_redirect)
		return XDP_TX;
	return (int)bpf_redirect(fib.ifindex, 0);
}
