/* SPDX-License-Identifier: Apache-2.0 */
/* The static binary's JSON under other names (static_json.h), so that it can meet the real one. */
#define cJSON_Parse				static_Parse
#define cJSON_ParseWithLength			static_ParseWithLength
#define cJSON_ParseWithLengthOpts		static_ParseWithLengthOpts
#define cJSON_Duplicate				static_Duplicate
#define cJSON_Delete				static_Delete
#define cJSON_PrintUnformatted			static_PrintUnformatted
#define cJSON_CreateObject			static_CreateObject
#define cJSON_CreateString			static_CreateString
#define cJSON_AddItemToObject			static_AddItemToObject
#define cJSON_AddItemToArray			static_AddItemToArray
#define cJSON_AddStringToObject			static_AddStringToObject
#define cJSON_AddNumberToObject			static_AddNumberToObject
#define cJSON_AddArrayToObject			static_AddArrayToObject
#define cJSON_GetObjectItemCaseSensitive	static_GetObjectItem
#define cJSON_DeleteItemFromObjectCaseSensitive static_DeleteItem
#define cJSON_GetArraySize			static_GetArraySize
#define cJSON_GetStringValue			static_GetStringValue
#define cJSON_IsTrue				static_IsTrue
#define cJSON_IsBool				static_IsBool
#define cJSON_IsNull				static_IsNull
#define cJSON_IsNumber				static_IsNumber
#define cJSON_IsString				static_IsString
#define cJSON_IsArray				static_IsArray
#define cJSON_IsObject				static_IsObject
#include "lib/static/cjson.c"
