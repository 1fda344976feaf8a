/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Events of the programs (datapath/abi.h), for people: who the addresses are and which rule it was.
 */
#include "agent/compile/compile.h"
#include "agent/explain/applies.h"
#include "agent/explain/verdict.h"
#include "agent/explain/who.h"

#include <cjson/cJSON.h>

/* What an event is looked at with. Borrowed. */
struct lnt_event_view {
	const char *node_name;
	const struct lnt_store *st;
	const struct lnt_directory *dir;
	const struct lnt_endpoint *eps; /* of this node */
	size_t n_eps;
	const struct lnt_services *services;	 /* may be NULL */
	struct lnt_policy_source source;	 /* this node's maps */
	const struct lnt_policy_state *compiled; /* its rules' names, the rest is not looked at */
	int64_t clock;				 /* ns since 1970 when the programs' clock was 0 */
};

/* An event as people see it. Valid as long as the view. */
struct lnt_told {
	struct lnt_event ev;
	bool known; /* the packet was read: there are ends */
	bool reply; /* the packet is of the connection's target */
	struct lnt_who src, dst;
	struct lnt_who target;		      /* behind the service, where it is not dst */
	char service[LNT_POLICY_NAME_STRLEN]; /* that the packet is for; "": none */
	const char *rule;		      /* "": none */
	const struct lnt_netpol **policies;   /* owned: what isolates, where no rule decided */
	size_t n_policies;
};

/* What a listener wants to be told of; NULL: all. */
struct lnt_event_filter {
	bool allows;
	const char *pod;    /* "namespace/name": at either end */
	const char *policy; /* as lnt_policy_name() has it: decided, or isolates */
};

void lnt_event_look(
	const struct lnt_event_view *view, const struct lnt_event *ev, struct lnt_told *ret_told);
void lnt_told_clear(struct lnt_told *told);

bool lnt_told_matches(const struct lnt_told *told, const struct lnt_event_filter *filter);

/* As lib/ctl_socket.h has it; the caller owns it. NULL: out of memory. */
cJSON *lnt_told_json(const struct lnt_event_view *view, const struct lnt_told *told);

/* "TCP", "ICMP"; or a number. */
#define LNT_PROTO_STRLEN 8
const char *lnt_proto_text(uint8_t proto, char ret_text[static LNT_PROTO_STRLEN]);
