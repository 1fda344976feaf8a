/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of cJSON's interface that the plugin uses, for the static binary: Debian has cJSON as a
 * shared library only. Declarations, types and outcomes are cJSON's own (<cjson/cJSON.h>, 1.7), but
 * that "\u" wants four digits; tests compare the two over random documents. The agent uses the
 * library.
 */
#include <cjson/cJSON.h>

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- items ------------------------------------------------------------------------------------ */

static cJSON *new_item(int type)
{
	cJSON *item = calloc(1, sizeof(*item));

	if (item)
		item->type = type;
	return item;
}

void cJSON_Delete(cJSON *item)
{
	while (item) {
		cJSON *next = item->next;

		cJSON_Delete(item->child);
		free(item->valuestring);
		free(item->string);
		free(item);
		item = next;
	}
}

cJSON *cJSON_CreateObject(void)
{
	return new_item(cJSON_Object);
}

cJSON *cJSON_CreateString(const char *string)
{
	cJSON *item = new_item(cJSON_String);

	if (!item)
		return NULL;
	item->valuestring = strdup(string);
	if (item->valuestring)
		return item;
	cJSON_Delete(item);
	return NULL;
}

static void set_number(cJSON *item, double number)
{
	item->valuedouble = number;
	if (number >= INT_MAX)
		item->valueint = INT_MAX;
	else if (number <= (double)INT_MIN)
		item->valueint = INT_MIN;
	else
		item->valueint = (int)number;
}

/* The first child's prev is the last one. */
cJSON_bool cJSON_AddItemToArray(cJSON *array, cJSON *item)
{
	if (!array || !item || array == item)
		return false;
	if (!array->child) {
		array->child = item;
		item->prev = item;
		return true;
	}
	item->prev = array->child->prev;
	item->prev->next = item;
	array->child->prev = item;
	return true;
}

cJSON_bool cJSON_AddItemToObject(cJSON *object, const char *string, cJSON *item)
{
	char *name;

	if (!object || !item || object == item)
		return false;
	name = strdup(string);
	if (!name)
		return false;
	free(item->string);
	item->string = name;
	return cJSON_AddItemToArray(object, item);
}

static cJSON *add_new(cJSON *object, const char *name, cJSON *item)
{
	if (cJSON_AddItemToObject(object, name, item))
		return item;
	cJSON_Delete(item);
	return NULL;
}

cJSON *cJSON_AddStringToObject(cJSON *object, const char *name, const char *string)
{
	return add_new(object, name, cJSON_CreateString(string));
}

cJSON *cJSON_AddNumberToObject(cJSON *object, const char *name, double number)
{
	cJSON *item = new_item(cJSON_Number);

	if (item)
		set_number(item, number);
	return add_new(object, name, item);
}

cJSON *cJSON_AddArrayToObject(cJSON *object, const char *name)
{
	return add_new(object, name, new_item(cJSON_Array));
}

cJSON *cJSON_GetObjectItemCaseSensitive(const cJSON *object, const char *string)
{
	cJSON *item = object ? object->child : NULL;

	while (item && (!item->string || strcmp(item->string, string)))
		item = item->next;
	return item;
}

void cJSON_DeleteItemFromObjectCaseSensitive(cJSON *object, const char *string)
{
	cJSON *item = cJSON_GetObjectItemCaseSensitive(object, string);

	if (!item)
		return;
	if (item == object->child)
		object->child = item->next;
	else
		item->prev->next = item->next;
	if (item->next)
		item->next->prev = item->prev;
	else if (object->child)
		object->child->prev = item->prev;
	item->next = NULL;
	cJSON_Delete(item);
}

static cJSON *copy_of(const cJSON *item)
{
	cJSON *copy = new_item(item->type);

	if (!copy)
		return NULL;
	copy->valueint = item->valueint;
	copy->valuedouble = item->valuedouble;
	if (item->valuestring)
		copy->valuestring = strdup(item->valuestring);
	if (item->string)
		copy->string = strdup(item->string);
	if (!copy->valuestring == !item->valuestring && !copy->string == !item->string)
		return copy;
	cJSON_Delete(copy);
	return NULL;
}

cJSON *cJSON_Duplicate(const cJSON *item, cJSON_bool recurse)
{
	cJSON *copy = item ? copy_of(item) : NULL;

	if (!copy || !recurse)
		return copy;
	for (const cJSON *child = item->child; child; child = child->next) {
		if (cJSON_AddItemToArray(copy, cJSON_Duplicate(child, true)))
			continue;
		cJSON_Delete(copy);
		return NULL;
	}
	return copy;
}

int cJSON_GetArraySize(const cJSON *array)
{
	int n = 0;

	for (const cJSON *child = array ? array->child : NULL; child; child = child->next)
		n++;
	return n;
}

static bool is(const cJSON *item, int types)
{
	return item && (item->type & 0xff & types);
}

cJSON_bool cJSON_IsTrue(const cJSON *item)
{
	return is(item, cJSON_True);
}

cJSON_bool cJSON_IsBool(const cJSON *item)
{
	return is(item, cJSON_True | cJSON_False);
}

cJSON_bool cJSON_IsNull(const cJSON *item)
{
	return is(item, cJSON_NULL);
}

cJSON_bool cJSON_IsNumber(const cJSON *item)
{
	return is(item, cJSON_Number);
}

cJSON_bool cJSON_IsString(const cJSON *item)
{
	return is(item, cJSON_String);
}

cJSON_bool cJSON_IsArray(const cJSON *item)
{
	return is(item, cJSON_Array);
}

cJSON_bool cJSON_IsObject(const cJSON *item)
{
	return is(item, cJSON_Object);
}

char *cJSON_GetStringValue(const cJSON *item)
{
	return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct text {
	const char *at, *end;
	unsigned depth;
};

static char peek(const struct text *t)
{
	return t->at < t->end ? *t->at : '\0';
}

static void skip_space(struct text *t)
{
	while (t->at < t->end && (unsigned char)*t->at <= ' ')
		t->at++;
}

static bool take(struct text *t, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(t->end - t->at) < len || memcmp(t->at, word, len))
		return false;
	t->at += len;
	return true;
}

/* Four hexadecimal digits; -1: not so. */
static long read_hex4(struct text *t)
{
	char digits[5] = {}, *end;
	long code;

	if (t->end - t->at < 4)
		return -1;
	memcpy(digits, t->at, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4)
		return -1;
	code = strtol(digits, &end, 16);
	t->at += 4;
	return code;
}

/* What follows "\u" (RFC 8259, section 7), as UTF-8. Returns its end in @out, or NULL. */
static char *read_unicode(struct text *t, char *out)
{
	long code = read_hex4(t), low;

	if (code < 0 || (code >= 0xdc00 && code <= 0xdfff))
		return NULL;
	if (code >= 0xd800 && code <= 0xdbff) {
		if (!take(t, "\\u"))
			return NULL;
		low = read_hex4(t);
		if (low < 0xdc00 || low > 0xdfff)
			return NULL;
		code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
	}
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xe0 | code >> 12);
		} else {
			*out++ = (char)(0xf0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

/* What follows a backslash. Returns its end in @out, or NULL. */
static char *read_escape(struct text *t, char *out)
{
	static const char from[] = "bfnrt\"\\/", to[] = "\b\f\n\r\t\"\\/";
	char c = peek(t);
	const char *found = c ? strchr(from, c) : NULL;

	if (c == 'u') {
		t->at++;
		return read_unicode(t, out);
	}
	if (!found)
		return NULL;
	t->at++;
	*out++ = to[found - from];
	return out;
}

/* A string in its quotes, to be freed; NULL: none, or no memory. Escapes never get longer. */
static char *read_string(struct text *t)
{
	char *string, *out;

	if (!take(t, "\""))
		return NULL;
	string = out = malloc((size_t)(t->end - t->at) + 1);
	while (out && t->at < t->end && *t->at != '"') {
		if (*t->at != '\\') {
			*out++ = *t->at++;
			continue;
		}
		t->at++;
		out = read_escape(t, out);
	}
	if (!out || !take(t, "\"")) {
		free(string);
		return NULL;
	}
	*out++ = '\0';
	out = realloc(string, (size_t)(out - string));
	return out ? out : string;
}

static bool read_number(struct text *t, cJSON *item)
{
	char digits[64] = {}, *end;
	size_t n = 0;

	while (n < sizeof(digits) - 1 && t->at + n < t->end && t->at[n] &&
		strchr("0123456789+-eE.", t->at[n]))
		n++;
	memcpy(digits, t->at, n);
	set_number(item, strtod(digits, &end));
	t->at += end - digits;
	item->type = cJSON_Number;
	return end != digits;
}

static bool read_value(struct text *t, cJSON *item);

/* Members up to @close; the opening bracket is taken. */
static bool read_members(struct text *t, cJSON *parent, const char *close)
{
	if (++t->depth > CJSON_NESTING_LIMIT)
		return false;
	skip_space(t);
	if (take(t, close)) {
		t->depth--;
		return true;
	}
	do {
		cJSON *item = new_item(cJSON_Invalid);

		if (!cJSON_AddItemToArray(parent, item))
			return false;
		skip_space(t);
		if (*close == '}') {
			item->string = read_string(t);
			skip_space(t);
			if (!item->string || !take(t, ":"))
				return false;
			skip_space(t);
		}
		if (!read_value(t, item))
			return false;
		skip_space(t);
	} while (take(t, ","));
	t->depth--;
	return take(t, close);
}

static bool read_value(struct text *t, cJSON *item)
{
	if (take(t, "null")) {
		item->type = cJSON_NULL;
	} else if (take(t, "false")) {
		item->type = cJSON_False;
	} else if (take(t, "true")) {
		item->type = cJSON_True;
		item->valueint = 1;
	} else if (peek(t) == '"') {
		item->type = cJSON_String;
		item->valuestring = read_string(t);
		return item->valuestring;
	} else if (take(t, "[")) {
		item->type = cJSON_Array;
		return read_members(t, item, "]");
	} else if (take(t, "{")) {
		item->type = cJSON_Object;
		return read_members(t, item, "}");
	} else if (peek(t) == '-' || (peek(t) >= '0' && peek(t) <= '9')) {
		return read_number(t, item);
	} else {
		return false;
	}
	return true;
}

cJSON *cJSON_ParseWithLengthOpts(const char *value, size_t buffer_length,
	const char **return_parse_end, cJSON_bool require_null_terminated)
{
	struct text t = {.at = value, .end = value ? value + buffer_length : NULL};
	cJSON *item = new_item(cJSON_Invalid);
	bool ok;

	take(&t, "\xef\xbb\xbf");
	skip_space(&t);
	ok = item && t.at && read_value(&t, item);
	if (ok && require_null_terminated) {
		while (t.at < t.end && *t.at && (unsigned char)*t.at <= ' ')
			t.at++;
		ok = t.at < t.end && !*t.at;
	}
	if (return_parse_end)
		*return_parse_end = t.at;
	if (ok)
		return item;
	cJSON_Delete(item);
	return NULL;
}

cJSON *cJSON_ParseWithLength(const char *value, size_t buffer_length)
{
	return cJSON_ParseWithLengthOpts(value, buffer_length, NULL, false);
}

cJSON *cJSON_Parse(const char *value)
{
	return value ? cJSON_ParseWithLength(value, strlen(value) + 1) : NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_string(FILE *out, const char *string)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";

	fputc('"', out);
	for (; string && *string; string++) {
		const char *found = strchr(from, *string);

		if (found)
			fprintf(out, "\\%c", to[found - from]);
		else if ((unsigned char)*string < ' ')
			fprintf(out, "\\u%04x", (unsigned)(unsigned char)*string);
		else
			fputc(*string, out);
	}
	fputc('"', out);
}

/* The shortest of two precisions that reads back as the same number. */
static void write_number(FILE *out, const cJSON *item)
{
	double number = item->valuedouble;
	char text[32];

	if (isnan(number) || isinf(number)) {
		fputs("null", out);
	} else {
		snprintf(text, sizeof(text), "%1.15g", number);
		if (strtod(text, NULL) != number)
			snprintf(text, sizeof(text), "%1.17g", number);
		fputs(text, out);
	}
}

static void write_item(FILE *out, const cJSON *item)
{
	bool object = cJSON_IsObject(item);

	switch (item->type & 0xff) {
	case cJSON_NULL:
		fputs("null", out);
		return;
	case cJSON_False:
		fputs("false", out);
		return;
	case cJSON_True:
		fputs("true", out);
		return;
	case cJSON_Number:
		write_number(out, item);
		return;
	case cJSON_String:
		write_string(out, item->valuestring);
		return;
	}
	fputc(object ? '{' : '[', out);
	for (const cJSON *child = item->child; child; child = child->next) {
		if (object) {
			write_string(out, child->string);
			fputc(':', out);
		}
		write_item(out, child);
		if (child->next)
			fputc(',', out);
	}
	fputc(object ? '}' : ']', out);
}

char *cJSON_PrintUnformatted(const cJSON *item)
{
	char *text = NULL;
	size_t len;
	FILE *out = item ? open_memstream(&text, &len) : NULL;
	bool failed;

	if (!out)
		return NULL;
	write_item(out, item);
	failed = ferror(out);
	if (!fclose(out) && !failed)
		return text;
	free(text);
	return NULL;
}
