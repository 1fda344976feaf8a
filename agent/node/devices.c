/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, addresses and configuration of devices.h. */
#include "agent/node/devices.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

/*
 * Source ports of masqueraded connections: below the ephemeral range (32768-60999) and the
 * NodePorts (30000-32767), which are others' to use, above those that daemons like.
 */
#define MASQ_PORT_MIN 10240
#define MASQ_PORT_MAX 29999

static int add_device(struct lnt_nl *nl, const char *name, uint32_t ifindex, struct lnt_err *e,
	struct lnt_node_devices *d)
{
	struct lnt_link link;
	int r;

	r = lnt_link_get(nl, name, ifindex, e, &link);
	if (r)
		return lnt_err_prefix(e, "device %s", name ? name : "of the node's address");
	for (size_t i = 0; i < d->n; i++) {
		if (d->links[i].ifindex == link.ifindex)
			return 0;
	}
	if (d->n == LNT_MAX_DEVICES)
		return lnt_err_set(e, -E2BIG, "more than %d devices", LNT_MAX_DEVICES);
	if (!d->n || link.mtu < d->mtu)
		d->mtu = link.mtu;
	d->links[d->n++] = link;
	return 0;
}

int lnt_devices_find(struct lnt_nl *nl, const struct lnt_options *opt,
	const struct in6_addr *own_addrs, size_t n_own, struct lnt_err *e,
	struct lnt_node_devices *ret_devices)
{
	_cleanup_free_ struct lnt_ifaddr *addrs = NULL;
	struct lnt_node_devices d = {};
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; !r && i < opt->n_devices; i++)
		r = add_device(nl, opt->devices[i], 0, e, &d);
	if (!r && !opt->n_devices)
		r = lnt_addr_dump(nl, 0, e, &addrs, &n);
	for (size_t i = 0; !r && i < n; i++) {
		for (size_t k = 0; !r && k < n_own; k++) {
			if (IN6_ARE_ADDR_EQUAL(&addrs[i].addr, &own_addrs[k]))
				r = add_device(nl, NULL, addrs[i].ifindex, e, &d);
		}
	}
	if (r)
		return r;
	if (!d.n)
		return lnt_err_set(e, -ENODEV,
			"no device has an address of this node; name them with --devices");
	*ret_devices = d;
	return 0;
}

void lnt_devices_config(const struct lnt_options *opt, const struct lnt_node_devices *devices,
	const struct in6_addr *own_addrs, size_t n_own, struct lnt_config *ret_cfg)
{
	struct lnt_config cfg = {
		.masq_port_min = MASQ_PORT_MIN,
		.masq_port_max = MASQ_PORT_MAX,
		.n_devices = (uint32_t)devices->n,
		/*
		 * Generic XDP copies a packet for a program that takes several buffers (Linux 6.9),
		 * and the copy has no length of its MAC header: from_node would not find it.
		 */
		.has_xdp_frags = opt->xdp != LNT_OPT_XDP_GENERIC,
		.maglev_size = opt->maglev_size,
	};

	for (size_t i = 0; i < devices->n; i++) {
		cfg.devices[i] = devices->links[i].ifindex;
		/* The kernel wakes the other side for it only if that runs XDP too. */
		if (!strcmp(devices->links[i].kind, "veth"))
			cfg.xdp_by_redirect = 1;
	}
	for (size_t i = 0; opt->masquerade && i < n_own; i++) {
		if (lnt_addr_is4(&own_addrs[i]))
			cfg.masq4 = own_addrs[i];
		else
			cfg.masq6 = own_addrs[i];
	}
	*ret_cfg = cfg;
}

static bool is_host_addr(const struct lnt_ifaddr *a)
{
	return !IN6_IS_ADDR_LINKLOCAL(&a->addr) && a->scope != RT_SCOPE_LINK;
}

int lnt_devices_host_addrs(
	struct lnt_nl *nl, struct lnt_err *e, struct in6_addr **ret_addrs, size_t *ret_n)
{
	_cleanup_free_ struct lnt_ifaddr *addrs = NULL;
	struct in6_addr *host;
	size_t n_addrs = 0, n = 0;
	int r;

	r = lnt_addr_dump(nl, 0, e, &addrs, &n_addrs);
	if (r)
		return r;
	host = calloc(n_addrs + 1, sizeof(*host));
	if (!host)
		return lnt_err_sys(e, -ENOMEM, "node addresses");
	for (size_t i = 0; i < n_addrs; i++)
		if (is_host_addr(&addrs[i]))
			host[n++] = addrs[i].addr;
	*ret_addrs = host;
	*ret_n = n;
	return 0;
}

/* --- NodePorts -------------------------------------------------------------------------------- */

static bool is_nodeport_addr(const struct lnt_options *opt, const struct in6_addr *a)
{
	for (size_t i = 0; i < opt->n_nodeport_cidrs; i++)
		if (lnt_prefix_has(&opt->nodeport_cidrs[i], a))
			return true;
	return !opt->n_nodeport_cidrs;
}

static bool is_on(const struct lnt_node_devices *devices, uint32_t ifindex)
{
	for (size_t i = 0; i < devices->n; i++)
		if (devices->links[i].ifindex == ifindex)
			return true;
	return false;
}

static int nodeport_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_nodeport_addr));
}

int lnt_devices_nodeport_addrs(struct lnt_nl *nl, const struct lnt_options *opt,
	const struct lnt_node_devices *devices, struct lnt_err *e,
	struct lnt_nodeport_addr **ret_addrs, size_t *ret_n)
{
	const struct in6_addr loopback = lnt_addr_from4(htonl(INADDR_LOOPBACK));
	_cleanup_free_ struct lnt_nodeport_addr *list = NULL;
	_cleanup_free_ struct lnt_ifaddr *addrs = NULL;
	size_t n_addrs = 0, n = 0, unique = 0;
	int r = lnt_addr_dump(nl, 0, e, &addrs, &n_addrs);

	if (r)
		return r;
	list = calloc(n_addrs + 1, sizeof(*list));
	if (!list)
		return lnt_err_sys(e, -ENOMEM, "node addresses");
	for (size_t i = 0; i < n_addrs; i++)
		if (is_on(devices, addrs[i].ifindex) && is_host_addr(&addrs[i]) &&
			is_nodeport_addr(opt, &addrs[i].addr))
			list[n++].addr = addrs[i].addr;
	if (is_nodeport_addr(opt, &loopback)) {
		list[n].addr = loopback;
		list[n++].host_only = true;
	}
	if (n)
		qsort(list, n, sizeof(*list), nodeport_compare);
	for (size_t i = 0; i < n; i++)
		if (!i || nodeport_compare(&list[i], &list[unique - 1]) != 0)
			list[unique++] = list[i];
	*ret_addrs = TAKE_PTR(list);
	*ret_n = unique;
	return 0;
}

/* --- hostPorts -------------------------------------------------------------------------------- */

static bool is_loopback(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LOOPBACK(a) || (lnt_addr_is4(a) && a->s6_addr[12] == 127);
}

static int hostport_compare(const void *a, const void *b)
{
	const struct lnt_hostport_addr *x = a, *y = b;
	int r = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return r ? r : y->any - x->any;
}

int lnt_devices_hostport_addrs(struct lnt_nl *nl, const struct lnt_node_devices *devices,
	struct lnt_err *e, struct lnt_hostport_addr **ret_addrs, size_t *ret_n)
{
	const struct in6_addr loopbacks[] = {
		lnt_addr_from4(htonl(INADDR_LOOPBACK)), IN6ADDR_LOOPBACK_INIT};
	_cleanup_free_ struct lnt_hostport_addr *list = NULL;
	_cleanup_free_ struct lnt_ifaddr *addrs = NULL;
	size_t n_addrs = 0, n = 0, unique = 0;
	int r = lnt_addr_dump(nl, 0, e, &addrs, &n_addrs);

	if (r)
		return r;
	list = calloc(n_addrs + ARRAY_SIZE(loopbacks), sizeof(*list));
	if (!list)
		return lnt_err_sys(e, -ENOMEM, "node addresses");
	for (size_t i = 0; i < ARRAY_SIZE(loopbacks); i++)
		list[n++] = (struct lnt_hostport_addr){loopbacks[i], true, true};
	for (size_t i = 0; i < n_addrs; i++)
		if (is_host_addr(&addrs[i]) && !is_loopback(&addrs[i].addr))
			list[n++] = (struct lnt_hostport_addr){
				addrs[i].addr, is_on(devices, addrs[i].ifindex), false};
	qsort(list, n, sizeof(*list), hostport_compare);
	/* An address may stand on several devices. */
	for (size_t i = 0; i < n; i++)
		if (!i || !IN6_ARE_ADDR_EQUAL(&list[i].addr, &list[unique - 1].addr))
			list[unique++] = list[i];
	*ret_addrs = TAKE_PTR(list);
	*ret_n = unique;
	return 0;
}
