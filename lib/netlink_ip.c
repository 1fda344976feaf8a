/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, routes and neighbours of netlink.h. */
#include "lib/netlink_msg.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/socket.h>

static void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct in6_addr *a)
{
	if (lnt_addr_is4(a))
		mnl_attr_put(nlh, type, 4, &a->s6_addr[12]);
	else
		mnl_attr_put(nlh, type, 16, a);
}

/* An address attribute in mapped form. False: neither 4 nor 16 bytes. */
static bool get_addr(const struct nlattr *attr, struct in6_addr *ret_addr)
{
	in_addr_t v4;

	switch (mnl_attr_get_payload_len(attr)) {
	case 4:
		memcpy(&v4, mnl_attr_get_payload(attr), 4);
		*ret_addr = lnt_addr_from4(v4);
		return true;
	case 16:
		memcpy(ret_addr, mnl_attr_get_payload(attr), 16);
		return true;
	}
	return false;
}

static uint8_t family(const struct in6_addr *a)
{
	return lnt_addr_is4(a) ? AF_INET : AF_INET6;
}

/* --- addresses -------------------------------------------------------------------------------- */

int lnt_addr_add(struct lnt_nl *nl, uint32_t ifindex, const struct in6_addr *addr, uint8_t len,
	struct lnt_err *e)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	uint32_t flags = IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE;

	if (!lnt_addr_is4(addr))
		flags |= IFA_F_NODAD;
	ifa->ifa_family = family(addr);
	ifa->ifa_prefixlen = len;
	ifa->ifa_index = ifindex;
	put_addr(nlh, IFA_LOCAL, addr);
	put_addr(nlh, IFA_ADDRESS, addr);
	mnl_attr_put_u32(nlh, IFA_FLAGS, flags);
	return lnt_nl_submit(nl, nlh, e);
}

static int parse_addr(const struct nlmsghdr *nlh, const struct lnt_nl_list *l, void *ret_item)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct lnt_ifaddr *a = ret_item;
	const struct nlattr *attr;
	bool found = false, local = false;

	if (nlh->nlmsg_type != RTM_NEWADDR || (l->ifindex && ifa->ifa_index != l->ifindex))
		return 1;
	a->ifindex = ifa->ifa_index;
	a->len = ifa->ifa_prefixlen;
	a->scope = ifa->ifa_scope;
	a->flags = ifa->ifa_flags;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		uint16_t type = mnl_attr_get_type(attr);

		/* On a point-to-point device IFA_ADDRESS is the other end's. */
		if (type == IFA_LOCAL || (type == IFA_ADDRESS && !local))
			found |= get_addr(attr, &a->addr);
		local |= type == IFA_LOCAL;
		if (type == IFA_FLAGS)
			a->flags = mnl_attr_get_u32(attr);
	}
	return found ? 0 : 1;
}

static void build_addr_dump(struct lnt_nl *nl, const struct lnt_nl_list *wanted)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	if (lnt_nl_filters(nl))
		ifa->ifa_index = wanted->ifindex;
	lnt_nl_queue(nl, nlh);
}

int lnt_addr_dump(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e,
	struct lnt_ifaddr **ret_addrs, size_t *ret_n)
{
	struct lnt_nl_list l = {
		.size = sizeof(struct lnt_ifaddr), .parse = parse_addr, .ifindex = ifindex};
	int r = lnt_nl_dump(nl, build_addr_dump, &l, e);

	if (r)
		return r;
	*ret_addrs = l.items;
	*ret_n = l.n;
	return 0;
}

/* --- routes ----------------------------------------------------------------------------------- */

static void put_metrics(struct nlmsghdr *nlh, const struct lnt_route *route)
{
	struct nlattr *nest;

	if (!route->mtu && !route->advmss)
		return;
	nest = mnl_attr_nest_start(nlh, RTA_METRICS);
	if (route->mtu)
		mnl_attr_put_u32(nlh, RTAX_MTU, route->mtu);
	if (route->advmss)
		mnl_attr_put_u32(nlh, RTAX_ADVMSS, route->advmss);
	mnl_attr_nest_end(nlh, nest);
}

static int route_request(struct lnt_nl *nl, const struct lnt_route *route, uint16_t type,
	uint16_t flags, struct lnt_err *e)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, type, flags);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	uint32_t table = route->table ? route->table : RT_TABLE_MAIN;

	if ((route->has_gw && family(&route->gw) != family(&route->dst.addr)) ||
		(route->has_src && family(&route->src) != family(&route->dst.addr)))
		return lnt_err_set(e, -EINVAL, "route mixes address families");
	rtm->rtm_family = family(&route->dst.addr);
	rtm->rtm_dst_len = route->dst.len;
	rtm->rtm_protocol = route->protocol;
	rtm->rtm_scope = route->scope;
	rtm->rtm_type = route->type ? route->type : RTN_UNICAST;
	rtm->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
	rtm->rtm_flags = route->onlink ? RTNH_F_ONLINK : 0;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	if (route->dst.len)
		put_addr(nlh, RTA_DST, &route->dst.addr);
	if (route->has_gw)
		put_addr(nlh, RTA_GATEWAY, &route->gw);
	if (route->has_src)
		put_addr(nlh, RTA_PREFSRC, &route->src);
	if (route->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, route->oif);
	if (route->priority)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->priority);
	put_metrics(nlh, route);
	return lnt_nl_submit(nl, nlh, e);
}

int lnt_route_add(struct lnt_nl *nl, const struct lnt_route *route, struct lnt_err *e)
{
	return route_request(nl, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, e);
}

int lnt_route_replace(struct lnt_nl *nl, const struct lnt_route *route, struct lnt_err *e)
{
	return route_request(nl, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, e);
}

int lnt_route_del(struct lnt_nl *nl, const struct lnt_route *route, struct lnt_err *e)
{
	return route_request(nl, route, RTM_DELROUTE, 0, e);
}

static void parse_metrics(const struct nlattr *nest, struct lnt_route *route)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == RTAX_MTU)
			route->mtu = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RTAX_ADVMSS)
			route->advmss = mnl_attr_get_u32(attr);
	}
}

/* The first hop of a multipath route. */
static void parse_multipath(const struct nlattr *hops, struct lnt_route *route)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(hops);
	const struct nlattr *attr;

	if (mnl_attr_get_payload_len(hops) < sizeof(*hop) || hop->rtnh_len < sizeof(*hop))
		return;
	route->oif = (uint32_t)hop->rtnh_ifindex;
	route->onlink = hop->rtnh_flags & RTNH_F_ONLINK;
	mnl_attr_for_each_payload((const void *)(hop + 1), hop->rtnh_len - sizeof(*hop))
	{
		if (mnl_attr_get_type(attr) == RTA_GATEWAY)
			route->has_gw = get_addr(attr, &route->gw);
	}
}

static void parse_route_attr(const struct nlattr *attr, struct lnt_route *route)
{
	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		route->table = mnl_attr_get_u32(attr);
		break;
	case RTA_DST:
		get_addr(attr, &route->dst.addr);
		break;
	case RTA_GATEWAY:
		route->has_gw = get_addr(attr, &route->gw);
		break;
	case RTA_PREFSRC:
		route->has_src = get_addr(attr, &route->src);
		break;
	case RTA_OIF:
		route->oif = mnl_attr_get_u32(attr);
		break;
	case RTA_PRIORITY:
		route->priority = mnl_attr_get_u32(attr);
		break;
	case RTA_METRICS:
		parse_metrics(attr, route);
		break;
	case RTA_MULTIPATH:
		parse_multipath(attr, route);
		break;
	}
}

static void fill_route(const struct nlmsghdr *nlh, struct lnt_route *route)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (rtm->rtm_family == AF_INET)
		route->dst.addr = lnt_addr_from4(0);
	route->dst.len = rtm->rtm_dst_len;
	route->scope = rtm->rtm_scope;
	route->protocol = rtm->rtm_protocol;
	route->type = rtm->rtm_type;
	route->table = rtm->rtm_table;
	route->onlink = rtm->rtm_flags & RTNH_F_ONLINK;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) parse_route_attr(attr, route);
}

static int parse_route(const struct nlmsghdr *nlh, const struct lnt_nl_list *l, void *ret_item)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct lnt_route *route = ret_item;

	if (nlh->nlmsg_type != RTM_NEWROUTE || rtm->rtm_flags & RTM_F_CLONED ||
		rtm->rtm_family != l->family || (l->protocol && rtm->rtm_protocol != l->protocol))
		return 1;
	fill_route(nlh, route);
	return route->table == RT_TABLE_MAIN ? 0 : 1;
}

static void build_route_dump(struct lnt_nl *nl, const struct lnt_nl_list *wanted)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = wanted->family;
	if (lnt_nl_filters(nl)) {
		rtm->rtm_protocol = wanted->protocol;
		rtm->rtm_table = RT_TABLE_MAIN;
	}
	lnt_nl_queue(nl, nlh);
}

int lnt_route_dump(struct lnt_nl *nl, int family, uint8_t protocol, struct lnt_err *e,
	struct lnt_route **ret_routes, size_t *ret_n)
{
	struct lnt_nl_list l = {.size = sizeof(struct lnt_route),
		.parse = parse_route,
		.family = (uint8_t)family,
		.protocol = protocol};
	struct lnt_err why = {};
	int r = lnt_nl_dump(nl, build_route_dump, &l, &why);

	/* The table comes into being with its first route. */
	if (r && r != -ENOENT)
		return lnt_err_set(e, r, "%s", why.msg);
	*ret_routes = l.items;
	*ret_n = l.n;
	return 0;
}

static int take_route(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type == RTM_NEWROUTE)
		fill_route(nlh, arg);
	return 0;
}

int lnt_route_lookup(struct lnt_nl *nl, const struct in6_addr *dst, struct lnt_err *e,
	struct lnt_route *ret_route)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, RTM_GETROUTE, 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct lnt_route route = {};
	int r;

	rtm->rtm_family = family(dst);
	rtm->rtm_dst_len = (uint8_t)lnt_addr_bits(dst);
	put_addr(nlh, RTA_DST, dst);
	lnt_nl_queue(nl, nlh);
	r = lnt_nl_ask(nl, e, take_route, &route);
	if (!r)
		*ret_route = route;
	return r;
}

/* --- neighbours ------------------------------------------------------------------------------- */

int lnt_neigh_set(struct lnt_nl *nl, uint32_t ifindex, const struct in6_addr *addr,
	const uint8_t mac[static 6], struct lnt_err *e)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = family(addr);
	ndm->ndm_ifindex = (int)ifindex;
	ndm->ndm_state = NUD_PERMANENT;
	put_addr(nlh, NDA_DST, addr);
	mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
	return lnt_nl_submit(nl, nlh, e);
}
