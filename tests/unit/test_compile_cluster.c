/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes to routes and ranges. */
#include "agent/compile/compile.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct lnt_store *st;
	struct lnt_cluster_state s;
	char text[1024];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->st = lnt_store_new(NULL, NULL);
	*state = f;
	return f->st ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_cluster_state_clear(&f->s);
	lnt_store_free(f->st);
	free(f);
	return 0;
}

static void compile(struct fixture *f, const char *node)
{
	struct lnt_err e = {};

	lnt_cluster_state_clear(&f->s);
	assert_int_equal(lnt_compile_cluster(f->st, node, &e, &f->s), 0);
}

/* "10.1.1.0/24 via 192.0.2.2, ..." */
static const char *routes(struct fixture *f)
{
	char dst[LNT_PREFIXSTRLEN], gw[LNT_ADDRSTRLEN];
	size_t len = 0;

	f->text[0] = '\0';
	for (size_t i = 0; i < f->s.n_routes; i++)
		len += (size_t)snprintf(f->text + len, sizeof(f->text) - len, "%s%s via %s",
			i ? ", " : "", lnt_prefix_str(&f->s.routes[i].dst, dst),
			lnt_addr_str(&f->s.routes[i].gateway, gw));
	return f->text;
}

static const char *cidrs(struct fixture *f)
{
	char dst[LNT_PREFIXSTRLEN];
	size_t len = 0;

	f->text[0] = '\0';
	for (size_t i = 0; i < f->s.n_cluster_cidrs; i++)
		len += (size_t)snprintf(f->text + len, sizeof(f->text) - len, "%s%s", i ? " " : "",
			lnt_prefix_str(&f->s.cluster_cidrs[i], dst));
	return f->text;
}

static void dual_stack(void **state)
{
	struct fixture *f = *state;
	char buf[LNT_PREFIXSTRLEN];

	build_node(f->st, "n3", "192.0.2.3,2001:db8::3", "10.1.3.0/24,fd00:3::/64");
	build_node(f->st, "n1", "192.0.2.1,2001:db8::1", "10.1.1.0/24,fd00:1::/64");
	build_node(f->st, "n2", "192.0.2.2,2001:db8::2", "10.1.2.0/24,fd00:2::/64");
	compile(f, "n1");
	assert_string_equal(routes(f),
		"10.1.2.0/24 via 192.0.2.2, 10.1.3.0/24 via 192.0.2.3, "
		"fd00:2::/64 via 2001:db8::2, fd00:3::/64 via 2001:db8::3");
	assert_string_equal(cidrs(f),
		"10.1.1.0/24 10.1.2.0/24 10.1.3.0/24 "
		"fd00:1::/64 fd00:2::/64 fd00:3::/64");
	assert_int_equal(f->s.n_own_cidrs, 2);
	assert_string_equal(lnt_prefix_str(&f->s.own_cidrs[0], buf), "10.1.1.0/24");
	assert_string_equal(lnt_prefix_str(&f->s.own_cidrs[1], buf), "fd00:1::/64");
	assert_int_equal(f->s.n_own_addrs, 2);
	assert_string_equal(lnt_addr_str(&f->s.own_addrs[0], buf), "192.0.2.1");
}

static void missing_family(void **state)
{
	struct fixture *f = *state;

	build_node(f->st, "n1", "192.0.2.1", "10.1.1.0/24");
	build_node(f->st, "n2", "192.0.2.2", "10.1.2.0/24,fd00:2::/64");
	build_node(f->st, "n3", "2001:db8::3", "10.1.3.0/24,fd00:3::/64");
	build_node(f->st, "n4", "192.0.2.4", "");
	compile(f, "n1");
	assert_string_equal(routes(f), "10.1.2.0/24 via 192.0.2.2, fd00:3::/64 via 2001:db8::3");
	assert_string_equal(
		cidrs(f), "10.1.1.0/24 10.1.2.0/24 10.1.3.0/24 fd00:2::/64 fd00:3::/64");
}

static void own_node_missing(void **state)
{
	struct fixture *f = *state;

	build_node(f->st, "n2", "192.0.2.2", "10.1.2.0/24");
	compile(f, "n1");
	assert_string_equal(routes(f), "10.1.2.0/24 via 192.0.2.2");
	assert_int_equal(f->s.n_own_cidrs, 0);
	assert_int_equal(f->s.n_own_addrs, 0);
}

static void claimed_twice(void **state)
{
	struct fixture *f = *state;

	build_node(f->st, "n4", "192.0.2.4", "10.1.9.0/24");
	build_node(f->st, "n1", "192.0.2.1", "10.1.1.0/24");
	build_node(f->st, "n0", "192.0.2.9", "10.1.1.0/24");
	build_node(f->st, "n3", "192.0.2.3", "10.1.9.0/24");
	compile(f, "n1");
	assert_string_equal(routes(f), "10.1.9.0/24 via 192.0.2.3");
	assert_string_equal(cidrs(f), "10.1.1.0/24 10.1.9.0/24");
}

static void nothing(void **state)
{
	struct fixture *f = *state;

	compile(f, "n1");
	assert_int_equal(f->s.n_routes, 0);
	assert_int_equal(f->s.n_cluster_cidrs, 0);
	assert_null(f->s.routes);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(dual_stack),
		T(missing_family),
		T(own_node_missing),
		T(claimed_twice),
		T(nothing),
	};

	return cmocka_run_group_tests_name("compile cluster", tests, NULL, NULL);
}
