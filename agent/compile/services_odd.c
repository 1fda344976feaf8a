/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is odd about a service's endpoints and yet served: somebody may have meant it, and somebody
 * else will look for it. One line of each kind a service.
 */
#include "agent/compile/maglev.h"
#include "agent/compile/services_unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Endpoints of a slice that are looked at: one is as good as all, and slices are many. */
#define LOOK_AT 8

static bool in_cidrs(const struct lnt_node *node, const struct in6_addr *addr)
{
	for (size_t i = 0; i < node->n_pod_cidrs; i++)
		if (lnt_prefix_has(&node->pod_cidrs[i], addr))
			return true;
	return false;
}

static bool is_node(const struct lnt_node *node, const struct in6_addr *addr)
{
	for (size_t i = 0; i < node->n_addrs; i++)
		if (IN6_ARE_ADDR_EQUAL(&node->addrs[i], addr))
			return true;
	return false;
}

struct search {
	const struct in6_addr *addr;
	bool any_cidrs; /* pod CIDRs are known at all */
};

/* 1: here it is. */
static int look_at_node(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_node *node = (const struct lnt_node *)obj;
	struct search *s = ctx;

	s->any_cidrs |= node->n_pod_cidrs != 0;
	return in_cidrs(node, s->addr) || is_node(node, s->addr);
}

/* Neither a pod's address nor a node's, by what the nodes say of themselves. */
static bool is_stranger(const struct lnt_store *st, const struct lnt_slice_endpoint *ep)
{
	struct search s = {.addr = &ep->addr};
	const struct lnt_node *node =
		(const struct lnt_node *)lnt_store_get(st, LNT_KIND_NODE, "", ep->node);

	/* Mostly it is where it says. */
	if (node && (in_cidrs(node, &ep->addr) || is_node(node, &ep->addr)))
		return false;
	return !lnt_store_each(st, LNT_KIND_NODE, look_at_node, &s) && s.any_cidrs;
}

static int note_stranger(const struct lnt_service_place *place,
	const struct lnt_service_slices *slices, struct lnt_service_result *r)
{
	char text[LNT_ADDRSTRLEN];

	for (size_t i = 0; i < slices->n; i++) {
		const struct lnt_endpointslice *slice = slices->list[i];

		for (size_t k = 0; k < slice->n_endpoints && k < LOOK_AT; k++) {
			const struct in6_addr *addr = &slice->endpoints[k].addr;

			if (lnt_service_addr_is_special(addr) ||
				!is_stranger(place->st, &slice->endpoints[k]))
				continue;
			if (asprintf(&r->odd[0],
				    "EndpointSlice %s: %s is in no pod CIDR and no node's; it is "
				    "served as a machine outside",
				    slice->meta.name, lnt_addr_str(addr, text)) < 0) {
				r->odd[0] = NULL;
				return -ENOMEM;
			}
			return 0;
		}
	}
	return 0;
}

int lnt_service_note_odd(const struct lnt_service_place *place,
	const struct lnt_service_slices *slices, struct lnt_service_result *r)
{
	for (size_t i = 0; i < r->n_sets && !r->odd[1]; i++) {
		const struct lnt_backend_set *set = &r->sets[i];

		if (set->n > LNT_MAGLEV_BACKENDS_MAX &&
			asprintf(&r->odd[1],
				"%u endpoints at port %u; more than %u are balanced by each node "
				"in its own way",
				set->n, set->port, LNT_MAGLEV_BACKENDS_MAX) < 0) {
			r->odd[1] = NULL;
			return -ENOMEM;
		}
	}
	return note_stranger(place, slices, r);
}
