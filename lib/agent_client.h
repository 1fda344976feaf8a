/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Asks the agent over the socket of lib/agent_socket.h: one connection and one request a call. A
 * call has two halves so that the caller can work while the agent does.
 */
#include "lib/agent_socket.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#include <cjson/cJSON.h>
#include <time.h>

/* A request under way. Closing it without reading the reply withdraws an "add" that still waits. */
struct lnt_agent_call {
	int fd;			  /* -1: none */
	struct timespec deadline; /* CLOCK_MONOTONIC */
};

#define LNT_AGENT_CALL_NONE \
	{                   \
		.fd = -1    \
	}

/*
 * Connects to the agent below @run_dir and sends @req, which stays the caller's. The whole call,
 * with the reply, may take @timeout_ms. Returns 0, or -errno with code LNT_CNI_TRY_AGAIN_LATER in
 * @e: -ECONNREFUSED and -ENOENT mean that no agent is there.
 */
int lnt_agent_send(const char *run_dir, const cJSON *req, unsigned timeout_ms, struct lnt_err *e,
	struct lnt_agent_call *ret_call);

/*
 * Waits for the reply and closes the call. Returns 0 when the agent said ok. Otherwise -errno, with
 * the agent's own code and text in @e when it refused (-ECANCELED), or LNT_CNI_TRY_AGAIN_LATER when
 * it did not answer in time (-ETIMEDOUT), hung up (-ECONNRESET), or said what is no reply
 * (-EPROTO).
 */
int lnt_agent_wait(struct lnt_agent_call *call, struct lnt_err *e);

/* Both halves. */
int lnt_agent_ask(const char *run_dir, const cJSON *req, unsigned timeout_ms, struct lnt_err *e);

static inline void lnt_agent_close(struct lnt_agent_call *call)
{
	lnt_closep(&call->fd);
	call->fd = -1;
}
#define _cleanup_agent_ _cleanup_(lnt_agent_close)
