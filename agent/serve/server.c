/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd in the agent's loop (server.h). The daemon has an epoll descriptor of its own, on
 * which the loop waits, and says when it wants to be called at the latest. It is given connections,
 * not sockets to listen on: which of the listeners one belongs to is told by its local address when
 * a request is there, so that no connection outlives what it points to.
 */
#include "agent/serve/server.h"
#include "lib/addr.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#define BACKLOG	     128
#define ACCEPT_BURST 64
#define RETRY_MS     2000

struct lnt_listener {
	struct lnt_listener *prev, *next;
	struct lnt_server *server;
	struct in6_addr addr;
	uint16_t port;
	const struct lnt_listener_ops *ops;
	void *ctx;
	uv_poll_t poll; /* open while fd is */
	int fd;		/* -1: does not listen */
	int err;	/* what state was told last; 1: nothing yet */
	bool paused;	/* no descriptors or memory to accept with */
};

struct lnt_server {
	uv_loop_t *loop;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;
	uv_timer_t timer; /* the daemon's */
	uv_timer_t retry; /* the listeners' */
	struct lnt_listener *listeners;
	unsigned handles;
};

/* --- requests --------------------------------------------------------------------------------- */

union sock_addr {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Whether @l listens at every address of @addr's family. */
static bool has_all(const struct lnt_listener *l, const struct in6_addr *addr)
{
	const struct in6_addr any4 = lnt_addr_from4(INADDR_ANY);

	return IN6_IS_ADDR_UNSPECIFIED(&l->addr) ||
		(lnt_addr_is4(addr) && IN6_ARE_ADDR_EQUAL(&l->addr, &any4));
}

/* Who listens where a connection came in; exact addresses go first. */
static struct lnt_listener *find_listener(struct lnt_server *s, struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct lnt_listener *l, *any = NULL;
	union sock_addr local = {.in6 = {}};
	socklen_t len = sizeof(local);
	struct in6_addr addr;
	uint16_t port;

	if (!info || getsockname(info->connect_fd, &local.any, &len))
		return NULL;
	if (local.any.sa_family == AF_INET)
		addr = lnt_addr_from4(local.in.sin_addr.s_addr);
	else
		addr = local.in6.sin6_addr;
	/* At the same place in both. */
	port = ntohs(local.in6.sin6_port);
	DL_FOREACH (s->listeners, l) {
		if (l->port != port || l->fd < 0)
			continue;
		if (IN6_ARE_ADDR_EQUAL(&l->addr, &addr))
			return l;
		if (has_all(l, &addr))
			any = l;
	}
	return any;
}

static enum MHD_Result send_answer(struct MHD_Connection *conn, struct lnt_answer *a)
{
	struct MHD_Response *resp;
	enum MHD_Result r;

	if (!a->body) {
		a->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		a->type = NULL;
		a->len = 0;
	}
	resp = MHD_create_response_from_buffer(
		a->len, a->body ?: "", a->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!resp) {
		free(a->body);
		return MHD_NO;
	}
	MHD_add_response_header(resp, "Connection", "close");
	MHD_add_response_header(resp, "X-Content-Type-Options", "nosniff");
	if (a->type)
		MHD_add_response_header(resp, "Content-Type", a->type);
	if (a->header.name)
		MHD_add_response_header(resp, a->header.name, a->header.value);
	r = MHD_queue_response(conn, a->status, resp);
	MHD_destroy_response(resp);
	return r;
}

/* MHD_AccessHandlerCallback. Bodies of requests are not waited for. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *conn, const char *url,
	const char *method, const char *version, const char *data, size_t *n, void **req_ctx)
{
	const struct lnt_request req = {.method = method, .path = url};
	struct lnt_answer answer = {.status = MHD_HTTP_SERVICE_UNAVAILABLE};
	struct lnt_listener *l = find_listener(ctx, conn);

	/* Closed meanwhile. */
	if (!l)
		return MHD_NO;
	l->ops->answer(l->ctx, &req, &answer);
	return send_answer(conn, &answer);
}

/* --- the loop's side -------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void run(struct lnt_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(s->mhd);
	if (MHD_get_timeout(s->mhd, &ms) == MHD_YES)
		uv_timer_start(&s->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_daemon(uv_poll_t *poll, int status, int events)
{
	run(poll->data);
}

/* --- listening -------------------------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer);

static void want_retry(struct lnt_server *s)
{
	if (!uv_is_active((uv_handle_t *)&s->retry))
		uv_timer_start(&s->retry, on_retry, RETRY_MS, 0);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct lnt_listener *l = poll->data;
	struct lnt_server *s = l->server;

	for (int i = 0; i < ACCEPT_BURST; i++) {
		union sock_addr from;
		socklen_t len = sizeof(from);
		int fd = accept4(l->fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			/* It closes what it does not take. */
			MHD_add_connection(s->mhd, fd, &from.any, len);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* The socket stays readable: look away for a moment. */
			uv_poll_stop(poll);
			l->paused = true;
			want_retry(s);
		}
		if (errno != EINTR && errno != ECONNABORTED)
			break;
	}
	run(s);
}

static int bound_socket(const struct in6_addr *addr, uint16_t port)
{
	bool is4 = lnt_addr_is4(addr), any = IN6_IS_ADDR_UNSPECIFIED(addr);
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *addr};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	_cleanup_close_ int fd = -1;
	int on = 1, v6only = !any, r;

	memcpy(&sin.sin_addr, &addr->s6_addr[12], sizeof(sin.sin_addr));
	fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 && any && errno == EAFNOSUPPORT) {
		/* A kernel without IPv6; sin has all of IPv4. */
		is4 = true;
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (!is4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	r = is4 ? bind(fd, (struct sockaddr *)&sin, sizeof(sin))
		: bind(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	if (r || listen(fd, BACKLOG))
		return -errno;
	return TAKE_FD(fd);
}

static void try_listen(struct lnt_listener *l)
{
	int r = bound_socket(&l->addr, l->port);

	if (r >= 0) {
		l->fd = r;
		r = uv_poll_init(l->server->loop, &l->poll, l->fd);
		if (r) {
			close(l->fd);
			l->fd = -1;
		} else {
			l->poll.data = l;
			uv_poll_start(&l->poll, UV_READABLE, on_connection);
		}
	}
	if (r < 0)
		want_retry(l->server);
	if (r == l->err)
		return;
	l->err = r < 0 ? r : 0;
	if (l->ops->state)
		l->ops->state(l->ctx, l->err);
}

static void on_retry(uv_timer_t *timer)
{
	struct lnt_server *s = timer->data;
	struct lnt_listener *l;

	DL_FOREACH (s->listeners, l) {
		if (l->fd < 0) {
			try_listen(l);
		} else if (l->paused) {
			l->paused = false;
			uv_poll_start(&l->poll, UV_READABLE, on_connection);
		}
	}
}

struct lnt_listener *lnt_server_listen(struct lnt_server *s, const struct in6_addr *addr,
	uint16_t port, const struct lnt_listener_ops *ops, void *ctx)
{
	struct lnt_listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->server = s;
	l->addr = *addr;
	l->port = port;
	l->ops = ops;
	l->ctx = ctx;
	l->fd = -1;
	l->err = 1;
	DL_APPEND(s->listeners, l);
	try_listen(l);
	return l;
}

bool lnt_listener_is_open(const struct lnt_listener *l)
{
	return l->fd >= 0;
}

static void on_listener_closed(uv_handle_t *h)
{
	free(h->data);
}

void lnt_listener_close(struct lnt_listener *l)
{
	DL_DELETE(l->server->listeners, l);
	if (l->fd < 0) {
		free(l);
		return;
	}
	uv_close((uv_handle_t *)&l->poll, on_listener_closed);
	close(l->fd);
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct lnt_server *s = h->data;

	if (--s->handles)
		return;
	MHD_stop_daemon(s->mhd);
	free(s);
}

struct lnt_server *lnt_server_new(
	uv_loop_t *loop, const struct lnt_server_limits *limits, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_server *s = calloc(1, sizeof(*s));
	const union MHD_DaemonInfo *info;
	int r;

	if (!s) {
		lnt_err_sys(e, -ENOMEM, "start an HTTP server");
		return NULL;
	}
	s->loop = loop;
	s->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
		on_request, s, MHD_OPTION_CONNECTION_LIMIT, limits->connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, limits->per_client,
		MHD_OPTION_CONNECTION_TIMEOUT, limits->timeout_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits->connection_bytes, MHD_OPTION_END);
	info = s->mhd ? MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	r = info ? uv_poll_init(loop, &s->poll, info->epoll_fd) : -EIO;
	if (r) {
		if (s->mhd)
			MHD_stop_daemon(s->mhd);
		lnt_err_set(e, r, "libmicrohttpd does not start");
		return NULL;
	}
	uv_timer_init(loop, &s->timer);
	uv_timer_init(loop, &s->retry);
	s->handles = 3;
	s->poll.data = s->timer.data = s->retry.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_daemon);
	return TAKE_PTR(s);
}

void lnt_server_close(struct lnt_server *s)
{
	if (!s)
		return;
	while (s->listeners)
		lnt_listener_close(s->listeners);
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->timer, on_closed);
	uv_close((uv_handle_t *)&s->retry, on_closed);
}
