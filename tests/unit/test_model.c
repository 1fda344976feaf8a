/* SPDX-License-Identifier: Apache-2.0 */
/* Interned strings, labels, selectors. */
#include "agent/model/model.h"
#include "lib/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Every test gives back all it interned. */
static int teardown(void **state)
{
	return lnt_intern_count() ? -1 : 0;
}

static void intern_equal_strings_are_one(void **state)
{
	char text[] = "app";
	const char *a = lnt_intern("app"), *b = lnt_intern(text);

	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, text);
	assert_ptr_equal(lnt_intern_find("app"), a);
	assert_null(lnt_intern_find("ap"));
	lnt_unintern(a);
	assert_ptr_equal(lnt_intern_find("app"), b);
	lnt_unintern(b);
	assert_null(lnt_intern_find("app"));
	lnt_unintern(NULL);
}

static void intern_forgets_values_that_go(void **state)
{
	const char *held[100];
	char text[32];

	for (unsigned i = 0; i < 10000 + 100; i++) {
		if (i >= 100)
			lnt_unintern(held[i % 100]);
		snprintf(text, sizeof(text), "value-%u", i);
		held[i % 100] = lnt_intern(text);
		assert_string_equal(held[i % 100], text);
		assert_true(lnt_intern_count() <= 100);
	}
	for (unsigned i = 0; i < 100; i++)
		lnt_unintern(held[i]);
}

static void intern_finds_all_of_many(void **state)
{
	static const char *held[10000];
	char text[32];

	for (unsigned i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		held[i] = lnt_intern(text);
	}
	assert_int_equal(lnt_intern_count(), 10000);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_ptr_equal(lnt_intern_find(text), held[i]);
	}
	for (unsigned i = 0; i < 10000; i++)
		lnt_unintern(held[i]);
}

/* "a=1,b=2" */
static struct lnt_labels labels(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	struct lnt_labels l = {.items = calloc(16, sizeof(*l.items))};
	char *save;

	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(p, '=');

		*eq = '\0';
		l.items[l.n++] = (struct lnt_label){lnt_intern(p), lnt_intern(eq + 1)};
	}
	lnt_labels_normalize(&l);
	return l;
}

static void labels_are_sorted_and_unique(void **state)
{
	struct lnt_labels l = labels("z=1,a=2,m=3,a=4");

	assert_int_equal(l.n, 3);
	assert_string_equal(l.items[0].key, "a");
	assert_string_equal(l.items[0].value, "4");
	assert_string_equal(l.items[2].key, "z");
	assert_string_equal(lnt_labels_get(&l, "m"), "3");
	assert_null(lnt_labels_get(&l, "b"));
	lnt_labels_clear(&l);
	assert_null(lnt_labels_get(&l, "m"));
	lnt_labels_clear(&l);
}

static void add(struct lnt_selector *sel, const char *key, enum lnt_label_op op, const char *v1,
	const char *v2)
{
	struct lnt_requirement *r;

	sel->reqs = reallocarray(sel->reqs, sel->n_reqs + 1, sizeof(*sel->reqs));
	r = &sel->reqs[sel->n_reqs++];
	*r = (struct lnt_requirement){.key = lnt_intern(key), .op = op};
	r->values = calloc(2, sizeof(*r->values));
	if (v1)
		r->values[r->n_values++] = lnt_intern(v1);
	if (v2)
		r->values[r->n_values++] = lnt_intern(v2);
	lnt_selector_normalize(sel);
}

static bool matches(const struct lnt_selector *sel, const char *text)
{
	struct lnt_labels l = labels(text);
	bool ret = lnt_selector_matches(sel, &l);

	lnt_labels_clear(&l);
	return ret;
}

static void selector_empty_matches_everything(void **state)
{
	struct lnt_selector sel = {};
	_cleanup_free_ char *text = lnt_selector_text(&sel);

	assert_true(matches(&sel, ""));
	assert_true(matches(&sel, "a=1"));
	assert_string_equal(text, "");
}

static void selector_operators(void **state)
{
	static const struct {
		const char *v1, *v2, *labels;
		enum lnt_label_op op;
		bool match;
	} cases[] = {
		{"1", "2", "a=1", LNT_OP_IN, true},
		{"1", "2", "a=2,b=1", LNT_OP_IN, true},
		{"1", "2", "a=3", LNT_OP_IN, false},
		{"1", "2", "b=1", LNT_OP_IN, false},
		{"1", "2", "a=1", LNT_OP_NOT_IN, false},
		{"1", "2", "a=3", LNT_OP_NOT_IN, true},
		{"1", "2", "", LNT_OP_NOT_IN, true},
		{NULL, NULL, "a=", LNT_OP_EXISTS, true},
		{NULL, NULL, "b=", LNT_OP_EXISTS, false},
		{NULL, NULL, "a=", LNT_OP_NOT_EXISTS, false},
		{NULL, NULL, "b=", LNT_OP_NOT_EXISTS, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lnt_selector sel = {};

		add(&sel, "a", cases[i].op, cases[i].v1, cases[i].v2);
		assert_int_equal(matches(&sel, cases[i].labels), cases[i].match);
		lnt_selector_clear(&sel);
	}
}

static void selector_all_requirements_hold(void **state)
{
	struct lnt_selector sel = {};

	add(&sel, "a", LNT_OP_IN, "1", NULL);
	add(&sel, "b", LNT_OP_NOT_EXISTS, NULL, NULL);
	assert_true(matches(&sel, "a=1,c=1"));
	assert_false(matches(&sel, "a=1,b=1"));
	assert_false(matches(&sel, "c=1"));
	lnt_selector_clear(&sel);
}

static void selector_text_is_canonical(void **state)
{
	struct lnt_selector a = {}, b = {};
	_cleanup_free_ char *ta = NULL, *tb = NULL;

	add(&a, "z", LNT_OP_EXISTS, NULL, NULL);
	add(&a, "app", LNT_OP_IN, "x", "a");
	add(&a, "q", LNT_OP_NOT_EXISTS, NULL, NULL);
	add(&b, "q", LNT_OP_NOT_EXISTS, NULL, NULL);
	add(&b, "app", LNT_OP_IN, "a", "x");
	add(&b, "app", LNT_OP_IN, "x", "a");
	add(&b, "z", LNT_OP_EXISTS, NULL, NULL);
	ta = lnt_selector_text(&a);
	tb = lnt_selector_text(&b);
	assert_string_equal(ta, "app in (a,x),!q,z");
	assert_string_equal(ta, tb);
	lnt_selector_clear(&a);
	lnt_selector_clear(&b);
}

static void selector_folds_equal_values(void **state)
{
	struct lnt_selector sel = {};
	_cleanup_free_ char *text = NULL;

	add(&sel, "a", LNT_OP_NOT_IN, "x", "x");
	text = lnt_selector_text(&sel);
	assert_string_equal(text, "a notin (x)");
	lnt_selector_clear(&sel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(intern_equal_strings_are_one, teardown),
		cmocka_unit_test_teardown(intern_forgets_values_that_go, teardown),
		cmocka_unit_test_teardown(intern_finds_all_of_many, teardown),
		cmocka_unit_test_teardown(labels_are_sorted_and_unique, teardown),
		cmocka_unit_test_teardown(selector_empty_matches_everything, teardown),
		cmocka_unit_test_teardown(selector_operators, teardown),
		cmocka_unit_test_teardown(selector_all_requirements_hold, teardown),
		cmocka_unit_test_teardown(selector_text_is_canonical, teardown),
		cmocka_unit_test_teardown(selector_folds_equal_values, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
