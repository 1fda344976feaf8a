/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoders share: metadata, labels, numbers, and the dispatch by kind. */
#include "agent/kube/decode.h"

#include "lib/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

const cJSON *lnt_json_get(const cJSON *json, const char *name)
{
	const cJSON *item;

	if (!cJSON_IsObject(json))
		return NULL;
	item = cJSON_GetObjectItemCaseSensitive(json, name);
	return cJSON_IsNull(item) ? NULL : item;
}

const cJSON *lnt_json_list(const cJSON *json, const char *name)
{
	const cJSON *item = lnt_json_get(json, name);

	return cJSON_IsArray(item) ? item : NULL;
}

const char *lnt_json_text(const cJSON *json, const char *name)
{
	return cJSON_GetStringValue(lnt_json_get(json, name));
}

bool lnt_json_int(const cJSON *json, long min, long max, long *ret_value)
{
	double d;

	if (!cJSON_IsNumber(json))
		return false;
	d = json->valuedouble;
	/* Compare before the conversion: a double that does not fit a long is undefined. NaN fails.
	 */
	if (!(d >= (double)min && d <= (double)max) || d != (double)(long)d)
		return false;
	*ret_value = (long)d;
	return true;
}

bool lnt_json_proto(const cJSON *json, uint8_t *ret_proto)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} protos[] = {{"TCP", IPPROTO_TCP}, {"UDP", IPPROTO_UDP}, {"SCTP", IPPROTO_SCTP}};

	if (!json) {
		*ret_proto = IPPROTO_TCP;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (cJSON_IsString(json) && !strcmp(json->valuestring, protos[i].name)) {
			*ret_proto = protos[i].proto;
			return true;
		}
	}
	return false;
}

static bool made_of(const char *s, const char *more, size_t min, size_t max)
{
	size_t n = strlen(s);

	if (n < min || n > max)
		return false;
	for (; *s; s++)
		if (!isascii((unsigned char)*s) ||
			(!isalnum((unsigned char)*s) && !strchr(more, *s)))
			return false;
	return true;
}

bool lnt_decode_is_key(const char *s)
{
	return made_of(s, "-_./", 1, LNT_KUBE_KEY_MAX);
}

bool lnt_decode_is_value(const char *s)
{
	return made_of(s, "-_.", 0, LNT_KUBE_VALUE_MAX);
}

uint64_t lnt_decode_version(const char *s)
{
	char *end;
	unsigned long long v;

	if (!s || !isdigit((unsigned char)*s))
		return 0;
	errno = 0;
	v = strtoull(s, &end, 10);
	return errno || *end ? 0 : v;
}

static bool is_namespaced(enum lnt_kind kind)
{
	return kind != LNT_KIND_NAMESPACE && kind != LNT_KIND_NODE &&
		kind != LNT_KIND_CLUSTERNETWORKPOLICY;
}

int lnt_decode_key(
	enum lnt_kind kind, const cJSON *json, struct lnt_err *e, struct lnt_decode_key *ret_key)
{
	const cJSON *meta = lnt_json_get(json, "metadata");
	const char *name = lnt_json_text(meta, "name");
	const char *ns = is_namespaced(kind) ? lnt_json_text(meta, "namespace") : "";

	*ret_key = (struct lnt_decode_key){.version = lnt_json_text(meta, "resourceVersion")};
	ret_key->number = lnt_decode_version(ret_key->version);
	if (!name || !made_of(name, "-.", 1, LNT_KUBE_NAME_MAX))
		return lnt_err_set(e, -EINVAL, "metadata.name is missing or no name");
	if (!ns || (is_namespaced(kind) && !made_of(ns, "-.", 1, LNT_KUBE_NAME_MAX)))
		return lnt_err_set(e, -EINVAL, "metadata.namespace is missing or no name");
	ret_key->name = name;
	ret_key->ns = ns;
	return 0;
}

static int add_label(const cJSON *item, struct lnt_err *e, struct lnt_labels *labels)
{
	struct lnt_label *l = &labels->items[labels->n];

	if (!cJSON_IsString(item) || !lnt_decode_is_key(item->string) ||
		!lnt_decode_is_value(item->valuestring))
		return lnt_err_set(
			e, -EINVAL, "metadata.labels: '%.64s' is no label", item->string ?: "");
	labels->n++;
	l->key = lnt_intern(item->string);
	l->value = lnt_intern(item->valuestring);
	return l->key && l->value ? 0 : -ENOMEM;
}

int lnt_decode_labels(const cJSON *json, struct lnt_err *e, struct lnt_labels *ret_labels)
{
	const cJSON *map = lnt_json_get(lnt_json_get(json, "metadata"), "labels"), *item;
	int n = cJSON_GetArraySize(map), r;

	if (map && !cJSON_IsObject(map))
		return lnt_err_set(e, -EINVAL, "metadata.labels is no object");
	if (!n)
		return 0;
	ret_labels->items = calloc(n, sizeof(*ret_labels->items));
	if (!ret_labels->items)
		return -ENOMEM;
	cJSON_ArrayForEach (item, map) {
		r = add_label(item, e, ret_labels);
		if (r)
			return r;
	}
	lnt_labels_normalize(ret_labels);
	return 0;
}

static int decode_meta(
	enum lnt_kind kind, const cJSON *json, struct lnt_err *e, struct lnt_meta *ret_meta)
{
	const char *uid = lnt_json_text(lnt_json_get(json, "metadata"), "uid");
	struct lnt_decode_key key;
	int r = lnt_decode_key(kind, json, e, &key);

	if (r)
		return r;
	ret_meta->kind = kind;
	ret_meta->version = key.number;
	ret_meta->ns = lnt_intern(key.ns);
	ret_meta->name = lnt_intern(key.name);
	ret_meta->uid = strndup(uid ?: "", 63);
	return ret_meta->ns && ret_meta->name && ret_meta->uid ? 0 : -ENOMEM;
}

static int decode_body(
	enum lnt_kind kind, const cJSON *json, struct lnt_err *e, struct lnt_meta *obj)
{
	switch (kind) {
	case LNT_KIND_NAMESPACE:
		return lnt_decode_namespace(json, e, (struct lnt_namespace *)obj);
	case LNT_KIND_NODE:
		return lnt_decode_node(json, e, (struct lnt_node *)obj);
	case LNT_KIND_POD:
		return lnt_decode_pod(json, e, (struct lnt_pod *)obj);
	case LNT_KIND_SERVICE:
		return lnt_decode_service(json, e, (struct lnt_service *)obj);
	case LNT_KIND_ENDPOINTSLICE:
		return lnt_decode_slice(json, e, (struct lnt_endpointslice *)obj);
	case LNT_KIND_NETWORKPOLICY:
		return lnt_decode_netpol(json, e, (struct lnt_netpol *)obj);
	case LNT_KIND_CLUSTERNETWORKPOLICY:
		return lnt_decode_cnp(json, e, (struct lnt_netpol *)obj);
	case LNT_KIND_MAX:
		break;
	}
	return -EINVAL;
}

static bool is_kept(enum lnt_kind kind, const cJSON *json)
{
	const char *type;

	if (kind != LNT_KIND_ENDPOINTSLICE)
		return true;
	type = lnt_json_text(json, "addressType");
	return !type || strcmp(type, "FQDN");
}

int lnt_decode(enum lnt_kind kind, const cJSON *json, struct lnt_err *e, struct lnt_meta **ret_obj)
{
	static const size_t sizes[LNT_KIND_MAX] = {
		[LNT_KIND_NAMESPACE] = sizeof(struct lnt_namespace),
		[LNT_KIND_NODE] = sizeof(struct lnt_node),
		[LNT_KIND_POD] = sizeof(struct lnt_pod),
		[LNT_KIND_SERVICE] = sizeof(struct lnt_service),
		[LNT_KIND_ENDPOINTSLICE] = sizeof(struct lnt_endpointslice),
		[LNT_KIND_NETWORKPOLICY] = sizeof(struct lnt_netpol),
		[LNT_KIND_CLUSTERNETWORKPOLICY] = sizeof(struct lnt_netpol),
	};
	struct lnt_meta *obj;
	int r;

	*ret_obj = NULL;
	if (!is_kept(kind, json))
		return 0;
	obj = calloc(1, sizes[kind]);
	if (!obj)
		return -ENOMEM;
	obj->kind = kind;
	r = decode_meta(kind, json, e, obj);
	if (!r)
		r = decode_body(kind, json, e, obj);
	if (r)
		lnt_object_free(obj);
	else
		*ret_obj = obj;
	return r;
}
