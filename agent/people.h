/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What people ask of the agent, at the socket of lib/ctl_socket.h. */
#include "agent/compile/compile.h"

struct lnt_agent;

/* Serves a->opt->run_dir's socket from the loop; sets a->people. */
int lnt_people_open(struct lnt_agent *a, struct lnt_err *e);

/* Objects or endpoints may have changed: what is known of them is looked up again. */
void lnt_people_forget(struct lnt_agent *a);

/* Hangs up on everybody. */
void lnt_people_close(struct lnt_agent *a);
