/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of ctl_server.h on libuv pipes. */
#define LNT_LOG "ctl"
#include "agent/ctl_server.h"
#include "agent/line_socket.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONNS_MAX  32
#define QUEUE_MAX  (1024 * 1024) /* bytes that wait for a client to read */
#define FEED_BELOW (64 * 1024)	 /* bytes that may wait when the next portion is made */

struct lnt_ctl_server {
	uv_pipe_t pipe;
	uv_timer_t timer; /* looks for clients that are stuck, while there are any */
	uv_idle_t feeder; /* makes portions, while somebody has room for one */
	struct lnt_ctl_handler handler;
	struct lnt_ctl_conn *conns;
	unsigned n, open; /* connections; handles that are not closed yet */
};

struct lnt_ctl_conn {
	uv_pipe_t pipe;
	struct lnt_ctl_server *server; /* NULL: nobody is to be told of it any more */
	struct lnt_ctl_conn *next;
	struct lnt_lines lines;
	uint64_t full_since;				    /* ms of the loop, 0: there is room */
	bool (*feed)(void *ctx, struct lnt_ctl_conn *conn); /* NULL: there is nothing to feed */
	void (*feed_end)(void *ctx);
	void *feed_ctx;
};

struct line {
	uv_write_t write;
	char text[];
};

static void conn_closed(uv_handle_t *h)
{
	struct lnt_ctl_conn *c = h->data;

	lnt_lines_clear(&c->lines);
	free(c);
}

static void end_feed(struct lnt_ctl_conn *c)
{
	if (!c->feed)
		return;
	c->feed = NULL;
	c->feed_end(c->feed_ctx);
}

static void conn_close(struct lnt_ctl_conn *c)
{
	struct lnt_ctl_server *s = TAKE_PTR(c->server);
	struct lnt_ctl_conn **p;

	if (!s)
		return;
	end_feed(c);
	for (p = &s->conns; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	if (!--s->n)
		uv_timer_stop(&s->timer);
	s->handler.gone(s->handler.ctx, c);
	uv_close((uv_handle_t *)&c->pipe, conn_closed);
}

static size_t waiting(const struct lnt_ctl_conn *c)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe);
}

/* A portion for each who has room; nobody: whoever reads starts it again. */
static void feed(uv_idle_t *idle)
{
	struct lnt_ctl_server *s = idle->data;
	struct lnt_ctl_conn *next;
	bool fed = false;

	for (struct lnt_ctl_conn *c = s->conns; c; c = next) {
		next = c->next;
		if (!c->feed)
			continue;
		if (waiting(c) >= FEED_BELOW) {
			if (!c->full_since)
				c->full_since = uv_now(idle->loop);
			continue;
		}
		fed = true;
		if (!c->feed(c->feed_ctx, c))
			end_feed(c);
	}
	if (!fed)
		uv_idle_stop(idle);
}

bool lnt_ctl_feed(struct lnt_ctl_conn *c, bool (*next)(void *ctx, struct lnt_ctl_conn *conn),
	void (*end)(void *ctx), void *ctx)
{
	if (!c->server || c->feed)
		return false;
	c->feed = next;
	c->feed_end = end;
	c->feed_ctx = ctx;
	uv_idle_start(&c->server->feeder, feed);
	return true;
}

static void written(uv_write_t *w, int status)
{
	struct lnt_ctl_conn *c = w->handle->data;

	free(w->data);
	if (!status)
		c->full_since = 0;
	if (!status && c->server && c->feed)
		uv_idle_start(&c->server->feeder, feed);
	/* The reader sees the end of the connection too. */
	if (status < 0 && status != UV_ECANCELED)
		log_debug("answer: %s", uv_strerror(status));
}

static bool has_room(struct lnt_ctl_conn *c, size_t len)
{
	if (waiting(c) + len <= QUEUE_MAX)
		return true;
	if (!c->full_since)
		c->full_since = uv_now(c->pipe.loop);
	return false;
}

bool lnt_ctl_say_text(struct lnt_ctl_conn *c, const char *text)
{
	size_t len = strlen(text);
	struct line *line;
	uv_buf_t buf;

	if (!c->server || !has_room(c, len + 1))
		return false;
	line = malloc(sizeof(*line) + len + 1);
	if (!line)
		return false;
	memcpy(line->text, text, len);
	line->text[len] = '\n';
	line->write.data = line;
	buf = uv_buf_init(line->text, (unsigned)len + 1);
	if (!uv_write(&line->write, (uv_stream_t *)&c->pipe, &buf, 1, written))
		return true;
	free(line);
	return false;
}

bool lnt_ctl_say(struct lnt_ctl_conn *c, const cJSON *json)
{
	_cleanup_free_ char *text = cJSON_PrintUnformatted(json);

	return text && lnt_ctl_say_text(c, text);
}

void lnt_ctl_refuse(struct lnt_ctl_conn *c, const char *why)
{
	_cleanup_json_ cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "error", why);
	lnt_ctl_say(c, json);
}

static void look_for_stuck(uv_timer_t *timer)
{
	struct lnt_ctl_server *s = timer->data;
	struct lnt_ctl_conn *next;

	for (struct lnt_ctl_conn *c = s->conns; c; c = next) {
		next = c->next;
		if (!c->full_since || uv_now(timer->loop) - c->full_since < LNT_CTL_STUCK_MS)
			continue;
		log_info("hung up on a client that does not read what it has asked for");
		conn_close(c);
	}
}

static void alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct lnt_ctl_conn *c = h->data;

	*buf = lnt_lines_room(&c->lines);
}

static void handle_line(struct lnt_ctl_conn *c, const char *line, size_t len)
{
	_cleanup_json_ cJSON *req = cJSON_ParseWithLength(line, len);

	if (cJSON_IsObject(req))
		c->server->handler.request(c->server->handler.ctx, c, req);
	else
		lnt_ctl_refuse(c, "the request is not a JSON object");
}

static void conn_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct lnt_ctl_conn *c = stream->data;
	const char *line;
	size_t len;

	if (n < 0) {
		conn_close(c);
		return;
	}
	c->lines.len += (size_t)n;
	while (c->server && (line = lnt_lines_next(&c->lines, &len)))
		handle_line(c, line, len);
	if (lnt_lines_full(&c->lines))
		conn_close(c);
}

static void connected(uv_stream_t *listener, int status)
{
	struct lnt_ctl_server *s = listener->data;
	struct lnt_ctl_conn *c;

	if (status < 0) {
		log_error("accept on the socket for people: %s", uv_strerror(status));
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	uv_pipe_init(listener->loop, &c->pipe, 0);
	c->pipe.data = c;
	c->server = s;
	c->next = s->conns;
	s->conns = c;
	if (!s->n++)
		uv_timer_start(&s->timer, look_for_stuck, 1000, 1000);
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) || s->n > CONNS_MAX ||
		uv_read_start((uv_stream_t *)&c->pipe, alloc, conn_read))
		conn_close(c);
}

static void handle_closed(uv_handle_t *h)
{
	struct lnt_ctl_server *s = h->data;

	if (!--s->open)
		free(s);
}

void lnt_ctl_server_close(struct lnt_ctl_server *s)
{
	if (!s)
		return;
	while (s->conns)
		conn_close(s->conns);
	uv_close((uv_handle_t *)&s->pipe, handle_closed);
	uv_close((uv_handle_t *)&s->timer, handle_closed);
	uv_close((uv_handle_t *)&s->feeder, handle_closed);
}

int lnt_ctl_server_new(uv_loop_t *loop, const char *run_dir, const struct lnt_ctl_handler *handler,
	struct lnt_err *e, struct lnt_ctl_server **ret_server)
{
	struct lnt_ctl_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return lnt_err_sys(e, -ENOMEM, "open the socket for people");
	s->handler = *handler;
	s->open = 3;
	uv_pipe_init(loop, &s->pipe, 0);
	uv_timer_init(loop, &s->timer);
	uv_idle_init(loop, &s->feeder);
	s->pipe.data = s->timer.data = s->feeder.data = s;
	r = lnt_line_listen(&s->pipe, run_dir, LNT_CTL_SOCKET, connected, e);
	if (r)
		lnt_ctl_server_close(s);
	else
		*ret_server = s;
	return r;
}
