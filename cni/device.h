/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container's device: a veth pair whose near side stays on the node. The container reaches
 * everything by way of one gateway address a family, which the datapath answers for; its own
 * addresses have no prefix. The node reaches it by a route for each address.
 *
 * The near side is up last, so that no packet passes before the programs and the agent are ready.
 */
#include "cni/ipam.h"
#include "lib/netlink.h"

/* Sockets into both namespaces. */
struct lnt_sides {
	struct lnt_nl *node;
	struct lnt_nl *pod;
	int netns; /* of the container */
};

/* The MTU for a container: @configured, or that of the device with the node's default route, or
 * 1500. */
uint32_t lnt_device_mtu(struct lnt_nl *node, uint32_t configured);

/*
 * Creates the pair with MACs of its own, both sides down. A pair that an ADD of the same attachment
 * left half-done is removed first. Fills in @ep's devices and MACs. A device called @ep->ifname
 * that the container has already is left alone: -EEXIST with LNT_CNI_INVALID_ENV.
 */
int lnt_device_create(const struct lnt_sides *s, uint32_t mtu, struct lnt_endpoint *ep,
	struct lnt_err *e, uint32_t *ret_pod_ifindex);

/* Attaches both programs to the near side. */
int lnt_device_attach(const struct lnt_sides *s, const char *bpf_root,
	const struct lnt_endpoint *ep, struct lnt_err *e);

/* Addresses, routes and the gateways' neighbour entries inside the container; its side is up then.
 */
int lnt_device_setup_pod(const struct lnt_sides *s, const struct lnt_endpoint *ep, uint32_t ifindex,
	const struct lnt_ipam_result *ipam, struct lnt_err *e);

/* Sysctls, neighbours and routes of the near side; sets it and the loopback up: packets pass. */
int lnt_device_setup_node(
	const struct lnt_sides *s, const struct lnt_endpoint *ep, struct lnt_err *e);

/* Whether the container has the device and it is the far side of @ep->host_ifname. */
bool lnt_device_is_live(const struct lnt_sides *s, const struct lnt_endpoint *ep);
