/* SPDX-License-Identifier: Apache-2.0 */
/* Finding what target.h names. */
#include "agent/explain/target.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static struct lnt_trace_end end_at(const struct lnt_trace_names *names, const struct in6_addr *addr)
{
	struct lnt_who who = lnt_directory_find(names->dir, addr);
	struct lnt_trace_end end = {
		.addr = *addr, .kind = who.kind, .ns = who.ns, .name = who.name, .node = ""};

	if (who.kind == LNT_WHO_NODE)
		end.node = who.name;
	if (who.kind != LNT_WHO_POD)
		return end;
	end.pod = (const struct lnt_pod *)lnt_store_get(names->st, LNT_KIND_POD, who.ns, who.name);
	end.node = end.pod && end.pod->node ? end.pod->node : "";
	return end;
}

static const struct lnt_meta *find(
	const struct lnt_trace_names *names, enum lnt_kind kind, const char *text)
{
	const char *slash = strchr(text, '/');
	_cleanup_free_ char *ns = slash ? strndup(text, (size_t)(slash - text)) : strdup("");

	return ns ? lnt_store_get(names->st, kind, ns, slash ? slash + 1 : text) : NULL;
}

/* A host-network pod is its node, to policy. */
static int ends_of_pod(
	const struct lnt_pod *pod, struct lnt_err *e, struct lnt_trace_end *ret_ends, size_t *ret_n)
{
	bool host = pod->host_network;

	for (size_t i = 0; i < pod->n_addrs; i++)
		ret_ends[i] = (struct lnt_trace_end){
			.addr = pod->addrs[i],
			.kind = host ? LNT_WHO_NODE : LNT_WHO_POD,
			.pod = host ? NULL : pod,
			.ns = host ? "" : pod->meta.ns,
			.name = host ? pod->node : pod->meta.name,
			.node = pod->node ? pod->node : "",
		};
	*ret_n = pod->n_addrs;
	if (!pod->n_addrs || pod->terminated)
		return lnt_err_set(e, -ENOENT, "pod %s/%s %s", pod->meta.ns, pod->meta.name,
			pod->terminated ? "has ended" : "has no address yet");
	return 0;
}

static void ends_of_node(const struct lnt_node *node, struct lnt_trace_end *ret_ends, size_t *ret_n)
{
	for (size_t i = 0; i < node->n_internal; i++)
		ret_ends[i] = (struct lnt_trace_end){
			.addr = node->internal[i],
			.kind = LNT_WHO_NODE,
			.ns = "",
			.name = node->meta.name,
			.node = node->meta.name,
		};
	*ret_n = node->n_internal;
}

int lnt_trace_source(const struct lnt_trace_names *names, const char *text, struct lnt_err *e,
	struct lnt_trace_end ret_ends[static 2], size_t *ret_n)
{
	bool pod = strchr(text, '/');
	const struct lnt_meta *obj;
	struct in6_addr addr;

	if (!lnt_addr_parse(text, &addr)) {
		ret_ends[0] = end_at(names, &addr);
		*ret_n = 1;
		return 0;
	}
	obj = find(names, pod ? LNT_KIND_POD : LNT_KIND_NODE, text);
	if (!obj && pod)
		return lnt_err_set(e, -ENOENT, "there is no pod %s", text);
	if (!obj)
		return lnt_err_set(e, -ENOENT,
			"'%s' is neither NAMESPACE/POD, an address, nor the name of a node", text);
	if (pod)
		return ends_of_pod((const struct lnt_pod *)obj, e, ret_ends, ret_n);
	ends_of_node((const struct lnt_node *)obj, ret_ends, ret_n);
	return 0;
}

/* --- targets ---------------------------------------------------------------------------------- */

/* "host:port/protocol" taken apart. */
struct parts {
	char host[600];
	char port[64];
	uint8_t proto;
};

static int parse_proto(const char *text, uint8_t *ret_proto)
{
	static const struct {
		const char *text;
		uint8_t proto;
	} protos[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (strcasecmp(text, protos[i].text) != 0)
			continue;
		*ret_proto = protos[i].proto;
		return 0;
	}
	return -EINVAL;
}

static int take_apart(const char *text, struct lnt_err *e, struct parts *ret)
{
	const char *colon = strrchr(text, ':');
	const char *slash = colon ? strchr(colon, '/') : NULL;
	size_t host = colon ? (size_t)(colon - text) : 0;
	size_t port = colon ? (slash ? (size_t)(slash - colon) : strlen(colon)) - 1 : 0;
	bool brackets = host > 2 && text[0] == '[' && text[host - 1] == ']';

	if (!host || !port || host >= sizeof(ret->host) || port >= sizeof(ret->port) ||
		(!brackets && memchr(text, ':', host)))
		return lnt_err_set(e, -EINVAL,
			"'%s' names no port: NAMESPACE/POD:PORT, ADDRESS:PORT or [IPV6]:PORT, with "
			"/udp or /sctp if it is not TCP, or icmp as port",
			text);
	memcpy(ret->host, text + brackets, host - 2 * brackets);
	ret->host[host - 2 * brackets] = '\0';
	memcpy(ret->port, colon + 1, port);
	ret->port[port] = '\0';
	ret->proto = IPPROTO_TCP;
	if (!slash && !strcasecmp(ret->port, "icmp"))
		ret->proto = 0;
	if (slash && parse_proto(slash + 1, &ret->proto))
		return lnt_err_set(e, -EINVAL, "'%s' is none of tcp, udp, sctp", slash + 1);
	return 0;
}

/* 0: it is no number of a port. */
static uint16_t port_number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && n <= 65535 ? (uint16_t)n : 0;
}

static int find_port(
	const struct parts *parts, const struct lnt_pod *pod, struct lnt_err *e, uint16_t *ret_port)
{
	*ret_port = parts->proto ? port_number(parts->port) : 0;
	if (!parts->proto || *ret_port)
		return 0;
	for (size_t i = 0; pod && i < pod->n_ports; i++) {
		if (strcmp(pod->ports[i].name, parts->port) || pod->ports[i].proto != parts->proto)
			continue;
		*ret_port = pod->ports[i].port;
		return 0;
	}
	return lnt_err_set(e, -ENOENT,
		pod ? "the pod has no port named '%s' of this protocol" : "'%s' is no port",
		parts->port);
}

/* --- services --------------------------------------------------------------------------------- */

struct backends {
	const struct lnt_trace_names *names;
	const struct lnt_service_port *port;
	struct lnt_trace_target *target;
	size_t n_of[2]; /* by family */
};

static uint16_t slice_port(
	const struct lnt_endpointslice *slice, const struct lnt_service_port *port)
{
	for (size_t i = 0; i < slice->n_ports; i++)
		if (slice->ports[i].name == port->name && slice->ports[i].proto == port->proto)
			return slice->ports[i].port;
	return 0;
}

static int add_slice(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_endpointslice *slice = (const struct lnt_endpointslice *)obj;
	struct backends *b = ctx;
	uint16_t port = slice_port(slice, b->port);

	for (size_t i = 0; port && i < slice->n_endpoints; i++) {
		struct lnt_trace_target *t = b->target;

		if (!slice->endpoints[i].ready)
			continue;
		if (b->n_of[slice->is6] == LNT_TRACE_ENDS_MAX / 2) {
			t->n_left_out++;
			continue;
		}
		b->n_of[slice->is6]++;
		t->ends[t->n] = end_at(b->names, &slice->endpoints[i].addr);
		t->ends[t->n++].port = port;
	}
	return 0;
}

static int ends_of_service(const struct lnt_trace_names *names, const struct lnt_service *svc,
	const struct parts *parts, struct lnt_err *e, struct lnt_trace_target *t)
{
	struct backends b = {.names = names, .target = t};
	uint16_t number = port_number(parts->port);

	for (size_t i = 0; i < svc->n_ports && !b.port; i++)
		if (svc->ports[i].proto == parts->proto &&
			(number ? svc->ports[i].port == number
				: !strcmp(svc->ports[i].name, parts->port)))
			b.port = &svc->ports[i];
	if (!b.port)
		return lnt_err_set(e, -ENOENT, "service %s has no port %s of this protocol",
			parts->host, parts->port);
	snprintf(t->service, sizeof(t->service), "%s/%s", svc->meta.ns, svc->meta.name);
	lnt_store_each_slice(names->st, svc->meta.ns, svc->meta.name, add_slice, &b);
	return t->n ? 0
		    : lnt_err_set(e, -ENOENT, "service %s has no ready endpoint at this port",
			      parts->host);
}

int lnt_trace_target(const struct lnt_trace_names *names, const char *text, struct lnt_err *e,
	struct lnt_trace_target *ret_target)
{
	struct lnt_trace_target t = {};
	const struct lnt_service *svc = NULL;
	struct parts parts = {};
	uint16_t port = 0;
	int r = take_apart(text, e, &parts);

	if (r)
		return r;
	t.proto = parts.proto;
	if (strchr(parts.host, '/') && !find(names, LNT_KIND_POD, parts.host)) {
		svc = (const struct lnt_service *)find(names, LNT_KIND_SERVICE, parts.host);
		if (!svc)
			return lnt_err_set(
				e, -ENOENT, "there is neither a pod nor a service %s", parts.host);
		r = ends_of_service(names, svc, &parts, e, &t);
	} else {
		r = lnt_trace_source(names, parts.host, e, t.ends, &t.n);
		if (!r)
			r = find_port(&parts, t.n ? t.ends[0].pod : NULL, e, &port);
		for (size_t i = 0; !r && i < t.n; i++)
			t.ends[i].port = port;
	}
	if (!r)
		*ret_target = t;
	return r;
}
