/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * The slow path: packets of no known flow, of flows decided before the epoch moved, and the odd
 * shapes. A new connection waits in `pending`, filed under the key of its replies, until a reply
 * (or a second packet of the opener, if it is neither TCP nor SCTP) makes it established: then both
 * its directions enter `flows`.
 */
#include "datapath/bpf/decide.h"
#include "datapath/bpf/refuse.h"

static __always_inline int slow_drop(struct __sk_buff *ctx, struct scratch *s, int reason)
{
	return drop_known(ctx, (__u32)reason, &s->p.key, &s->why);
}

/*
 * What to do with a packet of @f that is to carry its service along, if it has room: that is put in
 * here. NULL: it could not be. @f goes by the fast path once it has been said often enough.
 */
static __noinline struct lnt_flow *slow_dsr(
	struct __sk_buff *ctx, struct scratch *s, struct lnt_flow *f)
{
	if (!s || !f)
		return NULL;
	s->flow = *f;
	s->flow.action = LNT_ACT_NEIGH;
	if (hop_limit(ctx) <= 1 || !dsr_fits(ctx, &s->p, f->ifindex))
		return &s->flow;
	if (dsr_put(ctx, &s->p))
		return NULL;
	if (f->packets >= LNT_DSR_REPEAT)
		f->action = LNT_ACT_NEIGH;
	return &s->flow;
}

/* Where the connection of a known flow goes to, for what is told of it. */
static __always_inline void known_target(struct scratch *s, const struct lnt_flow *f)
{
	if (f->flags & LNT_F_REPLY) {
		s->why.target = s->p.key.saddr;
		s->why.target_port = s->p.key.sport;
	} else if (f->flags & LNT_F_NAT_DST) {
		s->why.target = f->nat_daddr;
		s->why.target_port = f->nat_dport;
	} else {
		s->why.target = s->p.key.daddr;
		s->why.target_port = s->p.key.dport;
	}
}

static __always_inline int slow_act(struct __sk_buff *ctx, struct scratch *s, struct lnt_flow *f)
{
	if (f->action == LNT_ACT_DROP) {
		s->why.src_identity = f->src_identity;
		s->why.dst_identity = f->dst_identity;
		s->why.rule = f->rule;
		s->why.direction = f->reason == LNT_DROP_POLICY_EGRESS;
		known_target(s, f);
		return slow_drop(ctx, s, f->reason);
	}
	if (!flow_mac_ok(ctx, f))
		return slow_drop(ctx, s, LNT_DROP_SPOOFED_MAC);
	flow_touch(f, ctx, s->p.flags);
	if (f->action == LNT_ACT_DSR) {
		f = slow_dsr(ctx, s, f);
		if (!f)
			return slow_drop(ctx, s, LNT_DROP_INTERNAL);
	}
	return flow_forward(ctx, f, &s->p.key, s->p.l4_off, s->p.flags & PKT_NO_L4);
}

/*
 * Makes s->d an established connection. False: the map is full, which is counted; the connection
 * stays pending.
 */
static __noinline bool establish(struct scratch *s)
{
	if (!s)
		return false;
	if (bpf_map_update_elem(&flows, &s->d.orig, &s->d.fwd, BPF_ANY))
		goto full;
	if (!(s->d.fwd.flags & LNT_F_DSR) &&
		bpf_map_update_elem(&flows, &s->reply_key, &s->d.reply, BPF_ANY)) {
		bpf_map_delete_elem(&flows, &s->d.orig);
		goto full;
	}
	bpf_map_delete_elem(&pending, &s->reply_key);
	count(LNT_CNT_FLOW_ESTABLISHED);
	return true;
full:
	count(LNT_CNT_FLOW_MAP_FULL);
	return false;
}

/* The opener's key and translation, from the entry of either direction. */
static __noinline void recall(struct scratch *s, const struct lnt_flow *f)
{
	struct lnt_flow_key *o = &s->d.orig, *k = &s->p.key;

	__builtin_memset(&s->kept, 0, sizeof(s->kept));
	s->kept.valid = 1;
	s->kept.host = lnt_id_kind(f->src_identity) == LNT_ID_HOST;
	s->kept.slot = f->slot;
	*o = *k;
	if (!(f->flags & LNT_F_REPLY)) {
		s->kept.flags = f->flags & (LNT_F_NAT_SRC | LNT_F_NAT_DST | LNT_F_DSR);
		s->kept.saddr = f->nat_saddr;
		s->kept.sport = f->nat_sport;
		s->kept.daddr = f->nat_daddr;
		s->kept.dport = f->nat_dport;
		return;
	}
	o->scope = f->peer_scope;
	o->saddr = f->flags & LNT_F_NAT_DST ? f->nat_daddr : k->daddr;
	o->sport = f->flags & LNT_F_NAT_DST ? f->nat_dport : k->dport;
	o->daddr = k->saddr;
	o->dport = k->sport;
	s->kept.flags = f->flags & LNT_F_NAT_DST ? LNT_F_NAT_SRC : 0;
	if (f->flags & LNT_F_DSR) {
		s->kept.carried.addr = f->nat_saddr;
		s->kept.carried.port = f->nat_sport;
	} else if (f->flags & LNT_F_NAT_SRC) {
		o->daddr = f->nat_saddr;
		o->dport = f->nat_sport;
		s->kept.flags |= LNT_F_NAT_DST;
	}
	s->kept.saddr = k->daddr;
	s->kept.sport = k->dport;
	s->kept.daddr = k->saddr;
	s->kept.dport = k->sport;
}

/* Decides an established flow again because the epoch moved; the entry keeps what it has counted.
 */
static __always_inline int redecide(
	struct __sk_buff *ctx, struct scratch *s, const struct lnt_flow *f)
{
	struct lnt_flow *n = &s->flow;
	__u32 epoch = epoch_now();
	int r;

	if (!s || !f)
		return LNT_DROP_INTERNAL;
	recall(s, f);
	r = decide(ctx);
	if (r == DECIDE_NOT_OURS) {
		bpf_map_delete_elem(&flows, &s->p.key);
		return r;
	}
	count(LNT_CNT_FLOW_REDECIDED);
	if (r) {
		*n = *f;
		n->action = LNT_ACT_DROP;
		n->reason = (__u8)r;
		n->rule = s->why.rule;
		n->epoch = epoch;
	} else {
		*n = f->flags & LNT_F_REPLY ? s->d.reply : s->d.fwd;
		n->flags |= f->flags & (LNT_F_FIN | LNT_F_RST);
		n->packets = f->packets;
		n->bytes = f->bytes;
	}
	bpf_map_update_elem(&flows, &s->p.key, n, BPF_EXIST);
	return r;
}

/* A flow that is known: once more if it is stale, then as it says. */
static __noinline int slow_known(struct __sk_buff *ctx, struct scratch *s, struct lnt_flow *f)
{
	int r;

	if (!s || !f)
		return TC_ACT_SHOT;
	if (f->epoch != epoch_now()) {
		r = redecide(ctx, s, f);
		if (r == DECIDE_NOT_OURS)
			return LNT_NEXT;
		if (r)
			return slow_drop(ctx, s, r);
		f = bpf_map_lookup_elem(&flows, &s->p.key);
		if (!f)
			f = &s->flow;
	}
	return slow_act(ctx, s, f);
}

/* An answer to a pending connection: usually the first, always if there is room to establish it. */
static __noinline int slow_reply(
	struct __sk_buff *ctx, struct scratch *s, const struct lnt_pending *pend)
{
	int r;

	if (!s || !pend)
		return TC_ACT_SHOT;
	s->d = *pend;
	s->reply_key = s->p.key;
	if (s->d.fwd.epoch != epoch_now()) {
		recall(s, &pend->reply);
		r = decide(ctx);
		if (r)
			return slow_drop(ctx, s, r == DECIDE_NOT_OURS ? LNT_DROP_INTERNAL : r);
	}
	if (!flow_mac_ok(ctx, &s->d.reply))
		return slow_drop(ctx, s, LNT_DROP_SPOOFED_MAC);
	flow_touch(&s->d.reply, ctx, s->p.flags);
	establish(s);
	return flow_forward(ctx, &s->d.reply, &s->p.key, s->p.l4_off, s->p.flags & PKT_NO_L4);
}

/* Off the wire, and neither from a pod, to one, nor to a service: soon said, for it is the most. */
static __always_inline bool is_hosts_own(const struct lnt_flow_key *key)
{
	return !bpf_map_lookup_elem(&endpoints, &key->daddr) &&
		!service_find(&key->daddr, key->dport, key->proto) &&
		!bpf_map_lookup_elem(&endpoints, &key->saddr);
}

/*
 * Whether a second packet of the opener is enough. What has a handshake must be answered, or a
 * flood of its openers would fill the flows; where the answers go another way, it must have gone
 * on.
 */
static __always_inline bool may_establish(const struct scratch *s)
{
	if (!has_handshake(s->d.orig.proto))
		return true;
	return s->d.fwd.flags & LNT_F_DSR && !(s->p.flags & PKT_SYN);
}

/* Another packet of a pending opener. */
static __noinline void heard_again(struct scratch *s)
{
	struct lnt_pending *known = bpf_map_lookup_elem(&pending, &s->reply_key);

	if (known) {
		s->d.fwd.packets += known->fwd.packets;
		s->d.fwd.bytes += known->fwd.bytes;
	}
	if (!known || !may_establish(s) || !establish(s))
		bpf_map_update_elem(&pending, &s->reply_key, &s->d, BPF_ANY);
}

/*
 * What the node's own SCTP sends to a service has been decided in to_node, which knows what its
 * answers look like; to a pod of this node it comes by to_pod, which leaves it at that.
 */
static __always_inline bool is_second_leg(const struct scratch *s)
{
	struct lnt_pending *pend;
	struct lnt_flow *f;

	if (s->d.orig.proto != IPPROTO_SCTP || !(s->d.orig.scope & LNT_SCOPE_TO_POD))
		return false;
	pend = bpf_map_lookup_elem(&pending, &s->reply_key);
	if (pend)
		return pend->orig.scope == LNT_SCOPE_TO_NODE;
	f = bpf_map_lookup_elem(&flows, &s->reply_key);
	return f && f->peer_scope == LNT_SCOPE_TO_NODE;
}

/*
 * What was closed with the new connection's ports is over; its entries would take the new one's
 * packets. That is one with the same key, and one with the same answers: to a backend, a client
 * that asks it from one port through two services, or at its own address, is the same. Of the
 * latter one that is up keeps its entries.
 */
static __noinline void displace(const struct scratch *s)
{
	struct lnt_flow_key k = {};
	struct lnt_flow *reply, *f;

	if (!s)
		return;
	if (s->p.flags & PKT_HAS_FLOW)
		bpf_map_delete_elem(&flows, &s->d.orig);
	reply = bpf_map_lookup_elem(&flows, &s->reply_key);
	if (!reply || (reply->flags & LNT_F_DSR && !(s->p.flags & PKT_HAS_FLOW)))
		return;
	reverse_key(&s->reply_key, reply, &k);
	if (k.dport != s->d.orig.dport || !addr_eq(&k.daddr, &s->d.orig.daddr)) {
		f = bpf_map_lookup_elem(&flows, &k);
		if (!((reply->flags | (f ? f->flags : 0)) & (LNT_F_FIN | LNT_F_RST)))
			return;
		bpf_map_delete_elem(&flows, &k);
	}
	bpf_map_delete_elem(&flows, &s->reply_key);
}

/* A packet of a connection that is new, or that has only been heard from this side. */
static __noinline int slow_new(struct __sk_buff *ctx, struct scratch *s)
{
	struct lnt_flow *f = &s->d.fwd;
	int r;

	if (!s)
		return TC_ACT_SHOT;
	if (s->p.key.scope == LNT_SCOPE_NODE && is_hosts_own(&s->p.key))
		return LNT_NEXT;
	__builtin_memset(&s->kept, 0, sizeof(s->kept));
	s->kept.host =
		s->p.key.scope & (LNT_SCOPE_TO_POD | LNT_SCOPE_TO_NODE) && !ctx->ingress_ifindex;
	s->kept.carried = s->carried;
	s->d.orig = s->p.key;
	r = decide(ctx);
	if (r == DECIDE_NOT_OURS)
		return LNT_NEXT;
	if (r == LNT_DROP_NO_BACKEND || r == LNT_DROP_NO_SERVICE) {
		slow_drop(ctx, s, r);
		return refuse(ctx, &s->p);
	}
	if (r)
		return slow_drop(ctx, s, r);
	if (!flow_mac_ok(ctx, &s->d.fwd))
		return slow_drop(ctx, s, LNT_DROP_SPOOFED_MAC);
	if (is_second_leg(s))
		return flow_forward(ctx, f, &s->p.key, s->p.l4_off, s->p.flags & PKT_NO_L4);
	flow_touch(&s->d.fwd, ctx, s->p.flags);
	if (s->p.flags & (PKT_HAS_FLOW | PKT_SYN))
		displace(s);
	if (!bpf_map_update_elem(&pending, &s->reply_key, &s->d, BPF_NOEXIST))
		count(LNT_CNT_FLOW_NEW);
	else
		heard_again(s);
	if (f->flags & LNT_F_DSR) {
		f = slow_dsr(ctx, s, f);
		if (!f)
			return slow_drop(ctx, s, LNT_DROP_INTERNAL);
	}
	return flow_forward(ctx, f, &s->p.key, s->p.l4_off, s->p.flags & PKT_NO_L4);
}

/*
 * The pending connection whose opener the error is for, decided again if it is stale: its reply
 * entry. NULL with *ret_reason set when it is denied by now.
 */
static __always_inline struct lnt_flow *error_pending(
	struct __sk_buff *ctx, struct scratch *s, int *ret_reason)
{
	struct lnt_pending *pend = bpf_map_lookup_elem(&pending, &s->p.key);

	if (!pend)
		return NULL;
	s->d = *pend;
	if (s->d.fwd.epoch != epoch_now()) {
		recall(s, &pend->reply);
		*ret_reason = decide(ctx);
	}
	return *ret_reason ? NULL : &s->d.reply;
}

/*
 * An ICMP error goes the way of the flow it is about, if there is one. It is about what its
 * receiver has sent: one that is addressed to somebody else is about nothing.
 */
static __noinline int slow_error(struct __sk_buff *ctx, struct scratch *s)
{
	struct lnt_flow *f = NULL;
	int r = LNT_DROP_NONE;

	if (!s)
		return TC_ACT_SHOT;
	if (addr_eq(&s->p.outer_daddr, &s->p.key.daddr)) {
		f = bpf_map_lookup_elem(&flows, &s->p.key);
		if (f && f->epoch != epoch_now()) {
			r = redecide(ctx, s, f);
			f = &s->flow;
		} else if (!f) {
			f = error_pending(ctx, s, &r);
		}
	}
	if (r > 0)
		return slow_drop(ctx, s, r);
	if (!f || r) {
		if (s->p.key.scope == LNT_SCOPE_TO_NODE)
			return LNT_NEXT;
		if (bpf_map_lookup_elem(&endpoints, &s->p.outer_daddr) ||
			s->p.key.scope != LNT_SCOPE_NODE)
			return slow_drop(ctx, s, LNT_DROP_STRAY_ERROR);
		return LNT_NEXT;
	}
	if (f->action == LNT_ACT_DROP)
		return slow_drop(ctx, s, f->reason);
	if (f->action == LNT_ACT_DSR) {
		s->flow = *f;
		s->flow.action = LNT_ACT_NEIGH;
		f = &s->flow;
	}
	if (f->action != LNT_ACT_STACK && hop_limit(ctx) <= 1)
		return slow_drop(ctx, s, LNT_DROP_TTL);
	if (f->flags & (LNT_F_NAT_SRC | LNT_F_NAT_DST) && nat_rewrite_error(ctx, f, &s->p))
		return slow_drop(ctx, s, LNT_DROP_INTERNAL);
	return flow_send(ctx, f);
}

/*
 * A packet of no known flow: the answer to a pending connection, or the opener of one. A SYN always
 * opens one, so that nobody connects back through what another has opened, or closed.
 */
static __always_inline int slow_unknown(struct __sk_buff *ctx, struct scratch *s)
{
	struct lnt_pending *pend = NULL;

	if (!(s->p.flags & PKT_SYN))
		pend = bpf_map_lookup_elem(&pending, &s->p.key);
	return pend ? slow_reply(ctx, s, pend) : slow_new(ctx, s);
}

/* Removes the opener's flow @f and that of its replies. */
static __noinline void forget(const struct lnt_flow_key *k, const struct lnt_flow *f)
{
	struct lnt_flow_key rk = {};

	if (!k || !f)
		return;
	rk.saddr = f->flags & LNT_F_NAT_DST ? f->nat_daddr : k->daddr;
	rk.daddr = f->flags & LNT_F_NAT_SRC ? f->nat_saddr : k->saddr;
	rk.sport = f->flags & LNT_F_NAT_DST ? f->nat_dport : k->dport;
	rk.dport = f->flags & LNT_F_NAT_SRC ? f->nat_sport : k->sport;
	rk.proto = k->proto;
	rk.scope = f->peer_scope;
	bpf_map_delete_elem(&flows, &rk);
	bpf_map_delete_elem(&flows, k);
}

/* Whether a SYN of no service meets a connection to one, which goes on. */
static __noinline bool meets_dsr(
	const struct lnt_flow_key *k, const struct lnt_flow *f, const struct dsr_service *carried)
{
	struct lnt_flow_key rk = {};
	struct lnt_flow *reply;

	if (!k || !f || !carried || carried->port || f->flags & LNT_F_REPLY)
		return false;
	reverse_key(k, f, &rk);
	reply = bpf_map_lookup_elem(&flows, &rk);
	return reply && reply->flags & LNT_F_REPLY && flow_talks_dsr(reply);
}

/* A unicast packet of any shape. */
static __noinline int slow_unicast(struct __sk_buff *ctx, struct scratch *s)
{
	struct lnt_flow *f;

	if (!s)
		return TC_ACT_SHOT;
	if (s->p.flags & PKT_ERROR)
		return slow_error(ctx, s);
	f = bpf_map_lookup_elem(&flows, &s->p.key);
	if (f && f->epoch != epoch_now() && service_moved(&s->p.key, f)) {
		forget(&s->p.key, f);
		f = NULL;
	}
	if (f && (!(s->p.flags & PKT_SYN) || meets_dsr(&s->p.key, f, &s->carried)))
		return slow_known(ctx, s, f);
	if (f)
		s->p.flags |= PKT_HAS_FLOW;
	return slow_unknown(ctx, s);
}

/* A packet that the fast path has read and that is of no known flow, whatever the hook. */
static __noinline int slow_miss(struct __sk_buff *ctx, const struct lnt_flow_key *key, __u32 flags)
{
	struct scratch *s = scratch_get();

	if (!s || !key)
		return TC_ACT_SHOT;
	packet_of_fast(&s->p, key, (__u8)flags);
	__builtin_memset(&s->why, 0, sizeof(s->why));
	if (addr_is_multicast(&key->daddr)) {
		if (key->scope == LNT_SCOPE_NODE)
			return LNT_NEXT;
		return drop_known(ctx, LNT_DROP_MULTICAST, key, NULL);
	}
	return slow_unknown(ctx, s);
}

static __always_inline int parse_reason(int r)
{
	return r == PARSE_FRAGMENT ? LNT_DROP_FRAGMENT : LNT_DROP_MALFORMED;
}

/*
 * What came from a pod. Flows and decide() tie a source address to its device and MAC; what is no
 * IP, and errors, whose key is not of their own sender, are checked here.
 */
static __noinline int slow_from_pod(struct __sk_buff *ctx)
{
	struct lnt_device_value *dev;
	struct scratch *s = scratch_get();
	__u32 ifindex = ctx->ifindex;
	int r;

	if (!s)
		return TC_ACT_SHOT;
	dev = bpf_map_lookup_elem(&devices, &ifindex);
	if (!dev)
		return drop(ctx, LNT_DROP_NO_ENDPOINT);
	if (ctx->protocol == bpf_htons(ETH_P_ARP))
		return from_pod_arp(ctx, dev);
	r = parse(ctx, ifindex, &s->p);
	__builtin_memset(&s->why, 0, sizeof(s->why));
	if (r == PARSE_NOT_IP)
		return drop(ctx, LNT_DROP_UNKNOWN_L3);
	if (r)
		return slow_drop(ctx, s, parse_reason(r));
	if (s->p.flags & PKT_ND)
		return from_pod_nd(ctx, &s->p, dev);
	if (addr_is_multicast(&s->p.outer_daddr))
		return slow_drop(ctx, s, LNT_DROP_MULTICAST);
	if (!addr_of_pod(&s->p.outer_saddr, ifindex))
		return slow_drop(ctx, s, LNT_DROP_SPOOFED_IP);
	if (!mac_of_pod(ctx, dev))
		return slow_drop(ctx, s, LNT_DROP_SPOOFED_MAC);
	return slow_unicast(ctx, s);
}

/* What the host's stack sends to a pod. ARP and ND of the host itself are its own business. */
static __noinline int slow_to_pod(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_get();
	__u32 ifindex = ctx->ifindex;
	int r;

	if (!s)
		return TC_ACT_SHOT;
	if (ctx->protocol == bpf_htons(ETH_P_ARP))
		return LNT_NEXT;
	if (!bpf_map_lookup_elem(&devices, &ifindex))
		return drop(ctx, LNT_DROP_NO_ENDPOINT);
	r = parse(ctx, ifindex | LNT_SCOPE_TO_POD, &s->p);
	__builtin_memset(&s->why, 0, sizeof(s->why));
	if (r == PARSE_NOT_IP)
		return drop(ctx, LNT_DROP_UNKNOWN_L3);
	if (r)
		return slow_drop(ctx, s, parse_reason(r));
	/* From the host itself or from_pod's answer; it is never forwarded from elsewhere. */
	if (s->p.flags & PKT_ND) {
		if (!ctx->ingress_ifindex || ctx->ingress_ifindex == ifindex)
			return LNT_NEXT;
		return slow_drop(ctx, s, LNT_DROP_FOREIGN_ND);
	}
	if (addr_is_multicast(&s->p.outer_daddr))
		return slow_drop(ctx, s, LNT_DROP_MULTICAST);
	/* The host's own errors about what the pod sent (no route, hop limit) have no flow. */
	if (s->p.flags & PKT_ERROR && !ctx->ingress_ifindex)
		return LNT_NEXT;
	return slow_unicast(ctx, s);
}

/* What came off the wire. Only what is for a pod, or a reply to one, is linnet's. */
static __noinline int slow_from_node(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_get();
	int r;

	if (!s)
		return TC_ACT_SHOT;
	r = parse(ctx, LNT_SCOPE_NODE, &s->p);
	__builtin_memset(&s->why, 0, sizeof(s->why));
	if (r == PARSE_NOT_IP || (!r && s->p.flags & PKT_ND))
		return LNT_NEXT;
	if (r) {
		/* What cannot be read must not reach a pod; the host judges its own. */
		if (bpf_map_lookup_elem(&endpoints, &s->p.outer_daddr))
			return slow_drop(ctx, s, parse_reason(r));
		return LNT_NEXT;
	}
	if (addr_is_multicast(&s->p.outer_daddr))
		return LNT_NEXT;
	r = dsr_receive(ctx, &s->p, &s->carried);
	if (r)
		return slow_drop(ctx, s, r);
	r = slow_unicast(ctx, s);
	s->carried.port = 0;
	return r;
}

/*
 * Whether the node asks a service. Its sockets have been translated before there was a packet, all
 * but SCTP's, which no hook sees. What only passes the node is not its own.
 */
static __always_inline bool asks_service(
	const struct __sk_buff *ctx, const struct lnt_flow_key *key)
{
	return key->proto == IPPROTO_SCTP && !ctx->ingress_ifindex &&
		service_find(&key->daddr, key->dport, key->proto);
}

/*
 * What the node's stack sends out that is of no known flow: the first answer of one of its own
 * sockets to the client of an outside service, or what it asks of a service itself. Everything else
 * is its own, as is what it opens; most is, so that it is soon said.
 */
static __noinline int slow_miss_to_node(
	struct __sk_buff *ctx, const struct lnt_flow_key *key, __u32 flags)
{
	struct lnt_pending *pend = NULL;
	struct scratch *s;

	if (!key)
		return LNT_NEXT;
	if (!(flags & PKT_SYN))
		pend = bpf_map_lookup_elem(&pending, key);
	if (!pend && !asks_service(ctx, key))
		return LNT_NEXT;
	s = scratch_get();
	if (!s)
		return TC_ACT_SHOT;
	packet_of_fast(&s->p, key, (__u8)flags);
	__builtin_memset(&s->why, 0, sizeof(s->why));
	s->carried.port = 0;
	return pend ? slow_reply(ctx, s, pend) : slow_new(ctx, s);
}

/* The same, of any shape, and flows that have to be decided again. */
static __noinline int slow_to_node(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_get();
	struct lnt_pending *pend = NULL;
	struct lnt_flow *f;

	if (!s || parse(ctx, LNT_SCOPE_TO_NODE, &s->p) || s->p.flags & PKT_ND)
		return LNT_NEXT;
	__builtin_memset(&s->why, 0, sizeof(s->why));
	s->carried.port = 0;
	if (s->p.flags & PKT_ERROR)
		return slow_error(ctx, s);
	f = bpf_map_lookup_elem(&flows, &s->p.key);
	if (f && f->epoch != epoch_now() && service_moved(&s->p.key, f)) {
		forget(&s->p.key, f);
		f = NULL;
	}
	if (f && !(s->p.flags & PKT_SYN))
		return slow_known(ctx, s, f);
	if (f)
		s->p.flags |= PKT_HAS_FLOW;
	if (!(s->p.flags & PKT_SYN))
		pend = bpf_map_lookup_elem(&pending, &s->p.key);
	if (pend)
		return slow_reply(ctx, s, pend);
	return asks_service(ctx, &s->p.key) ? slow_new(ctx, s) : LNT_NEXT;
}
