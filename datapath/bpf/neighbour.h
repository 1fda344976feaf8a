/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * ARP and neighbour discovery on a pod's device. A pod's questions are answered here, for every
 * address but its own: its neighbour is always the host side of its veth. What a pod says of
 * others, or as a router, is dropped.
 */
#include "datapath/bpf/flow.h"

struct arp_ipv4 {
	__be16 hw_type;
	__be16 proto;
	__u8 hw_len;
	__u8 proto_len;
	__be16 op;
	__u8 sha[6];
	__u8 spa[4];
	__u8 tha[6];
	__u8 tpa[4];
} __attribute__((packed));

/* Whether @addr is one of the pod behind @ifindex. */
static __always_inline bool addr_of_pod(const struct in6_addr *addr, __u32 ifindex)
{
	struct lnt_endpoint_value *ep = bpf_map_lookup_elem(&endpoints, addr);

	return ep && ep->ifindex == ifindex;
}

static __always_inline bool addr_is_link_local(const struct in6_addr *addr)
{
	return addr->s6_addr[0] == 0xfe && (addr->s6_addr[1] & 0xc0) == 0x80;
}

/* Whether neighbour discovery to @addr ends on this link: it must not be forwarded. */
static __always_inline bool addr_is_on_link(const struct in6_addr *addr)
{
	struct lnt_peer_value *peer;

	if (addr_is_link_local(addr) || addr_is_multicast(addr))
		return true;
	peer = bpf_map_lookup_elem(&peers, addr);
	return peer && lnt_id_kind(peer->identity) == LNT_ID_HOST;
}

/* A pod tells the host an address of its own, or a link-local one, which mean nothing elsewhere. */
static __always_inline bool advert_ok(
	const struct packet *p, const struct in6_addr *target, __u32 ifindex)
{
	return (addr_of_pod(target, ifindex) || addr_is_link_local(target)) &&
		(addr_of_pod(&p->outer_saddr, ifindex) || addr_is_link_local(&p->outer_saddr)) &&
		addr_is_on_link(&p->outer_daddr);
}

/* Whether the frame comes from the pod's own MAC. */
static __always_inline bool mac_of_pod(struct __sk_buff *ctx, const struct lnt_device_value *dev)
{
	struct ethhdr eth;

	return !bpf_skb_load_bytes(ctx, 0, &eth, sizeof(eth)) && mac_eq(eth.h_source, dev->mac);
}

static __noinline int from_pod_arp(struct __sk_buff *ctx, const struct lnt_device_value *dev)
{
	struct in6_addr sender, target;
	struct ethhdr eth;
	struct arp_ipv4 arp;
	__be32 spa, tpa;

	if (!dev || bpf_skb_load_bytes(ctx, 0, &eth, sizeof(eth)) ||
		bpf_skb_load_bytes(ctx, ETH_HLEN_, &arp, sizeof(arp)))
		return drop(ctx, LNT_DROP_MALFORMED);
	__builtin_memcpy(&spa, arp.spa, 4);
	__builtin_memcpy(&tpa, arp.tpa, 4);
	addr_set4(&sender, spa);
	addr_set4(&target, tpa);
	if (!mac_eq(eth.h_source, dev->mac) || !mac_eq(arp.sha, dev->mac) ||
		(spa && !addr_of_pod(&sender, ctx->ifindex)))
		return drop(ctx, LNT_DROP_FOREIGN_ND);
	if (arp.op == bpf_htons(ARPOP_REPLY))
		return LNT_NEXT;
	if (arp.op != bpf_htons(ARPOP_REQUEST))
		return drop(ctx, LNT_DROP_FOREIGN_ND);
	/* An announcement, or a probe for its own address: nobody else is on this link. */
	if (addr_of_pod(&target, ctx->ifindex))
		return drop(ctx, LNT_DROP_MULTICAST);
	mac_copy(eth.h_dest, eth.h_source);
	mac_copy(eth.h_source, dev->host_mac);
	arp.op = bpf_htons(ARPOP_REPLY);
	mac_copy(arp.tha, arp.sha);
	mac_copy(arp.sha, dev->host_mac);
	__builtin_memcpy(arp.tpa, &spa, 4);
	__builtin_memcpy(arp.spa, &tpa, 4);
	if (bpf_skb_store_bytes(ctx, 0, &eth, sizeof(eth), 0) ||
		bpf_skb_store_bytes(ctx, ETH_HLEN_, &arp, sizeof(arp), 0))
		return drop(ctx, LNT_DROP_INTERNAL);
	return bpf_redirect(ctx->ifindex, 0);
}

/* An NA with its target link-layer address option (RFC 4861, 4.4), and what its checksum covers. */
struct nd_advert {
	struct ipv6hdr ip6;
	struct icmp6hdr icmp;
	struct in6_addr target;
	__u8 opt_type;
	__u8 opt_len;
	__u8 opt_mac[6];
};

struct nd_pseudo {
	struct in6_addr saddr;
	struct in6_addr daddr;
	__be32 len;
	__be32 proto;
};

static __always_inline __be16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__be16)~sum;
}

static __noinline int nd_advertise(
	struct __sk_buff *ctx, const struct lnt_device_value *dev, const struct in6_addr *target)
{
	const __u16 nd_len = sizeof(struct nd_advert) - sizeof(struct ipv6hdr);
	struct nd_advert na = {};
	struct nd_pseudo ph = {};
	struct ethhdr eth;
	__s64 sum;

	if (!dev || !target || bpf_skb_load_bytes(ctx, 0, &eth, sizeof(eth)) ||
		bpf_skb_load_bytes(ctx, ETH_HLEN_, &na.ip6, sizeof(na.ip6)) ||
		bpf_skb_change_tail(ctx, ETH_HLEN_ + sizeof(na), 0))
		return drop(ctx, LNT_DROP_MALFORMED);
	na.ip6.daddr = na.ip6.saddr;
	na.ip6.saddr = *target;
	na.ip6.payload_len = bpf_htons(nd_len);
	na.ip6.nexthdr = IPPROTO_ICMPV6;
	na.ip6.hop_limit = 255;
	na.icmp.icmp6_type = 136;
	na.icmp.icmp6_solicited = 1;
	na.icmp.icmp6_override = 1;
	na.icmp.icmp6_router = 1;
	na.target = *target;
	na.opt_type = 2;
	na.opt_len = 1;
	mac_copy(na.opt_mac, dev->host_mac);
	ph.saddr = na.ip6.saddr;
	ph.daddr = na.ip6.daddr;
	ph.len = bpf_htonl(nd_len);
	ph.proto = bpf_htonl(IPPROTO_ICMPV6);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&ph, sizeof(ph), 0);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&na.icmp, nd_len, (__u32)sum);
	na.icmp.icmp6_cksum = csum_fold((__u32)sum);
	mac_copy(eth.h_dest, eth.h_source);
	mac_copy(eth.h_source, dev->host_mac);
	if (bpf_skb_store_bytes(ctx, 0, &eth, sizeof(eth), 0) ||
		bpf_skb_store_bytes(ctx, ETH_HLEN_, &na, sizeof(na), 0))
		return drop(ctx, LNT_DROP_INTERNAL);
	return bpf_redirect(ctx->ifindex, 0);
}

#define ND_NS 135
#define ND_NA 136

static __noinline int from_pod_nd(
	struct __sk_buff *ctx, const struct packet *p, const struct lnt_device_value *dev)
{
	struct in6_addr target;

	if (!p || !dev)
		return drop(ctx, LNT_DROP_MALFORMED);
	if (!mac_of_pod(ctx, dev))
		return drop(ctx, LNT_DROP_SPOOFED_MAC);
	/* Router advertisements and redirects speak as a router. */
	if (p->icmp_type == 134 || p->icmp_type == 137)
		return drop(ctx, LNT_DROP_FOREIGN_ND);
	/* There are no routers to solicit and no multicast groups to report. */
	if (p->icmp_type != ND_NS && p->icmp_type != ND_NA)
		return drop(ctx, LNT_DROP_MULTICAST);
	if (bpf_skb_load_bytes(ctx, p->l4_off + 8, &target, sizeof(target)))
		return drop(ctx, LNT_DROP_MALFORMED);
	if (p->icmp_type == ND_NA)
		return advert_ok(p, &target, ctx->ifindex) ? LNT_NEXT
							   : drop(ctx, LNT_DROP_FOREIGN_ND);
	/* Duplicate address detection has nobody to answer it; nor has a question for oneself. */
	if (!(p->outer_saddr.s6_addr32[0] | p->outer_saddr.s6_addr32[1] |
		    p->outer_saddr.s6_addr32[2] | p->outer_saddr.s6_addr32[3]) ||
		addr_of_pod(&target, ctx->ifindex))
		return drop(ctx, LNT_DROP_MULTICAST);
	return nd_advertise(ctx, dev, &target);
}
