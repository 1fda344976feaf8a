/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the agent's unix sockets share: listening on the loop, and requests that are lines. */
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define LNT_LINE_MAX (64 * 1024)

/*
 * Listens at "<run_dir>/<name>" (mode 0600), in the place of a socket left by a predecessor. @pipe
 * is initialised; the caller closes it, also on failure.
 */
int lnt_line_listen(uv_pipe_t *pipe, const char *run_dir, const char *name,
	uv_connection_cb connected, struct lnt_err *e);

/* What has arrived of a connection. Zero-initialise it. */
struct lnt_lines {
	char *data; /* owned */
	size_t len;
	size_t used; /* of these: what lnt_lines_next() has given */
};

/* Where the next bytes go, for uv_alloc_cb; nowhere when there is no room or no memory. */
uv_buf_t lnt_lines_room(struct lnt_lines *l);

/*
 * The next line, with a zero byte in the place of its end; its length without that in *ret_len.
 * Valid until the next call for @l. NULL: there is no whole one yet.
 */
const char *lnt_lines_next(struct lnt_lines *l, size_t *ret_len);
/* Whether a line is longer than LNT_LINE_MAX: it will never be whole. */
bool lnt_lines_full(const struct lnt_lines *l);
void lnt_lines_clear(struct lnt_lines *l);
