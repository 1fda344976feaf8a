/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Processes of the node that hold a NodePort: they had bound it before the service came, or while
 * no socket hook was there. From outside they are reached no more, since the service is asked
 * first; they and the service's users should know. Looked for when NodePorts change, and again
 * while there are any.
 */
#include "agent/compile/compile.h"
#include "agent/notices.h"

/* Zero-initialise it, but for notices.sink. */
struct lnt_port_holders {
	struct lnt_notices notices; /* of LNT_NOTICE_NODE_PORT_TAKEN */
};

/* Whether one of @changes is a NodePort that comes or goes. */
bool lnt_port_holders_concern(const struct lnt_service_change *changes, size_t n);

/*
 * Looks at the sockets of this network namespace and says which of them hold a NodePort of
 * @services, once each, and once when they do no more. Returns 0 or -errno.
 */
int lnt_port_holders_look(
	struct lnt_port_holders *h, const struct lnt_services *services, struct lnt_err *e);

/* Whether there was any at the last look. */
bool lnt_port_holders_any(const struct lnt_port_holders *h);

void lnt_port_holders_clear(struct lnt_port_holders *h);
