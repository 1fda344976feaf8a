/* SPDX-License-Identifier: Apache-2.0 */
/* Pods, namespaces and nodes: where they are, what they are called, which ports have names. */
#include "agent/kube/decode.h"
#include "agent/kube/node_up.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Whether a pod's sockets are turned to backends ("true"), or its packets are ("false"). */
#define LNT_ANNOTATION_SOCKET_LB "linnet.io/socket-lb"

/* Of namespaces: what policy denies their pods passes, and is told. */
#define LNT_ANNOTATION_AUDIT "linnet.io/policy-audit"

static bool same_family(const struct in6_addr *a, const struct in6_addr *b)
{
	return lnt_addr_is4(a) == lnt_addr_is4(b);
}

/* One address per family; a second one of a family is left out. */
static void add_pod_addr(const char *text, struct lnt_err *e, struct lnt_pod *obj)
{
	struct in6_addr a;

	if (!text || lnt_addr_parse(text, &a)) {
		lnt_err_set(e, -EINVAL, "status.podIPs: '%.64s' is no address", text ?: "");
		return;
	}
	if (obj->n_addrs == ARRAY_SIZE(obj->addrs) ||
		(obj->n_addrs && same_family(&a, &obj->addrs[0]))) {
		lnt_err_set(e, -EINVAL, "status.podIPs: %.64s is one too many", text);
		return;
	}
	obj->addrs[obj->n_addrs++] = a;
}

static void decode_pod_addrs(const cJSON *status, struct lnt_err *e, struct lnt_pod *obj)
{
	const cJSON *ips = lnt_json_list(status, "podIPs"), *ip;
	const char *single = lnt_json_text(status, "podIP");

	cJSON_ArrayForEach (ip, ips)
		add_pod_addr(lnt_json_text(ip, "ip"), e, obj);
	/* An empty string is how "none yet" was written before the field became optional. */
	if (!obj->n_addrs && single && *single)
		add_pod_addr(single, e, obj);
}

static int add_named_port(const cJSON *port, struct lnt_err *e, struct lnt_pod *obj)
{
	const char *name = lnt_json_text(port, "name");
	struct lnt_named_port *ports;
	uint8_t proto;
	long number;

	if (!name || !*name)
		return 0;
	if (!lnt_json_proto(lnt_json_get(port, "protocol"), &proto) ||
		!lnt_json_int(lnt_json_get(port, "containerPort"), 1, 65535, &number) ||
		!lnt_decode_is_value(name)) {
		lnt_err_set(e, -EINVAL, "container port '%.32s' is no port", name);
		return 0;
	}
	ports = reallocarray(obj->ports, obj->n_ports + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	obj->ports = ports;
	ports[obj->n_ports] = (struct lnt_named_port){lnt_intern(name), proto, (uint16_t)number};
	return ports[obj->n_ports++].name ? 0 : -ENOMEM;
}

static int decode_ports(const cJSON *container, struct lnt_err *e, struct lnt_pod *obj)
{
	const cJSON *ports = lnt_json_list(container, "ports"), *port;
	int r;

	cJSON_ArrayForEach (port, ports) {
		const cJSON *host_port = lnt_json_get(port, "hostPort");

		if (cJSON_IsNumber(host_port) && host_port->valuedouble > 0)
			obj->host_port = true;
		r = add_named_port(port, e, obj);
		if (r)
			return r;
	}
	return 0;
}

/* Sidecars are init containers that keep running (KEP-753). */
static int decode_containers(const cJSON *spec, struct lnt_err *e, struct lnt_pod *obj)
{
	const cJSON *list = lnt_json_list(spec, "containers"), *c;
	const char *policy;
	int r = 0;

	cJSON_ArrayForEach (c, list) {
		r = decode_ports(c, e, obj);
		if (r)
			return r;
	}
	list = lnt_json_list(spec, "initContainers");
	cJSON_ArrayForEach (c, list) {
		policy = lnt_json_text(c, "restartPolicy");
		r = policy && !strcmp(policy, "Always") ? decode_ports(c, e, obj) : 0;
		if (r)
			return r;
	}
	return 0;
}

/*
 * The API's object of a static pod is a mirror with a UID of its own; the kubelet and so the
 * runtime and the CNI plugin know the pod by its configuration's hash.
 */
static int decode_mirror(const cJSON *json, struct lnt_pod *obj)
{
	const cJSON *annotations = lnt_json_get(lnt_json_get(json, "metadata"), "annotations");
	const char *hash = lnt_json_text(annotations, "kubernetes.io/config.mirror");
	char *uid;

	if (!hash || !*hash)
		return 0;
	uid = strndup(hash, 63);
	if (!uid)
		return -ENOMEM;
	free(obj->meta.uid);
	obj->meta.uid = uid;
	return 0;
}

static bool has_bandwidth(const cJSON *json)
{
	const cJSON *annotations = lnt_json_get(lnt_json_get(json, "metadata"), "annotations");

	return lnt_json_get(annotations, "kubernetes.io/ingress-bandwidth") ||
		lnt_json_get(annotations, "kubernetes.io/egress-bandwidth");
}

/*
 * Whether annotation @name is @value. Any other text than true and false is a mistake that is said,
 * and changes nothing.
 */
static bool is_annotated(const cJSON *json, const char *name, const char *value, struct lnt_err *e)
{
	const cJSON *annotations = lnt_json_get(lnt_json_get(json, "metadata"), "annotations");
	const char *text = lnt_json_text(annotations, name);

	if (text && strcmp(text, "false") != 0 && strcmp(text, "true") != 0)
		lnt_err_set(
			e, -EINVAL, "annotation %s: '%.32s' is neither true nor false", name, text);
	return text && !strcmp(text, value);
}

int lnt_decode_pod(const cJSON *json, struct lnt_err *e, struct lnt_pod *obj)
{
	const cJSON *spec = lnt_json_get(json, "spec"), *status = lnt_json_get(json, "status");
	const char *node = lnt_json_text(spec, "nodeName"), *phase = lnt_json_text(status, "phase");
	int r = lnt_decode_labels(json, e, &obj->labels);

	if (!r)
		r = decode_mirror(json, obj);
	if (r)
		return r;
	obj->node = lnt_intern(node && strlen(node) <= LNT_KUBE_NAME_MAX ? node : "");
	if (!obj->node)
		return -ENOMEM;
	obj->host_network = cJSON_IsTrue(lnt_json_get(spec, "hostNetwork"));
	obj->per_packet = is_annotated(json, LNT_ANNOTATION_SOCKET_LB, "false", e);
	obj->bandwidth = has_bandwidth(json);
	obj->terminated = phase && (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"));
	decode_pod_addrs(status, e, obj);
	return decode_containers(spec, e, obj);
}

int lnt_decode_namespace(const cJSON *json, struct lnt_err *e, struct lnt_namespace *obj)
{
	obj->audit = is_annotated(json, LNT_ANNOTATION_AUDIT, "true", e);
	return lnt_decode_labels(json, e, &obj->labels);
}

static void add_internal(const struct in6_addr *a, struct lnt_node *obj)
{
	for (size_t i = 0; i < obj->n_internal; i++)
		if (same_family(a, &obj->internal[i]))
			return;
	/* IPv4 first. */
	if (obj->n_internal && lnt_addr_is4(a)) {
		obj->internal[1] = obj->internal[0];
		obj->internal[0] = *a;
	} else {
		obj->internal[obj->n_internal] = *a;
	}
	obj->n_internal++;
}

static void add_node_addr(const cJSON *item, struct lnt_err *e, struct lnt_node *obj)
{
	const char *type = lnt_json_text(item, "type"), *text = lnt_json_text(item, "address");
	struct in6_addr a;

	if (!type || (strcmp(type, "InternalIP") && strcmp(type, "ExternalIP")))
		return;
	if (!text || lnt_addr_parse(text, &a)) {
		lnt_err_set(e, -EINVAL, "status.addresses: '%.64s' is no address", text ?: "");
		return;
	}
	if (obj->n_addrs == ARRAY_SIZE(obj->addrs)) {
		lnt_err_set(e, -EINVAL, "status.addresses: more than %zu", ARRAY_SIZE(obj->addrs));
		return;
	}
	obj->addrs[obj->n_addrs++] = a;
	if (!strcmp(type, "InternalIP"))
		add_internal(&a, obj);
}

static void add_pod_cidr(const char *text, struct lnt_err *e, struct lnt_node *obj)
{
	struct lnt_prefix p;

	if (!text || lnt_prefix_parse(text, &p)) {
		lnt_err_set(e, -EINVAL, "spec.podCIDRs: '%.64s' is no prefix", text ?: "");
	} else if (obj->n_pod_cidrs == ARRAY_SIZE(obj->pod_cidrs) ||
		(obj->n_pod_cidrs && same_family(&p.addr, &obj->pod_cidrs[0].addr))) {
		lnt_err_set(e, -EINVAL, "spec.podCIDRs: %.64s is one too many", text);
	} else {
		obj->pod_cidrs[obj->n_pod_cidrs++] = p;
	}
}

/* What kube-proxy takes for a node that no new connections should come to. */
static bool is_leaving(const cJSON *json, const cJSON *spec)
{
	const cJSON *meta = lnt_json_get(json, "metadata"), *taint;

	if (lnt_json_text(meta, "deletionTimestamp"))
		return true;
	cJSON_ArrayForEach (taint, lnt_json_list(spec, "taints")) {
		const char *key = lnt_json_text(taint, "key");

		if (key && !strcmp(key, "ToBeDeletedByClusterAutoscaler"))
			return true;
	}
	return false;
}

static uint64_t not_ready_taints(const cJSON *spec)
{
	const cJSON *taint;
	uint64_t ret = 0;
	unsigned i = 0;

	cJSON_ArrayForEach (taint, lnt_json_list(spec, "taints")) {
		const char *key = lnt_json_text(taint, "key");

		if (key && i < 64 && !strcmp(key, LNT_NODE_TAINT))
			ret |= 1ull << i;
		i++;
	}
	return ret;
}

static bool is_network_down(const cJSON *status)
{
	const cJSON *condition;

	cJSON_ArrayForEach (condition, lnt_json_list(status, "conditions")) {
		const char *type = lnt_json_text(condition, "type");
		const char *value = lnt_json_text(condition, "status");

		if (type && value && !strcmp(type, "NetworkUnavailable"))
			return strcmp(value, "False") != 0;
	}
	return true;
}

int lnt_decode_node(const cJSON *json, struct lnt_err *e, struct lnt_node *obj)
{
	const cJSON *labels = lnt_json_get(lnt_json_get(json, "metadata"), "labels");
	const cJSON *spec = lnt_json_get(json, "spec"), *list, *item;
	const char *single = lnt_json_text(spec, "podCIDR");
	const char *zone = lnt_json_text(labels, "topology.kubernetes.io/zone");
	int r = lnt_decode_labels(json, e, &obj->labels);

	if (r)
		return r;
	obj->zone = lnt_intern(zone && lnt_decode_is_value(zone) ? zone : "");
	if (!obj->zone)
		return -ENOMEM;
	obj->leaving = is_leaving(json, spec);
	obj->network_down = is_network_down(lnt_json_get(json, "status"));
	obj->not_ready_taints = not_ready_taints(spec);
	list = lnt_json_list(lnt_json_get(json, "status"), "addresses");
	cJSON_ArrayForEach (item, list)
		add_node_addr(item, e, obj);
	list = lnt_json_list(spec, "podCIDRs");
	cJSON_ArrayForEach (item, list)
		add_pod_cidr(cJSON_GetStringValue(item), e, obj);
	if (!obj->n_pod_cidrs && single && *single)
		add_pod_cidr(single, e, obj);
	return 0;
}
