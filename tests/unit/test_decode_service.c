/* SPDX-License-Identifier: Apache-2.0 */
/* The same as test_decode for Services and EndpointSlices. */
#include "tests/unit/decode_case.h"

/* --- services --------------------------------------------------------------------------------- */

static void service_whole(void **state)
{
	struct lnt_service *s = good(LNT_KIND_SERVICE,
		"{" META ",'spec':{'clusterIP':'10.96.0.1','clusterIPs':['10.96.0.1','fd00:96::1'],"
		"'ports':[{'port':80},{'name':'dns','port':53,'protocol':'UDP','nodePort':30053}]}"
		"}");

	assert_int_equal(s->n_cluster_ips, 2);
	assert_int_equal(s->n_ports, 2);
	assert_string_equal(s->ports[0].name, "");
	assert_int_equal(s->ports[0].proto, 6);
	assert_int_equal(s->ports[1].node_port, 30053);
	lnt_object_free(&s->meta);
}

static void service_without_address(void **state)
{
	static const char *const texts[] = {
		"{" META
		",'spec':{'clusterIP':'None','clusterIPs':['None'],'ports':[{'port':80}]}}",
		"{" META ",'spec':{'type':'ExternalName','externalName':'a.example'}}",
		"{" META ",'spec':{'clusterIP':''}}", "{" META "}"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct lnt_service *s = good(LNT_KIND_SERVICE, texts[i]);

		assert_int_equal(s->n_cluster_ips, 0);
		lnt_object_free(&s->meta);
	}
}

static void service_malformed_parts_are_left_out(void **state)
{
	struct lnt_service *s = flawed(LNT_KIND_SERVICE,
		"{" META ",'spec':{'clusterIPs':['10.96.0.1','10.96.0.2','x'],'ports':["
		"{'port':0},{'port':80,'protocol':'QUIC'},{'port':81,'nodePort':-1},"
		"{'port':82,'name':7},{'port':83}]}}");

	assert_int_equal(s->n_cluster_ips, 1);
	assert_int_equal(s->n_ports, 1);
	assert_int_equal(s->ports[0].port, 83);
	lnt_object_free(&s->meta);
}

static void service_outside(void **state)
{
	struct lnt_service *s = good(LNT_KIND_SERVICE,
		"{'metadata':{'name':'x','namespace':'n','creationTimestamp':'2024-02-29T12:00:01Z'"
		"},'spec':{'type':'LoadBalancer','clusterIPs':['10.96.0.1'],'externalIPs':"
		"['192.0.2.1','2001:db8::1'],'loadBalancerSourceRanges':[' 198.51.100.0/24 ',"
		"'2001:db8::/32'],'internalTrafficPolicy':'Local','externalTrafficPolicy':'Local',"
		"'healthCheckNodePort':31000,'sessionAffinity':'ClientIP','trafficDistribution':"
		"'PreferClose','publishNotReadyAddresses':true},'status':{'loadBalancer':{'ingress'"
		":[{'ip':'192.0.2.7'},{'ip':'192.0.2.8','ipMode':'VIP'},{'ip':'192.0.2.9','ipMode':"
		"'Proxy'},{'hostname':'lb.example'},{'ip':'2001:db8::7'}]}}}");

	assert_int_equal(s->created, 1709208001);
	assert_int_equal(s->type, LNT_SERVICE_LOAD_BALANCER);
	assert_int_equal(s->n_external_ips, 2);
	assert_addr(&s->external_ips[1], "2001:db8::1");
	assert_int_equal(s->n_balancer_ips, 3);
	assert_addr(&s->balancer_ips[1], "192.0.2.8");
	assert_addr(&s->balancer_ips[2], "2001:db8::7");
	assert_int_equal(s->n_ranges, 2);
	assert_int_equal(s->ranges[0].len, 24);
	assert_true(s->has_ranges && s->internal_local && s->external_local);
	assert_true(s->publish_not_ready && !s->foreign);
	assert_int_equal(s->health_check_port, 31000);
	assert_int_equal(s->affinity, 10800);
	assert_int_equal(s->distribution, LNT_DISTRIBUTION_ZONE);
	lnt_object_free(&s->meta);
}

static void service_defaults(void **state)
{
	struct lnt_service *s = good(LNT_KIND_SERVICE,
		"{" META ",'spec':{'clusterIP':'10.96.0.1','sessionAffinity':'None',"
		"'trafficDistribution':''}}");

	assert_int_equal(s->created, 0);
	assert_int_equal(s->type, LNT_SERVICE_CLUSTER_IP);
	assert_false(s->has_ranges || s->internal_local || s->external_local);
	assert_false(s->publish_not_ready || s->foreign);
	assert_int_equal(s->affinity, 0);
	assert_int_equal(s->health_check_port, 0);
	assert_int_equal(s->distribution, LNT_DISTRIBUTION_NONE);
	assert_int_equal(s->forwarding, LNT_FORWARDING_DEFAULT);
	lnt_object_free(&s->meta);
}

static void service_choices(void **state)
{
	static const struct {
		const char *spec;
		enum lnt_traffic_distribution distribution;
		uint32_t affinity;
	} cases[] = {
		{"'trafficDistribution':'PreferSameZone'", LNT_DISTRIBUTION_ZONE, 0},
		{"'trafficDistribution':'PreferSameNode'", LNT_DISTRIBUTION_NODE, 0},
		{"'sessionAffinity':'ClientIP','sessionAffinityConfig':{'clientIP':{"
		 "'timeoutSeconds':7}}",
			LNT_DISTRIBUTION_NONE, 7},
		{"'sessionAffinityConfig':{'clientIP':{'timeoutSeconds':7}}", LNT_DISTRIBUTION_NONE,
			0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[512];
		struct lnt_service *s;

		snprintf(text, sizeof(text), "{" META ",'spec':{%s}}", cases[i].spec);
		s = good(LNT_KIND_SERVICE, text);
		assert_int_equal(s->distribution, cases[i].distribution);
		assert_int_equal(s->affinity, cases[i].affinity);
		lnt_object_free(&s->meta);
	}
}

/* What cannot be understood serves fewer clients or endpoints, never more. */
static void service_bad_choices(void **state)
{
	struct lnt_service *s = flawed(LNT_KIND_SERVICE,
		"{" META ",'spec':{'clusterIP':'10.96.0.1','externalIPs':['x','192.0.2.1',7],"
		"'loadBalancerSourceRanges':['10.0.0.0/33'],'internalTrafficPolicy':'Near',"
		"'externalTrafficPolicy':7,'healthCheckNodePort':70000,'sessionAffinity':'Cookie',"
		"'trafficDistribution':'Far'},'status':{'loadBalancer':{'ingress':[{'ip':'y'}]}}}");

	assert_int_equal(s->n_external_ips, 1);
	assert_int_equal(s->n_balancer_ips, 0);
	assert_int_equal(s->n_ranges, 0);
	assert_true(s->has_ranges && s->internal_local && s->external_local);
	assert_int_equal(s->health_check_port, 0);
	assert_int_equal(s->affinity, 0);
	assert_int_equal(s->distribution, LNT_DISTRIBUTION_UNKNOWN);
	lnt_object_free(&s->meta);
	refused(LNT_KIND_SERVICE, "{" META ",'spec':{'type':'Magic'}}");
}

static void service_forwarding(void **state)
{
	static const struct {
		const char *value;
		enum lnt_forwarding want;
		bool flawed;
	} cases[] = {{"'dsr'", LNT_FORWARDING_DSR, false}, {"'snat'", LNT_FORWARDING_SNAT, false},
		{"'DSR'", LNT_FORWARDING_DEFAULT, true}, {"''", LNT_FORWARDING_DEFAULT, true},
		{"7", LNT_FORWARDING_DEFAULT, true}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];
		struct lnt_service *s;

		snprintf(text, sizeof(text),
			"{'metadata':{'name':'x','namespace':'n','annotations':{"
			"'linnet.io/forwarding-mode':%s}},'spec':{}}",
			cases[i].value);
		s = (cases[i].flawed ? flawed : good)(LNT_KIND_SERVICE, text);
		assert_int_equal(s->forwarding, cases[i].want);
		lnt_object_free(&s->meta);
	}
}

static void service_of_another_proxy(void **state)
{
	static const char *const labels[] = {
		"service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"};

	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		char text[256];
		struct lnt_service *s;
		struct lnt_endpointslice *slice;

		snprintf(text, sizeof(text),
			"{'metadata':{'name':'x','namespace':'n','labels':{'%s':'',"
			"'kubernetes.io/service-name':'x'}},'addressType':'IPv4'}",
			labels[i]);
		s = good(LNT_KIND_SERVICE, text);
		assert_true(s->foreign);
		lnt_object_free(&s->meta);
		slice = good(LNT_KIND_ENDPOINTSLICE, text);
		assert_string_equal(slice->service, "");
		lnt_object_free(&slice->meta);
	}
}

static void slice_hints(void **state)
{
	struct lnt_endpointslice *s = good(LNT_KIND_ENDPOINTSLICE,
		"{" META ",'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.1'],'zone':'a',"
		"'hints':{'forZones':[{'name':'a'},{'name':'b'}],'forNodes':[{'name':'n1'}]}},"
		"{'addresses':['10.0.0.2'],'hints':{}}]}");
	const struct lnt_slice_endpoint *ep = &s->endpoints[0];

	assert_string_equal(ep->zone, "a");
	assert_int_equal(ep->n_zone_hints, 2);
	assert_int_equal(ep->n_node_hints, 1);
	assert_string_equal(ep->hints[1], "b");
	assert_string_equal(ep->hints[2], "n1");
	assert_string_equal(s->endpoints[1].zone, "");
	assert_int_equal(s->endpoints[1].n_zone_hints + s->endpoints[1].n_node_hints, 0);
	lnt_object_free(&s->meta);
	s = flawed(LNT_KIND_ENDPOINTSLICE,
		"{" META ",'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.1'],'hints':{"
		"'forZones':[{},{'name':''},{'name':'c'},{'name':'c'},{'name':'c'},{'name':'c'},"
		"{'name':'c'},{'name':'c'},{'name':'c'},{'name':'c'},{'name':'c'}],"
		"'forNodes':[7,{'name':'n1'}]}}]}");
	assert_int_equal(s->endpoints[0].n_zone_hints, LNT_SLICE_HINTS_MAX);
	assert_int_equal(s->endpoints[0].n_node_hints, 1);
	lnt_object_free(&s->meta);
}

static void slice_whole(void **state)
{
	struct lnt_endpointslice *s = good(LNT_KIND_ENDPOINTSLICE,
		"{'metadata':{'name':'x','namespace':'n','labels':{'kubernetes.io/"
		"service-name':'svc'}},"
		"'addressType':'IPv4','ports':[{'name':'http','port':8080,'protocol':'TCP'}],"
		"'endpoints':[{'addresses':['10.0.0.1']},"
		"{'addresses':['10.0.0.2'],'conditions':{'ready':false},'nodeName':'n1'},"
		"{'addresses':['10.0.0.3'],'conditions':{'ready':false,'serving':true,"
		"'terminating':true}}]}");

	assert_string_equal(s->service, "svc");
	assert_false(s->is6);
	assert_int_equal(s->n_ports, 1);
	assert_int_equal(s->n_endpoints, 3);
	assert_true(s->endpoints[0].ready && s->endpoints[0].serving);
	assert_false(s->endpoints[1].ready || s->endpoints[1].serving);
	assert_string_equal(s->endpoints[1].node, "n1");
	assert_true(s->endpoints[2].serving && s->endpoints[2].terminating);
	lnt_object_free(&s->meta);
}

static void slice_types(void **state)
{
	struct lnt_err e = {};
	int r;

	assert_null(decode(LNT_KIND_ENDPOINTSLICE,
		"{" META ",'addressType':'FQDN','endpoints':[{'addresses':['a.example']}]}", &e,
		&r));
	assert_int_equal(r, 0);
	refused(LNT_KIND_ENDPOINTSLICE, "{" META ",'addressType':'MAC'}");
	refused(LNT_KIND_ENDPOINTSLICE, "{" META "}");
}

static void slice_malformed_parts_are_left_out(void **state)
{
	struct lnt_endpointslice *s = flawed(LNT_KIND_ENDPOINTSLICE,
		"{" META
		",'addressType':'IPv6','ports':[{'name':'any'},{'port':70000}],'endpoints':["
		"{'addresses':[]},{'addresses':['10.0.0.1']},{'addresses':['fd00::1'],"
		"'conditions':{'ready':'yes'}},{'addresses':['fd00::2']}]}");

	assert_int_equal(s->n_ports, 0);
	assert_int_equal(s->n_endpoints, 2);
	assert_false(s->endpoints[0].ready);
	assert_addr(&s->endpoints[1].addr, "fd00::2");
	lnt_object_free(&s->meta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(service_whole, teardown),
		cmocka_unit_test_teardown(service_without_address, teardown),
		cmocka_unit_test_teardown(service_malformed_parts_are_left_out, teardown),
		cmocka_unit_test_teardown(service_outside, teardown),
		cmocka_unit_test_teardown(service_defaults, teardown),
		cmocka_unit_test_teardown(service_choices, teardown),
		cmocka_unit_test_teardown(service_bad_choices, teardown),
		cmocka_unit_test_teardown(service_forwarding, teardown),
		cmocka_unit_test_teardown(service_of_another_proxy, teardown),
		cmocka_unit_test_teardown(slice_hints, teardown),
		cmocka_unit_test_teardown(slice_whole, teardown),
		cmocka_unit_test_teardown(slice_types, teardown),
		cmocka_unit_test_teardown(slice_malformed_parts_are_left_out, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
