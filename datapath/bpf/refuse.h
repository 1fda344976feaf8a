/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Refusing a connection to a service at once: TCP gets a reset, SCTP an abort (its sockets take no
 * notice of a port unreachable), everything else a port unreachable, made from the packet itself
 * and sent back to where it came from. The packet counts as dropped.
 */
#include "datapath/bpf/decide.h"
#include "datapath/bpf/neighbour.h"

#define TCP_RST 0x04
#define TCP_ACK 0x10

/* What checksums cover: the pseudo header, all of it for IPv6 and TCP, and what follows. */
struct refusal_tcp {
	struct nd_pseudo pseudo;
	struct tcphdr tcp;
};

/* Quotes up to an IPv6 header and ports. */
struct refusal_icmp {
	struct nd_pseudo pseudo;
	struct icmp6hdr icmp;
	__u8 quoted[sizeof(struct ipv6hdr) + 8];
};

static __always_inline void pseudo_fill(
	struct nd_pseudo *h, const struct packet *p, __u32 proto, __u32 len)
{
	/* Zeroes and the mapping prefix would change an IPv4 sum: only the last words count there.
	 */
	if (p->is4) {
		h->saddr.s6_addr32[3] = p->key.daddr.s6_addr32[3];
		h->daddr.s6_addr32[3] = p->key.saddr.s6_addr32[3];
	} else {
		h->saddr = p->key.daddr;
		h->daddr = p->key.saddr;
	}
	h->len = bpf_htonl(len);
	h->proto = bpf_htonl(proto);
}

/* The Ethernet and IP headers of the answer; @len is what follows them. */
static __noinline int refuse_headers(
	struct __sk_buff *ctx, const struct packet *p, __u32 proto, __u32 len)
{
	struct ethhdr eth;
	__u8 mac[6];

	if (!p || bpf_skb_load_bytes(ctx, 0, &eth, sizeof(eth)))
		return -1;
	mac_copy(mac, eth.h_dest);
	mac_copy(eth.h_dest, eth.h_source);
	mac_copy(eth.h_source, mac);
	if (bpf_skb_store_bytes(ctx, 0, &eth, sizeof(eth), 0))
		return -1;
	if (p->is4) {
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = (__u8)proto};

		ip.tot_len = bpf_htons((__u16)(sizeof(ip) + len));
		ip.saddr = p->key.daddr.s6_addr32[3];
		ip.daddr = p->key.saddr.s6_addr32[3];
		ip.check = csum_fold((__u32)bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0));
		return bpf_skb_store_bytes(ctx, ETH_HLEN_, &ip, sizeof(ip), 0) ? -1 : 0;
	}
	struct ipv6hdr ip6 = {.version = 6, .hop_limit = 64, .nexthdr = (__u8)proto};

	ip6.payload_len = bpf_htons((__u16)len);
	ip6.saddr = p->key.daddr;
	ip6.daddr = p->key.saddr;
	return bpf_skb_store_bytes(ctx, ETH_HLEN_, &ip6, sizeof(ip6), 0) ? -1 : 0;
}

static __always_inline __u32 ip_len(const struct packet *p)
{
	return p->is4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* RFC 9293, 3.10.7.1: what a closed port answers. */
static __noinline int refuse_tcp(struct __sk_buff *ctx, const struct packet *p)
{
	struct refusal_tcp r = {};
	struct tcphdr th;
	__u8 flags;
	__u32 end;

	if (!p || bpf_skb_load_bytes(ctx, p->l4_off, &th, sizeof(th)))
		return -1;
	flags = ((__u8 *)&th)[13];
	end = bpf_ntohl(th.seq) + ip_end(ctx, p->is4) - p->l4_off - th.doff * 4 + !!(flags & 0x02) +
		!!(flags & 0x01);
	r.tcp.source = th.dest;
	r.tcp.dest = th.source;
	r.tcp.doff = sizeof(th) / 4;
	((__u8 *)&r.tcp)[13] = flags & TCP_ACK ? TCP_RST : TCP_RST | TCP_ACK;
	if (flags & TCP_ACK)
		r.tcp.seq = th.ack_seq;
	else
		r.tcp.ack_seq = bpf_htonl(end);
	pseudo_fill(&r.pseudo, p, IPPROTO_TCP, sizeof(th));
	r.tcp.check = csum_fold((__u32)bpf_csum_diff(NULL, 0, (__be32 *)&r, sizeof(r), 0));
	if (bpf_skb_change_tail(ctx, ETH_HLEN_ + ip_len(p) + sizeof(th), 0) ||
		refuse_headers(ctx, p, IPPROTO_TCP, sizeof(th)))
		return -1;
	return bpf_skb_store_bytes(ctx, ETH_HLEN_ + ip_len(p), &r.tcp, sizeof(th), 0) ? -1 : 0;
}

/*
 * RFC 9260, 8.4: what a closed port answers. The tag is the one that its receiver chose: an INIT
 * says it, and of others the tag is given back, which the chunk's flag T tells.
 */
static __noinline int refuse_sctp(struct __sk_buff *ctx, const struct packet *p)
{
	struct sctp_start in, out = {.chunk = SCTP_ABORT};
	__u32 off;

	if (!p || bpf_skb_load_bytes(ctx, p->l4_off, &in, sizeof(in)))
		return -1;
	out.source = in.dest;
	out.dest = in.source;
	out.tag = in.tag;
	out.chunk_flags = 1;
	out.chunk_len = bpf_htons(4);
	if (in.chunk == SCTP_INIT) {
		out.chunk_flags = 0;
		if (bpf_skb_load_bytes(ctx, p->l4_off + sizeof(in), &out.tag, sizeof(out.tag)))
			return -1;
	}
	off = ETH_HLEN_ + ip_len(p);
	if (in.check || !sctp_check_is_late(ctx, p->l4_off))
		out.check = crc32c_words((__u32 *)&out, sizeof(out) / 4);
	if (bpf_skb_change_tail(ctx, off + sizeof(out), 0) ||
		refuse_headers(ctx, p, IPPROTO_SCTP, sizeof(out)))
		return -1;
	return bpf_skb_store_bytes(ctx, off, &out, sizeof(out), 0) ? -1 : 0;
}

/* Port unreachable (RFC 792; RFC 4443, 3.1), quoting the header and eight bytes more. */
static __noinline int refuse_icmp(struct __sk_buff *ctx, const struct packet *p)
{
	struct refusal_icmp r = {};
	__u32 quoted, len;

	if (!p)
		return -1;
	quoted = ip_len(p) + 8;
	len = sizeof(r.icmp) + quoted;
	if (p->is4) {
		if (bpf_skb_load_bytes(ctx, ETH_HLEN_, r.quoted, sizeof(struct iphdr) + 8))
			return -1;
		r.icmp.icmp6_type = ICMP_DEST_UNREACH;
		r.icmp.icmp6_code = 3;
	} else {
		if (bpf_skb_load_bytes(ctx, ETH_HLEN_, r.quoted, sizeof(r.quoted)))
			return -1;
		r.icmp.icmp6_type = ICMPV6_DEST_UNREACH;
		r.icmp.icmp6_code = 4;
		pseudo_fill(&r.pseudo, p, IPPROTO_ICMPV6, len);
	}
	/* The unused end of an IPv4 quotation is zero and changes no sum. */
	r.icmp.icmp6_cksum = csum_fold((__u32)bpf_csum_diff(NULL, 0, (__be32 *)&r, sizeof(r), 0));
	if (bpf_skb_change_tail(ctx, ETH_HLEN_ + ip_len(p) + len, 0) ||
		refuse_headers(ctx, p, p->is4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, len))
		return -1;
	if (p->is4)
		return bpf_skb_store_bytes(ctx, ETH_HLEN_ + sizeof(struct iphdr), &r.icmp,
			       sizeof(r.icmp) + sizeof(struct iphdr) + 8, 0)
			? -1
			: 0;
	return bpf_skb_store_bytes(ctx, ETH_HLEN_ + sizeof(struct ipv6hdr), &r.icmp,
		       sizeof(r.icmp) + sizeof(r.quoted), 0)
		? -1
		: 0;
}

static __always_inline int refuse_by_proto(struct __sk_buff *ctx, const struct packet *p)
{
	if (p->key.proto == IPPROTO_TCP)
		return refuse_tcp(ctx, p);
	return p->key.proto == IPPROTO_SCTP ? refuse_sctp(ctx, p) : refuse_icmp(ctx, p);
}

/* Sends the refusal back; a pod gets it on its device directly, not by way of to_pod. */
__noinline int refuse(struct __sk_buff *ctx, const struct packet *p)
{
	if (!p || p->flags & (PKT_NO_L4 | PKT_RST | PKT_ERROR) || refuse_by_proto(ctx, p))
		return TC_ACT_SHOT;
	if (scope_is_pod(p->key.scope))
		return bpf_redirect_peer(ctx->ifindex, 0);
	/* The node itself, which has not sent it yet, gets it as if off the wire. */
	return bpf_redirect(ctx->ifindex, p->key.scope == LNT_SCOPE_TO_NODE ? BPF_F_INGRESS : 0);
}
