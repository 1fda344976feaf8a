/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Addresses. The built-in allocator keeps one text file a node, <run-dir>/ipam/addresses:
 *
 *   linnet-ipam 1
 *   last 10.244.1.17 10.244.1.0/24               where the search goes on, for each range
 *   used 10.244.1.5 <network> <container> <ifname>   in ascending order
 *   end 2                                        lines above: tells a file that was cut
 *
 * It is replaced atomically under a lock, so that whoever dies leaves it whole. Ranges are used
 * round robin: an address that was freed comes last. When the file is absent what the endpoint
 * records hold counts as used. A file that does not parse is left as it is and reported.
 *
 * Never handed out: of IPv4 prefixes up to /30 the first (network), second (gateway, by custom) and
 * last (broadcast) address; of IPv6 prefixes up to /126 the first (subnet-router anycast, RFC
 * 4291). Of IPv6 prefixes shorter than /64 the first /64 is used.
 */
#include "cni/config.h"

/* Owner of addresses. The container and the interface together are unique. All borrowed. */
struct lnt_owner {
	const char *network;
	const char *container_id;
	const char *ifname;
};

/* An attachment as text of its own. */
struct lnt_attachment {
	char container_id[LNT_CONTAINER_ID_MAX + 1];
	char ifname[IFNAMSIZ];
};

/* A route inside the container, by way of linnet's gateway. */
struct lnt_ipam_route {
	struct lnt_prefix dst;
	uint32_t mtu, advmss, priority, table; /* 0: not given */
};
#define LNT_MAX_ROUTES 32

/* What an attachment gets, from whichever IPAM. */
struct lnt_ipam_result {
	struct in6_addr addrs[2]; /* at most one of each family */
	unsigned n_addrs;
	struct lnt_ipam_route routes[LNT_MAX_ROUTES];
	unsigned n_routes;
	cJSON *dns; /* owned; NULL: none */
};
void lnt_ipam_result_free(struct lnt_ipam_result *res);
#define _cleanup_ipam_ __attribute__((__cleanup__(lnt_ipam_result_free)))

/* --- built in --------------------------------------------------------------------------------- */

/*
 * One address of each family that @ranges has, or none at all. An owner who holds addresses in
 * these ranges already gets the same ones. *@ret_new: at least one was not the owner's before.
 * Returns 0, -ENOSPC with LNT_CNI_POOL_EMPTY, or another -errno.
 */
int lnt_ipam_alloc(const char *run_dir, const struct lnt_prefix *ranges, unsigned n_ranges,
	const struct lnt_owner *owner, struct lnt_err *e, struct in6_addr ret_addrs[static 2],
	unsigned *ret_n, bool *ret_new);

/* Frees what an attachment holds, whatever its network. Holding nothing is no error. */
int lnt_ipam_release(
	const char *run_dir, const char *container_id, const char *ifname, struct lnt_err *e);

/* Whether an ADD would find an address of each family. Returns 0, -ENOSPC, or another -errno. */
int lnt_ipam_available(
	const char *run_dir, const struct lnt_prefix *ranges, unsigned n_ranges, struct lnt_err *e);

/* Whether the attachment holds exactly @addrs. Returns 0, -ENOENT with a reason, or another -errno.
 */
int lnt_ipam_check(const char *run_dir, const char *container_id, const char *ifname,
	const struct in6_addr *addrs, unsigned n, struct lnt_err *e);

/* Who holds addresses in @network: a new array that the caller frees. */
int lnt_ipam_owners(const char *run_dir, const char *network, struct lnt_err *e,
	struct lnt_attachment **ret_list, size_t *ret_n);

/* --- delegated -------------------------------------------------------------------------------- */

/*
 * Runs the IPAM plugin that @req names, found along CNI_PATH, as @verb with the environment and the
 * configuration as they came (SPEC.md, section 4). Its error becomes ours, code included. @ret_out:
 * what it wrote, owned by the caller; may be NULL.
 */
int lnt_ipam_exec(
	const struct lnt_request *req, const char *verb, struct lnt_err *e, char **ret_out);

/* Reads the result of an IPAM plugin's ADD. Refuses what linnet cannot honour. */
int lnt_ipam_parse(const char *text, struct lnt_err *e, struct lnt_ipam_result *ret_res);

/* Adds a default route for each family that has an address but no route of its own. */
void lnt_ipam_default_routes(struct lnt_ipam_result *res);
