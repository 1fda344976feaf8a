/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* All services or policies that the agent knows: `linnetctl service list` and `policy list`. */
#include "agent/ctl_server.h"

struct lnt_agent;

/*
 * Begins to answer {"get":"list","of":"services"|"policies","namespace":"ns"} (lib/ctl_socket.h), a
 * line an object, in portions. What comes meanwhile is not told; what goes is left out.
 */
void lnt_list_tell(struct lnt_agent *a, struct lnt_ctl_conn *conn, const cJSON *req);

/* One of them; the caller owns it. */
struct lnt_service;
struct lnt_netpol;
cJSON *lnt_list_service_json(const struct lnt_agent *a, const struct lnt_service *svc);
cJSON *lnt_list_policy_json(const struct lnt_agent *a, const struct lnt_netpol *policy);
