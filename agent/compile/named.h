/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Named ports: the names that policies use, and the facts "this name is TCP 8080" that pods state
 * about them. Names are noted first, facts collected from pods second, then sealed: sealing sorts
 * the facts and numbers them in that order (their rank). Names that no policy uses cost nothing.
 */
#include "agent/compile/index.h"
#include "agent/model/model.h"
#include "datapath/abi.h"

struct lnt_named_fact {
	const char *name; /* interned */
	uint16_t port;	  /* host byte order */
	uint8_t proto;
	bool egress; /* an egress rule uses the name */
};

struct lnt_named {
	struct lnt_named_use {
		const char *name; /* interned */
		uint8_t proto;
		bool egress;
	} * uses;
	size_t n_uses, cap_uses;
	struct lnt_index by_use;
	struct lnt_named_fact *facts; /* by rank, once sealed */
	size_t n_facts, cap_facts;
	struct lnt_index by_fact;
};

/* Whether a rule's port means the port of that name; of any protocol where it says none. */
static inline bool lnt_named_is(const struct lnt_netpol_port *port, const char *name, uint8_t proto)
{
	return port->name == name && (!port->proto || port->proto == proto);
}

/* Notes that a rule uses a name. Returns 0 or -ENOMEM. */
int lnt_named_use(struct lnt_named *nm, enum lnt_direction dir, const char *name, uint8_t proto);

/* Collects what a pod states about the names in use. Returns 0 or -ENOMEM. */
int lnt_named_collect(struct lnt_named *nm, const struct lnt_pod *pod);

int lnt_named_seal(struct lnt_named *nm);

/* Whether a rule uses the name of a pod's port. */
bool lnt_named_used(const struct lnt_named *nm, const struct lnt_named_port *port);

/* The rank of a pod's port, or LNT_NONE when no policy uses the name. */
uint32_t lnt_named_rank(const struct lnt_named *nm, const struct lnt_named_port *port);

/* Content hash of a fact. */
uint64_t lnt_named_hash(const struct lnt_named_fact *fact);

void lnt_named_clear(struct lnt_named *nm);
