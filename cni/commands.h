/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The verbs of CNI SPEC.md 1.1.0, one file each. All take a checked request and return 0, or -errno
 * with a CNI code in @e. Only ADD and VERSION write to standard output.
 */
#include "cni/config.h"
#include "lib/agent_client.h"

/* Longest that DEL waits for the agent: what it frees does not depend on it. */
#define LNT_AGENT_DEL_TIMEOUT_MS    1000
#define LNT_AGENT_STATUS_TIMEOUT_MS 2000
/* The agent answers an add within LNT_AGENT_ADD_TIMEOUT_MS; a little more for being told so. */
#define LNT_AGENT_ADD_WAIT_MS (LNT_AGENT_ADD_TIMEOUT_MS + 2000)

/* Connects the container. Whatever fails is undone, so that a failed ADD leaves nothing behind. */
int lnt_cmd_add(const struct lnt_request *req, struct lnt_err *e);

/* Disconnects it. Goes on after a failure; everything may be absent already. */
int lnt_cmd_del(const struct lnt_request *req, struct lnt_err *e);

/* Compares prevResult, the record, the namespaces, the programs and the agent. */
int lnt_cmd_check(const struct lnt_request *req, struct lnt_err *e);

/* Removes what belongs to this network and to no valid attachment. Goes on after a failure. */
int lnt_cmd_gc(const struct lnt_request *req, struct lnt_err *e);

/* Whether an ADD could succeed now. */
int lnt_cmd_status(const struct lnt_request *req, struct lnt_err *e);

/* Versions that linnet speaks. @raw: standard input, which may name one; any content will do. */
int lnt_cmd_version(const char *raw, size_t len, struct lnt_err *e);

/*
 * Removes an attachment: device, pins, the agent's entry, addresses of the built-in IPAM, record,
 * in this order: no packet passes without its program, and no address is free while something still
 * points to it. Goes on after a failure and reports the first.
 */
int lnt_attachment_remove(const struct lnt_request *req, const char *container_id,
	const char *ifname, struct lnt_err *e);

/* Asks over @call whether the agent is there and ready, in two halves. @code: for when it is not.
 */
int lnt_ready_ask(const struct lnt_request *req, struct lnt_agent_call *call,
	enum lnt_cni_code code, struct lnt_err *e);
int lnt_ready_wait(const struct lnt_agent_call *call, enum lnt_cni_code code, struct lnt_err *e);
