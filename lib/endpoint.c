/* SPDX-License-Identifier: Apache-2.0 */
/* Records of endpoint.h: JSON, one file an attachment. */
#include "lib/endpoint.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#define LNT_LOG "endpoint"
#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RECORD 65536
#define SUFFIX	   ".json"

/* --- JSON ------------------------------------------------------------------------------------- */

static bool add_string(cJSON *obj, const char *key, const char *value)
{
	return !*value || cJSON_AddStringToObject(obj, key, value);
}

static bool add_mac(cJSON *obj, const char *key, const uint8_t mac[static 6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return cJSON_AddStringToObject(obj, key, text);
}

static bool add_addrs(cJSON *obj, const struct lnt_endpoint *ep)
{
	cJSON *list = cJSON_AddArrayToObject(obj, "addresses");
	char text[LNT_ADDRSTRLEN];

	if (!list)
		return false;
	for (unsigned i = 0; i < ep->n_addrs && i < ARRAY_SIZE(ep->addrs); i++) {
		cJSON *item = cJSON_CreateString(lnt_addr_str(&ep->addrs[i], text));

		if (!item)
			return false;
		cJSON_AddItemToArray(list, item);
	}
	return true;
}

static bool add_portmaps(cJSON *obj, const struct lnt_endpoint *ep)
{
	return !ep->n_portmaps ||
		lnt_portmaps_add(obj, "portMappings", ep->portmaps, ep->n_portmaps);
}

/* A text: numbers of JSON have 53 bits. */
static bool add_cookie(cJSON *obj, const struct lnt_endpoint *ep)
{
	char text[24];

	if (!ep->netns_cookie)
		return true;
	snprintf(text, sizeof(text), "%" PRIu64, ep->netns_cookie);
	return cJSON_AddStringToObject(obj, "netnsCookie", text);
}

cJSON *lnt_endpoint_to_json(const struct lnt_endpoint *ep)
{
	_cleanup_json_ cJSON *obj = cJSON_CreateObject();

	if (!obj || !add_string(obj, "containerID", ep->container_id) ||
		!add_string(obj, "ifname", ep->ifname) ||
		!add_string(obj, "network", ep->network) || !add_string(obj, "netns", ep->netns) ||
		!add_string(obj, "podNamespace", ep->pod_ns) ||
		!add_string(obj, "podName", ep->pod_name) ||
		!add_string(obj, "podUID", ep->pod_uid) || !add_addrs(obj, ep) ||
		!add_string(obj, "hostIfname", ep->host_ifname) ||
		!cJSON_AddNumberToObject(obj, "hostIfindex", ep->host_ifindex) ||
		!add_mac(obj, "mac", ep->mac) || !add_mac(obj, "hostMac", ep->host_mac) ||
		!add_cookie(obj, ep) || !add_portmaps(obj, ep))
		return NULL;
	return TAKE_PTR(obj);
}

/* A string into @buf; one that is absent gives the empty string unless @required. */
static int get_string(
	const cJSON *obj, const char *key, bool required, char *buf, size_t size, struct lnt_err *e)
{
	const cJSON *item = lnt_json_get(obj, key);
	const char *s = cJSON_GetStringValue(item);

	if (!item && !required)
		return 0;
	if (!s || (required && !*s) || strlen(s) >= size)
		return lnt_err_set(e, -EINVAL, "%s is missing or not valid", key);
	strcpy(buf, s);
	return 0;
}

static int get_mac(const cJSON *obj, const char *key, uint8_t ret_mac[static 6], struct lnt_err *e)
{
	const char *s = lnt_json_str(obj, key);
	unsigned m[6];
	int end = 0;

	if (!s ||
		sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
			&end) != 6 ||
		s[end])
		return lnt_err_set(e, -EINVAL, "%s is missing or not a MAC address", key);
	for (unsigned i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)m[i];
	return 0;
}

static int get_addrs(const cJSON *obj, struct lnt_endpoint *ep, struct lnt_err *e)
{
	const cJSON *list = lnt_json_get(obj, "addresses"), *item;

	if (!cJSON_IsArray(list))
		return lnt_err_set(e, -EINVAL, "addresses is not a list");
	cJSON_ArrayForEach (item, list) {
		const char *s = cJSON_GetStringValue(item);

		if (ep->n_addrs == ARRAY_SIZE(ep->addrs) || !s ||
			lnt_addr_parse(s, &ep->addrs[ep->n_addrs]))
			return lnt_err_set(e, -EINVAL, "addresses has more than two or bad ones");
		ep->n_addrs++;
	}
	if (ep->n_addrs == 2 && lnt_addr_is4(&ep->addrs[0]) == lnt_addr_is4(&ep->addrs[1]))
		return lnt_err_set(e, -EINVAL, "addresses has two of one family");
	return 0;
}

static int get_cookie(const cJSON *obj, struct lnt_err *e, uint64_t *ret_cookie)
{
	const cJSON *item = lnt_json_get(obj, "netnsCookie");
	const char *s = cJSON_GetStringValue(item);
	char *end;

	if (!item)
		return 0;
	*ret_cookie = s ? strtoull(s, &end, 10) : 0;
	if (!s || !*s || *end || *s == '-')
		return lnt_err_set(e, -EINVAL, "netnsCookie is not a number in a string");
	return 0;
}

int lnt_endpoint_from_json(const cJSON *json, struct lnt_err *e, struct lnt_endpoint *ret_ep)
{
	const cJSON *index = lnt_json_get(json, "hostIfindex");
	struct lnt_endpoint ep = {};
	const struct {
		const char *key;
		bool required;
		char *buf;
		size_t size;
	} strings[] = {
		{"containerID", true, ep.container_id, sizeof(ep.container_id)},
		{"ifname", true, ep.ifname, sizeof(ep.ifname)},
		{"network", false, ep.network, sizeof(ep.network)},
		{"netns", false, ep.netns, sizeof(ep.netns)},
		{"podNamespace", false, ep.pod_ns, sizeof(ep.pod_ns)},
		{"podName", false, ep.pod_name, sizeof(ep.pod_name)},
		{"podUID", false, ep.pod_uid, sizeof(ep.pod_uid)},
		{"hostIfname", true, ep.host_ifname, sizeof(ep.host_ifname)},
	};
	int r = 0;

	if (!cJSON_IsObject(json))
		return lnt_err_set(e, -EINVAL, "an endpoint is a JSON object");
	for (size_t i = 0; !r && i < ARRAY_SIZE(strings); i++)
		r = get_string(json, strings[i].key, strings[i].required, strings[i].buf,
			strings[i].size, e);
	if (!r)
		r = get_addrs(json, &ep, e);
	if (!r)
		r = get_mac(json, "mac", ep.mac, e);
	if (!r)
		r = get_mac(json, "hostMac", ep.host_mac, e);
	if (!r)
		r = get_cookie(json, e, &ep.netns_cookie);
	if (!r)
		r = lnt_portmaps_parse(
			lnt_json_get(json, "portMappings"), e, ep.portmaps, &ep.n_portmaps);
	if (r)
		return r;
	if (!cJSON_IsNumber(index) || index->valuedouble < 1 || index->valuedouble > INT_MAX)
		return lnt_err_set(e, -EINVAL, "hostIfindex is missing or not a device's number");
	ep.host_ifindex = (uint32_t)index->valuedouble;
	*ret_ep = ep;
	return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static int record_path(const char *run_dir, const char *container_id, const char *ifname,
	struct lnt_err *e, char path[static PATH_MAX])
{
	int n = snprintf(
		path, PATH_MAX, "%s/endpoints/%s:%s" SUFFIX, run_dir, container_id, ifname);

	return n < PATH_MAX ? 0 : lnt_err_sys(e, -ENAMETOOLONG, "record below %s", run_dir);
}

int lnt_endpoint_save(const char *run_dir, const struct lnt_endpoint *ep, struct lnt_err *e)
{
	_cleanup_json_ cJSON *json = lnt_endpoint_to_json(ep);
	_cleanup_free_ char *text = json ? cJSON_PrintUnformatted(json) : NULL;
	char path[PATH_MAX], *slash;
	int r;

	if (!text)
		return lnt_err_sys(e, -ENOMEM, "write endpoint record");
	r = record_path(run_dir, ep->container_id, ep->ifname, e, path);
	if (r)
		return r;
	r = lnt_file_replace(path, text, strlen(text), NULL);
	if (r != -ENOENT)
		return r ? lnt_err_sys(e, r, "write endpoint record %s", path) : 0;
	slash = strrchr(path, '/');
	*slash = '\0';
	r = lnt_mkdirs(path, 0700, e);
	*slash = '/';
	return r ? r : lnt_file_replace(path, text, strlen(text), e);
}

int lnt_endpoint_remove(
	const char *run_dir, const char *container_id, const char *ifname, struct lnt_err *e)
{
	char path[PATH_MAX];
	int r = record_path(run_dir, container_id, ifname, e, path);

	return r ? r : lnt_file_remove(path, e);
}

static int load_file(const char *path, struct lnt_err *e, struct lnt_endpoint *ret_ep)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ cJSON *json = NULL;
	struct lnt_err why = {};
	size_t len;
	int r;

	r = lnt_file_read(path, MAX_RECORD, e, &text, &len);
	if (r)
		return r;
	json = cJSON_ParseWithLength(text, len);
	if (!json)
		return lnt_err_set(e, -EINVAL, "endpoint record %s is not JSON", path);
	r = lnt_endpoint_from_json(json, &why, ret_ep);
	return r ? lnt_err_set(e, r, "endpoint record %s: %s", path, why.msg) : 0;
}

int lnt_endpoint_load(const char *run_dir, const char *container_id, const char *ifname,
	struct lnt_err *e, struct lnt_endpoint *ret_ep)
{
	char path[PATH_MAX];
	int r = record_path(run_dir, container_id, ifname, e, path);

	return r ? r : load_file(path, e, ret_ep);
}

/* "<something>.json", and neither hidden nor a temporary file. */
static bool is_record(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > strlen(SUFFIX) &&
		!strcmp(name + len - strlen(SUFFIX), SUFFIX);
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

int lnt_endpoint_load_all(
	const char *run_dir, struct lnt_err *e, struct lnt_endpoint **ret_eps, size_t *ret_n)
{
	_cleanup_free_ struct lnt_endpoint *eps = NULL;
	_cleanup_(closedirp) DIR *d = NULL;
	size_t n = 0, room = 0;
	char path[PATH_MAX];
	struct dirent *de;

	if (snprintf(path, sizeof(path), "%s/endpoints", run_dir) >= (int)sizeof(path))
		return lnt_err_sys(e, -ENAMETOOLONG, "records below %s", run_dir);
	d = opendir(path);
	if (!d && errno != ENOENT)
		return lnt_err_sys(e, -errno, "open folder %s", path);
	while (d && (errno = 0, de = readdir(d))) {
		struct lnt_err why = {};

		if (!is_record(de->d_name) ||
			snprintf(path, sizeof(path), "%s/endpoints/%s", run_dir, de->d_name) >=
				(int)sizeof(path))
			continue;
		if (n == room) {
			void *grown = realloc(eps, (room ? room * 2 : 16) * sizeof(*eps));

			if (!grown)
				return lnt_err_sys(e, -ENOMEM, "read endpoint records");
			eps = grown;
			room = room ? room * 2 : 16;
		}
		switch (load_file(path, &why, &eps[n])) {
		case 0:
			n++;
			break;
		case -ENOENT: /* removed meanwhile */
			break;
		default:
			log_warn("left out: %s", why.msg);
		}
	}
	if (d && errno)
		return lnt_err_sys(e, -errno, "read folder %s/endpoints", run_dir);
	*ret_eps = TAKE_PTR(eps);
	*ret_n = n;
	return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

/* FNV-1a, 64 bits, with a final mix so that all of its bits are good. */
static uint64_t hash(const char *a, const char *b)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *a; a++)
		h = (h ^ (uint8_t)*a) * 0x100000001b3ull;
	h = (h ^ '/') * 0x100000001b3ull;
	for (; *b; b++)
		h = (h ^ (uint8_t)*b) * 0x100000001b3ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h;
}

void lnt_endpoint_host_ifname(
	const char *container_id, const char *ifname, char ret_name[static IFNAMSIZ])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	uint64_t h = hash(container_id, ifname);

	memcpy(ret_name, "lnt", 3);
	for (unsigned i = 3; i < 14; i++, h >>= 5)
		ret_name[i] = digits[h & 31];
	ret_name[14] = '\0';
}
