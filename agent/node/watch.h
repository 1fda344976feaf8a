/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tells when the node's links, addresses or routes changed: flows remember next hops, and policy
 * knows the node by its addresses. Only that something changed is told, never what: readers look
 * again, so that a lost message costs nothing.
 */
#include "lib/err.h"

#include <uv.h>

struct lnt_node_watch;

/* @changed is called on @loop, at most every 100 ms. The caller closes *@ret_watch. */
int lnt_node_watch_new(uv_loop_t *loop, void (*changed)(void *ctx), void *ctx, struct lnt_err *e,
	struct lnt_node_watch **ret_watch);

/* Closes on the loop and frees when that is done. NULL is fine. */
void lnt_node_watch_close(struct lnt_node_watch *w);
