/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names that the agent knows for what the maps have numbers for; first wanted, then asked at once.
 */
#include "agent/ctl/ctl.h"

#include <stddef.h>
#include <uthash.h>

enum ctl_names_of {
	CTL_NAMES_ADDRESSES, /* "10.0.0.1" -> "ns/pod", with a kind */
	CTL_NAMES_FRONTENDS, /* "10.96.0.1 80 6" -> "ns/service" */
	CTL_NAMES_RULES,     /* "123" -> "ns/policy ingress[0]" */
	CTL_NAMES_MAX,
};

struct ctl_name {
	char *text; /* owned, as the next two */
	char *name; /* NULL: it has none */
	char *kind; /* "pod", "node" or "container", of addresses only */
	UT_hash_handle hh;
};

/* Zero-initialise it. */
struct ctl_names {
	struct ctl_name *by_text[CTL_NAMES_MAX]; /* owned */
};

/* Out of memory: the process ends. */
void ctl_names_want(struct ctl_names *names, enum ctl_names_of of, const char *text);

/* Asks for all that is wanted. False: no agent answers, which was said; then nothing has a name. */
bool ctl_names_ask(struct ctl_names *names, struct ctl *c);

/* NULL: it has no name. After ctl_names_ask(). */
const struct ctl_name *ctl_names_find(
	const struct ctl_names *names, enum ctl_names_of of, const char *text);
void ctl_names_clear(struct ctl_names *names);
