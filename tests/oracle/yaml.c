/* SPDX-License-Identifier: Apache-2.0 */
/* The block style of yaml.h; lists and objects that are empty, and lists of texts, in a line. */
#include "tests/oracle/yaml.h"

#include <ctype.h>

static bool is_plain(const char *s)
{
	if (!isalpha((unsigned char)*s) || !strcmp(s, "true") || !strcmp(s, "false") ||
		!strcmp(s, "null") || !strcmp(s, "y") || !strcmp(s, "n"))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_./", *s))
			return false;
	return true;
}

static bool is_scalar(const cJSON *json)
{
	return !cJSON_IsArray(json) && !cJSON_IsObject(json);
}

static bool fits_a_line(const cJSON *json)
{
	const cJSON *item;

	if (is_scalar(json))
		return true;
	if (cJSON_IsObject(json))
		return !json->child;
	cJSON_ArrayForEach (item, json)
		if (!is_scalar(item))
			return false;
	return true;
}

static void print_line(FILE *f, const cJSON *json)
{
	const cJSON *item;

	if (cJSON_IsArray(json)) {
		fputc('[', f);
		cJSON_ArrayForEach (item, json) {
			print_line(f, item);
			if (item->next)
				fputs(", ", f);
		}
		fputc(']', f);
	} else if (cJSON_IsObject(json)) {
		fputs("{}", f);
	} else if (cJSON_IsNumber(json)) {
		fprintf(f, "%d", json->valueint);
	} else if (cJSON_IsBool(json)) {
		fputs(cJSON_IsTrue(json) ? "true" : "false", f);
	} else {
		fprintf(f, is_plain(json->valuestring) ? "%s" : "\"%s\"", json->valuestring);
	}
}

/* @first: the cursor stands where the first line begins already. */
static void print(FILE *f, const cJSON *json, unsigned indent, bool first)
{
	const cJSON *item;

	if (fits_a_line(json)) {
		print_line(f, json);
		fputc('\n', f);
		return;
	}
	cJSON_ArrayForEach (item, json) {
		fprintf(f, "%*s", first ? 0 : (int)indent, "");
		first = false;
		if (cJSON_IsArray(json)) {
			fputs("- ", f);
			print(f, item, indent + 2, true);
			continue;
		}
		fprintf(f, "%s:", item->string);
		fputs(fits_a_line(item) ? " " : "\n", f);
		print(f, item, indent + 2, false);
	}
}

void yaml_print(FILE *f, const cJSON *json, unsigned indent)
{
	fprintf(f, "%*s", (int)indent, "");
	print(f, json, indent, true);
}
