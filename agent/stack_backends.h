/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Services that are open to the outside and have a backend that the node's own stack answers for: a
 * process of the host (a host-network pod, the API server), or a machine behind a device that
 * linnet does not serve. Their answers leave by the stack, where to_node translates them back; it
 * costs every packet of the host, so it is attached only while there is such a service. So it is
 * for any service of SCTP: the node's own sockets of it are translated there, for no hook sees
 * them; and on the loopback device, by which they ask the node's own addresses.
 *
 * An address in a pod CIDR is no such backend. Of any other the routing table says whether it is
 * reached by one of the node's devices.
 */
#include "agent/compile/compile.h"
#include "agent/node/devices.h"

struct lnt_stack_frontend;

/* Zero-initialise it. */
struct lnt_stack_backends {
	struct lnt_stack_frontend *frontends; /* owned; those that need to_node */
	struct lnt_prefix *cidrs;	      /* owned; pod CIDRs of all nodes, sorted */
	size_t n_cidrs;
	size_t n_sctp; /* of the frontends */
	bool known;    /* all there are have been looked at as things stand */
};

/* Where pods are. Routes may have changed too: all services are looked at again. */
int lnt_stack_backends_place(
	struct lnt_stack_backends *t, const struct lnt_prefix *cidrs, size_t n, struct lnt_err *e);

/* Looks at the @changes, or at all of @services where that is due. Returns 0 or -ENOMEM. */
int lnt_stack_backends_update(struct lnt_stack_backends *t, struct lnt_nl *nl,
	const struct lnt_node_devices *devices, const struct lnt_services *services,
	const struct lnt_service_change *changes, size_t n, struct lnt_err *e);

/* Whether there is any, as of the last update. */
bool lnt_stack_backends_any(const struct lnt_stack_backends *t);

/* Whether one of them is of SCTP. */
bool lnt_stack_backends_sctp(const struct lnt_stack_backends *t);

void lnt_stack_backends_clear(struct lnt_stack_backends *t);
