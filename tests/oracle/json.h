/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * API objects as cJSON, read and made tersely. Nothing here is shared with agent/, and no memory is
 * fatal.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>

/* Member @key of @o, or NULL; an absent one may be asked on. */
static inline cJSON *json_get(const cJSON *o, const char *key)
{
	return o ? cJSON_GetObjectItemCaseSensitive(o, key) : NULL;
}

/* The text of member @key, or "". */
static inline const char *json_text(const cJSON *o, const char *key)
{
	const char *s = cJSON_GetStringValue(json_get(o, key));

	return s ? s : "";
}

static inline bool json_is(const cJSON *o, const char *key, const char *value)
{
	return !strcmp(json_text(o, key), value);
}

static inline int json_number(const cJSON *o, const char *key)
{
	return json_get(o, key) ? json_get(o, key)->valueint : 0;
}

static inline const char *json_ns(const cJSON *object)
{
	return json_text(json_get(object, "metadata"), "namespace");
}

static inline const char *json_name(const cJSON *object)
{
	return json_text(json_get(object, "metadata"), "name");
}

/* Whether two objects are versions of the same. */
static inline bool json_same_object(const cJSON *a, const cJSON *b)
{
	return !strcmp(json_text(a, "kind"), json_text(b, "kind")) &&
		!strcmp(json_ns(a), json_ns(b)) && !strcmp(json_name(a), json_name(b));
}

/* Adds a text to a list. */
static inline void json_push_text(cJSON *list, const char *text)
{
	cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

/* Adds a new object to a list, and returns it. */
static inline cJSON *json_push_object(cJSON *list)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(list, o);
	return o;
}
