/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What policy says of a pod, on whatever node it is: `linnetctl policy get`. */
#include "agent/model/store.h"

#include <cjson/cJSON.h>

/*
 * As lib/ctl_socket.h has it: the policies that select @pod, in the order in which they are asked,
 * with their rules in words. @audit: the agent's option. The caller owns it. NULL: out of memory.
 */
cJSON *lnt_pod_policies_json(const struct lnt_store *st, const struct lnt_pod *pod, bool audit);
