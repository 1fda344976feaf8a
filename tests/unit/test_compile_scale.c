/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a full compile costs in large clusters: printed, not asserted. A node with 110 of 10,000
 * pods in 1,000 namespaces, 1,000 policies; 30,000 services.
 */
#include "agent/compile/compile.h"
#include "tests/unit/build.h"
#include "tests/unit/verdict.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PODS	   10000
#define NAMESPACES 1000
#define POLICIES   1000
#define NODES	   100
#define LOCAL	   110

enum shape {
	SPREAD,	 /* a policy a namespace: from its own pods and from monitoring */
	GLOBAL,	 /* every policy allows all namespaces, ports as ranges */
	ONE_NS,	 /* all pods and policies in one namespace, a label value each */
	NEGATIVE /* as SPREAD, every selector with NotIn only */
};
static const char *const shape_name[] = {"spread", "global", "one namespace", "negative"};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static size_t heap(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static const char *ns_name(enum shape shape, unsigned i, char buf[static 16])
{
	snprintf(buf, 16, "ns-%u", shape == ONE_NS ? 0 : i % NAMESPACES);
	return buf;
}

static void put_pods(struct lnt_store *st, enum shape shape, struct lnt_endpoint *eps)
{
	char ns[16], name[32], labels[160], addr[32];

	for (unsigned i = 0; i < NAMESPACES; i++) {
		snprintf(labels, sizeof(labels), "kubernetes.io/metadata.name=ns-%u,team=t%u", i,
			i % 20);
		build_ns(st, ns_name(SPREAD, i, ns), labels);
	}
	for (unsigned i = 0; i < PODS; i++) {
		snprintf(name, sizeof(name), "app-%u-6d4cf56db6-%05u", i / 10, i);
		snprintf(labels, sizeof(labels),
			"app.kubernetes.io/name=app-%u,app.kubernetes.io/component=c%u,"
			"pod-template-hash=6d4cf%u,app=app-%u,tier=t%u",
			i / 10, i / 10 % 7, i / 10, i / 10, i / 10 % 3);
		snprintf(addr, sizeof(addr), "10.%u.%u.%u", 1 + i / 65000, i / 250, 1 + i % 250);
		build_put_pod(st, ns_name(shape, i / 10, ns), name, labels, addr);
		if (i % (PODS / LOCAL) == 0 && i / (PODS / LOCAL) < LOCAL)
			eps[i / (PODS / LOCAL)] =
				build_endpoint(ns_name(shape, i / 10, ns), name, addr);
	}
}

static void put_policies(struct lnt_store *st, enum shape shape)
{
	char ns[16], name[32], sel[64], team[32];

	for (unsigned i = 0; i < POLICIES; i++) {
		struct lnt_netpol *p;
		struct lnt_netpol_rule *r;
		const char *op = shape == NEGATIVE ? "!=" : "=";

		snprintf(name, sizeof(name), "policy-%u", i);
		snprintf(sel, sizeof(sel), "app%sapp-%u", op, i);
		snprintf(team, sizeof(team), "team%st%u", op, i % 20);
		p = build_policy(ns_name(shape, i, ns), name, shape == ONE_NS ? sel : "",
			BUILD_INGRESS | BUILD_EGRESS);
		r = build_rule(p, LNT_INGRESS);
		build_peer(r, NULL, shape == SPREAD ? "" : sel);
		build_peer(r, shape == GLOBAL ? "" : "kubernetes.io/metadata.name=ns-7",
			shape == GLOBAL ? NULL : "app.kubernetes.io/component=c1");
		build_port(r, IPPROTO_TCP, shape == GLOBAL ? "8000-8999" : "8080");
		r = build_rule(p, LNT_EGRESS);
		build_peer(r, team, "tier=t1");
		r = build_rule(p, LNT_EGRESS);
		build_port(r, IPPROTO_UDP, "53");
		build_put(st, p);
	}
}

static void scale_policy(enum shape shape)
{
	static struct lnt_endpoint eps[LOCAL];
	size_t before = heap(), model, after;
	struct lnt_store *st = lnt_store_new(NULL, NULL);
	struct lnt_policy_state s = {};
	double t;

	put_pods(st, shape, eps);
	put_policies(st, shape);
	model = heap();
	t = now_ms();
	assert_int_equal(verdict_compile(st, "n1", eps, LOCAL, &s), 0);
	t = now_ms() - t;
	after = heap();
	print_message("%s: %.1f ms, %zu peers, %zu entries, %zu rules; model %zu KiB, state %zu "
		      "KiB\n",
		shape_name[shape], t, s.n_peers, s.n_policy, s.n_rules, (model - before) / 1024,
		(after - model) / 1024);
	lnt_policy_state_clear(&s);
	lnt_store_free(st);
}

static void policies(void **state)
{
	scale_policy(SPREAD);
	scale_policy(GLOBAL);
	scale_policy(ONE_NS);
	scale_policy(NEGATIVE);
}

#define MANY 30000

static void put_slice(struct lnt_store *st, unsigned i, unsigned first)
{
	char ns[16], name[32], slice[48], eps[256];

	snprintf(name, sizeof(name), "svc-%u", i);
	snprintf(slice, sizeof(slice), "svc-%u-abcde", i);
	snprintf(eps, sizeof(eps), "10.%u.%u.%u,10.%u.%u.%u,10.%u.%u.%u,10.%u.%u.%u", 1 + i / 15000,
		(i / 60) % 250, (i % 60) * 4 + first, 1 + i / 15000, (i / 60) % 250,
		(i % 60) * 4 + 2, 1 + i / 15000, (i / 60) % 250, (i % 60) * 4 + 3, 1 + i / 15000,
		(i / 60) % 250, (i % 60) * 4 + 4);
	build_slice(st, ns_name(SPREAD, i % PODS, ns), slice, name, "http:tcp/8080", eps, "");
}

static double update(struct lnt_services *t, const struct lnt_store *st, size_t *ret_changes)
{
	const struct lnt_service_params params = {.node_name = "n1"};
	struct lnt_service_change *changes;
	struct lnt_err e = {};
	double start = now_ms();
	bool whole;

	assert_int_equal(lnt_services_update(t, st, &params, &e), 0);
	assert_int_equal(lnt_services_changes(t, &changes, ret_changes, &whole), 0);
	start = now_ms() - start;
	lnt_services_settle(t);
	free(changes);
	return start;
}

static void services_changed(void *ctx, const struct lnt_meta *obj, bool removed)
{
	if (obj->kind == LNT_KIND_ENDPOINTSLICE)
		lnt_services_touch(ctx, obj->ns, ((const struct lnt_endpointslice *)obj)->service);
}

static void services(void **state)
{
	struct lnt_services *t = lnt_services_new(NULL, NULL);
	struct lnt_store *st = lnt_store_new(services_changed, t);
	size_t before = heap(), model, n;
	double whole, one;

	for (unsigned i = 0; i < MANY; i++) {
		char ns[16], name[32], ip[32];

		snprintf(name, sizeof(name), "svc-%u", i);
		snprintf(ip, sizeof(ip), "10.%u.%u.%u", 96 + i / 62500, i / 250 % 250, 1 + i % 250);
		build_service(st, ns_name(SPREAD, i % PODS, ns), name, ip, "http:tcp/80");
		put_slice(st, i, 1);
	}
	model = heap();
	whole = update(t, st, &n);
	assert_int_equal(n, 2 * MANY);
	print_message("services: %d with 4 endpoints: %.1f ms, model %zu KiB, compiled %zu KiB\n",
		MANY, whole, (model - before) / 1024, (heap() - model) / 1024);
	assert_true(whole < 1000);
	put_slice(st, 77, 0);
	one = update(t, st, &n);
	assert_int_equal(n, 2);
	print_message("services: one endpoint changed: %.3f ms\n", one);
	assert_true(one < 5);
	lnt_services_free(t);
	lnt_store_free(st);
}

static void service_of_100000(void **state)
{
	struct lnt_services *t = lnt_services_new(NULL, NULL);
	struct lnt_store *st = lnt_store_new(services_changed, t);
	const struct lnt_service_key key = {
		.addr = build_addr("10.96.0.1"), .port = htons(80), .proto = IPPROTO_TCP};
	const struct lnt_frontend *f;
	size_t n;
	double t1;

	build_service(st, "a", "huge", "10.96.0.1", "http:tcp/80");
	for (unsigned i = 0; i < 1000; i++) {
		char slice[32], eps[100 * 16] = "";
		size_t len = 0;

		for (unsigned k = 0; k < 100; k++)
			len += (size_t)snprintf(eps + len, sizeof(eps) - len, "10.%u.%u.%u,",
				1 + i / 250, i % 250, k);
		snprintf(slice, sizeof(slice), "huge-%u", i);
		build_slice(st, "a", slice, "huge", "http:tcp/8080", eps, "");
	}
	t1 = update(t, st, &n);
	print_message("services: one with 100,000 endpoints: %.1f ms\n", t1);
	f = lnt_services_find(t, &key);
	assert_non_null(f);
	assert_int_equal(f->set->n, 100000);
	assert_true(t1 < 1000);
	lnt_services_free(t);
	lnt_store_free(st);
}

static void cluster(void **state)
{
	struct lnt_store *st = lnt_store_new(NULL, NULL);
	struct lnt_cluster_state s = {};
	struct lnt_err e = {};
	double t;

	for (unsigned i = 0; i < NODES; i++) {
		char name[16], addr[32], cidr[32];

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(addr, sizeof(addr), "192.0.2.%u", i + 1);
		snprintf(cidr, sizeof(cidr), "10.1.%u.0/24", i);
		build_node(st, name, addr, cidr);
	}
	t = now_ms();
	assert_int_equal(lnt_compile_cluster(st, "n1", &e, &s), 0);
	print_message("cluster: %.2f ms, %zu routes\n", now_ms() - t, s.n_routes);
	lnt_cluster_state_clear(&s);
	lnt_store_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies),
		cmocka_unit_test(services),
		cmocka_unit_test(service_of_100000),
		cmocka_unit_test(cluster),
	};

	return cmocka_run_group_tests_name("compile scale", tests, NULL, NULL);
}
