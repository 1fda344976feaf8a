/* SPDX-License-Identifier: Apache-2.0 */
/* Services that are returned directly: which frontends say so, and what other nodes may carry. */
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
	char said[512];
};

#define NODE1	"192.0.2.101" /* the node's by its object */
#define NODE6	"2001:db8::101"
#define UNKNOWN "192.0.2.201" /* on a device, and in no object */
#define HTTP	"http:tcp/80@30080"
#define DSR	(LNT_SVC_EXTERNAL | LNT_SVC_DSR)

static void on_say(void *ctx, const struct lnt_notice *n, bool gone)
{
	struct fixture *f = ctx;
	size_t len = strlen(f->said);

	snprintf(f->said + len, sizeof(f->said) - len, "%c%s|", gone ? '-' : '+', n->text);
}

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
	if (!f->st || !f->t)
		return -1;
	build_node(f->st, "n1", NODE1 "," NODE6, "");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_services_free(f->t);
	lnt_store_free(f->st);
	free(f);
	return lnt_intern_count() ? -1 : 0;
}

/* @dsr: the agent's option. */
static void compile(struct fixture *f, bool dsr)
{
	const struct lnt_nodeport_addr addrs[] = {
		{.addr = build_addr("127.0.0.1"), .host_only = true},
		{.addr = build_addr(NODE1)},
		{.addr = build_addr(NODE6)},
		{.addr = build_addr(UNKNOWN)},
	};
	const struct lnt_service_params params = {
		.node_name = "n1", .addrs = addrs, .n_addrs = ARRAY_SIZE(addrs), .dsr = dsr};
	struct lnt_err e = {};

	f->said[0] = '\0';
	assert_int_equal(lnt_services_update(f->t, f->st, &params, &e), 0);
	lnt_services_settle(f->t);
}

static const struct lnt_frontend *find(const struct fixture *f, const char *ip, uint16_t port,
	uint8_t proto, enum lnt_frontend_kind kind)
{
	const struct lnt_service_key key = {
		.addr = build_addr(ip), .port = htons(port), .proto = proto, .kind = (__u8)kind};

	return lnt_services_find(f->t, &key);
}

static uint32_t flags(const struct fixture *f, const char *ip, uint16_t port)
{
	const struct lnt_frontend *fe = find(f, ip, port, IPPROTO_TCP, LNT_FRONTEND_ASKED);

	assert_non_null(fe);
	return fe->flags;
}

/* "10.0.0.1:80 ..." that may be carried to; "none" when nothing may. */
static const char *carried(const struct fixture *f, const char *ip, uint16_t port)
{
	const struct lnt_frontend *fe = find(f, ip, port, IPPROTO_TCP, LNT_FRONTEND_CARRIED);
	static char text[512];
	char addr[LNT_ADDRSTRLEN];
	size_t len = 0;

	if (!fe)
		return "none";
	assert_true(fe->set->carried && !fe->ext_set);
	text[0] = '\0';
	for (uint32_t i = 0; i < fe->set->n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s:%u", i ? " " : "",
			lnt_addr_str(&fe->set->backends[i].addr, addr),
			ntohs(fe->set->backends[i].port));
	return text;
}

static struct lnt_service *service(const char *ports, enum lnt_forwarding forwarding)
{
	struct lnt_service *svc = build_service_new("a", "web", "10.96.0.1,fd00:96::1", ports);

	svc->type = LNT_SERVICE_LOAD_BALANCER;
	svc->forwarding = forwarding;
	return svc;
}

static void endpoints(struct fixture *f)
{
	build_endpoints(f->st, "a", "web-4", "web", "http:tcp/8080",
		"10.0.0.1@n1,10.0.0.2@n2,10.0.0.3/u@n1,10.0.0.4/t@n1,10.0.0.5/x@n1,10.0.0.6");
	build_endpoints(f->st, "a", "web-6", "web", "http:tcp/8080", "fd00::1@n1,fd00::2@n2");
}

/* Nothing but the option or the annotation turns it on. */
static void asked_for(void **state)
{
	struct fixture *f = *state;
	const enum lnt_forwarding modes[] = {
		LNT_FORWARDING_DEFAULT, LNT_FORWARDING_SNAT, LNT_FORWARDING_DSR};

	endpoints(f);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		build_put(f->st, service(HTTP, modes[i]));
		for (int option = 0; option < 2; option++) {
			bool dsr = modes[i] == LNT_FORWARDING_DSR ||
				(modes[i] == LNT_FORWARDING_DEFAULT && option);

			compile(f, option);
			assert_int_equal(flags(f, NODE1, 30080), dsr ? DSR : LNT_SVC_EXTERNAL);
			assert_string_equal(carried(f, "0.0.0.0", 30080),
				dsr ? "10.0.0.1:8080 10.0.0.3:8080 10.0.0.4:8080 10.0.0.5:8080"
				    : "none");
			assert_string_equal(carried(f, "::", 30080), dsr ? "fd00::1:8080" : "none");
		}
	}
	assert_string_equal(f->said, "");
}

static void node_ports(void **state)
{
	struct fixture *f = *state;

	endpoints(f);
	build_put(f->st, service(HTTP, LNT_FORWARDING_DSR));
	compile(f, false);
	assert_int_equal(flags(f, NODE6, 30080), DSR);
	assert_int_equal(flags(f, "127.0.0.1", 30080), LNT_SVC_HOST_ONLY);
	assert_int_equal(flags(f, "10.96.0.1", 80), 0);
	/* An address that no other node could believe to be a node's, until its object has it. */
	assert_int_equal(flags(f, UNKNOWN, 30080), LNT_SVC_EXTERNAL);
	build_node(f->st, "n1", UNKNOWN, "");
	compile(f, false);
	assert_int_equal(flags(f, UNKNOWN, 30080), DSR);
	assert_int_equal(flags(f, NODE1, 30080), LNT_SVC_EXTERNAL);
	assert_null(find(f, "0.0.0.0", 30080, IPPROTO_TCP, LNT_FRONTEND_ASKED));
}

static void addresses(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc = service(HTTP, LNT_FORWARDING_DSR);
	const struct lnt_frontend *fe;

	build_external_ips(svc, "198.51.100.1,2001:db8:1::1,127.0.0.1");
	build_balancer(svc, "198.51.100.7", "203.0.113.0/24,2001:db8:2::/64");
	build_put(f->st, svc);
	endpoints(f);
	compile(f, false);
	assert_int_equal(flags(f, "198.51.100.1", 80), DSR);
	assert_int_equal(flags(f, "198.51.100.7", 80), DSR | LNT_SVC_RANGES);
	fe = find(f, "198.51.100.1", 80, IPPROTO_TCP, LNT_FRONTEND_CARRIED);
	assert_int_equal(fe->flags, 0);
	fe = find(f, "198.51.100.7", 80, IPPROTO_TCP, LNT_FRONTEND_CARRIED);
	assert_int_equal(fe->flags, LNT_SVC_RANGES);
	assert_int_equal(fe->set->n_ranges, 1);
	assert_string_equal(carried(f, "2001:db8:1::1", 80), "fd00::1:8080");
	assert_string_equal(carried(f, "127.0.0.1", 80), "none");
	assert_string_equal(carried(f, "10.96.0.1", 80), "none");
}

/* What has no need of it, or no way. */
static void not_for(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc = service(HTTP, LNT_FORWARDING_DSR);

	endpoints(f);
	svc->external_local = true;
	build_put(f->st, svc);
	compile(f, true);
	assert_int_equal(flags(f, NODE1, 30080), LNT_SVC_EXTERNAL | LNT_SVC_LOCAL);
	assert_string_equal(carried(f, "0.0.0.0", 30080), "none");
	svc = service("http:sctp/80@30080", LNT_FORWARDING_DSR);
	build_put(f->st, svc);
	compile(f, true);
	assert_int_equal(
		find(f, NODE1, 30080, IPPROTO_SCTP, LNT_FRONTEND_ASKED)->flags, LNT_SVC_EXTERNAL);
	assert_null(find(f, "0.0.0.0", 30080, IPPROTO_SCTP, LNT_FRONTEND_CARRIED));
	assert_string_equal(
		f->said, "+port 'http' is source-translated: SCTP has no direct return|");
	svc = service(HTTP, LNT_FORWARDING_DSR);
	svc->type = LNT_SERVICE_CLUSTER_IP;
	build_put(f->st, svc);
	compile(f, true);
	assert_string_equal(carried(f, "0.0.0.0", 30080), "none");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(asked_for, setup, teardown),
	cmocka_unit_test_setup_teardown(node_ports, setup, teardown),
	cmocka_unit_test_setup_teardown(addresses, setup, teardown),
	cmocka_unit_test_setup_teardown(not_for, setup, teardown),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
