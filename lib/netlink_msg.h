/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How requests are built and answered: what netlink.c (transport, links) and netlink_ip.c
 * (addresses, routes, neighbours) and netlink_tc.c (filters)
 * share. Nobody else includes this.
 */
#include "lib/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

/* Starts a request at the end of the buffer; attributes of up to 400 bytes may be added. */
struct nlmsghdr *lnt_nl_request(struct lnt_nl *nl, uint16_t type, uint16_t flags);

/* Ends the request. It is sent by what comes next. */
void lnt_nl_queue(struct lnt_nl *nl, struct nlmsghdr *nlh);

/* Ends the request and, outside a batch, carries it out. */
int lnt_nl_submit(struct lnt_nl *nl, struct nlmsghdr *nlh, struct lnt_err *e);

/* The same for a request whose failure does not count. */
int lnt_nl_submit_optional(struct lnt_nl *nl, struct nlmsghdr *nlh, struct lnt_err *e);

/* Carries out what is queued and ends a batch; @cb takes the data messages and returns 0 or -errno.
 */
int lnt_nl_ask(struct lnt_nl *nl, struct lnt_err *e,
	int (*cb)(const struct nlmsghdr *nlh, void *arg), void *arg);

/* Whether the kernel honours the filters in the header of a dump request (4.20). */
bool lnt_nl_filters(const struct lnt_nl *nl);

/* A growing array that a dump fills, with what is of interest. */
struct lnt_nl_list {
	void *items; /* released by a dump that fails, otherwise the caller's */
	size_t n, room, size;
	/* 0: taken, 1: not of interest, or -errno. @ret_item is zeroed. */
	int (*parse)(const struct nlmsghdr *nlh, const struct lnt_nl_list *l, void *ret_item);
	uint32_t ifindex; /* addresses; 0: all */
	uint8_t family;	  /* routes */
	uint8_t protocol; /* routes; 0: all */
};

/* Repeats the dump that @build puts into the buffer until one comes through whole. */
int lnt_nl_dump(struct lnt_nl *nl, void (*build)(struct lnt_nl *nl, const struct lnt_nl_list *l),
	struct lnt_nl_list *l, struct lnt_err *e);
