/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* JSON objects decoded, for the tests of agent/kube/decode.h. Single quotes stand for double ones.
 */
#include "agent/kube/decode.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define META "'metadata':{'name':'x','namespace':'n'}"

static inline int teardown(void **state)
{
	return lnt_intern_count() ? -1 : 0;
}

static inline cJSON *parse(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	cJSON *json;

	/* JSON with single quotes, so that it can be read in C. */
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	json = cJSON_Parse(copy);
	if (!json)
		fail_msg("not JSON: %s", text);
	return json;
}

/* Decodes one object. NULL with *ret_r set when it cannot be. */
static inline void *decode(enum lnt_kind kind, const char *text, struct lnt_err *e, int *ret_r)
{
	struct lnt_meta *obj = NULL;
	cJSON *json = parse(text);

	*ret_r = lnt_decode(kind, json, e, &obj);
	cJSON_Delete(json);
	assert_true(!*ret_r || !obj);
	return obj;
}

/* Decodes one that is right in every part. */
static inline void *good(enum lnt_kind kind, const char *text)
{
	struct lnt_err e = {};
	void *obj;
	int r;

	obj = decode(kind, text, &e, &r);
	if (r || e.err || !obj)
		fail_msg("%d %s: %s", r, e.msg, text);
	return obj;
}

/* Decodes one of which a part is not understood. */
static inline void *flawed(enum lnt_kind kind, const char *text)
{
	struct lnt_err e = {};
	void *obj;
	int r;

	obj = decode(kind, text, &e, &r);
	if (r || !e.err || !e.msg[0] || !obj)
		fail_msg("%d %s: %s", r, e.msg, text);
	return obj;
}

static inline void refused(enum lnt_kind kind, const char *text)
{
	struct lnt_err e = {};
	void *obj;
	int r;

	obj = decode(kind, text, &e, &r);
	if (r != -EINVAL || obj || !e.msg[0])
		fail_msg("%d: %s", r, text);
}

static inline void assert_addr(const struct in6_addr *a, const char *text)
{
	char buf[LNT_ADDRSTRLEN];

	assert_string_equal(lnt_addr_str(a, buf), text);
}
