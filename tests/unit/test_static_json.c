/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The static binary's JSON (lib/static/cjson.c) against the library: the same documents, whole,
 * cut and damaged, are taken or refused, and written in the same bytes.
 */
#include "tests/unit/static_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- random documents ------------------------------------------------------------------------- */

static unsigned pick(unsigned n)
{
	return (unsigned)random() % n;
}

static void put_string(FILE *out)
{
	static const char *const parts[] = {"a", "Zz", " ", "/", "\\/", "\\\"", "\\\\", "\\n",
		"\\t", "\\b", "\\f", "\\r", "\\u0041", "\\u00e9", "\\u20AC", "\\ud83d\\ude00", "é",
		"€", "\x01", "\x7f", "\\x", "\\ud83d", "\\udc00"};

	fputc('"', out);
	for (unsigned n = pick(6); n; n--) /* the last three now and then: they are refused */
		fputs(parts[pick(pick(20) ? 20 : 23)], out);
	fputc('"', out);
}

static void put_space(FILE *out)
{
	static const char *const spaces[] = {"", "", " ", "\n\t", "\r\n"};

	fputs(spaces[pick(5)], out);
}

static void put_value(FILE *out, unsigned depth)
{
	static const char *const plain[] = {"null", "true", "false", "0", "7", "-12", "1.5", "1e3",
		"-2.5E-3", "12345678901234567890", "2147483647", "2147483648", "-2147483649", "0.1",
		"1e400", "3.141592653589793", "01", "1.", "-", "nul", "+1"};
	unsigned kind = pick(depth ? 5 : 3);

	put_space(out);
	if (kind == 0) {
		put_string(out);
	} else if (kind < 3) {
		fputs(plain[pick(pick(20) ? 16 : 21)], out);
	} else {
		fputc(kind == 3 ? '[' : '{', out);
		for (unsigned i = 0, n = pick(4); i < n; i++) {
			if (i)
				fputc(',', out);
			if (kind == 4) {
				put_space(out);
				put_string(out);
				put_space(out);
				fputc(':', out);
			}
			put_value(out, depth - 1);
		}
		fputc(kind == 3 ? ']' : '}', out);
	}
	put_space(out);
}

static char *document(size_t *ret_len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);

	assert_non_null(out);
	put_value(out, 5);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* --- both ------------------------------------------------------------------------------------- */

/* The library takes "\u" that no four digits follow for a NUL, and puts NULs into strings. */
static int is_odd_escape(const char *text)
{
	while ((text = strstr(text, "\\u"))) {
		text += 2;
		if (strspn(text, "0123456789abcdefABCDEF") < 4 || !strncmp(text, "0000", 4))
			return 1;
	}
	return 0;
}

static void compare(const char *text, size_t len, int whole)
{
	const char *end = NULL, *lib_end = NULL;
	cJSON *ours = static_ParseWithLengthOpts(text, len, &end, whole);
	cJSON *lib = cJSON_ParseWithLengthOpts(text, len, &lib_end, whole);

	if (!ours != !lib)
		fail_msg("%s here, %s by the library: %s", ours ? "taken" : "refused",
			lib ? "taken" : "refused", text);
	if (ours) {
		cJSON *copy = static_Duplicate(ours, 1);
		char *a = static_PrintUnformatted(copy), *b = cJSON_PrintUnformatted(lib);

		assert_string_equal(a, b);
		assert_ptr_equal(end, lib_end);
		free(a);
		free(b);
		static_Delete(copy);
	}
	static_Delete(ours);
	cJSON_Delete(lib);
}

static void whole_documents(void **state)
{
	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		size_t len;
		char *text = document(&len);

		compare(text, len + 1, 1);
		compare(text, len, 0);
		free(text);
	}
}

static void damaged_documents(void **state)
{
	srandom(2);
	for (unsigned i = 0; i < 50000; i++) {
		size_t len;
		char *text = document(&len);

		if (len && pick(2))
			text[pick((unsigned)len)] = "\"\\{}[]:,0e-. tn\xff"[pick(16)];
		if (len && pick(2))
			text[len = pick((unsigned)len)] = '\0';
		if (!is_odd_escape(text)) {
			compare(text, len + 1, 1);
			compare(text, len + 1, 0);
		}
		free(text);
	}
}

static void nesting(void **state)
{
	for (unsigned depth = CJSON_NESTING_LIMIT - 1; depth <= CJSON_NESTING_LIMIT + 1; depth++) {
		char text[2 * CJSON_NESTING_LIMIT + 8] = {};

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		compare(text, strlen(text) + 1, 1);
		text[depth] = '\0';
		compare(text, strlen(text) + 1, 1);
	}
	assert_null(static_Parse("\"\\u12g4\""));
	assert_null(static_Parse(""));
	assert_null(static_Parse(NULL));
	assert_null(static_ParseWithLength("[1", 2));
}

static void building(void **state)
{
	cJSON *top = static_CreateObject(), *list;
	char *text;

	assert_non_null(static_AddStringToObject(top, "a", "x\"\n\x02"));
	assert_non_null(static_AddNumberToObject(top, "n", 1.25));
	list = static_AddArrayToObject(top, "list");
	assert_true(static_AddItemToArray(list, static_CreateString("1")));
	assert_true(static_AddItemToArray(list, static_CreateObject()));
	assert_int_equal(static_GetArraySize(list), 2);
	assert_true(static_AddItemToObject(top, "o", static_CreateObject()));
	assert_false(static_AddItemToObject(top, "o", NULL));
	assert_null(static_GetObjectItem(top, "A"));
	text = static_PrintUnformatted(top);
	assert_string_equal(
		text, "{\"a\":\"x\\\"\\n\\u0002\",\"n\":1.25,\"list\":[\"1\",{}],\"o\":{}}");
	free(text);
	/* The last, the first, one between, one that is not there; then there is room at the end.
	 */
	static_DeleteItem(top, "o");
	static_DeleteItem(top, "a");
	static_DeleteItem(top, "no");
	assert_non_null(static_AddNumberToObject(top, "m", 3e9));
	static_DeleteItem(top, "list");
	assert_non_null(static_AddNumberToObject(top, "z", -1));
	text = static_PrintUnformatted(top);
	assert_string_equal(text, "{\"n\":1.25,\"m\":3000000000,\"z\":-1}");
	free(text);
	static_Delete(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_documents),
		cmocka_unit_test(damaged_documents),
		cmocka_unit_test(nesting),
		cmocka_unit_test(building),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
