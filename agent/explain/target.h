/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two ends that people name for a trace, found in the store. */
#include "agent/explain/who.h"
#include "lib/err.h"

/* One end of a connection, at one address. */
struct lnt_trace_end {
	struct in6_addr addr;
	uint16_t port; /* host byte order, of the target; 0: none (ICMP) */
	enum lnt_who_kind kind;
	const struct lnt_pod *pod; /* LNT_WHO_POD only */
	const char *ns, *name;	   /* of the pod or node, else "" */
	const char *node;	   /* that it is on, or is; "": none */
};

#define LNT_TRACE_ENDS_MAX 8 /* of a service: backends of both families */

struct lnt_trace_target {
	uint8_t proto;	   /* 0: ICMP, which has a number for each family */
	char service[520]; /* "namespace/name" if it is one, else "" */
	size_t n_left_out; /* backends beyond what fits */
	size_t n;
	struct lnt_trace_end ends[LNT_TRACE_ENDS_MAX];
};

/* What names are looked up in. Borrowed. */
struct lnt_trace_names {
	const struct lnt_store *st;
	const struct lnt_directory *dir;
};

/*
 * "namespace/pod", an address, or a node's name, to the addresses it has: one of each family at
 * most. Returns 0, or -ENOENT or -EINVAL with @e saying what is wrong. Valid until the store
 * changes.
 */
int lnt_trace_source(const struct lnt_trace_names *names, const char *text, struct lnt_err *e,
	struct lnt_trace_end ret_ends[static 2], size_t *ret_n);

/*
 * The same with ":port", or ":port/protocol" in front of which TCP is meant otherwise; or ":icmp".
 * IPv6 addresses are in brackets. The port of a pod may be one of its names; "namespace/service"
 * with a port of the service stands for its ready backends.
 */
int lnt_trace_target(const struct lnt_trace_names *names, const char *text, struct lnt_err *e,
	struct lnt_trace_target *ret_target);
