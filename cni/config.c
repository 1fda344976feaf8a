/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters and configuration of config.h. */
#include "cni/config.h"

#include "cni/error.h"
#include "datapath/pins.h"
#include "lib/json.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

const char *const lnt_cni_version_names[LNT_CNI_VERSIONS] = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"};

static const char *const verbs[] = {
	[LNT_ADD] = "ADD",
	[LNT_DEL] = "DEL",
	[LNT_CHECK] = "CHECK",
	[LNT_GC] = "GC",
	[LNT_STATUS] = "STATUS",
	[LNT_VERSION] = "VERSION",
};

/* Locale does not matter here: isalnum() and isspace() in "C", for bytes. */
bool lnt_cni_name_ok(const char *s, size_t max)
{
	if (!isalnum((unsigned char)*s) || strlen(s) > max)
		return false;
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	}
	return true;
}

bool lnt_ifname_ok(const char *s)
{
	if (!*s || strlen(s) >= IFNAMSIZ || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (; *s; s++) {
		if (*s == '/' || *s == ':' || *s == '%' || isspace((unsigned char)*s) ||
			iscntrl((unsigned char)*s))
			return false;
	}
	return true;
}

/* --- environment ------------------------------------------------------------------------------ */

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

void lnt_env_read(struct lnt_env *ret_env)
{
	*ret_env = (struct lnt_env){
		.command = env("CNI_COMMAND"),
		.container_id = env("CNI_CONTAINERID"),
		.netns = env("CNI_NETNS"),
		.ifname = env("CNI_IFNAME"),
		.args = env("CNI_ARGS"),
		.path = env("CNI_PATH"),
	};
}

int lnt_env_verb(const struct lnt_env *env, struct lnt_err *e, enum lnt_verb *ret_verb)
{
	if (!env->command)
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
			"CNI_COMMAND is not set: linnet is a CNI plugin, which a container runtime "
			"runs");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(env->command, verbs[i])) {
			*ret_verb = (enum lnt_verb)i;
			return 0;
		}
	}
	return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
		"CNI_COMMAND %s is not one of ADD, DEL, CHECK, GC, STATUS, VERSION", env->command);
}

static int check_env(const struct lnt_env *env, enum lnt_verb verb, struct lnt_err *e)
{
	bool attachment = verb == LNT_ADD || verb == LNT_DEL || verb == LNT_CHECK;
	bool netns = verb == LNT_ADD || verb == LNT_CHECK;

	if (!attachment)
		return 0;
	if (!env->container_id)
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL, "CNI_CONTAINERID is not set");
	if (!lnt_cni_name_ok(env->container_id, LNT_CONTAINER_ID_MAX))
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
			"CNI_CONTAINERID %.140s is not valid: at most %d letters, digits and _ . "
			"-, "
			"beginning with a letter or digit",
			env->container_id, LNT_CONTAINER_ID_MAX);
	if (!env->ifname)
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL, "CNI_IFNAME is not set");
	if (!lnt_ifname_ok(env->ifname))
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
			"CNI_IFNAME '%.40s' is not valid: at most %d characters, not . or .., "
			"without "
			"/ : %% and white space",
			env->ifname, IFNAMSIZ - 1);
	if (netns && !env->netns)
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL, "CNI_NETNS is not set");
	return 0;
}

static bool truth(const char *s)
{
	return !strcmp(s, "1") || !strcasecmp(s, "true");
}

/* One "KEY=VALUE" of CNI_ARGS. *@unknown: the first key that is not ours. */
static int take_arg(struct lnt_request *req, const char *key, const char *value, bool *ignore,
	char unknown[static 64], struct lnt_err *e)
{
	const struct {
		const char *key;
		char *buf;
		size_t size;
	} known[] = {
		{"K8S_POD_NAMESPACE", req->pod_ns, sizeof(req->pod_ns)},
		{"K8S_POD_NAME", req->pod_name, sizeof(req->pod_name)},
		{"K8S_POD_UID", req->pod_uid, sizeof(req->pod_uid)},
		{"K8S_POD_INFRA_CONTAINER_ID", NULL, 0},
	};

	if (!strcmp(key, "IgnoreUnknown")) {
		*ignore = truth(value);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(key, known[i].key))
			continue;
		if (!known[i].buf)
			return 0;
		if (strlen(value) >= known[i].size)
			return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
				"%s in CNI_ARGS is longer than %zu characters", key,
				known[i].size - 1);
		strcpy(known[i].buf, value);
		return 0;
	}
	if (!*unknown)
		snprintf(unknown, 64, "%s", key);
	return 0;
}

/* CNI_ARGS, "KEY=VALUE;..." (SPEC.md, "Parameters"; the runtimes' IgnoreUnknown convention). */
static int parse_args(struct lnt_request *req, struct lnt_err *e)
{
	_cleanup_free_ char *copy = NULL;
	char unknown[64] = "", *pair, *rest;
	bool ignore = false;
	int r;

	if (!req->env.args)
		return 0;
	rest = copy = strdup(req->env.args);
	if (!copy)
		return lnt_fail_sys(e, LNT_CNI_INTERNAL, -ENOMEM, "read CNI_ARGS");
	while ((pair = strsep(&rest, ";"))) {
		char *value = strchr(pair, '=');

		if (!*pair)
			continue;
		if (!value)
			return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
				"CNI_ARGS: '%.60s' is not of the form KEY=VALUE", pair);
		*value++ = '\0';
		r = take_arg(req, pair, value, &ignore, unknown, e);
		if (r)
			return r;
	}
	if (*unknown && !ignore)
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
			"CNI_ARGS has the unknown key %s, and IgnoreUnknown is not set", unknown);
	if (*req->pod_name && !*req->pod_ns)
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
			"CNI_ARGS has K8S_POD_NAME but no K8S_POD_NAMESPACE");
	return 0;
}

/* --- configuration ---------------------------------------------------------------------------- */

static int parse_version(struct lnt_request *req, struct lnt_err *e)
{
	/* What came in which version: SPEC.md of each. */
	static const enum lnt_cni_version since[] = {[LNT_CHECK] = LNT_CNI_0_4_0,
		[LNT_GC] = LNT_CNI_1_1_0,
		[LNT_STATUS] = LNT_CNI_1_1_0};
	const cJSON *item = lnt_json_get(req->json, "cniVersion");
	const char *s = cJSON_GetStringValue(item);
	unsigned v = 0;

	if (!item)
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL, "cniVersion is missing");
	if (!s)
		return lnt_fail(e, LNT_CNI_DECODE_FAILURE, -EINVAL, "cniVersion is not a string");
	while (v < LNT_CNI_VERSIONS && strcmp(s, lnt_cni_version_names[v]))
		v++;
	if (v == LNT_CNI_VERSIONS)
		return lnt_fail(e, LNT_CNI_INCOMPATIBLE_VERSION, -EINVAL,
			"cniVersion %.40s is not supported", s);
	req->version = v;
	if ((size_t)req->verb < ARRAY_SIZE(since) && v < since[req->verb])
		return lnt_fail(e, LNT_CNI_INCOMPATIBLE_VERSION, -EINVAL,
			"%s needs cniVersion %s or newer, the configuration has %s",
			verbs[req->verb], lnt_cni_version_names[since[req->verb]], s);
	return 0;
}

/* An absolute path, or @fallback when the key is absent. */
static int get_path(const cJSON *json, const char *key, const char *fallback, struct lnt_err *e,
	const char **ret_path)
{
	const cJSON *item = lnt_json_get(json, key);
	const char *s = cJSON_GetStringValue(item);

	if (item && (!s || *s != '/'))
		return lnt_fail(
			e, LNT_CNI_INVALID_CONFIG, -EINVAL, "%s is not an absolute path", key);
	*ret_path = item ? s : fallback;
	return 0;
}

static int parse_name(struct lnt_request *req, struct lnt_err *e)
{
	const char *type = lnt_json_str(req->json, "type");

	req->network = lnt_json_str(req->json, "name");
	if (!req->network || !*req->network)
		return lnt_fail(
			e, LNT_CNI_INVALID_CONFIG, -EINVAL, "name is missing or not a string");
	if (!lnt_cni_name_ok(req->network, LNT_NETWORK_NAME_MAX))
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
			"name '%.140s' is not valid: at most %d letters, digits and _ . -, "
			"beginning "
			"with a letter or digit",
			req->network, LNT_NETWORK_NAME_MAX);
	if (!type || !*type)
		return lnt_fail(
			e, LNT_CNI_INVALID_CONFIG, -EINVAL, "type is missing or not a string");
	return 0;
}

/* One entry of ipam.ranges. */
static int parse_range(struct lnt_request *req, const char *s, struct lnt_err *e)
{
	struct lnt_prefix *p = &req->ranges[req->n_ranges];

	if (req->n_ranges == LNT_MAX_RANGES)
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL, "ipam.ranges has more than %d",
			LNT_MAX_RANGES);
	if (!s || lnt_prefix_parse(s, p))
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
			"ipam.ranges: '%.60s' is not a prefix such as 10.244.1.0/24", s ? s : "");
	if (p->len < (lnt_addr_is4(&p->addr) ? 8 : 48))
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
			"ipam.ranges: %.60s is too large for a node (IPv4 from /8, IPv6 from /48)",
			s);
	for (unsigned i = 0; i < req->n_ranges; i++) {
		if (lnt_prefix_has(&req->ranges[i], &p->addr) ||
			lnt_prefix_has(p, &req->ranges[i].addr))
			return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
				"ipam.ranges: %.60s overlaps another range", s);
	}
	req->n_ranges++;
	return 0;
}

static int parse_ranges(struct lnt_request *req, const cJSON *ipam, struct lnt_err *e)
{
	const cJSON *ranges = lnt_json_get(ipam, "ranges"), *item;
	int r;

	if (!cJSON_IsArray(ranges) || !cJSON_GetArraySize(ranges))
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
			"ipam.ranges is missing or not a list of prefixes");
	cJSON_ArrayForEach (item, ranges) {
		r = parse_range(req, cJSON_GetStringValue(item), e);
		if (r)
			return r;
	}
	return 0;
}

static int parse_ipam(struct lnt_request *req, struct lnt_err *e)
{
	const cJSON *ipam = lnt_json_get(req->json, "ipam");

	req->ipam_type = lnt_json_str(ipam, "type");
	if (!req->ipam_type || !*req->ipam_type)
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
			"ipam.type is missing: \"linnet\" for addresses from ipam.ranges, or the "
			"name "
			"of an IPAM plugin");
	req->delegated = strcmp(req->ipam_type, LNT_IPAM_BUILTIN) != 0;
	if (req->delegated) {
		if (strpbrk(req->ipam_type, "/\\") || req->ipam_type[0] == '.')
			return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
				"ipam.type '%.60s' is not the name of a plugin", req->ipam_type);
		return 0;
	}
	if (req->verb == LNT_DEL || req->verb == LNT_GC)
		return 0;
	return parse_ranges(req, ipam, e);
}

static int parse_mtu(struct lnt_request *req, struct lnt_err *e)
{
	const cJSON *item = lnt_json_get(req->json, "mtu");
	double mtu = cJSON_IsNumber(item) ? item->valuedouble : 0;

	if (!item)
		return 0;
	if (!cJSON_IsNumber(item) || (mtu != 0 && (mtu < 68 || mtu > 65535)) ||
		mtu != (double)(uint32_t)mtu)
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
			"mtu is not 0 or a number from 68 to 65535");
	req->mtu = (uint32_t)mtu;
	for (unsigned i = 0; req->mtu && i < req->n_ranges; i++) {
		if (!lnt_addr_is4(&req->ranges[i].addr) && req->mtu < 1280)
			return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
				"mtu %u is too small for IPv6, which needs 1280", req->mtu);
	}
	return 0;
}

/* Capabilities that would change what the pod gets must not be dropped silently. */
static int refuse_capabilities(const struct lnt_request *req, struct lnt_err *e)
{
	static const char *const unsupported[] = {
		"bandwidth", "ipRanges", "ips", "mac", "infinibandGUID"};
	const cJSON *config = lnt_json_get(req->json, "runtimeConfig");

	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
		const cJSON *item = lnt_json_get(config, unsupported[i]);
		_cleanup_free_ char *text = NULL;

		if (!item || cJSON_IsNull(item) || (cJSON_IsString(item) && !*item->valuestring) ||
			((cJSON_IsArray(item) || cJSON_IsObject(item)) && !item->child))
			continue;
		text = cJSON_PrintUnformatted(item);
		return lnt_fail(e, LNT_CNI_UNSUPPORTED_FIELD, -EOPNOTSUPP,
			"runtimeConfig.%s is not supported by linnet: %.200s", unsupported[i],
			text ? text : "");
	}
	return 0;
}

static int parse_portmaps(struct lnt_request *req, struct lnt_err *e)
{
	const cJSON *config = lnt_json_get(req->json, "runtimeConfig");
	struct lnt_err why = {};
	int r = lnt_portmaps_parse(
		lnt_json_get(config, "portMappings"), &why, req->portmaps, &req->n_portmaps);

	return r ? lnt_fail(e, LNT_CNI_INVALID_CONFIG, r, "runtimeConfig.%s", why.msg) : 0;
}

static int parse_prev_result(struct lnt_request *req, struct lnt_err *e)
{
	const cJSON *item = lnt_json_get(req->json, "prevResult");

	if (item && !cJSON_IsObject(item) && !cJSON_IsNull(item))
		return lnt_fail(e, LNT_CNI_DECODE_FAILURE, -EINVAL, "prevResult is not an object");
	req->prev_result = cJSON_IsObject(item) ? item : NULL;
	if (req->verb == LNT_CHECK && !req->prev_result)
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
			"prevResult is missing: CHECK compares with the result of ADD");
	return 0;
}

static int parse_valid_attachments(struct lnt_request *req, struct lnt_err *e)
{
	const cJSON *list = lnt_json_get(req->json, "cni.dev/valid-attachments"), *item;

	/* Without the list everything would look stale. Go writes an empty one as null. */
	if (!cJSON_IsArray(list) && !cJSON_IsNull(list))
		return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
			"cni.dev/valid-attachments is missing or not a list");
	cJSON_ArrayForEach (item, list) {
		if (!lnt_json_str(item, "containerID") || !lnt_json_str(item, "ifname"))
			return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EINVAL,
				"cni.dev/valid-attachments: containerID or ifname is missing");
	}
	req->valid_attachments = list;
	return 0;
}

static int parse_rest(struct lnt_request *req, struct lnt_err *e)
{
	int r = parse_name(req, e);

	if (!r)
		r = get_path(req->json, "runDir", LNT_RUN_DIR, e, &req->run_dir);
	if (!r)
		r = get_path(req->json, "bpfRoot", LNT_BPF_ROOT, e, &req->bpf_root);
	if (!r)
		r = parse_ipam(req, e);
	if (!r && req->verb == LNT_GC)
		r = parse_valid_attachments(req, e);
	if (r || req->verb == LNT_DEL || req->verb == LNT_GC)
		return r;
	r = parse_mtu(req, e);
	if (!r)
		r = parse_args(req, e);
	if (!r && req->verb == LNT_ADD)
		r = refuse_capabilities(req, e);
	if (!r && (req->verb == LNT_ADD || req->verb == LNT_CHECK))
		r = parse_portmaps(req, e);
	if (!r)
		r = parse_prev_result(req, e);
	return r;
}

int lnt_request_parse(enum lnt_verb verb, const struct lnt_env *env, char *raw, size_t len,
	struct lnt_err *e, struct lnt_request *ret_req)
{
	struct lnt_request *req = ret_req;
	int r;

	*req = (struct lnt_request){.verb = verb, .env = *env, .raw = raw, .raw_len = len};
	req->version = LNT_CNI_VERSIONS - 1;
	r = check_env(env, verb, e);
	if (r)
		return r;
	if (!len)
		return lnt_fail(e, LNT_CNI_DECODE_FAILURE, -EINVAL,
			"no network configuration on standard input");
	req->json = cJSON_ParseWithLengthOpts(raw, len + 1, NULL, 1);
	if (!req->json)
		return lnt_fail(e, LNT_CNI_DECODE_FAILURE, -EINVAL,
			"the network configuration on standard input is not valid JSON");
	if (!cJSON_IsObject(req->json))
		return lnt_fail(e, LNT_CNI_DECODE_FAILURE, -EINVAL,
			"the network configuration is not a JSON object");
	r = parse_version(req, e);
	return r ? r : parse_rest(req, e);
}

void lnt_request_free(struct lnt_request *req)
{
	cJSON_Delete(req->json);
	free(req->raw);
	req->json = NULL;
	req->raw = NULL;
}
