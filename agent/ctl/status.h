/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What `linnetctl status` finds, apart from how it is shown. */
#include "agent/ctl/kernel.h"
#include "lib/endpoint.h"

#include <cjson/cJSON.h>

#define CTL_FULL   0.9 /* of a map: a problem from here on */
#define CTL_SILENT 300 /* seconds without a word about a resource; bookmarks come every minute */

struct ctl_found {
	const cJSON *agent; /* its answer; NULL: there is none. Borrowed */
	const char *bpf_root;
	int kernel_error; /* 0, or why there is nothing in @kernel */
	struct ctl_kernel kernel;
	struct lnt_endpoint *eps; /* owned: records of the CNI plugin whose device is there */
	size_t n_eps;
	size_t n_closed, n_missing; /* of their pods: closed, or not programmed */
	cJSON *problems;	    /* owned: [{"problem": word, "text": ...}] */
};

/* Looks at everything. @f has agent and bpf_root; clear it then. */
void ctl_status_find(struct ctl_found *f, const char *run_dir);

/* Fills in the problems of what was found. */
void ctl_status_judge(struct ctl_found *f);
void ctl_found_clear(struct ctl_found *f);

/* The document of -o json; the caller owns it. */
cJSON *ctl_status_json(const struct ctl_found *f);
void ctl_status_print(const struct ctl_found *f, bool wide);
