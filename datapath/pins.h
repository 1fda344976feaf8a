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

/*
 * The bpffs of a node where nobody has named one: a bpffs at @run_dir/bpf, else one at
 * LNT_BPF_ROOT, else @run_dir/bpf, to be mounted. A container cannot always mount at LNT_BPF_ROOT
 * for the node to see, but it can below a folder of its own; and what was chosen once must stay. ""
 * into @ret_root if that is too long.
 */
void lnt_pin_root(const char *run_dir, char ret_root[static PATH_MAX]);

/* "<bpf_root>/linnet/v<ABI>/<kind>/<name>" into @ret_path; kind: a folder of those. */
int lnt_pin_path(
	const char *bpf_root, const char *kind, const char *name, char ret_path[static PATH_MAX]);

/* mkdir -p of the folders. Returns 0 or -errno. */
int lnt_pin_mkdirs(const char *bpf_root);
