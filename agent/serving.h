/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the agent serves over HTTP: its own state (--http-address), the health that load balancers
 * ask of a service proxy (--healthz-bind-address), and the services' healthCheckNodePorts.
 */
#include "agent/agent.h"
#include "agent/serve/health_checks.h"

/* Listens at the first two; a port that is taken is no failure, it is tried again. */
int lnt_serving_open(struct lnt_agent *a, struct lnt_err *e);
void lnt_serving_close(struct lnt_agent *a);

/* The services are in the maps: their health checks follow. */
void lnt_serving_services(struct lnt_agent *a);

/* Zero before the agent serves. */
struct lnt_health_stats lnt_serving_health_stats(const struct lnt_agent *a);

/* a->dirty has changed: for how long services have been waiting is what makes the proxy unwell. */
void lnt_serving_dirty(struct lnt_agent *a);

/* Whether services are kept up to date, as health checks say it. */
bool lnt_serving_is_healthy(const struct lnt_agent *a);

/* Services that wait for longer than this are not kept up to date, as kube-proxy counts. */
#define LNT_SERVING_PENDING_MS 60000
