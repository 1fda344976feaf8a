/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The verdict of compiled policy for a new connection (slow path only). */
#include "datapath/bpf/flow.h"

#define POLICY_SAYS_NOTHING (-1)

/*
 * What a table of @ep's policy says of a peer: an enum lnt_verdict with the rule's number in
 * *ret_rule, or POLICY_SAYS_NOTHING. The peer is asked for by its number, its kind and as anybody;
 * the lowest order rules.
 */
static __noinline int policy_ask(const struct lnt_endpoint_value *ep, __u32 table, __u32 identity,
	const struct lnt_flow_key *orig, __u32 *ret_rule)
{
	const __u32 peers[] = {identity, lnt_id_kind(identity), LNT_ID_ANY};
	struct lnt_policy_key key = {};
	int verdict = POLICY_SAYS_NOTHING;
	__u32 order = ~0u;

	if (!ep || !orig || !ret_rule)
		return LNT_DENY;
	key.prefixlen = LNT_POLICY_PORT;
	key.policy_id = ep->policy_id;
	key.table = (__u8)table;
	key.proto = orig->proto;
	key.port = orig->dport;
	for (int i = 0; i < 3; i++) {
		struct lnt_policy_value *v;

		if (i == 1 && peers[0] == peers[1])
			continue;
		key.identity = peers[i];
		v = bpf_map_lookup_elem(&policy, &key);
		if (!v || v->order >= order)
			continue;
		verdict = v->verdict;
		order = v->order;
		*ret_rule = v->rule;
		if (!order)
			break;
	}
	return verdict;
}

/*
 * Whether @ep's policy lets it talk in @direction with peer @identity, tier by tier: admin, then
 * NetworkPolicies if they isolate, else baseline. The node itself always comes in (kubelet), and
 * NetworkPolicies do not keep a pod from its node (their API's documentation). Returns a reason;
 * *ret_rule is the rule that decided, and left alone where none did.
 */
static __always_inline int policy_decide(const struct lnt_endpoint_value *ep, __u32 direction,
	__u32 identity, const struct lnt_flow_key *orig, __u32 *ret_rule)
{
	bool in = direction == LNT_INGRESS, host = lnt_id_kind(identity) == LNT_ID_HOST;
	int denied = in ? LNT_DROP_POLICY_INGRESS : LNT_DROP_POLICY_EGRESS;
	int verdict;

	if (!ep || (in && host))
		return LNT_DROP_NONE;
	if (ep->flags & LNT_EP_CLOSED)
		return LNT_DROP_POLICY_CLOSED;
	if (ep->flags & (in ? LNT_EP_ADMIN_INGRESS : LNT_EP_ADMIN_EGRESS)) {
		verdict = policy_ask(ep, direction | LNT_POLICY_ADMIN, identity, orig, ret_rule);
		if (verdict == LNT_DENY)
			return denied;
		if (verdict == LNT_ALLOW)
			return LNT_DROP_NONE;
	}
	if (ep->flags & (in ? LNT_EP_ISOLATED_INGRESS : LNT_EP_ISOLATED_EGRESS)) {
		if (host)
			return LNT_DROP_NONE;
		verdict = policy_ask(ep, direction, identity, orig, ret_rule);
		if (verdict == LNT_ALLOW)
			return LNT_DROP_NONE;
		if (ret_rule)
			*ret_rule = 0; /* not the rule that passed it on */
		return denied;
	}
	if (!(ep->flags & (in ? LNT_EP_BASELINE_INGRESS : LNT_EP_BASELINE_EGRESS)))
		return LNT_DROP_NONE;
	return policy_ask(ep, direction, identity, orig, ret_rule) == LNT_DENY ? denied
									       : LNT_DROP_NONE;
}
