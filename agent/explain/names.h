/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names for numbers that somebody has read from the maps by himself: `linnetctl flow list`. */
#include "agent/compile/compile.h"
#include "agent/explain/verdict.h"
#include "agent/explain/who.h"

#include <cjson/cJSON.h>

/* Borrowed. */
struct lnt_names_env {
	const char *node_name;
	const struct lnt_store *st;
	const struct lnt_directory *dir;
	const struct lnt_services *services;
	struct lnt_policy_source source; /* this node's maps */
	const struct lnt_policy_state *compiled;
};

/* To @req as lib/ctl_socket.h has it; what has no name is left out. The caller owns the answer. */
cJSON *lnt_names_json(const struct lnt_names_env *env, const cJSON *req);
