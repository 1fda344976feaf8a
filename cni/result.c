/* SPDX-License-Identifier: Apache-2.0 */
/* Results of result.h. */
#include "cni/result.h"

#include "lib/json.h"

#include <string.h>

const char *lnt_mac_str(const uint8_t mac[static 6], char buf[static 18])
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
	return buf;
}

/* The list of that name, made when it is absent or null. */
static cJSON *list(cJSON *obj, const char *key)
{
	cJSON *item = lnt_json_get(obj, key);

	if (cJSON_IsArray(item))
		return item;
	cJSON_DeleteItemFromObjectCaseSensitive(obj, key);
	return cJSON_AddArrayToObject(obj, key);
}

/* A new object at the end of @list, or NULL. */
static cJSON *append(cJSON *list)
{
	cJSON *item = cJSON_CreateObject();

	if (item && !cJSON_AddItemToArray(list, item)) {
		cJSON_Delete(item);
		return NULL;
	}
	return item;
}

static bool add_interface(cJSON *interfaces, const struct lnt_request *req, const char *name,
	const uint8_t mac[static 6], uint32_t mtu, const char *sandbox)
{
	cJSON *item = append(interfaces);
	char text[18];

	return item && cJSON_AddStringToObject(item, "name", name) &&
		cJSON_AddStringToObject(item, "mac", lnt_mac_str(mac, text)) &&
		(req->version < LNT_CNI_1_1_0 || cJSON_AddNumberToObject(item, "mtu", mtu)) &&
		(!sandbox || cJSON_AddStringToObject(item, "sandbox", sandbox));
}

static bool add_ip(
	cJSON *ips, const struct lnt_request *req, const struct in6_addr *addr, int index)
{
	struct lnt_prefix prefix = {.addr = *addr, .len = (uint8_t)lnt_addr_bits(addr)};
	bool v4 = lnt_addr_is4(addr);
	char text[LNT_PREFIXSTRLEN];
	cJSON *item = append(ips);

	return item &&
		(req->version >= LNT_CNI_1_0_0 ||
			cJSON_AddStringToObject(item, "version", v4 ? "4" : "6")) &&
		cJSON_AddStringToObject(item, "address", lnt_prefix_str(&prefix, text)) &&
		cJSON_AddStringToObject(item, "gateway", v4 ? LNT_GATEWAY4 : LNT_GATEWAY6) &&
		cJSON_AddNumberToObject(item, "interface", index);
}

static bool add_number(cJSON *obj, const char *key, uint32_t n)
{
	return !n || cJSON_AddNumberToObject(obj, key, n);
}

static bool add_route(
	cJSON *routes, const struct lnt_request *req, const struct lnt_ipam_route *route)
{
	const char *gw = lnt_addr_is4(&route->dst.addr) ? LNT_GATEWAY4 : LNT_GATEWAY6;
	char text[LNT_PREFIXSTRLEN];
	cJSON *item = append(routes);

	if (!item || !cJSON_AddStringToObject(item, "dst", lnt_prefix_str(&route->dst, text)) ||
		!cJSON_AddStringToObject(item, "gw", gw))
		return false;
	return req->version < LNT_CNI_1_1_0 ||
		(add_number(item, "mtu", route->mtu) && add_number(item, "advmss", route->advmss) &&
			add_number(item, "priority", route->priority) &&
			add_number(item, "table", route->table));
}

/* From the IPAM plugin, else from the configuration, else what is there, else empty. */
static bool add_dns(
	cJSON *result, const struct lnt_request *req, const struct lnt_ipam_result *ipam)
{
	const cJSON *config = lnt_json_get(req->json, "dns");
	const cJSON *from = ipam->dns ? ipam->dns : cJSON_IsObject(config) ? config : NULL;
	cJSON *dns;

	if (!from && cJSON_IsObject(lnt_json_get(result, "dns")))
		return true;
	dns = from ? cJSON_Duplicate(from, 1) : cJSON_CreateObject();
	cJSON_DeleteItemFromObjectCaseSensitive(result, "dns");
	if (dns && cJSON_AddItemToObject(result, "dns", dns))
		return true;
	cJSON_Delete(dns);
	return false;
}

cJSON *lnt_result_build(const struct lnt_request *req, const struct lnt_endpoint *ep,
	const struct lnt_ipam_result *ipam, uint32_t mtu)
{
	_cleanup_json_ cJSON *result =
		req->prev_result ? cJSON_Duplicate(req->prev_result, 1) : cJSON_CreateObject();
	cJSON *interfaces, *ips, *routes;
	int n;

	cJSON_DeleteItemFromObjectCaseSensitive(result, "cniVersion");
	if (!result ||
		!cJSON_AddStringToObject(result, "cniVersion", lnt_cni_version_names[req->version]))
		return NULL;
	interfaces = list(result, "interfaces");
	ips = list(result, "ips");
	routes = list(result, "routes");
	if (!interfaces || !ips || !routes)
		return NULL;
	n = cJSON_GetArraySize(interfaces);
	if (!add_interface(interfaces, req, ep->host_ifname, ep->host_mac, mtu, NULL) ||
		!add_interface(interfaces, req, ep->ifname, ep->mac, mtu, req->env.netns))
		return NULL;
	for (unsigned i = 0; i < ipam->n_addrs; i++) {
		if (!add_ip(ips, req, &ipam->addrs[i], n + 1))
			return NULL;
	}
	for (unsigned i = 0; i < ipam->n_routes; i++) {
		if (!add_route(routes, req, &ipam->routes[i]))
			return NULL;
	}
	return add_dns(result, req, ipam) ? TAKE_PTR(result) : NULL;
}
