/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What this node's object says of its network, once it works: the condition NetworkUnavailable is
 * False, and the taint LNT_NODE_TAINT, with which a node may register to have no pods before, goes.
 * Asked for by level: with the node as it is, whenever that may have changed; a request is made
 * only for what is not so, and one that failed is made again. Another's False is left as it is.
 */
#include "agent/kube/http.h"

#define LNT_NODE_TAINT "node.linnet.io/agent-not-ready"

struct lnt_node_up;

/* @http must outlive it. @again_ms: the least time between two requests for the same, in case
 * others undo it; 0: the usual. @closed is called when it is freed. NULL: no memory. */
struct lnt_node_up *lnt_node_up_new(uv_loop_t *loop, struct lnt_http *http, unsigned again_ms,
	void (*closed)(void *ctx), void *ctx);

/* The network of @node, which is as the API server last told, works. */
void lnt_node_up_say(struct lnt_node_up *u, const struct lnt_node *node);
void lnt_node_up_close(struct lnt_node_up *u);

/* The bodies of the two requests, for tests; the caller frees them. @taints: as in struct lnt_node.
 * @time: seconds since 1970. NULL: no memory. */
char *lnt_node_up_condition_json(int64_t time);
char *lnt_node_up_taints_json(uint64_t taints);
