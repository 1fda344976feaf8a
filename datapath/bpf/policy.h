/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The verdict of compiled policy for a new connection (slow path only). */
#include "datapath/bpf/flow.h"

/*
 * What the table of @asked says of its peer, who is asked for by number, by kind and as anybody: an
 * enum lnt_verdict with the rule's number in *ret_rule, or LNT_SILENT. The lowest order rules.
 * @asked: of LNT_POLICY_PORT.
 */
__noinline int policy_ask(const struct lnt_policy_key *asked, __u32 *ret_rule)
{
	struct lnt_policy_key key = {}; /* kernels before 6.2 take keys from the stack */
	int verdict = LNT_SILENT;
	__u32 order = ~0u;

	if (!asked || !ret_rule)
		return LNT_DENY;
	key.policy_id = asked->policy_id;
	key.table = asked->table;
	for (int i = 0; i < 3; i++) {
		struct lnt_policy_value *v, *longer;
		__u32 lengths;

		if (i == 1 && asked->identity == lnt_id_kind(asked->identity))
			continue;
		key.identity = !i ? asked->identity
			: i == 1  ? lnt_id_kind(asked->identity)
				  : LNT_ID_ANY;
		key.prefixlen = LNT_POLICY_ALL;
		key.proto = 0;
		key.port = 0;
		v = bpf_map_lookup_elem(&policy, &key);
		if (!v)
			continue;
		lengths = v->lengths;
		key.proto = asked->proto;
		for (int cut = 0; cut <= 16 && lengths; cut++, lengths >>= 1) {
			if (!(lengths & 1))
				continue;
			key.prefixlen = LNT_POLICY_PORT - cut;
			key.port = asked->port & bpf_htons((__u16)(0xffffu << cut));
			longer = bpf_map_lookup_elem(&policy, &key);
			if (longer) {
				v = longer;
				break;
			}
		}
		if (v->verdict == LNT_SILENT || v->order >= order)
			continue;
		verdict = v->verdict;
		order = v->order;
		*ret_rule = v->rule;
		if (!order)
			break;
	}
	return verdict;
}

/* The above for a connection, of a table of @ep's policy. */
static __always_inline int policy_table(const struct lnt_endpoint_value *ep, __u32 table,
	__u32 identity, const struct lnt_flow_key *orig, __u32 *ret_rule)
{
	struct lnt_policy_key key = {
		.prefixlen = LNT_POLICY_PORT,
		.policy_id = ep->policy_id,
		.identity = identity,
		.table = (__u8)table,
		.proto = orig->proto,
		.port = orig->dport,
	};

	return policy_ask(&key, ret_rule);
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
		verdict = policy_table(ep, direction | LNT_POLICY_ADMIN, identity, orig, ret_rule);
		if (verdict == LNT_DENY)
			return denied;
		if (verdict == LNT_ALLOW)
			return LNT_DROP_NONE;
	}
	if (ep->flags & (in ? LNT_EP_ISOLATED_INGRESS : LNT_EP_ISOLATED_EGRESS)) {
		if (host)
			return LNT_DROP_NONE;
		verdict = policy_table(ep, direction, identity, orig, ret_rule);
		if (verdict == LNT_ALLOW)
			return LNT_DROP_NONE;
		if (ret_rule)
			*ret_rule = 0; /* not the rule that passed it on */
		return denied;
	}
	if (!(ep->flags & (in ? LNT_EP_BASELINE_INGRESS : LNT_EP_BASELINE_EGRESS)))
		return LNT_DROP_NONE;
	return policy_table(ep, direction, identity, orig, ret_rule) == LNT_DENY ? denied
										 : LNT_DROP_NONE;
}
