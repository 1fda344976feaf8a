/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The cgroup v2 whose sockets see services. */
#include "agent/options.h"
#include "lib/err.h"

/*
 * Attaches the socket programs at --cgroup-root, or where a cgroup v2 is mounted (also in a hybrid
 * hierarchy; of several mounts the one that shows most), replacing their predecessors in place.
 */
int lnt_cgroup_attach(const struct lnt_options *opt, struct lnt_err *e);

/* Mounts a cgroup v2 at "<run-dir>/cgroup" unless one is mounted anywhere, or given. */
int lnt_cgroup_ensure(const struct lnt_options *opt, struct lnt_err *e);

/* Undoes it. */
int lnt_cgroup_unmount(const struct lnt_options *opt, struct lnt_err *e);
