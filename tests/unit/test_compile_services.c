/* SPDX-License-Identifier: Apache-2.0 */
/* Services and slices to frontends and backends. */
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
	struct lnt_service_state s;
	char conflicts[512];
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

	lnt_service_state_clear(&f->s);
	lnt_store_free(f->st);
	free(f);
	return 0;
}

static void on_conflict(
	void *ctx, const struct lnt_service *loser, const struct lnt_service *winner)
{
	struct fixture *f = ctx;
	size_t len = strlen(f->conflicts);

	snprintf(f->conflicts + len, sizeof(f->conflicts) - len, "%s/%s<%s/%s ", loser->meta.ns,
		loser->meta.name, winner->meta.ns, winner->meta.name);
}

static void compile(struct fixture *f)
{
	struct lnt_err e = {};

	lnt_service_state_clear(&f->s);
	f->conflicts[0] = '\0';
	assert_int_equal(lnt_compile_services(f->st, &e, on_conflict, f, &f->s), 0);
	for (size_t i = 1; i < f->s.n_frontends; i++)
		assert_true(memcmp(&f->s.frontends[i - 1].key, &f->s.frontends[i].key,
				    sizeof(f->s.frontends[i].key)) < 0);
}

/* "10.0.0.1:80 10.0.0.2:80" of a frontend; "none" when there is no such frontend. */
static const char *backends(const struct fixture *f, const char *ip, uint8_t proto, uint16_t port)
{
	static char text[1024];
	struct in6_addr want = build_addr(ip);
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < f->s.n_frontends; i++) {
		const struct lnt_frontend *fe = &f->s.frontends[i];

		if (memcmp(&fe->key.addr, &want, sizeof(want)) != 0 || fe->key.proto != proto ||
			fe->key.port != htons(port))
			continue;
		for (size_t k = 0; k < fe->n_backends; k++) {
			const struct lnt_backend_value *b = &f->s.backends[fe->first_backend + k];
			char addr[LNT_ADDRSTRLEN];

			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s:%u",
				k ? " " : "", lnt_addr_str(&b->addr, addr), ntohs(b->port));
		}
		return text;
	}
	return "none";
}

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
	assert_int_equal(f->s.n_frontends, 2);
	assert_int_equal(f->s.n_backends, 0);
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_TCP, 80), "");
	assert_string_equal(backends(f, "10.96.0.2", IPPROTO_TCP, 80), "");
}

static void headless(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "a", "db", "", HTTP);
	build_slice(f->st, "a", "db-1", "db", HTTP, "10.0.0.1", "");
	compile(f);
	assert_int_equal(f->s.n_frontends, 0);
	assert_int_equal(f->s.n_backends, 0);
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
	assert_int_equal(f->s.n_backends, 3);
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

static void conflict(void **state)
{
	struct fixture *f = *state;

	build_service(f->st, "b", "late", "10.96.0.1", "x:tcp/80,y:tcp/81,z:udp/80");
	build_slice(f->st, "b", "late-1", "late", "x:tcp/1,y:tcp/2,z:udp/3", "10.0.0.2", "");
	build_service(f->st, "a", "web", "10.96.0.1", "http:tcp/80,alt:tcp/81");
	build_slice(f->st, "a", "web-1", "web", "http:tcp/80,alt:tcp/81", "10.0.0.1", "");
	compile(f);
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_TCP, 80), "10.0.0.1:80");
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_TCP, 81), "10.0.0.1:81");
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_UDP, 80), "10.0.0.2:3");
	assert_string_equal(f->conflicts, "b/late<a/web ");

	/* The winner goes, the other gets the address. */
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "web");
	compile(f);
	assert_string_equal(backends(f, "10.96.0.1", IPPROTO_TCP, 80), "10.0.0.2:1");
	assert_string_equal(f->conflicts, "");
}

static void nothing(void **state)
{
	struct fixture *f = *state;

	compile(f);
	assert_int_equal(f->s.n_frontends, 0);
	assert_null(f->s.frontends);
	assert_int_equal(lnt_compile_services(f->st, NULL, NULL, NULL, &f->s), 0);
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
		T(conflict),
		T(nothing),
	};

	return cmocka_run_group_tests_name("compile services", tests, NULL, NULL);
}
