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

#define SERVICE_NAME_LABEL "kubernetes.io/service-name"

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
	const char *type = lnt_json_text(spec, "type");

	if (type && !strcmp(type, "ExternalName"))
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

int lnt_decode_service(const cJSON *json, struct lnt_err *e, struct lnt_service *obj)
{
	const cJSON *spec = lnt_json_get(json, "spec");
	const cJSON *list = lnt_json_list(spec, "ports"), *port;
	int r;

	decode_cluster_ips(spec, e, obj);
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

static int add_endpoint(const cJSON *item, struct lnt_err *e, struct lnt_endpointslice *obj)
{
	const cJSON *conditions = lnt_json_get(item, "conditions");
	const cJSON *addrs = lnt_json_list(item, "addresses");
	const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(addrs, 0));
	const char *node = lnt_json_text(item, "nodeName");
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
	obj->n_endpoints++;
	return ep->node ? 0 : -ENOMEM;
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
	obj->service = lnt_intern(service && strlen(service) <= LNT_KUBE_NAME_MAX ? service : "");
	if (!obj->service)
		return -ENOMEM;
	r = decode_slice_ports(json, e, obj);
	return r ? r : decode_endpoints(json, e, obj);
}
