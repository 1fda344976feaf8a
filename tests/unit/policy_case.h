/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the tests of compiled policy share: a store with the nodes n1 (this one) and n2 and the
 * namespaces a, b and c, local endpoints, the compiled state, and questions to it. Local pods are
 * 10.0.0.x, all others 10.0.9.x.
 */
#include "tests/unit/build.h"
#include "tests/unit/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODE  "n1"
#define TCP   IPPROTO_TCP
#define UDP   IPPROTO_UDP
#define SCTP  IPPROTO_SCTP
#define WORLD "198.51.100.7"

struct fixture {
	struct lnt_store *st;
	struct lnt_endpoint eps[8];
	size_t n_eps;
	struct lnt_policy_state s;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->st = lnt_store_new(NULL, NULL);
	build_node(f->st, NODE, "192.0.2.1,2001:db8::1", "10.0.0.0/24");
	build_node(f->st, "n2", "192.0.2.2", "10.0.9.0/24");
	build_ns(f->st, "a", "name=a,team=x");
	build_ns(f->st, "b", "name=b,team=x,env=prod");
	build_ns(f->st, "c", "name=c");
	*state = f;
	return f->st ? 0 : -1;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_policy_state_clear(&f->s);
	lnt_store_free(f->st);
	free(f);
	return 0;
}

/* A pod of this node, known to the API and attached. */
static inline void local(
	struct fixture *f, const char *ns, const char *name, const char *labels, const char *addrs)
{
	build_put_pod(f->st, ns, name, labels, addrs);
	f->eps[f->n_eps++] = build_endpoint(ns, name, addrs);
}

static inline void remote(
	struct fixture *f, const char *ns, const char *name, const char *labels, const char *addrs)
{
	build_put_pod(f->st, ns, name, labels, addrs);
}

static inline void compile(struct fixture *f)
{
	lnt_policy_state_clear(&f->s);
	assert_int_equal(verdict_compile(f->st, NODE, f->eps, f->n_eps, &f->s), 0);
	if (verdict_check(&f->s))
		fail_msg("%s", verdict_check(&f->s));
}

/* Whether @peer may connect to local pod @ep. */
static inline bool in(
	const struct fixture *f, const char *ep, const char *peer, uint8_t proto, uint16_t port)
{
	struct in6_addr a = build_addr(ep), b = build_addr(peer);

	return verdict_of(&f->s, LNT_INGRESS, &a, &b, proto, port).allowed;
}

/* Whether local pod @ep may connect to @peer. */
static inline bool out(
	const struct fixture *f, const char *ep, const char *peer, uint8_t proto, uint16_t port)
{
	struct in6_addr a = build_addr(ep), b = build_addr(peer);

	return verdict_of(&f->s, LNT_EGRESS, &a, &b, proto, port).allowed;
}

static inline const char *rule(const struct fixture *f, enum lnt_direction dir, const char *ep,
	const char *peer, uint8_t proto, uint16_t port)
{
	struct in6_addr a = build_addr(ep), b = build_addr(peer);

	return verdict_of(&f->s, dir, &a, &b, proto, port).rule;
}

static inline uint32_t id(const struct fixture *f, const char *addr)
{
	struct in6_addr a = build_addr(addr);

	return verdict_identity(&f->s, &a);
}

static inline const struct lnt_endpoint_value *endpoint(const struct fixture *f, const char *addr)
{
	struct in6_addr a = build_addr(addr);

	return verdict_endpoint(&f->s, &a);
}

static inline uint32_t policy_id(const struct fixture *f, const char *addr)
{
	return endpoint(f, addr)->policy_id;
}

/* Adds a policy for all pods of namespace a with one ingress rule of one peer. */
static inline void allow_from(struct fixture *f, const char *namespaces, const char *pods)
{
	struct lnt_netpol *p = build_policy("a", "allow", "", BUILD_INGRESS);

	build_peer(build_rule(p, LNT_INGRESS), namespaces, pods);
	build_put(f->st, p);
	compile(f);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
