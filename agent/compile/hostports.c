/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port mappings of one endpoint to frontends with the one backend (compile.h says which). What
 * it comes to depends on the endpoint and the node's addresses only; who has an address and port
 * that several claim is services.c's.
 */
#include "agent/compile/index.h"
#include "agent/compile/services_unit.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* Who goes first of two endpoints that claim one key. 0 is a cluster IP's. */
enum rank {
	RANK_EXACT = 1, /* names the address */
	RANK_ANY
};

struct build {
	const struct lnt_service_params *params;
	const struct lnt_endpoint *ep;
	struct lnt_service_result r;
	size_t cap_frontends;
};

static void build_clear(struct build *b)
{
	lnt_service_result_clear(&b->r);
}

/* The endpoint's address in the family of @is6. NULL: none. */
static const struct in6_addr *pod_addr(const struct lnt_endpoint *ep, bool is6)
{
	for (unsigned i = 0; i < ep->n_addrs; i++)
		if (lnt_addr_is4(&ep->addrs[i]) != is6)
			return &ep->addrs[i];
	return NULL;
}

static struct lnt_backend_set *new_set(
	struct build *b, const struct lnt_portmap *m, const struct in6_addr *addr)
{
	struct lnt_backend_set *set = &b->r.sets[b->r.n_sets];
	struct lnt_backend_value *backend = calloc(1, sizeof(*backend));

	if (!backend)
		return NULL;
	backend->addr = *addr;
	backend->port = htons(m->container_port);
	*set = (struct lnt_backend_set){
		.port = m->host_port,
		.proto = m->proto,
		.is6 = !lnt_addr_is4(addr),
		.local = true,
		.backends = backend,
		.n = 1,
	};
	b->r.n_sets++;
	return set;
}

static int add_frontend(struct build *b, const struct lnt_portmap *m, struct lnt_backend_set *set,
	const struct in6_addr *addr, bool host_only)
{
	if (LNT_GROW(b->r.frontends, b->cap_frontends, b->r.n_frontends + 1))
		return -ENOMEM;
	b->r.frontends[b->r.n_frontends++] = (struct lnt_frontend){
		.key = {.addr = *addr, .port = htons(m->host_port), .proto = m->proto},
		.flags = host_only ? LNT_SVC_HOST_ONLY : LNT_SVC_EXTERNAL | LNT_SVC_LOCAL,
		.set = set,
		.ext_set = host_only ? NULL : set,
		.rank = lnt_portmap_is_any(m) ? RANK_ANY : RANK_EXACT,
	};
	return 0;
}

static bool is_loopback4(const struct in6_addr *a)
{
	return lnt_addr_is4(a) && a->s6_addr[12] == 127;
}

/* Whether the mapping is served at @at of the node. */
static bool is_served_at(const struct lnt_portmap *m, const struct lnt_hostport_addr *at)
{
	if (lnt_portmap_is_any(m))
		return at->any;
	return IN6_ARE_ADDR_EQUAL(&m->host_ip, &at->addr);
}

static int note_absent(struct build *b, const struct lnt_portmap *m)
{
	char text[LNT_PORTMAP_STRLEN];

	return lnt_service_note(&b->r, NULL,
		"hostPort %s is not served: this node has no such address",
		lnt_portmap_str(m, text));
}

static int add_mapping(struct build *b, const struct lnt_portmap *m, bool is6)
{
	const struct in6_addr *addr = pod_addr(b->ep, is6);
	size_t before = b->r.n_frontends;
	struct lnt_backend_set *set;

	if (!addr || !(m->families & (is6 ? LNT_PORTMAP_6 : LNT_PORTMAP_4)))
		return 0;
	set = new_set(b, m, addr);
	if (!set)
		return -ENOMEM;
	/* All of 127.0.0.0/8 is the node's, listed or not. */
	if (is_loopback4(&m->host_ip))
		return add_frontend(b, m, set, &m->host_ip, true);
	for (size_t i = 0; i < b->params->n_host_addrs; i++) {
		const struct lnt_hostport_addr *at = &b->params->host_addrs[i];

		if (lnt_addr_is4(&at->addr) != is6 && is_served_at(m, at) &&
			add_frontend(b, m, set, &at->addr, at->host_only))
			return -ENOMEM;
	}
	return b->r.n_frontends == before && !lnt_portmap_is_any(m) ? note_absent(b, m) : 0;
}

int lnt_hostports_compile(const struct lnt_service_params *params, const struct lnt_endpoint *ep,
	struct lnt_service_result *ret_result)
{
	_cleanup_(build_clear) struct build b = {.params = params, .ep = ep};

	b.r.created = ep->host_ifindex;
	b.r.sets = calloc(2 * ep->n_portmaps + 1, sizeof(*b.r.sets));
	if (!b.r.sets)
		return -ENOMEM;
	for (unsigned i = 0; i < ep->n_portmaps; i++)
		for (int is6 = 0; is6 < 2; is6++)
			if (add_mapping(&b, &ep->portmaps[i], is6))
				return -ENOMEM;
	lnt_frontends_sort(&b.r);
	*ret_result = b.r;
	b.r = (struct lnt_service_result){};
	return 0;
}
