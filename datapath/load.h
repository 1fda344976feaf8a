/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Loading the programs, and the maps that outlive them. Maps that are pinned already are taken over
 * as they are; programs are pinned over their predecessors by rename, so that whoever attaches
 * finds either the old or the new one.
 */
#include "datapath/abi.h"
#include "lib/err.h"

#include <stdint.h>

/* File descriptors of the pinned maps that user space reads or writes. Own them: clear when done.
 */
struct lnt_maps {
	int flows;
	int endpoints;
	int devices;
	int peers;
	int blocks;
	int cidrs;
	int policy;
	int services;
	int backends;
	int ranges;
	int netns;
	int maglev;
	int state;
	int drops;
	int counters;
	int events;
};
#define LNT_MAPS_NONE                                                          \
	{                                                                      \
		-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 \
	}

/* Makes @bpf_root a bpffs: the folder is made and mounted where that is missing. */
int lnt_bpffs_ensure(const char *bpf_root, struct lnt_err *e);

/*
 * Loads the programs with @cfg and pins programs and maps below @bpf_root. What the kernel lacks is
 * probed here and taken off @cfg->has_*. Runs in a child process, so that the memory that loading
 * takes does not stay with the agent: call it before any thread exists.
 */
int lnt_datapath_load(const char *bpf_root, const struct lnt_config *cfg, struct lnt_err *e);

/* Opens the pinned maps. @ret_maps is untouched on failure. */
int lnt_maps_open(const char *bpf_root, struct lnt_err *e, struct lnt_maps *ret_maps);
void lnt_maps_close(struct lnt_maps *maps);

/* Runs the pinned sweeper once; @s holds limits on entry and results on return. */
int lnt_datapath_sweep(const char *bpf_root, struct lnt_sweep *s, struct lnt_err *e);

/* The cgroup programs and where they attach: {program, enum bpf_attach_type}, NULL-terminated. */
struct lnt_cgroup_prog {
	const char *name;
	uint32_t attach_type;
};
extern const struct lnt_cgroup_prog lnt_cgroup_progs[];

/* A short text for a drop reason or a counter, e.g. "policy-ingress"; never NULL. */
const char *lnt_drop_text(unsigned reason);
const char *lnt_counter_text(unsigned counter);
