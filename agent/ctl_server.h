/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's end of the socket for people (lib/ctl_socket.h): connections and lines. Nothing here
 * waits for a client: each has a queue of bounded length.
 */
#include "lib/ctl_socket.h"
#include "lib/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <uv.h>

struct lnt_ctl_server;
struct lnt_ctl_conn;

struct lnt_ctl_handler {
	/* A request arrived; any number of lines may answer it, now or later. @req is borrowed. */
	void (*request)(void *ctx, struct lnt_ctl_conn *conn, const cJSON *req);
	/* The connection is gone: @conn must not be used any more. Called for every connection. */
	void (*gone)(void *ctx, struct lnt_ctl_conn *conn);
	void *ctx;
};

/* Listens at <run_dir>/ctl.sock (mode 0600), in the place of a socket left by a predecessor. */
int lnt_ctl_server_new(uv_loop_t *loop, const char *run_dir, const struct lnt_ctl_handler *handler,
	struct lnt_err *e, struct lnt_ctl_server **ret_server);

/*
 * Queues @json as a line. False: it is not sent, for the client has not read what came before, or
 * for want of memory. A client that has not read for LNT_CTL_STUCK_MS is hung up on.
 */
bool lnt_ctl_say(struct lnt_ctl_conn *conn, const cJSON *json);

/* The same for the text of a line, without its end. */
bool lnt_ctl_say_text(struct lnt_ctl_conn *conn, const char *line);

/*
 * An answer of many lines, in portions: calls @next between other work of the loop, whenever the
 * client has read most of what there is for it, until it returns false; then, or when the
 * connection goes, @end, which takes @ctx. A portion should take a millisecond at most and be some
 * tens of KiB. One at a time for a connection: false, and nothing is called, while there is another
 * or if the connection is gone.
 */
bool lnt_ctl_feed(struct lnt_ctl_conn *conn, bool (*next)(void *ctx, struct lnt_ctl_conn *conn),
	void (*end)(void *ctx), void *ctx);

/* {"error":"..."} */
void lnt_ctl_refuse(struct lnt_ctl_conn *conn, const char *why);

/* Hangs up on everybody, closes the socket and frees @s when that is done. NULL is fine. */
void lnt_ctl_server_close(struct lnt_ctl_server *s);
