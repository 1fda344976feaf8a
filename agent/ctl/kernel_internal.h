/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the parts of kernel.h share. */
#include "agent/ctl/kernel.h"

/* A pinned map, with its entries counted. Returns 0 or -errno. */
int ctl_map_look(const char *bpf_root, const char *name, struct ctl_map *ret_map);

/* Appends what is attached, of @k->progs. Returns 0 or -errno. */
int ctl_attachments_read(const char *bpf_root, struct lnt_err *e, struct ctl_kernel *k);
