/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Direct server return: the node that an outside client has asked sends the packet on to the
 * backend's node with the client's own address, translated to the pod's, and the address and port
 * that were asked carried along; there the pod's answers get them as source and leave for the
 * client directly.
 *
 * Carrier: an IPv4 option, or an IPv6 destination option (type 30 of both spaces, for experiments:
 * RFC 4727, 3 and 4), the first thing after the fixed header. It is carried by
 *   - what TCP says until the connection is established here: the SYN, and the packet after it;
 *   - the first LNT_DSR_REPEAT packets of a UDP flow, and one after each sweep;
 * where there is room. The other packets are sent on as they are: what is carried is remembered.
 * A flow whose first packet has no room for it is source-translated instead.
 *
 * The backend's node takes it off a packet for one of its pods. What a connection has not been told
 * before is believed when
 *   - the client is no pod and no node of the cluster, and within the service's source ranges;
 *   - this node knows the address and port as one that serves outside clients so, or the address
 *     as another node's and the port as a NodePort;
 *   - the pod and port are an endpoint of that service.
 * Everything else that carries something to a pod is dropped. Who can send packets to a pod past
 * the service thereby gains no more than an answer from an address that the pod answers with
 * anyway; policy is asked as of any packet of that client.
 */
#include "datapath/bpf/nat.h"
#include "datapath/bpf/service.h"

#define LNT_DSR_REPEAT 16

#define DSR_OPTION 30

struct dsr_service {
	struct in6_addr addr;
	__be16 port; /* 0: none */
	__u8 pad[2];
};

struct dsr_option4 {
	__u8 type;
	__u8 len;
	__be16 port;
	__be32 addr;
};
_Static_assert(sizeof(struct dsr_option4) == 8, "words of 4 bytes");

/* A destination options header with nothing else in it. */
struct dsr_option6 {
	__u8 next;
	__u8 words; /* of 8 bytes, without the first */
	__u8 type;
	__u8 len; /* of what follows */
	__be16 port;
	__be16 zero;
	struct in6_addr addr;
};
_Static_assert(sizeof(struct dsr_option6) == 24, "words of 8 bytes");

static __always_inline __u32 dsr_room(bool is4)
{
	return is4 ? sizeof(struct dsr_option4) : sizeof(struct dsr_option6);
}

/* Another node's address has no linnet behind it that would listen; nor has one outside. */
static __always_inline bool dsr_is_pod(__u32 identity)
{
	return lnt_id_kind(identity) == LNT_ID_POD || lnt_id_kind(identity) == LNT_ID_UNLABELLED;
}

/* Whether the service's address can be put into the packet, which leaves by @ifindex. */
static __always_inline bool dsr_fits(struct __sk_buff *ctx, const struct packet *p, __u32 ifindex)
{
	__u32 mtu = 0;
	__be16 frag;
	__u8 first;

	if (p->flags & PKT_NO_L4 || ctx->gso_size)
		return false;
	if (!p->is4 && p->l4_off != ETH_HLEN_ + sizeof(struct ipv6hdr))
		return false;
	if (p->is4 &&
		(bpf_skb_load_bytes(ctx, ETH_HLEN_, &first, 1) ||
			(first & 15) > 15 - sizeof(struct dsr_option4) / 4 ||
			bpf_skb_load_bytes(ctx, ETH_HLEN_ + 6, &frag, 2) ||
			frag & bpf_htons(IP_OFFSET | IP_MF)))
		return false;
	return !bpf_check_mtu(ctx, ifindex, &mtu, (__s32)dsr_room(p->is4), 0);
}

/*
 * The IPv4 header's new length after @words of 4 bytes more of options, with @diff in its sum.
 */
static __noinline int dsr_resize4(struct __sk_buff *ctx, __s32 words, __s64 diff)
{
	struct {
		__u8 version_ihl, tos;
		__be16 tot_len;
	} old, new;

	if (bpf_skb_load_bytes(ctx, ETH_HLEN_, &old, sizeof(old)))
		return -1;
	new = old;
	new.version_ihl = (__u8)(old.version_ihl + words);
	new.tot_len = bpf_htons((__u16)(bpf_ntohs(old.tot_len) + words * 4));
	diff = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, sizeof(new), (__u32)diff);
	if (diff < 0 ||
		bpf_skb_store_bytes(ctx, ETH_HLEN_, &new, sizeof(new), BPF_F_RECOMPUTE_CSUM))
		return -1;
	return bpf_l3_csum_replace(ctx, ETH_HLEN_ + 10, 0, diff, 0) ? -1 : 0;
}

static __noinline int dsr_put4(struct __sk_buff *ctx, const struct packet *p)
{
	struct dsr_option4 opt = {.type = DSR_OPTION, .len = sizeof(opt)};
	__s64 diff;

	if (!p)
		return -1;
	opt.port = p->key.dport;
	opt.addr = p->key.daddr.s6_addr32[3];
	diff = bpf_csum_diff(NULL, 0, (__be32 *)&opt, sizeof(opt), 0);
	if (diff < 0 || bpf_skb_adjust_room(ctx, sizeof(opt), BPF_ADJ_ROOM_NET, 0) ||
		bpf_skb_store_bytes(ctx, ETH_HLEN_ + sizeof(struct iphdr), &opt, sizeof(opt),
			BPF_F_RECOMPUTE_CSUM))
		return -1;
	return dsr_resize4(ctx, sizeof(opt) / 4, diff);
}

/* The IPv6 header's next header, and its length after @by bytes more. */
static __noinline int dsr_resize6(struct __sk_buff *ctx, __s32 by, __u32 next)
{
	struct {
		__be16 payload_len;
		__u8 nexthdr, hop_limit;
	} h;

	if (bpf_skb_load_bytes(ctx, ETH_HLEN_ + 4, &h, sizeof(h)))
		return -1;
	h.payload_len = bpf_htons((__u16)(bpf_ntohs(h.payload_len) + by));
	h.nexthdr = (__u8)next;
	return bpf_skb_store_bytes(ctx, ETH_HLEN_ + 4, &h, sizeof(h), BPF_F_RECOMPUTE_CSUM) ? -1
											    : 0;
}

static __noinline int dsr_put6(struct __sk_buff *ctx, const struct packet *p)
{
	struct dsr_option6 opt = {.words = sizeof(opt) / 8 - 1,
		.type = DSR_OPTION,
		.len = sizeof(opt) - offsetof(struct dsr_option6, port)};

	if (!p)
		return -1;
	opt.next = p->key.proto;
	opt.port = p->key.dport;
	opt.addr = p->key.daddr;
	if (bpf_skb_adjust_room(ctx, sizeof(opt), BPF_ADJ_ROOM_NET, 0) ||
		bpf_skb_store_bytes(ctx, ETH_HLEN_ + sizeof(struct ipv6hdr), &opt, sizeof(opt),
			BPF_F_RECOMPUTE_CSUM))
		return -1;
	return dsr_resize6(ctx, sizeof(opt), IPPROTO_DSTOPTS);
}

/* Puts the packet's own destination into it, before that is translated. */
static __always_inline int dsr_put(struct __sk_buff *ctx, struct packet *p)
{
	if (p->is4 ? dsr_put4(ctx, p) : dsr_put6(ctx, p))
		return -1;
	p->l4_off += dsr_room(p->is4);
	count(LNT_CNT_DSR_CARRIED);
	return 0;
}

/* --- on the backend's node -------------------------------------------------------------------- */

/* What the packet carries. False: nothing of ours. */
static __noinline bool dsr_read(
	struct __sk_buff *ctx, const struct packet *p, struct dsr_service *ret_service)
{
	struct dsr_option4 o4;
	struct dsr_option6 o6;
	__u8 next;

	if (!p || !ret_service || p->flags & (PKT_NO_L4 | PKT_ERROR))
		return false;
	if (p->is4) {
		if (p->l4_off < ETH_HLEN_ + sizeof(struct iphdr) + sizeof(o4) ||
			bpf_skb_load_bytes(
				ctx, ETH_HLEN_ + sizeof(struct iphdr), &o4, sizeof(o4)) ||
			o4.type != DSR_OPTION || o4.len != sizeof(o4))
			return false;
		ret_service->port = o4.port;
		addr_set4(&ret_service->addr, o4.addr);
		return o4.port;
	}
	if (p->l4_off < ETH_HLEN_ + sizeof(struct ipv6hdr) + sizeof(o6) ||
		bpf_skb_load_bytes(ctx, ETH_HLEN_ + 6, &next, 1) || next != IPPROTO_DSTOPTS ||
		bpf_skb_load_bytes(ctx, ETH_HLEN_ + sizeof(struct ipv6hdr), &o6, sizeof(o6)) ||
		o6.words != sizeof(o6) / 8 - 1 || o6.type != DSR_OPTION ||
		o6.len != sizeof(o6) - offsetof(struct dsr_option6, port))
		return false;
	ret_service->port = o6.port;
	ret_service->addr = o6.addr;
	return o6.port;
}

/* Takes off what dsr_read() has found. */
static __noinline int dsr_take(struct __sk_buff *ctx, struct packet *p)
{
	struct dsr_option4 o4;
	__s64 diff = 0;
	__u8 next = 0;

	if (!p)
		return -1;
	if (p->is4) {
		if (bpf_skb_load_bytes(ctx, ETH_HLEN_ + sizeof(struct iphdr), &o4, sizeof(o4)))
			return -1;
		diff = bpf_csum_diff((__be32 *)&o4, sizeof(o4), NULL, 0, 0);
	} else if (bpf_skb_load_bytes(ctx, ETH_HLEN_ + sizeof(struct ipv6hdr), &next, 1)) {
		return -1;
	}
	if (diff < 0 ||
		bpf_skb_adjust_room(
			ctx, -(__s32)dsr_room(p->is4), BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	p->l4_off -= dsr_room(p->is4);
	return p->is4 ? dsr_resize4(ctx, -(__s32)(sizeof(o4) / 4), diff)
		      : dsr_resize6(ctx, -(__s32)sizeof(struct dsr_option6), next);
}

/* As many pods as a node has; a set of this node's endpoints is no larger. */
#define DSR_MEMBERS 256

static __noinline bool dsr_is_member(__u32 set, __u32 n, const struct in6_addr *addr, __u32 port)
{
	struct lnt_backend_key key = {.set = set};
	struct lnt_backend_value *v;

	if (!addr)
		return false;
	for (__u32 i = 0; i < DSR_MEMBERS && i < n; i++) {
		key.slot = i;
		v = bpf_map_lookup_elem(&backends, &key);
		if (v && v->port == (__be16)port && addr_eq(&v->addr, addr))
			return true;
	}
	return false;
}

static __always_inline __u32 dsr_peer_kind(const struct in6_addr *addr)
{
	struct lnt_peer_value *peer = bpf_map_lookup_elem(&peers, addr);

	return peer ? lnt_id_kind(peer->identity) : LNT_ID_WORLD;
}

/* The rule at the top of this file, for a connection that is new. Returns a reason. */
static __noinline int dsr_judge(const struct lnt_flow_key *k, const struct dsr_service *service)
{
	struct lnt_service_key key = {.kind = LNT_FRONTEND_CARRIED};
	struct lnt_service_value *svc;

	if (!k || !service || dsr_peer_kind(&k->saddr) != LNT_ID_WORLD)
		return LNT_DROP_DSR_UNKNOWN;
	key.addr = service->addr;
	key.port = service->port;
	key.proto = k->proto;
	svc = bpf_map_lookup_elem(&services, &key);
	if (!svc && dsr_peer_kind(&key.addr) == LNT_ID_NODE) {
		__builtin_memset(&key.addr, 0, sizeof(key.addr));
		if (addr_is4(&service->addr))
			addr_set4(&key.addr, 0);
		svc = bpf_map_lookup_elem(&services, &key);
	}
	if (!svc || !dsr_is_member(svc->set, svc->count, &k->daddr, k->dport))
		return LNT_DROP_DSR_UNKNOWN;
	if (svc->flags & LNT_SVC_RANGES && !source_in_range(&k->saddr, svc->set))
		return LNT_DROP_SOURCE_RANGE;
	return LNT_DROP_NONE;
}

static __always_inline bool dsr_is_same(const struct lnt_flow *reply, const struct dsr_service *s)
{
	return reply->flags & LNT_F_DSR && reply->nat_sport == s->port &&
		addr_eq(&reply->nat_saddr, &s->addr);
}

/*
 * Whether what the packet @k carries to the pod behind @ifindex may be believed. Flows that were
 * opened through another address of the service go, unless TCP talks by them. Returns a reason.
 */
static __noinline int dsr_believe(
	const struct lnt_flow_key *k, __u32 ifindex, const struct dsr_service *service)
{
	struct lnt_flow_key rk = {};
	struct lnt_pending *pend;
	struct lnt_flow *reply;
	int r;

	if (!k || !service)
		return LNT_DROP_INTERNAL;
	rk.saddr = k->daddr;
	rk.daddr = k->saddr;
	rk.sport = k->dport;
	rk.dport = k->sport;
	rk.proto = k->proto;
	rk.scope = ifindex;
	reply = bpf_map_lookup_elem(&flows, &rk);
	if (reply && dsr_is_same(reply, service))
		return LNT_DROP_NONE;
	pend = reply ? NULL : bpf_map_lookup_elem(&pending, &rk);
	if (pend && dsr_is_same(&pend->reply, service))
		return LNT_DROP_NONE;
	r = dsr_judge(k, service);
	if (r || !reply)
		return r;
	if (k->proto == IPPROTO_TCP && !(reply->flags & (LNT_F_FIN | LNT_F_RST)))
		return LNT_DROP_DSR_CLASH;
	bpf_map_delete_elem(&flows, &rk);
	bpf_map_delete_elem(&flows, k);
	return LNT_DROP_NONE;
}

/*
 * Reads and takes off what a packet off the wire carries for a pod of this node. *ret_service has
 * port 0 when there is nothing. Returns a reason.
 */
static __noinline int dsr_receive(
	struct __sk_buff *ctx, struct packet *p, struct dsr_service *ret_service)
{
	struct dsr_service service = {};
	struct lnt_endpoint_value *ep;
	int r;

	if (!p || !ret_service)
		return LNT_DROP_INTERNAL;
	ret_service->port = 0;
	if (!dsr_read(ctx, p, &service))
		return LNT_DROP_NONE;
	ep = bpf_map_lookup_elem(&endpoints, &p->key.daddr);
	if (!ep)
		return LNT_DROP_NONE;
	r = dsr_believe(&p->key, ep->ifindex, &service);
	if (r)
		return r;
	if (dsr_take(ctx, p))
		return LNT_DROP_INTERNAL;
	*ret_service = service;
	return LNT_DROP_NONE;
}
