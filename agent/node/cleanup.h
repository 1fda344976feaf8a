/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Uninstalling: everything that linnet has put on the node, but not the pods' own devices. */
#include "agent/options.h"
#include "lib/err.h"

/*
 * Removes the CNI configuration, attachments, pins, routes and sockets. Pods that still run are cut
 * off, since nothing would enforce their policy: drain the node first. Goes on after a failure and
 * returns the first, except that nothing is detached while a pod cannot be cut off.
 */
int lnt_cleanup(const struct lnt_options *opt, struct lnt_err *e);
