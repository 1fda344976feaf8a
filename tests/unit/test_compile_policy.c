/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NetworkPolicies to entries, case by case: each allow with its deny. What no case thinks of is for
 * tests/oracle.
 */
#include "tests/unit/policy_case.h"

/* --- isolation ------------------------------------------------------------------------------- */

static void no_policy(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "app=web", "10.0.0.1,fd00::1");
	compile(f);
	assert_true(in(f, "10.0.0.1", WORLD, TCP, 80));
	assert_true(out(f, "fd00::1", "2001:db8::99", UDP, 53));
	assert_int_equal(policy_id(f, "10.0.0.1"), 0);
	assert_int_equal(endpoint(f, "10.0.0.1")->flags, 0);
	assert_int_equal(f->s.n_policy, 0);
	assert_int_equal(f->s.n_rules, 0);
}

static void endpoint_values(void **state)
{
	struct fixture *f = *state;
	const struct lnt_endpoint_value *v;

	local(f, "a", "web", "app=web", "10.0.0.1,fd00::1");
	compile(f);
	v = endpoint(f, "fd00::1");
	assert_int_equal(v->ifindex, f->eps[0].host_ifindex);
	assert_memory_equal(v->mac, f->eps[0].mac, 6);
	assert_memory_equal(v->host_mac, f->eps[0].host_mac, 6);
	assert_memory_equal(v, endpoint(f, "10.0.0.1"), sizeof(*v));
	assert_int_equal(f->s.n_endpoints, 2);
}

static void empty_ingress_isolates(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "app=web", "10.0.0.1");
	local(f, "a", "other", "app=other", "10.0.0.2");
	build_put(f->st, build_policy("a", "deny", "app=web", BUILD_INGRESS));
	compile(f);
	assert_false(in(f, "10.0.0.1", "10.0.0.2", TCP, 80));
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
	assert_true(out(f, "10.0.0.1", WORLD, TCP, 80));
	assert_true(in(f, "10.0.0.2", "10.0.0.1", TCP, 80));
}

static void egress_only_leaves_ingress(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "egress", "", BUILD_EGRESS);

	/* Rules of a type that the policy does not have say nothing, and isolate nothing. */
	build_peer(build_rule(p, LNT_INGRESS), NULL, "app=x");
	build_put(f->st, p);
	local(f, "a", "web", "app=web", "10.0.0.1");
	compile(f);
	assert_true(in(f, "10.0.0.1", WORLD, TCP, 80));
	assert_false(out(f, "10.0.0.1", WORLD, TCP, 80));
	assert_int_equal(endpoint(f, "10.0.0.1")->flags, LNT_EP_ISOLATED_EGRESS);
	assert_int_equal(f->s.n_policy, 0);
}

static void ingress_rule_of_egress_policy(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "egress", "", BUILD_EGRESS);

	build_rule(p, LNT_INGRESS);
	build_put(f->st, p);
	build_put(f->st, build_policy("a", "deny", "", BUILD_INGRESS));
	local(f, "a", "web", "app=web", "10.0.0.1");
	compile(f);
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
}

static void policies_add_up(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p;

	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "a", "p", "app=p", "10.0.9.1");
	remote(f, "a", "q", "app=q", "10.0.9.2");
	remote(f, "a", "r", "app=r", "10.0.9.3");
	p = build_policy("a", "one", "app=web", BUILD_INGRESS);
	build_peer(build_rule(p, LNT_INGRESS), NULL, "app=p");
	build_put(f->st, p);
	p = build_policy("a", "two", "", BUILD_INGRESS);
	build_peer(build_rule(p, LNT_INGRESS), NULL, "app=q");
	build_put(f->st, p);
	compile(f);
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_true(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.3", TCP, 80));
}

/* --- peers ----------------------------------------------------------------------------------- */

static void same_name_other_namespace(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p;

	local(f, "a", "web", "app=web", "10.0.0.1");
	local(f, "b", "web", "app=web", "10.0.0.2");
	remote(f, "a", "client", "app=client", "10.0.9.1");
	remote(f, "b", "client", "app=client", "10.0.9.2");
	for (const char *ns = "a"; ns; ns = *ns == 'a' ? "b" : NULL) {
		p = build_policy(ns, "allow", "app=web", BUILD_INGRESS);
		build_peer(build_rule(p, LNT_INGRESS), NULL, "app=client");
		build_put(f->st, p);
	}
	compile(f);
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_true(in(f, "10.0.0.2", "10.0.9.2", TCP, 80));
	assert_false(in(f, "10.0.0.2", "10.0.9.1", TCP, 80));
	assert_int_not_equal(policy_id(f, "10.0.0.1"), policy_id(f, "10.0.0.2"));
	assert_string_equal(
		rule(f, LNT_INGRESS, "10.0.0.1", "10.0.9.1", TCP, 80), "a/allow ingress[0]");
	assert_string_equal(
		rule(f, LNT_INGRESS, "10.0.0.2", "10.0.9.2", TCP, 80), "b/allow ingress[0]");
	assert_string_equal(rule(f, LNT_INGRESS, "10.0.0.2", "10.0.9.1", TCP, 80), "");
}

static void empty_selectors(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "a", "x", "app=x", "10.0.9.1");
	remote(f, "b", "y", "", "10.0.9.2");
	allow_from(f, NULL, "");
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
	allow_from(f, "", NULL);
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_true(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
	assert_false(in(f, "10.0.0.1", "192.0.2.2", TCP, 80));
	allow_from(f, "", "");
	assert_true(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
}

static void peer_and(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "b", "both", "app=client", "10.0.9.1");
	remote(f, "b", "ns-only", "app=other", "10.0.9.2");
	remote(f, "c", "pod-only", "app=client", "10.0.9.3");
	allow_from(f, "team=x", "app=client");
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.3", TCP, 80));
}

static void peer_or(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "or", "", BUILD_INGRESS);
	struct lnt_netpol_rule *r = build_rule(p, LNT_INGRESS);

	build_peer(r, "team=x", NULL);
	build_peer(r, NULL, "app=client");
	build_put(f->st, p);
	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "b", "ns", "app=other", "10.0.9.1");
	remote(f, "a", "pod", "app=client", "10.0.9.2");
	remote(f, "c", "pod", "app=client", "10.0.9.3");
	compile(f);
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_true(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.3", TCP, 80));
}

static void match_expressions(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "a", "x", "app=x,tier=1", "10.0.9.1");
	remote(f, "a", "y", "app=y", "10.0.9.2");
	remote(f, "b", "z", "tier=2", "10.0.9.3");
	allow_from(f, NULL, "app=x|z");
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	allow_from(f, NULL, "app!=x|z");
	assert_false(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_true(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	allow_from(f, "", "tier");
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_true(in(f, "10.0.0.1", "10.0.9.3", TCP, 80));
	allow_from(f, "!env", "!tier");
	assert_false(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_true(in(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.3", TCP, 80));
	allow_from(f, "env!=test,team", "app,tier!=2");
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_false(in(f, "10.0.0.1", "10.0.9.3", TCP, 80));
}

static void any_peer(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "any", "", BUILD_INGRESS | BUILD_EGRESS);

	build_port(build_rule(p, LNT_INGRESS), TCP, "80");
	build_put(f->st, p);
	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "c", "x", "", "10.0.9.1");
	compile(f);
	for (const char *const *peer = (const char *const[]){WORLD, "10.0.9.1", "192.0.2.2", NULL};
		*peer; peer++) {
		assert_true(in(f, "10.0.0.1", *peer, TCP, 80));
		assert_false(in(f, "10.0.0.1", *peer, TCP, 81));
		assert_false(in(f, "10.0.0.1", *peer, UDP, 80));
		assert_false(out(f, "10.0.0.1", *peer, TCP, 80));
	}
	assert_int_equal(f->s.n_policy, 1 + 1); /* and its head */
}

static void unknown_namespace(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "lost", "x", "app=x", "10.0.9.1");
	allow_from(f, "team!=y", NULL);
	assert_false(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	build_ns(f->st, "lost", "");
	compile(f);
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 80));
}

/* --- ports ----------------------------------------------------------------------------------- */

static void ports(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "ports", "", BUILD_INGRESS);
	struct lnt_netpol_rule *r = build_rule(p, LNT_INGRESS);

	build_peer(r, NULL, "app=c");
	build_port(r, UDP, "");
	build_port(r, TCP, "443");
	build_port(r, TCP, "8000-8099");
	build_port(r, SCTP, "1-65535");
	build_put(f->st, p);
	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "a", "c", "app=c", "10.0.9.1");
	remote(f, "a", "d", "app=d", "10.0.9.2");
	compile(f);
	for (uint32_t port = 0; port <= UINT16_MAX; port += port < 9000 ? 1 : 97) {
		bool tcp = port == 443 || (port >= 8000 && port <= 8099);

		assert_true(in(f, "10.0.0.1", "10.0.9.1", UDP, (uint16_t)port));
		assert_int_equal(in(f, "10.0.0.1", "10.0.9.1", TCP, (uint16_t)port), tcp);
		assert_int_equal(in(f, "10.0.0.1", "10.0.9.1", SCTP, (uint16_t)port), port > 0);
		assert_false(in(f, "10.0.0.1", "10.0.9.2", TCP, (uint16_t)port));
	}
	assert_false(in(f, "10.0.0.1", "10.0.9.1", IPPROTO_ICMP, 0));
}

static void all_ports_is_all_protocols(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "a", "c", "app=c", "10.0.9.1");
	remote(f, "a", "d", "app=d", "10.0.9.2");
	allow_from(f, NULL, "app=c");
	assert_true(in(f, "10.0.0.1", "10.0.9.1", IPPROTO_ICMP, 0));
	assert_true(in(f, "10.0.0.1", "10.0.9.1", SCTP, 7));
	assert_false(in(f, "10.0.0.1", "10.0.9.2", IPPROTO_ICMP, 0));
	assert_int_equal(f->s.n_policy, 1);
	assert_int_equal(f->s.policy[0].key.prefixlen, LNT_POLICY_ALL);
}

static void bad_ports_match_nothing(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "bad", "", BUILD_INGRESS);
	struct lnt_netpol_rule *r = build_rule(p, LNT_INGRESS);

	build_port(r, TCP, "90-80");
	build_port(r, 0, "80");
	build_port(r, TCP, "");
	r->ports[2].end_port = 90;
	build_put(f->st, p);
	local(f, "a", "web", "app=web", "10.0.0.1");
	compile(f);
	assert_int_equal(f->s.n_policy, 0);
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
	assert_int_equal(f->s.n_problems, 3);
	assert_string_equal(
		f->s.problems[0].text, "ingress[0].ports[0]: endPort below port, matches nothing");
	assert_string_equal(
		f->s.problems[1].text, "ingress[0].ports[1]: protocol not known, matches nothing");
	assert_string_equal(f->s.problems[2].text,
		"ingress[0].ports[2]: endPort without a number as port, matches nothing");
}

/* A pod that names a port; local with an endpoint. */
static void named(struct fixture *f, const char *name, const char *labels, const char *addr,
	uint8_t proto, uint16_t port, bool is_local)
{
	struct lnt_pod *pod = build_pod("a", name, labels, addr);

	build_pod_port(pod, "http", proto, port);
	build_put(f->st, pod);
	if (is_local)
		f->eps[f->n_eps++] = build_endpoint("a", name, addr);
}

static void named_ingress(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "named", "app=web", BUILD_INGRESS);

	build_port(build_rule(p, LNT_INGRESS), TCP, "http");
	build_put(f->st, p);
	named(f, "w1", "app=web", "10.0.0.1", TCP, 8080, true);
	named(f, "w2", "app=web", "10.0.0.2", TCP, 9090, true);
	named(f, "w3", "app=web", "10.0.0.3", UDP, 8080, true);
	named(f, "w4", "app=web", "10.0.0.4", TCP, 8080, true);
	local(f, "a", "w5", "app=web", "10.0.0.5");
	compile(f);
	assert_true(in(f, "10.0.0.1", WORLD, TCP, 8080));
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 9090));
	assert_true(in(f, "10.0.0.2", WORLD, TCP, 9090));
	assert_false(in(f, "10.0.0.2", WORLD, TCP, 8080));
	assert_false(in(f, "10.0.0.3", WORLD, TCP, 8080));
	assert_false(in(f, "10.0.0.3", WORLD, UDP, 8080));
	assert_false(in(f, "10.0.0.5", WORLD, TCP, 8080));
	assert_int_not_equal(policy_id(f, "10.0.0.1"), policy_id(f, "10.0.0.2"));
	assert_int_equal(policy_id(f, "10.0.0.1"), policy_id(f, "10.0.0.4"));
	/* Ingress names do not tell identities apart. */
	assert_int_equal(id(f, "10.0.0.1"), id(f, "10.0.0.2"));
}

static void named_egress(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "named", "app=c", BUILD_EGRESS);
	struct lnt_netpol_rule *r = build_rule(p, LNT_EGRESS);

	build_peer(r, NULL, "app=web");
	build_port(r, TCP, "http");
	build_put(f->st, p);
	local(f, "a", "c", "app=c", "10.0.0.1");
	named(f, "w1", "app=web", "10.0.9.1", TCP, 8080, false);
	named(f, "w2", "app=web", "10.0.9.2", TCP, 9090, false);
	named(f, "w3", "app=web", "10.0.9.3", TCP, 8080, false);
	named(f, "x1", "app=x", "10.0.9.4", TCP, 8080, false);
	compile(f);
	assert_true(out(f, "10.0.0.1", "10.0.9.1", TCP, 8080));
	assert_false(out(f, "10.0.0.1", "10.0.9.1", TCP, 9090));
	assert_true(out(f, "10.0.0.1", "10.0.9.2", TCP, 9090));
	assert_false(out(f, "10.0.0.1", "10.0.9.2", TCP, 8080));
	assert_false(out(f, "10.0.0.1", "10.0.9.4", TCP, 8080));
	assert_int_not_equal(id(f, "10.0.9.1"), id(f, "10.0.9.2"));
	assert_int_equal(id(f, "10.0.9.1"), id(f, "10.0.9.3"));

	/* To any peer: any pod that has the name, and nothing else. */
	p = build_policy("a", "named", "app=c", BUILD_EGRESS);
	build_port(build_rule(p, LNT_EGRESS), TCP, "http");
	build_put(f->st, p);
	compile(f);
	assert_true(out(f, "10.0.0.1", "10.0.9.2", TCP, 9090));
	assert_true(out(f, "10.0.0.1", "10.0.9.4", TCP, 8080));
	assert_false(out(f, "10.0.0.1", "10.0.9.4", TCP, 9090));
	assert_false(out(f, "10.0.0.1", WORLD, TCP, 8080));
}

static void first_rule_names_the_entry(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "z", "", BUILD_EGRESS);

	build_port(build_rule(p, LNT_EGRESS), TCP, "443");
	build_port(build_rule(p, LNT_EGRESS), TCP, "53");
	build_put(f->st, p);
	p = build_policy("a", "y", "", BUILD_EGRESS);
	build_port(build_rule(p, LNT_EGRESS), UDP, "1");
	build_port(build_rule(p, LNT_EGRESS), TCP, "443");
	build_put(f->st, p);
	local(f, "a", "c", "app=c", "10.0.0.1");
	compile(f);
	assert_string_equal(rule(f, LNT_EGRESS, "10.0.0.1", WORLD, TCP, 443), "a/y egress[1]");
	assert_string_equal(rule(f, LNT_EGRESS, "10.0.0.1", WORLD, TCP, 53), "a/z egress[1]");
	assert_string_equal(rule(f, LNT_EGRESS, "10.0.0.1", WORLD, TCP, 54), "");
	assert_int_equal(f->s.n_rules, 4);
}

/* --- what is not supported ------------------------------------------------------------------- */

static void empty_peer_is_not_any_peer(void **state)
{
	struct fixture *f = *state;

	local(f, "a", "web", "app=web", "10.0.0.1");
	allow_from(f, NULL, NULL);
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
	assert_string_equal(
		f->s.problems[0].text, "ingress[0].from[0]: no selector, matches nothing");
}

static void unsupported_is_told(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("c", "odd", "", BUILD_INGRESS);

	p->unsupported = strdup("spec.ingress[0].from[0].podSelector: operator Gt");
	build_put(f->st, p);
	compile(f);
	/* Other nodes' pods are theirs to tell about. */
	assert_int_equal(f->s.n_problems, 0);
	local(f, "c", "web", "", "10.0.0.1");
	compile(f);
	assert_int_equal(f->s.n_problems, 1);
	assert_string_equal(
		f->s.problems[0].text, "spec.ingress[0].from[0].podSelector: operator Gt");
	/* What is told outlives the policy. */
	lnt_store_remove(f->st, LNT_KIND_NETWORKPOLICY, "c", "odd");
	assert_string_equal(f->s.problems[0].policy.name, "odd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(no_policy),
		CASE(endpoint_values),
		CASE(empty_ingress_isolates),
		CASE(egress_only_leaves_ingress),
		CASE(ingress_rule_of_egress_policy),
		CASE(policies_add_up),
		CASE(same_name_other_namespace),
		CASE(empty_selectors),
		CASE(peer_and),
		CASE(peer_or),
		CASE(match_expressions),
		CASE(any_peer),
		CASE(unknown_namespace),
		CASE(ports),
		CASE(all_ports_is_all_protocols),
		CASE(bad_ports_match_nothing),
		CASE(named_ingress),
		CASE(named_egress),
		CASE(first_rule_names_the_entry),
		CASE(empty_peer_is_not_any_peer),
		CASE(unsupported_is_told),
	};

	return cmocka_run_group_tests_name("compile policy", tests, NULL, NULL);
}
