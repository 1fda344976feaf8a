/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * XDP on the node's devices: in which mode each runs xdp_node, and why not in a better one. It
 * serves services for clients from outside whose backends are on other nodes, so that by itself it
 * waits for the first of them: attaching may reset a device. It then stays until the agent starts
 * again.
 */
#include "agent/node/devices.h"
#include "datapath/xdp.h"

struct lnt_xdp_device {
	char name[IFNAMSIZ];
	enum lnt_xdp_mode mode;
	char why[200]; /* LNT_XDP_OFF: for people */
};

struct lnt_xdp {
	struct lnt_xdp_device devices[LNT_MAX_DEVICES];
	size_t n;
	bool wanted; /* there has been a service that it is for */
	bool done; /* nothing has changed since it was applied; cleared when programs are loaded */
};

/* Notices whether @changes have such a service. */
void lnt_xdp_note(struct lnt_xdp *x, const struct lnt_service_change *changes, size_t n);

/*
 * Attaches, replaces or detaches as @opt, the devices and the services have it, and logs what
 * became of each. A device that cannot is no error: tcx does its work.
 */
int lnt_xdp_apply(struct lnt_xdp *x, struct lnt_nl *nl, const struct lnt_options *opt,
	const struct lnt_node_devices *devices, struct lnt_err *e);
