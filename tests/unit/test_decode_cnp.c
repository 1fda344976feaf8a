/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterNetworkPolicies: every field, and above all that nothing which is not understood lets
 * anything through: Accept rules go, the others deny everything.
 */
#include "agent/kube/decode.h"
#include "lib/cleanup.h"
#include "tests/unit/policy_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int teardown(void **state)
{
	return lnt_intern_count() ? -1 : 0;
}

/* Single quotes stand for double ones. The caller frees it with lnt_object_free(). */
static struct lnt_netpol *decode(const char *spec)
{
	_cleanup_free_ char *text = NULL;
	struct lnt_meta *obj = NULL;
	struct lnt_err e = {};
	cJSON *json;

	assert_true(asprintf(&text, "{'metadata':{'name':'x'},'spec':%s}", spec) > 0);
	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	json = cJSON_Parse(text);
	if (!json)
		fail_msg("not JSON: %s", spec);
	assert_int_equal(lnt_decode(LNT_KIND_CLUSTERNETWORKPOLICY, json, &e, &obj), 0);
	assert_true(!e.err == !((struct lnt_netpol *)obj)->unsupported);
	cJSON_Delete(json);
	return (struct lnt_netpol *)obj;
}

/* The whole spec; @expected as policy_text() has it, @unsupported a part of what is said. */
static void check_spec(const char *spec, const char *expected, const char *unsupported)
{
	struct lnt_netpol *p = decode(spec);
	_cleanup_free_ char *got = policy_text(p);

	if (strcmp(got, expected))
		fail_msg("%s\n  is       %s\n  and not  %s", spec, got, expected);
	if (!p->unsupported != !unsupported ||
		(unsupported && !strstr(p->unsupported, unsupported)))
		fail_msg("%s\n  unsupported is %s", spec, p->unsupported ?: "empty");
	lnt_object_free(&p->meta);
}

#define SUBJECT "'subject':{'namespaces':{}}"
#define HEAD	"{'tier':'Admin','priority':5," SUBJECT

/* An Admin policy of priority 5 with the rest of its spec. */
static void check(const char *rest, const char *expected, const char *unsupported)
{
	_cleanup_free_ char *spec = NULL, *all = NULL;

	assert_true(asprintf(&spec, HEAD "%s%s}", *rest ? "," : "", rest) > 0);
	assert_true(asprintf(&all, "Admin 5 ns{}{}%s", expected) > 0);
	check_spec(spec, all, unsupported);
}

static void metadata_is_cluster_scoped(void **state)
{
	struct lnt_netpol *p = decode(HEAD ",'ingress':[]}");

	assert_int_equal(p->meta.kind, LNT_KIND_CLUSTERNETWORKPOLICY);
	assert_string_equal(p->meta.ns, "");
	assert_string_equal(p->meta.name, "x");
	lnt_object_free(&p->meta);
}

static void head(void **state)
{
	check("", "", NULL);
	check("'ingress':[],'egress':null", "", NULL);
	check_spec("{'tier':'Baseline','priority':0," SUBJECT "}", "Baseline 0 ns{}{}", NULL);
	check_spec("{'tier':'Admin','priority':1000," SUBJECT "}", "Admin 1000 ns{}{}", NULL);
	check_spec("{'tier':'Admin','priority':7,'subject':{'namespaces':{'matchLabels':{'a':'1'},"
		   "'matchExpressions':[{'key':'b','operator':'Exists'}]}}}",
		"Admin 7 ns{a in (1),b}{}", NULL);
	check_spec("{'tier':'Admin','priority':7,'subject':{'pods':{'namespaceSelector':"
		   "{'matchLabels':{'a':'1'}},'podSelector':{'matchLabels':{'b':'2'}}}}}",
		"Admin 7 ns{a in (1)}{b in (2)}", NULL);
	check_spec("{'tier':'Admin','priority':7,'subject':{'pods':{'podSelector':{}}}}",
		"Admin 7 ns{}{}", NULL);
}

static void everything(void **state)
{
	check("'ingress':[{'name':'a','action':'Pass','from':[{'namespaces':{}},{'pods':"
	      "{'namespaceSelector':{'matchLabels':{'x':'y'}},'podSelector':{}}}],'protocols':["
	      "{'tcp':{'destinationPort':{'number':80}}},{'udp':{'destinationPort':{'range':"
	      "{'start':1,'end':65535}}}},{'sctp':{'destinationPort':{'number':7}}},"
	      "{'destinationNamedPort':'http'}]},{'action':'Accept','from':[{'namespaces':{}}]}],"
	      "'egress':[{'action':'Deny','to':[{'networks':['10.0.0.0/8','fd00::/8']},{'nodes':"
	      "{'matchExpressions':[{'key':'pool','operator':'In','values':['a','b']}]}},"
	      "{'namespaces':{}}],'protocols':[{'tcp':{'destinationPort':{'number':22}}}]}]",
		" in:a#0>[ns{} ns{x in (y)}pods{}|6/80-0 17/1-65535 132/7-0 0/http0-0] "
		"#1+[ns{}|any]"
		" out:#0-[10.0.0.0/8 fd00::/8 nodes{pool in (a,b)} ns{}|6/22-0]",
		NULL);
}

static void names_are_for_terminals(void **state)
{
	check("'ingress':[{'name':'a\\nb\\u001b[2J\\u007f','action':'Deny','from':[{'namespaces':"
	      "{}}]}]",
		" in:a?b?[2J?#0-[ns{}|any]", NULL);
	check("'ingress':[{'name':7,'action':'Deny','from':[{'namespaces':{}}]}]",
		" in:#0-[ns{}|any]", "ingress[0]: no name");
	check("'ingress':[{'name':'','action':'Deny','from':[{'namespaces':{}}]}]",
		" in:#0-[ns{}|any]", NULL);
}

/* Each leaves an Accept rule out and makes the others deny everything; their neighbours stay. */
static void each_action(const char *direction, const char *part, const char *said)
{
	bool in = direction[0] == 'i';
	const char *peers = in ? "'from':[{'namespaces':{}}]" : "'to':[{'namespaces':{}}]";
	static const char *const actions[] = {"Accept", "Deny", "Pass"};
	char rest[800], expected[100];

	for (int i = 0; i < 3; i++) {
		snprintf(rest, sizeof(rest),
			"'%s':[{'action':'Accept',%s},{'name':'n','action':'%s',%s},"
			"{'action':'Pass',%s}]",
			direction, peers, actions[i], part, peers);
		snprintf(expected, sizeof(expected), " %s:#0+[ns{}|any]%s #2>[ns{}|any]",
			in ? "in" : "out", i ? " n#1-[any|any]" : "");
		check(rest, expected, said);
	}
}

static void peers_not_understood(void **state)
{
	static const char *const both[] = {"{}", "null", "7", "'x'", "[]", "{'services':{}}",
		"{'namespaces':null}", "{'namespaces':{},'services':{}}",
		"{'namespaces':{},'pods':{'podSelector':{}}}", "{'namespaces':7}",
		"{'namespaces':{'matchNames':['a']}}", "{'namespaces':{'matchLabels':{'a':'b c'}}}",
		"{'namespaces':{'matchExpressions':[{'key':'a','operator':'in','values':['x']}]}}",
		"{'pods':{}}", "{'pods':{'namespaceSelector':{}}}",
		"{'pods':{'podSelector':{},'x':1}}", "{'pods':{'podSelector':{'matchLabels':[]}}}",
		"{'pods':{'podSelector':{},'namespaceSelector':'all'}}", "{'pods':[]}"};
	static const char *const to[] = {"{'networks':[]}", "{'networks':'10.0.0.0/8'}",
		"{'networks':['10.0.0.0']}", "{'networks':['10.0.0.0/8','x']}", "{'networks':[7]}",
		"{'networks':['10.0.0.0/8'],'nodes':{}}", "{'nodes':7}",
		"{'nodes':{'matchLabels':{'a':1}}}"};
	char part[300];

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		snprintf(part, sizeof(part), "'from':[{'namespaces':{}},%s]", both[i]);
		each_action("ingress", part, "ingress[1].from[1]");
		snprintf(part, sizeof(part), "'to':[%s,{'namespaces':{}}]", both[i]);
		each_action("egress", part, "egress[1].to[0]");
	}
	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		snprintf(part, sizeof(part), "'to':[{'namespaces':{}},%s]", to[i]);
		each_action("egress", part, "egress[1].to[1]");
	}
	/* Peers of the other direction. */
	each_action("ingress", "'from':[{'networks':['10.0.0.0/8']}]", "'networks'");
	each_action("ingress", "'from':[{'nodes':{}}]", "'nodes'");
	each_action("ingress", "'from':[]", "ingress[1].from");
	each_action("ingress", "'from':{}", "ingress[1].from");
	each_action("ingress", "'to':[{'namespaces':{}}]", "unknown field 'to'");
	each_action("egress", "'to':null", "egress[1].to");
}

static void protocols_not_understood(void **state)
{
	static const char *const bad[] = {"{}", "null", "7", "'tcp'", "[]", "{'icmp':{}}",
		"{'TCP':{'destinationPort':{'number':80}}}", "{'tcp':{}}", "{'tcp':null}",
		"{'tcp':80}", "{'tcp':{'sourcePort':{'number':80}}}",
		"{'tcp':{'destinationPort':{'number':80},'sourcePort':{'number':80}}}",
		"{'tcp':{'destinationPort':{}}}", "{'tcp':{'destinationPort':80}}",
		"{'tcp':{'destinationPort':{'number':0}}}",
		"{'tcp':{'destinationPort':{'number':65536}}}",
		"{'tcp':{'destinationPort':{'number':'80'}}}",
		"{'tcp':{'destinationPort':{'number':80,'range':{'start':1,'end':2}}}}",
		"{'udp':{'destinationPort':{'range':{'start':2,'end':1}}}}",
		"{'udp':{'destinationPort':{'range':{'start':2}}}}",
		"{'udp':{'destinationPort':{'range':{'end':2}}}}",
		"{'udp':{'destinationPort':{'range':{'start':1,'end':65536}}}}",
		"{'udp':{'destinationPort':{'range':{'start':1,'end':2,'step':2}}}}",
		"{'udp':{'destinationPort':{'range':[1,2]}}}", "{'destinationNamedPort':''}",
		"{'destinationNamedPort':80}", "{'destinationNamedPort':'a-name-that-is-too-long'}",
		"{'destinationNamedPort':'http','tcp':{'destinationPort':{'number':80}}}"};
	char part[300];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(part, sizeof(part),
			"'from':[{'namespaces':{}}],'protocols':[{'destinationNamedPort':'a'},%s]",
			bad[i]);
		each_action("ingress", part, "ingress[1].protocols[1]");
	}
	each_action("egress", "'to':[{'namespaces':{}}],'protocols':[]", "egress[1].protocols");
	each_action("egress", "'to':[{'namespaces':{}}],'protocols':{}", "egress[1].protocols");
}

static void named_ports_are_pods(void **state)
{
	static const char *const peers[] = {
		"{'nodes':{}}", "{'networks':['10.0.0.0/8']}", "{'namespaces':{}},{'nodes':{}}"};
	char part[200];

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		snprintf(part, sizeof(part), "'to':[%s],'protocols':[{'destinationNamedPort':'a'}]",
			peers[i]);
		each_action("egress", part, "destinationNamedPort with peers that are no pods");
	}
}

static void rules_not_understood(void **state)
{
	each_action("ingress", "'from':[{'namespaces':{}}],'log':true", "unknown field 'log'");
	check("'ingress':[null]", " in:#0-[any|any]", "ingress[0]");
	check("'egress':[7,{'action':'Accept','to':[{'namespaces':{}}]}]",
		" out:#0-[any|any] #1+[ns{}|any]", "egress[0]");
	check("'ingress':[{'name':'n','action':'Allow','from':[{'namespaces':{}}]}]",
		" in:n#0-[any|any]", "unknown action 'Allow'");
	check("'ingress':[{'from':[{'namespaces':{}}]}]", " in:#0-[any|any]", "unknown action");
	check("'ingress':{}", " in:#0-[any|any]", "ingress");
	check("'egress':'none'", " out:#0-[any|any]", "egress");
	/* Nothing remains of the direction. */
	check("'ingress':[{'action':'Accept','from':[{}]}]", "", "ingress[0].from[0]");
}

static void domain_names_match_nothing(void **state)
{
	check("'egress':[{'action':'Accept','to':[{'domainNames':['a.b']}]}]", "",
		"egress[0].to[0]: domainNames are not supported, it matches nothing");
	check("'egress':[{'action':'Accept','to':[{'domainNames':['a.b']},{'namespaces':{}}]}]",
		" out:#0+[ns{}|any]", "domainNames");
	check("'egress':[{'action':'Deny','to':[{'domainNames':['a.b']}]}]", " out:#0-[any|any]",
		"domainNames");
	check("'egress':[{'action':'Pass','to':[{'namespaces':{}},{'domainNames':['a.b']}]}]",
		" out:#0-[any|any]", "domainNames");
}

#define RULES                                                                                 \
	"'ingress':[{'action':'Accept','from':[{'namespaces':{}}]},{'action':'Deny','from':[" \
	"{'namespaces':{}}]},{'action':'Pass','from':[{'namespaces':{}}]}]"
#define CLOSED " in:#1-[ns{}|any] #2-[ns{}|any]"

/* In doubt what the rules are for: none accepts, and those that would not accept deny. */
static void policy_not_understood(void **state)
{
	static const struct {
		const char *spec, *expected, *said;
	} rows[] = {
		{"{'tier':'Edge','priority':5," SUBJECT "," RULES "}", "Admin 0 ns{}{}", "'Edge'"},
		{"{'priority':5," SUBJECT "," RULES "}", "Admin 0 ns{}{}", "tier"},
		{"{'tier':'Baseline'," SUBJECT "," RULES "}", "Baseline 0 ns{}{}", "priority"},
		{"{'tier':'Admin','priority':-1," SUBJECT "," RULES "}", "Admin 0 ns{}{}",
			"priority"},
		{"{'tier':'Admin','priority':1001," SUBJECT "," RULES "}", "Admin 0 ns{}{}",
			"priority"},
		{"{'tier':'Admin','priority':'5'," SUBJECT "," RULES "}", "Admin 0 ns{}{}",
			"priority"},
		{HEAD ",'until':'x'," RULES "}", "Admin 5 ns{}{}", "unknown field 'until'"},
		{"{'tier':'Admin','priority':5," RULES "}", "Admin 5 ns{}{}",
			"all pods are selected"},
		{"{'tier':'Admin','priority':5,'subject':{}," RULES "}", "Admin 5 ns{}{}",
			"all pods are selected"},
		{"{'tier':'Admin','priority':5,'subject':{'services':{}}," RULES "}",
			"Admin 5 ns{}{}", "'services'"},
		{"{'tier':'Admin','priority':5,'subject':{'namespaces':{'matchLabels':{'a':'1'}},"
		 "'pods':{'podSelector':{}}}," RULES "}",
			"Admin 5 ns{}{}", "not one of"},
	};
	char expected[200];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(expected, sizeof(expected), "%s" CLOSED, rows[i].expected);
		check_spec(rows[i].spec, expected, rows[i].said);
	}
}

/* What is understood of a subject bounds it: never fewer pods than were meant. */
static void subject_in_part(void **state)
{
	static const struct {
		const char *subject, *expected;
	} rows[] = {
		{"{'namespaces':{'matchLabels':{'a':'1','b':2},'matchExpressions':[{'key':'c',"
		 "'operator':'in','values':['x']},{'key':'d','operator':'Exists'},{'key':'e',"
		 "'operator':'In','values':['x','y z']}]}}",
			"ns{a in (1),d}{}"},
		{"{'namespaces':{'matchLabels':{'a':'1'},'matchNames':['x']}}", "ns{a in (1)}{}"},
		{"{'namespaces':{'matchLabels':{'a':'1'}},'kinds':[]}", "ns{a in (1)}{}"},
		{"{'pods':{'namespaceSelector':{'matchLabels':{'a':'1'}},'podSelector':7}}",
			"ns{a in (1)}{}"},
		{"{'pods':{'namespaceSelector':{'matchLabels':{'a':'1'}}}}", "ns{a in (1)}{}"},
		{"{'pods':{'namespaceSelector':[],'podSelector':{'matchLabels':{'b':'2'}}}}",
			"ns{}{b in (2)}"},
		{"{'pods':{'podSelector':{'matchLabels':{'b':'2'}},'more':{}}}", "ns{}{b in (2)}"},
	};
	char spec[800], expected[200];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(spec, sizeof(spec), "{'tier':'Admin','priority':5,'subject':%s," RULES "}",
			rows[i].subject);
		snprintf(expected, sizeof(expected), "Admin 5 %s" CLOSED, rows[i].expected);
		check_spec(spec, expected, "subject");
	}
}

static void spec_is_no_object(void **state)
{
	check_spec("7", "Admin 0 ns{}{}", "no effect");
	check_spec("[]", "Admin 0 ns{}{}", "no effect");
	check_spec("null", "Admin 0 ns{}{}", "no effect");
}

/* @n rules, the one at @odd with another action. */
static struct lnt_netpol *many(int n, const char *action, int odd, const char *other)
{
	_cleanup_free_ char *spec = NULL;
	size_t len;
	FILE *f = open_memstream(&spec, &len);

	fputs(HEAD ",'ingress':[", f);
	for (int i = 0; i < n; i++)
		fprintf(f, "%s{'action':'%s','from':[{'namespaces':{}}]}", i ? "," : "",
			i == odd ? other : action);
	fputs("]}", f);
	fclose(f);
	return decode(spec);
}

static void more_rules_than_the_order_has_room_for(void **state)
{
	struct lnt_netpol *p = many(256, "Accept", 255, "Pass");

	assert_int_equal(p->n_ingress_rules, 256);
	assert_int_equal(p->ingress_rules[255].index, 255);
	assert_int_equal(p->ingress_rules[255].action, LNT_RULE_PASS);
	assert_null(p->unsupported);
	lnt_object_free(&p->meta);

	p = many(300, "Accept", 299, "Pass");
	assert_int_equal(p->n_ingress_rules, 256);
	assert_int_equal(p->ingress_rules[254].action, LNT_RULE_ACCEPT);
	assert_int_equal(p->ingress_rules[255].index, 255);
	assert_int_equal(p->ingress_rules[255].action, LNT_RULE_DENY);
	assert_int_equal(p->ingress_rules[255].n_peers, 0);
	assert_non_null(strstr(p->unsupported, "more than 256 rules"));
	lnt_object_free(&p->meta);

	p = many(300, "Accept", 254, "Deny");
	assert_int_equal(p->n_ingress_rules, 255);
	assert_int_equal(p->ingress_rules[254].action, LNT_RULE_DENY);
	assert_int_equal(p->ingress_rules[254].n_peers, 1);
	assert_non_null(p->unsupported);
	lnt_object_free(&p->meta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(metadata_is_cluster_scoped, teardown),
		cmocka_unit_test_teardown(head, teardown),
		cmocka_unit_test_teardown(everything, teardown),
		cmocka_unit_test_teardown(names_are_for_terminals, teardown),
		cmocka_unit_test_teardown(peers_not_understood, teardown),
		cmocka_unit_test_teardown(protocols_not_understood, teardown),
		cmocka_unit_test_teardown(named_ports_are_pods, teardown),
		cmocka_unit_test_teardown(rules_not_understood, teardown),
		cmocka_unit_test_teardown(domain_names_match_nothing, teardown),
		cmocka_unit_test_teardown(policy_not_understood, teardown),
		cmocka_unit_test_teardown(subject_in_part, teardown),
		cmocka_unit_test_teardown(spec_is_no_object, teardown),
		cmocka_unit_test_teardown(more_rules_than_the_order_has_room_for, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
