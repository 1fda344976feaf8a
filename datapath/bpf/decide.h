/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Deciding a connection: given its opener's key, who are its two ends, does policy of both that
 * live here allow it, where do its packets and its replies go, and what is rewritten on the way.
 * Pure but for its scratch: nothing is stored here (slow.h does).
 */
#include "datapath/bpf/dsr.h"
#include "datapath/bpf/maglev.h"
#include "datapath/bpf/policy.h"
#include "datapath/bpf/route.h"
#include "datapath/bpf/service.h"

/* Translation that an existing connection has already and must keep. */
struct kept_nat {
	struct in6_addr saddr;
	struct in6_addr daddr;
	__be16 sport;
	__be16 dport;
	__u8 flags; /* LNT_F_NAT_*, LNT_F_DSR of the opener */
	__u8 valid;
	__u8 host; /* the opener was found to be the node itself */
	__u8 pad;
	__u32 slot;		    /* of lnt_flow */
	struct dsr_service carried; /* what the opener, who comes to the pod's address, has asked */
};

/* The slow path's memory, one a CPU: the BPF stack is too small for it. */
struct scratch {
	struct packet p;
	struct lnt_pending d;
	struct lnt_flow_key reply_key;
	struct lnt_flow_key eff; /* the opener's key after service translation */
	struct kept_nat kept;
	struct verdict_info why;
	__u32 ifindex;		    /* where the packet at hand was seen */
	__u32 svc_flags;	    /* of the service that an outside client has asked, 0: none */
	struct dsr_service carried; /* by the packet at hand */
	struct lnt_flow flow;	    /* a new value for an entry that exists */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch_map SEC(".maps");

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch_map, &zero);
}

static __always_inline bool scope_is_pod(__u32 scope)
{
	return scope != LNT_SCOPE_NODE && !(scope & (LNT_SCOPE_TO_POD | LNT_SCOPE_TO_NODE));
}

/* The same for every packet of a connection, different between connections. */
static __always_inline __u32 tuple_hash(const struct lnt_flow_key *k)
{
	__u32 h = 0x811c9dc5;

	for (int i = 0; i < 4; i++) {
		h = mix(h, k->saddr.s6_addr32[i]);
		h = mix(h, k->daddr.s6_addr32[i]);
	}
	return mix(mix(h, ((__u32)k->sport << 16) | k->dport), k->proto);
}

static __always_inline __u32 peer_identity(const struct in6_addr *addr)
{
	struct lnt_peer_value *peer = bpf_map_lookup_elem(&peers, addr);
	struct lnt_cidr_key ck = {.prefixlen = 128};

	if (peer)
		return peer->identity;
	ck.addr = *addr;
	peer = bpf_map_lookup_elem(&blocks, &ck);
	return peer ? peer->identity : LNT_ID_WORLD;
}

/* What every pod has as its next hop, on its own link: 169.254.1.1 and fe80::1. */
static __always_inline void gateway_address(bool is4, struct in6_addr *addr)
{
	if (is4) {
		addr_set4(addr, bpf_htonl(0xa9fe0101));
		return;
	}
	addr->s6_addr32[0] = bpf_htonl(0xfe800000);
	addr->s6_addr32[1] = 0;
	addr->s6_addr32[2] = 0;
	addr->s6_addr32[3] = bpf_htonl(1);
}

static __always_inline void flow_to_pod(struct lnt_flow *f, const struct lnt_endpoint_value *ep)
{
	f->action = LNT_ACT_PEER;
	f->ifindex = ep->ifindex;
	f->flags |= LNT_F_REWRITE_MAC;
	mac_copy(f->new_dmac, ep->mac);
	mac_copy(f->new_smac, ep->host_mac);
}

/* The same from an egress hook, where there is no bpf_redirect_peer: by way of to_pod. */
static __always_inline void flow_to_pod_neigh(
	struct lnt_flow *f, const struct lnt_endpoint_value *ep, const struct in6_addr *addr)
{
	f->action = LNT_ACT_NEIGH;
	f->ifindex = ep->ifindex;
	f->family = addr_is4(addr) ? AF_INET : AF_INET6;
	f->nexthop = *addr;
}

/* To the node itself by its loopback device, whose MAC is zero as the flow's new ones are. */
static __always_inline void flow_loop(struct lnt_flow *f)
{
	f->action = LNT_ACT_LOOP;
	f->flags |= LNT_F_REWRITE_MAC;
}

/* The service that a packet is for. From the wire only what is served to the outside is one. */
static __always_inline struct lnt_service_value *service_for_packet(const struct lnt_flow_key *k)
{
	struct lnt_service_value *svc = service_find(&k->daddr, k->dport, k->proto);

	if (!svc)
		return NULL;
	if (svc->flags & LNT_SVC_HOST_ONLY)
		return k->scope == LNT_SCOPE_TO_NODE ? svc : NULL;
	return k->scope == LNT_SCOPE_NODE && !(svc->flags & LNT_SVC_EXTERNAL) ? NULL : svc;
}

/*
 * Translates a service address that no socket hook has: backend into s->eff. Returns a reason.
 */
static __noinline int decide_service(struct scratch *s)
{
	bool outside = s->d.orig.scope == LNT_SCOPE_NODE;
	struct lnt_affinity_key client = {};
	struct lnt_service_value *svc;
	struct backend backend = {};
	__u32 count, slot;
	bool found;

	if (s->kept.valid) {
		if (s->kept.flags & LNT_F_NAT_DST) {
			s->eff.daddr = s->kept.daddr;
			s->eff.dport = s->kept.dport;
			s->d.fwd.slot = s->kept.slot;
		}
		return LNT_DROP_NONE;
	}
	if (s->kept.carried.port)
		return LNT_DROP_NONE;
	svc = service_for_packet(&s->d.orig);
	if (!svc)
		return LNT_DROP_NONE;
	if (outside && svc->flags & LNT_SVC_RANGES && !source_in_range(&s->d.orig.saddr, svc->set))
		return LNT_DROP_SOURCE_RANGE;
	client.set = outside ? svc->ext_set : svc->set;
	count = outside ? svc->ext_count : svc->count;
	if (!count)
		return svc->set ? LNT_DROP_NO_BACKEND : LNT_DROP_NO_SERVICE;
	if (!nat_knows(s->d.orig.proto))
		return LNT_DROP_UNKNOWN_L4;
	slot = tuple_hash(&s->d.orig) % count;
	__builtin_memcpy(client.client, &s->d.orig.saddr, sizeof(client.client));
	/* All nodes agree on a client that none of them knows; once its time is over it is free. */
	if (outside && count > 1)
		slot = maglev_slot(client.set, &s->d.orig,
			svc->affinity && !affinity_is_over(&client, svc->affinity), slot);
	if (svc->affinity) {
		found = backend_of_client(&client, svc->affinity, slot, &backend);
	} else {
		found = backend_at(client.set, slot, &backend);
	}
	if (!found)
		return LNT_DROP_NO_BACKEND;
	s->eff.daddr = backend.addr;
	s->eff.dport = backend.port;
	s->svc_flags = outside ? svc->flags : 0;
	s->d.fwd.slot = backend.slot;
	return LNT_DROP_NONE;
}

/* A set that shrinks moves a backend to another slot: as many as this are looked at. */
#define MOVED_SLOTS 64

/* Whether @f's backend is one of a set's. */
static __noinline bool is_in_set(const struct lnt_flow *f, __u32 set, __u32 count)
{
	struct backend backend = {};

	if (!f)
		return false;
	if (f->slot < count && backend_at(set, f->slot, &backend) &&
		addr_eq(&backend.addr, &f->nat_daddr) && backend.port == f->nat_dport)
		return true;
	for (__u32 i = 0; i < MOVED_SLOTS && i < count; i++) {
		if (backend_at(set, i, &backend) && addr_eq(&backend.addr, &f->nat_daddr) &&
			backend.port == f->nat_dport)
			return true;
	}
	return false;
}

/*
 * Whether the connection of the opener's flow @f belongs elsewhere by now: its backend is none of
 * the service any more, the service is gone, or there is one now where there was none. TCP and SCTP
 * stay with a backend as long as it may be there, for it may be finishing what it has begun: until
 * no pod of the cluster has its address.
 */
static __noinline bool service_moved(const struct lnt_flow_key *k, const struct lnt_flow *f)
{
	struct lnt_cidr_key ck = {.prefixlen = 128};
	struct lnt_service_value *svc;

	if (!k || !f || f->flags & LNT_F_REPLY || k->scope & LNT_SCOPE_TO_POD)
		return false;
	if (!(f->flags & LNT_F_NAT_DST))
		return k->proto == IPPROTO_UDP && service_for_packet(k);
	svc = service_for_packet(k);
	if (svc && k->scope == LNT_SCOPE_NODE && is_in_set(f, svc->ext_set, svc->ext_count))
		return false;
	if (svc && k->scope != LNT_SCOPE_NODE && is_in_set(f, svc->set, svc->count))
		return false;
	if (k->proto == IPPROTO_UDP)
		return true;
	ck.addr = f->nat_daddr;
	return bpf_map_lookup_elem(&cidrs, &ck) && !bpf_map_lookup_elem(&peers, &f->nat_daddr);
}

/* Whether the reply key @rk is free, or this connection's already. */
static __always_inline bool reply_key_ok(const struct lnt_flow_key *rk, const struct scratch *s)
{
	struct lnt_pending *p = bpf_map_lookup_elem(&pending, rk);
	struct lnt_flow *f;

	if (p)
		return addr_eq(&p->orig.saddr, &s->d.orig.saddr) &&
			p->orig.sport == s->d.orig.sport && p->orig.scope == s->d.orig.scope;
	f = bpf_map_lookup_elem(&flows, rk);
	return !f || (addr_eq(&f->nat_daddr, &s->d.orig.saddr) && f->nat_dport == s->d.orig.sport);
}

/* ICMP but an echo request, whose answer nothing would match. One of identifier 0 looks the same.
 */
static __always_inline bool icmp_no_request(const struct lnt_flow_key *k)
{
	if (k->proto != IPPROTO_ICMP && k->proto != IPPROTO_ICMPV6)
		return false;
	return !k->sport || k->dport;
}

#define MASQ_TRIES 16

/* Chooses the node's address and a port that no other answers from there, seen at @scope, have. */
static __noinline int decide_masquerade(struct scratch *s, __u32 scope)
{
	struct lnt_flow_key rk = {};
	__u32 range, h;

	if (!nat_knows(s->eff.proto) || icmp_no_request(&s->eff))
		return LNT_DROP_UNKNOWN_L4;
	s->d.fwd.nat_saddr = addr_is4(&s->eff.saddr) ? cfg.masq4 : cfg.masq6;
	rk.saddr = s->eff.daddr;
	rk.daddr = s->d.fwd.nat_saddr;
	rk.sport = s->eff.dport;
	rk.proto = s->eff.proto;
	rk.scope = scope;
	range = (__u32)cfg.masq_port_max - cfg.masq_port_min + 1;
	h = tuple_hash(&s->d.orig);
	for (__u32 i = 0; i < MASQ_TRIES; i++) {
		rk.dport = bpf_htons((__u16)(cfg.masq_port_min + (h + i * 7919) % range));
		if (!reply_key_ok(&rk, s))
			continue;
		s->d.fwd.nat_sport = rk.dport;
		s->d.fwd.flags |= LNT_F_NAT_SRC;
		return LNT_DROP_NONE;
	}
	return LNT_DROP_NAT_PORTS;
}

/* Whether the node has an address of the family to masquerade with. */
static __always_inline bool has_masquerade(const struct scratch *s)
{
	return addr_is4(&s->eff.saddr) ? cfg.masq4.s6_addr32[3] : cfg.masq6.s6_addr32[0];
}

/* Whether a destination outside needs the node's address as source. */
static __always_inline bool needs_masquerade(const struct scratch *s)
{
	struct lnt_cidr_key ck = {.prefixlen = 128};

	if (!has_masquerade(s))
		return false;
	ck.addr = s->eff.daddr;
	return !bpf_map_lookup_elem(&cidrs, &ck);
}

/*
 * The opener: its identity, and that it is where it says. Only what the node itself sends is the
 * node: its address off the wire or by another device opens nothing. Returns a reason.
 */
static __noinline int decide_source(
	struct __sk_buff *ctx, struct scratch *s, const struct lnt_endpoint_value *src_ep)
{
	__u32 scope = s->d.orig.scope;

	if (scope_is_pod(scope)) {
		/* It was a pod that was asked, or a known pod asks with an address of nobody. */
		if (!src_ep)
			return s->p.key.scope == scope && bpf_map_lookup_elem(&devices, &scope)
				? LNT_DROP_SPOOFED_IP
				: LNT_DROP_NO_ENDPOINT;
		if (src_ep->ifindex != scope)
			return LNT_DROP_SPOOFED_IP;
		s->d.fwd.src_identity = src_ep->identity;
		s->d.fwd.flags |= LNT_F_CHECK_MAC;
		mac_copy(s->d.fwd.src_mac, src_ep->mac);
		return LNT_DROP_NONE;
	}
	if (scope == LNT_SCOPE_NODE && src_ep)
		return LNT_DROP_WIRE_SPOOFED;
	if (scope != LNT_SCOPE_NODE && s->kept.host) {
		s->d.fwd.src_identity = LNT_ID_HOST;
		return LNT_DROP_NONE;
	}
	if (src_ep) {
		if (!s->kept.valid && src_ep->ifindex != ctx->ingress_ifindex)
			return LNT_DROP_WIRE_SPOOFED;
		s->d.fwd.src_identity = src_ep->identity;
		return LNT_DROP_NONE;
	}
	s->d.fwd.src_identity = peer_identity(&s->eff.saddr);
	if (lnt_id_kind(s->d.fwd.src_identity) == LNT_ID_HOST)
		s->d.fwd.src_identity = LNT_ID_WORLD;
	return LNT_DROP_NONE;
}

/*
 * The way to the target. What the node sends may be on its loopback device, from where and with
 * whose addresses nothing is routed: it goes as by another device, masqueraded.
 */
static __always_inline int route_target(struct __sk_buff *ctx, struct scratch *s)
{
	const struct in6_addr *saddr = &s->eff.saddr;
	__u32 scope = s->d.orig.scope, ifindex = s->ifindex;

	if (scope_is_pod(scope)) {
		ifindex = scope;
	} else if (scope == LNT_SCOPE_TO_NODE) {
		ifindex = cfg.devices[0];
		if (addr_stays(saddr))
			saddr = addr_is4(saddr) ? (const struct in6_addr *)&cfg.masq4
						: (const struct in6_addr *)&cfg.masq6;
	}
	return route(ctx, saddr, &s->eff.daddr, ifindex, &s->d.fwd);
}

/* Not for a local pod and not from one: the node's own business. Not a drop reason. */
#define DECIDE_NOT_OURS (-1)

/* The target: its identity, and where the packets go. Returns a reason, or DECIDE_NOT_OURS. */
static __noinline int decide_target(
	struct __sk_buff *ctx, struct scratch *s, const struct lnt_endpoint_value *dst_ep)
{
	__u32 scope = s->d.orig.scope;
	struct lnt_flow *f = &s->d.fwd;
	int r;

	if (scope & LNT_SCOPE_TO_POD) {
		if (!dst_ep || dst_ep->ifindex != (scope & ~LNT_SCOPE_TO_POD))
			return LNT_DROP_NO_ENDPOINT;
		f->dst_identity = dst_ep->identity;
		f->action = LNT_ACT_STACK;
		return LNT_DROP_NONE;
	}
	if (dst_ep) {
		f->dst_identity = dst_ep->identity;
		if (scope == LNT_SCOPE_TO_NODE)
			flow_to_pod_neigh(f, dst_ep, &s->eff.daddr);
		else
			flow_to_pod(f, dst_ep);
		return LNT_DROP_NONE;
	}
	if (scope == LNT_SCOPE_NODE && !(f->flags & LNT_F_NAT_DST))
		return DECIDE_NOT_OURS;
	if (addr_stays(&s->eff.daddr))
		return LNT_DROP_NO_ROUTE;
	/* The agent lists all addresses of the node, so that what else goes to the stack is not it.
	 */
	f->dst_identity = peer_identity(&s->eff.daddr);
	if (lnt_id_kind(f->dst_identity) == LNT_ID_HOST) {
		if (scope == LNT_SCOPE_TO_NODE)
			flow_loop(f);
		else
			f->action = LNT_ACT_STACK;
	} else {
		r = route_target(ctx, s);
		if (r)
			return r;
	}
	/* What the stack answers an outside client, or brings from a device that is not linnet's,
	 * has to be translated back on its way out.
	 */
	if (scope == LNT_SCOPE_NODE && f->action == LNT_ACT_STACK && !cfg.has_to_node)
		return LNT_DROP_NO_BACKEND;
	/* What the node sends out is not for its stack to route. */
	if (scope == LNT_SCOPE_TO_NODE && f->action == LNT_ACT_STACK)
		return LNT_DROP_NO_BACKEND;
	return LNT_DROP_NONE;
}

static __always_inline void flow_set_dsr(struct lnt_flow *f, __u8 proto)
{
	if (f->action != LNT_ACT_NEIGH)
		return;
	f->flags |= LNT_F_DSR;
	if (proto == IPPROTO_UDP)
		f->action = LNT_ACT_DSR;
}

/*
 * Whether the backend's node answers the client directly. It must be told by this very packet, or
 * have been before: a connection of which the middle is seen first was told so by another node.
 */
static __noinline bool decide_dsr(struct __sk_buff *ctx, struct scratch *s)
{
	struct lnt_flow_key *rk;

	if (!s || !(s->svc_flags & LNT_SVC_DSR) ||
		lnt_id_kind(s->d.fwd.src_identity) != LNT_ID_WORLD ||
		!dsr_is_pod(s->d.fwd.dst_identity))
		return false;
	if (s->eff.proto == IPPROTO_TCP && !(s->p.flags & PKT_SYN))
		return true;
	if (s->eff.proto != IPPROTO_TCP && s->eff.proto != IPPROTO_UDP)
		return false;
	if (dsr_fits(ctx, &s->p, s->d.fwd.ifindex))
		return true;
	rk = &s->reply_key;
	__builtin_memset(rk, 0, sizeof(*rk));
	rk->saddr = s->eff.daddr;
	rk->daddr = s->eff.saddr;
	rk->sport = s->eff.dport;
	rk->dport = s->eff.sport;
	rk->proto = s->eff.proto;
	if (bpf_map_lookup_elem(&pending, rk))
		return true;
	count(LNT_CNT_DSR_NO_ROOM);
	return false;
}

/* Where the answers are seen. */
static __always_inline __u32 answers_scope(
	const struct scratch *s, const struct lnt_endpoint_value *dst_ep)
{
	__u32 scope = s->d.orig.scope;

	if (dst_ep)
		return dst_ep->ifindex;
	if (s->d.fwd.action == LNT_ACT_STACK)
		return scope == LNT_SCOPE_NODE ? LNT_SCOPE_TO_NODE : scope | LNT_SCOPE_TO_POD;
	return s->d.fwd.action == LNT_ACT_LOOP ? LNT_SCOPE_TO_NODE : LNT_SCOPE_NODE;
}

/*
 * A source that the answers find their way back to: the node's, where a pod talks to a world that
 * has no way to it and where a client from outside is sent on to another node that does not answer
 * it directly; the gateway's, where a pod talks to itself through a service; again the node's,
 * where it asks a service at a loopback address. What is up keeps what it has. Returns a reason.
 */
static __noinline int decide_source_nat(struct __sk_buff *ctx, struct scratch *s,
	const struct lnt_endpoint_value *src_ep, const struct lnt_endpoint_value *dst_ep)
{
	struct lnt_flow *f = &s->d.fwd;

	if (s->kept.valid) {
		f->flags |= s->kept.flags & LNT_F_NAT_SRC;
		f->nat_saddr = s->kept.saddr;
		f->nat_sport = s->kept.sport;
		if (s->kept.flags & LNT_F_DSR)
			flow_set_dsr(f, s->eff.proto);
		return LNT_DROP_NONE;
	}
	if (f->flags & LNT_F_NAT_DST && src_ep && dst_ep && src_ep->ifindex == dst_ep->ifindex) {
		/* SCTP answers a link-local address from its own, whatever it was asked at. */
		if (s->eff.proto == IPPROTO_SCTP && !addr_is4(&s->eff.saddr) && has_masquerade(s))
			return decide_masquerade(s, dst_ep->ifindex);
		f->flags |= LNT_F_NAT_SRC;
		f->nat_sport = s->eff.sport;
		gateway_address(addr_is4(&s->eff.saddr), &f->nat_saddr);
		return LNT_DROP_NONE;
	}
	if (s->d.orig.scope == LNT_SCOPE_TO_NODE) {
		if (!addr_stays(&s->eff.saddr))
			return LNT_DROP_NONE;
		if (!has_masquerade(s))
			return LNT_DROP_NAT_PORTS;
		return decide_masquerade(s, answers_scope(s, dst_ep));
	}
	if (f->action != LNT_ACT_NEIGH)
		return LNT_DROP_NONE;
	if (decide_dsr(ctx, s)) {
		flow_set_dsr(f, s->eff.proto);
		return LNT_DROP_NONE;
	}
	if (s->d.orig.scope == LNT_SCOPE_NODE)
		return has_masquerade(s) ? decide_masquerade(s, LNT_SCOPE_NODE)
					 : LNT_DROP_NAT_PORTS;
	if (lnt_id_kind(f->dst_identity) == LNT_ID_WORLD && needs_masquerade(s))
		return decide_masquerade(s, LNT_SCOPE_NODE);
	return LNT_DROP_NONE;
}

/*
 * What the policy of one end says to the other, told and counted. What is audited passes. Returns a
 * reason.
 */
static __noinline int decide_end(struct __sk_buff *ctx, struct scratch *s,
	const struct lnt_endpoint_value *ep, __u32 direction)
{
	struct verdict_info *why;
	struct lnt_flow *f;
	__u32 rule = 0;
	int r;

	if (!s || !ep)
		return LNT_DROP_INTERNAL;
	f = &s->d.fwd;
	why = &s->why;
	r = policy_decide(ep, direction,
		direction == LNT_INGRESS ? f->src_identity : f->dst_identity, &s->eff, &rule);
	why->direction = (__u8)direction;
	why->policy_id = ep->policy_id;
	why->rule = rule;
	if (r && !(ep->flags & LNT_EP_AUDIT))
		return r;
	f->rule = rule;
	if (r) {
		count(LNT_CNT_POLICY_AUDITED);
		if (is_told(LNT_TELL_DROPS))
			tell(ctx, LNT_EVENT_AUDIT << 8 | (__u32)r, &s->p.key, why);
	} else if (is_told(LNT_TELL_ALLOWS)) {
		tell(ctx, LNT_EVENT_ALLOW << 8, &s->p.key, why);
	}
	return LNT_DROP_NONE;
}

/* Policy of both ends that live here; a pod may always talk to itself. Returns a reason. */
static __noinline int decide_policy(struct __sk_buff *ctx, struct scratch *s,
	const struct lnt_endpoint_value *src_ep, const struct lnt_endpoint_value *dst_ep)
{
	struct lnt_flow *f = &s->d.fwd;
	int r;

	s->why.src_identity = f->src_identity;
	s->why.dst_identity = f->dst_identity;
	s->why.target = s->eff.daddr;
	s->why.target_port = s->eff.dport;
	if (src_ep && dst_ep && src_ep->ifindex == dst_ep->ifindex)
		return LNT_DROP_NONE;
	/* Also where the stack brings it, by rules of its own, from a pod that spoke to the host.
	 */
	if (src_ep && lnt_id_kind(f->src_identity) != LNT_ID_HOST) {
		r = decide_end(ctx, s, src_ep, LNT_EGRESS);
		if (r)
			return r;
	}
	return dst_ep ? decide_end(ctx, s, dst_ep, LNT_INGRESS) : LNT_DROP_NONE;
}

static __noinline bool is_nodes_own(const struct in6_addr *addr)
{
	return addr && (addr_stays(addr) || lnt_id_kind(peer_identity(addr)) == LNT_ID_HOST);
}

/* The replies: their key, the rewrite that undoes the opener's, and their way. Returns a reason. */
static __noinline int decide_reply(struct __sk_buff *ctx, struct scratch *s,
	const struct lnt_endpoint_value *src_ep, const struct lnt_endpoint_value *dst_ep)
{
	struct lnt_flow *f = &s->d.fwd, *r = &s->d.reply;
	struct lnt_flow_key *rk = &s->reply_key;
	__u32 scope = s->d.orig.scope;

	__builtin_memset(rk, 0, sizeof(*rk));
	rk->saddr = s->eff.daddr;
	rk->daddr = f->flags & LNT_F_NAT_SRC ? f->nat_saddr : s->eff.saddr;
	rk->sport = s->eff.dport;
	rk->dport = f->flags & LNT_F_NAT_SRC ? f->nat_sport : s->eff.sport;
	rk->proto = s->eff.proto;
	rk->scope = answers_scope(s, dst_ep);

	r->flags = LNT_F_REPLY;
	r->src_identity = f->src_identity;
	r->dst_identity = f->dst_identity;
	r->rule = f->rule;
	r->slot = f->slot;
	r->peer_scope = scope;
	f->peer_scope = rk->scope;
	if (f->flags & LNT_F_NAT_SRC) {
		r->flags |= LNT_F_NAT_DST;
		r->nat_daddr = s->d.orig.saddr;
		r->nat_dport = s->d.orig.sport;
	}
	if (f->flags & LNT_F_NAT_DST) {
		r->flags |= LNT_F_NAT_SRC;
		r->nat_saddr = s->d.orig.daddr;
		r->nat_sport = s->d.orig.dport;
	} else if (s->kept.carried.port) {
		r->flags |= LNT_F_NAT_SRC | LNT_F_DSR;
		r->nat_saddr = s->kept.carried.addr;
		r->nat_sport = s->kept.carried.port;
	}
	if (dst_ep) {
		r->flags |= LNT_F_CHECK_MAC;
		mac_copy(r->src_mac, dst_ep->mac);
	}
	if ((scope | rk->scope) & (LNT_SCOPE_TO_POD | LNT_SCOPE_TO_NODE)) {
		/* What comes from one of the node's own addresses comes by loopback, or is thrown
		 * away.
		 */
		if (scope == LNT_SCOPE_TO_NODE && rk->scope != scope &&
			is_nodes_own(&s->d.orig.daddr))
			flow_loop(r);
		else
			r->action = LNT_ACT_STACK;
		return LNT_DROP_NONE;
	}
	if (scope_is_pod(scope) && src_ep) {
		flow_to_pod(r, src_ep);
		return LNT_DROP_NONE;
	}
	return route(ctx, &rk->saddr, &s->d.orig.saddr, dst_ep ? dst_ep->ifindex : s->ifindex, r);
}

/*
 * Decides the connection whose opener's key is the scratch's d.orig, into its d and reply_key.
 * Returns a drop reason with s->why filled, LNT_DROP_NONE, or DECIDE_NOT_OURS.
 */
__noinline int decide(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_get();
	struct lnt_endpoint_value *src_ep, *dst_ep;
	__u32 epoch = epoch_now();
	int r;

	if (!s)
		return LNT_DROP_INTERNAL;
	__builtin_memset(&s->d.fwd, 0, sizeof(s->d.fwd));
	__builtin_memset(&s->d.reply, 0, sizeof(s->d.reply));
	__builtin_memset(&s->why, 0, sizeof(s->why));
	s->d.fwd.epoch = s->d.reply.epoch = epoch;
	s->ifindex = ctx->ifindex;
	s->svc_flags = 0;
	s->eff = s->d.orig;
	src_ep = bpf_map_lookup_elem(&endpoints, &s->eff.saddr);
	r = decide_source(ctx, s, src_ep);
	if (r)
		return r;
	dst_ep = bpf_map_lookup_elem(&endpoints, &s->eff.daddr);
	/* A pod's own address is no service. */
	if (!(s->d.orig.scope & LNT_SCOPE_TO_POD) && (!dst_ep || s->kept.valid)) {
		r = decide_service(s);
		if (r)
			return r;
	}
	if (!addr_eq(&s->eff.daddr, &s->d.orig.daddr) || s->eff.dport != s->d.orig.dport) {
		s->d.fwd.flags |= LNT_F_NAT_DST;
		s->d.fwd.nat_daddr = s->eff.daddr;
		s->d.fwd.nat_dport = s->eff.dport;
		dst_ep = bpf_map_lookup_elem(&endpoints, &s->eff.daddr);
	}
	r = decide_target(ctx, s, dst_ep);
	if (r)
		return r;
	r = decide_policy(ctx, s, src_ep, dst_ep);
	if (r)
		return r;
	r = decide_source_nat(ctx, s, src_ep, dst_ep);
	if (r)
		return r;
	return decide_reply(ctx, s, src_ep, dst_ep);
}
