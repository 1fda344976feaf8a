// SPDX-License-Identifier: Apache-2.0
/* Events for people: whom addresses are, which policy it was, and who wants to be told. */
#include "agent/explain/event.h"
#include "lib/json.h"
#include "tests/unit/build.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* red/server and red/near on this node n1, blue/far on n2; red/web isolates red/server. */
struct cluster {
	struct lnt_store *st;
	struct lnt_endpoint eps[3];
	struct lnt_directory *dir;
	struct lnt_rule_name rules[1];
	struct lnt_peer_entry peers[2];
	struct lnt_policy_state compiled;
	struct lnt_event_view view;
};

static int setup(void **state)
{
	struct cluster *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->st = lnt_store_new(NULL, NULL);
	build_ns(c->st, "red", "");
	build_ns(c->st, "blue", "");
	build_node(c->st, "n1", "172.31.0.11", "10.0.1.0/24");
	build_node(c->st, "n2", "172.31.0.12", "10.0.2.0/24");
	build_put_pod(c->st, "red", "server", "app=server", "10.0.1.1");
	build_put_pod(c->st, "red", "near", "", "10.0.1.2");
	build_put_pod(c->st, "blue", "far", "", "10.0.2.1");
	build_put(c->st, build_policy("red", "web", "app=server", BUILD_INGRESS));
	build_put(c->st, build_policy("red", "out", "app=server", BUILD_EGRESS));
	build_put(c->st, build_policy("blue", "other", "", BUILD_INGRESS));
	c->eps[0] = build_endpoint("red", "server", "10.0.1.1");
	c->eps[1] = build_endpoint("red", "near", "10.0.1.2");
	c->eps[2] = build_endpoint(NULL, NULL, "10.0.1.3");
	c->dir = lnt_directory_new(c->st, c->eps, 3);
	assert_non_null(c->dir);
	c->rules[0] = (struct lnt_rule_name){7, "red/web ingress[0]"};
	c->peers[0] = (struct lnt_peer_entry){build_addr("10.0.1.1"), {LNT_ID_POD + 1}};
	c->peers[1] = (struct lnt_peer_entry){build_addr("10.0.2.1"), {LNT_ID_POD + 2}};
	c->compiled = (struct lnt_policy_state){
		.rules = c->rules, .n_rules = 1, .peers = c->peers, .n_peers = 2};
	c->view = (struct lnt_event_view){
		.node_name = "n1",
		.st = c->st,
		.dir = c->dir,
		.eps = c->eps,
		.n_eps = 3,
		.source = lnt_source_state(&c->compiled),
		.compiled = &c->compiled,
		.clock = 1000000000000000000, /* 2001-09-09T01:46:40Z */
	};
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct cluster *c = *state;

	lnt_directory_free(c->dir);
	lnt_store_free(c->st);
	free(c);
	return 0;
}

static struct lnt_event event(const char *src, int sport, const char *dst, int dport)
{
	return (struct lnt_event){
		.time = 1500000000,
		.key = {.saddr = build_addr(src),
			.daddr = build_addr(dst),
			.sport = htons((uint16_t)sport),
			.dport = htons((uint16_t)dport),
			.proto = IPPROTO_TCP},
		.target = build_addr(dst),
		.target_port = htons((uint16_t)dport),
		.reason = LNT_DROP_POLICY_INGRESS,
		.direction = LNT_INGRESS,
	};
}

/* The event as JSON, without what each has. */
static void says(const struct cluster *c, const struct lnt_event *ev, const char *want)
{
	struct lnt_told told;
	cJSON *json;
	char *text;

	lnt_event_look(&c->view, ev, &told);
	json = lnt_told_json(&c->view, &told);
	lnt_told_clear(&told);
	assert_string_equal(lnt_json_str(json, "time"), "2001-09-09T01:46:41.500000Z");
	assert_string_equal(lnt_json_str(json, "node"), "n1");
	cJSON_DeleteItemFromObject(json, "time");
	cJSON_DeleteItemFromObject(json, "node");
	text = cJSON_PrintUnformatted(json);
	assert_string_equal(text, want);
	free(text);
	cJSON_Delete(json);
}

#define POD(addr, port, name) \
	"{\"address\":\"" addr "\",\"port\":" #port ",\"kind\":\"pod\",\"name\":\"" name "\"}"
#define FAR    POD("10.0.2.1", 4000, "blue/far")
#define SERVER POD("10.0.1.1", 80, "red/server")

static void isolated(void **state)
{
	struct lnt_event ev = event("10.0.2.1", 4000, "10.0.1.1", 80);

	says(*state, &ev,
		"{\"verdict\":\"drop\",\"reason\":\"policy-ingress\",\"direction\":\"ingress\","
		"\"protocol\":\"TCP\",\"source\":" FAR ",\"destination\":" SERVER
		",\"isolatedBy\":[\"red/web\"]}");
	/* Before the namespace's other policies are, by pod and direction. */
	ev = event("10.0.1.1", 80, "10.0.2.1", 4000);
	ev.reason = LNT_DROP_POLICY_EGRESS;
	ev.direction = LNT_EGRESS;
	says(*state, &ev,
		"{\"verdict\":\"drop\",\"reason\":\"policy-egress\",\"direction\":\"egress\","
		"\"protocol\":\"TCP\",\"source\":" SERVER ",\"destination\":" FAR
		",\"isolatedBy\":[\"red/out\"]}");
}

static void rules(void **state)
{
	struct lnt_event ev = event("10.0.2.1", 4000, "10.0.1.1", 80);

	ev.rule = 7;
	ev.kind = LNT_EVENT_ALLOW;
	ev.reason = LNT_DROP_NONE;
	says(*state, &ev,
		"{\"verdict\":\"allow\",\"direction\":\"ingress\",\"protocol\":\"TCP\","
		"\"source\":" FAR ",\"destination\":" SERVER ",\"rule\":\"red/web ingress[0]\"}");
	/* One of a compilation that is gone has no name. */
	ev.rule = 8;
	ev.kind = LNT_EVENT_AUDIT;
	ev.reason = LNT_DROP_POLICY_INGRESS;
	says(*state, &ev,
		"{\"verdict\":\"audit\",\"reason\":\"policy-ingress\",\"direction\":\"ingress\","
		"\"protocol\":\"TCP\",\"source\":" FAR ",\"destination\":" SERVER "}");
}

static void replies(void **state)
{
	struct lnt_event ev = event("10.0.1.1", 80, "10.0.2.1", 4000);
	const char *want =
		"{\"verdict\":\"drop\",\"reason\":\"policy-ingress\",\"direction\":\"ingress\","
		"\"protocol\":\"TCP\",\"source\":" SERVER ",\"destination\":" FAR
		",\"reply\":true,\"isolatedBy\":[\"red/web\"]}";

	/* A reply of the target, whose policy says no by now. */
	ev.target = build_addr("10.0.1.1");
	ev.target_port = htons(80);
	says(*state, &ev, want);
	/* The same flow's next: which way it goes is not said. */
	ev.target = (struct in6_addr){};
	ev.target_port = 0;
	ev.src_identity = LNT_ID_POD + 2;
	ev.dst_identity = LNT_ID_POD + 1;
	says(*state, &ev, want);
	/* And the other way. */
	ev.src_identity = LNT_ID_POD + 1;
	ev.dst_identity = LNT_ID_POD + 2;
	says(*state, &ev,
		"{\"verdict\":\"drop\",\"reason\":\"policy-ingress\",\"direction\":\"ingress\","
		"\"protocol\":\"TCP\",\"source\":" SERVER ",\"destination\":" FAR
		",\"isolatedBy\":[\"blue/other\"]}");
}

static void others(void **state)
{
	struct lnt_event ev = event("203.0.113.9", 4000, "172.31.0.12", 80);

	ev.reason = LNT_DROP_NO_ROUTE;
	says(*state, &ev,
		"{\"verdict\":\"drop\",\"reason\":\"no-route\",\"protocol\":\"TCP\",\"source\":{"
		"\"address\":"
		"\"203.0.113.9\",\"port\":4000,\"kind\":\"world\"},\"destination\":{\"address\":"
		"\"172.31.0.12\",\"port\":80,\"kind\":\"node\",\"name\":\"n2\"}}");
	/* The node has more addresses than its object; a container without a pod. */
	ev = event("192.168.7.7", 0, "10.0.1.3", 0);
	ev.key.proto = IPPROTO_ICMP;
	ev.kind = LNT_EVENT_ALLOW;
	ev.reason = LNT_DROP_NONE;
	ev.src_identity = LNT_ID_HOST;
	strcpy(((struct cluster *)*state)->eps[2].container_id, "c3");
	says(*state, &ev,
		"{\"verdict\":\"allow\",\"direction\":\"ingress\",\"protocol\":\"ICMP\",\"source\":"
		"{\"address\":\"192.168.7.7\",\"kind\":\"node\",\"name\":\"n1\"},\"destination\":"
		"{\"address\":\"10.0.1.3\",\"kind\":\"container\",\"name\":\"c3\"}}");
	/* Not even read: the device is all there is. */
	ev = (struct lnt_event){.time = 1500000000, .reason = LNT_DROP_UNKNOWN_L3};
	ev.ifindex = ((struct cluster *)*state)->eps[1].host_ifindex;
	strcpy(((struct cluster *)*state)->eps[1].host_ifname, "lnt1");
	says(*state, &ev,
		"{\"verdict\":\"drop\",\"reason\":\"unknown-l3\",\"device\":\"lnt1\",\"devicePod\":"
		"\"red/near\"}");
}

static void services(void **state)
{
	struct lnt_event ev = event("10.0.2.1", 4000, "10.96.0.1", 443);

	/* Behind the service's address: its policy, too. */
	ev.target = build_addr("10.0.1.1");
	ev.target_port = htons(80);
	says(*state, &ev,
		"{\"verdict\":\"drop\",\"reason\":\"policy-ingress\",\"direction\":\"ingress\","
		"\"protocol\":\"TCP\",\"source\":" FAR
		",\"destination\":{\"address\":\"10.96.0.1\","
		"\"port\":443,\"kind\":\"world\"},\"target\":" SERVER
		",\"isolatedBy\":[\"red/web\"]}");
}

static bool wants(struct cluster *c, const struct lnt_event *ev, bool allows, const char *pod,
	const char *policy)
{
	const struct lnt_event_filter filter = {allows, pod, policy};
	struct lnt_told told;
	bool yes;

	lnt_event_look(&c->view, ev, &told);
	yes = lnt_told_matches(&told, &filter);
	lnt_told_clear(&told);
	return yes;
}

static void filters(void **state)
{
	struct lnt_event ev = event("10.0.2.1", 4000, "10.0.1.1", 80);

	assert_true(wants(*state, &ev, false, NULL, NULL));
	assert_true(wants(*state, &ev, false, "blue/far", NULL));
	assert_true(wants(*state, &ev, false, "red/server", NULL));
	assert_false(wants(*state, &ev, false, "red/near", NULL));
	assert_false(wants(*state, &ev, false, "red/serve", NULL));
	assert_false(wants(*state, &ev, false, "red/server2", NULL));
	assert_false(wants(*state, &ev, false, "server", NULL));
	assert_true(wants(*state, &ev, false, NULL, "red/web"));
	assert_false(wants(*state, &ev, false, NULL, "red/out"));
	ev.rule = 7;
	assert_true(wants(*state, &ev, false, NULL, "red/web"));
	assert_false(wants(*state, &ev, false, NULL, "red/we"));
	assert_false(wants(*state, &ev, false, "red/near", "red/web"));
	ev.kind = LNT_EVENT_ALLOW;
	assert_false(wants(*state, &ev, false, NULL, NULL));
	assert_true(wants(*state, &ev, true, NULL, "red/web"));
}

#define TEST(title, fn)                          \
	{                                        \
		title, fn, setup, teardown, NULL \
	}
static const struct CMUnitTest tests[] = {
	TEST("isolation: the policies that isolate the pod in that direction", isolated),
	TEST("rules have names, unless they are gone", rules),
	TEST("replies: the policy is of the connection's target", replies),
	TEST("nodes, containers, the world, and what is not read", others),
	TEST("services: the pod behind", services),
	TEST("filters by pod, policy and verdict", filters),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
