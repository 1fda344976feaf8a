/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sockets of this node, in its own namespace and in its pods', that a socket hook has connected to
 * a backend which is gone, are ended, so that the application connects again and gets another one
 * (datapath/sockdestroy.h). Level-triggered: what sockets are connected to is compared with what
 * there is, so that a backend that went while no agent ran is found as well.
 *
 * - UDP: gone when it is chosen for new traffic no more, as kube-proxy removes conntrack entries of
 *   UDP then. A connected socket would stay with it for ever.
 * - TCP: gone when moreover no EndpointSlice lists it as ready or serving. What merely terminates
 *   keeps its connections (KEP-1669).
 *
 * A socket that speaks to a pod's own address is nobody's business.
 */
#include "agent/model/store.h"
#include "agent/registry.h"
#include "agent/sync/sync.h"

/* Loads what it takes, once the datapath is loaded. False, and one log line: not on this kernel. */
bool lnt_drain_load(const char *bpf_root);

/*
 * Ends what has to be ended now; @s must hold what was last synced. Costs a pass over the node's
 * translated sockets, and where there are any one over services and backends. Failures to end a
 * socket are logged and the others are ended.
 */
int lnt_drain_run(const char *bpf_root, const struct lnt_sync *s, const struct lnt_store *st,
	const struct lnt_registry *reg, struct lnt_err *e);
