/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A reflector keeps one kind of the store true to the API server: list, watch, resume, list again
 * (Kubernetes API concepts, "Efficient detection of changes"). While the server cannot be asked the
 * store keeps what it has.
 *
 * ClusterNetworkPolicies need not be there, as their CRD need not be installed: without it the
 * store has none, and it is noticed within half a minute when it comes.
 */
#include "agent/kube/http.h"

struct lnt_reflector;

struct lnt_reflector_events {
	void (*synced)(void *ctx); /* listed, or known to be absent, for the first time */
	void (*alive)(void *ctx);  /* the server answers again after it did not */
	void (*lost)(void *ctx);   /* it does not answer at all */
	void (*closed)(void *ctx); /* the reflector is gone */
	void *ctx;
};

/* Everything passed must outlive the reflector, but for @events. NULL: no memory. */
struct lnt_reflector *lnt_reflector_new(uv_loop_t *loop, struct lnt_http *http,
	struct lnt_store *store, enum lnt_kind kind, unsigned stall_ms,
	const struct lnt_reflector_events *events);
void lnt_reflector_start(struct lnt_reflector *r);

/* Another reflector reached the server: do not wait long any more if this one could not. */
void lnt_reflector_nudge(struct lnt_reflector *r);

/* The client asks elsewhere now: what was not answered is asked there, soon. */
void lnt_reflector_moved(struct lnt_reflector *r);

void lnt_reflector_state(const struct lnt_reflector *r, struct lnt_kube_watch_state *ret_state);

/* Stops; the reflector is freed after a call of closed. */
void lnt_reflector_close(struct lnt_reflector *r);
