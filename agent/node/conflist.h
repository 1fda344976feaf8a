/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The CNI configuration list that container runtimes look for. It is written last, when the node
 * can carry pods: a runtime calls the node's network ready when the file is there.
 */
#include "agent/options.h"
#include "lib/addr.h"
#include "lib/err.h"

#include <stdint.h>

#define LNT_CONFLIST "10-linnet.conflist"

/* Writes <cni_conf_dir>/10-linnet.conflist atomically, unless it says the same already. */
int lnt_conflist_write(const struct lnt_options *opt, const struct lnt_prefix *cidrs,
	size_t n_cidrs, uint32_t mtu, struct lnt_err *e);

/* Removes it; absent is no error. */
int lnt_conflist_remove(const struct lnt_options *opt, struct lnt_err *e);
