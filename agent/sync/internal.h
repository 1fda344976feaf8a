/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The sync's state, shared by its domains. */
#include "agent/sync/services.h"
#include "agent/compile/index.h"
#include "agent/sync/sync.h"

struct lnt_sync {
	struct lnt_maps maps;
	struct lnt_table peers;
	struct lnt_table blocks;
	struct lnt_table endpoints;
	struct lnt_table devices;
	struct lnt_table policy;
	struct lnt_table cidrs;
	struct lnt_table netns;
	struct lnt_u32s closed; /* policy ids, ascending */
	struct lnt_sync_services svc;
};
