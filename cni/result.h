/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The result of ADD in the shape of each version (CNI SPEC.md of 0.3.1 to 1.1.0, "Result"). */
#include "cni/config.h"
#include "cni/ipam.h"

#include <stdio.h>

/* Where containers send everything: answered by the datapath on every pod's device. */
#define LNT_GATEWAY4 "169.254.1.1"
#define LNT_GATEWAY6 "fe80::1"

/*
 * The result object; the caller owns it. A prevResult is kept and ours appended to it, indexes
 * adjusted. @mtu: of the container's device. NULL: out of memory.
 */
cJSON *lnt_result_build(const struct lnt_request *req, const struct lnt_endpoint *ep,
	const struct lnt_ipam_result *ipam, uint32_t mtu);

/* Text of a MAC address. Returns @buf. */
const char *lnt_mac_str(const uint8_t mac[static 6], char buf[static 18]);
