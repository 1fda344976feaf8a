/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services and EndpointSlices. A part that is not understood (an address, a port, an endpoint) is
 * left out and said in the error record: less is reachable, never more.
 */
#include "agent/kube/decode.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICE_NAME_LABEL "kubernetes.io/service-name"
#define PROXY_NAME_LABEL   "service.kubernetes.io/service-proxy-name"
#define HEADLESS_LABEL	   "service.kubernetes.io/headless"
#define FORWARDING_NOTE	   "linnet.io/forwarding-mode"

#define AFFINITY_DEFAULT 10800 /* core/v1 ClientIPConfig.timeoutSeconds */
#define AFFINITY_MAX	 86400

/*
 * What another implementation is to serve, and what is headless by label, is not for us (KEP-2447);
 * the same holds for slices.
 */
static bool is_foreign(const cJSON *json)
{
	const cJSON *labels = lnt_json_get(lnt_json_get(json, "metadata"), "labels");

	return lnt_json_get(labels, PROXY_NAME_LABEL) || lnt_json_get(labels, HEADLESS_LABEL);
}

static void add_cluster_ip(const char *text, struct lnt_err *e, struct lnt_service *obj)
{
	struct in6_addr a;

	/* Headless, or not allocated yet. */
	if (text && (!*text || !strcmp(text, "None")))
		return;
	if (!text || lnt_addr_parse(text, &a)) {
		lnt_err_set(e, -EINVAL, "spec.clusterIPs: '%.64s' is no address", text ?: "");
	} else if (obj->n_cluster_ips == ARRAY_SIZE(obj->cluster_ips) ||
		(obj->n_cluster_ips && lnt_addr_is4(&a) == lnt_addr_is4(&obj->cluster_ips[0]))) {
		lnt_err_set(e, -EINVAL, "spec.clusterIPs: %.64s is one too many", text);
	} else {
		obj->cluster_ips[obj->n_cluster_ips++] = a;
	}
}

static void decode_cluster_ips(const cJSON *spec, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *list = lnt_json_list(spec, "clusterIPs"), *ip;
	const char *single = lnt_json_text(spec, "clusterIP");

	if (obj->type == LNT_SERVICE_EXTERNAL_NAME)
		return;
	cJSON_ArrayForEach (ip, list)
		add_cluster_ip(cJSON_GetStringValue(ip), e, obj);
	if (!obj->n_cluster_ips && single)
		add_cluster_ip(single, e, obj);
}

/* A port's name, "" when absent. NULL: no name. */
static const char *port_name(const cJSON *port)
{
	const cJSON *name = lnt_json_get(port, "name");

	if (!name)
		return "";
	return cJSON_IsString(name) && lnt_decode_is_value(name->valuestring) ? name->valuestring
									      : NULL;
}

static int add_service_port(const cJSON *port, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *node_port = lnt_json_get(port, "nodePort");
	const char *name = port_name(port);
	struct lnt_service_port *p = &obj->ports[obj->n_ports];
	long number, node_number = 0;

	if (!name || !lnt_json_proto(lnt_json_get(port, "protocol"), &p->proto) ||
		!lnt_json_int(lnt_json_get(port, "port"), 1, 65535, &number) ||
		(node_port && !lnt_json_int(node_port, 0, 65535, &node_number))) {
		lnt_err_set(e, -EINVAL, "spec.ports: '%.32s' is no port",
			lnt_json_text(port, "name") ?: "");
		return 0;
	}
	p->port = (uint16_t)number;
	p->node_port = (uint16_t)node_number;
	p->name = lnt_intern(name);
	obj->n_ports++;
	return p->name ? 0 : -ENOMEM;
}

/* Room for one more element than *@arr has. */
static void *append(void *arr, size_t n, size_t size)
{
	void **a = arr, *p = reallocarray(*a, n + 1, size);

	if (p)
		*a = p;
	return p;
}

static int decode_external_ips(const cJSON *spec, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *list = lnt_json_list(spec, "externalIPs"), *ip;

	cJSON_ArrayForEach (ip, list) {
		const char *text = cJSON_GetStringValue(ip);
		struct in6_addr a;

		if (!text || lnt_addr_parse(text, &a)) {
			lnt_err_set(
				e, -EINVAL, "spec.externalIPs: '%.64s' is no address", text ?: "");
			continue;
		}
		if (!append(&obj->external_ips, obj->n_external_ips, sizeof(a)))
			return -ENOMEM;
		obj->external_ips[obj->n_external_ips++] = a;
	}
	return 0;
}

/* An ingress by host name, or one that the balancer answers itself, is nothing to serve here. */
static int decode_balancer(const cJSON *json, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *balancer = lnt_json_get(lnt_json_get(json, "status"), "loadBalancer");
	const cJSON *list = lnt_json_list(balancer, "ingress"), *item;

	cJSON_ArrayForEach (item, list) {
		const char *text = lnt_json_text(item, "ip"), *mode = lnt_json_text(item, "ipMode");
		struct in6_addr a;

		if (!text || !*text || (mode && !strcmp(mode, "Proxy")))
			continue;
		if (lnt_addr_parse(text, &a)) {
			lnt_err_set(e, -EINVAL, "status.loadBalancer: '%.64s' is no address", text);
			continue;
		}
		if (!append(&obj->balancer_ips, obj->n_balancer_ips, sizeof(a)))
			return -ENOMEM;
		obj->balancer_ips[obj->n_balancer_ips++] = a;
	}
	return 0;
}

/* The API has always let spaces around a range pass. */
static int parse_range(const char *text, struct lnt_prefix *ret_range)
{
	char copy[LNT_PREFIXSTRLEN + 1];
	size_t n;

	if (!text)
		return -EINVAL;
	text += strspn(text, " \t\n");
	n = strcspn(text, " \t\n");
	if (n >= sizeof(copy) || text[n + strspn(text + n, " \t\n")])
		return -EINVAL;
	memcpy(copy, text, n);
	copy[n] = '\0';
	return lnt_prefix_parse(copy, ret_range);
}

static int decode_ranges(const cJSON *spec, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *list = lnt_json_list(spec, "loadBalancerSourceRanges"), *item;

	obj->has_ranges = cJSON_GetArraySize(list) > 0;
	cJSON_ArrayForEach (item, list) {
		const char *text = cJSON_GetStringValue(item);
		struct lnt_prefix p;

		if (parse_range(text, &p)) {
			lnt_err_set(e, -EINVAL,
				"spec.loadBalancerSourceRanges: '%.64s' is no range", text ?: "");
			continue;
		}
		if (!append(&obj->ranges, obj->n_ranges, sizeof(p)))
			return -ENOMEM;
		obj->ranges[obj->n_ranges++] = p;
	}
	return 0;
}

/* A word of the API's to its place in @words (NULL-terminated); absent: @dflt, unknown: -1. */
static int word(
	const cJSON *spec, const char *field, const char *const *words, int dflt, struct lnt_err *e)
{
	const cJSON *item = lnt_json_get(spec, field);
	const char *text = cJSON_GetStringValue(item);

	if (!item || (text && !*text))
		return dflt;
	for (int i = 0; text && words[i]; i++)
		if (!strcmp(text, words[i]))
			return i;
	lnt_err_set(e, -EINVAL, "spec.%s: '%.64s' is unknown", field, text ?: "");
	return -1;
}

static int decode_type(const cJSON *spec, struct lnt_err *e, struct lnt_service *obj)
{
	static const char *const words[] = {
		"ClusterIP", "NodePort", "LoadBalancer", "ExternalName", NULL};
	int type = word(spec, "type", words, LNT_SERVICE_CLUSTER_IP, e);

	if (type < 0)
		return -EINVAL;
	obj->type = (enum lnt_service_type)type;
	return 0;
}

static void decode_affinity(const cJSON *spec, struct lnt_err *e, struct lnt_service *obj)
{
	static const char *const words[] = {"None", "ClientIP", NULL};
	const cJSON *config = lnt_json_get(spec, "sessionAffinityConfig"), *timeout;
	long seconds = AFFINITY_DEFAULT;

	if (word(spec, "sessionAffinity", words, 0, e) != 1)
		return;
	timeout = lnt_json_get(lnt_json_get(config, "clientIP"), "timeoutSeconds");
	if (timeout && !lnt_json_int(timeout, 1, AFFINITY_MAX, &seconds))
		lnt_err_set(e, -EINVAL, "spec.sessionAffinityConfig: timeoutSeconds is none");
	obj->affinity = (uint32_t)seconds;
}

/* A traffic policy that is unknown is Local: fewer endpoints are reached, never more. */
static void decode_policies(const cJSON *spec, struct lnt_err *e, struct lnt_service *obj)
{
	static const char *const words[] = {"Cluster", "Local", NULL};
	static const char *const zones[] = {
		"PreferClose", "PreferSameZone", "PreferSameNode", NULL};
	static const enum lnt_traffic_distribution meaning[] = {LNT_DISTRIBUTION_UNKNOWN,
		LNT_DISTRIBUTION_ZONE, LNT_DISTRIBUTION_ZONE, LNT_DISTRIBUTION_NODE,
		LNT_DISTRIBUTION_NONE};
	const cJSON *port = lnt_json_get(spec, "healthCheckNodePort");
	long number = 0;

	obj->internal_local = word(spec, "internalTrafficPolicy", words, 0, e) != 0;
	obj->external_local = word(spec, "externalTrafficPolicy", words, 0, e) != 0;
	obj->publish_not_ready = cJSON_IsTrue(lnt_json_get(spec, "publishNotReadyAddresses"));
	obj->distribution = meaning[word(spec, "trafficDistribution", zones, 3, e) + 1];
	if (port && !lnt_json_int(port, 0, 65535, &number))
		lnt_err_set(e, -EINVAL, "spec.healthCheckNodePort is no port");
	obj->health_check_port = (uint16_t)number;
}

static void decode_forwarding(const cJSON *json, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *item = lnt_json_get(
		lnt_json_get(lnt_json_get(json, "metadata"), "annotations"), FORWARDING_NOTE);
	const char *text = cJSON_GetStringValue(item);

	if (!item)
		return;
	if (text && !strcmp(text, "snat"))
		obj->forwarding = LNT_FORWARDING_SNAT;
	else if (text && !strcmp(text, "dsr"))
		obj->forwarding = LNT_FORWARDING_DSR;
	else
		lnt_err_set(e, -EINVAL,
			"metadata.annotations: " FORWARDING_NOTE
			" '%.64s' is neither snat nor dsr and has no effect",
			text ?: "");
}

/* RFC 3339 as the API writes it: UTC, whole seconds. 0: anything else. */
static int64_t decode_created(const cJSON *json)
{
	const char *text = lnt_json_text(lnt_json_get(json, "metadata"), "creationTimestamp"), *end;
	struct tm tm = {};

	if (!text)
		return 0;
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return end && !*end ? (int64_t)timegm(&tm) : 0;
}

static int decode_service_ports(const cJSON *spec, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *list = lnt_json_list(spec, "ports"), *port;
	int r;

	if (!cJSON_GetArraySize(list))
		return 0;
	obj->ports = calloc(cJSON_GetArraySize(list), sizeof(*obj->ports));
	if (!obj->ports)
		return -ENOMEM;
	cJSON_ArrayForEach (port, list) {
		r = add_service_port(port, e, obj);
		if (r)
			return r;
	}
	return 0;
}

int lnt_decode_service(const cJSON *json, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *spec = lnt_json_get(json, "spec");
	int r = decode_type(spec, e, obj);

	if (r)
		return r;
	obj->created = decode_created(json);
	obj->foreign = is_foreign(json);
	decode_cluster_ips(spec, e, obj);
	decode_affinity(spec, e, obj);
	decode_policies(spec, e, obj);
	decode_forwarding(json, e, obj);
	r = decode_external_ips(spec, e, obj);
	if (!r)
		r = decode_balancer(json, e, obj);
	if (!r)
		r = decode_ranges(spec, e, obj);
	return r ? r : decode_service_ports(spec, e, obj);
}

static int add_slice_port(const cJSON *port, struct lnt_err *e, struct lnt_endpointslice *obj)
{
	const char *name = port_name(port);
	struct lnt_slice_port *p = &obj->ports[obj->n_ports];
	long number;

	/* A port without a number means "every port" and is for consumers other than Services. */
	if (!name || !lnt_json_proto(lnt_json_get(port, "protocol"), &p->proto) ||
		!lnt_json_int(lnt_json_get(port, "port"), 1, 65535, &number)) {
		lnt_err_set(
			e, -EINVAL, "ports: '%.32s' is no port", lnt_json_text(port, "name") ?: "");
		return 0;
	}
	p->port = (uint16_t)number;
	p->name = lnt_intern(name);
	obj->n_ports++;
	return p->name ? 0 : -ENOMEM;
}

/* A boolean condition; @dflt where the field is absent, false where it is not a boolean. */
static bool condition(const cJSON *conditions, const char *name, bool dflt)
{
	const cJSON *c = lnt_json_get(conditions, name);

	return c ? cJSON_IsTrue(c) : dflt;
}

/* Appends the names of one list of hints; *ret_n counts them. */
static int add_hints(const cJSON *list, struct lnt_err *e, const char **hints, uint8_t *ret_n)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, list) {
		const char *name = lnt_json_text(item, "name");

		if (!name || !*name || strlen(name) > LNT_KUBE_NAME_MAX ||
			*ret_n == LNT_SLICE_HINTS_MAX) {
			lnt_err_set(e, -EINVAL, "endpoints: '%.64s' is no hint", name ?: "");
			continue;
		}
		hints[*ret_n] = lnt_intern(name);
		if (!hints[*ret_n])
			return -ENOMEM;
		(*ret_n)++;
	}
	return 0;
}

/* discovery/v1 EndpointHints: zones and nodes that this endpoint is meant for. */
static int decode_hints(const cJSON *item, struct lnt_err *e, struct lnt_slice_endpoint *ep)
{
	const cJSON *hints = lnt_json_get(item, "hints");
	const cJSON *zones = lnt_json_list(hints, "forZones");
	const cJSON *nodes = lnt_json_list(hints, "forNodes");
	int n = cJSON_GetArraySize(zones) + cJSON_GetArraySize(nodes), r;

	if (!n)
		return 0;
	if (n > 2 * LNT_SLICE_HINTS_MAX)
		n = 2 * LNT_SLICE_HINTS_MAX;
	ep->hints = calloc(n, sizeof(*ep->hints));
	if (!ep->hints)
		return -ENOMEM;
	r = add_hints(zones, e, ep->hints, &ep->n_zone_hints);
	return r ? r : add_hints(nodes, e, ep->hints + ep->n_zone_hints, &ep->n_node_hints);
}

static int add_endpoint(const cJSON *item, struct lnt_err *e, struct lnt_endpointslice *obj)
{
	const cJSON *conditions = lnt_json_get(item, "conditions");
	const cJSON *addrs = lnt_json_list(item, "addresses");
	const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(addrs, 0));
	const char *node = lnt_json_text(item, "nodeName"), *zone = lnt_json_text(item, "zone");
	struct lnt_slice_endpoint *ep = &obj->endpoints[obj->n_endpoints];

	if (!text || lnt_addr_parse(text, &ep->addr) || lnt_addr_is4(&ep->addr) == obj->is6) {
		lnt_err_set(e, -EINVAL, "endpoints: '%.64s' is no address of the slice's type",
			text ?: "");
		return 0;
	}
	ep->ready = condition(conditions, "ready", true);
	ep->serving = condition(conditions, "serving", ep->ready);
	ep->terminating = condition(conditions, "terminating", false);
	ep->node = lnt_intern(node && strlen(node) <= LNT_KUBE_NAME_MAX ? node : "");
	ep->zone = lnt_intern(zone && strlen(zone) <= LNT_KUBE_NAME_MAX ? zone : "");
	obj->n_endpoints++;
	return ep->node && ep->zone ? decode_hints(item, e, ep) : -ENOMEM;
}

static int decode_endpoints(const cJSON *json, struct lnt_err *e, struct lnt_endpointslice *obj)
{
	const cJSON *list = lnt_json_list(json, "endpoints"), *item;
	int r;

	if (!cJSON_GetArraySize(list))
		return 0;
	obj->endpoints = calloc(cJSON_GetArraySize(list), sizeof(*obj->endpoints));
	if (!obj->endpoints)
		return -ENOMEM;
	cJSON_ArrayForEach (item, list) {
		r = add_endpoint(item, e, obj);
		if (r)
			return r;
	}
	return 0;
}

static int decode_slice_ports(const cJSON *json, struct lnt_err *e, struct lnt_endpointslice *obj)
{
	const cJSON *list = lnt_json_list(json, "ports"), *item;
	int r;

	if (!cJSON_GetArraySize(list))
		return 0;
	obj->ports = calloc(cJSON_GetArraySize(list), sizeof(*obj->ports));
	if (!obj->ports)
		return -ENOMEM;
	cJSON_ArrayForEach (item, list) {
		r = add_slice_port(item, e, obj);
		if (r)
			return r;
	}
	return 0;
}

int lnt_decode_slice(const cJSON *json, struct lnt_err *e, struct lnt_endpointslice *obj)
{
	const cJSON *labels = lnt_json_get(lnt_json_get(json, "metadata"), "labels");
	const char *service = lnt_json_text(labels, SERVICE_NAME_LABEL);
	const char *type = lnt_json_text(json, "addressType");
	int r;

	if (!type || (strcmp(type, "IPv4") && strcmp(type, "IPv6")))
		return lnt_err_set(e, -EINVAL, "addressType '%.32s' is unknown", type ?: "");
	obj->is6 = !strcmp(type, "IPv6");
	if (is_foreign(json) || (service && strlen(service) > LNT_KUBE_NAME_MAX))
		service = NULL;
	obj->service = lnt_intern(service ?: "");
	if (!obj->service)
		return -ENOMEM;
	r = decode_slice_ports(json, e, obj);
	return r ? r : decode_endpoints(json, e, obj);
}
