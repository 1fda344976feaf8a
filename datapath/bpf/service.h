/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * From a service's address to one of its backends: the one code for sockets (sock.h) and for
 * packets (decide.h).
 */
#include "datapath/bpf/drop.h"

/*
 * The frontend of an address, port and protocol. A service address without such a port has one
 * without backends. NULL: no service.
 */
static __always_inline struct lnt_service_value *service_find(
	const struct in6_addr *addr, __be16 port, __u8 proto)
{
	struct lnt_service_key key = {};
	struct lnt_service_value *svc;

	key.addr = *addr;
	key.port = port;
	key.proto = proto;
	svc = bpf_map_lookup_elem(&services, &key);
	if (svc)
		return svc;
	key.port = 0;
	key.proto = 0;
	return bpf_map_lookup_elem(&services, &key);
}

/* loadBalancerSourceRanges of the frontend whose inside set is @set. */
static __always_inline bool source_in_range(const struct in6_addr *addr, __u32 set)
{
	struct lnt_range_key key = {.prefixlen = 32 + 128, .set = set};

	key.addr = *addr;
	return bpf_map_lookup_elem(&ranges, &key);
}

struct backend {
	struct in6_addr addr;
	__be16 port;
	__u32 slot;
};

static __always_inline bool backend_at(__u32 set, __u32 slot, struct backend *ret_backend)
{
	struct lnt_backend_key key = {.set = set, .slot = slot};
	struct lnt_backend_value *v = bpf_map_lookup_elem(&backends, &key);

	if (!v)
		return false;
	ret_backend->addr = v->addr;
	ret_backend->port = v->port;
	ret_backend->slot = slot;
	return true;
}

/* Whether @client, who was here before, has stayed away for longer than it is kept. */
static __always_inline bool affinity_is_over(const struct lnt_affinity_key *client, __u32 affinity)
{
	const struct lnt_affinity_value *known = bpf_map_lookup_elem(&affinity_map, client);

	return known && bpf_ktime_get_ns() - known->used >= (__u64)affinity * 1000000000ull;
}

/*
 * The backend that @client keeps, as long as it is in its set, or the one in slot @pick, which it
 * keeps from now on. False: none.
 */
static __noinline bool backend_of_client(const struct lnt_affinity_key *client, __u32 affinity,
	__u32 pick, struct backend *ret_backend)
{
	__u64 now = bpf_ktime_get_ns();
	struct lnt_affinity_value *known, v = {};

	if (!client || !ret_backend)
		return false;
	known = bpf_map_lookup_elem(&affinity_map, client);
	if (known && now - known->used < (__u64)affinity * 1000000000ull &&
		backend_at(client->set, known->slot, ret_backend) &&
		addr_eq(&known->addr, &ret_backend->addr) && known->port == ret_backend->port) {
		known->used = now;
		return true;
	}
	if (!backend_at(client->set, pick, ret_backend))
		return false;
	v.used = now;
	v.addr = ret_backend->addr;
	v.port = ret_backend->port;
	v.slot = pick;
	bpf_map_update_elem(&affinity_map, client, &v, BPF_ANY);
	return true;
}
