/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Attaching pinned programs, in one of two ways:
 *
 * - node devices and cgroups by a pinned link (tcx, 6.6): nobody takes it away by accident. Without
 *   tcx: like pod devices.
 * - pod devices by a clsact filter: it lives and goes with the device. A tcx attach or detach waits
 *   for an RCU grace period with the RTNL held, 10 to 15 ms each, twice for each ADD and DEL; a
 * filter takes microseconds and costs packets the same.
 *
 * Both replace their predecessor in place: packets always meet one of the two. Raw BPF commands and
 * netlink only, no object loading.
 */
#include "lib/err.h"

#include <stdbool.h>
#include <stdint.h>

enum lnt_hook {
	LNT_HOOK_INGRESS,
	LNT_HOOK_EGRESS
};

/*
 * Attaches the program pinned as @prog below @bpf_root to @hook of pod device @ifindex in the
 * current network namespace. @ifname is for errors.
 */
int lnt_attach_device(const char *bpf_root, const char *prog, const char *ifname, uint32_t ifindex,
	enum lnt_hook hook, struct lnt_err *e);

/* The same for a node device, by a link pinned under @ifname where the kernel has tcx. */
int lnt_attach_node_device(const char *bpf_root, const char *prog, const char *ifname,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e);

/* Detaches what either of them attached. Absent things are no errors; @ifindex 0: device is gone.
 */
int lnt_detach_device(const char *bpf_root, const char *ifname, uint32_t ifindex,
	enum lnt_hook hook, struct lnt_err *e);

/* Whether the program pinned as @prog is attached there. Returns 0 with the answer, or -errno. */
int lnt_attached_device(const char *bpf_root, const char *prog, const char *ifname,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e, bool *ret_attached);

/* Attaches (or replaces in place) the program pinned as @prog at cgroup @cgroup_fd, pinned link. */
int lnt_attach_cgroup(const char *bpf_root, const char *prog, int cgroup_fd, uint32_t attach_type,
	struct lnt_err *e);
