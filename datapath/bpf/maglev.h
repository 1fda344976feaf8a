/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Which backend a client from outside gets: by Maglev's tables (agent/compile/maglev.h) and a hash
 * that knows nothing of the node, so that every node sends a connection to the same one.
 */
#include "datapath/bpf/maps.h"

/* Of the connection; of the client alone where the service is to keep it with its backend. */
static __always_inline __u32 maglev_hash(const struct lnt_flow_key *k, bool client_only)
{
	__u32 h = 0x6d61676c;

	for (int i = 0; i < 4; i++)
		h = mix(h, bpf_ntohl(k->saddr.s6_addr32[i]));
	if (!client_only) {
		for (int i = 0; i < 4; i++)
			h = mix(h, bpf_ntohl(k->daddr.s6_addr32[i]));
		h = mix(h, ((__u32)bpf_ntohs(k->sport) << 16) | bpf_ntohs(k->dport));
	}
	return mix(mix(h, k->proto), 0x85ebca6b);
}

/* The slot that the table of @set has for the connection @k; @otherwise if there is no table. */
static __always_inline __u32 maglev_slot(
	__u32 set, const struct lnt_flow_key *k, bool client_only, __u32 otherwise)
{
	struct lnt_maglev_key key = {.set = set};
	struct lnt_maglev_value *v;
	__u32 entry;

	if (!cfg.maglev_size)
		return otherwise;
	entry = maglev_hash(k, client_only) % cfg.maglev_size;
	key.part = entry / LNT_MAGLEV_SLOTS;
	entry %= LNT_MAGLEV_SLOTS;
	/* Not every verifier knows what a remainder is. */
	barrier_var(entry);
	v = bpf_map_lookup_elem(&maglev, &key);
	return v && entry < LNT_MAGLEV_SLOTS ? v->slots[entry] : otherwise;
}
