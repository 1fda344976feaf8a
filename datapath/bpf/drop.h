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

/* What was decided of a packet that is dropped. */
struct drop_info {
	__u32 src_identity;
	__u32 dst_identity;
	__u32 policy_id;
	__u8 direction;
};

/*
 * Counts the reason, tells user space if there is room, and gives the verdict to return. @key and
 * @info may be NULL.
 */
__noinline int drop_known(struct __sk_buff *ctx, __u32 reason, const struct lnt_flow_key *key,
	const struct drop_info *info)
{
	struct lnt_event *ev;
	__u64 *n;

	n = bpf_map_lookup_elem(&drops, &reason);
	if (n)
		(*n)++;
	ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);
	if (!ev)
		return TC_ACT_SHOT;
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->time = bpf_ktime_get_ns();
	ev->ifindex = ctx->ifindex;
	ev->reason = (__u8)reason;
	if (key)
		ev->key = *key;
	if (info) {
		ev->src_identity = info->src_identity;
		ev->dst_identity = info->dst_identity;
		ev->policy_id = info->policy_id;
		ev->direction = info->direction;
	}
	bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
	return TC_ACT_SHOT;
}

static __always_inline int drop(struct __sk_buff *ctx, __u32 reason)
{
	return drop_known(ctx, reason, NULL, NULL);
}
