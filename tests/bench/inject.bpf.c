// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What inject runs: `generate` makes each frame anew, for a frame that has been forwarded comes
 * back as it left, and gives it to the program that is measured or to the stack; a sink at the far
 * end counts what arrives and throws it away.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/bench/inject.h"

const volatile __u8 frames[INJECT_FLOWS][INJECT_FRAME] = {};
const volatile __u16 sink_port; /* network byte order */

__u64 injected, taken;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u64 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const volatile __u64 *frame = (const volatile __u64 *)frames[injected++ % INJECT_FLOWS];

	if (data + INJECT_FRAME / sizeof(*data) > end)
		return XDP_ABORTED;
#pragma unroll
	for (unsigned i = 0; i < INJECT_FRAME / sizeof(*data); i++)
		data[i] = frame[i];
	bpf_tail_call(ctx, &measured, 0);
	return XDP_PASS;
}

static __always_inline bool is_for_sink(const void *data, const void *end)
{
	const struct ethhdr *eth = data;
	__u32 l4 = sizeof(*eth);
	const __u16 *ports;
	__u8 proto;

	if (data + INJECT_FRAME > end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		proto = *(const __u8 *)(data + 23);
		l4 += 20;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		proto = *(const __u8 *)(data + 20);
		l4 += 40;
	} else {
		return false;
	}
	ports = data + l4;
	return proto == IPPROTO_UDP && ports[1] == sink_port;
}

SEC("xdp")
int sink_xdp(struct xdp_md *ctx)
{
	if (!is_for_sink((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return XDP_PASS;
	taken++;
	return XDP_DROP;
}

SEC("tc")
int sink_tc(struct __sk_buff *ctx)
{
	if (!is_for_sink((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return TC_ACT_OK;
	taken++;
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
