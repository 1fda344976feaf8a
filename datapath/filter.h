/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Attaching pinned programs as clsact filters: what pod devices carry, and node devices of kernels
 * without tcx (attach.h). A filter lives and goes with its device. A tcx attach or detach waits for
 * an RCU grace period with the RTNL held, 10 to 15 ms each, twice for each ADD and DEL; a filter
 * takes microseconds and costs packets the same.
 *
 * Netlink and two BPF commands, no libbpf: the plugin starts for every pod.
 */
#include "lib/err.h"
#include "lib/netlink.h"

#include <stdbool.h>
#include <stdint.h>

enum lnt_hook {
	LNT_HOOK_INGRESS,
	LNT_HOOK_EGRESS
};

/* "ingress", "egress". */
const char *lnt_hook_name(enum lnt_hook hook);

/*
 * Attaches the programs pinned below @bpf_root to pod device @ifindex of @nl's namespace: from_pod
 * to what comes in, to_pod to what goes out. They replace their predecessors in place: packets
 * always meet one of the two. @ifname is for errors. -ENOENT: the programs are not there.
 */
int lnt_filter_attach_pod(struct lnt_nl *nl, const char *bpf_root, const char *ifname,
	uint32_t ifindex, struct lnt_err *e);

/* Attaches program @prog_fd, named @prog, to one hook of a device. */
int lnt_filter_attach(struct lnt_nl *nl, uint32_t ifindex, enum lnt_hook hook, int prog_fd,
	const char *prog, struct lnt_err *e);

/* Whether the program pinned as @prog is attached there. Returns 0 with the answer, or -errno. */
int lnt_filter_is_attached(struct lnt_nl *nl, const char *bpf_root, const char *prog,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e, bool *ret_attached);

/* Detaches what is there. Absent things are no errors. */
int lnt_filter_detach(struct lnt_nl *nl, uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e);

/* Opens the program pinned as @prog; the caller closes *@ret_fd. */
int lnt_filter_open(const char *bpf_root, const char *prog, struct lnt_err *e, int *ret_fd);

/* The kernel's number of an open program; 0: not to be had. */
uint32_t lnt_filter_prog_id(int prog_fd);
