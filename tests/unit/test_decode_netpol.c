/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NetworkPolicies: defaults, and above all that nothing which is not understood allows anything.
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

/* Decodes a policy with spec @spec (single quotes for double ones); compares text and unsupported.
 */
static void check(const char *spec, const char *expected, const char *unsupported)
{
	_cleanup_free_ char *text = NULL, *got = NULL;
	struct lnt_meta *obj = NULL;
	struct lnt_netpol *p;
	struct lnt_err e = {};
	cJSON *json;

	assert_true(
		asprintf(&text, "{'metadata':{'name':'x','namespace':'n'},'spec':%s}", spec) > 0);
	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	json = cJSON_Parse(text);
	if (!json)
		fail_msg("not JSON: %s", spec);
	assert_int_equal(lnt_decode(LNT_KIND_NETWORKPOLICY, json, &e, &obj), 0);
	cJSON_Delete(json);
	p = (struct lnt_netpol *)obj;
	got = policy_text(p);
	if (strcmp(got, expected))
		fail_msg("%s\n  is       %s\n  and not  %s", spec, got, expected);
	if (!p->unsupported != !unsupported ||
		(unsupported && !strstr(p->unsupported, unsupported)))
		fail_msg("%s\n  unsupported is %s", spec, p->unsupported ?: "empty");
	lnt_object_free(obj);
}

static void defaults(void **state)
{
	check("{}", "{} in:", NULL);
	check("null", "{} in:", NULL);
	check("{'podSelector':{}}", "{} in:", NULL);
	check("{'podSelector':{},'policyTypes':[]}", "{} in:", NULL);
	check("{'egress':[{}]}", "{} in: out:[any|any]", NULL);
	check("{'egress':[]}", "{} in:", NULL);
	check("{'ingress':[{}]}", "{} in:[any|any]", NULL);
	check("{'ingress':null,'egress':null}", "{} in:", NULL);
	check("{'ingress':[{'from':[],'ports':null}]}", "{} in:[any|any]", NULL);
	check("{'ingress':[{'ports':[{}]}]}", "{} in:[any|6/0-0]", NULL);
	check("{'ingress':[{'ports':[{'protocol':'UDP'}]}]}", "{} in:[any|17/0-0]", NULL);
}

static void types(void **state)
{
	check("{'policyTypes':['Egress']}", "{} out:", NULL);
	check("{'policyTypes':['Ingress','Egress'],'egress':[{}]}", "{} in: out:[any|any]", NULL);
	/* Rules of a direction that the policy does not have say nothing. */
	check("{'policyTypes':['Egress'],'ingress':[{}]}", "{} out:", NULL);
	check("{'policyTypes':['Ingress'],'egress':[{}]}", "{} in:", NULL);
}

static void everything(void **state)
{
	check("{'podSelector':{'matchLabels':{'b':'2','a':'1'},'matchExpressions':["
	      "{'key':'c','operator':'NotIn','values':['y','x']},{'key':'d','operator':'Exists'}]},"
	      "'ingress':[{'from':[{'podSelector':{'matchLabels':{'app':'x'}}},"
	      "{'namespaceSelector':{}},{'namespaceSelector':{'matchLabels':{'t':'1'}},"
	      "'podSelector':{}},{'ipBlock':{'cidr':'10.0.0.0/8','except':['10.1.0.0/16']}}],"
	      "'ports':[{'port':80},{'port':'http','protocol':'TCP'},"
	      "{'port':1000,'endPort':2000,'protocol':'SCTP'}]},{'from':[{'ipBlock':"
	      "{'cidr':'fd00::/8'}}]}]}",
		("{a in (1),b in (2),c notin (x,y),d} in:[pods{app in (x)} ns{} ns{t in (1)}pods{} "
		 "10.0.0.0/8-10.1.0.0/16|6/80-0 6/http0-0 132/1000-2000][fd00::/8|any]"),
		NULL);
}

/* A peer that is not understood is left out; a rule must not become "any peer" by that. */
static void peers_not_understood(void **state)
{
	static const char *const bad[] = {"{}", "null", "7", "'x'", "[]", "{'fooSelector':{}}",
		"{'podSelector':{},'fooSelector':{}}", "{'podSelector':7}", "{'podSelector':[]}",
		"{'podSelector':{'matchFields':{}}}", "{'podSelector':{'matchLabels':{'a':1}}}",
		"{'podSelector':{'matchLabels':{'':'x'}}}", "{'podSelector':{'matchLabels':[]}}",
		"{'podSelector':{'matchLabels':{'a':'b c'}}}",
		"{'podSelector':{'matchExpressions':{}}}",
		"{'podSelector':{'matchExpressions':[1]}}",
		"{'podSelector':{'matchExpressions':[{}]}}",
		"{'podSelector':{'matchExpressions':[{'key':'a','operator':'Gt','values':['1']}]}}",
		"{'podSelector':{'matchExpressions':[{'key':'a','operator':'In'}]}}",
		"{'podSelector':{'matchExpressions':[{'key':'a','operator':'In','values':[]}]}}",
		"{'podSelector':{'matchExpressions':[{'key':'a','operator':'In','values':'x'}]}}",
		("{'podSelector':{'matchExpressions':[{'key':'a','operator':'NotIn','values':[1]}]}"
		 "}"),
		("{'podSelector':{'matchExpressions':[{'key':'a','operator':'Exists','values':['x']"
		 "}"
		 "]}}"),
		"{'podSelector':{'matchExpressions':[{'key':'a','operator':'Exists','x':1}]}}",
		"{'podSelector':{'matchExpressions':[{'operator':'Exists'}]}}",
		"{'namespaceSelector':'all'}", "{'namespaceSelector':{},'podSelector':7}",
		"{'ipBlock':{}}", "{'ipBlock':'10.0.0.0/8'}", "{'ipBlock':{'cidr':'10.0.0.0'}}",
		"{'ipBlock':{'cidr':'10.0.0.0/33'}}", "{'ipBlock':{'cidr':7}}",
		"{'ipBlock':{'cidr':'10.0.0.0/8','except':['x']}}",
		"{'ipBlock':{'cidr':'10.0.0.0/8','except':'10.1.0.0/16'}}",
		"{'ipBlock':{'cidr':'10.0.0.0/8','except':['10.1.0.0/16',7]}}",
		"{'ipBlock':{'cidr':'10.0.0.0/8','exceptNot':[]}}",
		"{'ipBlock':{'cidr':'10.0.0.0/8'},'podSelector':{}}"};
	char spec[400];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(spec, sizeof(spec), "{'ingress':[{'from':[%s]}]}", bad[i]);
		check(spec, "{} in:", "ingress[0].from[0]");
		snprintf(spec, sizeof(spec),
			"{'policyTypes':['Egress'],'egress':[{'to':[%s,{'podSelector':{}}]},{}]}",
			bad[i]);
		check(spec, "{} out:[pods{}|any][any|any]", "egress[0].to[0]");
	}
}

static void ports_not_understood(void **state)
{
	static const char *const bad[] = {"null", "80", "'http'", "[]", "{'port':0}",
		"{'port':65536}", "{'port':-1}", "{'port':1.5}", "{'port':true}", "{'port':{}}",
		"{'port':''}", "{'port':'a-name-that-is-too-long'}", "{'port':'a b'}",
		"{'port':80,'protocol':'ICMP'}", "{'port':80,'protocol':'tcp'}",
		"{'port':80,'protocol':6}", "{'port':80,'endPort':79}",
		"{'port':80,'endPort':'90'}", "{'port':80,'endPort':70000}", "{'endPort':90}",
		"{'port':'http','endPort':90}", "{'port':80,'startPort':70}"};
	char spec[400];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(spec, sizeof(spec), "{'ingress':[{'ports':[%s]}]}", bad[i]);
		check(spec, "{} in:", "ingress[0].ports[0]");
		snprintf(spec, sizeof(spec), "{'ingress':[{'ports':[{'port':1},%s]}]}", bad[i]);
		check(spec, "{} in:[any|6/1-0]", "ingress[0].ports[1]");
	}
}

static void rules_not_understood(void **state)
{
	check("{'ingress':[null]}", "{} in:", "ingress[0]");
	check("{'ingress':[7,{}]}", "{} in:[any|any]", "ingress[0]");
	check("{'ingress':{}}", "{} in:", "ingress");
	check("{'ingress':[{'from':{}}]}", "{} in:", "ingress[0].from");
	check("{'ingress':[{'ports':{}}]}", "{} in:", "ingress[0].ports");
	check("{'ingress':[{'to':[]}]}", "{} in:", "unknown field 'to'");
	check("{'ingress':[{'from':[{'podSelector':{}}],'action':'deny'}]}", "{} in:", "'action'");
	check("{'egress':7}", "{} in: out:", "egress");
}

/* Fields that are null are as good as absent. */
static void null_fields_are_absent(void **state)
{
	check("{'future':null,'ingress':[{'from':null,'x':null}]}", "{} in:[any|any]", NULL);
	check("{'ingress':[{'from':[{'podSelector':{},'ipBlock':null}]}]}", "{} in:[pods{}|any]",
		NULL);
}

static void spec_not_understood(void **state)
{
	check("7", "{} in: out:", "spec");
	check("[]", "{} in: out:", "spec");
	check("{'podSelector':{'matchLabels':{'a':'1'}},'priority':1,'ingress':[{}]}",
		"{a in (1)} in:", "unknown field 'priority'");
	check("{'policyTypes':['Ingress','Both'],'ingress':[{}],'egress':[{}]}",
		"{} in:[any|any] out:", "policyTypes");
	check("{'policyTypes':'Ingress','ingress':[{}]}", "{} in: out:", "policyTypes");
	check("{'policyTypes':[7]}", "{} in: out:", "policyTypes");
}

/* All pods are isolated; the rules must not allow traffic to pods that were not meant. */
static void pod_selector_not_understood(void **state)
{
	check("{'podSelector':7,'ingress':[{}]}", "{} in:", "podSelector");
	check("{'podSelector':{'matchExpressions':[{'key':'a','operator':'~','values':['1']}]},"
	      "'policyTypes':['Ingress','Egress'],'ingress':[{}],'egress':[{}]}",
		"{} in: out:", "all pods");
	check("{'podSelector':{'matchLabels':{'a':'1'},'matchNames':['x']},'ingress':[{}]}",
		"{} in:", "unknown field 'matchNames'");
}

static void notes_are_bounded(void **state)
{
	_cleanup_free_ char *spec = NULL;
	size_t len;
	FILE *f = open_memstream(&spec, &len);

	fputs("{'ingress':[", f);
	for (int i = 0; i < 5000; i++)
		fputs("{'from':[{'unknownUnknownUnknown':1}]},", f);
	fputs("{}]}", f);
	fclose(f);
	check(spec, "{} in:[any|any]", "unknownUnknownUnknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(defaults, teardown),
		cmocka_unit_test_teardown(types, teardown),
		cmocka_unit_test_teardown(everything, teardown),
		cmocka_unit_test_teardown(peers_not_understood, teardown),
		cmocka_unit_test_teardown(ports_not_understood, teardown),
		cmocka_unit_test_teardown(rules_not_understood, teardown),
		cmocka_unit_test_teardown(null_fields_are_absent, teardown),
		cmocka_unit_test_teardown(spec_not_understood, teardown),
		cmocka_unit_test_teardown(pod_selector_not_understood, teardown),
		cmocka_unit_test_teardown(notes_are_bounded, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
