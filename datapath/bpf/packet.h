/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * From a packet to a flow key. parse_fast() reads the common shapes straight from the packet and
 * gives up on all others; parse() reads every shape (options, extension headers, fragments, ICMP
 * errors) and is for the slow path only.
 */
#include "datapath/bpf/drop.h"

enum pkt_flag {
	PKT_SYN = 1 << 0,     /* opens a connection: TCP SYN without ACK, SCTP INIT */
	PKT_CLOSING = 1 << 1, /* TCP FIN or RST, and their like in SCTP */
	PKT_RST = 1 << 2,
	PKT_NO_L4 = 1 << 3,    /* a later fragment: no ports in this packet */
	PKT_ERROR = 1 << 4,    /* ICMP error; key is that of the packet it is about, reversed */
	PKT_ND = 1 << 5,       /* neighbour discovery, router messages, multicast listener */
	PKT_HAS_FLOW = 1 << 6, /* there is a flow of the key, which the packet does not follow */
};

struct packet {
	struct lnt_flow_key key;
	struct in6_addr outer_saddr; /* the sender of the packet itself, where key is not of it */
	struct in6_addr outer_daddr;
	__u16 l4_off;
	__u16 inner_off; /* PKT_ERROR: offset of the header it quotes */
	__u16 inner_l4_off;
	__u8 flags; /* enum pkt_flag */
	__u8 is4;
	__u8 icmp_type;
	__u8 pad[3];
};

enum parse_result {
	PARSE_OK = 0,
	PARSE_MALFORMED,
	PARSE_FRAGMENT,
	PARSE_NOT_IP
};

/* Connections of the protocol are opened, answered and ended in packets that say so. */
static __always_inline bool has_handshake(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_SCTP;
}

static __always_inline bool icmp_is_echo(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMP)
		return type == ICMP_ECHO || type == ICMP_ECHOREPLY;
	return type == ICMPV6_ECHO_REQUEST || type == ICMPV6_ECHO_REPLY;
}

/* The identifier stands on the asking side, so that a request never looks like an answer. */
static __always_inline void echo_ports(struct lnt_flow_key *key, __u8 type, __be16 id)
{
	bool request = type == ICMP_ECHO || type == ICMPV6_ECHO_REQUEST;

	key->sport = request ? id : 0;
	key->dport = request ? 0 : id;
}

static __always_inline __u8 tcp_pkt_flags(__u8 tcp)
{
	__u8 flags = 0;

	if ((tcp & 0x12) == 0x02)
		flags |= PKT_SYN;
	if (tcp & 0x05)
		flags |= PKT_CLOSING;
	if (tcp & 0x04)
		flags |= PKT_RST;
	return flags;
}

/*
 * RFC 9260, 3.2: by the packet's first chunk. INIT and SHUTDOWN COMPLETE are always alone; where an
 * ABORT or a SHUTDOWN comes behind others it is not seen, and the flow stays for longer than it
 * must.
 */
static __always_inline __u8 sctp_pkt_flags(__u8 chunk)
{
	switch (chunk) {
	case SCTP_INIT:
		return PKT_SYN;
	case SCTP_ABORT:
	case SCTP_SHUTDOWN_COMPLETE:
		return PKT_CLOSING | PKT_RST;
	case SCTP_SHUTDOWN:
	case SCTP_SHUTDOWN_ACK:
		return PKT_CLOSING;
	default:
		return 0;
	}
}

/* --- fast ------------------------------------------------------------------------------------ */

/* @icmp: the ICMP of the packet's family; the other family's is a protocol like any. */
static __always_inline bool ports_fast(
	const void *l4, const void *end, __u8 icmp, struct lnt_flow_key *key, __u8 *flags)
{
	if (key->proto == IPPROTO_TCP) {
		const struct tcphdr *th = l4;

		if ((const void *)(th + 1) > end)
			return false;
		key->sport = th->source;
		key->dport = th->dest;
		*flags = tcp_pkt_flags(((const __u8 *)th)[13]);
		return true;
	}
	if (key->proto == IPPROTO_UDP) {
		const struct udphdr *uh = l4;

		if ((const void *)(uh + 1) > end)
			return false;
		key->sport = uh->source;
		key->dport = uh->dest;
		return true;
	}
	if (key->proto == icmp) {
		const struct icmp6hdr *ih = l4; /* an echo is alike in both families */

		if ((const void *)(ih + 1) > end || !icmp_is_echo(key->proto, ih->icmp6_type))
			return false;
		echo_ports(key, ih->icmp6_type, ih->icmp6_identifier);
		return true;
	}
	if (key->proto == IPPROTO_SCTP) {
		const struct sctp_start *sh = l4;

		if ((const void *)(sh + 1) > end)
			return false;
		key->sport = sh->source;
		key->dport = sh->dest;
		*flags = sctp_pkt_flags(sh->chunk);
		return true;
	}
	return false;
}

/* Fills @key and @flags. False: not of a common shape. For tc and XDP alike. */
static __always_inline bool parse_fast_at(
	const void *data, const void *end, __u32 scope, struct lnt_flow_key *key, __u8 *flags)
{
	const struct ethhdr *eth = data;
	const void *l4;
	__u8 icmp;

	if (data + ETH_HLEN_ + sizeof(struct iphdr) > end)
		return false;
	key->scope = scope;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
	*flags = 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		const struct iphdr *ip = data + ETH_HLEN_;

		if (*(const __u8 *)ip != 0x45 || ip->frag_off & bpf_htons(IP_OFFSET | IP_MF))
			return false;
		addr_set4(&key->saddr, ip->saddr);
		addr_set4(&key->daddr, ip->daddr);
		key->proto = ip->protocol;
		l4 = ip + 1;
		icmp = IPPROTO_ICMP;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip6 = data + ETH_HLEN_;

		/* No address that is in use begins with 32 zeros, and mapped ones are not IPv4. */
		if ((const void *)(ip6 + 1) > end || !ip6->saddr.s6_addr32[0] ||
			!ip6->daddr.s6_addr32[0])
			return false;
		key->saddr = ip6->saddr;
		key->daddr = ip6->daddr;
		key->proto = ip6->nexthdr;
		l4 = ip6 + 1;
		icmp = IPPROTO_ICMPV6;
	} else {
		return false;
	}
	return ports_fast(l4, end, icmp, key, flags);
}

static __always_inline bool parse_fast(
	struct __sk_buff *ctx, __u32 scope, struct lnt_flow_key *key, __u8 *flags)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return parse_fast_at(data, end, scope, key, flags);
}

static __always_inline __u16 fast_l4_off(const struct lnt_flow_key *key)
{
	return ETH_HLEN_ + (addr_is4(&key->saddr) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

/*
 * Makes the headers contiguous, as reading and writing them in place needs. Who sends decides. Of
 * large SCTP packets the head is all headers already and every buffer behind it a packet to be:
 * what is pulled out of the first of them is lost when they are parted.
 */
static __always_inline void pull_headers(struct __sk_buff *ctx)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const __u32 want = ETH_HLEN_ + sizeof(struct ipv6hdr) + sizeof(struct tcphdr);

	if (data + want > end && ctx->gso_size != GSO_BY_FRAGS)
		bpf_skb_pull_data(ctx, ctx->len < want ? ctx->len : want);
}

/* --- every shape ------------------------------------------------------------------------------ */

struct l3 {
	struct in6_addr saddr;
	struct in6_addr daddr;
	__u32 l4_off;
	__be32 frag_id;
	__u16 frag_off; /* in bytes */
	__u8 more_frags;
	__u8 proto;
};

static __noinline int parse_l3_v4(struct __sk_buff *ctx, __u32 off, struct l3 *l3)
{
	struct iphdr ip;
	__u16 frag;

	if (!l3 || bpf_skb_load_bytes(ctx, off, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return PARSE_MALFORMED;
	addr_set4(&l3->saddr, ip.saddr);
	addr_set4(&l3->daddr, ip.daddr);
	frag = bpf_ntohs(ip.frag_off);
	l3->frag_off = (frag & IP_OFFSET) * 8;
	l3->more_frags = !!(frag & IP_MF);
	l3->frag_id = ip.id;
	l3->proto = ip.protocol;
	l3->l4_off = off + ip.ihl * 4;
	return PARSE_OK;
}

#define MAX_EXT_HEADERS 6

static __noinline int parse_l3_v6(struct __sk_buff *ctx, __u32 off, struct l3 *l3)
{
	struct ipv6hdr ip6;
	__u8 ext[8];

	if (!l3 || bpf_skb_load_bytes(ctx, off, &ip6, sizeof(ip6)) || ip6.version != 6 ||
		addr_is4(&ip6.saddr) || addr_is4(&ip6.daddr))
		return PARSE_MALFORMED;
	l3->saddr = ip6.saddr;
	l3->daddr = ip6.daddr;
	l3->frag_off = 0;
	l3->more_frags = 0;
	l3->frag_id = 0;
	l3->proto = ip6.nexthdr;
	off += sizeof(ip6);
	for (int i = 0; i < MAX_EXT_HEADERS; i++) {
		if (l3->proto != IPPROTO_HOPOPTS && l3->proto != IPPROTO_ROUTING &&
			l3->proto != IPPROTO_DSTOPTS && l3->proto != IPPROTO_FRAGMENT)
			break;
		if (bpf_skb_load_bytes(ctx, off, ext, sizeof(ext)))
			return PARSE_MALFORMED;
		if (l3->proto == IPPROTO_FRAGMENT) {
			l3->frag_off = (((__u16)ext[2] << 8) | ext[3]) & 0xfff8;
			l3->more_frags = ext[3] & 1;
			__builtin_memcpy(&l3->frag_id, &ext[4], sizeof(l3->frag_id));
			off += 8;
		} else {
			off += ((__u32)ext[1] + 1) * 8;
		}
		l3->proto = ext[0];
		if (l3->frag_off)
			break;
	}
	l3->l4_off = off;
	return PARSE_OK;
}

static __always_inline int parse_l3(struct __sk_buff *ctx, bool is4, __u32 off, struct l3 *l3)
{
	return is4 ? parse_l3_v4(ctx, off, l3) : parse_l3_v6(ctx, off, l3);
}

/*
 * Ports of the header at @off into @key; for ICMP the type too. ICMPv6 in IPv4, and the other way
 * round, is a protocol like any: nobody answers it, and it is no neighbour discovery.
 */
static __noinline int parse_ports(
	struct __sk_buff *ctx, __u32 off, bool is4, struct lnt_flow_key *key, __u8 *ret_type)
{
	__u8 h[8];

	if (!key || !ret_type)
		return PARSE_MALFORMED;
	key->sport = key->dport = 0;
	*ret_type = 0;
	switch (key->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		if (bpf_skb_load_bytes(ctx, off, h, 8))
			return PARSE_MALFORMED;
		__builtin_memcpy(&key->sport, &h[0], 2);
		__builtin_memcpy(&key->dport, &h[2], 2);
		return PARSE_OK;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (is4 != (key->proto == IPPROTO_ICMP))
			return PARSE_OK;
		if (bpf_skb_load_bytes(ctx, off, h, 8))
			return PARSE_MALFORMED;
		*ret_type = h[0];
		if (icmp_is_echo(key->proto, h[0])) {
			__be16 id;

			__builtin_memcpy(&id, &h[4], 2);
			echo_ports(key, h[0], id);
		}
		return PARSE_OK;
	default:
		return PARSE_OK;
	}
}

static __always_inline bool icmp_is_error(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMP)
		return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
			type == ICMP_PARAMETERPROB || type == ICMP_SOURCE_QUENCH;
	return proto == IPPROTO_ICMPV6 && type >= ICMPV6_DEST_UNREACH && type <= ICMPV6_PARAMPROB;
}

/* MLD (130-132, 143), router and neighbour messages, redirect (133-137). */
static __always_inline bool icmp_is_nd(__u8 proto, __u8 type)
{
	return proto == IPPROTO_ICMPV6 && ((type >= 130 && type <= 137) || type == 143);
}

/*
 * The key of an ICMP error becomes that of the quoted packet's answer: the direction in which the
 * error travels.
 */
static __noinline int parse_quoted(struct __sk_buff *ctx, struct packet *p)
{
	struct lnt_flow_key inner = {};
	struct l3 l3 = {};
	__u8 type;
	int r;

	if (!p)
		return PARSE_MALFORMED;
	p->inner_off = p->l4_off + 8;
	r = parse_l3(ctx, p->is4, p->inner_off, &l3);
	if (r)
		return r;
	if (l3.frag_off)
		return PARSE_FRAGMENT;
	inner.proto = l3.proto;
	r = parse_ports(ctx, l3.l4_off, p->is4, &inner, &type);
	if (r)
		return r;
	p->inner_l4_off = (__u16)l3.l4_off;
	p->key.saddr = l3.daddr;
	p->key.daddr = l3.saddr;
	p->key.sport = inner.dport;
	p->key.dport = inner.sport;
	p->key.proto = l3.proto;
	p->flags |= PKT_ERROR;
	return PARSE_OK;
}

/* Ports of a fragmented datagram: remembered from its first fragment, found for the others. */
static __noinline int parse_fragment(struct packet *p, const struct l3 *l3)
{
	struct lnt_frag_key fk = {};
	struct lnt_frag_value fv = {}, *known;

	if (!p || !l3)
		return PARSE_MALFORMED;
	fk.saddr = l3->saddr;
	fk.daddr = l3->daddr;
	fk.id = l3->frag_id;
	fk.scope = p->key.scope;
	fk.proto = l3->proto;
	if (!l3->frag_off) {
		fv.sport = p->key.sport;
		fv.dport = p->key.dport;
		bpf_map_update_elem(&frags, &fk, &fv, BPF_ANY);
		return PARSE_OK;
	}
	known = bpf_map_lookup_elem(&frags, &fk);
	if (!known)
		return PARSE_FRAGMENT;
	p->key.sport = known->sport;
	p->key.dport = known->dport;
	p->flags |= PKT_NO_L4;
	return PARSE_OK;
}

/* Where the packet ends by its own account: frames are padded. */
static __always_inline __u32 ip_end(struct __sk_buff *ctx, bool is4)
{
	__be16 len = 0;

	bpf_skb_load_bytes(ctx, ETH_HLEN_ + (is4 ? 2 : 4), &len, sizeof(len));
	return ETH_HLEN_ + bpf_ntohs(len) + (is4 ? 0 : sizeof(struct ipv6hdr));
}

/* What parse() would say of a packet that parse_fast() has read. */
static __always_inline void packet_of_fast(
	struct packet *p, const struct lnt_flow_key *key, __u8 flags)
{
	p->key = *key;
	p->flags = flags;
	p->l4_off = fast_l4_off(key);
	p->is4 = addr_is4(&key->saddr);
}

__noinline int parse(struct __sk_buff *ctx, __u32 scope, struct packet *p)
{
	struct l3 l3 = {};
	__u8 type = 0;
	int r;

	if (!p)
		return PARSE_MALFORMED;
	__builtin_memset(p, 0, sizeof(*p));
	if (ctx->protocol != bpf_htons(ETH_P_IP) && ctx->protocol != bpf_htons(ETH_P_IPV6))
		return PARSE_NOT_IP;
	p->is4 = ctx->protocol == bpf_htons(ETH_P_IP);
	r = parse_l3(ctx, p->is4, ETH_HLEN_, &l3);
	/* Whom it is for is known of many that cannot be read to their end. */
	p->key.saddr = p->outer_saddr = l3.saddr;
	p->key.daddr = p->outer_daddr = l3.daddr;
	if (r)
		return r;
	p->key.proto = l3.proto;
	p->key.scope = scope;
	p->l4_off = (__u16)l3.l4_off;
	if (l3.frag_off)
		return parse_fragment(p, &l3);
	r = parse_ports(ctx, l3.l4_off, p->is4, &p->key, &type);
	if (r)
		return r;
	p->icmp_type = type;
	/* Of a first fragment too: one that is too short to say whether it opens is none (RFC
	 * 1858). */
	if (l3.proto == IPPROTO_TCP) {
		__u8 tcp;

		if (bpf_skb_load_bytes(ctx, l3.l4_off + 13, &tcp, 1))
			return PARSE_MALFORMED;
		p->flags |= tcp_pkt_flags(tcp);
	}
	if (l3.proto == IPPROTO_SCTP) {
		__u8 chunk;

		if (bpf_skb_load_bytes(ctx, l3.l4_off + sizeof(struct sctp_start) - 4, &chunk, 1))
			return PARSE_MALFORMED;
		p->flags |= sctp_pkt_flags(chunk);
	}
	if (l3.more_frags)
		return parse_fragment(p, &l3);
	if (icmp_is_nd(l3.proto, type))
		p->flags |= PKT_ND;
	else if (icmp_is_error(l3.proto, type))
		return parse_quoted(ctx, p);
	return PARSE_OK;
}
