/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Compiled policy asked the way the datapath asks its maps (datapath/bpf/policy.h): the endpoint by
 * its address, the peer's identity by its, then tier by tier the longest matching prefix for that
 * identity, for its kind and for LNT_ID_ANY, of which the lowest order rules.
 */
#include "agent/compile/compile.h"

struct verdict {
	bool allowed;
	const char *rule; /* name of the rule that decided; "" when none did or none had to */
};

/* lnt_compile_policy() with what it needs. */
int verdict_compile(const struct lnt_store *st, const char *node_name,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_policy_state *ret_state);

/* @ep: a local endpoint. One that has no entry is denied everything. */
struct verdict verdict_of(const struct lnt_policy_state *s, enum lnt_direction dir,
	const struct in6_addr *ep, const struct in6_addr *peer, uint8_t proto, uint16_t port);

/* NULL: no entry. */
const struct lnt_endpoint_value *verdict_endpoint(
	const struct lnt_policy_state *s, const struct in6_addr *addr);
/* By the address, or the longest block. LNT_ID_WORLD: no entry. */
uint32_t verdict_identity(const struct lnt_policy_state *s, const struct in6_addr *addr);

/*
 * What every state must be: arrays sorted by key with each key once, keys canonical, numbers in
 * range, rules that exist. NULL, or what is wrong.
 */
const char *verdict_check(const struct lnt_policy_state *s);

/* Whether two states are equal in everything. */
bool verdict_same(const struct lnt_policy_state *a, const struct lnt_policy_state *b);
