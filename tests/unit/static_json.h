/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* lib/static/cjson.c under names of its own, beside the real library. */
#include <cjson/cJSON.h>

cJSON *static_Parse(const char *value);
cJSON *static_ParseWithLength(const char *value, size_t len);
cJSON *static_ParseWithLengthOpts(
	const char *value, size_t len, const char **ret_end, cJSON_bool whole);
cJSON *static_Duplicate(const cJSON *item, cJSON_bool recurse);
void static_Delete(cJSON *item);
char *static_PrintUnformatted(const cJSON *item);
cJSON *static_CreateObject(void);
cJSON *static_CreateString(const char *string);
cJSON_bool static_AddItemToObject(cJSON *object, const char *name, cJSON *item);
cJSON_bool static_AddItemToArray(cJSON *array, cJSON *item);
cJSON *static_AddStringToObject(cJSON *object, const char *name, const char *string);
cJSON *static_AddNumberToObject(cJSON *object, const char *name, double number);
cJSON *static_AddArrayToObject(cJSON *object, const char *name);
cJSON *static_GetObjectItem(const cJSON *object, const char *name);
void static_DeleteItem(cJSON *object, const char *name);
int static_GetArraySize(const cJSON *array);
