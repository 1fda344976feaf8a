/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Address and port rewriting in place, for both families, with checksums kept (also those that the
 * device will finish). Used for masquerading and for services that are translated per packet.
 */
#include "datapath/bpf/crc32c.h"
#include "datapath/bpf/packet.h"

enum nat_side {
	NAT_SOURCE,
	NAT_DESTINATION
};

/* Offset of the L4 checksum from the L4 header, or -1 where there is none of that kind to keep. */
static __always_inline int l4_csum_off(__u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return -1;
	}
}

/* Whether packets of the protocol can be told apart and given back by what nat_rewrite() changes.
 */
static __always_inline bool nat_knows(__u8 proto)
{
	return l4_csum_off(proto) >= 0 || proto == IPPROTO_SCTP;
}

static __always_inline __u32 addr_off(bool is4, enum nat_side side)
{
	if (is4)
		return side == NAT_SOURCE ? 12 : 16;
	return side == NAT_SOURCE ? 8 : 24;
}

/* Writes one address of the IP header at @l3_off. Returns its checksum difference, or -1. */
static __noinline __s64 nat_addr(
	struct __sk_buff *ctx, __u32 l3_off, bool is4, __u32 side, const struct in6_addr *to)
{
	struct in6_addr old = {};
	__u32 off = l3_off + addr_off(is4, side);
	__s64 diff;

	if (!to)
		return -1;
	if (!is4) {
		if (bpf_skb_load_bytes(ctx, off, &old, 16))
			return -1;
		diff = bpf_csum_diff(old.s6_addr32, 16, (__be32 *)to->s6_addr32, 16, 0);
		if (bpf_skb_store_bytes(ctx, off, to, 16, 0))
			return -1;
		return diff;
	}
	if (bpf_skb_load_bytes(ctx, off, &old, 4))
		return -1;
	diff = bpf_csum_diff(old.s6_addr32, 4, (__be32 *)&to->s6_addr32[3], 4, 0);
	if (bpf_skb_store_bytes(ctx, off, &to->s6_addr32[3], 4, 0) ||
		bpf_l3_csum_replace(ctx, l3_off + 10, 0, diff, 0))
		return -1;
	return diff;
}

/* Where the port of that side stands in the L4 header; ICMP echo has one identifier. */
static __always_inline int port_off(__u8 proto, enum nat_side side)
{
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return 4;
	return side == NAT_SOURCE ? 0 : 2;
}

static __noinline int nat_port(
	struct __sk_buff *ctx, __u32 l4_off, __u32 proto, __u32 side, __u32 to)
{
	int csum = l4_csum_off((__u8)proto);
	__u32 off = l4_off + port_off((__u8)proto, side);
	__be16 old, port = (__be16)to;

	if (csum < 0 || bpf_skb_load_bytes(ctx, off, &old, 2))
		return -1;
	if (old == port)
		return 0;
	if (bpf_l4_csum_replace(ctx, l4_off + csum, old, port,
		    2 | (proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0)))
		return -1;
	return bpf_skb_store_bytes(ctx, off, &port, 2, 0) ? -1 : 0;
}

/*
 * Whether the checksum of SCTP at @l4_off, which is zero, is yet to be made: by the device that
 * sends the packet out or, where none does, never. Local sockets leave it so, and it must stay
 * zero. No field of the packet tells it from a sum that happens to be zero, but helpers that keep
 * checksums leave one that is made later alone: this asks for a change and looks whether there was
 * one.
 */
static __always_inline bool sctp_check_is_late(struct __sk_buff *ctx, __u32 l4_off)
{
	__u32 off = l4_off + offsetof(struct sctp_start, check);
	__be16 now = 0;

	if (bpf_l4_csum_replace(ctx, off, 0, bpf_htons(1), 2) ||
		bpf_skb_load_bytes(ctx, off, &now, sizeof(now)))
		return true;
	return !now;
}

/* A fragment's SCTP checksum is of bytes that are not in it. */
static __always_inline bool is_fragment(struct __sk_buff *ctx, bool is4)
{
	__be16 frag = 0;
	__u8 next = 0;

	if (is4) {
		bpf_skb_load_bytes(ctx, ETH_HLEN_ + 6, &frag, sizeof(frag));
		return frag & bpf_htons(IP_MF | IP_OFFSET);
	}
	bpf_skb_load_bytes(ctx, ETH_HLEN_ + 6, &next, sizeof(next));
	return next == IPPROTO_FRAGMENT;
}

/* SCTP sums up the packet alone, so that only its ports change that. Returns 0, -1 or a reason. */
static __noinline int nat_sctp_port(
	struct __sk_buff *ctx, __u32 l4_off, bool is4, __u32 side, __u32 to)
{
	struct {
		__be16 ports[2];
		__be32 tag;
		__u32 check;
	} h;
	__be16 port = (__be16)to, old;

	if (bpf_skb_load_bytes(ctx, l4_off, &h, sizeof(h)))
		return -1;
	old = side == NAT_SOURCE ? h.ports[0] : h.ports[1];
	if (old == port)
		return 0;
	if (is_fragment(ctx, is4))
		return LNT_DROP_FRAGMENT;
	if (h.check || !sctp_check_is_late(ctx, l4_off)) {
		h.check ^= crc32c_change((__u32)(old ^ port) << (side == NAT_SOURCE ? 0 : 16),
			(__u16)(ip_end(ctx, is4) - l4_off));
		if (bpf_skb_store_bytes(ctx, l4_off + 8, &h.check, sizeof(h.check), 0))
			return -1;
	}
	l4_off += (__u32)port_off(IPPROTO_SCTP, side);
	return bpf_skb_store_bytes(ctx, l4_off, &port, 2, 0) ? -1 : 0;
}

struct nat_args {
	struct in6_addr addr;
	__be16 port;
	__u16 l4_off;
	__u8 side;
	__u8 proto;
	__u8 is4;
	__u8 no_l4; /* a later fragment */
};

static __noinline int nat_one(struct __sk_buff *ctx, const struct nat_args *a)
{
	__u64 flags = BPF_F_PSEUDO_HDR;
	__s64 diff;
	int csum;

	if (!a)
		return -1;
	diff = nat_addr(ctx, ETH_HLEN_, a->is4, a->side, &a->addr);
	if (diff < 0)
		return -1;
	csum = l4_csum_off(a->proto);
	if (a->no_l4)
		return 0;
	if (csum < 0)
		return a->proto == IPPROTO_SCTP
			? nat_sctp_port(ctx, a->l4_off, a->is4, a->side, a->port)
			: -1;
	/* ICMP for IPv4 has no pseudo header. */
	if (a->proto != IPPROTO_ICMP) {
		if (a->proto == IPPROTO_UDP)
			flags |= BPF_F_MARK_MANGLED_0;
		if (bpf_l4_csum_replace(ctx, a->l4_off + csum, 0, diff, flags))
			return -1;
	}
	return nat_port(ctx, a->l4_off, a->proto, a->side, a->port);
}

static __always_inline void nat_args_fill(struct nat_args *a, const struct lnt_flow *f,
	const struct lnt_flow_key *key, __u16 l4_off, bool no_l4)
{
	a->proto = key->proto;
	a->is4 = addr_is4(&key->saddr);
	a->l4_off = l4_off;
	a->no_l4 = no_l4;
}

/*
 * Rewrites a packet of flow @f as it says. Invalidates packet pointers. Returns 0, the reason why
 * it cannot be, or -1.
 */
__noinline int nat_rewrite(struct __sk_buff *ctx, const struct lnt_flow *f,
	const struct lnt_flow_key *key, __u16 l4_off, bool no_l4)
{
	struct nat_args a = {};
	int r;

	if (!f || !key)
		return -1;
	nat_args_fill(&a, f, key, l4_off, no_l4);
	if (f->flags & LNT_F_NAT_SRC) {
		a.addr = f->nat_saddr;
		a.port = f->nat_sport;
		a.side = NAT_SOURCE;
		r = nat_one(ctx, &a);
		if (r)
			return r;
	}
	if (f->flags & LNT_F_NAT_DST) {
		a.addr = f->nat_daddr;
		a.port = f->nat_dport;
		a.side = NAT_DESTINATION;
		return nat_one(ctx, &a);
	}
	return 0;
}

/* One side of the quoted header of an ICMP error: the reverse side of the flow's rewrite. */
static __noinline int nat_quoted_side(struct __sk_buff *ctx, const struct packet *p, __u32 side,
	const struct in6_addr *addr, __u32 port)
{
	__u32 off = p->inner_l4_off + port_off(p->key.proto, side), csum = p->l4_off + 2;
	__be16 old, new = (__be16)port;
	__s64 diff = nat_addr(ctx, p->inner_off, p->is4, side, addr);

	if (diff < 0)
		return -1;
	/*
	 * ICMPv4 covers the quoted header, whose own checksum made up for the address: no change.
	 * ICMPv6 covers the address alone.
	 */
	if (!p->is4 && bpf_l4_csum_replace(ctx, csum, 0, diff, 0))
		return -1;
	if (bpf_skb_load_bytes(ctx, off, &old, 2) || bpf_l4_csum_replace(ctx, csum, old, new, 2))
		return -1;
	return bpf_skb_store_bytes(ctx, off, &new, 2, 0) ? -1 : 0;
}

/* One address of the error itself. Only ICMPv6 has it in its checksum. */
static __noinline int nat_error_outer(
	struct __sk_buff *ctx, const struct packet *p, __u32 side, const struct in6_addr *addr)
{
	__s64 diff = nat_addr(ctx, ETH_HLEN_, p->is4, side, addr);

	if (diff < 0)
		return -1;
	if (!p->is4 && bpf_l4_csum_replace(ctx, p->l4_off + 2, 0, diff, BPF_F_PSEUDO_HDR))
		return -1;
	return 0;
}

/*
 * Rewrites an ICMP error that travels in the direction of @f: its own addresses as a packet of the
 * flow, and the quoted packet, which went the other way, so that its sender knows it again.
 */
__noinline int nat_rewrite_error(
	struct __sk_buff *ctx, const struct lnt_flow *f, const struct packet *p)
{
	if (!f || !p)
		return -1;
	if (f->flags & LNT_F_NAT_DST) {
		if (nat_quoted_side(ctx, p, NAT_SOURCE, &f->nat_daddr, f->nat_dport) ||
			nat_error_outer(ctx, p, NAT_DESTINATION, &f->nat_daddr))
			return -1;
	}
	if (f->flags & LNT_F_NAT_SRC) {
		if (nat_quoted_side(ctx, p, NAT_DESTINATION, &f->nat_saddr, f->nat_sport))
			return -1;
		/* Only the flow's own far end is hidden; a router on the way speaks for itself. */
		if (addr_eq(&p->outer_saddr, &p->key.saddr) &&
			nat_error_outer(ctx, p, NAT_SOURCE, &f->nat_saddr))
			return -1;
	}
	return 0;
}
