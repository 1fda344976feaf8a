/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The agent's metrics (serve/metrics.h); docs/metrics.md lists them. */
#include "agent/agent.h"
#include "agent/serve/metrics.h"

extern const struct lnt_metric lnt_agent_metrics[];
extern const size_t lnt_n_agent_metrics;
