/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Attaching pinned programs to devices: a pinned tcx link where the kernel has it (6.6), a clsact
 * filter otherwise. Used by the CNI plugin for a pod's device and by the agent for the node's
 * devices, for repairs and for upgrades in place. Calls raw BPF commands only, no object loading.
 */
#include "lib/err.h"

#include <stdbool.h>
#include <stdint.h>

enum lnt_hook { LNT_HOOK_INGRESS, LNT_HOOK_EGRESS };

/*
 * Attaches the program pinned as @prog below @bpf_root to @hook of device @ifindex (@ifname names
 * the link's pin) in the current network namespace. One attached already is replaced in place;
 * packets always meet one of the two.
 */
int lnt_attach_device(const char *bpf_root, const char *prog, const char *ifname, uint32_t ifindex,
	enum lnt_hook hook, struct lnt_err *e);

/* Detaches what lnt_attach_device() attached and unpins it. Absent things are no errors. */
int lnt_detach_device(const char *bpf_root, const char *ifname, uint32_t ifindex,
	enum lnt_hook hook, struct lnt_err *e);

/* Whether the program pinned as @prog is attached there. Returns 0 with the answer, or -errno. */
int lnt_attached_device(const char *bpf_root, const char *prog, const char *ifname,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e, bool *ret_attached);

/* Attaches (or replaces in place) the program pinned as @prog at cgroup @cgroup_fd, pinned link. */
int lnt_attach_cgroup(const char *bpf_root, const char *prog, int cgroup_fd, uint32_t attach_type,
	struct lnt_err *e);
