/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bodies cut into the pieces that are decoded, as the bytes arrive: a list into its items, a watch
 * into its lines. So at most one object is held as JSON, however long the body is.
 */
#include "lib/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* A longer object is an error: etcd refuses objects above 1.5 MiB. */
#define LNT_STREAM_MAX (8UL << 20)

struct lnt_buf {
	char *data; /* owned */
	size_t n, size;
};

/* Appends. Returns 0, -EMSGSIZE beyond LNT_STREAM_MAX, or -ENOMEM. */
int lnt_buf_add(struct lnt_buf *b, const char *data, size_t n, struct lnt_err *e);
/* Frees what it holds and empties it. */
void lnt_buf_release(struct lnt_buf *b);

/* One JSON value and nothing else but white space, or NULL. The caller owns it. */
cJSON *lnt_stream_parse(const char *text, size_t n);

/* Called for each piece; non-zero stops and is returned. */
typedef int lnt_stream_fn(void *ctx, const char *text, size_t n);

/* A list's body: the elements of the top level's "items" go to fn, the rest is the envelope. */
struct lnt_split {
	lnt_stream_fn *fn;
	void *ctx;
	struct lnt_buf item, envelope;
	size_t key_at; /* in the envelope, where the last string began */
	unsigned depth;
	bool in_string, escaped, in_items, in_item;
	unsigned char key; /* how much of `"items":` precedes: 0, 1 (the string), 2 (the colon) */
};

/* Returns 0, -EPROTO for what cannot be a list, -EMSGSIZE, -ENOMEM, or what fn returned. */
int lnt_split_feed(struct lnt_split *s, const char *data, size_t n, struct lnt_err *e);

/* The whole body was fed. The envelope as a new object, or -EPROTO. */
int lnt_split_finish(struct lnt_split *s, struct lnt_err *e, cJSON **ret_envelope);

/* Forgets the state and the buffers, keeps fn and ctx. */
void lnt_split_reset(struct lnt_split *s);

struct lnt_lines {
	lnt_stream_fn *fn; /* gets lines without their newline; empty lines are skipped */
	void *ctx;
	struct lnt_buf line; /* what came without a newline yet */
};

int lnt_lines_feed(struct lnt_lines *l, const char *data, size_t n, struct lnt_err *e);
void lnt_lines_reset(struct lnt_lines *l);
