/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * rtnetlink(7): links, addresses, routes, neighbours and filters of one network namespace.
 * Addresses are those of lib/addr.h (IPv4 mapped); the family of a request follows from its
 * address.
 *
 * Requests are answered before their function returns, or collected between lnt_nl_batch() and
 * lnt_nl_flush() and then sent with one system call. lnt_link_get() ends a
 * batch as lnt_nl_flush() does; other functions that return data must not be called during one.
 *
 * Dumps are complete or fail: one that the kernel marks as interrupted, or that overran the socket,
 * is repeated. Errors carry the request in words and the kernel's own explanation where it gives
 * one.
 */
#include "lib/addr.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LNT_RTPROT 176 /* rtm_protocol of routes that linnet owns */

struct lnt_nl;

/*
 * Opens a socket in the namespace @netns_fd (-1: the current one). The descriptor is not kept. The
 * caller closes *@ret_nl, which is untouched on failure. Not for use by two threads at once.
 */
int lnt_nl_open(int netns_fd, struct lnt_err *e, struct lnt_nl **ret_nl);
void lnt_nl_close(struct lnt_nl *nl); /* NULL: does nothing */

static inline void lnt_nl_closep(struct lnt_nl **nl)
{
	lnt_nl_close(*nl);
}
#define _cleanup_nl_ _cleanup_(lnt_nl_closep)

/* From here on requests are collected; they return 0, or -errno when one does not fit at all. */
void lnt_nl_batch(struct lnt_nl *nl);

/*
 * Sends what was collected and ends the batch. The kernel carries out the requests in order and
 * goes on after one that fails. Returns 0, or the -errno of the first that failed, with the reason
 * in @e.
 */
int lnt_nl_flush(struct lnt_nl *nl, struct lnt_err *e);

/* --- links ------------------------------------------------------------------------------------ */

struct lnt_link {
	char name[IFNAMSIZ];
	char kind[16]; /* "veth", "vxlan", ...; empty: none */
	uint32_t ifindex;
	uint32_t peer_ifindex; /* IFLA_LINK: of a veth the other side; 0: none */
	int32_t peer_netnsid;  /* namespace of that, as the kernel numbers them; -1: the same */
	uint32_t master;       /* ifindex; 0: none */
	uint32_t mtu;
	uint32_t flags; /* IFF_* */
	uint16_t type;	/* ARPHRD_* */
	bool has_mac;	/* a MAC of six bytes */
	uint8_t mac[6];
};

/* A veth pair, both sides down. MACs are given, since the caller has to know them anyway. */
struct lnt_veth {
	const char *name;
	const char *peer_name;
	int peer_netns; /* descriptor; the peer is made there, not moved */
	uint8_t mac[6];
	uint8_t peer_mac[6];
	uint32_t mtu; /* of both; 0: the kernel's default */
};

/*
 * Creates a pair and looks at the near side, whose peer_ifindex is the far side's. Returns 0,
 * -EEXIST when one of the names is taken, or another -errno; on failure neither side exists.
 */
int lnt_veth_create(struct lnt_nl *nl, const struct lnt_veth *veth, struct lnt_err *e,
	struct lnt_link *ret_link);

/* By @name, or by @ifindex when @name is NULL. Returns 0, -ENODEV, or another -errno. */
int lnt_link_get(struct lnt_nl *nl, const char *name, uint32_t ifindex, struct lnt_err *e,
	struct lnt_link *ret_link);

/* All links, in a new array that the caller frees. */
int lnt_link_dump(struct lnt_nl *nl, struct lnt_err *e, struct lnt_link **ret_links, size_t *ret_n);

int lnt_link_set_up(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e);
int lnt_link_set_down(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e);

/* Returns 0, -ENODEV when there is none of that name, or another -errno. */
int lnt_link_del(struct lnt_nl *nl, const char *name, struct lnt_err *e);

/*
 * Makes a device one that the node routes from and to by entries of its own: IPv4 forwarding on, no
 * reverse path filter of its own (`all` still counts), no IPv6 link-local address generated and so
 * no duplicate address detection. A kernel or device without IPv6 is no error. Before it is set up.
 */
int lnt_link_set_routed(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e);

/* --- addresses -------------------------------------------------------------------------------- */

struct lnt_ifaddr {
	struct in6_addr addr;
	uint8_t len;	/* prefix length within the family */
	uint8_t scope;	/* RT_SCOPE_* */
	uint32_t flags; /* IFA_F_* */
	uint32_t ifindex;
};

/* Adds an address without the route to its prefix, and without IPv6 duplicate detection. */
int lnt_addr_add(struct lnt_nl *nl, uint32_t ifindex, const struct in6_addr *addr, uint8_t len,
	struct lnt_err *e);

/* All addresses of @ifindex (0: of every device), in a new array that the caller frees. */
int lnt_addr_dump(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e,
	struct lnt_ifaddr **ret_addrs, size_t *ret_n);

/* --- routes ----------------------------------------------------------------------------------- */

struct lnt_route {
	struct lnt_prefix dst; /* length 0: default; the address still tells the family */
	struct in6_addr gw;    /* of dst's family; when has_gw */
	struct in6_addr src;   /* preferred source; when has_src */
	bool has_gw;
	bool has_src;
	bool onlink;	   /* gw is reachable through oif whatever the table says */
	uint8_t scope;	   /* RT_SCOPE_*; IPv4 only */
	uint8_t protocol;  /* LNT_RTPROT or RTPROT_* */
	uint8_t type;	   /* RTN_*; 0: RTN_UNICAST */
	uint32_t oif;	   /* 0: none (blackhole and the like) */
	uint32_t table;	   /* 0: main */
	uint32_t priority; /* metric; 0: the kernel's default */
	uint32_t mtu;	   /* 0: none */
	uint32_t advmss;   /* 0: none */
};

/* Returns 0, -EEXIST, or another -errno. The device must be up. */
int lnt_route_add(struct lnt_nl *nl, const struct lnt_route *route, struct lnt_err *e);

/* Adds the route, or takes the place of one with the same prefix, table and priority. */
int lnt_route_replace(struct lnt_nl *nl, const struct lnt_route *route, struct lnt_err *e);

/* Returns 0, -ESRCH when there is none like it, or another -errno. */
int lnt_route_del(struct lnt_nl *nl, const struct lnt_route *route, struct lnt_err *e);

/*
 * Routes of @family (AF_INET or AF_INET6) with @protocol (0: any) in table main, in a new array
 * that the caller frees. Multipath routes appear with their first hop; cloned (cached) ones do not
 * appear.
 */
int lnt_route_dump(struct lnt_nl *nl, int family, uint8_t protocol, struct lnt_err *e,
	struct lnt_route **ret_routes, size_t *ret_n);

/* The route that a packet to @dst would take. Returns 0, -ENETUNREACH, or another -errno. */
int lnt_route_lookup(struct lnt_nl *nl, const struct in6_addr *dst, struct lnt_err *e,
	struct lnt_route *ret_route);

/* --- neighbours ------------------------------------------------------------------------------- */

/* Adds or replaces a permanent entry. */
int lnt_neigh_set(struct lnt_nl *nl, uint32_t ifindex, const struct in6_addr *addr,
	const uint8_t mac[static 6], struct lnt_err *e);

/* --- filters ---------------------------------------------------------------------------------- */

/* Adds the qdisc that carries filters of both directions. Having one is no error; nor is, here, a
 * device that is gone: a filter says so. */
int lnt_clsact_add(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e);

/*
 * Puts BPF program @prog_fd on the device's ingress or @egress, in the place of the one that an
 * earlier call put there: packets always meet one of the two. @name is what tc(8) shows.
 */
int lnt_filter_replace(struct lnt_nl *nl, uint32_t ifindex, bool egress, int prog_fd,
	const char *name, struct lnt_err *e);

/* Returns 0, -ENOENT or -EINVAL when there is none, -ENODEV, or another -errno. */
int lnt_filter_del(struct lnt_nl *nl, uint32_t ifindex, bool egress, struct lnt_err *e);

/* The BPF program id of the filter; errors as lnt_filter_del(). */
int lnt_filter_get(
	struct lnt_nl *nl, uint32_t ifindex, bool egress, struct lnt_err *e, uint32_t *ret_prog_id);
