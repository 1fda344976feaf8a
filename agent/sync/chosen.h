/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which backends still get new traffic, as far as the maps are concerned. */
#include "agent/sync/sync.h"

#include <stdbool.h>

/* A backend that sockets of this node are connected to. */
struct lnt_in_use {
	struct lnt_service_key backend; /* its address, port and protocol */
	bool chosen;			/* in a set of a service of that protocol */
	bool serving;			/* the agent's: listed as one that still serves */
};

/* Sets @uses[].chosen. @uses is sorted by memcmp() of backend. Returns 0 or -ENOMEM. */
int lnt_sync_mark_chosen(const struct lnt_sync *s, struct lnt_in_use *uses, size_t n);

/* The first of @uses that is not before @backend; @n if there is none. */
size_t lnt_in_use_find(
	const struct lnt_in_use *uses, size_t n, const struct lnt_service_key *backend);
