/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP as linnetd serves it: a libmicrohttpd daemon that the agent's loop drives, without threads,
 * and listening sockets that come and go. An answer is made at once and the connection closed with
 * it, so that nothing has to be remembered of a client. A port that is taken is tried again until
 * it is free.
 */
#include "lib/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <uv.h>

struct lnt_server;
struct lnt_listener;

struct lnt_server_limits {
	unsigned connections;	 /* at a time; what exceeds it is closed unanswered */
	unsigned per_client;	 /* of one address */
	unsigned timeout_s;	 /* without progress */
	size_t connection_bytes; /* for the request's head */
};

struct lnt_request {
	const char *method;
	const char *path; /* without the query */
};

struct lnt_answer {
	unsigned status;
	const char *type; /* Content-Type, static */
	char *body;	  /* owned; NULL: no memory, answered with 500 */
	size_t len;
	struct {
		const char *name; /* static, NULL: none */
		char value[32];
	} header;
};

struct lnt_listener_ops {
	void (*answer)(void *ctx, const struct lnt_request *req, struct lnt_answer *ret_answer);
	/*
	 * Whether it listens has changed, or why not: 0 or -errno. The first time it is called
	 * before lnt_server_listen() returns. May be NULL. Must not close the listener.
	 */
	void (*state)(void *ctx, int err);
};

/* NULL: *@e says why. */
struct lnt_server *lnt_server_new(
	uv_loop_t *loop, const struct lnt_server_limits *limits, struct lnt_err *e);

/*
 * Listens at @addr (:: for all of both families) and @port (host byte order). The address need not
 * be there yet. NULL: no memory.
 */
struct lnt_listener *lnt_server_listen(struct lnt_server *s, const struct in6_addr *addr,
	uint16_t port, const struct lnt_listener_ops *ops, void *ctx);
bool lnt_listener_is_open(const struct lnt_listener *l);
void lnt_listener_close(struct lnt_listener *l);

/* Closes all; @s is freed when its handles are closed. NULL is fine. Not from an op. */
void lnt_server_close(struct lnt_server *s);
