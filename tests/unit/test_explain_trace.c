// SPDX-License-Identifier: Apache-2.0
/* Traces and what policy says in words, from a cluster of two nodes that is in no map. */
#include "agent/explain/pod_policies.h"
#include "agent/explain/trace.h"
#include "lib/json.h"
#include "tests/unit/build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* red/server and red/near on this node n1, blue/far on n2. */
struct cluster {
	struct lnt_store *st;
	struct lnt_endpoint eps[2];
	struct lnt_directory *dir;
	struct lnt_policy_state here;
	struct lnt_trace_env env;
};

static void pod(struct cluster *c, const char *node, const char *ns, const char *name,
	const char *labels, const char *addrs)
{
	struct lnt_pod *p = build_pod(ns, name, labels, addrs);

	lnt_unintern(p->node);
	p->node = lnt_intern(node);
	build_pod_port(p, "http", IPPROTO_TCP, 80);
	build_put(c->st, p);
}

static int setup(void **state)
{
	struct cluster *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->st = lnt_store_new(NULL, NULL);
	build_ns(c->st, "red", "team=red");
	build_ns(c->st, "blue", "team=blue");
	build_node(c->st, "n1", "172.31.0.11,fd31::11", "10.0.1.0/24");
	build_node(c->st, "n2", "172.31.0.12", "10.0.2.0/24");
	pod(c, "n1", "red", "server", "app=server", "10.0.1.1,fd00:1::1");
	pod(c, "n1", "red", "near", "role=client", "10.0.1.2,fd00:1::2");
	pod(c, "n2", "blue", "far", "", "10.0.2.1,fd00:2::1");
	c->eps[0] = build_endpoint("red", "server", "10.0.1.1,fd00:1::1");
	c->eps[1] = build_endpoint("red", "near", "10.0.1.2,fd00:1::2");
	*state = c;
	return 0;
}

static void compile(struct cluster *c)
{
	const struct lnt_policy_params params = {.node_name = "n1", .eps = c->eps, .n_eps = 2};
	struct lnt_err e = {};

	lnt_policy_state_clear(&c->here);
	lnt_directory_free(c->dir);
	assert_int_equal(lnt_compile_policy(c->st, &params, &e, &c->here), 0);
	c->dir = lnt_directory_new(c->st, c->eps, 2);
	assert_non_null(c->dir);
	c->env = (struct lnt_trace_env){
		.names = {c->st, c->dir},
		.node_name = "n1",
		.here = lnt_source_state(&c->here),
		.compiled = &c->here,
	};
}

static int teardown(void **state)
{
	struct cluster *c = *state;

	lnt_policy_state_clear(&c->here);
	lnt_directory_free(c->dir);
	lnt_store_free(c->st);
	free(c);
	return 0;
}

/* "egress: allowed (no policy is about it)\ningress: ...\nallowed" of the first connection. */
static void says(struct cluster *c, const char *from, const char *to, const char *want)
{
	struct lnt_err e = {};
	_cleanup_json_ cJSON *json = lnt_trace_json(&c->env, from, to, 4, &e);
	const cJSON *conn = lnt_json_get(json, "connections")->child, *end, *step;
	char text[2000] = "";

	assert_non_null(conn);
	cJSON_ArrayForEach (end, lnt_json_get(conn, "ends")) {
		const char *rule = lnt_json_str(end, "rule"), *why = lnt_json_str(end, "why");
		char *to_text = text + strlen(text);

		sprintf(to_text, "%s on %s: %s%s%s%s%s", lnt_json_str(end, "direction"),
			lnt_json_str(end, "node"),
			cJSON_IsTrue(lnt_json_get(end, "allowed")) ? "yes" : "no", rule ? " " : "",
			rule ? rule : "", *why ? " " : "", why);
		cJSON_ArrayForEach (step, lnt_json_get(end, "steps"))
			sprintf(text + strlen(text), ", %s %s", lnt_json_str(step, "tier"),
				lnt_json_str(step, "said"));
		strcat(text, "; ");
	}
	strcat(text, cJSON_IsTrue(lnt_json_get(json, "allowed")) ? "allowed" : "denied");
	assert_string_equal(text, want);
}

static void fails(struct cluster *c, const char *from, const char *to, const char *want)
{
	struct lnt_err e = {};

	assert_null(lnt_trace_json(&c->env, from, to, 0, &e));
	assert_true(e.err < 0);
	if (!strstr(e.msg, want))
		fail_msg("'%s' says nothing of '%s'", e.msg, want);
}

static void nothing_applies(void **state)
{
	struct cluster *c = *state;

	compile(c);
	says(c, "red/near", "red/server:80",
		"egress on n1: yes no policy is about it; ingress on n1: yes no policy is about "
		"it; "
		"allowed");
	says(c, "blue/far", "red/server:80",
		"egress on n2: yes no policy is about it; ingress on n1: yes no policy is about "
		"it; "
		"allowed");
	says(c, "203.0.113.1", "red/server:80",
		"ingress on n1: yes no policy is about it; allowed");
	says(c, "n1", "red/server:80",
		"ingress on n1: yes a pod's own node always comes in; allowed");
	says(c, "n2", "203.0.113.1:80", "allowed");
}

static void tiers(void **state)
{
	struct cluster *c = *state;
	struct lnt_netpol *adm = build_cnp("adm", LNT_TIER_ADMIN, 10, "team=red");
	struct lnt_netpol *np = build_policy("red", "web", "app=server", BUILD_INGRESS);
	struct lnt_netpol *base = build_cnp("base", LNT_TIER_BASELINE, 0, "");

	build_peer(build_action(adm, LNT_INGRESS, LNT_RULE_DENY), "team=blue", "");
	build_peer(build_action(adm, LNT_INGRESS, LNT_RULE_PASS), "team=red", "");
	build_put(c->st, adm);
	build_port(build_rule(np, LNT_INGRESS), IPPROTO_TCP, "80");
	build_put(c->st, np);
	build_peer(build_action(base, LNT_INGRESS, LNT_RULE_DENY), "", "");
	build_put(c->st, base);
	compile(c);
	says(c, "blue/far", "red/server:80",
		"egress on n2: yes no policy is about it; ingress on n1: no cnp:adm ingress[0], "
		"admin "
		"deny; denied");
	says(c, "red/near", "red/server:http",
		"egress on n1: yes no policy is about it; ingress on n1: yes red/web ingress[0], "
		"admin "
		"pass, network allow; allowed");
	says(c, "red/near", "red/server:81",
		"egress on n1: yes no policy is about it; ingress on n1: no isolated, no rule "
		"matched, "
		"admin pass, network nothing; denied");
	says(c, "203.0.113.1", "red/near:80",
		"ingress on n1: yes no rule decides, which allows, admin nothing, baseline "
		"nothing; "
		"allowed");
	/* On the other node, as that compiles it. */
	says(c, "red/near", "blue/far:80",
		"egress on n1: yes no policy is about it; ingress on n2: no cnp:base ingress[0], "
		"baseline deny; denied");
	says(c, "n2", "blue/far:80",
		"ingress on n2: yes a pod's own node always comes in; allowed");
}

static void both_ends(void **state)
{
	struct cluster *c = *state;

	build_put(c->st, build_policy("blue", "shut", "", BUILD_EGRESS));
	build_put(c->st, build_policy("red", "shut", "", BUILD_EGRESS));
	compile(c);
	/* Nobody asks the target after a no. */
	says(c, "blue/far", "red/server:80",
		"egress on n2: no isolated, no rule matched, network nothing; denied");
	says(c, "red/near", "red/near:80", "allowed");
	says(c, "red/near", "n1:80",
		"egress on n1: yes NetworkPolicies do not keep a pod from its own node; allowed");
	says(c, "red/near", "n2:80",
		"egress on n1: no isolated, no rule matched, network nothing; denied");
	c->eps[1].addrs[0] = build_addr("10.0.1.9");
	compile(c);
	says(c, "red/near", "red/server:80",
		"egress on n1: no the address is not in the maps (yet); denied");
}

static void audited(void **state)
{
	struct cluster *c = *state;
	struct lnt_err e = {};
	cJSON *json;

	build_put(c->st, build_policy("blue", "shut", "", BUILD_EGRESS));
	compile(c);
	c->env.audit = true;
	says(c, "blue/far", "red/server:80",
		"egress on n2: no isolated, no rule matched, network nothing; ingress on n1: yes "
		"no "
		"policy is about it; allowed");
	json = lnt_trace_json(&c->env, "blue/far", "red/server:80", 0, &e);
	assert_int_equal(cJSON_GetArraySize(lnt_json_get(json, "connections")), 2);
	assert_true(
		cJSON_IsTrue(lnt_json_get(lnt_json_get(json, "connections")->child, "audited")));
	cJSON_Delete(json);
}

static void services(void **state)
{
	struct cluster *c = *state;
	struct lnt_trace_target t;
	struct lnt_err e = {};

	build_service(c->st, "red", "web", "10.96.0.1", "http:tcp/8080,dns:udp/53");
	build_slice(c->st, "red", "web-1", "web", "http:tcp/80",
		"10.0.1.1,10.0.2.1,10.0.3.1,10.0.3.2,10.0.3.3", "10.0.1.2");
	compile(c);
	assert_int_equal(lnt_trace_target(&c->env.names, "red/web:8080", &e, &t), 0);
	assert_string_equal(t.service, "red/web");
	assert_int_equal(t.n, 4);
	assert_int_equal(t.n_left_out, 1);
	assert_int_equal(t.ends[0].port, 80);
	assert_string_equal(t.ends[0].name, "server");
	assert_int_equal(t.ends[2].kind, LNT_WHO_WORLD);
	assert_int_equal(lnt_trace_target(&c->env.names, "red/web:http", &e, &t), 0);
	fails(c, "red/near", "red/web:80", "no port 80");
	fails(c, "red/near", "red/web:8080/udp", "no port 8080");
	fails(c, "red/near", "red/web:dns/udp", "no ready endpoint");
}

static void targets(void **state)
{
	struct cluster *c = *state;
	struct lnt_trace_target t;
	struct lnt_err e = {};

	compile(c);
	assert_int_equal(lnt_trace_target(&c->env.names, "red/server:53/UDP", &e, &t), 0);
	assert_int_equal(t.proto, IPPROTO_UDP);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.ends[1].port, 53);
	assert_int_equal(lnt_trace_target(&c->env.names, "[fd00:1::1]:9/sctp", &e, &t), 0);
	assert_int_equal(t.n, 1);
	assert_string_equal(t.ends[0].pod->meta.name, "server");
	assert_int_equal(lnt_trace_target(&c->env.names, "n1:icmp", &e, &t), 0);
	assert_int_equal(t.proto, 0);
	assert_int_equal(t.ends[0].port, 0);
	assert_int_equal(t.n, 2);
	fails(c, "red/none", "red/server:80", "no pod red/none");
	fails(c, "none", "red/server:80", "name of a node");
	fails(c, "red/near", "red/none:80", "neither a pod nor a service");
	fails(c, "red/near", "red/server", "names no port");
	fails(c, "red/near", "red/server:", "names no port");
	fails(c, "red/near", ":80", "names no port");
	fails(c, "red/near", "fd00:1::1:80", "names no port");
	fails(c, "red/near", "red/server:0", "no port named");
	fails(c, "red/near", "red/server:65536", "no port named");
	fails(c, "red/near", "red/server:80x", "no port named");
	fails(c, "red/near", "red/server:http/udp", "no port named");
	fails(c, "red/near", "red/server:80/icmp", "none of tcp");
	fails(c, "10.0.1.2", "[fd00:1::1]:80", "one family");
	fails(c, "", "red/server:80", "name of a node");
}

static void in_words(void **state)
{
	struct cluster *c = *state;
	struct lnt_netpol *adm = build_cnp("adm", LNT_TIER_ADMIN, 10, "team=red");
	struct lnt_netpol *np = build_policy("red", "web", "app=server", BUILD_INGRESS);
	struct lnt_netpol_rule *r = build_rule(np, LNT_INGRESS);
	char *text;
	cJSON *json;

	build_nodes(build_action(adm, LNT_EGRESS, LNT_RULE_PASS), "zone");
	build_put(c->st, adm);
	build_peer(r, NULL, "app=a|b,!old");
	build_peer(r, "team=blue", "role!=x");
	build_peer(r, "", NULL);
	build_block(r, "10.0.0.0/8", "10.1.0.0/16,10.2.0.0/16");
	build_port(r, IPPROTO_TCP, "80-90");
	build_port(r, IPPROTO_UDP, "dns");
	build_port(r, IPPROTO_SCTP, "");
	build_put(c->st, np);
	build_put(c->st, build_policy("red", "other", "app=x", BUILD_INGRESS));
	build_put(c->st, build_policy("blue", "web", "", BUILD_INGRESS));
	json = lnt_pod_policies_json(c->st,
		(const struct lnt_pod *)lnt_store_get(c->st, LNT_KIND_POD, "red", "server"), false);
	text = cJSON_PrintUnformatted(json);
	assert_string_equal(text,
		"{\"pod\":\"red/server\",\"node\":\"n1\",\"hostNetwork\":false,\"audit\":false,"
		"\"ingressIsolated\":true,\"egressIsolated\":false,\"policies\":["
		"{\"name\":\"cnp:adm\",\"tier\":\"admin\",\"priority\":10,\"ingress\":false,"
		"\"egress\":true,\"rules\":[{\"direction\":\"egress\",\"index\":0,\"action\":"
		"\"pass\","
		"\"peers\":[\"nodes with zone\"],\"ports\":[]}]},"
		"{\"name\":\"red/web\",\"tier\":\"network\",\"ingress\":true,\"egress\":false,"
		"\"rules\":[{\"direction\":\"ingress\",\"index\":0,\"action\":\"allow\",\"peers\":["
		"\"pods app in (a, b) and without old of the namespace\","
		"\"pods role!=x of namespaces team=blue\",\"all pods of all namespaces\","
		"\"10.0.0.0/8 except 10.1.0.0/16, 10.2.0.0/16\"],"
		"\"ports\":[\"TCP 80-90\",\"UDP dns\",\"SCTP\"]}]}]}");
	free(text);
	cJSON_Delete(json);
}

#define TEST(title, fn)                          \
	{                                        \
		title, fn, setup, teardown, NULL \
	}
static const struct CMUnitTest tests[] = {
	TEST("trace: no policy", nothing_applies),
	TEST("trace: tier by tier, on this node and on others", tiers),
	TEST("trace: source before target; the node, and the pod itself", both_ends),
	TEST("trace: what is audited passes", audited),
	TEST("targets: a service's ready endpoints", services),
	TEST("targets: names, addresses, ports", targets),
	TEST("policies in words", in_words),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
