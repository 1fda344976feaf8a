/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Ownership and look-ups for cJSON. Keys are case-sensitive, as JSON's are. */
#include "lib/cleanup.h"

#include <cjson/cJSON.h>

static inline void lnt_json_deletep(cJSON **json)
{
	cJSON_Delete(*json);
}
#define _cleanup_json_ _cleanup_(lnt_json_deletep)

/* A member of an object, borrowed. NULL: there is none, or @obj is no object (or NULL). */
static inline cJSON *lnt_json_get(const cJSON *obj, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(obj, key);
}

/* A string member, borrowed. NULL: there is none, or it is no string. */
static inline const char *lnt_json_str(const cJSON *obj, const char *key)
{
	return cJSON_GetStringValue(lnt_json_get(obj, key));
}
