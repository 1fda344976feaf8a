/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Counting, and dropping: no packet is dropped but through drop(), with its reason. */
#include "datapath/bpf/maps.h"

static __always_inline void count(enum lnt_counter what)
{
	__u32 key = what;
	__u64 *n = bpf_map_lookup_elem(&counters, &key);

	if (n)
		(*n)++;
}

/* What was decided of a packet, and by what. */
struct verdict_info {
	struct in6_addr target; /* of the connection, behind a service */
	__be16 target_port;
	__u8 direction;
	__u8 pad;
	__u32 src_identity;
	__u32 dst_identity;
	__u32 policy_id;
	__u32 rule;
};

/* Whether somebody listens for @what (enum lnt_tell). */
static __always_inline bool is_told(__u32 what)
{
	__u32 zero = 0;
	struct lnt_state *s = bpf_map_lookup_elem(&state, &zero);

	return s && s->tell & what;
}

/* Tells user space, if there is room. @key and @info may be NULL. */
static __noinline void tell(struct __sk_buff *ctx, __u32 kind_reason,
	const struct lnt_flow_key *key, const struct verdict_info *info)
{
	struct lnt_event *ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);

	if (!ev) {
		count(LNT_CNT_EVENTS_LOST);
		return;
	}
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->time = bpf_ktime_get_ns();
	ev->ifindex = ctx->ifindex;
	ev->kind = (__u8)(kind_reason >> 8);
	ev->reason = (__u8)kind_reason;
	if (key)
		ev->key = *key;
	if (info) {
		ev->target = info->target;
		ev->target_port = info->target_port;
		ev->direction = info->direction;
		ev->src_identity = info->src_identity;
		ev->dst_identity = info->dst_identity;
		ev->policy_id = info->policy_id;
		ev->rule = info->rule;
	}
	bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
}

/* Counts the reason, tells it, and gives the verdict to return. @key and @info may be NULL. */
__noinline int drop_known(struct __sk_buff *ctx, __u32 reason, const struct lnt_flow_key *key,
	const struct verdict_info *info)
{
	__u64 *n = bpf_map_lookup_elem(&drops, &reason);

	if (n)
		(*n)++;
	if (is_told(LNT_TELL_DROPS))
		tell(ctx, LNT_EVENT_DROP << 8 | reason, key, info);
	return TC_ACT_SHOT;
}

static __always_inline int drop(struct __sk_buff *ctx, __u32 reason)
{
	return drop_known(ctx, reason, NULL, NULL);
}
