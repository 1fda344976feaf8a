/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Attaching pinned programs to node devices and cgroups by a pinned link (tcx: Linux 6.6): nobody
 * takes it away by accident. A kernel without tcx gets a filter (filter.h), as pod devices have.
 *
 * What is attached replaces its predecessor in place: packets always meet one of the two.
 */
#include "datapath/filter.h"

/*
 * Attaches the program pinned as @prog below @bpf_root to @hook of node device @ifindex of @nl's
 * namespace, which is the current one. The link is pinned under @ifname.
 */
int lnt_attach_device(struct lnt_nl *nl, const char *bpf_root, const char *prog, const char *ifname,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e);

/* Whether a link or a filter of ours is there, maybe of an earlier agent. */
bool lnt_attach_is_there(struct lnt_nl *nl, const char *bpf_root, const char *prog,
	const char *ifname, uint32_t ifindex, enum lnt_hook hook);

/* Detaches what that attached. Absent things are no errors; @ifindex 0: device is gone. */
int lnt_detach_device(struct lnt_nl *nl, const char *bpf_root, const char *ifname, uint32_t ifindex,
	enum lnt_hook hook, struct lnt_err *e);

/* Attaches (or replaces in place) the program pinned as @prog at cgroup @cgroup_fd, pinned link. */
int lnt_attach_cgroup(const char *bpf_root, const char *prog, int cgroup_fd, uint32_t attach_type,
	struct lnt_err *e);
