/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which backends the node's stack answers for. The node: eth0 (192.0.2.10) is linnet's device and
 * has the default route, side (203.0.113.1) is not; pods' CIDR leads to side too.
 */
#include "agent/stack_backends.h"
#include "tests/unit/build.h"

#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	struct lnt_store *st;
	struct lnt_services *t;
	struct lnt_stack_backends b;
	struct lnt_nl *nl;
	struct lnt_node_devices devices;
};

static void on_change(void *ctx, const struct lnt_meta *obj, bool removed)
{
	struct fixture *f = ctx;

	if (obj->kind == LNT_KIND_SERVICE)
		lnt_services_touch(f->t, obj->ns, obj->name);
	else if (obj->kind == LNT_KIND_ENDPOINTSLICE)
		lnt_services_touch(f->t, obj->ns, ((const struct lnt_endpointslice *)obj)->service);
}

static void place(struct fixture *f)
{
	const struct lnt_prefix cidrs[] = {
		build_prefix("10.1.0.0/24"), build_prefix("10.1.1.0/24")};

	assert_int_equal(lnt_stack_backends_place(&f->b, cidrs, ARRAY_SIZE(cidrs), NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->t = lnt_services_new(NULL, NULL);
	f->st = lnt_store_new(on_change, f);
	assert_int_equal(lnt_nl_open(-1, NULL, &f->nl), 0);
	f->devices.n = 1;
	f->devices.links[0].ifindex = if_nametoindex("eth0");
	place(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_stack_backends_clear(&f->b);
	lnt_services_free(f->t);
	lnt_store_free(f->st);
	lnt_nl_close(f->nl);
	free(f);
	return lnt_intern_count() ? -1 : 0;
}

/* As a turn of the agent has it. */
static bool any(struct fixture *f)
{
	const struct lnt_nodeport_addr addr = {.addr = build_addr("192.0.2.10")};
	const struct lnt_service_params params = {.node_name = "n1", .addrs = &addr, .n_addrs = 1};
	struct lnt_service_change *changes;
	bool whole;
	size_t n;

	assert_int_equal(lnt_services_update(f->t, f->st, &params, NULL), 0);
	assert_int_equal(lnt_services_changes(f->t, &changes, &n, &whole), 0);
	assert_int_equal(
		lnt_stack_backends_update(&f->b, f->nl, &f->devices, f->t, changes, n, NULL), 0);
	free(changes);
	lnt_services_settle(f->t);
	return lnt_stack_backends_any(&f->b);
}

static void service(struct fixture *f, const char *name, const char *ip, const char *backends)
{
	struct lnt_service *svc = build_service_new("a", name, ip, "h:tcp/80@30080");

	svc->type = LNT_SERVICE_NODE_PORT;
	build_put(f->st, svc);
	build_endpoints(f->st, "a", name, name, "h:tcp/80", backends);
}

static void where(void **state)
{
	static const struct {
		const char *backends;
		bool any;
	} cases[] = {
		{"", false},
		{"10.1.0.1", false},	 /* a pod */
		{"10.1.1.255", false},	 /* a pod of another node */
		{"192.0.2.20", false},	 /* another node */
		{"198.51.100.1", false}, /* the world */
		{"192.0.2.10", true},	 /* this node */
		{"203.0.113.1", true},	 /* this node, by its other address */
		{"203.0.113.5", true},	 /* behind it */
		{"10.1.2.1", true},	 /* in no pod CIDR any more */
		{"240.0.0.1", false},	 /* no route */
		{"10.1.0.1,192.0.2.20,192.0.2.10", true},
		{"10.1.0.1,192.0.2.20", false},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		service(f, "web", "10.96.0.1", cases[i].backends);
		if (any(f) != cases[i].any)
			fail_msg("%s", cases[i].backends);
		/* Nothing has changed. */
		assert_int_equal(any(f), cases[i].any);
		/* All are looked at again. */
		place(f);
		assert_int_equal(any(f), cases[i].any);
	}
}

/* The node's own SCTP is translated in to_node, whoever has the backends; there may be none. */
static void sctp(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1", "h:tcp/80,s:sctp/80");
	assert_true(any(f));
	build_endpoints(f->st, "a", "web", "web", "h:tcp/80,s:sctp/80", "10.1.0.1");
	assert_true(any(f));
	build_service(f->st, "a", "web", "10.96.0.1", "h:tcp/80");
	assert_false(any(f));
}

/* A service that is for the inside only needs nothing. */
static void inside(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "web", "10.96.0.1", "h:tcp/80@30080");
	build_endpoints(f->st, "a", "web", "web", "h:tcp/80", "192.0.2.10");
	assert_false(any(f));
	service(f, "web", "10.96.0.1", "192.0.2.10");
	assert_true(any(f));
	build_service(f->st, "a", "web", "10.96.0.1", "h:tcp/80@30080");
	assert_false(any(f));
}

static void last_goes(void **state)
{
	struct fixture *f = *state;
	struct lnt_service *svc = build_service_new("a", "two", "10.96.0.2", "h:tcp/80");

	service(f, "web", "10.96.0.1", "192.0.2.10");
	build_external_ips(svc, "198.51.100.9");
	build_put(f->st, svc);
	build_endpoints(f->st, "a", "two", "two", "h:tcp/80", "203.0.113.5");
	assert_true(any(f));
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "web");
	assert_true(any(f));
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "two");
	assert_false(any(f));
}

/* A machine that moves behind a device of linnet's. */
static void route_moves(void **state)
{
	struct fixture *f = *state;

	service(f, "web", "10.96.0.1", "203.0.113.77");
	assert_true(any(f));
	assert_int_equal(system("ip route add 203.0.113.77 via 192.0.2.20"), 0);
	assert_true(any(f));
	place(f);
	assert_false(any(f));
	assert_int_equal(system("ip route del 203.0.113.77"), 0);
	place(f);
	assert_true(any(f));
}

static int enter(void **state)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	return system("set -e; ip link set lo up;"
		      "for d in eth0 side; do ip link add $d type veth peer name $d-far;"
		      "  ip link set $d-far up; ip link set $d up; done;"
		      "ip addr add 192.0.2.10/24 dev eth0; ip addr add 203.0.113.1/24 dev side;"
		      "ip route add default via 192.0.2.1; ip route add 10.1.0.0/16 dev side;"
		      "ip route add unreachable 240.0.0.0/4");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(where), T(sctp), T(inside), T(last_goes), T(route_moves)};

	return cmocka_run_group_tests(tests, enter, NULL);
}
