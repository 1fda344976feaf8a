/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Drops and verdicts as they happen, for those who listen (`linnetctl monitor`). The programs are
 * asked to tell only while somebody does.
 */
#include "agent/ctl_server.h"

struct lnt_agent;
struct lnt_monitor;

/* NULL: out of memory. */
struct lnt_monitor *lnt_monitor_new(struct lnt_agent *a);

/*
 * @conn listens from now on, as @req says (lib/ctl_socket.h); told so, or why it cannot be. Another
 * request of the same connection takes the place of the first.
 */
void lnt_monitor_listen(struct lnt_monitor *m, struct lnt_ctl_conn *conn, const cJSON *req);

/* @conn is gone; it need not have listened. */
void lnt_monitor_leave(struct lnt_monitor *m, struct lnt_ctl_conn *conn);

/* The store or the endpoints are others now. */
void lnt_monitor_forget(struct lnt_monitor *m);

/* Frees @m when its handles are closed. Everybody has left. NULL is fine. */
void lnt_monitor_close(struct lnt_monitor *m);
