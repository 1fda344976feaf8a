/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of cni_server.h on libuv pipes. */
#define LNT_LOG "cni"
#include "agent/cni_server.h"
#include "agent/line_socket.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct lnt_cni_server {
	uv_pipe_t pipe;
	struct lnt_cni_handler handler;
};

struct lnt_cni_conn {
	uv_pipe_t pipe;
	uv_write_t write;
	struct lnt_cni_server *server;
	struct lnt_lines lines;
	char *reply;
	bool asked; /* the handler has the request and owes a reply */
	bool last;  /* nothing follows the reply */
};

static void conn_closed(uv_handle_t *h)
{
	struct lnt_cni_conn *c = h->data;

	lnt_lines_clear(&c->lines);
	free(c->reply);
	free(c);
}

static void conn_close(struct lnt_cni_conn *c)
{
	if (!uv_is_closing((uv_handle_t *)&c->pipe))
		uv_close((uv_handle_t *)&c->pipe, conn_closed);
}

static void next_request(struct lnt_cni_conn *c);

static void written(uv_write_t *w, int status)
{
	struct lnt_cni_conn *c = w->data;

	free(c->reply);
	c->reply = NULL;
	if (status < 0)
		log_debug("reply to the plugin: %s", uv_strerror(status));
	if (status < 0 || c->last)
		conn_close(c);
	else
		next_request(c);
}

void lnt_cni_reply(struct lnt_cni_conn *c, unsigned code, const char *msg)
{
	cJSON *json = cJSON_CreateObject();
	uv_buf_t buf;
	char *text;

	c->asked = false;
	cJSON_AddBoolToObject(json, "ok", !code);
	if (code) {
		cJSON_AddNumberToObject(json, "code", code);
		cJSON_AddStringToObject(json, "msg", msg);
	}
	text = cJSON_PrintUnformatted(json);
	cJSON_Delete(json);
	if (!text || asprintf(&c->reply, "%s\n", text) < 0)
		c->reply = NULL;
	free(text);
	if (!c->reply) {
		conn_close(c);
		return;
	}
	c->write.data = c;
	buf = uv_buf_init(c->reply, (unsigned)strlen(c->reply));
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, written))
		conn_close(c);
}

static void alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct lnt_cni_conn *c = h->data;

	*buf = lnt_lines_room(&c->lines);
}

/* Hands over the request that has arrived, if there is a whole one and none is being answered. */
static void next_request(struct lnt_cni_conn *c)
{
	const char *line;
	size_t len;
	cJSON *req;

	if (c->asked || c->reply)
		return;
	line = lnt_lines_next(&c->lines, &len);
	if (!line) {
		c->last = lnt_lines_full(&c->lines);
		if (c->last)
			lnt_cni_reply(c, LNT_CNI_DECODE_FAILURE, "the request is too long");
		return;
	}
	req = cJSON_ParseWithLength(line, len);
	c->asked = true;
	if (req)
		c->server->handler.request(c->server->handler.ctx, c, req);
	else
		lnt_cni_reply(c, LNT_CNI_DECODE_FAILURE, "the request is not JSON");
	cJSON_Delete(req);
}

static void conn_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct lnt_cni_conn *c = stream->data;

	if (n < 0) {
		if (c->asked)
			c->server->handler.gone(c->server->handler.ctx, c);
		conn_close(c);
		return;
	}
	c->lines.len += (size_t)n;
	next_request(c);
}

static void connected(uv_stream_t *listener, int status)
{
	struct lnt_cni_server *s = listener->data;
	struct lnt_cni_conn *c;

	if (status < 0) {
		log_error("accept on the CNI socket: %s", uv_strerror(status));
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->server = s;
	uv_pipe_init(listener->loop, &c->pipe, 0);
	c->pipe.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) ||
		uv_read_start((uv_stream_t *)&c->pipe, alloc, conn_read))
		conn_close(c);
}

static void server_closed(uv_handle_t *h)
{
	free(h->data);
}

int lnt_cni_server_new(uv_loop_t *loop, const char *run_dir, const struct lnt_cni_handler *handler,
	struct lnt_err *e, struct lnt_cni_server **ret_server)
{
	struct lnt_cni_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return lnt_err_sys(e, -ENOMEM, "open the CNI socket");
	s->handler = *handler;
	uv_pipe_init(loop, &s->pipe, 0);
	s->pipe.data = s;
	r = lnt_line_listen(&s->pipe, run_dir, LNT_AGENT_SOCKET, connected, e);
	if (r)
		uv_close((uv_handle_t *)&s->pipe, server_closed);
	else
		*ret_server = s;
	return r;
}

void lnt_cni_server_close(struct lnt_cni_server *s)
{
	if (s)
		uv_close((uv_handle_t *)&s->pipe, server_closed);
}
