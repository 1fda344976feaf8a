/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * spec.healthCheckNodePort: where a load balancer asks whether this node has endpoints of a service
 * with externalTrafficPolicy Local. Any request at the port is answered as kube-proxy answers it:
 * 200 with at least one ready endpoint here and a healthy proxy, else 503; the numbers as JSON, and
 * as the weight that weighted balancers read (Service API, "Preserving the client source IP";
 * KEP-3836: that the node is about to be deleted makes no difference here).
 */
#include "agent/compile/compile.h"
#include "agent/serve/server.h"

struct lnt_health_checks;

struct lnt_health_ops {
	/* Whether services are kept up to date. */
	bool (*healthy)(void *ctx);
	/* A port cannot be opened, or can again. */
	void (*say)(void *ctx, const struct lnt_notice *n, bool gone);
	void *ctx;
};

/* @server must outlive it. NULL: no memory. */
struct lnt_health_checks *lnt_health_checks_new(
	struct lnt_server *server, const struct lnt_health_ops *ops);
void lnt_health_checks_free(struct lnt_health_checks *h);

/*
 * Serves exactly @list (sorted, as lnt_services_health() has it), each at all of @addrs. Who was
 * served before keeps its sockets. Returns 0, or -ENOMEM with what could be done.
 */
int lnt_health_checks_set(struct lnt_health_checks *h, const struct lnt_service_health *list,
	size_t n, const struct lnt_nodeport_addr *addrs, size_t n_addrs);

struct lnt_health_stats {
	size_t served;	      /* services */
	size_t failing;	      /* of them, without all their sockets */
	uint64_t ok;	      /* answers of 200 */
	uint64_t unavailable; /* answers of 503 */
};
struct lnt_health_stats lnt_health_checks_stats(const struct lnt_health_checks *h);

/* The answer for @c; @ret_answer->body is owned by the caller. */
void lnt_health_answer(
	const struct lnt_service_health *c, bool healthy, struct lnt_answer *ret_answer);
