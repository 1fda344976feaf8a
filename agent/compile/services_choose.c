/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoints serve (compile.h): the rules of kube-proxy's CategorizeEndpoints(). Ports meet by
 * name and protocol, addresses by family.
 */
#include "agent/compile/index.h"
#include "agent/compile/services_unit.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* An endpoint with the number that the port has in its slice. */
struct candidate {
	const struct lnt_slice_endpoint *ep;
	uint16_t port;
};

struct candidates {
	struct candidate *list; /* owned */
	size_t n, cap;
};

static void candidates_clear(struct candidates *c)
{
	free(c->list);
}

/* What the choice needs to know of all candidates. */
struct summary {
	bool any_ready;
	bool any_hints;		   /* a ready one has some */
	bool all_nodes, all_zones; /* each ready one has hints of the kind */
	bool for_node, for_zone;   /* one of them is for this node, its zone */
	bool any_local;		   /* a ready one is on this node */
};

enum topology {
	EVERYWHERE,
	SAME_ZONE,
	SAME_NODE
};

bool lnt_service_addr_is_special(const struct in6_addr *a)
{
	if (!lnt_addr_is4(a))
		return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LOOPBACK(a) ||
			IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MULTICAST(a);
	return !a->s6_addr[12] || a->s6_addr[12] == 127 || a->s6_addr[12] >= 224 ||
		(a->s6_addr[12] == 169 && a->s6_addr[13] == 254);
}

static bool is_ready(const struct lnt_service *svc, const struct lnt_slice_endpoint *ep)
{
	return ep->ready || svc->publish_not_ready;
}

static bool serves_to_the_end(const struct lnt_slice_endpoint *ep)
{
	return ep->serving && ep->terminating;
}

static bool is_local(const struct lnt_service_place *place, const struct lnt_slice_endpoint *ep)
{
	return ep->node == place->node && *place->node;
}

/* Interned: pointers compare. */
static bool has(const char *const *names, uint8_t n, const char *name)
{
	for (uint8_t i = 0; names && i < n; i++)
		if (names[i] == name)
			return true;
	return false;
}

static bool for_zone(const struct lnt_service_place *place, const struct lnt_slice_endpoint *ep)
{
	return *place->zone && has(ep->hints, ep->n_zone_hints, place->zone);
}

static bool for_node(const struct lnt_service_place *place, const struct lnt_slice_endpoint *ep)
{
	return ep->n_node_hints && has(ep->hints + ep->n_zone_hints, ep->n_node_hints, place->node);
}

static int add_slice(const struct lnt_service *svc, const struct lnt_endpointslice *slice,
	uint16_t port, struct lnt_service_result *r, struct candidates *c)
{
	char text[LNT_ADDRSTRLEN];

	if (LNT_GROW(c->list, c->cap, c->n + slice->n_endpoints))
		return -ENOMEM;
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const struct lnt_slice_endpoint *ep = &slice->endpoints[i];

		if (lnt_addr_is4(&ep->addr) != slice->is6 &&
			!lnt_service_addr_is_special(&ep->addr))
			c->list[c->n++] = (struct candidate){ep, port};
		else if (lnt_service_note(r, svc, "EndpointSlice %s: %s cannot be an %s endpoint",
				 slice->meta.name, lnt_addr_str(&ep->addr, text),
				 slice->is6 ? "IPv6" : "IPv4"))
			return -ENOMEM;
	}
	return 0;
}

static int collect(const struct lnt_service *svc, const struct lnt_service_slices *slices,
	const struct lnt_service_port *port, bool is6, struct lnt_service_result *r,
	struct candidates *c)
{
	for (size_t i = 0; i < slices->n; i++) {
		const struct lnt_endpointslice *slice = slices->list[i];

		for (size_t p = 0; slice->is6 == is6 && p < slice->n_ports; p++) {
			const struct lnt_slice_port *sp = &slice->ports[p];

			if (sp->name != port->name || sp->proto != port->proto)
				continue;
			if (sp->port && add_slice(svc, slice, sp->port, r, c))
				return -ENOMEM;
			if (!sp->port &&
				lnt_service_note(r, svc, "EndpointSlice %s: port '%s' is 0",
					slice->meta.name, sp->name))
				return -ENOMEM;
		}
	}
	return 0;
}

static struct summary summarise(const struct lnt_service_place *place,
	const struct lnt_service *svc, const struct candidates *c)
{
	struct summary s = {.all_nodes = true, .all_zones = true};

	for (size_t i = 0; i < c->n; i++) {
		const struct lnt_slice_endpoint *ep = c->list[i].ep;

		if (!is_ready(svc, ep))
			continue;
		s.any_ready = true;
		s.any_local |= is_local(place, ep);
		s.any_hints |= ep->hints != NULL;
		s.all_nodes &= ep->n_node_hints != 0;
		s.all_zones &= ep->n_zone_hints != 0;
		s.for_node |= for_node(place, ep);
		s.for_zone |= for_zone(place, ep);
	}
	return s;
}

static enum topology topology(const struct summary *s)
{
	if (!s->any_ready)
		return EVERYWHERE;
	if (s->all_nodes && s->for_node)
		return SAME_NODE;
	return s->all_zones && s->for_zone ? SAME_ZONE : EVERYWHERE;
}

/* Hints that are given or asked for and of no effect are said. */
static int note_hints(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct summary *s, struct lnt_service_result *r)
{
	if (svc->distribution == LNT_DISTRIBUTION_UNKNOWN &&
		lnt_service_note(r, svc, "trafficDistribution is not known and has no effect"))
		return -ENOMEM;
	if (!s->any_ready || topology(s) != EVERYWHERE)
		return 0;
	if (!s->any_hints)
		return svc->distribution == LNT_DISTRIBUTION_NONE ||
				svc->distribution == LNT_DISTRIBUTION_UNKNOWN
			? 0
			: lnt_service_note(r, svc,
				  "trafficDistribution has no effect: its endpoints have no hints");
	if (!s->all_zones && !s->all_nodes)
		return lnt_service_note(
			r, svc, "topology hints are not used: not every endpoint has some");
	if (s->all_zones && !*place->zone)
		return lnt_service_note(
			r, svc, "topology hints are not used: this node has no zone");
	return lnt_service_note(
		r, svc, "topology hints are not used: no endpoint is for this node or its zone");
}

static int backend_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_backend_value));
}

/* Several slices may have one endpoint while it moves between them. */
static void sort(struct lnt_backend_set *set)
{
	uint32_t n = 0;

	if (set->n)
		qsort(set->backends, set->n, sizeof(*set->backends), backend_cmp);
	for (uint32_t i = 0; i < set->n; i++)
		if (!n || backend_cmp(&set->backends[n - 1], &set->backends[i]) != 0)
			set->backends[n++] = set->backends[i];
	set->n = n;
	LNT_SHRINK(set->backends, n);
}

/* Who of the candidates: ready, or terminating and serving still; where. */
struct filter {
	bool ready;
	bool local;
	enum topology topology;
};

static bool passes(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct filter *f, const struct lnt_slice_endpoint *ep)
{
	if (!(f->ready ? is_ready(svc, ep) : serves_to_the_end(ep)))
		return false;
	if (f->local && !is_local(place, ep))
		return false;
	return f->topology == EVERYWHERE ||
		(f->topology == SAME_NODE ? for_node(place, ep) : for_zone(place, ep));
}

static int fill(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct candidates *c, struct filter f, struct lnt_backend_set *set)
{
	set->backends = calloc(c->n + 1, sizeof(*set->backends));
	if (!set->backends)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++)
		if (passes(place, svc, &f, c->list[i].ep))
			set->backends[set->n++] = (struct lnt_backend_value){
				.addr = c->list[i].ep->addr,
				.port = htons(c->list[i].port),
			};
	sort(set);
	return 0;
}

int lnt_service_choose(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct lnt_service_slices *slices, const struct lnt_service_port *port, bool is6,
	struct lnt_service_result *r, struct lnt_backend_set *ret_cluster,
	struct lnt_backend_set *ret_local)
{
	_cleanup_(candidates_clear) struct candidates c = {};
	struct summary s;

	if (collect(svc, slices, port, is6, r, &c))
		return -ENOMEM;
	s = summarise(place, svc, &c);
	if (ret_cluster &&
		(note_hints(place, svc, &s, r) ||
			fill(place, svc, &c,
				(struct filter){.ready = s.any_ready, .topology = topology(&s)},
				ret_cluster)))
		return -ENOMEM;
	return ret_local ? fill(place, svc, &c,
				   (struct filter){.ready = s.any_local, .local = true}, ret_local)
			 : 0;
}

int lnt_service_list_local(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct lnt_service_slices *slices, const struct lnt_service_port *port, bool is6,
	struct lnt_service_result *r, struct lnt_backend_set *ret_set)
{
	_cleanup_(candidates_clear) struct candidates c = {};

	if (collect(svc, slices, port, is6, r, &c))
		return -ENOMEM;
	ret_set->backends = calloc(c.n + 1, sizeof(*ret_set->backends));
	if (!ret_set->backends)
		return -ENOMEM;
	for (size_t i = 0; i < c.n; i++)
		if (is_local(place, c.list[i].ep))
			ret_set->backends[ret_set->n++] = (struct lnt_backend_value){
				.addr = c.list[i].ep->addr,
				.port = htons(c.list[i].port),
			};
	sort(ret_set);
	return 0;
}

static int addr_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

int lnt_service_count_local(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct lnt_service_slices *slices, bool is6, uint32_t *ret_n)
{
	_cleanup_free_ struct in6_addr *addrs = NULL;
	size_t n = 0, cap = 0;
	uint32_t count = 0;

	for (size_t i = 0; i < slices->n; i++) {
		const struct lnt_endpointslice *slice = slices->list[i];

		for (size_t k = 0; slice->is6 == is6 && k < slice->n_endpoints; k++) {
			const struct lnt_slice_endpoint *ep = &slice->endpoints[k];

			if (!is_local(place, ep) || !is_ready(svc, ep))
				continue;
			if (LNT_GROW(addrs, cap, n + 1))
				return -ENOMEM;
			addrs[n++] = ep->addr;
		}
	}
	if (n)
		qsort(addrs, n, sizeof(*addrs), addr_cmp);
	for (size_t i = 0; i < n; i++)
		count += !i || addr_cmp(&addrs[i - 1], &addrs[i]) != 0;
	*ret_n = count;
	return 0;
}
