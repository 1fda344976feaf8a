/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The allocator's file in memory, see ipam.h. Pure: text in, text out. */
#include "cni/ipam.h"

struct lnt_span {
	const char *p;
	size_t n;
};

struct lnt_ipam_entry {
	struct in6_addr addr;
	struct lnt_span network, container, ifname; /* borrowed from the text or the owner */
	struct lnt_span line;			    /* as it was read, with its end; empty: new */
};

struct lnt_ipam_last {
	struct in6_addr addr;
	struct lnt_prefix range;
};
#define LNT_MAX_LAST 32

struct lnt_ipam_state {
	char *text;			/* owned */
	struct lnt_ipam_entry *entries; /* ascending by address; owned */
	size_t n, room;
	struct lnt_ipam_last last[LNT_MAX_LAST];
	unsigned n_last;
};

/* Parses @text, which the state takes over on success. Returns 0, or -EBADMSG with line and reason.
 */
int lnt_ipam_state_parse(char *text, size_t len, struct lnt_err *e, struct lnt_ipam_state *ret_st);

/* The file's text, owned by the caller. Returns 0 or -ENOMEM. */
int lnt_ipam_state_print(const struct lnt_ipam_state *st, char **ret_text, size_t *ret_len);

void lnt_ipam_state_free(struct lnt_ipam_state *st);
#define _cleanup_ipam_state_ __attribute__((__cleanup__(lnt_ipam_state_free)))

/* Puts an entry in its place. Returns 0, -EEXIST when the address is used, or -ENOMEM. */
int lnt_ipam_state_add(
	struct lnt_ipam_state *st, const struct in6_addr *addr, const struct lnt_owner *owner);

/* Whether @entry belongs to the attachment. */
bool lnt_ipam_entry_is(
	const struct lnt_ipam_entry *entry, const char *container_id, const char *ifname);

/* The next free address of @range. Returns 0, or -ENOSPC. Remembers nothing. */
int lnt_ipam_state_next(
	const struct lnt_ipam_state *st, const struct lnt_prefix *range, struct in6_addr *ret_addr);

/* Remembers where the search in @range goes on. */
void lnt_ipam_state_note(
	struct lnt_ipam_state *st, const struct lnt_prefix *range, const struct in6_addr *addr);
