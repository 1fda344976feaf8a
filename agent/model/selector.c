/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors: order, matching, canonical text (metav1.LabelSelector). */
#include "agent/model/model.h"
#include "lib/cleanup.h"

#include <stdlib.h>
#include <string.h>

static void requirement_clear(struct lnt_requirement *r)
{
	for (size_t i = 0; i < r->n_values; i++)
		lnt_unintern(r->values[i]);
	free(r->values);
	lnt_unintern(r->key);
	*r = (struct lnt_requirement){};
}

void lnt_selector_clear(struct lnt_selector *sel)
{
	for (size_t i = 0; i < sel->n_reqs; i++)
		requirement_clear(&sel->reqs[i]);
	free(sel->reqs);
	*sel = (struct lnt_selector){};
}

static int value_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int requirement_cmp(const void *pa, const void *pb)
{
	const struct lnt_requirement *a = pa, *b = pb;
	int d = strcmp(a->key, b->key);

	if (d)
		return d;
	if (a->op != b->op)
		return a->op < b->op ? -1 : 1;
	for (size_t i = 0; i < a->n_values && i < b->n_values; i++) {
		d = strcmp(a->values[i], b->values[i]);
		if (d)
			return d;
	}
	return a->n_values == b->n_values ? 0 : a->n_values < b->n_values ? -1 : 1;
}

static void sort_values(struct lnt_requirement *r)
{
	size_t n = 0;

	if (!r->n_values)
		return;
	qsort(r->values, r->n_values, sizeof(*r->values), value_cmp);
	for (size_t i = 0; i < r->n_values; i++) {
		if (n && r->values[n - 1] == r->values[i])
			lnt_unintern(r->values[i]);
		else
			r->values[n++] = r->values[i];
	}
	r->n_values = n;
}

void lnt_selector_normalize(struct lnt_selector *sel)
{
	size_t n = 0;

	if (!sel->n_reqs)
		return;
	for (size_t i = 0; i < sel->n_reqs; i++)
		sort_values(&sel->reqs[i]);
	qsort(sel->reqs, sel->n_reqs, sizeof(*sel->reqs), requirement_cmp);
	for (size_t i = 0; i < sel->n_reqs; i++) {
		if (n && !requirement_cmp(&sel->reqs[n - 1], &sel->reqs[i]))
			requirement_clear(&sel->reqs[i]);
		else
			sel->reqs[n++] = sel->reqs[i];
	}
	sel->n_reqs = n;
}

/* Like lnt_labels_get() for an interned key: a few pointer comparisons. */
static const char *value_of(const struct lnt_labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->n; i++)
		if (labels->items[i].key == key)
			return labels->items[i].value;
	return NULL;
}

static bool one_of(const struct lnt_requirement *r, const char *value)
{
	for (size_t i = 0; i < r->n_values; i++)
		if (r->values[i] == value)
			return true;
	return false;
}

static bool requirement_holds(const struct lnt_requirement *r, const struct lnt_labels *labels)
{
	const char *value = value_of(labels, r->key);

	switch (r->op) {
	case LNT_OP_IN:
		return value && one_of(r, value);
	case LNT_OP_NOT_IN:
		return !value || !one_of(r, value);
	case LNT_OP_EXISTS:
		return value;
	case LNT_OP_NOT_EXISTS:
		return !value;
	}
	return false;
}

bool lnt_selector_matches(const struct lnt_selector *sel, const struct lnt_labels *labels)
{
	for (size_t i = 0; i < sel->n_reqs; i++)
		if (!requirement_holds(&sel->reqs[i], labels))
			return false;
	return true;
}

static void print_requirement(FILE *f, const struct lnt_requirement *r)
{
	if (r->op == LNT_OP_EXISTS || r->op == LNT_OP_NOT_EXISTS) {
		fprintf(f, "%s%s", r->op == LNT_OP_EXISTS ? "" : "!", r->key);
		return;
	}
	fprintf(f, "%s %s (", r->key, r->op == LNT_OP_IN ? "in" : "notin");
	for (size_t i = 0; i < r->n_values; i++)
		fprintf(f, "%s%s", i ? "," : "", r->values[i]);
	fputc(')', f);
}

char *lnt_selector_text(const struct lnt_selector *sel)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < sel->n_reqs; i++) {
		if (i)
			fputc(',', f);
		print_requirement(f, &sel->reqs[i]);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
