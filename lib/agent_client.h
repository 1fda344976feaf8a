/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Asks the agent over the socket of lib/agent_socket.h. A call has two halves so that the caller
 * can work while the agent does; several calls may share a connection, one after another.
 */
#include "lib/agent_socket.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#include <cjson/cJSON.h>
#include <time.h>

/* A connection. Closing it without reading the reply withdraws an "add" that still waits. */
struct lnt_agent_call {
	int fd;			  /* -1: none */
	struct timespec deadline; /* of the request under way, CLOCK_MONOTONIC */
};

#define LNT_AGENT_CALL_NONE \
	{                   \
		.fd = -1    \
	}

/*
 * Sends @req, which stays the caller's; connects to the agent below @run_dir unless @call already
 * is. The exchange, with the reply, may take @timeout_ms. Returns 0, or -errno with code
 * LNT_CNI_TRY_AGAIN_LATER in @e: -ECONNREFUSED and -ENOENT mean that no agent is there. The caller
 * closes @call.
 */
int lnt_agent_send(struct lnt_agent_call *call, const char *run_dir, const cJSON *req,
	unsigned timeout_ms, struct lnt_err *e);

/*
 * Waits for the reply. Returns 0 when the agent said ok. Otherwise -errno, with the agent's own
 * code and text in @e when it refused (-ECANCELED), or LNT_CNI_TRY_AGAIN_LATER when it did not
 * answer in time (-ETIMEDOUT), hung up (-ECONNRESET), or said what is no reply (-EPROTO).
 */
int lnt_agent_wait(const struct lnt_agent_call *call, struct lnt_err *e);

/* Both halves, on a connection of its own. */
int lnt_agent_ask(const char *run_dir, const cJSON *req, unsigned timeout_ms, struct lnt_err *e);

static inline void lnt_agent_close(struct lnt_agent_call *call)
{
	lnt_closep(&call->fd);
	call->fd = -1;
}
#define _cleanup_agent_ _cleanup_(lnt_agent_close)
