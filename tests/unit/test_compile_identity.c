/* SPDX-License-Identifier: Apache-2.0 */
/* Who is who: identities and policy ids, and which address belongs to whom. */
#include "agent/compile/sets.h"
#include "lib/cleanup.h"
#include "tests/unit/policy_case.h"

/* --- identities and numbers ------------------------------------------------------------------ */

static void identity_is_what_selectors_see(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "", "10.0.0.1");
	remote(f, "a", "p1", "app=x,hash=1", "10.0.9.1");
	remote(f, "a", "p2", "app=x,hash=2", "10.0.9.2");
	remote(f, "a", "p3", "app=y,hash=3", "10.0.9.3");
	remote(f, "b", "p4", "app=x", "10.0.9.4");
	compile(f);
	assert_int_equal(id(f, "10.0.9.1"), id(f, "10.0.9.3"));
	assert_int_equal(id(f, "10.0.9.1"), id(f, "10.0.9.4"));
	assert_int_equal(lnt_id_kind(id(f, "10.0.9.1")), LNT_ID_POD);
	allow_from(f, NULL, "app=x");
	assert_int_equal(id(f, "10.0.9.1"), id(f, "10.0.9.2"));
	assert_int_not_equal(id(f, "10.0.9.1"), id(f, "10.0.9.3"));
	assert_int_equal(id(f, "10.0.9.3"), id(f, "10.0.9.4"));
}

static void numbers_stay(void **state)
{
	struct fixture *f = *state;
	uint32_t policy, identity, empty;
	struct lnt_netpol *p;
	size_t n;

	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "a", "x", "app=x", "10.0.9.1");
	remote(f, "b", "y", "", "10.0.9.2");
	allow_from(f, NULL, "app=x");
	policy = policy_id(f, "10.0.0.1");
	identity = id(f, "10.0.9.1");
	empty = id(f, "10.0.9.2");
	n = f->s.n_policy;

	/* More pods and somebody else's policy change none of it. */
	remote(f, "a", "x2", "app=x,v=2", "10.0.9.3");
	p = build_policy("b", "other", "", BUILD_INGRESS);
	build_peer(build_rule(p, LNT_INGRESS), NULL, "app=nobody");
	build_put(f->st, p);
	compile(f);
	assert_int_equal(policy_id(f, "10.0.0.1"), policy);
	assert_int_equal(id(f, "10.0.9.1"), identity);
	assert_int_equal(id(f, "10.0.9.3"), identity);
	assert_int_equal(id(f, "10.0.9.2"), empty);
	assert_int_equal(f->s.n_policy, n);

	/* An edit does. */
	allow_from(f, NULL, "app=x|z");
	assert_int_not_equal(policy_id(f, "10.0.0.1"), policy);
	assert_int_not_equal(id(f, "10.0.9.1"), identity);
	allow_from(f, NULL, "app=x");
	assert_int_equal(policy_id(f, "10.0.0.1"), policy);
	assert_int_equal(id(f, "10.0.9.1"), identity);
}

static void policies_are_shared(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "w1", "app=web", "10.0.0.1");
	local(f, "a", "w2", "app=web,extra=1", "10.0.0.2");
	local(f, "a", "db", "app=db", "10.0.0.3");
	build_put(f->st, build_policy("a", "web", "app=web", BUILD_INGRESS));
	build_put(f->st, build_policy("a", "all", "", BUILD_EGRESS));
	compile(f);
	assert_int_equal(policy_id(f, "10.0.0.1"), policy_id(f, "10.0.0.2"));
	assert_int_not_equal(policy_id(f, "10.0.0.1"), policy_id(f, "10.0.0.3"));
	assert_int_equal(
		endpoint(f, "10.0.0.1")->flags, LNT_EP_ISOLATED_INGRESS | LNT_EP_ISOLATED_EGRESS);
	assert_int_equal(endpoint(f, "10.0.0.3")->flags, LNT_EP_ISOLATED_EGRESS);
}

static void colliding_numbers(void **state)
{
	_cleanup_(lnt_numbers_clear) struct lnt_numbers nums = {.first = 256, .last = UINT32_MAX};
	uint32_t a, b, c;

	assert_int_equal(lnt_numbers_take(&nums, 42, &a), 0);
	assert_int_equal(lnt_numbers_take(&nums, 42, &b), 0);
	assert_int_equal(lnt_numbers_take(&nums, 42, &c), 0);
	assert_int_equal(b, a + 1);
	assert_int_equal(c, a + 2);
	lnt_numbers_clear(&nums);
	/* All numbers lie below the first but for one. */
	nums.first = UINT32_MAX - 2;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(lnt_numbers_take(&nums, (uint64_t)i, &a), 0);
		assert_in_range(a, UINT32_MAX - 2, UINT32_MAX - 1);
	}
}

/* --- addresses ------------------------------------------------------------------------------- */

static void nodes(void **state)
{
	struct fixture *f = *state;
	struct lnt_pod *pod = build_pod("a", "host", "app=x", "192.0.2.2");

	pod->host_network = true;
	build_put(f->st, pod);
	remote(f, "a", "liar", "app=x", "192.0.2.1");
	local(f, "a", "thief", "app=x", "2001:db8::1");
	compile(f);
	assert_int_equal(id(f, "192.0.2.1"), LNT_ID_HOST);
	assert_int_equal(id(f, "2001:db8::1"), LNT_ID_HOST);
	assert_int_equal(id(f, "192.0.2.2"), LNT_ID_NODE);
	assert_int_equal(id(f, WORLD), LNT_ID_WORLD);
	assert_null(endpoint(f, "2001:db8::1"));
	assert_int_equal(f->s.n_peers, 3);
}

static void terminated_pods(void **state)
{
	struct fixture *f = *state;
	struct lnt_pod *pod = build_pod("a", "aaa", "app=x", "10.0.9.1");

	pod->terminated = true;
	build_put(f->st, pod);
	allow_from(f, NULL, "app=x");
	assert_int_equal(id(f, "10.0.9.1"), LNT_ID_WORLD);
	remote(f, "b", "heir", "", "10.0.9.1");
	remote(f, "b", "plain", "", "10.0.9.2");
	compile(f);
	assert_int_equal(id(f, "10.0.9.1"), id(f, "10.0.9.2"));
}

static void local_knowledge_wins(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "new", "app=x", "10.0.0.1");
	build_put_pod(f->st, "a", "new", "app=x", "");
	remote(f, "a", "aaa-stale", "app=y", "10.0.0.1");
	remote(f, "a", "x", "app=x", "10.0.9.1");
	allow_from(f, NULL, "app=x");
	assert_int_equal(id(f, "10.0.0.1"), id(f, "10.0.9.1"));
	assert_non_null(endpoint(f, "10.0.0.1"));
}

static void two_pods_one_address(void **state)
{
	struct fixture *f = *state;

	remote(f, "b", "a", "app=x", "10.0.9.1");
	remote(f, "a", "z", "app=x", "10.0.9.1");
	remote(f, "a", "one", "app=x", "10.0.9.2");
	allow_from(f, NULL, "app=x");
	assert_int_equal(id(f, "10.0.9.1"), id(f, "10.0.9.2"));
}

static void two_endpoints_one_address(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "old", "app=old", "10.0.0.1");
	local(f, "a", "new", "app=new", "10.0.0.1");
	compile(f);
	assert_int_equal(f->s.n_endpoints, 1);
	assert_int_equal(f->s.endpoints[0].value.ifindex, f->eps[1].host_ifindex);
}

static void pod_not_known_yet(void **state)
{
	struct fixture *f = *state;

	f->eps[f->n_eps++] = build_endpoint("a", "soon", "10.0.0.1");
	/* Somebody else's stale address does not speak for it meanwhile. */
	remote(f, "a", "stale", "app=x", "10.0.0.1");
	compile(f);
	assert_null(endpoint(f, "10.0.0.1"));
	assert_int_equal(id(f, "10.0.0.1"), LNT_ID_WORLD);
	build_put_pod(f->st, "a", "soon", "", "");
	compile(f);
	assert_non_null(endpoint(f, "10.0.0.1"));
}

static void namesake_is_not_the_pod(void **state)
{
	struct fixture *f = *state;
	struct lnt_pod *pod;

	f->eps[f->n_eps++] = build_endpoint("a", "db-0", "10.0.0.1");
	snprintf(f->eps[0].pod_uid, sizeof(f->eps[0].pod_uid), "one");
	pod = build_pod("a", "db-0", "app=db", "");
	free(pod->meta.uid);
	pod->meta.uid = strdup("two");
	build_put(f->st, pod);
	compile(f);
	assert_null(endpoint(f, "10.0.0.1"));
	snprintf(f->eps[0].pod_uid, sizeof(f->eps[0].pod_uid), "two");
	compile(f);
	assert_non_null(endpoint(f, "10.0.0.1"));
	/* Without a UID the node tells. */
	f->eps[0].pod_uid[0] = '\0';
	pod = build_pod("a", "db-0", "app=db", "");
	lnt_unintern(pod->node);
	pod->node = lnt_intern("n2");
	build_put(f->st, pod);
	compile(f);
	assert_null(endpoint(f, "10.0.0.1"));
}

static void no_pod_at_all(void **state)
{
	struct fixture *f = *state;

	f->eps[f->n_eps++] = build_endpoint(NULL, NULL, "10.0.0.1");
	compile(f);
	assert_int_equal(id(f, "10.0.0.1"), LNT_ID_UNLABELLED);
	assert_int_equal(endpoint(f, "10.0.0.1")->identity, LNT_ID_UNLABELLED);
	assert_true(in(f, "10.0.0.1", WORLD, TCP, 80));
}

static void nothing(void **state)
{
	struct fixture *f = *state;
	_cleanup_(lnt_policy_state_clear) struct lnt_policy_state s = {};
	struct lnt_store *st = lnt_store_new(NULL, NULL);

	assert_int_equal(verdict_compile(st, NODE, f->eps, 0, &s), 0);
	assert_int_equal(s.n_peers + s.n_endpoints + s.n_policy + s.n_rules + s.n_problems, 0);
	lnt_store_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(identity_is_what_selectors_see),
		CASE(numbers_stay),
		CASE(policies_are_shared),
		CASE(colliding_numbers),
		CASE(nodes),
		CASE(terminated_pods),
		CASE(local_knowledge_wins),
		CASE(two_pods_one_address),
		CASE(two_endpoints_one_address),
		CASE(pod_not_known_yet),
		CASE(namesake_is_not_the_pod),
		CASE(no_pod_at_all),
		CASE(nothing),
	};

	return cmocka_run_group_tests_name("compile identities", tests, NULL, NULL);
}
