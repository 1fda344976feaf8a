/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to model objects: what is kept, and what becomes of what is malformed. */
#include "tests/unit/decode_case.h"

/* --- metadata --------------------------------------------------------------------------------- */

static void meta_names_are_needed(void **state)
{
	static const char *const bad[] = {"{}", "[]", "null", "1", "'x'", "{'metadata':null}",
		"{'metadata':[]}", "{'metadata':{}}", "{'metadata':{'name':1}}",
		"{'metadata':{'name':''}}", "{'metadata':{'name':'a/b'}}",
		"{'metadata':{'name':'a b'}}", "{'metadata':{'name':'\\n'}}",
		"{'metadata':{'name':{'a':1}}}"};
	char name[300], text[400];

	for (int k = 0; k < LNT_KIND_MAX; k++)
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			refused(k, bad[i]);
	refused(LNT_KIND_POD, "{'metadata':{'name':'a'}}");
	refused(LNT_KIND_POD, "{'metadata':{'name':'a','namespace':''}}");
	refused(LNT_KIND_POD, "{'metadata':{'name':'a','namespace':['b']}}");
	memset(name, 'a', 254);
	name[254] = '\0';
	snprintf(text, sizeof(text), "{'metadata':{'name':'%s'}}", name);
	refused(LNT_KIND_NAMESPACE, text);
	snprintf(text, sizeof(text), "{'metadata':{'name':'%s'}}", name + 1);
	lnt_object_free(good(LNT_KIND_NAMESPACE, text));
}

static void meta_versions(void **state)
{
	struct lnt_namespace *ns = good(LNT_KIND_NAMESPACE,
		"{'metadata':{'name':'a','namespace':'x','uid':'u','resourceVersion':'77'}}");

	assert_int_equal(ns->meta.version, 77);
	assert_string_equal(ns->meta.uid, "u");
	assert_string_equal(ns->meta.ns, "");
	assert_string_equal(ns->meta.name, "a");
	lnt_object_free(&ns->meta);
	assert_int_equal(lnt_decode_version("18446744073709551615"), UINT64_MAX);
	assert_int_equal(lnt_decode_version("18446744073709551616"), 0);
	assert_int_equal(lnt_decode_version("12x"), 0);
	assert_int_equal(lnt_decode_version("-1"), 0);
	assert_int_equal(lnt_decode_version(""), 0);
	assert_int_equal(lnt_decode_version(NULL), 0);
}

static void meta_labels(void **state)
{
	struct lnt_namespace *ns = good(LNT_KIND_NAMESPACE,
		"{'metadata':{'name':'a','labels':{'b':'2','a.b/c':'','_':'x_y.z-1'}}}");

	assert_int_equal(ns->labels.n, 3);
	assert_string_equal(lnt_labels_get(&ns->labels, "a.b/c"), "");
	lnt_object_free(&ns->meta);
	refused(LNT_KIND_NAMESPACE, "{'metadata':{'name':'a','labels':[]}}");
	refused(LNT_KIND_NAMESPACE, "{'metadata':{'name':'a','labels':{'b':2}}}");
	refused(LNT_KIND_NAMESPACE, "{'metadata':{'name':'a','labels':{'b':'1','':'x'}}}");
	refused(LNT_KIND_NAMESPACE, "{'metadata':{'name':'a','labels':{'b':'a b'}}}");
	refused(LNT_KIND_NAMESPACE,
		"{'metadata':{'name':'a','labels':{'b':"
		"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}}}");
}

static void namespace_audit(void **state)
{
	static const struct {
		const char *value;
		bool audit, odd;
	} cases[] = {{"true", true, false}, {"false", false, false}, {"True", false, true},
		{"1", false, true}, {"", false, true}};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lnt_namespace *ns;

		snprintf(text, sizeof(text),
			"{'metadata':{'name':'a','annotations':{'linnet.io/policy-audit':'%s'}}}",
			cases[i].value);
		ns = cases[i].odd ? flawed(LNT_KIND_NAMESPACE, text)
				  : good(LNT_KIND_NAMESPACE, text);
		assert_int_equal(ns->audit, cases[i].audit);
		lnt_object_free(&ns->meta);
	}
}

static void node_labels(void **state)
{
	struct lnt_node *n = good(LNT_KIND_NODE,
		"{'metadata':{'name':'a','labels':{'pool':'x','topology.kubernetes.io/"
		"zone':'z'}}}");

	assert_int_equal(n->labels.n, 2);
	assert_string_equal(lnt_labels_get(&n->labels, "pool"), "x");
	assert_string_equal(n->zone, "z");
	lnt_object_free(&n->meta);
	refused(LNT_KIND_NODE, "{'metadata':{'name':'a','labels':{'pool':'x y'}}}");
}

/* --- pods and nodes --------------------------------------------------------------------------- */

static void pod_whole(void **state)
{
	struct lnt_pod *p = good(LNT_KIND_POD,
		"{" META ",'spec':{'nodeName':'n1','hostNetwork':true,'containers':["
		"{'ports':[{'containerPort':80},{'name':'http','containerPort':8080},"
		"{'name':'dns','containerPort':53,'protocol':'UDP'}]}],'initContainers':["
		"{'ports':[{'name':'gone','containerPort':1}]},"
		"{'restartPolicy':'Always','ports':[{'name':'side','containerPort':9}]}]},"
		"'status':{'phase':'Running','podIP':'10.0.0.1','podIPs':[{'ip':'10.0.0.1'},"
		"{'ip':'fd00::1'}]}}");

	assert_string_equal(p->node, "n1");
	assert_true(p->host_network);
	assert_false(p->terminated);
	assert_int_equal(p->n_addrs, 2);
	assert_addr(&p->addrs[0], "10.0.0.1");
	assert_addr(&p->addrs[1], "fd00::1");
	assert_int_equal(p->n_ports, 3);
	assert_string_equal(p->ports[1].name, "dns");
	assert_int_equal(p->ports[1].proto, 17);
	assert_int_equal(p->ports[1].port, 53);
	assert_string_equal(p->ports[2].name, "side");
	lnt_object_free(&p->meta);
}

static void pod_phases_and_fallback(void **state)
{
	static const struct {
		const char *phase;
		bool terminated;
	} cases[] = {{"Pending", false}, {"Running", false}, {"Succeeded", true}, {"Failed", true},
		{"Unknown", false}};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lnt_pod *p;

		snprintf(text, sizeof(text),
			"{" META ",'status':{'phase':'%s','podIP':'10.0.0.9'}}", cases[i].phase);
		p = good(LNT_KIND_POD, text);
		assert_int_equal(p->terminated, cases[i].terminated);
		assert_int_equal(p->n_addrs, 1);
		assert_string_equal(p->node, "");
		lnt_object_free(&p->meta);
	}
}

/* The kubelet hands the hash to the runtime as the pod's UID. */
static void pod_mirror_has_the_static_pods_uid(void **state)
{
	struct lnt_pod *pod = good(LNT_KIND_POD,
		"{'metadata':{'namespace':'a','name':'b','uid':'of-the-api',"
		"'annotations':{'kubernetes.io/config.mirror':'of-the-kubelet'}}}");

	assert_string_equal(pod->meta.uid, "of-the-kubelet");
	lnt_object_free(&pod->meta);
}

static void pod_malformed_parts_are_left_out(void **state)
{
	static const char *const texts[] = {
		"{" META ",'status':{'podIPs':[{'ip':'10.0.0.300'}]}}",
		"{" META ",'status':{'podIPs':[{}]}}",
		"{" META ",'status':{'podIPs':[7,null,[]]}}",
		"{" META ",'status':{'podIP':'nonsense'}}",
		"{" META ",'spec':{'containers':[{'ports':[{'name':'a','containerPort':0}]}]}}",
		"{" META ",'spec':{'containers':[{'ports':[{'name':'a','containerPort':65536}]}]}}",
		"{" META ",'spec':{'containers':[{'ports':[{'name':'a','containerPort':1e300}]}]}}",
		"{" META ",'spec':{'containers':[{'ports':[{'name':'a','containerPort':80.5}]}]}}",
		"{" META ",'spec':{'containers':[{'ports':[{'name':'a','containerPort':'80'}]}]}}",
		"{" META ",'spec':{'containers':[{'ports':[{'name':'a','containerPort':80,"
		"'protocol':'ICMP'}]}]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct lnt_pod *p = flawed(LNT_KIND_POD, texts[i]);

		assert_int_equal(p->n_addrs, 0);
		assert_int_equal(p->n_ports, 0);
		lnt_object_free(&p->meta);
	}
}

static void pod_wrong_types_do_not_crash(void **state)
{
	static const char *const values[] = {
		"null", "1", "'x'", "[]", "{}", "true", "[[]]", "[{'a':[{}]}]", "[null]"};
	static const char *const forms[] = {"{" META ",'spec':%s}", "{" META ",'status':%s}",
		"{" META ",'spec':{'containers':%s}}", "{" META ",'spec':{'nodeName':%s}}",
		"{" META ",'spec':{'containers':[{'ports':%s}]}}",
		"{" META ",'status':{'phase':%s}}", "{" META ",'spec':{'initContainers':%s}}",
		"{" META ",'status':{'addresses':%s}}", "{" META ",'spec':{'podCIDRs':%s}}",
		"{" META ",'spec':{'ports':%s}}", "{" META ",'spec':{'clusterIPs':%s}}",
		"{" META ",'spec':{'type':%s}}", "{" META ",'addressType':'IPv4','endpoints':%s}",
		"{" META ",'addressType':'IPv4','endpoints':[{'addresses':%s}]}",
		"{" META ",'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.1'],"
		"'conditions':%s}]}",
		"{" META ",'addressType':'IPv4','ports':%s}", "{" META ",'addressType':%s}",
		"{" META ",'spec':{'podSelector':%s}}", "{" META ",'spec':{'ingress':%s}}",
		"{" META ",'spec':{'ingress':[{'from':%s}]}}", "{" META ",'spec':{'egress':[%s]}}",
		"{" META ",'spec':{'ingress':[{'ports':%s}]}}",
		"{" META ",'spec':{'policyTypes':%s}}",
		"{" META ",'spec':{'ingress':[{'from':[{'podSelector':{'matchLabels':%s}}]}]}}",
		"{" META
		",'spec':{'ingress':[{'from':[{'podSelector':{'matchExpressions':%s}}]}]}}",
		"{" META ",'spec':{'ingress':[{'from':[{'ipBlock':%s}]}]}}",
		"{" META ",'spec':{'ingress':[{'from':[{'ipBlock':{'cidr':'10.0.0.0/8',"
		"'except':%s}}]}]}}"};
	char text[400];

	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			snprintf(text, sizeof(text), forms[f], values[v]);
			for (int k = 0; k < LNT_KIND_MAX; k++) {
				struct lnt_err e = {};
				int r;

				lnt_object_free(decode(k, text, &e, &r));
				assert_true(!r || r == -EINVAL);
			}
		}
	}
}

static void node_whole(void **state)
{
	struct lnt_node *n = good(LNT_KIND_NODE,
		"{" META
		",'spec':{'podCIDR':'10.1.0.0/24','podCIDRs':['10.1.0.0/24','fd00:1::/64']},"
		"'status':{'addresses':[{'type':'Hostname','address':'x'},"
		"{'type':'InternalIP','address':'fd00::5'},{'type':'InternalIP','address':'10.0.0."
		"5'},"
		"{'type':'ExternalIP','address':'192.0.2.1'}]}}");

	assert_int_equal(n->n_addrs, 3);
	assert_int_equal(n->n_internal, 2);
	assert_addr(&n->internal[0], "10.0.0.5");
	assert_addr(&n->internal[1], "fd00::5");
	assert_int_equal(n->n_pod_cidrs, 2);
	assert_int_equal(n->pod_cidrs[1].len, 64);
	assert_string_equal(n->meta.ns, "");
	lnt_object_free(&n->meta);
	n = good(LNT_KIND_NODE, "{" META ",'spec':{'podCIDR':'10.1.0.0/24'}}");
	assert_int_equal(n->n_pod_cidrs, 1);
	lnt_object_free(&n->meta);
}

/* What load balancers are told: KEP-3836. */
static void node_that_leaves(void **state)
{
	static const struct {
		const char *json;
		bool leaving;
	} cases[] = {
		{"{" META
		 ",'spec':{'taints':[{'key':'a'},{'key':'ToBeDeletedByClusterAutoscaler'}]}}",
			true},
		{"{" META ",'spec':{'taints':[{'key':'node.kubernetes.io/unreachable'},{}]}}",
			false},
		{"{'metadata':{'name':'x','deletionTimestamp':'2026-01-01T00:00:00Z'}}", true},
		{"{" META "}", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lnt_node *n = good(LNT_KIND_NODE, cases[i].json);

		assert_int_equal(n->leaving, cases[i].leaving);
		lnt_object_free(&n->meta);
	}
}

/* Of the network: who waits for it, and whether it is said to work. */
static void node_network(void **state)
{
	static const struct {
		const char *json;
		bool down;
		uint64_t taints;
	} cases[] = {
		{"{" META "}", true, 0},
		{"{" META ",'status':{'conditions':[{'type':'Ready','status':'False'}]}}", true, 0},
		{"{" META ",'status':{'conditions':[{'type':'Ready','status':'True'},"
		 "{'type':'NetworkUnavailable','status':'False','reason':'Other'}]}}",
			false, 0},
		{"{" META
		 ",'status':{'conditions':[{'type':'NetworkUnavailable','status':'True'}]}}",
			true, 0},
		{"{" META
		 ",'status':{'conditions':[{'type':'NetworkUnavailable','status':'Unknown'}]}}",
			true, 0},
		{"{" META ",'spec':{'taints':[{'key':'node.linnet.io/agent-not-ready'},{'key':'a'},"
		 "{},{'key':'node.linnet.io/agent-not-ready','effect':'NoExecute'}]}}",
			true, 9},
		{"{" META ",'spec':{'taints':[{'key':'node.linnet.io/agent-not-ready2'}]}}", true,
			0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lnt_node *n = good(LNT_KIND_NODE, cases[i].json);

		assert_int_equal(n->network_down, cases[i].down);
		assert_int_equal(n->not_ready_taints, cases[i].taints);
		lnt_object_free(&n->meta);
	}
}

static void node_bounds(void **state)
{
	struct lnt_node *n = flawed(LNT_KIND_NODE,
		"{" META ",'spec':{'podCIDRs':['10.1.0.0/33']},'status':{'addresses':["
		"{'type':'InternalIP','address':'10.0.0.1'},{'type':'InternalIP','address':'10.0.0."
		"2'},"
		"{'type':'InternalIP','address':'10.0.0.3'},{'type':'InternalIP','address':'10.0.0."
		"4'},"
		"{'type':'InternalIP','address':'10.0.0.5'},{'type':'InternalIP','address':'10.0.0."
		"6'},"
		"{'type':'InternalIP','address':'10.0.0.7'},{'type':'InternalIP','address':'10.0.0."
		"8'},"
		"{'type':'InternalIP','address':'10.0.0.9'}]}}");

	assert_int_equal(n->n_addrs, 8);
	assert_int_equal(n->n_internal, 1);
	assert_int_equal(n->n_pod_cidrs, 0);
	lnt_object_free(&n->meta);
}

static void node_zone_and_pod_requests(void **state)
{
	struct lnt_node *n = good(LNT_KIND_NODE,
		"{'metadata':{'name':'x','labels':{'topology.kubernetes.io/zone':'a'}}}");
	struct lnt_pod *p;

	assert_string_equal(n->zone, "a");
	lnt_object_free(&n->meta);
	n = good(LNT_KIND_NODE, "{" META "}");
	assert_string_equal(n->zone, "");
	lnt_object_free(&n->meta);
	p = good(LNT_KIND_POD,
		"{'metadata':{'name':'x','namespace':'n','annotations':{'kubernetes.io/"
		"egress-bandwidth':'1M'}},'spec':{'containers':[{'ports':[{'containerPort':80,"
		"'hostPort':8080}]}]}}");
	assert_true(p->bandwidth && p->host_port);
	lnt_object_free(&p->meta);
	p = good(LNT_KIND_POD,
		"{'metadata':{'name':'x','namespace':'n','annotations':{'linnet.io/socket-lb':"
		"'false'}}}");
	assert_true(p->per_packet);
	lnt_object_free(&p->meta);
	p = good(LNT_KIND_POD,
		"{'metadata':{'name':'x','namespace':'n','annotations':{'linnet.io/socket-lb':"
		"'true'}}}");
	assert_false(p->per_packet);
	lnt_object_free(&p->meta);
	p = flawed(LNT_KIND_POD,
		"{'metadata':{'name':'x','namespace':'n','annotations':{'linnet.io/socket-lb':"
		"'no'}}}");
	assert_false(p->per_packet);
	lnt_object_free(&p->meta);
	p = good(LNT_KIND_POD,
		"{" META ",'spec':{'containers':[{'ports':[{'containerPort':80}]}]}}");
	assert_false(p->bandwidth || p->host_port);
	lnt_object_free(&p->meta);
}

/* --- anything at all -------------------------------------------------------------------------- */

static const char *const whole[LNT_KIND_MAX] = {
	[LNT_KIND_NAMESPACE] = "{'metadata':{'name':'a','resourceVersion':'7','labels':{'a':'1'},"
			       "'annotations':{'linnet.io/policy-audit':'true'}}}",
	[LNT_KIND_NODE] = "{" META ",'spec':{'podCIDRs':['10.1.0.0/24','fd00:1::/64']},'status':"
			  "{'addresses':[{'type':'InternalIP','address':'10.0.0.5'}]}}",
	[LNT_KIND_POD] = "{" META ",'spec':{'nodeName':'n1','containers':[{'ports':[{'name':'http',"
			 "'containerPort':80}]}]},'status':{'phase':'Running','podIPs':[{'ip':"
			 "'10.0.0.1'},{'ip':'fd00::1'}]}}",
	[LNT_KIND_SERVICE] =
		"{" META ",'spec':{'type':'LoadBalancer','clusterIPs':['10.96.0.1'],'externalIPs':"
		"['192.0.2.1'],'loadBalancerSourceRanges':['10.0.0.0/8'],'sessionAffinity':"
		"'ClientIP','ports':[{'name':'dns','port':53,'protocol':'UDP','nodePort':30053}]},"
		"'status':{'loadBalancer':{'ingress':[{'ip':'192.0.2.7','ipMode':'VIP'}]}}}",
	[LNT_KIND_ENDPOINTSLICE] =
		"{" META ",'addressType':'IPv4','ports':[{'port':8080}],'endpoints':[{'addresses':"
		"['10.0.0.1'],'conditions':{'ready':true},'nodeName':'n1','zone':'a','hints':{"
		"'forZones':[{'name':'a'}],'forNodes':[{'name':'n1'}]}}]}",
	[LNT_KIND_NETWORKPOLICY] =
		"{" META ",'spec':{'podSelector':{'matchExpressions':[{'key':'a','operator':'In',"
		"'values':['x','y']}]},'policyTypes':['Egress'],'egress':[{'to':[{'ipBlock':{'cidr'"
		":"
		"'10.0.0.0/8','except':['10.1.0.0/"
		"16']}},{'podSelector':{'matchLabels':{'a':'b'}}}],"
		"'ports':[{'port':80,'endPort':90},{'port':'http'}]}]}}",
	[LNT_KIND_CLUSTERNETWORKPOLICY] =
		"{" META ",'spec':{'tier':'Baseline','priority':7,'subject':{'pods':{'podSelector':"
		"{'matchLabels':{'a':'b'}}}},'egress':[{'name':'x','action':'Pass','to':["
		"{'networks':['10.0.0.0/8']},{'nodes':{}}],'protocols':[{'tcp':{'destinationPort':"
		"{'range':{'start':1,'end':9}}}}]},{'action':'Accept','to':[{'namespaces':{}}],"
		"'protocols':[{'destinationNamedPort':'http'}]}]}}"};

/* Puts one JSON text in the place of a piece of another; always the same for one seed. */
static char *mutate(const char *text, unsigned *seed)
{
	static const char *const pieces[] = {"null", "{}", "[]", "'", "-1", "1e999", "0", "''",
		"[null]", "65536", "{'a':", "}", "]", ",", ":", "\\u0000", "::", "/", "\xff"};
	size_t n = strlen(text), from = rand_r(seed) % n, len = rand_r(seed) % 12;
	const char *piece = pieces[rand_r(seed) % ARRAY_SIZE(pieces)];
	char *ret;

	len = from + len > n ? n - from : len;
	assert_true(asprintf(&ret, "%.*s%s%s", (int)from, text, piece, text + from + len) > 0);
	return ret;
}

static void mutations_do_not_crash(void **state)
{
	unsigned seed = 1, made = 0;

	for (unsigned i = 0; i < 60000; i++) {
		_cleanup_free_ char *text = mutate(whole[i % LNT_KIND_MAX], &seed);
		struct lnt_meta *obj = NULL;
		struct lnt_err e = {};
		cJSON *json;
		int r;

		for (char *p = text; *p; p++)
			if (*p == '\'')
				*p = '"';
		json = cJSON_Parse(text);
		r = lnt_decode(i % LNT_KIND_MAX, json, &e, &obj);
		assert_true(!r || r == -EINVAL);
		made += obj != NULL;
		lnt_object_free(obj);
		cJSON_Delete(json);
	}
	print_message("%u of 60000 were objects\n", made);
	assert_true(made > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(meta_names_are_needed, teardown),
		cmocka_unit_test_teardown(meta_versions, teardown),
		cmocka_unit_test_teardown(meta_labels, teardown),
		cmocka_unit_test_teardown(namespace_audit, teardown),
		cmocka_unit_test_teardown(node_labels, teardown),
		cmocka_unit_test_teardown(pod_whole, teardown),
		cmocka_unit_test_teardown(pod_phases_and_fallback, teardown),
		cmocka_unit_test_teardown(pod_mirror_has_the_static_pods_uid, teardown),
		cmocka_unit_test_teardown(pod_malformed_parts_are_left_out, teardown),
		cmocka_unit_test_teardown(pod_wrong_types_do_not_crash, teardown),
		cmocka_unit_test_teardown(node_whole, teardown),
		cmocka_unit_test_teardown(node_that_leaves, teardown),
		cmocka_unit_test_teardown(node_network, teardown),
		cmocka_unit_test_teardown(node_bounds, teardown),
		cmocka_unit_test_teardown(node_zone_and_pod_requests, teardown),
		cmocka_unit_test_teardown(mutations_do_not_crash, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
