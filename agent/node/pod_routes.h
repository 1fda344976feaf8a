/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The node's routes to its own pods. The CNI plugin makes them with the device; the kernel takes
 * them away with a device that is set down, and other daemons with what they take for foreign.
 */
#include "lib/endpoint.h"
#include "lib/netlink.h"

/*
 * Makes those that are missing, and sets the pods' devices up. A pod whose device has gone is
 * passed over. Returns 0, or the first failure.
 */
int lnt_pod_routes_restore(
	struct lnt_nl *nl, const struct lnt_endpoint *eps, size_t n, struct lnt_err *e);
