/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Lets the kernel's routing table be asked for packets that come in by the node's devices: clients
 * from outside are sent on to backends on other nodes. What was set before is remembered in
 * <run-dir>/sysctls, for the clean-up to put back.
 */
#include "agent/node/devices.h"

/*
 * Switches forwarding on where it is off. IPv6 keeps accepting router advertisements where it did.
 * A kernel without IPv6 is no error.
 */
int lnt_forwarding_enable(
	const struct lnt_node_devices *devices, const char *run_dir, struct lnt_err *e);

/*
 * Lets the loopback device bring packets from the node's own addresses that the stack has not sent
 * itself: answers of its own services.
 */
int lnt_forwarding_loopback(const char *run_dir, struct lnt_err *e);

/* Puts back what these have changed, and forgets it. */
int lnt_forwarding_restore(const char *run_dir, struct lnt_err *e);
