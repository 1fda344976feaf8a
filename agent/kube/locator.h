/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the API server is, if nobody says. What a pod is told is its Service, which nobody may
 * serve before linnet does. But the kubelet, which has started this pod, is connected to the API
 * server: so that is at the other end of one of the node's own connections, and proves it with its
 * certificate (lnt_http_probe). Needs the node's network namespace and no privilege.
 */
#include "agent/kube/http.h"

struct lnt_locator;

struct lnt_locator_events {
	/* A look has ended. @found: the API server; @moved: requests go elsewhere than before. */
	void (*looked)(void *ctx, bool found, bool moved);
	void (*closed)(void *ctx); /* the locator is gone */
	void *ctx;
};

/* @http must outlive it; it is moved to where the API server was found, or back to the Service. A
 * peer that says nothing for @stall_ms is none; 0: the usual. NULL: no memory. */
struct lnt_locator *lnt_locator_new(uv_loop_t *loop, struct lnt_http *http, unsigned stall_ms,
	const struct lnt_locator_events *events);

/* Looks, unless it does already; a while after the last look, which grows with those in vain. */
void lnt_locator_look(struct lnt_locator *l);

void lnt_locator_close(struct lnt_locator *l);

/*
 * The other ends of the TCP connections that this network namespace has made, each once, the ports
 * that API servers usually have first; at most LNT_LOCATOR_PEERS. Returns 0 or -errno.
 */
#define LNT_LOCATOR_PEERS 64
int lnt_locator_peers(struct lnt_http_place ret_peers[static LNT_LOCATOR_PEERS], size_t *ret_n);
