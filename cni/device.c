/* SPDX-License-Identifier: Apache-2.0 */
/* The container's device of device.h: few netlink round trips, in an order that fails closed. */
#include "cni/device.h"

#include "cni/error.h"
#include "cni/result.h"
#include "datapath/filter.h"
#include "lib/file.h"
#include "lib/netns.h"

#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/random.h>

#define LOOPBACK_IFINDEX 1 /* in every namespace (include/net/net_namespace.h) */
#define DEFAULT_MTU	 1500
#define SECOND_METRIC	 4096 /* above what others use, IPv6's default 1024 among them */

static struct in6_addr gateway(bool v4)
{
	struct in6_addr a = {};

	lnt_addr_parse(v4 ? LNT_GATEWAY4 : LNT_GATEWAY6, &a);
	return a;
}

static struct lnt_prefix single(const struct in6_addr *addr)
{
	return (struct lnt_prefix){.addr = *addr, .len = (uint8_t)lnt_addr_bits(addr)};
}

/* --- MTU -------------------------------------------------------------------------------------- */

uint32_t lnt_device_mtu(struct lnt_nl *node, uint32_t configured)
{
	/* For documentation (RFC 5737, RFC 3849): nothing but a default route leads there. */
	static const char *const far[] = {"192.0.2.1", "2001:db8::1"};
	uint32_t mtu = configured;

	for (size_t i = 0; !configured && i < ARRAY_SIZE(far); i++) {
		struct lnt_route route;
		struct lnt_link link;
		struct in6_addr dst;

		lnt_addr_parse(far[i], &dst);
		if (lnt_route_lookup(node, &dst, NULL, &route) || route.type != RTN_UNICAST)
			continue;
		if (!lnt_link_get(node, NULL, route.oif, NULL, &link) && (!mtu || link.mtu < mtu))
			mtu = link.mtu;
	}
	return mtu ? mtu : DEFAULT_MTU;
}

/* --- the pair --------------------------------------------------------------------------------- */

/* Two random MACs: locally administered, unicast. */
static int make_macs(uint8_t a[static 6], uint8_t b[static 6])
{
	uint8_t bytes[12];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return errno ? -errno : -EIO;
	memcpy(a, bytes, 6);
	memcpy(b, bytes + 6, 6);
	a[0] = (a[0] & 0xfc) | 2;
	b[0] = (b[0] & 0xfc) | 2;
	return 0;
}

/* Which ends exist, and whether they are the two of one pair. */
static bool look(
	const struct lnt_sides *s, const struct lnt_endpoint *ep, bool *ret_near, bool *ret_far)
{
	struct lnt_link near, far;

	*ret_near = !lnt_link_get(s->node, ep->host_ifname, 0, NULL, &near);
	*ret_far = !lnt_link_get(s->pod, ep->ifname, 0, NULL, &far);
	return *ret_near && *ret_far && near.peer_ifindex == far.ifindex &&
		far.peer_ifindex == near.ifindex;
}

bool lnt_device_is_live(const struct lnt_sides *s, const struct lnt_endpoint *ep)
{
	bool near, far;

	return look(s, ep, &near, &far);
}

/* A name is taken: by what an ADD that died left, which is removed, or by somebody else. */
static int clear_leftover(
	const struct lnt_sides *s, const struct lnt_endpoint *ep, struct lnt_err *e)
{
	bool near, far, pair = look(s, ep, &near, &far);
	int r;

	if (far && !pair)
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EEXIST,
			"CNI_IFNAME: the container has a device called %s already", ep->ifname);
	if (!near)
		return 0;
	r = lnt_link_del(s->node, ep->host_ifname, e);
	return r == -ENODEV ? 0 : lnt_fail_code(e, LNT_CNI_INTERNAL, r);
}

/* lnt_veth_create(), once more when a leftover was in the way. */
static int create_pair(const struct lnt_sides *s, const struct lnt_veth *veth,
	const struct lnt_endpoint *ep, struct lnt_err *e, struct lnt_link *ret_link)
{
	struct lnt_err why = {};
	int r = lnt_veth_create(s->node, veth, &why, ret_link);

	if (r != -EEXIST)
		return r ? lnt_fail(e, LNT_CNI_INTERNAL, r, "%s", why.msg) : 0;
	r = clear_leftover(s, ep, e);
	if (!r)
		r = lnt_veth_create(s->node, veth, e, ret_link);
	return lnt_fail_code(e, LNT_CNI_INTERNAL, r);
}

int lnt_device_create(const struct lnt_sides *s, uint32_t mtu, struct lnt_endpoint *ep,
	struct lnt_err *e, uint32_t *ret_pod_ifindex)
{
	struct lnt_veth veth = {.name = ep->host_ifname,
		.peer_name = ep->ifname,
		.peer_netns = s->netns,
		.mtu = mtu};
	struct lnt_link link;
	int r;

	lnt_endpoint_host_ifname(ep->container_id, ep->ifname, ep->host_ifname);
	r = make_macs(veth.mac, veth.peer_mac);
	if (r)
		return lnt_fail_sys(e, LNT_CNI_INTERNAL, r, "choose MAC addresses");
	r = create_pair(s, &veth, ep, e, &link);
	if (r)
		return r;
	ep->host_ifindex = link.ifindex;
	memcpy(ep->host_mac, veth.mac, sizeof(ep->host_mac));
	memcpy(ep->mac, veth.peer_mac, sizeof(ep->mac));
	*ret_pod_ifindex = link.peer_ifindex;
	return 0;
}

int lnt_device_attach(const struct lnt_sides *s, const char *bpf_root,
	const struct lnt_endpoint *ep, struct lnt_err *e)
{
	int r = lnt_filter_attach_pod(s->node, bpf_root, ep->host_ifname, ep->host_ifindex, e);

	/* The programs appear when the agent is ready for the first time. */
	return lnt_fail_code(e, r == -ENOENT ? LNT_CNI_TRY_AGAIN_LATER : LNT_CNI_INTERNAL, r);
}

/* --- inside the container --------------------------------------------------------------------- */

struct pod_setup {
	struct lnt_nl *nl;
	const struct lnt_endpoint *ep;
	const struct lnt_ipam_result *ipam;
	uint32_t ifindex;
};

/* Does @change with each route of the family; @metric takes the place of one that is not given. */
static int each_route(const struct pod_setup *p, bool v4, uint32_t metric,
	int (*change)(struct lnt_nl *nl, const struct lnt_route *route, struct lnt_err *e))
{
	struct in6_addr gw = gateway(v4);
	struct lnt_route route = {.dst = single(&gw),
		.oif = p->ifindex,
		.scope = RT_SCOPE_LINK,
		.protocol = RTPROT_BOOT,
		.priority = metric};
	int r = v4 ? change(p->nl, &route, NULL) : 0;

	route.scope = RT_SCOPE_UNIVERSE;
	route.gw = gw;
	route.has_gw = true;
	route.onlink = true;
	for (unsigned i = 0; i < p->ipam->n_routes; i++) {
		const struct lnt_ipam_route *given = &p->ipam->routes[i];

		if (lnt_addr_is4(&given->dst.addr) != v4)
			continue;
		route.dst = given->dst;
		route.mtu = given->mtu;
		route.advmss = given->advmss;
		route.priority = given->priority ? given->priority : metric;
		route.table = given->table;
		r = change(p->nl, &route, NULL);
	}
	return r;
}

static int setup_family(const struct pod_setup *p, const struct in6_addr *addr, struct lnt_err *e)
{
	bool v4 = lnt_addr_is4(addr);
	struct in6_addr gw = gateway(v4);
	struct lnt_err why = {};
	int r;

	lnt_nl_batch(p->nl);
	lnt_addr_add(p->nl, p->ifindex, addr, (uint8_t)lnt_addr_bits(addr), NULL);
	lnt_neigh_set(p->nl, p->ifindex, &gw, p->ep->host_mac, NULL);
	each_route(p, v4, 0, lnt_route_add);
	r = lnt_nl_flush(p->nl, &why);
	if (r != -EEXIST)
		return r ? lnt_err_set(e, r, "%s", why.msg) : 0;
	/* Another interface of the container has the same routes: ours come after them. */
	each_route(p, v4, 0, lnt_route_del);
	lnt_nl_batch(p->nl);
	each_route(p, v4, SECOND_METRIC + p->ifindex, lnt_route_add);
	return lnt_nl_flush(p->nl, e);
}

/* Runtimes may switch IPv6 off in new containers; an IPv6 address means it is wanted. */
static int enable_ipv6(int netns, const char *ifname, struct lnt_err *e)
{
	_cleanup_netns_ int home = -1;
	char path[PATH_MAX];
	int r = lnt_netns_enter(netns, &home);

	if (r)
		return lnt_err_sys(e, r, "enter the container's network namespace");
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	return lnt_file_write(path, "0", e);
}

int lnt_device_setup_pod(const struct lnt_sides *s, const struct lnt_endpoint *ep, uint32_t ifindex,
	const struct lnt_ipam_result *ipam, struct lnt_err *e)
{
	struct pod_setup p = {.nl = s->pod, .ep = ep, .ipam = ipam, .ifindex = ifindex};
	struct lnt_err why = {};
	int r = lnt_link_set_up(s->pod, ifindex, &why);

	for (unsigned i = 0; !r && i < ep->n_addrs; i++) {
		r = setup_family(&p, &ep->addrs[i], &why);
		if (r == -EACCES && !lnt_addr_is4(&ep->addrs[i])) {
			why = (struct lnt_err){};
			r = enable_ipv6(s->netns, ep->ifname, &why);
			if (!r)
				r = setup_family(&p, &ep->addrs[i], &why);
		}
	}
	return r ? lnt_fail(e, LNT_CNI_INTERNAL, r, "in the container: %s", why.msg) : 0;
}

/* --- on the node ------------------------------------------------------------------------------ */

/*
 * IPv6 settings that have no netlink attribute. No router advertisement of a pod counts on the
 * node; forwarding is inherited where the agent switched it on. A node without IPv6 has no such
 * files.
 */
static int node_sysctls(const struct lnt_endpoint *ep, struct lnt_err *e)
{
	_cleanup_free_ char *now = NULL;
	char path[PATH_MAX];
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", ep->host_ifname);
	if (access(path, F_OK))
		return 0;
	r = lnt_file_write(path, "0", e);
	if (r)
		return r;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/forwarding", ep->host_ifname);
	r = lnt_file_read(path, 16, e, &now, &len);
	return r || *now == '1' ? r : lnt_file_write(path, "1", e);
}

/*
 * Loopback comes up with the device, so that a failed ADD leaves it as it was. The far side was set
 * up without a carrier, so its queue starts with the carrier event, which waits for a work queue: a
 * look at the device has that handled now (linkwatch_sync_dev(), Linux 6.8), and no first packet is
 * lost.
 */
static int finish_pod(const struct lnt_sides *s, const struct lnt_endpoint *ep, struct lnt_err *e)
{
	struct lnt_link link;

	lnt_nl_batch(s->pod);
	lnt_link_set_up(s->pod, LOOPBACK_IFINDEX, NULL);
	return lnt_link_get(s->pod, ep->ifname, 0, e, &link);
}

int lnt_device_setup_node(
	const struct lnt_sides *s, const struct lnt_endpoint *ep, struct lnt_err *e)
{
	int r = node_sysctls(ep, e);

	if (r)
		return lnt_fail_code(e, LNT_CNI_INTERNAL, r);
	lnt_nl_batch(s->node);
	lnt_link_set_routed(s->node, ep->host_ifindex, NULL);
	lnt_link_set_up(s->node, ep->host_ifindex, NULL);
	for (unsigned i = 0; i < ep->n_addrs; i++) {
		struct lnt_route route = {.dst = single(&ep->addrs[i]),
			.oif = ep->host_ifindex,
			.scope = RT_SCOPE_LINK,
			.protocol = LNT_RTPROT};

		lnt_neigh_set(s->node, ep->host_ifindex, &ep->addrs[i], ep->mac, NULL);
		lnt_route_replace(s->node, &route, NULL);
	}
	r = lnt_nl_flush(s->node, e);
	if (!r)
		r = finish_pod(s, ep, e);
	return lnt_fail_code(e, LNT_CNI_INTERNAL, r);
}
