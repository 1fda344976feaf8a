/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Something that is wrong with an object of the cluster and stays so until somebody changes it. */
#include "agent/model/model.h"

/* Each has a word for people and their alerts (lnt_notice_reason_text). */
enum lnt_notice_reason {
	LNT_NOTICE_UNSUPPORTED,	     /* linnet does not do this; it has no effect */
	LNT_NOTICE_PARTLY_SERVED,    /* what makes no sense in a service is left out */
	LNT_NOTICE_ADDRESS_CONFLICT, /* another service has the address and port */
	LNT_NOTICE_HEALTH_CHECK,     /* the healthCheckNodePort cannot be opened */
	LNT_NOTICE_NODE_PORT_TAKEN,  /* a process of the node has bound the nodePort */
	LNT_NOTICE_ODD_ENDPOINTS,    /* they are served, but were they meant? */
	LNT_NOTICE_NOT_PROGRAMMED,   /* it does not fit into the maps */
	LNT_NOTICE_REASON_MAX,
};

struct lnt_notice {
	enum lnt_kind kind;    /* a pod, service or policy */
	const char *ns, *name; /* ns: "" for ClusterNetworkPolicies */
	enum lnt_notice_reason reason;
	const char *text; /* what is wrong, without the object's name */
};

/* "Unsupported": CamelCase, as Events have it. Never NULL. */
const char *lnt_notice_reason_text(enum lnt_notice_reason reason);

/* "Service"; "?" for kinds that notices are not about. */
const char *lnt_notice_kind_text(enum lnt_kind kind);
