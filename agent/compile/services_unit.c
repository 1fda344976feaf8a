/* SPDX-License-Identifier: Apache-2.0 */
/* One service to its frontends, backend sets and source ranges (compile.h says which). */
#include "agent/compile/services_unit.h"
#include "agent/compile/index.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* Who goes first of those that claim one key. */
enum rank {
	RANK_CLUSTER,
	RANK_BALANCER,
	RANK_EXTERNAL,
	RANK_NODE
};

struct build {
	const struct lnt_service_place *place;
	const struct lnt_service *svc;
	struct lnt_service_slices slices;
	struct lnt_service_result r;
	size_t cap_frontends;
};

static void build_clear(struct build *b)
{
	free(b->slices.list);
	lnt_service_result_clear(&b->r);
}

void lnt_service_result_clear(struct lnt_service_result *r)
{
	for (size_t i = 0; i < r->n_sets; i++) {
		free(r->sets[i].backends);
		free(r->sets[i].ranges);
	}
	for (size_t i = 0; i < r->n_notices; i++)
		free(r->notices[i]);
	free(r->odd[0]);
	free(r->odd[1]);
	free(r->sets);
	free(r->notices);
	free(r->frontends);
	*r = (struct lnt_service_result){};
}

int lnt_service_note(
	struct lnt_service_result *r, const struct lnt_service *svc, const char *fmt, ...)
{
	char *text, **notices;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_notices; i++) {
		if (!strcmp(r->notices[i], text)) {
			free(text);
			return 0;
		}
	}
	notices = reallocarray(r->notices, r->n_notices + 1, sizeof(*notices));
	if (!notices) {
		free(text);
		return -ENOMEM;
	}
	r->notices = notices;
	r->notices[r->n_notices++] = text;
	return 0;
}

/* --- sets ------------------------------------------------------------------------------------- */

static int range_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_cidr_key));
}

/* The service's source ranges of the set's family. */
static int add_ranges(const struct lnt_service *svc, struct lnt_backend_set *set)
{
	uint32_t n = 0;

	set->ranges = calloc(svc->n_ranges + 1, sizeof(*set->ranges));
	if (!set->ranges)
		return -ENOMEM;
	for (size_t i = 0; i < svc->n_ranges; i++) {
		const struct lnt_prefix *p = &svc->ranges[i];

		if (lnt_addr_is4(&p->addr) != set->is6)
			set->ranges[set->n_ranges++] = (struct lnt_cidr_key){
				.prefixlen = p->len + (set->is6 ? 0 : 96),
				.addr = p->addr,
			};
	}
	if (set->n_ranges)
		qsort(set->ranges, set->n_ranges, sizeof(*set->ranges), range_cmp);
	for (uint32_t i = 0; i < set->n_ranges; i++)
		if (!n || range_cmp(&set->ranges[n - 1], &set->ranges[i]) != 0)
			set->ranges[n++] = set->ranges[i];
	set->n_ranges = n;
	return 0;
}

static struct lnt_backend_set *new_set(
	struct build *b, const struct lnt_service_port *port, bool is6, bool local)
{
	struct lnt_backend_set *set = &b->r.sets[b->r.n_sets++];

	*set = (struct lnt_backend_set){
		.port = port->port, .proto = port->proto, .is6 = is6, .local = local};
	return set;
}

/* --- frontends -------------------------------------------------------------------------------- */

/* A port in one family, and who serves it. */
struct port {
	const struct lnt_service_port *port;
	bool is6;
	struct lnt_backend_set *inside;	 /* at cluster IPs */
	struct lnt_backend_set *cluster; /* for clients from inside, elsewhere */
	struct lnt_backend_set *outside; /* for clients from outside */
	struct lnt_backend_set *carried; /* by other nodes; NULL: no direct server return */
};

static int add_frontend(struct build *b, const struct lnt_frontend *f)
{
	struct lnt_frontend *to;

	if (LNT_GROW(b->r.frontends, b->cap_frontends, b->r.n_frontends + 1))
		return -ENOMEM;
	to = &b->r.frontends[b->r.n_frontends++];
	*to = *f;
	to->affinity = f->set ? b->svc->affinity : 0;
	return 0;
}

static int add_carried(struct build *b, const struct port *p, const struct in6_addr *addr,
	uint16_t number, enum rank rank, uint32_t flags)
{
	const struct lnt_frontend f = {
		.key = {.addr = *addr,
			.port = htons(number),
			.proto = p->port->proto,
			.kind = LNT_FRONTEND_CARRIED},
		.flags = flags,
		.set = p->carried,
		.rank = rank,
	};

	return add_frontend(b, &f);
}

static int add_outside(struct build *b, const struct port *p, const struct in6_addr *addr,
	uint16_t number, enum rank rank, uint32_t flags)
{
	const struct lnt_frontend f = {
		.key = {.addr = *addr, .port = htons(number), .proto = p->port->proto},
		.flags = flags,
		.set = p->cluster,
		.ext_set = flags & LNT_SVC_EXTERNAL ? p->outside : NULL,
		.rank = rank,
	};

	return add_frontend(b, &f);
}

/* Whether @addr is one of the port's family that can be served. */
static bool is_served(const struct port *p, const struct in6_addr *addr)
{
	return lnt_addr_is4(addr) != p->is6 && !lnt_service_addr_is_special(addr);
}

/* An address that is the service's own at every node. */
static int add_shared(struct build *b, const struct port *p, const struct in6_addr *addr,
	enum rank rank, uint32_t flags)
{
	if (!is_served(p, addr))
		return 0;
	if (!p->carried)
		return add_outside(b, p, addr, p->port->port, rank, flags);
	if (add_outside(b, p, addr, p->port->port, rank, flags | LNT_SVC_DSR))
		return -ENOMEM;
	return add_carried(b, p, addr, p->port->port, rank, flags & LNT_SVC_RANGES);
}

static int add_cluster_ips(struct build *b, const struct port *p)
{
	const struct lnt_service *svc = b->svc;

	for (size_t i = 0; i < svc->n_cluster_ips; i++) {
		struct lnt_frontend f = {
			.key = {.addr = svc->cluster_ips[i],
				.port = htons(p->port->port),
				.proto = p->port->proto},
			.set = p->inside,
			.rank = RANK_CLUSTER,
		};

		if (!is_served(p, &svc->cluster_ips[i]))
			continue;
		if (add_frontend(b, &f))
			return -ENOMEM;
		f.key.port = 0;
		f.key.proto = 0;
		f.set = NULL;
		if (add_frontend(b, &f))
			return -ENOMEM;
	}
	return 0;
}

static int add_outside_ips(struct build *b, const struct port *p)
{
	const struct lnt_service *svc = b->svc;
	uint32_t flags = LNT_SVC_EXTERNAL | (svc->external_local ? LNT_SVC_LOCAL : 0);
	uint32_t ranges = svc->has_ranges ? LNT_SVC_RANGES : 0;

	for (size_t i = 0; svc->type == LNT_SERVICE_LOAD_BALANCER && i < svc->n_balancer_ips; i++)
		if (add_shared(b, p, &svc->balancer_ips[i], RANK_BALANCER, flags | ranges))
			return -ENOMEM;
	for (size_t i = 0; i < svc->n_external_ips; i++)
		if (add_shared(b, p, &svc->external_ips[i], RANK_EXTERNAL, flags))
			return -ENOMEM;
	return 0;
}

static bool has_node_ports(const struct lnt_service *svc)
{
	return svc->type == LNT_SERVICE_NODE_PORT || svc->type == LNT_SERVICE_LOAD_BALANCER;
}

/* The port is taken on this node, for sockets that want it at every address. */
static int reserve_node_port(struct build *b, const struct port *p)
{
	const struct lnt_frontend f = {
		.key = {.addr = p->is6 ? in6addr_any : lnt_addr_from4(htonl(INADDR_ANY)),
			.port = htons(p->port->node_port),
			.proto = p->port->proto,
			.kind = LNT_FRONTEND_RESERVED},
		.rank = RANK_NODE,
	};

	return add_frontend(b, &f);
}

static int add_node_ports(struct build *b, const struct port *p)
{
	const uint32_t flags = LNT_SVC_EXTERNAL | (b->svc->external_local ? LNT_SVC_LOCAL : 0);
	const struct in6_addr any = p->is6 ? in6addr_any : lnt_addr_from4(htonl(INADDR_ANY));
	bool served = false;

	if (!has_node_ports(b->svc) || !p->port->node_port)
		return 0;
	for (size_t i = 0; i < b->place->n_addrs; i++) {
		const struct lnt_nodeport_addr *a = &b->place->addrs[i];
		uint32_t dsr = p->carried && a->listed ? LNT_SVC_DSR : 0;

		if (lnt_addr_is4(&a->addr) == p->is6)
			continue;
		served = true;
		if (add_outside(b, p, &a->addr, p->port->node_port, RANK_NODE,
			    a->host_only ? LNT_SVC_HOST_ONLY : flags | dsr))
			return -ENOMEM;
	}
	if (p->carried && add_carried(b, p, &any, p->port->node_port, RANK_NODE, 0))
		return -ENOMEM;
	return served ? reserve_node_port(b, p) : 0;
}

static bool has_outside(const struct lnt_service *svc)
{
	return svc->n_external_ips || has_node_ports(svc);
}

/* Whether pods of other nodes answer this port's outside clients directly. */
static bool is_dsr(const struct build *b, const struct lnt_service_port *port)
{
	const struct lnt_service *svc = b->svc;

	if (!has_outside(svc) || svc->external_local ||
		(port->proto != IPPROTO_TCP && port->proto != IPPROTO_UDP))
		return false;
	return svc->forwarding == LNT_FORWARDING_DSR ||
		(svc->forwarding == LNT_FORWARDING_DEFAULT && b->place->dsr);
}

static int list_carried(struct build *b, const struct lnt_service_port *port, bool is6,
	struct lnt_backend_set **ret_set)
{
	struct lnt_backend_set *set = new_set(b, port, is6, true);

	set->carried = true;
	*ret_set = set;
	if (lnt_service_list_local(b->place, b->svc, &b->slices, port, is6, &b->r, set))
		return -ENOMEM;
	return b->svc->has_ranges && b->svc->type == LNT_SERVICE_LOAD_BALANCER
		? add_ranges(b->svc, set)
		: 0;
}

static int add_port(struct build *b, const struct lnt_service_port *port, bool is6)
{
	const struct lnt_service *svc = b->svc;
	bool outside = has_outside(svc);
	struct lnt_backend_set *cluster = NULL, *local = NULL;
	struct port p = {.port = port, .is6 = is6};

	if (!svc->internal_local || outside)
		cluster = new_set(b, port, is6, false);
	if (svc->internal_local || (outside && svc->external_local))
		local = new_set(b, port, is6, true);
	p.inside = svc->internal_local ? local : cluster;
	p.cluster = cluster;
	p.outside = svc->external_local ? local : cluster;
	if (lnt_service_choose(b->place, svc, &b->slices, port, is6, &b->r, cluster, local))
		return -ENOMEM;
	if (svc->has_ranges && svc->type == LNT_SERVICE_LOAD_BALANCER && add_ranges(svc, cluster))
		return -ENOMEM;
	if (is_dsr(b, port) && list_carried(b, port, is6, &p.carried))
		return -ENOMEM;
	return add_cluster_ips(b, &p) || add_outside_ips(b, &p) || add_node_ports(b, &p) ? -ENOMEM
											 : 0;
}

static int frontend_cmp(const void *a, const void *b)
{
	const struct lnt_frontend *x = a, *y = b;
	int r = memcmp(&x->key, &y->key, sizeof(x->key));

	return r ? r : (x->rank > y->rank) - (x->rank < y->rank);
}

void lnt_frontends_sort(struct lnt_service_result *r)
{
	size_t n = 0;

	if (r->n_frontends)
		qsort(r->frontends, r->n_frontends, sizeof(*r->frontends), frontend_cmp);
	for (size_t i = 0; i < r->n_frontends; i++)
		if (!n ||
			memcmp(&r->frontends[n - 1].key, &r->frontends[i].key,
				sizeof(r->frontends[i].key)) != 0)
			r->frontends[n++] = r->frontends[i];
	r->n_frontends = n;
	LNT_SHRINK(r->frontends, n);
}

/* --- what is wrong ---------------------------------------------------------------------------- */

static int note_special(struct build *b, const struct in6_addr *addrs, size_t n)
{
	char text[LNT_ADDRSTRLEN];

	for (size_t i = 0; i < n; i++)
		if (lnt_service_addr_is_special(&addrs[i]) &&
			lnt_service_note(&b->r, b->svc, "%s cannot be a service's address",
				lnt_addr_str(&addrs[i], text)))
			return -ENOMEM;
	return 0;
}

static bool has_family(const struct in6_addr *addrs, size_t n, bool is6)
{
	for (size_t i = 0; i < n; i++)
		if (lnt_addr_is4(&addrs[i]) != is6)
			return true;
	return false;
}

static int note_ranges(struct build *b)
{
	const struct lnt_service *svc = b->svc;

	for (int is6 = 0; svc->has_ranges && is6 < 2; is6++) {
		bool some = false;

		for (size_t i = 0; i < svc->n_ranges; i++)
			some |= lnt_addr_is4(&svc->ranges[i].addr) != is6;
		if (!some && has_family(svc->balancer_ips, svc->n_balancer_ips, is6) &&
			lnt_service_note(&b->r, svc,
				"loadBalancerSourceRanges has no %s range; nobody outside is let "
				"in",
				is6 ? "IPv6" : "IPv4"))
			return -ENOMEM;
	}
	return 0;
}

static int note_all(struct build *b)
{
	const struct lnt_service *svc = b->svc;

	for (size_t i = 0; i < svc->n_ports; i++)
		if (!svc->ports[i].port &&
			lnt_service_note(&b->r, svc, "port '%s' is 0", svc->ports[i].name))
			return -ENOMEM;
		else if (svc->ports[i].proto == IPPROTO_SCTP &&
			svc->forwarding == LNT_FORWARDING_DSR &&
			lnt_service_note(&b->r, svc,
				"port '%s' is source-translated: SCTP has no direct return",
				svc->ports[i].name))
			return -ENOMEM;
	return note_special(b, svc->cluster_ips, svc->n_cluster_ips) ||
			note_special(b, svc->external_ips, svc->n_external_ips) ||
			note_special(b, svc->balancer_ips, svc->n_balancer_ips) || note_ranges(b)
		? -ENOMEM
		: 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int add_slice(void *ctx, const struct lnt_meta *obj)
{
	struct lnt_service_slices *s = ctx;

	if (LNT_GROW(s->list, s->cap, s->n + 1))
		return -ENOMEM;
	s->list[s->n++] = (const struct lnt_endpointslice *)obj;
	return 0;
}

/* A service's families are those of its cluster IPs. */
static int build(struct build *b)
{
	const struct lnt_service *svc = b->svc;

	b->r.created = svc->created;
	if (svc->foreign || svc->type == LNT_SERVICE_EXTERNAL_NAME || !svc->n_cluster_ips)
		return 0;
	b->r.sets = calloc(6 * svc->n_ports + 1, sizeof(*b->r.sets));
	if (!b->r.sets ||
		lnt_store_each_slice(
			b->place->st, svc->meta.ns, svc->meta.name, add_slice, &b->slices) ||
		note_all(b))
		return -ENOMEM;
	for (int is6 = 0; is6 < 2; is6++) {
		if (!has_family(svc->cluster_ips, svc->n_cluster_ips, is6))
			continue;
		for (size_t i = 0; i < svc->n_ports; i++)
			if (svc->ports[i].port && add_port(b, &svc->ports[i], is6))
				return -ENOMEM;
	}
	if (lnt_service_note_odd(b->place, &b->slices, &b->r))
		return -ENOMEM;
	lnt_frontends_sort(&b->r);
	if (svc->type != LNT_SERVICE_LOAD_BALANCER || !svc->external_local)
		return 0;
	b->r.health_port = svc->health_check_port;
	return lnt_service_count_local(
		b->place, svc, &b->slices, !lnt_addr_is4(&svc->cluster_ips[0]), &b->r.health_local);
}

int lnt_service_compile(const struct lnt_service_place *place, const struct lnt_service *svc,
	struct lnt_service_result *ret_result)
{
	_cleanup_(build_clear) struct build b = {.place = place, .svc = svc};

	if (build(&b))
		return -ENOMEM;
	*ret_result = b.r;
	b.r = (struct lnt_service_result){};
	return 0;
}
