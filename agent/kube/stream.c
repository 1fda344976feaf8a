/* SPDX-License-Identifier: Apache-2.0 */
/* The splitters of stream.h. They find boundaries only; cJSON judges the pieces. */
#include "agent/kube/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENVELOPE_MAX (64UL << 10)
#define KEEP	     (64UL << 10) /* a buffer that grew beyond is given back */

static int append(struct lnt_buf *b, const char *data, size_t n, size_t max, struct lnt_err *e)
{
	size_t size = b->size ?: 1024;
	char *p;

	if (n > max - b->n)
		return lnt_err_set(e, -EMSGSIZE, "an object of more than %zu bytes", max);
	while (size < b->n + n)
		size *= 2;
	if (size != b->size) {
		p = realloc(b->data, size);
		if (!p)
			return -ENOMEM;
		b->data = p;
		b->size = size;
	}
	memcpy(b->data + b->n, data, n);
	b->n += n;
	return 0;
}

int lnt_buf_add(struct lnt_buf *b, const char *data, size_t n, struct lnt_err *e)
{
	return append(b, data, n, LNT_STREAM_MAX, e);
}

void lnt_buf_release(struct lnt_buf *b)
{
	free(b->data);
	*b = (struct lnt_buf){};
}

/* Empties @b; a rare big object does not pin its memory. */
static void empty(struct lnt_buf *b)
{
	if (b->size > KEEP)
		lnt_buf_release(b);
	b->n = 0;
}

cJSON *lnt_stream_parse(const char *text, size_t n)
{
	const char *end = NULL;
	cJSON *json = cJSON_ParseWithLengthOpts(text, n, &end, 0);

	for (; json && end < text + n; end++) {
		if (!strchr(" \t\r\n", *end) || !*end) {
			cJSON_Delete(json);
			return NULL;
		}
	}
	return json;
}

/* --- list bodies ------------------------------------------------------------------------------ */

static int put(struct lnt_buf *b, char c, size_t max, struct lnt_err *e)
{
	if (b->n == b->size || b->n == max)
		return append(b, &c, 1, max, e);
	b->data[b->n++] = c;
	return 0;
}

/*
 * Between the items: only objects, commas and the end may come. Returns 1 when the byte is to be
 * kept, 0 when not, or -EPROTO.
 */
static int between_items(struct lnt_split *s, char c, struct lnt_err *e)
{
	switch (c) {
	case '{':
		s->in_item = true;
		return 1;
	case ']':
		s->in_items = false;
		return 1;
	case ',':
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return 0;
	}
	return lnt_err_set(e, -EPROTO, "an item of the list is no object");
}

/* A kept byte inside a string; `"items"` as a whole string of the top level may be the key. */
static void string_byte(struct lnt_split *s, char c)
{
	static const char key[] = "\"items\"";
	const struct lnt_buf *b = &s->envelope;

	if (s->escaped) {
		s->escaped = false;
	} else if (c == '\\') {
		s->escaped = true;
	} else if (c == '"') {
		s->in_string = false;
		s->key = s->depth == 1 && !s->in_item && b->n - s->key_at == strlen(key) &&
			!memcmp(b->data + s->key_at, key, strlen(key));
	}
}

/* A kept byte outside of strings. */
static int plain_byte(struct lnt_split *s, char c, struct lnt_err *e)
{
	unsigned char key = s->key;

	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return 0;
	s->key = 0;
	switch (c) {
	case '"':
		s->in_string = true;
		s->key_at = s->envelope.n - 1;
		break;
	case ':':
		s->key = key == 1 ? 2 : 0;
		break;
	case '{':
	case '[':
		s->in_items |= c == '[' && s->depth == 1 && key == 2;
		s->depth++;
		break;
	case '}':
	case ']':
		if (!s->depth)
			return lnt_err_set(e, -EPROTO, "no JSON: unbalanced brackets");
		s->depth--;
		break;
	}
	return 0;
}

static int end_item(struct lnt_split *s)
{
	int r = s->fn(s->ctx, s->item.data, s->item.n);

	s->in_item = false;
	empty(&s->item);
	return r;
}

static int split_byte(struct lnt_split *s, char c, struct lnt_err *e)
{
	int r = 1;

	if (s->in_items && !s->in_item)
		r = between_items(s, c, e);
	if (r <= 0)
		return r;
	r = s->in_item ? put(&s->item, c, LNT_STREAM_MAX, e)
		       : put(&s->envelope, c, ENVELOPE_MAX, e);
	if (r)
		return r;
	if (s->in_string) {
		string_byte(s, c);
		return 0;
	}
	r = plain_byte(s, c, e);
	/* The top level is 1, the list of items 2: an item that has ended is back there. */
	if (!r && s->in_item && s->depth == 2)
		r = end_item(s);
	return r;
}

int lnt_split_feed(struct lnt_split *s, const char *data, size_t n, struct lnt_err *e)
{
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		r = split_byte(s, data[i], e);
	return r;
}

int lnt_split_finish(struct lnt_split *s, struct lnt_err *e, cJSON **ret_envelope)
{
	cJSON *json = NULL;

	if (!s->depth && !s->in_string && s->envelope.n)
		json = lnt_stream_parse(s->envelope.data, s->envelope.n);
	if (!cJSON_IsObject(json)) {
		cJSON_Delete(json);
		return lnt_err_set(
			e, -EPROTO, "the body of a list is no JSON object, or is cut off");
	}
	*ret_envelope = json;
	return 0;
}

void lnt_split_reset(struct lnt_split *s)
{
	lnt_buf_release(&s->item);
	lnt_buf_release(&s->envelope);
	*s = (struct lnt_split){.fn = s->fn, .ctx = s->ctx};
}

/* --- lines ------------------------------------------------------------------------------------ */

static int end_line(struct lnt_lines *l, const char *text, size_t n)
{
	while (n && (text[n - 1] == '\r' || text[n - 1] == ' '))
		n--;
	return n ? l->fn(l->ctx, text, n) : 0;
}

int lnt_lines_feed(struct lnt_lines *l, const char *data, size_t n, struct lnt_err *e)
{
	const char *end = data + n, *nl;
	int r = 0;

	while (!r && data < end && (nl = memchr(data, '\n', end - data))) {
		if (l->line.n) {
			r = append(&l->line, data, nl - data, LNT_STREAM_MAX, e);
			r = r ? r : end_line(l, l->line.data, l->line.n);
			empty(&l->line);
		} else {
			r = end_line(l, data, nl - data);
		}
		data = nl + 1;
	}
	return r || data >= end ? r : append(&l->line, data, end - data, LNT_STREAM_MAX, e);
}

void lnt_lines_reset(struct lnt_lines *l)
{
	lnt_buf_release(&l->line);
}
