/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The node's own devices and addresses, and the programs' configuration that follows from them. */
#include "agent/compile/compile.h"
#include "agent/options.h"
#include "lib/netlink.h"

struct lnt_node_devices {
	struct lnt_link links[LNT_MAX_DEVICES]; /* where from_node attaches */
	size_t n;
	uint32_t mtu; /* the smallest: what pods get */
};

/*
 * Those named by --devices, else those that carry one of @own_addrs. Returns 0, or -ENODEV when
 * there is none.
 */
int lnt_devices_find(struct lnt_nl *nl, const struct lnt_options *opt,
	const struct in6_addr *own_addrs, size_t n_own, struct lnt_err *e,
	struct lnt_node_devices *ret_devices);

/* What the programs have to know of this node. */
void lnt_devices_config(const struct lnt_options *opt, const struct lnt_node_devices *devices,
	const struct in6_addr *own_addrs, size_t n_own, struct lnt_config *ret_cfg);

/*
 * Every routable address of the node's devices, of which Kubernetes knows only some, in a new array
 * that the caller frees.
 */
int lnt_devices_host_addrs(
	struct lnt_nl *nl, struct lnt_err *e, struct in6_addr **ret_addrs, size_t *ret_n);

/*
 * The addresses where NodePorts are served, sorted by memcmp(), in a new array that the caller
 * frees: those of the node's devices that are not link-local, and 127.0.0.1 for the node's own
 * sockets, as kube-proxy has it. --nodeport-addresses leaves those in one of its ranges.
 */
int lnt_devices_nodeport_addrs(struct lnt_nl *nl, const struct lnt_options *opt,
	const struct lnt_node_devices *devices, struct lnt_err *e,
	struct lnt_nodeport_addr **ret_addrs, size_t *ret_n);

/*
 * The addresses where hostPorts may be served, sorted by memcmp(), in a new array that the caller
 * frees: those of all devices that are not link-local. Mappings without a hostIP are served at
 * those of the node's devices, and at 127.0.0.1 and ::1 for the node's own sockets.
 */
int lnt_devices_hostport_addrs(struct lnt_nl *nl, const struct lnt_node_devices *devices,
	struct lnt_err *e, struct lnt_hostport_addr **ret_addrs, size_t *ret_n);
