/* SPDX-License-Identifier: Apache-2.0 */
/* Services and slices to frontends and backend sets. */
#include "agent/compile/compile.h"
#include "tests/unit/build.h"
#include "lib/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct lnt_store *st;
	struct lnt_services *t;
	char said[1024]; /* "+text|" for what appeared, "-text|" for what is gone */
};

static void on_say(void *ctx, const struct lnt_notice *n, bool gone)
{
	struct fixture *f = ctx;
	size_t len = strlen(f->said);

	snprintf(f->said + len, sizeof(f->said) - len, "%c%s %s/%s: %s|", gone ? '-' : '+',
		lnt_notice_kind_text(n->kind), n->ns, n->name, n->text);
}

/* As the agent has it. */
static void on_change(void *ctx, const struct lnt_meta *obj, bool removed)
{
	struct fixture *f = ctx;

	if (obj->kind == LNT_KIND_SERVICE)
		lnt_services_touch(f->t, obj->ns, obj->name);
	else if (obj->kind == LNT_KIND_ENDPOINTSLICE)
		lnt_services_touch(f->t, obj->ns, ((const struct lnt_endpointslice *)obj)->service);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->t = lnt_services_new(on_say, f);
	f->st = lnt_store_new(on_change, f);
	*state = f;
	return f->st && f->t ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_services_free(f->t);
	lnt_store_free(f->st);
	free(f);
	return lnt_intern_count() ? -1 : 0;
}

#define NODE1 "192.0.2.101"
#define NODE6 "2001:db8::101"

/* Updates, settles, and returns how many frontends were to be looked at. */
static size_t compile(struct fixture *f)
{
	const struct lnt_nodeport_addr addrs[] = {
		{.addr = build_addr("127.0.0.1"), .host_only = true}, {.addr = build_addr(NODE1)},
		{.addr = build_addr(NODE6)}};
	const struct lnt_service_params params = {
		.node_name = "n1", .addrs = addrs, .n_addrs = ARRAY_SIZE(addrs)};
	struct lnt_service_change *changes;
	struct lnt_err e = {};
	bool whole;
	size_t n;

	f->said[0] = '\0';
	assert_int_equal(lnt_services_update(f->t, f->st, &params, &e), 0);
	assert_int_equal(lnt_services_changes(f->t, &changes, &n, &whole), 0);
	for (size_t i = 0; i < n; i++)
		assert_ptr_equal(lnt_services_find(f->t, &changes[i].key), changes[i].want);
	lnt_services_settle(f->t);
	free(changes);
	return n;
}

static const struct lnt_frontend *find(
	const struct fixture *f, const char *ip, uint8_t proto, uint16_t port)
{
	const struct lnt_service_key key = {
		.addr = build_addr(ip), .port = htons(port), .proto = proto};

	return lnt_services_find(f->t, &key);
}

static const char *set_text(const struct lnt_backend_set *set)
{
	static char texts[2][1024];
	static unsigned turn;
	char *text = texts[turn++ % 2], addr[LNT_ADDRSTRLEN];
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < set->n; i++)
		len += (size_t)snprintf(text + len, sizeof(texts[0]) - len, "%s%s:%u", i ? " " : "",
			lnt_addr_str(&set->backends[i].addr, addr), ntohs(set->backends[i].port));
	return text;
}

/* "10.0.0.1:80 10.0.0.2:80" of a frontend; "none" when there is no such frontend. */
static const char *backends(const struct fixture *f, const char *ip, uint8_t proto, uint16_t port)
{
	const struct lnt_frontend *fe = find(f, ip, proto, port);

	return !fe ? "none" : fe->set ? set_text(fe->set) : "refused";
}

/* The same for clients from outside. */
static const char *outside(const struct fixture *f, const char *ip, uint16_t port)
{
	const struct lnt_frontend *fe = find(f, ip, IPPROTO_TCP, port);

	return !fe ? "none" : fe->ext_set ? set_text(fe->ext_set) : "inside";
}

#define ASSERT_TCP(f, ip, port, want)	  assert_string_equal(backends(f, ip, IPPROTO_TCP, port), want)
#define ASSERT_OUTSIDE(f, ip, port, want) assert_string_equal(outside(f, ip, port), want)

#define HTTP "http:tcp/80"

static void ready_only(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	build_slice(f->st, "a", "web-1", "web", "http:tcp/8080", "10.0.0.2,10.0.0.1", "10.0.0.3");
	compile(f);
	assert_string_equal(
		backends(f, "10.96.0.1", IPPROTO_TCP, 80), "10.0.0.1:8080 10.0.0.2:8080");
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_UDP, 80), "none");
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_TCP, 8080), "none");
}

static void no_backends(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	build_service(f->st, "a", "slow", "10.96.0.2", HTTP);
	build_slice(f->st, "a", "slow-1", "slow", "http:tcp/8080", "", "10.0.0.3");
	compile(f);
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_TCP, 80), "");
	assert_string_equal(backends(f, "10.96.0.2", IPPROTO_TCP, 80), "");
}

static void headless(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "db", "", HTTP);
	build_slice(f->st, "a", "db-1", "db", HTTP, "10.0.0.1", "");
	assert_int_equal(compile(f), 0);
}

static void several_slices(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	build_slice(f->st, "a", "web-1", "web", HTTP, "10.0.0.3,10.0.0.1", "");
	build_slice(f->st, "a", "web-2", "web", HTTP, "10.0.0.2,10.0.0.1", "");
	build_slice(f->st, "a", "other-1", "other", HTTP, "10.0.0.9", "");
	build_slice(f->st, "b", "web-1", "web", HTTP, "10.0.0.8", "");
	build_slice(f->st, "a", "stray", "", HTTP, "10.0.0.7", "");
	compile(f);
	assert_string_equal(
		backends(f, "10.96.0.1", IPPROTO_TCP, 80), "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80");
}

static void port_names(void **state)
{
	struct fixture *f = *state;

	build_service(
		f->st, "a", "dns", "10.96.0.10", "dns:udp/53,dns-tcp:tcp/53,metrics:tcp/9153");
	build_slice(f->st, "a", "dns-1", "dns", "dns:udp/5300,dns-tcp:tcp/5301,metrics:udp/1",
		"10.0.0.1", "");
	build_service(f->st, "a", "plain", "10.96.0.11", ":tcp/80,:sctp/80");
	build_slice(f->st, "a", "plain-1", "plain", ":tcp/8080,:sctp/8081", "10.0.0.1", "");
	compile(f);
	assert_string_equal(backends(f, "10.96.0.10", IPPROTO_UDP, 53), "10.0.0.1:5300");
	assert_string_equal(backends(f, "10.96.0.10", IPPROTO_TCP, 53), "10.0.0.1:5301");
	assert_string_equal(backends(f, "10.96.0.10", IPPROTO_TCP, 9153), "");
	assert_string_equal(backends(f, "10.96.0.11", IPPROTO_TCP, 80), "10.0.0.1:8080");
	assert_string_equal(backends(f, "10.96.0.11", IPPROTO_SCTP, 80), "10.0.0.1:8081");
}

/* One name may mean several numbers: pods of a rolling update, one slice each. */
static void one_name_two_numbers(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	build_slice(f->st, "a", "web-1", "web", "http:tcp/8080", "10.0.0.2", "");
	build_slice(f->st, "a", "web-2", "web", "http:tcp/9090", "10.0.0.1", "");
	build_slice(f->st, "a", "web-3", "web", "http:tcp/0", "10.0.0.4", "");
	compile(f);
	assert_string_equal(
		backends(f, "10.96.0.1", IPPROTO_TCP, 80), "10.0.0.1:9090 10.0.0.2:8080");
}

static void both_families(void **state)
{
	struct fixture *f = *state;
	struct lnt_endpointslice *mixed;

	build_service(f->st, "a", "web", "10.96.0.1,fd00:96::1", HTTP);
	build_slice(f->st, "a", "web-4", "web", HTTP, "10.0.0.1", "");
	build_slice(f->st, "a", "web-6", "web", HTTP, "fd00::1", "");
	/* An address of the other family in a slice: left out. */
	build_slice(f->st, "a", "web-x", "web", HTTP, "10.0.0.2,fd00::2", "");
	mixed = (struct lnt_endpointslice *)lnt_store_get(
		f->st, LNT_KIND_ENDPOINTSLICE, "a", "web-x");
	assert_true(mixed->is6);
	compile(f);
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_TCP, 80), "10.0.0.1:80");
	assert_string_equal(backends(f, "fd00:96::1", IPPROTO_TCP, 80), "fd00::1:80 fd00::2:80");
}

/* --- frontends -------------------------------------------------------------------------------- */

static void wildcard(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc = build_service_new("a", "web", "10.96.0.1", "http:tcp/80@30080");

	svc->type = LNT_SERVICE_NODE_PORT;
	build_external_ips(svc, "198.51.100.1");
	build_put(f->st, svc);
	compile(f);
	assert_string_equal(backends(f, "10.96.0.1", 0, 0), "refused");
	assert_string_equal(backends(f, "198.51.100.1", 0, 0), "none");
	assert_string_equal(backends(f, NODE1, 0, 0), "none");
	/* With its last port the address goes as well. */
	build_service(f->st, "a", "web", "10.96.0.1", "");
	compile(f);
	assert_string_equal(backends(f, "10.96.0.1", 0, 0), "none");
	ASSERT_TCP(f, "10.96.0.1", 80, "none");
}

static void node_port(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc =
		build_service_new("a", "web", "10.96.0.1,fd00:96::1", "http:tcp/80@30080");

	svc->type = LNT_SERVICE_NODE_PORT;
	build_put(f->st, svc);
	build_endpoints(f->st, "a", "web-4", "web", HTTP, "10.0.0.1,10.0.0.2@n1");
	build_endpoints(f->st, "a", "web-6", "web", HTTP, "fd00::1");
	compile(f);
	ASSERT_TCP(f, NODE1, 30080, "10.0.0.1:80 10.0.0.2:80");
	ASSERT_OUTSIDE(f, NODE1, 30080, "10.0.0.1:80 10.0.0.2:80");
	ASSERT_OUTSIDE(f, NODE6, 30080, "fd00::1:80");
	ASSERT_TCP(f, "127.0.0.1", 30080, "10.0.0.1:80 10.0.0.2:80");
	ASSERT_OUTSIDE(f, "127.0.0.1", 30080, "inside");
	ASSERT_OUTSIDE(f, "10.96.0.1", 80, "inside");
	ASSERT_TCP(f, NODE1, 80, "none");
	assert_int_equal(find(f, NODE1, IPPROTO_TCP, 30080)->flags, LNT_SVC_EXTERNAL);
	assert_int_equal(find(f, "127.0.0.1", IPPROTO_TCP, 30080)->flags, LNT_SVC_HOST_ONLY);
	assert_int_equal(find(f, "10.96.0.1", IPPROTO_TCP, 80)->flags, 0);
	/* One choice, one set. */
	assert_ptr_equal(find(f, NODE1, IPPROTO_TCP, 30080)->set,
		find(f, "10.96.0.1", IPPROTO_TCP, 80)->set);
	/* A nodePort that is left behind by a change of type is not served. */
	build_service(f->st, "a", "web", "10.96.0.1", "http:tcp/80@30080");
	compile(f);
	ASSERT_TCP(f, NODE1, 30080, "none");
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.1:80 10.0.0.2:80");
	ASSERT_TCP(f, "fd00:96::1", 80, "none");
}

static bool is_reserved(const struct fixture *f, const char *any, uint8_t proto, uint16_t port)
{
	const struct lnt_service_key key = {.addr = build_addr(any),
		.port = htons(port),
		.proto = proto,
		.kind = LNT_FRONTEND_RESERVED};
	const struct lnt_frontend *fe = lnt_services_find(f->t, &key);

	assert_true(!fe || (!fe->set && !fe->ext_set && !fe->flags));
	assert_true(!fe || !strcmp(lnt_frontend_ns(fe), "a"));
	return fe;
}

/* A NodePort is reserved in the families in which it is served, and nothing else is. */
static void reservation(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc = build_service_new(
		"a", "web", "10.96.0.1,fd00:96::1", "http:tcp/80@30080,dns:udp/53@30053,x:tcp/81");

	svc->type = LNT_SERVICE_NODE_PORT;
	build_put(f->st, svc);
	svc = build_service_new("a", "four", "10.96.0.2", "http:tcp/80@30084");
	svc->type = LNT_SERVICE_LOAD_BALANCER;
	build_put(f->st, svc);
	compile(f);
	assert_true(is_reserved(f, "0.0.0.0", IPPROTO_TCP, 30080));
	assert_true(is_reserved(f, "::", IPPROTO_TCP, 30080));
	assert_true(is_reserved(f, "0.0.0.0", IPPROTO_UDP, 30053));
	assert_true(is_reserved(f, "::", IPPROTO_UDP, 30053));
	assert_true(is_reserved(f, "0.0.0.0", IPPROTO_TCP, 30084));
	assert_false(is_reserved(f, "::", IPPROTO_TCP, 30084));
	assert_false(is_reserved(f, "0.0.0.0", IPPROTO_UDP, 30080));
	assert_false(is_reserved(f, "0.0.0.0", IPPROTO_TCP, 30053));
	assert_false(is_reserved(f, "0.0.0.0", IPPROTO_TCP, 80));
	assert_false(is_reserved(f, "0.0.0.0", IPPROTO_TCP, 0));
	/* At the wildcard there is nothing to connect to. */
	ASSERT_TCP(f, "0.0.0.0", 30080, "none");
	build_service(f->st, "a", "web", "10.96.0.1", "http:tcp/80@30080");
	compile(f);
	assert_false(is_reserved(f, "0.0.0.0", IPPROTO_TCP, 30080));
	assert_true(is_reserved(f, "0.0.0.0", IPPROTO_TCP, 30084));
}

static void external_and_balancer(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc = build_service_new("a", "web", "10.96.0.1,fd00:96::1", HTTP);
	const struct lnt_frontend *fe;

	build_external_ips(svc, "198.51.100.1,198.51.100.7,2001:db8:1::1,127.0.0.1");
	build_balancer(
		svc, "198.51.100.7,2001:db8:1::7", "203.0.113.0/24,203.0.113.0/24,10.0.0.0/8");
	svc->affinity = 60;
	build_put(f->st, svc);
	build_endpoints(f->st, "a", "web-1", "web", HTTP, "10.0.0.1");
	compile(f);
	ASSERT_OUTSIDE(f, "198.51.100.1", 80, "10.0.0.1:80");
	ASSERT_OUTSIDE(f, "2001:db8:1::1", 80, "");
	ASSERT_TCP(f, "127.0.0.1", 80, "none");
	fe = find(f, "198.51.100.1", IPPROTO_TCP, 80);
	assert_int_equal(fe->flags, LNT_SVC_EXTERNAL);
	/* One address in two ways: that with the ranges. */
	fe = find(f, "198.51.100.7", IPPROTO_TCP, 80);
	assert_int_equal(fe->flags, LNT_SVC_EXTERNAL | LNT_SVC_RANGES);
	assert_int_equal(fe->affinity, 60);
	assert_int_equal(fe->set->n_ranges, 2);
	assert_int_equal(fe->set->ranges[0].prefixlen, 96 + 8);
	/* A family without ranges is closed. */
	fe = find(f, "2001:db8:1::7", IPPROTO_TCP, 80);
	assert_int_equal(fe->flags, LNT_SVC_EXTERNAL | LNT_SVC_RANGES);
	assert_int_equal(fe->set->n_ranges, 0);
	assert_string_equal(f->said,
		"+Service a/web: 127.0.0.1 cannot be a service's address|"
		"+Service a/web: loadBalancerSourceRanges has no IPv6 range; nobody outside is let "
		"in|");
}

static void not_ours(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc = build_service_new("a", "web", "10.96.0.1", HTTP);

	svc->foreign = true;
	build_external_ips(svc, "198.51.100.1");
	build_put(f->st, svc);
	svc = build_service_new("a", "name", "10.96.0.2", HTTP);
	svc->type = LNT_SERVICE_EXTERNAL_NAME;
	build_put(f->st, svc);
	svc = build_service_new("a", "headless", "", HTTP);
	build_external_ips(svc, "198.51.100.2");
	build_put(f->st, svc);
	assert_int_equal(compile(f), 0);
	/* The label goes. */
	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	assert_int_equal(compile(f), 2);
	ASSERT_TCP(f, "10.96.0.1", 80, "");
}

/* --- choice of endpoints ---------------------------------------------------------------------- */

#define INTERNAL 1
#define EXTERNAL 2
#define PUBLISH	 4

/* What clients inside get at the cluster IP and the NodePort, and clients outside at that. */
struct choice {
	const char *endpoints;
	unsigned local; /* INTERNAL, EXTERNAL: the policy is Local; PUBLISH: not ready ones */
	const char *cluster_ip, *node_port, *outside;
};

static const struct choice choices[] = {
	/* KEP-1669: ready ones; else those that terminate and serve. */
	{"10.0.0.1,10.0.0.2/u,10.0.0.3/t", 0, "1", "1", "1"},
	{"10.0.0.1/u,10.0.0.2/t,10.0.0.3/x", 0, "2", "2", "2"},
	{"10.0.0.1/u,10.0.0.3/x", 0, "", "", ""},
	{"10.0.0.1/u,10.0.0.2/t,10.0.0.3/x", PUBLISH, "1 2 3", "1 2 3", "1 2 3"},
	/* Local policies: this node's by the same rule, or none. */
	{"10.0.0.1@n1,10.0.0.2@n2", 0, "1 2", "1 2", "1 2"},
	{"10.0.0.1@n1,10.0.0.2@n2", INTERNAL, "1", "1 2", "1 2"},
	{"10.0.0.1@n1,10.0.0.2@n2", EXTERNAL, "1 2", "1 2", "1"},
	{"10.0.0.1@n1,10.0.0.2@n2", INTERNAL | EXTERNAL, "1", "1 2", "1"},
	{"10.0.0.1@n2,10.0.0.2", INTERNAL | EXTERNAL, "", "1 2", ""},
	{"10.0.0.1/t@n1,10.0.0.2@n2", INTERNAL | EXTERNAL, "1", "2", "1"},
	{"10.0.0.1/t@n1,10.0.0.2@n1", INTERNAL | EXTERNAL, "2", "2", "2"},
	{"10.0.0.1/u@n1,10.0.0.2/t@n2", INTERNAL | EXTERNAL, "", "2", ""},
	{"10.0.0.1/u@n1,10.0.0.2@n2", INTERNAL | PUBLISH, "1", "1 2", "1 2"},
	/* KEP-2433, KEP-3015: hints, when all have some and one is for here. */
	{"10.0.0.1~z1,10.0.0.2~z2,10.0.0.3~z2|z1", 0, "1 3", "1 3", "1 3"},
	{"10.0.0.1~z1,10.0.0.2", 0, "1 2", "1 2", "1 2"},
	{"10.0.0.1~z2,10.0.0.2~z3", 0, "1 2", "1 2", "1 2"},
	{"10.0.0.1~z1^n1,10.0.0.2~z1^n2", 0, "1", "1", "1"},
	{"10.0.0.1~z1^n2,10.0.0.2~z2^n3", 0, "1", "1", "1"},
	{"10.0.0.1~z1^n1,10.0.0.2~z1", 0, "1 2", "1 2", "1 2"},
	/* Only those of ready endpoints count; a terminating one is chosen without. */
	{"10.0.0.1~z1,10.0.0.2~z2,10.0.0.3/t", 0, "1", "1", "1"},
	{"10.0.0.1/t~z2,10.0.0.2/t", 0, "1 2", "1 2", "1 2"},
	/* Never with Local. */
	{"10.0.0.1@n1~z2,10.0.0.2@n2~z1", INTERNAL | EXTERNAL, "1", "2", "1"},
};

/* "1 2" to "10.0.0.1:80 10.0.0.2:80" */
static const char *expand(const char *digits, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (; *digits; digits++)
		if (*digits != ' ')
			len += (size_t)snprintf(
				text + len, size - len, "%s10.0.0.%c:80", len ? " " : "", *digits);
	return text;
}

static void check_choice(struct fixture *f, const struct choice *c)
{
	struct lnt_service *svc = build_service_new("a", "web", "10.96.0.1", "http:tcp/80@30080");
	char want[128];

	svc->type = LNT_SERVICE_NODE_PORT;
	svc->internal_local = c->local & INTERNAL;
	svc->external_local = c->local & EXTERNAL;
	svc->publish_not_ready = c->local & PUBLISH;
	build_put(f->st, svc);
	build_endpoints(f->st, "a", "web-1", "web", HTTP, c->endpoints);
	compile(f);
	ASSERT_TCP(f, "10.96.0.1", 80, expand(c->cluster_ip, want, sizeof(want)));
	ASSERT_TCP(f, NODE1, 30080, expand(c->node_port, want, sizeof(want)));
	ASSERT_OUTSIDE(f, NODE1, 30080, expand(c->outside, want, sizeof(want)));
	assert_int_equal(!!(find(f, NODE1, IPPROTO_TCP, 30080)->flags & LNT_SVC_LOCAL),
		!!(c->local & EXTERNAL));
}

static void choice_of_endpoints(void **state)
{
	struct fixture *f = *state;

	build_zone(f->st, "n1", "z1");
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		print_message("%s\n", choices[i].endpoints);
		check_choice(f, &choices[i]);
	}
}

static void zone_changes(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	build_endpoints(f->st, "a", "web-1", "web", HTTP, "10.0.0.1~z1,10.0.0.2~z2");
	compile(f);
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.1:80 10.0.0.2:80");
	assert_string_equal(
		f->said, "+Service a/web: topology hints are not used: this node has no zone|");
	build_zone(f->st, "n1", "z2");
	compile(f);
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.2:80");
	assert_string_equal(
		f->said, "-Service a/web: topology hints are not used: this node has no zone|");
	assert_int_equal(compile(f), 0);
}

/* --- what is wrong ---------------------------------------------------------------------------- */

static void hints_are_not_ignored_silently(void **state)
{
	static const struct {
		const char *endpoints;
		enum lnt_traffic_distribution distribution;
		const char *said;
	} cases[] = {
		{"10.0.0.1", LNT_DISTRIBUTION_NONE, ""},
		{"10.0.0.1~z1,10.0.0.2~z2", LNT_DISTRIBUTION_ZONE, ""},
		{"10.0.0.1/u", LNT_DISTRIBUTION_ZONE, ""},
		{"10.0.0.1", LNT_DISTRIBUTION_NODE,
			"trafficDistribution has no effect: its endpoints have no hints"},
		{"10.0.0.1~z1,10.0.0.2", LNT_DISTRIBUTION_ZONE,
			"topology hints are not used: not every endpoint has some"},
		{"10.0.0.1~z2", LNT_DISTRIBUTION_ZONE,
			"topology hints are not used: no endpoint is for this node or its zone"},
		{"10.0.0.1", LNT_DISTRIBUTION_UNKNOWN,
			"trafficDistribution is not known and has no effect"},
	};
	struct fixture *f = *state;

	build_zone(f->st, "n1", "z1");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lnt_service *svc =
			build_service_new("a", "web", "10.96.0.1", "http:tcp/80,alt:tcp/81");
		char want[256] = "";

		svc->distribution = cases[i].distribution;
		build_put(f->st, svc);
		build_endpoints(
			f->st, "a", "web-1", "web", "http:tcp/80,alt:tcp/81", cases[i].endpoints);
		compile(f);
		if (*cases[i].said)
			snprintf(want, sizeof(want), "+Service a/web: %s|", cases[i].said);
		assert_string_equal(f->said, want);
		lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "web");
		lnt_store_remove(f->st, LNT_KIND_ENDPOINTSLICE, "a", "web-1");
		compile(f);
	}
}

static void bad_endpoints(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1,fd00:96::1", HTTP);
	build_slice(f->st, "a", "web-1", "web", HTTP,
		"10.0.0.1,127.0.0.1,169.254.1.1,0.0.0.0,224.0.0.1", "");
	build_slice(f->st, "a", "web-2", "web", "http:tcp/0", "10.0.0.2", "");
	/* The last one says the slice's type. */
	build_slice(f->st, "a", "web-6", "web", HTTP, "10.0.0.3,fe80::1,::1,fd00::1", "");
	build_service(f->st, "a", "other", "10.96.0.2", HTTP);
	build_slice(f->st, "a", "other-1", "other", HTTP, "192.168.7.7", "");
	compile(f);
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.1:80");
	ASSERT_TCP(f, "fd00:96::1", 80, "fd00::1:80");
	/* In no pod range: served. */
	ASSERT_TCP(f, "10.96.0.2", 80, "192.168.7.7:80");
	assert_non_null(strstr(f->said, "+Service a/web: EndpointSlice web-2: port 'http' is 0|"));
	assert_non_null(strstr(f->said,
		"+Service a/web: EndpointSlice web-1: 127.0.0.1 cannot be an IPv4 endpoint|"));
	assert_non_null(strstr(f->said,
		"+Service a/web: EndpointSlice web-6: 10.0.0.3 cannot be an IPv6 endpoint|"));
	assert_null(strstr(f->said, "a/other"));
	lnt_store_remove(f->st, LNT_KIND_ENDPOINTSLICE, "a", "web-2");
	compile(f);
	assert_string_equal(f->said, "-Service a/web: EndpointSlice web-2: port 'http' is 0|");
}

static void flapping_endpoint(void **state)
{
	struct fixture *f = *state;
	const struct lnt_backend_set *set;

	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	build_service(f->st, "a", "other", "10.96.0.2", HTTP);
	build_endpoints(f->st, "a", "web-1", "web", HTTP, "10.0.0.1,10.0.0.2");
	compile(f);
	for (int i = 0; i < 10; i++) {
		set = find(f, "10.96.0.1", IPPROTO_TCP, 80)->set;
		((struct lnt_backend_set *)set)->number = 7;
		build_endpoints(f->st, "a", "web-1", "web", HTTP,
			i & 1 ? "10.0.0.1,10.0.0.2" : "10.0.0.1/u,10.0.0.2");
		/* Its own frontend and wildcard, nobody else's. */
		assert_int_equal(compile(f), 2);
		ASSERT_TCP(f, "10.96.0.1", 80, i & 1 ? "10.0.0.1:80 10.0.0.2:80" : "10.0.0.2:80");
		assert_int_equal(find(f, "10.96.0.1", IPPROTO_TCP, 80)->set->number, 7);
	}
}

static void odd_endpoints(void **state)
{
	static const char stranger[] = "Service a/web: EndpointSlice web-1: 192.168.7.7 is in no "
				       "pod CIDR and no node's; it "
				       "is served as a machine outside|";
	struct fixture *f = *state;
	char want[256];

	build_node(f->st, "n1", "192.0.2.1", "10.0.0.0/24");
	build_node(f->st, "n2", "192.0.2.2", "10.0.1.0/24");
	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	build_service(f->st, "a", "other", "10.96.0.2", HTTP);
	build_endpoints(f->st, "a", "other-1", "other", HTTP, "10.0.0.1,10.0.1.1,192.0.2.2");
	build_endpoints(f->st, "a", "web-1", "web", HTTP, "10.0.0.1,192.168.7.7");
	compile(f);
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.1:80 192.168.7.7:80");
	snprintf(want, sizeof(want), "+%s", stranger);
	assert_string_equal(f->said, want);
	build_endpoints(f->st, "a", "web-1", "web", HTTP, "10.0.0.1");
	compile(f);
	snprintf(want, sizeof(want), "-%s", stranger);
	assert_string_equal(f->said, want);
}

static void flapping_is_said(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	build_service(f->st, "a", "other", "10.96.0.2", HTTP);
	for (int i = 0; i < 60; i++) {
		build_endpoints(f->st, "a", "web-1", "web", HTTP, i & 1 ? "10.0.0.1" : "10.0.0.2");
		compile(f);
	}
	*f->said = '\0';
	lnt_services_rest(f->t);
	assert_string_equal(
		f->said, "+Service a/web: it changes all the time: more than 50 times in 10 s|");
	*f->said = '\0';
	lnt_services_rest(f->t);
	assert_string_equal(
		f->said, "-Service a/web: it changes all the time: more than 50 times in 10 s|");
}

static void conflict(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc =
		build_service_new("a", "late", "10.96.0.1", "x:tcp/80,y:tcp/81,z:udp/80");

	svc->created = 2000;
	build_put(f->st, svc);
	build_slice(f->st, "a", "late-1", "late", "x:tcp/1,y:tcp/2,z:udp/3", "10.0.0.2", "");
	svc = build_service_new("b", "web", "10.96.0.1", "http:tcp/80,alt:tcp/81");
	svc->created = 1000;
	build_put(f->st, svc);
	build_slice(f->st, "b", "web-1", "web", "http:tcp/80,alt:tcp/81", "10.0.0.1", "");
	compile(f);
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.1:80");
	ASSERT_TCP(f, "10.96.0.1", 81, "10.0.0.1:81");
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_UDP, 80), "10.0.0.2:3");
	assert_string_equal(f->said,
		"+Service a/late: 10.96.0.1 port 80 belongs to Service b/web already; not served|");
	/* Said once. */
	build_slice(f->st, "b", "web-1", "web", "http:tcp/80,alt:tcp/81", "10.0.0.7", "");
	compile(f);
	assert_string_equal(f->said, "");

	/* The winner goes, the other gets the address. */
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "b", "web");
	compile(f);
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.2:1");
	assert_string_equal(f->said,
		"-Service a/late: 10.96.0.1 port 80 belongs to Service b/web already; not served|");
	assert_string_equal(backends(f, "10.96.0.1", 0, 0), "refused");
}

/* By age, then name; but nobody takes a cluster IP by calling it external. */
static void conflict_order(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc;

	build_service(f->st, "b", "one", "10.96.0.1", "x:tcp/80");
	build_service(f->st, "a", "two", "10.96.0.1", "x:tcp/80");
	build_slice(f->st, "a", "two-1", "two", "x:tcp/1", "10.0.0.2", "");
	svc = build_service_new("a", "thief", "10.96.0.3", "x:tcp/80");
	svc->created = -1;
	build_external_ips(svc, "10.96.0.1");
	build_put(f->st, svc);
	compile(f);
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.2:1");
	assert_non_null(
		strstr(f->said, "+Service b/one: 10.96.0.1 port 80 belongs to Service a/two "));
	assert_non_null(
		strstr(f->said, "+Service a/thief: 10.96.0.1 port 80 belongs to Service a/two "));
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "thief");
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "b", "one");
	compile(f);
	assert_non_null(strstr(f->said, "-Service b/one: "));
	assert_non_null(strstr(f->said, "-Service a/thief: "));
	ASSERT_TCP(f, "10.96.0.1", 80, "10.0.0.2:1");
}

static void health_checks(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc = build_service_new("a", "web", "10.96.0.1", HTTP);
	struct lnt_service_health *list;
	size_t n;

	build_balancer(svc, "198.51.100.7", "");
	svc->external_local = true;
	svc->health_check_port = 31000;
	build_put(f->st, svc);
	svc = build_service_new("a", "cluster", "10.96.0.2", HTTP);
	build_balancer(svc, "198.51.100.8", "");
	svc->health_check_port = 31001;
	build_put(f->st, svc);
	build_endpoints(f->st, "a", "web-1", "web", HTTP,
		"10.0.0.1@n1,10.0.0.1@n1,10.0.0.2@n1,10.0.0.3@n2,10.0.0.4/t@n1");
	compile(f);
	assert_int_equal(lnt_services_health(f->t, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].port, 31000);
	assert_string_equal(list[0].name, "web");
	assert_int_equal(list[0].local, 2);
	free(list);
}

static void changes_cost_what_changed(void **state)
{
	struct fixture *f = *state;
	char ip[32], name[16];

	for (int i = 1; i <= 50; i++) {
		snprintf(ip, sizeof(ip), "10.96.0.%d", i);
		snprintf(name, sizeof(name), "s%d", i);
		build_service(f->st, "a", name, ip, HTTP);
	}
	assert_int_equal(compile(f), 100);
	assert_int_equal(compile(f), 0);
	build_slice(f->st, "a", "s7-1", "s7", HTTP, "10.0.0.1", "");
	assert_int_equal(compile(f), 2);
	ASSERT_TCP(f, "10.96.0.7", 80, "10.0.0.1:80");
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "s7");
	assert_int_equal(compile(f), 2);
	ASSERT_TCP(f, "10.96.0.7", 80, "none");
	/* Its slice alone is nothing; with the service it counts again. */
	build_slice(f->st, "a", "s7-1", "s7", HTTP, "10.0.0.2", "");
	assert_int_equal(compile(f), 0);
	build_service(f->st, "a", "s7", "10.96.0.7", HTTP);
	assert_int_equal(compile(f), 2);
	ASSERT_TCP(f, "10.96.0.7", 80, "10.0.0.2:80");
}

static void unsettled_changes_stay(void **state)
{
	const struct lnt_service_params params = {.node_name = "n1"};
	struct fixture *f = *state;
	struct lnt_service_change *changes;
	bool whole;
	size_t n;

	build_service(f->st, "a", "web", "10.96.0.1", HTTP);
	assert_int_equal(lnt_services_update(f->t, f->st, &params, NULL), 0);
	build_service(f->st, "a", "alt", "10.96.0.2", HTTP);
	assert_int_equal(lnt_services_update(f->t, f->st, &params, NULL), 0);
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "web");
	assert_int_equal(lnt_services_update(f->t, f->st, &params, NULL), 0);
	assert_int_equal(lnt_services_changes(f->t, &changes, &n, &whole), 0);
	assert_true(whole);
	assert_int_equal(n, 4);
	assert_int_equal(
		!!changes[0].want + !!changes[1].want + !!changes[2].want + !!changes[3].want, 2);
	free(changes);
	lnt_services_settle(f->t);
	assert_int_equal(lnt_services_changes(f->t, &changes, &n, &whole), 0);
	assert_false(whole);
	assert_int_equal(n, 0);
	free(changes);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ready_only),
		T(no_backends),
		T(headless),
		T(several_slices),
		T(port_names),
		T(one_name_two_numbers),
		T(both_families),
		T(wildcard),
		T(node_port),
		T(reservation),
		T(external_and_balancer),
		T(not_ours),
		T(choice_of_endpoints),
		T(zone_changes),
		T(hints_are_not_ignored_silently),
		T(bad_endpoints),
		T(flapping_endpoint),
		T(odd_endpoints),
		T(flapping_is_said),
		T(conflict),
		T(conflict_order),
		T(health_checks),
		T(changes_cost_what_changed),
		T(unsettled_changes_stay),
	};

	return cmocka_run_group_tests_name("compile services", tests, NULL, NULL);
}
