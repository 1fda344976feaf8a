/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Ageing: the agent runs `sweep` at an interval; each run counts one more idle sweep for every flow
 * and removes those past their limit. Packets clear the count, so the fast path needs no clock. A
 * direction goes only when the other one is idle as well. Pending connections age alike; the LRU
 * that they are in makes room for new ones and no more.
 */
#include "datapath/bpf/flow.h"

/*
 * How long an opener's entry stays that will never see a reply. What was said in a few packets may
 * not have been heard by anybody, so that a flood of those goes soon.
 */
#define ONE_WAY_BELIEVED 8

static __always_inline __u16 one_way_limit(
	const struct lnt_flow_key *key, const struct lnt_flow *f, const struct lnt_sweep *s)
{
	if (key->proto != IPPROTO_TCP)
		return s->other_idle;
	if (f->flags & LNT_F_RST)
		return s->closing_idle;
	return f->flags & LNT_F_FIN || f->packets < ONE_WAY_BELIEVED ? s->other_idle : s->tcp_idle;
}

static long sweep_one(
	void *map, const struct lnt_flow_key *key, struct lnt_flow *f, struct lnt_sweep *s)
{
	struct lnt_flow_key rk = {};
	struct lnt_flow *other;
	__u16 limit = s->other_idle;

	s->seen++;
	if (f->idle != 0xffff)
		f->idle++;
	if ((f->flags & (LNT_F_DSR | LNT_F_REPLY)) == LNT_F_DSR) {
		/* Said once more, should the other node have forgotten. */
		if (key->proto == IPPROTO_UDP && f->action == LNT_ACT_NEIGH)
			f->action = LNT_ACT_DSR;
		if (f->idle <= one_way_limit(key, f, s))
			return 0;
		bpf_map_delete_elem(&flows, key);
		s->removed++;
		return 0;
	}
	reverse_key(key, f, &rk);
	other = bpf_map_lookup_elem(&flows, &rk);
	if (has_handshake(key->proto)) {
		__u8 mine = f->flags, its = other ? other->flags : LNT_F_FIN | LNT_F_RST;
		bool closing = (mine | its) & LNT_F_RST || (mine & its & LNT_F_FIN);

		limit = closing ? s->closing_idle : s->tcp_idle;
	}
	if (f->idle <= limit || (other && other->idle < limit)) {
		s->to_node += key->scope == LNT_SCOPE_TO_NODE;
		return 0;
	}
	bpf_map_delete_elem(&flows, key);
	s->removed++;
	return 0;
}

/* A connection that nobody has answered: it lets answers in until it goes. */
static long sweep_pending(
	void *map, const struct lnt_flow_key *key, struct lnt_pending *p, struct lnt_sweep *s)
{
	if (p->fwd.idle++ >= s->other_idle)
		bpf_map_delete_elem(&pending, key);
	else
		s->to_node += key->scope == LNT_SCOPE_TO_NODE;
	return 0;
}
