/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The verdict of compiled policy for a new connection (slow path only). */
#include "datapath/bpf/flow.h"

/*
 * Whether @ep's policy lets it talk in @direction with peer @identity. The node itself is always
 * allowed (kubelet; API documentation of NetworkPolicy). *ret_rule is set when a rule allowed it.
 */
static __noinline bool policy_allows(const struct lnt_endpoint_value *ep, __u32 direction,
	__u32 identity, const struct lnt_flow_key *orig, __u32 *ret_rule)
{
	struct lnt_policy_key key = {};
	struct lnt_policy_value *v;

	if (!ep || !orig || !ret_rule)
		return false;
	if (!(ep->flags &
		    (direction == LNT_INGRESS ? LNT_EP_ISOLATED_INGRESS
					      : LNT_EP_ISOLATED_EGRESS)) ||
		identity == LNT_ID_HOST)
		return true;
	key.prefixlen = LNT_POLICY_PORT;
	key.policy_id = ep->policy_id;
	key.identity = identity;
	key.direction = (__u8)direction;
	key.proto = orig->proto;
	key.port = orig->dport;
	v = bpf_map_lookup_elem(&policy, &key);
	if (!v) {
		key.identity = LNT_ID_ANY;
		v = bpf_map_lookup_elem(&policy, &key);
	}
	if (!v || v->verdict != LNT_ALLOW)
		return false;
	*ret_rule = v->rule;
	return true;
}
