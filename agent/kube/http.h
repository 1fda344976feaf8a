/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Requests to the API server: one libcurl multi handle driven by the loop. Connections are reused,
 * HTTP/2 shares one among all requests. Nothing here blocks. Proxy variables and the system's
 * certificates are not used.
 */
#include "agent/kube/kube.h"

/* What every API server is called by its certificate. */
#define LNT_KUBE_NAME "kubernetes.default.svc"

struct lnt_http;
struct lnt_http_req;

/* How a request ended. Valid during the call of done. */
struct lnt_http_result {
	int err;	      /* 0: the response came to its end; else -errno */
	long status;	      /* 0: none came */
	unsigned retry_after; /* seconds, 0: not said */
	const char *text;     /* why it failed, or "" */
	const char *body;     /* what came with a status other than 200, cut after 4 KiB, or "" */
};

struct lnt_http_ops {
	/* The response's head is there and its status is 200. May be NULL. */
	void (*open)(void *ctx);
	/* Bytes of a body of status 200. Non-zero (-errno) ends the request with this err. NULL: of
	 * no interest. */
	int (*body)(void *ctx, const char *data, size_t n, struct lnt_err *e);
	/* The request has ended and is gone. Not called for a cancelled one. */
	void (*done)(void *ctx, const struct lnt_http_result *res);
};

/* @cfg must outlive the client. */
struct lnt_http *lnt_http_new(
	uv_loop_t *loop, const struct lnt_kube_config *cfg, struct lnt_err *e);

/*
 * Starts GET @path (with its query). Credentials are read now. The request is ended with -ETIMEDOUT
 * when no byte arrives for @stall_ms. @fresh: on a new connection. Not to be called from open or
 * body. Returns 0, or -errno with the reason in @e; then no op is called.
 */
int lnt_http_get(struct lnt_http *http, const char *path, unsigned stall_ms, bool fresh,
	const struct lnt_http_ops *ops, void *ctx, struct lnt_err *e,
	struct lnt_http_req **ret_req);

/* The same with a body: @method is "POST" or "PATCH", @body of @type is copied. */
struct lnt_http_body {
	const char *method;
	const char *type;
	const char *text;
};
int lnt_http_send(struct lnt_http *http, const char *path, const struct lnt_http_body *body,
	unsigned stall_ms, const struct lnt_http_ops *ops, void *ctx, struct lnt_err *e,
	struct lnt_http_req **ret_req);

/* Where an API server is: an address and a port, to whatever name its certificate is. */
struct lnt_http_place {
	struct in6_addr addr;
	uint16_t port; /* host byte order */
};

/*
 * Asks who is at @at, without credentials: it is the API server if there is any status, as it must
 * have shown a certificate of the cluster's authority for LNT_KUBE_NAME. What is else as of
 * lnt_http_get().
 */
int lnt_http_probe(struct lnt_http *http, const struct lnt_http_place *at, unsigned stall_ms,
	const struct lnt_http_ops *ops, void *ctx, struct lnt_err *e,
	struct lnt_http_req **ret_req);

/* From now on requests go to the API server at @at, under LNT_KUBE_NAME; NULL: to the one that the
 * configuration names. */
void lnt_http_move(struct lnt_http *http, const struct lnt_http_place *at);

/* Where requests go, as lnt_kube_server(). */
const char *lnt_http_server(const struct lnt_http *http, char buf[static LNT_KUBE_SERVER_STRLEN]);

/* Whether a status has come. */
bool lnt_http_answered(const struct lnt_http_req *req);

/* Ends a request without a call of done. May be called from anywhere. */
void lnt_http_cancel(struct lnt_http_req *req);

/* Cancels all and closes; @closed is called when nothing is left. May be called from anywhere. */
void lnt_http_close(struct lnt_http *http, void (*closed)(void *ctx), void *ctx);
