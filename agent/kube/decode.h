/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From the API server's JSON to model objects. Nothing in the JSON is trusted: any type may be any
 * other, any name may be missing or too long, any number absurd.
 */
#include "agent/model/model.h"
#include "lib/err.h"

#include <cjson/cJSON.h>

/* The longest names that the API accepts (RFC 1123 subdomain; qualified name; label value). */
#define LNT_KUBE_NAME_MAX  253
#define LNT_KUBE_KEY_MAX   317
#define LNT_KUBE_VALUE_MAX 63

/* What is needed to find the object in the store, and to resume the watch. Borrowed from the JSON.
 */
struct lnt_decode_key {
	const char *ns; /* "" for cluster-scoped kinds */
	const char *name;
	const char *version; /* metadata.resourceVersion, NULL when there is none */
	uint64_t number;     /* the same as a number, 0 when it is none */
};

/* Reads metadata. Returns 0, or -EINVAL: the object cannot be named; @ret_key then has a version.
 */
int lnt_decode_key(
	enum lnt_kind kind, const cJSON *json, struct lnt_err *e, struct lnt_decode_key *ret_key);

/* A decimal number that fits, else 0. */
uint64_t lnt_decode_version(const char *s);

/*
 * Decodes one object into a new one that the caller owns. Returns
 *   0       with *ret_obj NULL when linnet does not keep such an object (an FQDN EndpointSlice);
 *           @e may say what part was left out (e->err set) although the object was made
 *   -EINVAL it cannot be represented; an older version of it must not stay in use
 *   -ENOMEM
 *
 * A NetworkPolicy or ClusterNetworkPolicy that can be named is always made; see decode_netpol.c and
 * decode_cnp.c for what becomes of the parts that are not understood.
 */
int lnt_decode(enum lnt_kind kind, const cJSON *json, struct lnt_err *e, struct lnt_meta **ret_obj);

/* --- shared by the decoders ------------------------------------------------------------------- */

/* The member @name of object @json; NULL when absent, null, or @json is no object. */
const cJSON *lnt_json_get(const cJSON *json, const char *name);

/* The member @name if it is an array, else NULL (which has no elements). */
const cJSON *lnt_json_list(const cJSON *json, const char *name);

/* The text of a string member, or NULL. */
const char *lnt_json_text(const cJSON *json, const char *name);

/* Whether @json is a whole number from @min to @max. */
bool lnt_json_int(const cJSON *json, long min, long max, long *ret_value);

/* "TCP", "UDP", "SCTP" to an IANA number; absent (NULL) is TCP. Returns false for anything else. */
bool lnt_json_proto(const cJSON *json, uint8_t *ret_proto);

/* Whether @s may be a label key or value in form and length. */
bool lnt_decode_is_key(const char *s);
bool lnt_decode_is_value(const char *s);

/* The decoders of each kind. @obj has its meta filled in; 0, -EINVAL with @e, or -ENOMEM. */
int lnt_decode_namespace(const cJSON *json, struct lnt_err *e, struct lnt_namespace *obj);
int lnt_decode_node(const cJSON *json, struct lnt_err *e, struct lnt_node *obj);
int lnt_decode_pod(const cJSON *json, struct lnt_err *e, struct lnt_pod *obj);
int lnt_decode_service(const cJSON *json, struct lnt_err *e, struct lnt_service *obj);
int lnt_decode_slice(const cJSON *json, struct lnt_err *e, struct lnt_endpointslice *obj);
int lnt_decode_netpol(const cJSON *json, struct lnt_err *e, struct lnt_netpol *obj);
int lnt_decode_cnp(const cJSON *json, struct lnt_err *e, struct lnt_netpol *obj);

/* metadata.labels. Absent: none. Anything that is no label makes it fail: -EINVAL. */
int lnt_decode_labels(const cJSON *json, struct lnt_err *e, struct lnt_labels *ret_labels);
