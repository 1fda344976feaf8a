/* SPDX-License-Identifier: Apache-2.0 */
/* The builders of build.h. */
#include "tests/unit/build.h"
#include "lib/cleanup.h"

#include <stdio.h>
#include <string.h>

__attribute__((noreturn)) static void bad(const char *what, const char *text)
{
	fprintf(stderr, "build: bad %s: '%s'\n", what, text);
	abort();
}

static void *need(void *p)
{
	if (!p)
		bad("memory", "none left");
	return p;
}

/* A zeroed new last element of *@arr. */
static void *append(void *arr, size_t *n, size_t size)
{
	char **a = arr, *p;

	*a = need(reallocarray(*a, *n + 1, size));
	p = *a + *n * size;
	memset(p, 0, size);
	(*n)++;
	return p;
}

/* Calls @fn with each part of @s between commas. */
static void each(const char *s, void (*fn)(void *ctx, char *part), void *ctx)
{
	_cleanup_free_ char *copy = need(strdup(s));
	char *rest = copy, *part;

	while ((part = strsep(&rest, ",")))
		if (*part)
			fn(ctx, part);
}

static void *new_object(size_t size, enum lnt_kind kind, const char *ns, const char *name)
{
	struct lnt_meta *m = need(calloc(1, size));

	m->kind = kind;
	m->ns = need((void *)lnt_intern(ns));
	m->name = need((void *)lnt_intern(name));
	m->uid = need(strdup(""));
	return m;
}

void build_put(struct lnt_store *st, void *obj)
{
	if (lnt_store_put(st, obj))
		bad("put", "no memory");
}

struct in6_addr build_addr(const char *s)
{
	struct in6_addr a;

	if (lnt_addr_parse(s, &a))
		bad("address", s);
	return a;
}

struct lnt_prefix build_prefix(const char *s)
{
	struct lnt_prefix p;

	if (lnt_prefix_parse(s, &p))
		bad("prefix", s);
	return p;
}

/* Fixed arrays of addresses and prefixes. */
struct fill {
	struct in6_addr *addrs;
	struct lnt_prefix *prefixes;
	size_t n, max;
};

static void fill_one(void *ctx, char *part)
{
	struct fill *f = ctx;

	if (f->n == f->max)
		bad("number of addresses", part);
	if (f->addrs)
		f->addrs[f->n++] = build_addr(part);
	else
		f->prefixes[f->n++] = build_prefix(part);
}

static size_t fill_addrs(const char *s, struct in6_addr *addrs, size_t max)
{
	struct fill f = {.addrs = addrs, .max = max};

	each(s, fill_one, &f);
	return f.n;
}

static void add_label(void *ctx, char *part)
{
	struct lnt_labels *labels = ctx;
	char *value = strchr(part, '=');
	struct lnt_label *l;

	if (!value)
		bad("label", part);
	*value++ = '\0';
	l = append(&labels->items, &labels->n, sizeof(*l));
	l->key = lnt_intern(part);
	l->value = lnt_intern(value);
}

static void add_requirement(void *ctx, char *part)
{
	struct lnt_selector *sel = ctx;
	struct lnt_requirement *r = append(&sel->reqs, &sel->n_reqs, sizeof(*r));
	char *values = strchr(part, '='), *v;

	if (!values) {
		r->op = *part == '!' ? LNT_OP_NOT_EXISTS : LNT_OP_EXISTS;
		r->key = lnt_intern(part + (*part == '!'));
		return;
	}
	r->op = values > part && values[-1] == '!' ? LNT_OP_NOT_IN : LNT_OP_IN;
	values[-(r->op == LNT_OP_NOT_IN)] = '\0';
	values++;
	r->key = lnt_intern(part);
	while ((v = strsep(&values, "|")))
		*(const char **)append(&r->values, &r->n_values, sizeof(*r->values)) =
			lnt_intern(v);
}

static void build_selector(const char *s, struct lnt_selector *sel)
{
	each(s, add_requirement, sel);
	lnt_selector_normalize(sel);
}

void build_ns(struct lnt_store *st, const char *name, const char *labels)
{
	struct lnt_namespace *ns = new_object(sizeof(*ns), LNT_KIND_NAMESPACE, "", name);

	each(labels, add_label, &ns->labels);
	lnt_labels_normalize(&ns->labels);
	build_put(st, ns);
}

void build_node(struct lnt_store *st, const char *name, const char *addrs, const char *cidrs)
{
	struct lnt_node *node = new_object(sizeof(*node), LNT_KIND_NODE, "", name);
	struct fill f = {.prefixes = node->pod_cidrs, .max = ARRAY_SIZE(node->pod_cidrs)};

	each(cidrs, fill_one, &f);
	node->n_pod_cidrs = f.n;
	node->n_addrs = fill_addrs(addrs, node->addrs, ARRAY_SIZE(node->addrs));
	node->n_internal = fill_addrs(addrs, node->internal, ARRAY_SIZE(node->internal));
	build_put(st, node);
}

void build_node_labels(struct lnt_store *st, const char *name, const char *labels)
{
	struct lnt_node *node =
		(struct lnt_node *)lnt_store_get(st, LNT_KIND_NODE, "", lnt_intern(name));

	each(labels, add_label, &node->labels);
	lnt_labels_normalize(&node->labels);
}

struct lnt_pod *build_pod(const char *ns, const char *name, const char *labels, const char *addrs)
{
	struct lnt_pod *pod = new_object(sizeof(*pod), LNT_KIND_POD, ns, name);

	each(labels, add_label, &pod->labels);
	lnt_labels_normalize(&pod->labels);
	pod->node = lnt_intern("");
	pod->n_addrs = fill_addrs(addrs, pod->addrs, ARRAY_SIZE(pod->addrs));
	return pod;
}

void build_pod_port(struct lnt_pod *pod, const char *name, uint8_t proto, uint16_t port)
{
	struct lnt_named_port *p = append(&pod->ports, &pod->n_ports, sizeof(*p));

	*p = (struct lnt_named_port){.name = lnt_intern(name), .proto = proto, .port = port};
}

void build_put_pod(struct lnt_store *st, const char *ns, const char *name, const char *labels,
	const char *addrs)
{
	build_put(st, build_pod(ns, name, labels, addrs));
}

struct lnt_endpoint build_endpoint(const char *ns, const char *name, const char *addrs)
{
	static uint32_t ifindex = 100;
	struct lnt_endpoint ep = {.ifname = "eth0", .host_ifindex = ifindex++};

	snprintf(ep.container_id, sizeof(ep.container_id), "container-%u", ep.host_ifindex);
	snprintf(ep.host_ifname, sizeof(ep.host_ifname), "lnt%u", ep.host_ifindex);
	snprintf(ep.pod_ns, sizeof(ep.pod_ns), "%s", ns ? ns : "");
	snprintf(ep.pod_name, sizeof(ep.pod_name), "%s", name ? name : "");
	memcpy(ep.mac, "\x02\0\0\0\0", 5);
	ep.mac[5] = (uint8_t)ep.host_ifindex;
	memcpy(ep.host_mac, "\x06\0\0\0\0", 5);
	ep.host_mac[5] = (uint8_t)ep.host_ifindex;
	ep.n_addrs = (unsigned)fill_addrs(addrs, ep.addrs, ARRAY_SIZE(ep.addrs));
	return ep;
}

struct lnt_netpol *build_policy(const char *ns, const char *name, const char *pods, unsigned types)
{
	struct lnt_netpol *p = new_object(sizeof(*p), LNT_KIND_NETWORKPOLICY, ns, name);

	p->tier = LNT_TIER_NETWORK;
	build_selector(pods, &p->pods);
	p->ingress = types & BUILD_INGRESS;
	p->egress = types & BUILD_EGRESS;
	return p;
}

struct lnt_netpol *build_cnp(
	const char *name, enum lnt_tier tier, unsigned priority, const char *namespaces)
{
	struct lnt_netpol *p = new_object(sizeof(*p), LNT_KIND_CLUSTERNETWORKPOLICY, "", name);

	p->tier = tier;
	p->priority = (uint16_t)priority;
	build_selector(namespaces, &p->namespaces);
	return p;
}

struct lnt_netpol_rule *build_rule(struct lnt_netpol *p, enum lnt_direction dir)
{
	struct lnt_netpol_rule *r;

	if (dir == LNT_INGRESS)
		r = append(&p->ingress_rules, &p->n_ingress_rules, sizeof(*r));
	else
		r = append(&p->egress_rules, &p->n_egress_rules, sizeof(*r));
	r->index = (uint32_t)((dir == LNT_INGRESS ? p->n_ingress_rules : p->n_egress_rules) - 1);
	return r;
}

struct lnt_netpol_rule *build_action(
	struct lnt_netpol *p, enum lnt_direction dir, enum lnt_rule_action action)
{
	struct lnt_netpol_rule *r = build_rule(p, dir);

	r->action = action;
	if (dir == LNT_INGRESS)
		p->ingress = true;
	else
		p->egress = true;
	return r;
}

void build_peer(struct lnt_netpol_rule *r, const char *namespaces, const char *pods)
{
	struct lnt_netpol_peer *peer = append(&r->peers, &r->n_peers, sizeof(*peer));

	peer->has_namespaces = namespaces;
	peer->has_pods = pods;
	build_selector(namespaces ? namespaces : "", &peer->namespaces);
	build_selector(pods ? pods : "", &peer->pods);
}

static void add_except(void *ctx, char *part)
{
	struct lnt_netpol_peer *peer = ctx;

	*(struct lnt_prefix *)append(&peer->except, &peer->n_except, sizeof(*peer->except)) =
		build_prefix(part);
}

void build_block(struct lnt_netpol_rule *r, const char *cidr, const char *except)
{
	struct lnt_netpol_peer *peer = append(&r->peers, &r->n_peers, sizeof(*peer));

	peer->has_block = true;
	peer->block = build_prefix(cidr);
	each(except, add_except, peer);
}

void build_nodes(struct lnt_netpol_rule *r, const char *labels)
{
	struct lnt_netpol_peer *peer = append(&r->peers, &r->n_peers, sizeof(*peer));

	peer->has_nodes = true;
	build_selector(labels, &peer->nodes);
}

void build_port(struct lnt_netpol_rule *r, uint8_t proto, const char *port)
{
	struct lnt_netpol_port *p = append(&r->ports, &r->n_ports, sizeof(*p));
	unsigned first, last;

	p->proto = proto;
	switch (sscanf(port, "%u-%u", &first, &last)) {
	case 2:
		p->end_port = (uint16_t)last;
		/* fall through */
	case 1:
		p->port = (uint16_t)first;
		break;
	default:
		p->name = *port ? lnt_intern(port) : NULL;
	}
}

/* "name:tcp/80" */
static void parse_port(char *part, const char **ret_name, uint8_t *ret_proto, uint16_t *ret_port)
{
	char *proto = strchr(part, ':'), *port = proto ? strchr(proto, '/') : NULL;

	if (!port)
		bad("port", part);
	*proto++ = '\0';
	*port++ = '\0';
	*ret_name = lnt_intern(part);
	*ret_port = (uint16_t)atoi(port);
	*ret_proto = !strcmp(proto, "tcp") ? IPPROTO_TCP
		: !strcmp(proto, "udp")	   ? IPPROTO_UDP
					   : IPPROTO_SCTP;
}

static void add_service_port(void *ctx, char *part)
{
	struct lnt_service *svc = ctx;
	struct lnt_service_port *p = append(&svc->ports, &svc->n_ports, sizeof(*p));
	char *node_port = strchr(part, '@');

	if (node_port) {
		*node_port++ = '\0';
		p->node_port = (uint16_t)atoi(node_port);
	}
	parse_port(part, &p->name, &p->proto, &p->port);
}

struct lnt_service *build_service_new(
	const char *ns, const char *name, const char *ips, const char *ports)
{
	struct lnt_service *svc = new_object(sizeof(*svc), LNT_KIND_SERVICE, ns, name);

	svc->n_cluster_ips = fill_addrs(ips, svc->cluster_ips, ARRAY_SIZE(svc->cluster_ips));
	each(ports, add_service_port, svc);
	return svc;
}

static void add_external_ip(void *ctx, char *part)
{
	struct lnt_service *svc = ctx;

	*(struct in6_addr *)append(&svc->external_ips, &svc->n_external_ips,
		sizeof(*svc->external_ips)) = build_addr(part);
}

void build_external_ips(struct lnt_service *svc, const char *ips)
{
	each(ips, add_external_ip, svc);
}

static void add_balancer_ip(void *ctx, char *part)
{
	struct lnt_service *svc = ctx;

	*(struct in6_addr *)append(&svc->balancer_ips, &svc->n_balancer_ips,
		sizeof(*svc->balancer_ips)) = build_addr(part);
}

static void add_range(void *ctx, char *part)
{
	struct lnt_service *svc = ctx;

	*(struct lnt_prefix *)append(&svc->ranges, &svc->n_ranges, sizeof(*svc->ranges)) =
		build_prefix(part);
}

void build_balancer(struct lnt_service *svc, const char *ips, const char *ranges)
{
	svc->type = LNT_SERVICE_LOAD_BALANCER;
	svc->has_ranges = *ranges;
	each(ips, add_balancer_ip, svc);
	each(ranges, add_range, svc);
}

void build_service(
	struct lnt_store *st, const char *ns, const char *name, const char *ips, const char *ports)
{
	build_put(st, build_service_new(ns, name, ips, ports));
}

static void add_slice_port(void *ctx, char *part)
{
	struct lnt_endpointslice *s = ctx;
	struct lnt_slice_port *p = append(&s->ports, &s->n_ports, sizeof(*p));

	parse_port(part, &p->name, &p->proto, &p->port);
}

static void add_slice_endpoint(void *ctx, char *part)
{
	struct lnt_endpointslice *s = ctx;
	struct lnt_slice_endpoint *ep = append(&s->endpoints, &s->n_endpoints, sizeof(*ep));

	ep->addr = build_addr(part);
	ep->node = lnt_intern("");
	s->is6 = !lnt_addr_is4(&ep->addr);
}

void build_slice(struct lnt_store *st, const char *ns, const char *name, const char *service,
	const char *ports, const char *ready, const char *unready)
{
	struct lnt_endpointslice *s = new_object(sizeof(*s), LNT_KIND_ENDPOINTSLICE, ns, name);
	size_t n_unready;

	s->service = lnt_intern(service);
	each(ports, add_slice_port, s);
	each(unready, add_slice_endpoint, s);
	n_unready = s->n_endpoints;
	each(ready, add_slice_endpoint, s);
	for (size_t i = n_unready; i < s->n_endpoints; i++)
		s->endpoints[i].ready = s->endpoints[i].serving = true;
	build_put(st, s);
}

/* Cuts @s at @mark; what follows it, or NULL. */
static char *cut(char *s, char mark)
{
	char *at = strchr(s, mark);

	if (at)
		*at++ = '\0';
	return at;
}

static uint8_t add_hints(struct lnt_slice_endpoint *ep, char *names)
{
	size_t had = ep->n_zone_hints + ep->n_node_hints, n = had;
	char *name;

	while (names && (name = strsep(&names, "|")))
		*(const char **)append(&ep->hints, &n, sizeof(*ep->hints)) = lnt_intern(name);
	return (uint8_t)(n - had);
}

static void add_full_endpoint(void *ctx, char *part)
{
	char *nodes = cut(part, '^'), *zones = cut(part, '~'), *node = cut(part, '@');
	char *state = cut(part, '/');
	struct lnt_endpointslice *s = ctx;
	struct lnt_slice_endpoint *ep;

	add_slice_endpoint(s, part);
	ep = &s->endpoints[s->n_endpoints - 1];
	lnt_unintern(ep->node);
	ep->node = lnt_intern(node ? node : "");
	ep->ready = !state || *state == 'r';
	ep->terminating = state && (*state == 't' || *state == 'x');
	ep->serving = ep->ready || *state == 't';
	ep->n_zone_hints = add_hints(ep, zones);
	ep->n_node_hints = add_hints(ep, nodes);
}

void build_endpoints(struct lnt_store *st, const char *ns, const char *name, const char *service,
	const char *ports, const char *endpoints)
{
	struct lnt_endpointslice *s = new_object(sizeof(*s), LNT_KIND_ENDPOINTSLICE, ns, name);

	s->service = lnt_intern(service);
	each(ports, add_slice_port, s);
	each(endpoints, add_full_endpoint, s);
	build_put(st, s);
}

void build_zone(struct lnt_store *st, const char *name, const char *zone)
{
	struct lnt_node *node = new_object(sizeof(*node), LNT_KIND_NODE, "", name);

	node->zone = lnt_intern(zone);
	build_put(st, node);
}
