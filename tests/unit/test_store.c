/* SPDX-License-Identifier: Apache-2.0 */
/* The store: who owns what, what the listener is told, mark and sweep, memory. */
#include "agent/kube/decode.h"
#include "agent/model/store.h"
#include "lib/cleanup.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct lnt_store *st;
	char told[1024]; /* "+ns/name " or "-ns/name " for each call */
	bool quiet;
};

static void on_change(void *ctx, const struct lnt_meta *obj, bool removed)
{
	struct fixture *f = ctx;
	size_t n = strlen(f->told);

	if (f->quiet)
		return;
	/* The store already shows the change. */
	assert_ptr_equal(lnt_store_get(f->st, obj->kind, obj->ns, obj->name), removed ? NULL : obj);
	snprintf(f->told + n, sizeof(f->told) - n, "%c%s/%s ", removed ? '-' : '+', obj->ns,
		obj->name);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->st = lnt_store_new(on_change, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_store_free(f->st);
	free(f);
	return lnt_intern_count() ? -1 : 0;
}

static struct lnt_meta *pod(const char *ns, const char *name, const char *node, uint64_t version)
{
	struct lnt_pod *p = calloc(1, sizeof(*p));

	p->meta.kind = LNT_KIND_POD;
	p->meta.ns = lnt_intern(ns);
	p->meta.name = lnt_intern(name);
	p->meta.uid = strdup("uid");
	p->meta.version = version;
	p->node = lnt_intern(node);
	return &p->meta;
}

static const char *node_of(struct fixture *f, const char *ns, const char *name)
{
	const struct lnt_pod *p =
		(const struct lnt_pod *)lnt_store_get(f->st, LNT_KIND_POD, ns, name);

	return p ? p->node : NULL;
}

static void put_inserts_and_replaces(void **state)
{
	struct fixture *f = *state;

	assert_null(node_of(f, "a", "x"));
	assert_int_equal(lnt_store_put(f->st, pod("a", "x", "n1", 1)), 0);
	assert_int_equal(lnt_store_put(f->st, pod("b", "x", "n2", 2)), 0);
	assert_string_equal(node_of(f, "a", "x"), "n1");
	assert_int_equal(lnt_store_put(f->st, pod("a", "x", "n3", 3)), 0);
	assert_string_equal(node_of(f, "a", "x"), "n3");
	assert_string_equal(node_of(f, "b", "x"), "n2");
	assert_int_equal(lnt_store_count(f->st, LNT_KIND_POD), 2);
	assert_int_equal(lnt_store_count(f->st, LNT_KIND_NODE), 0);
	assert_null(lnt_store_get(f->st, LNT_KIND_SERVICE, "a", "x"));
	assert_string_equal(f->told, "+a/x +b/x +a/x ");
}

static void put_of_the_same_is_silent(void **state)
{
	struct fixture *f = *state;
	const struct lnt_meta *before;

	lnt_store_put(f->st, pod("a", "x", "n1", 1));
	before = lnt_store_get(f->st, LNT_KIND_POD, "a", "x");
	lnt_store_put(f->st, pod("a", "x", "n1", 2));
	assert_string_equal(f->told, "+a/x ");
	assert_ptr_equal(lnt_store_get(f->st, LNT_KIND_POD, "a", "x"), before);
	assert_int_equal(before->version, 2);
}

static void remove_tells_once(void **state)
{
	struct fixture *f = *state;

	lnt_store_put(f->st, pod("a", "x", "n1", 1));
	lnt_store_remove(f->st, LNT_KIND_POD, "a", "y");
	lnt_store_remove(f->st, LNT_KIND_POD, "never", "seen");
	lnt_store_remove(f->st, LNT_KIND_POD, "a", "x");
	lnt_store_remove(f->st, LNT_KIND_POD, "a", "x");
	assert_string_equal(f->told, "+a/x -a/x ");
	assert_int_equal(lnt_store_count(f->st, LNT_KIND_POD), 0);
}

static void sweep_removes_what_was_not_put_again(void **state)
{
	struct fixture *f = *state;

	lnt_store_put(f->st, pod("a", "same", "n1", 1));
	lnt_store_put(f->st, pod("a", "other", "n1", 1));
	lnt_store_put(f->st, pod("a", "gone", "n1", 1));
	f->told[0] = '\0';
	lnt_store_mark(f->st, LNT_KIND_POD);
	lnt_store_put(f->st, pod("a", "same", "n1", 1));
	lnt_store_put(f->st, pod("a", "other", "n2", 2));
	lnt_store_put(f->st, pod("a", "new", "n2", 3));
	lnt_store_sweep(f->st, LNT_KIND_POD);
	assert_string_equal(f->told, "+a/other +a/new -a/gone ");
	lnt_store_sweep(f->st, LNT_KIND_POD);
	assert_int_equal(lnt_store_count(f->st, LNT_KIND_POD), 3);
}

static int stop_at_second(void *ctx, const struct lnt_meta *obj)
{
	return ++*(int *)ctx == 2 ? 42 : 0;
}

static void each_stops_when_told(void **state)
{
	struct fixture *f = *state;
	int n = 0;

	assert_int_equal(lnt_store_each(f->st, LNT_KIND_POD, stop_at_second, &n), 0);
	for (char name[] = "a"; *name < 'e'; ++*name)
		lnt_store_put(f->st, pod("a", name, "n1", 1));
	assert_int_equal(lnt_store_each(f->st, LNT_KIND_POD, stop_at_second, &n), 42);
	assert_int_equal(n, 2);
}

/* A pod as a Deployment makes it, with a name and an address of its own. */
static struct lnt_meta *typical_pod(unsigned i)
{
	_cleanup_free_ char *text = NULL;
	struct lnt_meta *obj = NULL;
	struct lnt_err e = {};
	cJSON *json;

	assert_true(
		asprintf(&text,
			"{\"metadata\":{\"name\":\"web-frontend-7d4b9c6f5d-%05u\",\"namespace\":"
			"\"team-%u\",\"uid\":\"649a1bd1-2086-4f19-9964-46eb9d%06u\",\"labels\":{"
			"\"app.kubernetes.io/name\":\"web\",\"app.kubernetes.io/instance\":\"i%u\","
			"\"pod-template-hash\":\"7d4b9c6f5d\",\"tier\":\"front\",\"job\":\"j%u\"}},"
			"\"spec\":{\"nodeName\":\"node-%u\",\"containers\":[{\"ports\":[{\"name\":"
			"\"http\",\"containerPort\":8080}]}]},"
			"\"status\":{\"podIPs\":[{\"ip\":\"10.%u.%u.%u\"}]}}",
			i, i % 50, i, i % 50, i, i % 100, i >> 16, i >> 8 & 255, i & 255) > 0);
	json = cJSON_Parse(text);
	assert_int_equal(lnt_decode(LNT_KIND_POD, json, &e, &obj), 0);
	cJSON_Delete(json);
	return obj;
}

static struct lnt_meta *slice(const char *name, const char *service)
{
	struct lnt_endpointslice *s = calloc(1, sizeof(*s));

	s->meta.kind = LNT_KIND_ENDPOINTSLICE;
	s->meta.ns = lnt_intern("a");
	s->meta.name = lnt_intern(name);
	s->meta.uid = strdup("");
	s->service = lnt_intern(service);
	return &s->meta;
}

static int count_slice(void *ctx, const struct lnt_meta *obj)
{
	size_t *n = ctx;

	return ++*n == 10;
}

static size_t slices_of(struct fixture *f, const char *service)
{
	const char *ns = lnt_intern_find("a"), *name = lnt_intern_find(service);
	size_t n = 0;

	if (ns && name)
		assert_int_equal(lnt_store_each_slice(f->st, ns, name, count_slice, &n), 0);
	return n;
}

static void slices_are_found_by_service(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(lnt_store_put(f->st, slice("s1", "x")), 0);
	assert_int_equal(lnt_store_put(f->st, slice("s2", "x")), 0);
	assert_int_equal(lnt_store_put(f->st, slice("s3", "y")), 0);
	assert_int_equal(slices_of(f, "x"), 2);
	assert_int_equal(slices_of(f, "y"), 1);
	assert_int_equal(slices_of(f, "z"), 0);
	assert_int_equal(lnt_store_put(f->st, slice("s3", "y")), 0);
	f->told[0] = '\0';
	/* To another service: the one that it leaves hears of it as well. */
	assert_int_equal(lnt_store_put(f->st, slice("s3", "x")), 0);
	assert_string_equal(f->told, "-a/s3 +a/s3 ");
	assert_int_equal(slices_of(f, "x"), 3);
	assert_int_equal(slices_of(f, "y"), 0);
	lnt_store_remove(f->st, LNT_KIND_ENDPOINTSLICE, "a", "s1");
	assert_int_equal(slices_of(f, "x"), 2);
	lnt_store_mark(f->st, LNT_KIND_ENDPOINTSLICE);
	lnt_store_sweep(f->st, LNT_KIND_ENDPOINTSLICE);
	assert_int_equal(slices_of(f, "x"), 0);
}

static void ten_thousand_pods_are_a_few_mib(void **state)
{
	struct fixture *f = *state;
	size_t before = mallinfo2().uordblks, bytes;

	f->quiet = true;
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(lnt_store_put(f->st, typical_pod(i)), 0);
	bytes = mallinfo2().uordblks - before;
	print_message("%zu bytes a pod\n", bytes / 10000);
	assert_true(bytes < 8 << 20);
	assert_int_equal(lnt_store_count(f->st, LNT_KIND_POD), 10000);
	lnt_store_mark(f->st, LNT_KIND_POD);
	lnt_store_sweep(f->st, LNT_KIND_POD);
	assert_int_equal(lnt_intern_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(put_inserts_and_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(put_of_the_same_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(remove_tells_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			sweep_removes_what_was_not_put_again, setup, teardown),
		cmocka_unit_test_setup_teardown(each_stops_when_told, setup, teardown),
		cmocka_unit_test_setup_teardown(slices_are_found_by_service, setup, teardown),
		cmocka_unit_test_setup_teardown(ten_thousand_pods_are_a_few_mib, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
