/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on libuv: a poll handle for each socket, one timer. libcurl must not be
 * called from its own callbacks, and a request may be cancelled there: so cancel and close only
 * leave a flag, and settle() acts on it once libcurl has returned.
 */
#include "agent/kube/http.h"

#include "agent/kube/config.h"
#include "lib/cleanup.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <utlist.h>

#define CONNECT_MS	10000L
#define USER_TIMEOUT_MS 30000 /* sent data not acknowledged: the peer is dead */
#define KEEPALIVE_IDLE	20L
#define KEEPALIVE_EVERY 5L
#define BODY_MAX	4096
/* Kept open between requests; those that stalled are among them. */
#define MAX_CONNECTIONS 8L

struct lnt_http {
	uv_loop_t *loop;
	const struct lnt_kube_config *cfg;
	struct lnt_http_place at; /* port 0: where cfg says */
	CURLM *multi;
	uv_timer_t timer;
	struct lnt_http_req *reqs;
	unsigned handles; /* of the loop, open */
	bool busy;	  /* inside libcurl, or handing out results */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

struct sock {
	uv_poll_t poll;
	struct lnt_http *http;
	curl_socket_t fd;
};

struct lnt_http_req {
	struct lnt_http_req *prev, *next;
	struct lnt_http *http;
	CURL *easy;
	struct curl_slist *headers, *place;
	const struct lnt_http_ops *ops;
	void *ctx;
	uv_timer_t watchdog;
	uint64_t last; /* when something arrived */
	unsigned stall_ms;
	bool cancelled, stalled;
	long status;
	int body_err;
	struct lnt_err why;
	char curl_error[CURL_ERROR_SIZE];
	size_t n_body;
	char body[BODY_MAX + 1];
};

static void settle(struct lnt_http *http);

/* --- the loop's side -------------------------------------------------------------------------- */

static void handle_closed(struct lnt_http *http)
{
	void (*closed)(void *ctx) = http->closed;
	void *ctx = http->closed_ctx;

	if (--http->handles)
		return;
	free(http);
	if (closed)
		closed(ctx);
}

static void on_sock_closed(uv_handle_t *h)
{
	struct sock *s = h->data;
	struct lnt_http *http = s->http;

	free(s);
	handle_closed(http);
}

static void on_req_closed(uv_handle_t *h)
{
	struct lnt_http_req *req = h->data;
	struct lnt_http *http = req->http;

	free(req);
	handle_closed(http);
}

static void on_timer_closed(uv_handle_t *h)
{
	handle_closed(h->data);
}

static void act(struct lnt_http *http, curl_socket_t fd, int flags)
{
	int running;

	http->busy = true;
	curl_multi_socket_action(http->multi, fd, flags, &running);
	http->busy = false;
	settle(http);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct sock *s = poll->data;
	int flags = 0;

	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	act(s->http, s->fd, flags);
}

static void on_timer(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static struct sock *sock_new(struct lnt_http *http, curl_socket_t fd)
{
	struct sock *s = calloc(1, sizeof(*s));

	if (!s || uv_poll_init_socket(http->loop, &s->poll, fd)) {
		free(s);
		return NULL;
	}
	s->http = http;
	s->fd = fd;
	s->poll.data = s;
	http->handles++;
	return s;
}

/* CURLMOPT_SOCKETFUNCTION */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *sock)
{
	struct lnt_http *http = ctx;
	struct sock *s = sock;
	int events = 0;

	if (what == CURL_POLL_REMOVE) {
		if (s) {
			curl_multi_assign(http->multi, fd, NULL);
			uv_close((uv_handle_t *)&s->poll, on_sock_closed);
		}
		return 0;
	}
	if (!s) {
		s = sock_new(http, fd);
		if (!s)
			return -1;
		curl_multi_assign(http->multi, fd, s);
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&s->poll, events, on_poll) ? -1 : 0;
}

/* CURLMOPT_TIMERFUNCTION */
static int on_curl_timer(CURLM *multi, long ms, void *ctx)
{
	struct lnt_http *http = ctx;

	if (ms < 0)
		uv_timer_stop(&http->timer);
	else
		uv_timer_start(&http->timer, on_timer, (uint64_t)ms, 0);
	return 0;
}

/* --- one request ------------------------------------------------------------------------------ */

static void touch(struct lnt_http_req *req)
{
	req->last = uv_now(req->http->loop);
}

/* CURLOPT_HEADERFUNCTION: the empty line ends the head. */
static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct lnt_http_req *req = ctx;

	touch(req);
	if (req->cancelled)
		return 0;
	if (n > 2)
		return n;
	curl_easy_getinfo(req->easy, CURLINFO_RESPONSE_CODE, &req->status);
	if (req->status == 200 && req->ops->open)
		req->ops->open(req->ctx);
	return req->cancelled ? 0 : n;
}

/* CURLOPT_WRITEFUNCTION */
static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct lnt_http_req *req = ctx;
	size_t room = BODY_MAX - req->n_body;

	touch(req);
	if (req->cancelled)
		return 0;
	if (req->status == 200 && !req->ops->body)
		return n;
	if (req->status == 200) {
		req->body_err = req->ops->body(req->ctx, data, n, &req->why);
		return req->body_err || req->cancelled ? 0 : n;
	}
	room = n < room ? n : room;
	memcpy(req->body + req->n_body, data, room);
	req->n_body += room;
	return n;
}

/* CURLOPT_SOCKOPTFUNCTION */
static int on_sockopt(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	unsigned ms = USER_TIMEOUT_MS;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

static void on_watchdog(uv_timer_t *timer)
{
	struct lnt_http_req *req = timer->data;
	uint64_t quiet = uv_now(req->http->loop) - req->last;

	if (quiet < req->stall_ms) {
		uv_timer_start(timer, on_watchdog, req->stall_ms - quiet, 0);
		return;
	}
	req->stalled = true;
	settle(req->http);
}

/* Takes the request away from libcurl and from the list; what is left goes with the timer. */
static void retire(struct lnt_http_req *req)
{
	curl_multi_remove_handle(req->http->multi, req->easy);
	curl_easy_cleanup(req->easy);
	curl_slist_free_all(req->headers);
	curl_slist_free_all(req->place);
	DL_DELETE(req->http->reqs, req);
	uv_close((uv_handle_t *)&req->watchdog, on_req_closed);
}

/* Retires a request and says how it ended. req itself stays until the loop's next turn. */
static void finish(struct lnt_http_req *req, CURLcode code)
{
	struct lnt_http_result res = {.text = "", .body = req->body};
	curl_off_t after = 0;

	curl_easy_getinfo(req->easy, CURLINFO_RESPONSE_CODE, &res.status);
	curl_easy_getinfo(req->easy, CURLINFO_RETRY_AFTER, &after);
	res.retry_after = after > 0 && after < 86400 ? (unsigned)after : 0;
	req->body[req->n_body] = '\0';
	if (req->stalled) {
		lnt_err_set(&req->why, -ETIMEDOUT, "nothing came for %u ms", req->stall_ms);
		res.err = -ETIMEDOUT;
	} else if (req->body_err) {
		res.err = req->body_err;
	} else if (code != CURLE_OK) {
		lnt_err_set(&req->why, -EIO, "%s",
			*req->curl_error ? req->curl_error : curl_easy_strerror(code));
		res.err = code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EIO;
	}
	res.text = req->why.msg;
	retire(req);
	req->ops->done(req->ctx, &res);
}

static void reap(struct lnt_http *http)
{
	struct lnt_http_req *req, *next;
	struct lnt_http_req *owner;
	CURLMsg *msg;
	CURLcode code;
	int left;

	while ((msg = curl_multi_info_read(http->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &owner);
		if (owner->cancelled)
			retire(owner);
		else
			finish(owner, code);
	}
	DL_FOREACH_SAFE (http->reqs, req, next) {
		if (req->cancelled)
			retire(req);
	}
	/* A done() may cancel what follows in the list: look again from the start after each. */
	do {
		DL_FOREACH (http->reqs, req) {
			if (req->stalled && !req->cancelled)
				break;
		}
		if (req)
			finish(req, CURLE_OPERATION_TIMEDOUT);
	} while (req);
}

static void tear_down(struct lnt_http *http)
{
	struct lnt_http_req *req, *next;

	http->busy = true;
	DL_FOREACH_SAFE (http->reqs, req, next)
		retire(req);
	curl_multi_cleanup(http->multi);
	uv_close((uv_handle_t *)&http->timer, on_timer_closed);
}

/* Acts on what libcurl and the callbacks have left to do. */
static void settle(struct lnt_http *http)
{
	if (http->busy)
		return;
	http->busy = true;
	reap(http);
	http->busy = false;
	if (http->closing)
		tear_down(http);
}

/* --- starting --------------------------------------------------------------------------------- */

static int set_blob(CURL *c, CURLoption option, char *text)
{
	struct curl_blob blob = {.data = text, .len = strlen(text), .flags = CURL_BLOB_COPY};

	return curl_easy_setopt(c, option, &blob);
}

/* How the server proves who it is. */
static int set_trust(struct lnt_http_req *req, struct lnt_err *e)
{
	const struct lnt_kube_config *cfg = req->http->cfg;
	_cleanup_free_ char *ca = NULL;
	CURL *c = req->easy;
	int r = lnt_kube_config_ca(cfg, e, &ca), bad = 0;

	if (r)
		return r;
	bad |= curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
	bad |= curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, cfg->insecure ? 0L : 1L);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, cfg->insecure ? 0L : 2L);
	if (ca)
		bad |= set_blob(c, CURLOPT_CAINFO_BLOB, ca);
	return bad ? lnt_err_set(e, -EINVAL, "libcurl refuses the authorities") : 0;
}

/* How we prove who we are. */
static int set_credentials(struct lnt_http_req *req, struct lnt_err *e)
{
	const struct lnt_kube_config *cfg = req->http->cfg;
	_cleanup_free_ char *token = NULL, *line = NULL;
	CURL *c = req->easy;
	int r = lnt_kube_config_token(cfg, e, &token), bad = 0;

	if (r)
		return r;
	if (token) {
		if (asprintf(&line, "Authorization: Bearer %s", token) < 0)
			line = NULL;
		req->headers = line ? curl_slist_append(NULL, line) : NULL;
		if (!req->headers)
			return -ENOMEM;
	}
	if (cfg->cert_data)
		bad |= set_blob(c, CURLOPT_SSLCERT_BLOB, cfg->cert_data);
	else if (cfg->cert_file)
		bad |= curl_easy_setopt(c, CURLOPT_SSLCERT, cfg->cert_file);
	if (cfg->key_data)
		bad |= set_blob(c, CURLOPT_SSLKEY_BLOB, cfg->key_data);
	else if (cfg->key_file)
		bad |= curl_easy_setopt(c, CURLOPT_SSLKEY, cfg->key_file);
	return bad ? lnt_err_set(e, -EINVAL, "libcurl refuses the credentials") : 0;
}

static int set_transport(CURL *c, bool fresh)
{
	int bad = 0;

	bad |= curl_easy_setopt(c, CURLOPT_PROXY, "");
	bad |= curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	bad |= curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	bad |= curl_easy_setopt(c, CURLOPT_PIPEWAIT, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
	bad |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	bad |= curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE);
	bad |= curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_EVERY);
	bad |= curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
	return bad;
}

/* "192.0.2.10:6443", "[2001:db8::10]:6443". Returns @buf. */
static const char *place_text(const struct lnt_http_place *at, char buf[static LNT_ADDRSTRLEN + 8])
{
	bool is4 = lnt_addr_is4(&at->addr);
	char addr[LNT_ADDRSTRLEN];

	snprintf(buf, LNT_ADDRSTRLEN + 8, is4 ? "%s:%u" : "[%s]:%u", lnt_addr_str(&at->addr, addr),
		at->port);
	return buf;
}

/* To @at, whatever the URL says. */
static int set_place(struct lnt_http_req *req, const struct lnt_http_place *at)
{
	char text[LNT_ADDRSTRLEN + 10] = "::";

	place_text(at, text + 2);
	req->place = curl_slist_append(NULL, text);
	if (!req->place)
		return -ENOMEM;
	return curl_easy_setopt(req->easy, CURLOPT_CONNECT_TO, req->place) ? -EINVAL : 0;
}

/* @at: port 0 for where the configuration says. */
static int set_request(struct lnt_http_req *req, const char *path, const struct lnt_http_place *at,
	struct lnt_err *e)
{
	const char *server = at->port ? "https://" LNT_KUBE_NAME : req->http->cfg->server;
	_cleanup_free_ char *url = NULL;
	struct curl_slist *headers;
	CURL *c = req->easy;
	int bad = 0;

	if (asprintf(&url, "%s%s", server, path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	if (at->port)
		bad |= set_place(req, at);
	headers = curl_slist_append(req->headers, "Accept: application/json");
	if (!headers)
		return -ENOMEM;
	req->headers = headers;
	bad |= curl_easy_setopt(c, CURLOPT_URL, url);
	bad |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	bad |= curl_easy_setopt(c, CURLOPT_USERAGENT, "linnetd");
	bad |= curl_easy_setopt(c, CURLOPT_PRIVATE, req);
	bad |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, req->curl_error);
	bad |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	bad |= curl_easy_setopt(c, CURLOPT_HEADERDATA, req);
	bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, req);
	return bad ? lnt_err_set(e, -EINVAL, "libcurl refuses the request %s", path) : 0;
}

static int set_body(struct lnt_http_req *req, const struct lnt_http_body *body, struct lnt_err *e)
{
	_cleanup_free_ char *type = NULL;
	struct curl_slist *headers;
	CURL *c = req->easy;
	int bad = 0;

	if (asprintf(&type, "Content-Type: %s", body->type) < 0) {
		type = NULL;
		return -ENOMEM;
	}
	headers = curl_slist_append(req->headers, type);
	if (!headers)
		return -ENOMEM;
	req->headers = headers;
	bad |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	bad |= curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, body->method);
	bad |= curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, body->text);
	return bad ? lnt_err_set(e, -EINVAL, "libcurl refuses the body") : 0;
}

static void reqp(struct lnt_http_req **req)
{
	if (!*req)
		return;
	curl_easy_cleanup((*req)->easy);
	curl_slist_free_all((*req)->headers);
	curl_slist_free_all((*req)->place);
	free(*req);
}

/* What start() is to do. */
struct order {
	const char *path;
	const struct lnt_http_body *body; /* NULL: GET */
	const struct lnt_http_place *at;  /* whom to ask who that is; NULL: ask the API server */
	unsigned stall_ms;
	bool fresh;
};

static int prepare(struct lnt_http_req *req, const struct order *o, struct lnt_err *e)
{
	int r = set_trust(req, e);

	r = r || o->at ? r : set_credentials(req, e);
	r = r ? r : set_request(req, o->path, o->at ?: &req->http->at, e);
	r = r || !o->body ? r : set_body(req, o->body, e);
	if (r)
		return r;
	return set_transport(req->easy, o->fresh)
		? lnt_err_set(e, -EINVAL, "libcurl refuses the request %s", o->path)
		: 0;
}

static int start(struct lnt_http *http, const struct order *o, const struct lnt_http_ops *ops,
	void *ctx, struct lnt_err *e, struct lnt_http_req **ret_req)
{
	_cleanup_(reqp) struct lnt_http_req *req = calloc(1, sizeof(*req));
	int r;

	if (!req)
		return -ENOMEM;
	req->http = http;
	req->ops = ops;
	req->ctx = ctx;
	req->stall_ms = o->stall_ms;
	req->easy = curl_easy_init();
	if (!req->easy)
		return -ENOMEM;
	r = prepare(req, o, e);
	if (r)
		return r;
	if (curl_multi_add_handle(http->multi, req->easy))
		return lnt_err_set(e, -EINVAL, "libcurl refuses the request %s", o->path);
	uv_update_time(http->loop);
	touch(req);
	uv_timer_init(http->loop, &req->watchdog);
	req->watchdog.data = req;
	uv_timer_start(&req->watchdog, on_watchdog, o->stall_ms, 0);
	http->handles++;
	DL_APPEND(http->reqs, req);
	*ret_req = TAKE_PTR(req);
	return 0;
}

int lnt_http_get(struct lnt_http *http, const char *path, unsigned stall_ms, bool fresh,
	const struct lnt_http_ops *ops, void *ctx, struct lnt_err *e, struct lnt_http_req **ret_req)
{
	const struct order o = {.path = path, .stall_ms = stall_ms, .fresh = fresh};

	return start(http, &o, ops, ctx, e, ret_req);
}

int lnt_http_send(struct lnt_http *http, const char *path, const struct lnt_http_body *body,
	unsigned stall_ms, const struct lnt_http_ops *ops, void *ctx, struct lnt_err *e,
	struct lnt_http_req **ret_req)
{
	const struct order o = {.path = path, .body = body, .stall_ms = stall_ms};

	return start(http, &o, ops, ctx, e, ret_req);
}

int lnt_http_probe(struct lnt_http *http, const struct lnt_http_place *at, unsigned stall_ms,
	const struct lnt_http_ops *ops, void *ctx, struct lnt_err *e, struct lnt_http_req **ret_req)
{
	const struct order o = {.path = "/version", .at = at, .stall_ms = stall_ms, .fresh = true};

	return start(http, &o, ops, ctx, e, ret_req);
}

void lnt_http_move(struct lnt_http *http, const struct lnt_http_place *at)
{
	http->at = at ? *at : (struct lnt_http_place){};
}

const char *lnt_http_server(const struct lnt_http *http, char buf[static LNT_KUBE_SERVER_STRLEN])
{
	char place[LNT_ADDRSTRLEN + 8];

	snprintf(buf, LNT_KUBE_SERVER_STRLEN, "%s%s", http->at.port ? "https://" : "",
		http->at.port ? place_text(&http->at, place) : http->cfg->server);
	return buf;
}

bool lnt_http_answered(const struct lnt_http_req *req)
{
	return req->status;
}

void lnt_http_cancel(struct lnt_http_req *req)
{
	req->cancelled = true;
	settle(req->http);
}

struct lnt_http *lnt_http_new(uv_loop_t *loop, const struct lnt_kube_config *cfg, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	http->loop = loop;
	http->cfg = cfg;
	http->multi = curl_multi_init();
	if (!http->multi) {
		lnt_err_set(e, -ENOMEM, "libcurl does not start");
		return NULL;
	}
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS);
	uv_timer_init(loop, &http->timer);
	http->timer.data = http;
	http->handles = 1;
	return TAKE_PTR(http);
}

void lnt_http_close(struct lnt_http *http, void (*closed)(void *ctx), void *ctx)
{
	http->closing = true;
	http->closed = closed;
	http->closed_ctx = ctx;
	settle(http);
}
