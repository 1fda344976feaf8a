/* SPDX-License-Identifier: Apache-2.0 */
/* Client of the agent's socket, agent_client.h. */
#include "lib/agent_client.h"

#include "lib/json.h"
#include "lib/unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_REPLY 4096

/* The first cause decides the code, as it does the text. */
static int fail(struct lnt_err *e, int err, const char *what)
{
	if (e && !e->err)
		e->code = LNT_CNI_TRY_AGAIN_LATER;
	return lnt_err_sys(e, err, "%s", what);
}

static int left_ms(const struct lnt_agent_call *call)
{
	struct timespec now;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (call->deadline.tv_sec - now.tv_sec) * 1000 +
		(call->deadline.tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (int)ms : 0;
}

/* Returns 0 when @fd is ready for @events, or -ETIMEDOUT, or another -errno. */
static int ready(const struct lnt_agent_call *call, short events)
{
	struct pollfd p = {.fd = call->fd, .events = events};
	int n;

	do
		n = poll(&p, 1, left_ms(call));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int send_all(const struct lnt_agent_call *call, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(call->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			int r = ready(call, POLLOUT);

			if (r)
				return r;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int dial(const char *run_dir, struct lnt_err *e, struct lnt_agent_call *call)
{
	int r = lnt_unix_connect(run_dir, LNT_AGENT_SOCKET, SOCK_NONBLOCK, &call->fd);

	if (r == -ENAMETOOLONG) {
		if (e && !e->err)
			e->code = LNT_CNI_INVALID_CONFIG;
		return lnt_err_set(e, r,
			"runDir %s is too long: a socket's path has at most %zu characters",
			run_dir, LNT_UNIX_PATH_MAX);
	}
	/* A full backlog answers EAGAIN: as good as no answer. */
	return r ? fail(e, r, "linnetd is not running on this node: connect to its socket") : 0;
}

int lnt_agent_send(struct lnt_agent_call *call, const char *run_dir, const cJSON *req,
	unsigned timeout_ms, struct lnt_err *e)
{
	_cleanup_free_ char *text = cJSON_PrintUnformatted(req);
	size_t len;
	int r;

	if (!text)
		return fail(e, -ENOMEM, "write request to the agent");
	clock_gettime(CLOCK_MONOTONIC, &call->deadline);
	call->deadline.tv_sec += timeout_ms / 1000;
	call->deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (call->deadline.tv_nsec >= 1000000000) {
		call->deadline.tv_sec++;
		call->deadline.tv_nsec -= 1000000000;
	}
	r = call->fd < 0 ? dial(run_dir, e, call) : 0;
	if (r)
		return r;
	len = strlen(text);
	text[len] = '\n'; /* in the place of the terminator */
	r = send_all(call, text, len + 1);
	return r ? fail(e, r, "send request to linnetd") : 0;
}

/* Reads up to the end of the line. */
static int read_line(const struct lnt_agent_call *call, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		ssize_t n = recv(call->fd, buf + len, size - 1 - len, 0);
		char *end;
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			r = ready(call, POLLIN);
			if (r)
				return r;
			continue;
		}
		if (n < 0)
			return -errno;
		if (!n)
			return -ECONNRESET;
		end = memchr(buf + len, '\n', (size_t)n);
		len += (size_t)n;
		if (end) {
			*end = '\0';
			return 0;
		}
	}
	return -EPROTO;
}

/* What a reply means. */
static int understand(const char *line, struct lnt_err *e)
{
	_cleanup_json_ cJSON *reply = cJSON_Parse(line);
	const cJSON *ok = lnt_json_get(reply, "ok");
	const cJSON *code = lnt_json_get(reply, "code");
	const char *msg = lnt_json_str(reply, "msg");

	if (!cJSON_IsBool(ok))
		return fail(e, -EPROTO, "linnetd's answer is not understood");
	if (cJSON_IsTrue(ok))
		return 0;
	if (e && !e->err)
		e->code = cJSON_IsNumber(code) && code->valuedouble >= 1 &&
				code->valuedouble <= 999999
			? (unsigned)code->valuedouble
			: LNT_CNI_TRY_AGAIN_LATER;
	return lnt_err_set(e, -ECANCELED, "linnetd: %s", msg && *msg ? msg : "refused");
}

int lnt_agent_wait(const struct lnt_agent_call *call, struct lnt_err *e)
{
	char line[MAX_REPLY];
	int r = read_line(call, line, sizeof(line));

	switch (r) {
	case 0:
		return understand(line, e);
	case -ETIMEDOUT:
		return fail(e, r, "linnetd did not answer in time");
	case -ECONNRESET:
		return fail(e, r, "linnetd hung up without an answer");
	case -EPROTO:
		return fail(e, r, "linnetd's answer is too long");
	}
	return fail(e, r, "read linnetd's answer");
}

int lnt_agent_ask(const char *run_dir, const cJSON *req, unsigned timeout_ms, struct lnt_err *e)
{
	_cleanup_agent_ struct lnt_agent_call call = LNT_AGENT_CALL_NONE;
	int r = lnt_agent_send(&call, run_dir, req, timeout_ms, e);

	return r ? r : lnt_agent_wait(&call, e);
}
