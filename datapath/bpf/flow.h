/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * The flow: what is done to the packets of one direction of a connection, and doing it. The fast
 * path of every tc hook is flow_fast(): parse, one look-up, rewrite, redirect.
 */
#include "datapath/bpf/nat.h"

static __always_inline __u32 epoch_now(void)
{
	__u32 zero = 0;
	struct lnt_state *s = bpf_map_lookup_elem(&state, &zero);

	return s ? *(volatile __u32 *)&s->epoch : 0;
}

/* The hop limit or TTL of the packet, 0 if it cannot be read. */
static __always_inline __u8 hop_limit(const struct __sk_buff *ctx)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;

	if (data + ETH_HLEN_ + sizeof(struct iphdr) > end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return ((const struct iphdr *)(data + ETH_HLEN_))->ttl;
	return ((const struct ipv6hdr *)(data + ETH_HLEN_))->hop_limit;
}

/* One hop less, in place; it must be at least 2. */
static __always_inline void hop_decrement(void *data)
{
	struct ethhdr *eth = data;

	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + ETH_HLEN_;
		__u32 check = ip->check;

		ip->ttl--;
		/* RFC 1624: the TTL is the high byte of its word. */
		check += bpf_htons(0x0100);
		ip->check = (__be16)(check + (check >= 0xffff));
	} else {
		((struct ipv6hdr *)(data + ETH_HLEN_))->hop_limit--;
	}
}

static __always_inline int flow_output(struct __sk_buff *ctx, const struct lnt_flow *f)
{
	if (f->action == LNT_ACT_PEER)
		return bpf_redirect_peer(f->ifindex, 0);
	if (f->action == LNT_ACT_LOOP)
		return bpf_redirect(LNT_LOOPBACK_IFINDEX, BPF_F_INGRESS);
	if (f->action == LNT_ACT_NEIGH) {
		struct bpf_redir_neigh nh = {.nh_family = f->family};

		if (f->family == AF_INET)
			nh.ipv4_nh = f->nexthop.s6_addr32[3];
		else
			__builtin_memcpy(nh.ipv6_nh, &f->nexthop, 16);
		return bpf_redirect_neigh(f->ifindex, &nh, sizeof(nh), 0);
	}
	return LNT_NEXT;
}

/* Marks what a packet of @len bytes says about the connection. */
static __always_inline void flow_mark(struct lnt_flow *f, __u32 len, __u8 flags)
{
	if (f->idle)
		f->idle = 0;
	f->packets++;
	f->bytes += len;
	if (flags & PKT_CLOSING)
		f->flags |= flags & PKT_RST ? LNT_F_RST : LNT_F_FIN;
}

static __always_inline void flow_touch(struct lnt_flow *f, const struct __sk_buff *ctx, __u8 flags)
{
	flow_mark(f, ctx->len, flags);
}

/* Sends a packet whose addresses are final: one hop less, MACs, output. */
static __always_inline int flow_send(struct __sk_buff *ctx, const struct lnt_flow *f)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (f->action == LNT_ACT_STACK)
		return LNT_NEXT;
	if (data + ETH_HLEN_ + sizeof(struct iphdr) > end)
		return drop(ctx, LNT_DROP_MALFORMED);
	hop_decrement(data);
	if (f->flags & LNT_F_REWRITE_MAC) {
		struct ethhdr *eth = data;

		mac_copy(eth->h_dest, f->new_dmac);
		mac_copy(eth->h_source, f->new_smac);
	}
	return flow_output(ctx, f);
}

/* Addressed to the node itself, whose stack would take it for its own. */
static __always_inline bool flow_is_masq_reply(const struct lnt_flow *f)
{
	return (f->flags & (LNT_F_REPLY | LNT_F_NAT_DST)) == (LNT_F_REPLY | LNT_F_NAT_DST);
}

/*
 * Rewrites and sends a packet as its flow says. Routed packets lose a hop; one with none left goes
 * to the stack as it is, which knows how to complain to its sender. @l4_off and @no_l4 tell NAT
 * where the ports are.
 */
static __always_inline int flow_forward(struct __sk_buff *ctx, const struct lnt_flow *f,
	const struct lnt_flow_key *key, __u16 l4_off, bool no_l4)
{
	int r;

	if (f->action != LNT_ACT_STACK && hop_limit(ctx) <= 1)
		return flow_is_masq_reply(f) ? drop(ctx, LNT_DROP_TTL) : LNT_NEXT;
	if (f->flags & (LNT_F_NAT_SRC | LNT_F_NAT_DST)) {
		r = nat_rewrite(ctx, f, key, l4_off, no_l4);
		if (r)
			return drop(ctx, r < 0 ? LNT_DROP_INTERNAL : (__u32)r);
	}
	return flow_send(ctx, f);
}

/* Whether the packet comes from the MAC that the flow's source has. */
static __always_inline bool flow_mac_ok(const struct __sk_buff *ctx, const struct lnt_flow *f)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;

	if (!(f->flags & LNT_F_CHECK_MAC))
		return true;
	return (const void *)(eth + 1) <= end && mac_eq(eth->h_source, f->src_mac);
}

/* The key of the other direction's entry. */
static __always_inline void reverse_key(
	const struct lnt_flow_key *k, const struct lnt_flow *f, struct lnt_flow_key *rk)
{
	bool from_nat = (f->flags & (LNT_F_NAT_SRC | LNT_F_DSR)) == LNT_F_NAT_SRC;

	rk->saddr = f->flags & LNT_F_NAT_DST ? f->nat_daddr : k->daddr;
	rk->sport = f->flags & LNT_F_NAT_DST ? f->nat_dport : k->dport;
	rk->daddr = from_nat ? f->nat_saddr : k->saddr;
	rk->dport = from_nat ? f->nat_sport : k->sport;
	rk->proto = k->proto;
	rk->scope = f->peer_scope;
}

/*
 * Replies of a connection that was opened with a service's address carried along (dsr.h), and that
 * is up. A SYN that carries none follows it to the pod, which knows better than to start anew: or
 * whoever can send one with the client's address would take the service from the connection.
 */
static __always_inline bool flow_talks_dsr(const struct lnt_flow *reply)
{
	return (reply->flags & (LNT_F_DSR | LNT_F_FIN | LNT_F_RST)) == LNT_F_DSR;
}

/*
 * A TCP SYN with the ports of a connection that its sender has opened before: at the same epoch it
 * would be decided alike, so that the two entries start again. Not what a service or a masquerade
 * has translated, whose choice is made anew. False: it is as a new one.
 */
static __noinline bool flow_reopen(const struct lnt_flow_key *key, struct lnt_flow *f)
{
	struct lnt_flow_key rk = {};
	struct lnt_flow *other;

	if (!key || !f || key->proto != IPPROTO_TCP ||
		f->flags & (LNT_F_REPLY | LNT_F_NAT_SRC | LNT_F_NAT_DST))
		return false;
	reverse_key(key, f, &rk);
	other = bpf_map_lookup_elem(&flows, &rk);
	if (!other || !(other->flags & LNT_F_REPLY))
		return false;
	if (other->flags & LNT_F_DSR)
		return flow_talks_dsr(other);
	/* Another connection's by now, which came through a service to the same ports. */
	if (other->flags & (LNT_F_NAT_SRC | LNT_F_NAT_DST))
		return false;
	f->flags &= ~(LNT_F_FIN | LNT_F_RST);
	other->flags &= ~(LNT_F_FIN | LNT_F_RST);
	f->packets = f->bytes = other->packets = other->bytes = 0;
	other->idle = 0;
	count(LNT_CNT_FLOW_REOPENED);
	return true;
}

/* What flow_fast() says when it has not dealt with the packet; no tc verdicts. */
#define FLOW_ODD  (-100) /* to be parsed in full, or its flow looked at closely */
#define FLOW_MISS (-101) /* read, and of no known flow, or a SYN that starts anew */

/* The fast path: a packet of a known flow that is still true. */
static __always_inline int flow_fast(
	struct __sk_buff *ctx, __u32 scope, struct lnt_flow_key *key, __u8 *flags)
{
	struct lnt_flow *f;

	if (!parse_fast(ctx, scope, key, flags))
		return FLOW_ODD;
	f = bpf_map_lookup_elem(&flows, key);
	if (!f)
		return FLOW_MISS;
	if (f->epoch != epoch_now() || f->action <= LNT_ACT_DSR || !flow_mac_ok(ctx, f))
		return FLOW_ODD;
	if (*flags & PKT_SYN && !flow_reopen(key, f)) {
		*flags |= PKT_HAS_FLOW;
		return FLOW_MISS;
	}
	flow_touch(f, ctx, *flags);
	return flow_forward(ctx, f, key, fast_l4_off(key), false);
}
