/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's end of the socket where it meets the CNI plugin (lib/agent_socket.h): connections,
 * lines, JSON. What the requests mean is the handler's business.
 */
#include "lib/agent_socket.h"
#include "lib/err.h"

#include <cjson/cJSON.h>
#include <uv.h>

struct lnt_cni_server;
struct lnt_cni_conn; /* one request that waits for its reply */

struct lnt_cni_handler {
	/* A request arrived; exactly one lnt_cni_reply() follows, now or later. @req is borrowed.
	 */
	void (*request)(void *ctx, struct lnt_cni_conn *conn, const cJSON *req);
	/* The plugin went away before it was answered; @conn must not be used any more. */
	void (*gone)(void *ctx, struct lnt_cni_conn *conn);
	void *ctx;
};

/* Listens at <run_dir>/cni.sock (mode 0600), in the place of a socket left by a predecessor. */
int lnt_cni_server_new(uv_loop_t *loop, const char *run_dir, const struct lnt_cni_handler *handler,
	struct lnt_err *e, struct lnt_cni_server **ret_server);

/* Answers: {"ok":true} when @code is 0, else the error. */
void lnt_cni_reply(struct lnt_cni_conn *conn, unsigned code, const char *msg);

/* Closes everything on the loop and frees @s when that is done. The socket file is removed. */
void lnt_cni_server_close(struct lnt_cni_server *s);
