/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The local endpoints that the CNI plugin has told of: one array, as compile/ wants it. After a
 * restart it is read back from the plugin's records.
 */
#include "lib/endpoint.h"

struct lnt_registry {
	struct lnt_endpoint *eps; /* owned */
	size_t n;
	size_t room;
	uint64_t version; /* raised by every change */
};

/* Adds @ep, or takes the place of the one with the same container and interface. 0 or -ENOMEM. */
int lnt_registry_put(struct lnt_registry *reg, const struct lnt_endpoint *ep);

/* Whether there was one to remove. */
bool lnt_registry_remove(struct lnt_registry *reg, const char *container_id, const char *ifname);

/* NULL: not there. Valid until the next change. */
const struct lnt_endpoint *lnt_registry_find(
	const struct lnt_registry *reg, const char *container_id, const char *ifname);

/*
 * Reads the records below @run_dir whose device still exists (by name and index) in the current
 * namespace; others are stale and left alone for the plugin's DEL.
 */
int lnt_registry_load(struct lnt_registry *reg, const char *run_dir, struct lnt_err *e);
void lnt_registry_clear(struct lnt_registry *reg);
