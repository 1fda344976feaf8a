/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Every map: who writes it, who reads it, how long it lives. All are pinned (datapath/pins.h) and
 * outlive the agent; none is flushed. Sizes are upper bounds; hashes allocate as they fill, LRUs at
 * once.
 */
#include "datapath/bpf/common.h"

#define LNT_MAP_HASH(name_, key_, value_, max_)       \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_HASH);      \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__uint(max_entries, max_);            \
		__type(key, key_);                    \
		__type(value, value_);                \
	} name_ SEC(".maps")

#define LNT_MAP_LRU(name_, key_, value_, max_)       \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_LRU_HASH); \
		__uint(max_entries, max_);           \
		__type(key, key_);                   \
		__type(value, value_);               \
	} name_ SEC(".maps")

#define LNT_MAP_LPM(name_, key_, value_, max_)        \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);  \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__uint(max_entries, max_);            \
		__type(key, key_);                    \
		__type(value, value_);                \
	} name_ SEC(".maps")

#define LNT_MAP_COUNTERS(name_, max_)                    \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, max_);               \
		__type(key, __u32);                      \
		__type(value, __u64);                    \
	} name_ SEC(".maps")

/* Connections, an entry a direction. Written by the tc programs and the sweeper, read by them. */
LNT_MAP_HASH(flows, struct lnt_flow_key, struct lnt_flow, 524288);
/*
 * Connections of which only the opener was seen. An LRU of its own, so that a flood of them pushes
 * out others like them and never an established flow. Written and read by the tc programs.
 */
LNT_MAP_LRU(pending, struct lnt_flow_key, struct lnt_pending, 32768);
/* Ports of fragmented datagrams. Written and read by the tc programs. */
LNT_MAP_LRU(frags, struct lnt_frag_key, struct lnt_frag_value, 8192);

/* Local pods by address and by device. Written by the agent (sync), read by the tc programs. */
LNT_MAP_HASH(endpoints, struct in6_addr, struct lnt_endpoint_value, 4096);
LNT_MAP_HASH(devices, __u32, struct lnt_device_value, 2048);
/*
 * The cluster's pods and nodes, and for other addresses the blocks that rules name. Written by the
 * agent (sync), read by the slow path.
 */
LNT_MAP_HASH(peers, struct in6_addr, struct lnt_peer_value, 262144);
LNT_MAP_LPM(blocks, struct lnt_cidr_key, struct lnt_peer_value, 65536);
/* Pod ranges. Written by the agent (sync), read by the slow path. */
LNT_MAP_LPM(cidrs, struct lnt_cidr_key, struct lnt_cidr_value, 16384);
/* Compiled policy. Written by the agent (sync), read by the slow path. */
LNT_MAP_HASH(policy, struct lnt_policy_key, struct lnt_policy_value, 524288);

/* Services. Written by the agent (sync), read by the socket hooks and the slow path. */
LNT_MAP_HASH(services, struct lnt_service_key, struct lnt_service_value, 524288);
LNT_MAP_HASH(backends, struct lnt_backend_key, struct lnt_backend_value, 1048576);
LNT_MAP_LPM(ranges, struct lnt_range_key, struct lnt_cidr_value, 65536);
/* Maglev tables of the sets that clients from outside get. As services; read by the slow path. */
LNT_MAP_HASH(maglev, struct lnt_maglev_key, struct lnt_maglev_value, 262144);
/* Clients with session affinity. Written and read by the socket hooks and the slow path. */
LNT_MAP_LRU(affinity_map, struct lnt_affinity_key, struct lnt_affinity_value, 16384);

/*
 * The node's own network namespace and its pods' but those that are opted out, by cookie. Written
 * by the agent (sync), read by the socket hooks.
 */
LNT_MAP_HASH(netns, __u64, struct lnt_netns_value, 4096);

/* What sockets believe. Written and read by the socket hooks; sock_peer goes with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct lnt_sock_peer);
} sock_peer SEC(".maps");
LNT_MAP_LRU(sock_rev, struct lnt_sock_rev_key, struct lnt_sock_rev_value, 16384);

/*
 * Node devices that can send what XDP redirects to them, by ifindex. Written by the agent, read by
 * xdp_node.
 */
LNT_MAP_HASH(xdp_out, __u32, __u32, LNT_MAX_DEVICES);

/* The epoch. Written by the agent, read by every program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lnt_state);
} state SEC(".maps");

/* Counters. Written by the programs, read by the agent and by linnetctl. */
LNT_MAP_COUNTERS(drops, LNT_DROP_MAX);
LNT_MAP_COUNTERS(counters, LNT_CNT_MAX);

/* Drops and verdicts as they happen. Written by the programs, read by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");
