/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of line_socket.h. */
#include "agent/line_socket.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int lnt_line_listen(uv_pipe_t *pipe, const char *run_dir, const char *name,
	uv_connection_cb connected, struct lnt_err *e)
{
	char path[PATH_MAX];
	mode_t mask;
	int r = 0;

	snprintf(path, sizeof(path), "%s/%s", run_dir, name);
	if (unlink(path) && errno != ENOENT)
		r = -errno;
	if (!r) {
		mask = umask(0177);
		r = uv_pipe_bind(pipe, path);
		umask(mask);
	}
	if (!r)
		r = uv_listen((uv_stream_t *)pipe, 128, connected);
	return r ? lnt_err_set(e, r, "listen at %s: %s", path, uv_strerror(r)) : 0;
}

static void drop_used(struct lnt_lines *l)
{
	l->len -= l->used;
	memmove(l->data, l->data + l->used, l->len);
	l->used = 0;
}

uv_buf_t lnt_lines_room(struct lnt_lines *l)
{
	if (!l->data)
		l->data = malloc(LNT_LINE_MAX);
	if (!l->data)
		return uv_buf_init(NULL, 0);
	drop_used(l);
	return uv_buf_init(l->data + l->len, (unsigned)(LNT_LINE_MAX - l->len));
}

const char *lnt_lines_next(struct lnt_lines *l, size_t *ret_len)
{
	char *end;

	if (!l->data)
		return NULL;
	drop_used(l);
	end = memchr(l->data, '\n', l->len);
	if (!end)
		return NULL;
	*end = '\0';
	*ret_len = (size_t)(end - l->data);
	l->used = *ret_len + 1;
	return l->data;
}

bool lnt_lines_full(const struct lnt_lines *l)
{
	return l->len == LNT_LINE_MAX && !l->used && !memchr(l->data, '\n', l->len);
}

void lnt_lines_clear(struct lnt_lines *l)
{
	free(l->data);
	*l = (struct lnt_lines){};
}
