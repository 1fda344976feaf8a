/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink and namespaces against the running kernel, in two namespaces of the test's own. */
#include "lib/netlink.h"
#include "lib/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct fixture {
	struct lnt_nl *node, *pod;
	int pod_ns;
	struct lnt_link host;
};

static const uint8_t host_mac[6] = {2, 0, 0, 0, 0, 1}, pod_mac[6] = {2, 0, 0, 0, 0, 2};

static struct in6_addr ip(const char *s)
{
	struct in6_addr a;

	assert_int_equal(lnt_addr_parse(s, &a), 0);
	return a;
}

static struct lnt_prefix net(const char *s)
{
	struct lnt_prefix p;

	assert_int_equal(lnt_prefix_parse(s, &p), 0);
	return p;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct lnt_err e = {};
	struct lnt_veth veth = {.name = "a", .peer_name = "b", .mtu = 1400};

	assert_non_null(f);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(lnt_netns_open("/proc/thread-self/ns/net", &e, &f->pod_ns), 0);
	assert_true(lnt_netns_is_current(f->pod_ns));
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_false(lnt_netns_is_current(f->pod_ns));
	assert_int_equal(lnt_nl_open(-1, &e, &f->node), 0);
	assert_int_equal(lnt_nl_open(f->pod_ns, &e, &f->pod), 0);
	assert_false(lnt_netns_is_current(f->pod_ns));
	veth.peer_netns = f->pod_ns;
	memcpy(veth.mac, host_mac, 6);
	memcpy(veth.peer_mac, pod_mac, 6);
	assert_int_equal(lnt_veth_create(f->node, &veth, &e, &f->host), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_nl_close(f->node);
	lnt_nl_close(f->pod);
	close(f->pod_ns);
	free(f);
	return 0;
}

static void veth_made_in_the_other_namespace(void **state)
{
	struct fixture *f = *state;
	struct lnt_link far;
	struct lnt_err e = {};

	assert_int_equal(lnt_link_get(f->pod, "b", 0, &e, &far), 0);
	assert_int_equal(far.ifindex, f->host.peer_ifindex);
	assert_int_equal(far.peer_ifindex, f->host.ifindex);
	assert_memory_equal(far.mac, pod_mac, 6);
	assert_memory_equal(f->host.mac, host_mac, 6);
	assert_int_equal(far.mtu, 1400);
	assert_int_equal(f->host.mtu, 1400);
	assert_string_equal(far.kind, "veth");
	assert_int_equal(far.flags & IFF_UP, 0);
	assert_true(far.peer_netnsid >= 0);
}

static void veth_name_that_is_taken_is_refused(void **state)
{
	struct fixture *f = *state;
	struct lnt_veth veth = {.name = "a", .peer_name = "c", .peer_netns = f->pod_ns};
	struct lnt_link link;
	struct lnt_err e = {};

	memcpy(veth.mac, host_mac, 6);
	memcpy(veth.peer_mac, pod_mac, 6);
	assert_int_equal(lnt_veth_create(f->node, &veth, &e, &link), -EEXIST);
	veth.name = "x";
	veth.peer_name = "b";
	assert_int_equal(lnt_veth_create(f->node, &veth, NULL, &link), -EEXIST);
	assert_int_equal(lnt_link_get(f->node, "x", 0, NULL, &link), -ENODEV);
}

static void absent_link_is_named_in_the_error(void **state)
{
	struct fixture *f = *state;
	struct lnt_err e = {};
	struct lnt_link link;

	assert_int_equal(lnt_link_get(f->node, "nowhere", 0, &e, &link), -ENODEV);
	assert_non_null(strstr(e.msg, "nowhere"));
	assert_int_equal(lnt_link_del(f->node, "nowhere", NULL), -ENODEV);
	assert_int_equal(lnt_link_get(f->node, NULL, f->host.ifindex, NULL, &link), 0);
	assert_string_equal(link.name, "a");
}

static void batch_applies_in_order(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ struct lnt_ifaddr *addrs = NULL;
	_cleanup_free_ struct lnt_route *routes = NULL;
	struct in6_addr v4 = ip("10.0.0.1"), v6 = ip("fd00::1"), gw = ip("10.0.0.9");
	struct lnt_route r = {.dst = net("10.1.0.0/16"), .gw = gw, .has_gw = true, .onlink = true};
	struct lnt_err e = {};
	size_t n;

	r.oif = f->host.ifindex;
	r.protocol = LNT_RTPROT;
	r.mtu = 1300;
	lnt_nl_batch(f->node);
	assert_int_equal(lnt_link_set_routed(f->node, r.oif, &e), 0);
	assert_int_equal(lnt_link_set_up(f->node, r.oif, &e), 0);
	assert_int_equal(lnt_addr_add(f->node, r.oif, &v4, 32, &e), 0);
	assert_int_equal(lnt_addr_add(f->node, r.oif, &v6, 128, &e), 0);
	assert_int_equal(lnt_neigh_set(f->node, r.oif, &gw, pod_mac, &e), 0);
	assert_int_equal(lnt_route_add(f->node, &r, &e), 0);
	assert_int_equal(lnt_nl_flush(f->node, &e), 0);

	assert_int_equal(lnt_addr_dump(f->node, r.oif, &e, &addrs, &n), 0);
	assert_int_equal(n, 2); /* and no link-local one */
	assert_memory_equal(&addrs[0].addr, &v4, 16);
	assert_memory_equal(&addrs[1].addr, &v6, 16);
	assert_int_equal(lnt_route_dump(f->node, AF_INET, LNT_RTPROT, &e, &routes, &n), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(&routes[0].dst, &r.dst, sizeof(r.dst));
	assert_true(routes[0].has_gw && routes[0].onlink);
	assert_memory_equal(&routes[0].gw, &gw, 16);
	assert_int_equal(routes[0].mtu, 1300);
	assert_int_equal(routes[0].oif, f->host.ifindex);
}

static void batch_goes_on_after_a_failure_and_reports_it(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ struct lnt_ifaddr *addrs = NULL;
	struct lnt_err e = {};
	size_t n = 0;

	lnt_nl_batch(f->node);
	for (unsigned i = 0; i < 200; i++) { /* more than one send */
		struct in6_addr a = ip("10.9.0.0");

		a.s6_addr[15] = i == 7 ? 6 : (uint8_t)i;
		lnt_addr_add(f->node, f->host.ifindex, &a, 32, &e);
	}
	assert_int_equal(lnt_nl_flush(f->node, &e), -EEXIST);
	assert_non_null(strstr(e.msg, "add address 10.9.0.6"));
	assert_int_equal(lnt_addr_dump(f->node, 0, NULL, &addrs, &n), 0);
	assert_int_equal(n, 199);
}

static void routes_of_others_are_not_listed(void **state)
{
	struct fixture *f = *state;
	struct lnt_route r = {
		.dst = net("fd01::/64"), .protocol = RTPROT_STATIC, .type = RTN_BLACKHOLE};
	_cleanup_free_ struct lnt_route *routes = NULL, *all = NULL;
	size_t n;

	assert_int_equal(lnt_route_dump(f->node, AF_INET, 0, NULL, &routes, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(lnt_route_add(f->node, &r, NULL), 0);
	assert_int_equal(lnt_route_add(f->node, &r, NULL), -EEXIST);
	assert_int_equal(lnt_route_replace(f->node, &r, NULL), 0);
	free(routes);
	routes = NULL;
	assert_int_equal(lnt_route_dump(f->node, AF_INET6, LNT_RTPROT, NULL, &routes, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(lnt_route_dump(f->node, AF_INET6, RTPROT_STATIC, NULL, &all, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(all[0].type, RTN_BLACKHOLE);
	assert_int_equal(lnt_route_del(f->node, &r, NULL), 0);
	assert_int_equal(lnt_route_del(f->node, &r, NULL), -ESRCH);
}

static void default_route_keeps_its_family(void **state)
{
	struct fixture *f = *state;
	struct lnt_route r = {
		.dst = net("0.0.0.0/0"), .scope = RT_SCOPE_LINK, .protocol = LNT_RTPROT};
	_cleanup_free_ struct lnt_route *routes = NULL;
	size_t n;

	r.oif = f->host.ifindex;
	assert_int_equal(lnt_link_set_up(f->node, r.oif, NULL), 0);
	assert_int_equal(lnt_route_add(f->node, &r, NULL), 0);
	assert_int_equal(lnt_route_dump(f->node, AF_INET, LNT_RTPROT, NULL, &routes, &n), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(&routes[0].dst, &r.dst, sizeof(r.dst));
	assert_int_equal(routes[0].scope, RT_SCOPE_LINK);
}

static void link_dump_lists_every_device(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ struct lnt_link *links = NULL;
	bool seen = false;
	size_t n;

	assert_int_equal(lnt_link_dump(f->node, NULL, &links, &n), 0);
	for (size_t i = 0; i < n; i++)
		seen |= !strcmp(links[i].name, "a") && links[i].ifindex == f->host.ifindex;
	assert_true(seen);
	assert_int_equal(lnt_link_del(f->node, "a", NULL), 0);
	assert_int_equal(lnt_link_get(f->node, "a", 0, NULL, &links[0]), -ENODEV);
}

static void netns_refuses_what_is_none(void **state)
{
	struct lnt_err e = {};
	int fd = -1;

	assert_int_equal(lnt_netns_open("/nowhere", NULL, &fd), -ENOENT);
	assert_int_equal(lnt_netns_open("/dev/null", &e, &fd), -EINVAL);
	assert_int_equal(lnt_netns_open("/proc/self/ns/mnt", NULL, &fd), -EINVAL);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(e.msg, "is not a network namespace"));
}

static void netns_scope_comes_back(void **state)
{
	struct fixture *f = *state;

	{
		_cleanup_netns_ int home = -1;

		assert_int_equal(lnt_netns_enter(f->pod_ns, &home), 0);
		assert_true(lnt_netns_is_current(f->pod_ns));
	}
	assert_false(lnt_netns_is_current(f->pod_ns));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(veth_made_in_the_other_namespace),
		T(veth_name_that_is_taken_is_refused),
		T(absent_link_is_named_in_the_error),
		T(batch_applies_in_order),
		T(batch_goes_on_after_a_failure_and_reports_it),
		T(routes_of_others_are_not_listed),
		T(default_route_keeps_its_family),
		T(link_dump_lists_every_device),
		T(netns_refuses_what_is_none),
		T(netns_scope_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
