/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What policy says of a connection that somebody asks about: `linnetctl policy trace`. For ends on
 * this node the kernel's maps are read; for others the policy is compiled as their node does it.
 */
#include "agent/explain/target.h"
#include "agent/explain/verdict.h"

#include <cjson/cJSON.h>

/* Borrowed. */
struct lnt_trace_env {
	struct lnt_trace_names names;
	const char *node_name;
	struct lnt_policy_source here;		 /* this node's maps */
	const struct lnt_policy_state *compiled; /* the names of their rules */
	bool audit;				 /* the agent's option */
};

/*
 * As lib/ctl_socket.h has it. @family: 4, 6, or 0 for each that both ends have. The caller owns the
 * answer. NULL: @e says why.
 */
cJSON *lnt_trace_json(const struct lnt_trace_env *env, const char *from, const char *to, int family,
	struct lnt_err *e);
