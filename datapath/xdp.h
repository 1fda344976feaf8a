/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Attaching xdp_node to a device, by a link that is pinned as links/<device>-xdp. What is attached
 * replaces its predecessor in place, which costs the device nothing; the first one, the last one
 * and a change of mode may reset it, as its driver likes.
 */
#include "lib/err.h"

#include <stdbool.h>
#include <stdint.h>

enum lnt_xdp_mode {
	LNT_XDP_OFF,
	LNT_XDP_GENERIC, /* by the kernel, for packets that are complete: every device can */
	LNT_XDP_NATIVE,	 /* by the driver, before there is a packet of the kernel's */
};

/* "off", "generic" or "native". */
const char *lnt_xdp_mode_name(enum lnt_xdp_mode mode);

/*
 * Attaches the pinned xdp_node to the device in @mode, which is not LNT_XDP_OFF. Returns 0,
 * -EOPNOTSUPP: its driver cannot, -EBUSY: another program is there, or another -errno that drivers
 * give for MTUs, offloads or queues that do not go with XDP.
 */
int lnt_xdp_attach(const char *bpf_root, const char *ifname, uint32_t ifindex,
	enum lnt_xdp_mode mode, struct lnt_err *e);

/* Detaches what that attached. It is no error if nothing is there. */
int lnt_xdp_detach(const char *bpf_root, const char *ifname, struct lnt_err *e);

/* Detaches from all devices but those that @keep says yes to. */
int lnt_xdp_detach_others(const char *bpf_root, bool (*keep)(const void *ctx, const char *ifname),
	const void *ctx, struct lnt_err *e);

/*
 * Whether the device sends what XDP gives it, as it is now. Kernels before 6.3 do not tell: then
 * *ret_known is false.
 */
bool lnt_xdp_sends(uint32_t ifindex, bool *ret_known);

/* Lets XDP redirect to the device, or no longer. */
int lnt_xdp_out_set(const char *bpf_root, uint32_t ifindex, bool out, struct lnt_err *e);
