/* SPDX-License-Identifier: Apache-2.0 */
/* What is missing among the routes of pod_routes.h. */
#include "agent/node/pod_routes.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <linux/rtnetlink.h>

static bool has_route(const struct lnt_route *routes, size_t n, const struct lnt_route *want)
{
	for (size_t i = 0; i < n; i++) {
		if (routes[i].oif == want->oif && routes[i].dst.len == want->dst.len &&
			IN6_ARE_ADDR_EQUAL(&routes[i].dst.addr, &want->dst.addr))
			return true;
	}
	return false;
}

static int restore_one(struct lnt_nl *nl, const struct lnt_endpoint *ep,
	const struct in6_addr *addr, const struct lnt_route *have, size_t n, struct lnt_err *e)
{
	const struct lnt_route want = {
		.dst = {.addr = *addr, .len = (uint8_t)lnt_addr_bits(addr)},
		.oif = ep->host_ifindex,
		.scope = RT_SCOPE_LINK,
		.protocol = LNT_RTPROT,
	};
	struct lnt_err why = {};
	int r;

	if (has_route(have, n, &want))
		return 0;
	r = lnt_link_set_up(nl, ep->host_ifindex, &why);
	if (!r)
		r = lnt_route_replace(nl, &want, &why);
	if (!r || r == -ENODEV)
		return 0;
	return lnt_err_set(e, r, "route to pod %s/%s: %s", ep->pod_ns, ep->pod_name, why.msg);
}

int lnt_pod_routes_restore(
	struct lnt_nl *nl, const struct lnt_endpoint *eps, size_t n, struct lnt_err *e)
{
	static const int families[] = {AF_INET, AF_INET6};
	int first = 0, r;

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		_cleanup_free_ struct lnt_route *have = NULL;
		size_t n_have = 0;

		r = lnt_route_dump(nl, families[f], LNT_RTPROT, e, &have, &n_have);
		if (r)
			return r;
		for (size_t i = 0; i < n; i++) {
			for (unsigned a = 0; a < eps[i].n_addrs; a++) {
				if (lnt_addr_is4(&eps[i].addrs[a]) != (families[f] == AF_INET))
					continue;
				r = restore_one(nl, &eps[i], &eps[i].addrs[a], have, n_have, e);
				first = first ? first : r;
			}
		}
	}
	return first;
}
