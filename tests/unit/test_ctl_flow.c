/* SPDX-License-Identifier: Apache-2.0 */
/* Flows for people: which ones a filter leaves, and the words for them. */
#include "agent/ctl/flow.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct in6_addr at(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(lnt_addr_parse(text, &addr), 0);
	return addr;
}

/* From 10.0.0.1:1000 to the service 10.96.0.1:80, that is to 10.0.0.2:8080. */
static struct ctl_flow service_flow(void)
{
	return (struct ctl_flow){
		.key = {.saddr = at("10.0.0.1"),
			.daddr = at("10.96.0.1"),
			.sport = htons(1000),
			.dport = htons(80),
			.proto = IPPROTO_TCP},
		.flow = {.epoch = 7,
			.action = LNT_ACT_PEER,
			.flags = LNT_F_NAT_DST,
			.nat_daddr = at("10.0.0.2"),
			.nat_dport = htons(8080),
			.rule = 5,
			.idle = 3,
			.packets = 12,
			.bytes = 2048},
	};
}

static struct lnt_prefix prefix(const char *text)
{
	struct lnt_prefix p;

	assert_int_equal(lnt_prefix_parse(text, &p), 0);
	return p;
}

static bool matches(const struct ctl_flow *f, struct ctl_flow_filter filter)
{
	return ctl_flow_matches(&filter, &f->key, &f->flow);
}

static void filters_leave_what_they_say(void **state)
{
	struct ctl_flow f = service_flow();

	assert_true(matches(&f, (struct ctl_flow_filter){}));
	assert_true(matches(&f, (struct ctl_flow_filter){.proto = IPPROTO_TCP}));
	assert_false(matches(&f, (struct ctl_flow_filter){.proto = IPPROTO_UDP}));
	assert_true(matches(&f, (struct ctl_flow_filter){.port = 80}));
	assert_true(matches(&f, (struct ctl_flow_filter){.port = 8080}));
	assert_true(matches(&f, (struct ctl_flow_filter){.port = 1000}));
	assert_false(matches(&f, (struct ctl_flow_filter){.port = 81}));
	for (const char *const *p =
			(const char *const[]){"10.0.0.1/32", "10.0.0.2/32", "10.96.0.0/16", NULL};
		*p; p++)
		assert_true(
			matches(&f, (struct ctl_flow_filter){.addrs = {prefix(*p)}, .n_addrs = 1}));
	assert_false(matches(
		&f, (struct ctl_flow_filter){.addrs = {prefix("10.0.0.3/32")}, .n_addrs = 1}));
	assert_false(
		matches(&f, (struct ctl_flow_filter){.addrs = {prefix("::/0")}, .n_addrs = 1}));
	assert_true(matches(&f,
		(struct ctl_flow_filter){
			.addrs = {prefix("10.0.0.3/32"), prefix("10.0.0.1/32")}, .n_addrs = 2}));
	/* All of a filter has to hold. */
	assert_false(matches(&f,
		(struct ctl_flow_filter){.addrs = {prefix("10.0.0.1/32")},
			.n_addrs = 1,
			.pod = {prefix("10.0.0.9/32")},
			.n_pod = 1}));
	assert_false(matches(&f, (struct ctl_flow_filter){.port = 80, .proto = IPPROTO_SCTP}));
}

static void replies_and_drops_are_asked_for(void **state)
{
	struct ctl_flow f = service_flow();

	assert_false(matches(&f, (struct ctl_flow_filter){.drops = true}));
	f.flow.action = LNT_ACT_DROP;
	assert_true(matches(&f, (struct ctl_flow_filter){.drops = true}));
	f.flow.flags |= LNT_F_REPLY;
	assert_false(matches(&f, (struct ctl_flow_filter){}));
	assert_true(matches(&f, (struct ctl_flow_filter){.replies = true}));
	f.key.proto = IPPROTO_ICMPV6;
	assert_true(matches(&f, (struct ctl_flow_filter){.replies = true, .proto = IPPROTO_ICMP}));
}

static void protocols_have_names(void **state)
{
	static const char *const bad[] = {"", "x", "-1", "256", "6x", "0", " 6"};
	uint8_t proto;

	assert_int_equal(ctl_proto_parse("tcp", &proto), 0);
	assert_int_equal(proto, IPPROTO_TCP);
	assert_int_equal(ctl_proto_parse("ICMPv6", &proto), 0);
	assert_int_equal(proto, IPPROTO_ICMPV6);
	assert_int_equal(ctl_proto_parse("47", &proto), 0);
	assert_int_equal(proto, 47);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ctl_proto_parse(bad[i], &proto), -EINVAL);
}

/* As the agent would have told them. */
static void name(struct ctl_names *names, enum ctl_names_of of, const char *text, const char *to)
{
	struct ctl_name *n;

	ctl_names_want(names, of, text);
	HASH_FIND_STR(names->by_text[of], text, n);
	if (!n)
		abort();
	n->name = strdup(to);
	n->kind = strdup("pod");
}

static void words_of_a_service(void **state)
{
	struct ctl_flow f = service_flow();
	struct ctl_names names = {};
	struct ctl_flow_row row;

	ctl_flow_row(&f, &names, 7, &row);
	assert_string_equal(row.source, "10.0.0.1:1000");
	assert_string_equal(row.destination, "10.96.0.1:80");
	assert_string_equal(row.becomes, "10.0.0.2:8080");
	assert_string_equal(row.rule, "");
	name(&names, CTL_NAMES_ADDRESSES, "10.0.0.1", "red/a");
	name(&names, CTL_NAMES_ADDRESSES, "10.0.0.2", "red/b");
	name(&names, CTL_NAMES_FRONTENDS, "10.96.0.1 80 6", "red/web");
	name(&names, CTL_NAMES_RULES, "5", "red/p ingress[0]");
	ctl_flow_row(&f, &names, 7, &row);
	assert_string_equal(row.protocol, "TCP");
	assert_string_equal(row.source, "red/a:1000");
	assert_string_equal(row.destination, "red/web:80 (service)");
	assert_string_equal(row.becomes, "red/b:8080");
	assert_string_equal(row.verdict, "allow");
	assert_string_equal(row.state, "open");
	assert_string_equal(row.idle, "30s");
	assert_string_equal(row.bytes, "2.0Ki");
	assert_string_equal(row.rule, "red/p ingress[0]");
	f.flow.flags |= LNT_F_FIN | LNT_F_NAT_SRC;
	f.flow.nat_saddr = at("172.16.0.1");
	f.flow.nat_sport = htons(40000);
	f.flow.action = LNT_ACT_DROP;
	f.flow.reason = LNT_DROP_POLICY_INGRESS;
	ctl_flow_row(&f, &names, 8, &row);
	assert_string_equal(row.becomes, "red/b:8080 from 172.16.0.1:40000");
	assert_string_equal(row.verdict, "drop: policy-ingress");
	assert_string_equal(row.state, "closing,stale");
	ctl_names_clear(&names);
}

static void words_of_ipv6_and_icmp(void **state)
{
	struct ctl_flow f = {
		.key = {.saddr = at("fd00::1"),
			.daddr = at("fd00::2"),
			.sport = htons(7),
			.proto = IPPROTO_UDP,
			.scope = LNT_SCOPE_TO_NODE},
		.flow = {.action = LNT_ACT_STACK},
	};
	struct ctl_names names = {};
	struct ctl_flow_row row;

	ctl_flow_row(&f, &names, 0, &row);
	assert_string_equal(row.source, "[fd00::1]:7");
	assert_string_equal(row.becomes, "");
	assert_string_equal(row.seen, "to-node");
	f.key.proto = IPPROTO_ICMPV6;
	ctl_flow_row(&f, &names, 0, &row);
	assert_string_equal(row.source, "fd00::1");
	f.key.proto = 47;
	ctl_flow_row(&f, &names, 0, &row);
	assert_string_equal(row.protocol, "47");
}

static void json_has_its_members(void **state)
{
	struct ctl_flow f = service_flow();
	struct ctl_names names = {};
	_cleanup_json_ cJSON *json = NULL;
	const cJSON *to;

	name(&names, CTL_NAMES_FRONTENDS, "10.96.0.1 80 6", "red/web");
	json = ctl_flow_json(&f, &names, 7);
	ctl_names_clear(&names);
	assert_string_equal(ctl_text(json, "protocol"), "TCP");
	assert_string_equal(ctl_text(json, "service"), "red/web");
	assert_string_equal(ctl_text(json, "verdict"), "allow");
	assert_null(lnt_json_get(json, "reason"));
	assert_true(cJSON_IsTrue(lnt_json_get(json, "current")));
	assert_true(cJSON_IsFalse(lnt_json_get(json, "reply")));
	assert_int_equal(lnt_json_get(json, "idleSeconds")->valueint, 30);
	to = lnt_json_get(lnt_json_get(json, "translated"), "destination");
	assert_string_equal(ctl_text(to, "address"), "10.0.0.2");
	assert_int_equal(lnt_json_get(to, "port")->valueint, 8080);
	assert_null(lnt_json_get(to, "name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_leave_what_they_say),
		cmocka_unit_test(replies_and_drops_are_asked_for),
		cmocka_unit_test(protocols_have_names),
		cmocka_unit_test(words_of_a_service),
		cmocka_unit_test(words_of_ipv6_and_icmp),
		cmocka_unit_test(json_has_its_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
