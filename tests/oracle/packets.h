/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The datapath's programs with a compiled state in their maps, written there as the agent does it,
 * and packets sent from where their source is: a pod's device, the host, the wire.
 */
#include "tests/oracle/compiled.h"
#include "tests/oracle/questions.h"

struct packets;

/*
 * Loads the programs in namespaces of its own, and gives local endpoints their devices from then
 * on. One a process, as root.
 */
struct packets *packets_open(void);
void packets_close(struct packets *p);

/* Forgets all connections. */
void packets_forget(struct packets *p);

/* Brings the maps to @c. Returns NULL, or what went wrong. */
const char *packets_write(struct packets *p, const struct compiled *c);

enum packets_fate {
	PACKET_PASSED,
	PACKET_DENIED, /* by policy, or because a pod is not programmed */
	PACKET_UNSENT, /* such a packet cannot be */
	PACKET_LOST,   /* dropped for another reason */
};

/*
 * Sends the first packet of a connection. @number tells connections with the same ends and port
 * apart, below 10,000. @ret_reason: of a drop.
 */
enum packets_fate packets_send(struct packets *p, const struct compiled *c,
	const struct address *src, const struct address *dst, struct l4 l4, unsigned number,
	const char **ret_reason);
