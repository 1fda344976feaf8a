/* SPDX-License-Identifier: Apache-2.0 */
/* Notes and selectors; see decode_selector.h. */
#include "agent/kube/decode_selector.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* IANA service names (RFC 6335, 5.1). */
#define PORT_NAME_MAX 15

void lnt_note(struct lnt_notes *n, const char *fmt, ...)
{
	va_list ap;

	if (n->len)
		n->len += snprintf(n->text + n->len, sizeof(n->text) - n->len, "; ");
	if (n->len < sizeof(n->text)) {
		va_start(ap, fmt);
		n->len += vsnprintf(n->text + n->len, sizeof(n->text) - n->len, fmt, ap);
		va_end(ap);
	}
	if (n->len >= sizeof(n->text))
		n->len = sizeof(n->text) - 1;
}

int lnt_notes_end(const struct lnt_notes *n, struct lnt_err *e, char **ret_text)
{
	if (n->oom)
		return -ENOMEM;
	if (!n->len)
		return 0;
	lnt_err_set(e, -ENOTSUP, "%s", n->text);
	*ret_text = strdup(n->text);
	return *ret_text ? 0 : -ENOMEM;
}

bool lnt_only_known(
	struct lnt_notes *n, const cJSON *json, const char *path, const char *const *known)
{
	const cJSON *field;
	bool all = true;

	if (!cJSON_IsObject(json)) {
		lnt_note(n, "%s: no object", path);
		return false;
	}
	cJSON_ArrayForEach (field, json) {
		const char *const *k = known;

		while (*k && strcmp(*k, field->string))
			k++;
		if (!*k && !cJSON_IsNull(field)) {
			lnt_note(n, "%s: unknown field '%.32s'", path, field->string);
			all = false;
		}
	}
	return all;
}

/* --- selectors -------------------------------------------------------------------------------- */

static bool parse_op(const char *text, enum lnt_label_op *ret_op)
{
	static const char *const ops[] = {
		[LNT_OP_IN] = "In",
		[LNT_OP_NOT_IN] = "NotIn",
		[LNT_OP_EXISTS] = "Exists",
		[LNT_OP_NOT_EXISTS] = "DoesNotExist",
	};

	for (size_t i = 0; text && i < ARRAY_SIZE(ops); i++) {
		if (!strcmp(text, ops[i])) {
			*ret_op = (enum lnt_label_op)i;
			return true;
		}
	}
	return false;
}

/* Appends a requirement with room for @n_values. NULL: no memory, noted. */
static struct lnt_requirement *add_requirement(struct lnt_notes *n, struct lnt_selector *sel,
	const char *key, enum lnt_label_op op, size_t n_values)
{
	struct lnt_requirement *reqs, *r;

	reqs = reallocarray(sel->reqs, sel->n_reqs + 1, sizeof(*reqs));
	if (!reqs) {
		n->oom = true;
		return NULL;
	}
	sel->reqs = reqs;
	r = &reqs[sel->n_reqs++];
	*r = (struct lnt_requirement){.key = lnt_intern(key), .op = op};
	if (n_values)
		r->values = calloc(n_values, sizeof(*r->values));
	if (!r->key || (n_values && !r->values)) {
		n->oom = true;
		return NULL;
	}
	return r;
}

static bool add_value(struct lnt_notes *n, struct lnt_requirement *r, const char *value)
{
	const char *s = lnt_intern(value);

	if (!s || !r->values) {
		n->oom = true;
		return false;
	}
	r->values[r->n_values++] = s;
	return true;
}

static void remove_last(struct lnt_selector *sel)
{
	struct lnt_requirement *r = &sel->reqs[--sel->n_reqs];

	for (size_t i = 0; i < r->n_values; i++)
		lnt_unintern(r->values[i]);
	free(r->values);
	lnt_unintern(r->key);
}

static bool decode_expression(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_selector *sel)
{
	static const char *const known[] = {"key", "operator", "values", NULL};
	const char *key = lnt_json_text(json, "key"), *op_text = lnt_json_text(json, "operator");
	const cJSON *values = lnt_json_get(json, "values"), *v;
	struct lnt_requirement *r;
	enum lnt_label_op op;
	int n_values = cJSON_GetArraySize(values);

	if (!lnt_only_known(n, json, path, known))
		return false;
	if (!key || !lnt_decode_is_key(key) || !parse_op(op_text, &op)) {
		lnt_note(n, "%s: operator '%.32s' or key not understood", path, op_text ?: "");
		return false;
	}
	/* In and NotIn have values, the others have none (metav1.LabelSelectorRequirement). */
	if ((values && !cJSON_IsArray(values)) ||
		(op == LNT_OP_IN || op == LNT_OP_NOT_IN) != (n_values > 0)) {
		lnt_note(n, "%s: values do not fit operator %s", path, op_text);
		return false;
	}
	r = add_requirement(n, sel, key, op, n_values);
	if (!r)
		return false;
	cJSON_ArrayForEach (v, values) {
		if (!cJSON_IsString(v) || !lnt_decode_is_value(v->valuestring)) {
			lnt_note(n, "%s: a value is no label value", path);
			return false;
		}
		if (!add_value(n, r, v->valuestring))
			return false;
	}
	return true;
}

static bool decode_match_label(
	struct lnt_notes *n, const cJSON *item, const char *path, struct lnt_selector *sel)
{
	struct lnt_requirement *r;

	if (!cJSON_IsString(item) || !lnt_decode_is_key(item->string) ||
		!lnt_decode_is_value(item->valuestring)) {
		lnt_note(n, "%s.matchLabels: '%.64s' is no label", path, item->string);
		return false;
	}
	r = add_requirement(n, sel, item->string, LNT_OP_IN, 1);
	return r && add_value(n, r, item->valuestring);
}

/* Each element of @list by @decode; what is not understood leaves no requirement. */
static bool decode_each(struct lnt_notes *n, const cJSON *list, const char *path,
	struct lnt_selector *sel,
	bool (*decode)(
		struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_selector *sel))
{
	const cJSON *item;
	bool all = true;
	size_t before;

	cJSON_ArrayForEach (item, list) {
		before = sel->n_reqs;
		if (decode(n, item, path, sel))
			continue;
		all = false;
		if (sel->n_reqs > before)
			remove_last(sel);
	}
	return all;
}

bool lnt_decode_selector(
	struct lnt_notes *n, const cJSON *json, const char *path, struct lnt_selector *sel)
{
	static const char *const known[] = {"matchLabels", "matchExpressions", NULL};
	const cJSON *labels = lnt_json_get(json, "matchLabels");
	const cJSON *list = lnt_json_get(json, "matchExpressions");
	bool all = lnt_only_known(n, json, path, known);

	if (labels && !cJSON_IsObject(labels)) {
		lnt_note(n, "%s.matchLabels: no object", path);
		all = false;
	} else if (!decode_each(n, labels, path, sel, decode_match_label)) {
		all = false;
	}
	if (list && !cJSON_IsArray(list)) {
		lnt_note(n, "%s.matchExpressions: no list", path);
		all = false;
	} else if (!decode_each(n, list, path, sel, decode_expression)) {
		all = false;
	}
	lnt_selector_normalize(sel);
	return all;
}

bool lnt_decode_is_port_name(const char *s)
{
	return *s && strlen(s) <= PORT_NAME_MAX && lnt_decode_is_value(s);
}
