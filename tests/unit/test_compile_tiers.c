/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterNetworkPolicies: tiers, priority, actions, and whom they are about. */
#include "tests/unit/policy_case.h"

#define ALL_PODS ""

static void pods(struct fixture *f)
{
	local(f, "a", "web", "app=web", "10.0.0.1");
	remote(f, "a", "x", "app=x", "10.0.9.1");
	remote(f, "b", "y", "app=y", "10.0.9.2");
}

static void rule_for(struct lnt_netpol *p, enum lnt_direction dir, enum lnt_rule_action action,
	const char *namespaces, const char *pods)
{
	build_peer(build_action(p, dir, action), namespaces, pods);
}

/* Ingress of a/web: everything, by a NetworkPolicy; or nothing. */
static void network(struct fixture *f, bool open)
{
	struct lnt_netpol *p = build_policy("a", "np", "", BUILD_INGRESS);

	if (open)
		build_rule(p, LNT_INGRESS);
	build_put(f->st, p);
}

static bool from(const struct fixture *f, const char *peer)
{
	return in(f, "10.0.0.1", peer, TCP, 80);
}

static const char *why(const struct fixture *f, const char *peer)
{
	return rule(f, LNT_INGRESS, "10.0.0.1", peer, TCP, 80);
}

static void admin_goes_first(void **state)
{
	struct lnt_netpol *p = build_cnp("adm", LNT_TIER_ADMIN, 10, "name=a");
	struct fixture *f = *state;

	pods(f);
	rule_for(p, LNT_INGRESS, LNT_RULE_ACCEPT, "", "app=x");
	p->ingress_rules[0].name = strdup("let x in");
	rule_for(p, LNT_INGRESS, LNT_RULE_DENY, "name=b", NULL);
	build_put(f->st, p);
	network(f, false);
	compile(f);
	assert_true(from(f, "10.0.9.1"));
	assert_string_equal(why(f, "10.0.9.1"), "cnp:adm ingress[0] 'let x in'");
	assert_false(from(f, "10.0.9.2"));
	assert_false(from(f, WORLD));
	network(f, true);
	compile(f);
	assert_true(from(f, "10.0.9.1"));
	assert_false(from(f, "10.0.9.2"));
	assert_string_equal(why(f, "10.0.9.2"), "cnp:adm ingress[1]");
	assert_true(from(f, WORLD));
	/* It says nothing of egress, nor of pods that are no subject of it. */
	assert_int_equal(
		endpoint(f, "10.0.0.1")->flags, LNT_EP_ADMIN_INGRESS | LNT_EP_ISOLATED_INGRESS);
	local(f, "c", "other", "", "10.0.0.2");
	compile(f);
	assert_int_equal(endpoint(f, "10.0.0.2")->flags, 0);
}

static void priority_then_name_then_place(void **state)
{
	struct lnt_netpol *p = build_cnp("b", LNT_TIER_ADMIN, 10, "");
	struct fixture *f = *state;

	pods(f);
	rule_for(p, LNT_INGRESS, LNT_RULE_DENY, "", "app=x");
	rule_for(p, LNT_INGRESS, LNT_RULE_ACCEPT, "", NULL);
	build_put(f->st, p);
	compile(f);
	assert_false(from(f, "10.0.9.1"));
	assert_true(from(f, "10.0.9.2"));
	p = build_cnp("a", LNT_TIER_ADMIN, 10, "");
	rule_for(p, LNT_INGRESS, LNT_RULE_ACCEPT, "", "app=x");
	build_put(f->st, p);
	compile(f);
	assert_true(from(f, "10.0.9.1"));
	p = build_cnp("z", LNT_TIER_ADMIN, 9, "");
	rule_for(p, LNT_INGRESS, LNT_RULE_DENY, "", NULL);
	build_put(f->st, p);
	compile(f);
	assert_false(from(f, "10.0.9.1"));
	assert_false(from(f, "10.0.9.2"));
	assert_true(from(f, WORLD));
	p = build_cnp("zz", LNT_TIER_ADMIN, 0, "");
	rule_for(p, LNT_INGRESS, LNT_RULE_ACCEPT, "name=b", NULL);
	build_put(f->st, p);
	compile(f);
	assert_false(from(f, "10.0.9.1"));
	assert_true(from(f, "10.0.9.2"));
}

static void pass_goes_to_the_next_tier(void **state)
{
	struct lnt_netpol *p = build_cnp("pass", LNT_TIER_ADMIN, 1, "");
	struct fixture *f = *state;

	pods(f);
	rule_for(p, LNT_INGRESS, LNT_RULE_PASS, "", "app=x");
	rule_for(p, LNT_INGRESS, LNT_RULE_DENY, "", NULL);
	build_put(f->st, p);
	p = build_cnp("base", LNT_TIER_BASELINE, 1, "");
	rule_for(p, LNT_INGRESS, LNT_RULE_PASS, "name=b", NULL);
	rule_for(p, LNT_INGRESS, LNT_RULE_DENY, "name=a", NULL);
	build_put(f->st, p);
	compile(f);
	assert_false(from(f, "10.0.9.1"));
	assert_string_equal(why(f, "10.0.9.1"), "cnp:base ingress[1]");
	assert_false(from(f, "10.0.9.2"));
	assert_string_equal(why(f, "10.0.9.2"), "cnp:pass ingress[1]");
	network(f, true);
	compile(f);
	assert_true(from(f, "10.0.9.1"));
	assert_string_equal(why(f, "10.0.9.1"), "a/np ingress[0]");
	assert_false(from(f, "10.0.9.2"));
}

static void baseline_goes_last(void **state)
{
	struct lnt_netpol *p = build_cnp("base", LNT_TIER_BASELINE, 1, "");
	struct fixture *f = *state;

	pods(f);
	rule_for(p, LNT_INGRESS, LNT_RULE_DENY, "", "app=x");
	rule_for(p, LNT_EGRESS, LNT_RULE_DENY, "", "app=x");
	build_put(f->st, p);
	compile(f);
	assert_false(from(f, "10.0.9.1"));
	assert_true(from(f, "10.0.9.2"));
	assert_true(from(f, WORLD));
	assert_false(out(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	/* Where a NetworkPolicy isolates, and only in that direction, it is not asked. */
	network(f, true);
	compile(f);
	assert_true(from(f, "10.0.9.1"));
	assert_false(out(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_int_equal(
		endpoint(f, "10.0.0.1")->flags, LNT_EP_ISOLATED_INGRESS | LNT_EP_BASELINE_EGRESS);
}

/* A longer prefix of a rule that comes later must not win. */
static void ports_do_not_beat_order(void **state)
{
	struct lnt_netpol *p = build_cnp("adm", LNT_TIER_ADMIN, 1, "");
	struct fixture *f = *state;
	struct lnt_netpol_rule *r;

	pods(f);
	r = build_action(p, LNT_INGRESS, LNT_RULE_DENY);
	build_peer(r, "", NULL);
	build_port(r, TCP, "8000-8999");
	r = build_action(p, LNT_INGRESS, LNT_RULE_ACCEPT);
	build_peer(r, "", NULL);
	build_port(r, TCP, "8080");
	build_port(r, TCP, "9000");
	r = build_action(p, LNT_INGRESS, LNT_RULE_DENY);
	build_peer(r, "", "app=x");
	build_port(r, TCP, "");
	build_put(f->st, p);
	compile(f);
	assert_false(in(f, "10.0.0.1", "10.0.9.2", TCP, 8080));
	assert_true(in(f, "10.0.0.1", "10.0.9.2", TCP, 9000));
	assert_true(in(f, "10.0.0.1", "10.0.9.2", TCP, 9001));
	assert_true(in(f, "10.0.0.1", "10.0.9.1", TCP, 9000));
	assert_false(in(f, "10.0.0.1", "10.0.9.1", TCP, 9001));
	assert_true(in(f, "10.0.0.1", "10.0.9.1", UDP, 9001));
	assert_true(in(f, "10.0.0.1", "10.0.9.1", IPPROTO_ICMP, 0));
}

static void nodes_are_peers(void **state)
{
	struct lnt_netpol *p = build_cnp("adm", LNT_TIER_ADMIN, 1, "");
	struct fixture *f = *state;

	pods(f);
	build_node_labels(f->st, "n2", "role=gpu");
	build_nodes(build_action(p, LNT_EGRESS, LNT_RULE_DENY), "role=gpu");
	build_put(f->st, p);
	compile(f);
	assert_false(out(f, "10.0.0.1", "192.0.2.2", TCP, 80));
	assert_true(out(f, "10.0.0.1", "192.0.2.1", TCP, 80));
	p = build_cnp("adm", LNT_TIER_ADMIN, 1, "");
	build_nodes(build_action(p, LNT_EGRESS, LNT_RULE_DENY), "");
	build_put(f->st, p);
	compile(f);
	assert_false(out(f, "10.0.0.1", "192.0.2.2", TCP, 80));
	assert_false(out(f, "10.0.0.1", "192.0.2.1", TCP, 80));
	assert_true(out(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_true(out(f, "10.0.0.1", WORLD, TCP, 80));
	/* The node always comes in. */
	p = build_cnp("in", LNT_TIER_ADMIN, 1, "");
	build_block(build_action(p, LNT_INGRESS, LNT_RULE_DENY), "0.0.0.0/0", "");
	build_put(f->st, p);
	compile(f);
	assert_true(from(f, "192.0.2.1"));
	assert_false(from(f, "192.0.2.2"));
	assert_false(from(f, "10.0.9.1"));
}

/* Networks: "that will allow or deny all IPv4 pod-to-pod traffic as well." */
static void networks_and_pods(void **state)
{
	struct lnt_netpol *p = build_cnp("adm", LNT_TIER_ADMIN, 1, "");
	struct fixture *f = *state;

	pods(f);
	rule_for(p, LNT_EGRESS, LNT_RULE_PASS, "", "app=x");
	build_block(build_action(p, LNT_EGRESS, LNT_RULE_DENY), "0.0.0.0/0", "");
	build_put(f->st, p);
	compile(f);
	assert_true(out(f, "10.0.0.1", "10.0.9.1", TCP, 80));
	assert_false(out(f, "10.0.0.1", "10.0.9.2", TCP, 80));
	assert_false(out(f, "10.0.0.1", WORLD, TCP, 80));
	assert_true(out(f, "10.0.0.1", "2001:db8::9", TCP, 80));
}

static void named_ports(void **state)
{
	struct lnt_netpol *p = build_cnp("adm", LNT_TIER_ADMIN, 1, "");
	struct fixture *f = *state;
	struct lnt_netpol_rule *r;
	struct lnt_pod *pod;

	pods(f);
	pod = build_pod("a", "x", "app=x", "10.0.9.1");
	build_pod_port(pod, "web", UDP, 53);
	build_pod_port(pod, "web", TCP, 8080);
	build_put(f->st, pod);
	r = build_action(p, LNT_EGRESS, LNT_RULE_DENY);
	build_peer(r, "", NULL);
	build_port(r, 0, "web");
	build_put(f->st, p);
	compile(f);
	assert_false(out(f, "10.0.0.1", "10.0.9.1", TCP, 8080));
	assert_false(out(f, "10.0.0.1", "10.0.9.1", UDP, 53));
	assert_true(out(f, "10.0.0.1", "10.0.9.1", TCP, 53));
	assert_true(out(f, "10.0.0.1", "10.0.9.2", TCP, 8080));
}

static void subjects(void **state)
{
	struct lnt_netpol *p = build_cnp("adm", LNT_TIER_ADMIN, 1, "env=prod");
	struct fixture *f = *state;

	pods(f);
	local(f, "b", "db", "app=db", "10.0.0.2");
	local(f, "nowhere", "lost", "", "10.0.0.3");
	build_action(p, LNT_INGRESS, LNT_RULE_DENY);
	build_put(f->st, p);
	compile(f);
	assert_true(in(f, "10.0.0.1", WORLD, TCP, 80));
	assert_false(in(f, "10.0.0.2", WORLD, TCP, 80));
	assert_true(in(f, "10.0.0.3", WORLD, TCP, 80));
	p = build_cnp("all", LNT_TIER_ADMIN, 1, "");
	build_action(p, LNT_INGRESS, LNT_RULE_DENY);
	build_put(f->st, p);
	compile(f);
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
	assert_false(in(f, "10.0.0.3", WORLD, TCP, 80));
}

/* A rule for all pods is one entry, however many kinds of them there are. */
static void every_pod_is_one_entry(void **state)
{
	struct lnt_netpol *p = build_policy("a", "np", "", BUILD_INGRESS);
	struct fixture *f = *state;

	pods(f);
	for (int i = 0; i < 20; i++) {
		char name[8], sel[8], addr[16];

		snprintf(name, sizeof(name), "p%d", i);
		snprintf(sel, sizeof(sel), "n=%d", i);
		snprintf(addr, sizeof(addr), "10.0.9.%d", 20 + i);
		remote(f, "a", name, sel, addr);
		build_peer(build_rule(p, LNT_INGRESS), NULL, sel);
	}
	build_peer(build_rule(p, LNT_INGRESS), "", NULL);
	build_put(f->st, p);
	compile(f);
	assert_true(from(f, "10.0.9.25"));
	assert_true(from(f, "10.0.9.2"));
	assert_false(from(f, "192.0.2.2"));
	assert_false(from(f, WORLD));
	assert_int_equal(f->s.n_policy, 20 + 1);
}

static void audit(void **state)
{
	struct fixture *f = *state;
	struct lnt_namespace *ns;

	pods(f);
	network(f, false);
	compile(f);
	assert_int_equal(endpoint(f, "10.0.0.1")->flags, LNT_EP_ISOLATED_INGRESS);
	ns = (struct lnt_namespace *)lnt_store_get(f->st, LNT_KIND_NAMESPACE, "", lnt_intern("a"));
	ns->audit = true;
	compile(f);
	assert_int_equal(endpoint(f, "10.0.0.1")->flags, LNT_EP_ISOLATED_INGRESS | LNT_EP_AUDIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(admin_goes_first),
		CASE(priority_then_name_then_place),
		CASE(pass_goes_to_the_next_tier),
		CASE(baseline_goes_last),
		CASE(ports_do_not_beat_order),
		CASE(nodes_are_peers),
		CASE(networks_and_pods),
		CASE(named_ports),
		CASE(subjects),
		CASE(every_pod_is_one_entry),
		CASE(audit),
	};

	return cmocka_run_group_tests_name("compile policy: tiers", tests, NULL, NULL);
}
