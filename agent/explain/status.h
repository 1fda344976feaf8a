/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the agent says of itself: `linnetctl status`. */
#include <cjson/cJSON.h>

struct lnt_agent;

/* As lib/ctl_socket.h has it; the caller owns it. */
cJSON *lnt_status_json(const struct lnt_agent *a);
