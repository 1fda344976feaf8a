/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where things are pinned, below a bpffs:
 *
 *   <bpf-root>/linnet/v<ABI>/maps/<map>
 *   <bpf-root>/linnet/v<ABI>/progs/<program>
 *   <bpf-root>/linnet/v<ABI>/links/<device>-<hook>     tcx, XDP and cgroup links
 *   <bpf-root>/linnet/v<ABI>/iters/<program>           iterators (sockdestroy.h)
 */
#include "datapath/abi.h"

#include <limits.h>

#define LNT_BPF_ROOT "/sys/fs/bpf"

/* "<bpf_root>/linnet/v<ABI>/<kind>/<name>" into @ret_path; kind: a folder of those. */
int lnt_pin_path(
	const char *bpf_root, const char *kind, const char *name, char ret_path[static PATH_MAX]);

/* mkdir -p of the folders. Returns 0 or -errno. */
int lnt_pin_mkdirs(const char *bpf_root);
