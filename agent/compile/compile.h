/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From the store to what the maps should hold. Pure functions: no I/O, no clock, no state but their
 * arguments. Output arrays are sorted by memcmp() of their keys and hold each key once, so that
 * sync/ finds the difference between two of them by walking both.
 *
 * Numbers that reach the maps (identities, policy ids) are derived from content (a hash of the
 * canonical text of what they stand for; a collision takes the next free number, decided in sorted
 * order), so that a restarted agent comes to the same numbers.
 */
#include "agent/model/store.h"
#include "datapath/abi.h"
#include "lib/endpoint.h"
#include "lib/err.h"

/* --- policy ---------------------------------------------------------------------------------- */

struct lnt_peer_entry {
	struct in6_addr addr;
	struct lnt_peer_value value;
};

struct lnt_endpoint_entry {
	struct in6_addr addr;
	struct lnt_endpoint_value value;
};

struct lnt_policy_entry {
	struct lnt_policy_key key;
	struct lnt_policy_value value;
};

/* A rule's name for people: index in lnt_policy_state.rules is lnt_policy_value.rule. */
struct lnt_rule_name {
	char *text; /* "namespace/policy ingress[0]" */
};

struct lnt_policy_state {
	struct lnt_peer_entry *peers; /* pods and nodes of the cluster, by address */
	size_t n_peers;
	struct lnt_endpoint_entry *endpoints; /* local endpoints, by address */
	size_t n_endpoints;
	struct lnt_policy_entry *policy;
	size_t n_policy;
	struct lnt_rule_name *rules; /* [0] is "" */
	size_t n_rules;
};

/*
 * Compiles identities and policies for the local endpoints @eps. An endpoint whose pod (pod_ns,
 * pod_name) is not in the store gets no entry: nothing passes until it is. One without a pod is
 * LNT_ID_UNLABELLED and not isolated. @node_name: this node; its addresses become LNT_ID_HOST, other
 * nodes' LNT_ID_NODE. A policy that is not fully understood isolates the pods it selects and allows
 * only by the parts that are understood.
 */
int lnt_compile_policy(const struct lnt_store *st, const char *node_name,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_err *e,
	struct lnt_policy_state *ret_state);
void lnt_policy_state_clear(struct lnt_policy_state *s);

/*
 * The fewest prefixes that cover ports @first to @last (inclusive, host order): at most 30.
 * Returns their number; ret_ports are host order, ret_bits prefix lengths 0-16.
 */
size_t lnt_port_prefixes(uint16_t first, uint16_t last, uint16_t ret_ports[static 30],
	uint8_t ret_bits[static 30]);

/* --- services -------------------------------------------------------------------------------- */

struct lnt_frontend {
	struct lnt_service_key key;
	uint32_t first_backend; /* index into lnt_service_state.backends */
	uint32_t n_backends;
};

struct lnt_service_state {
	struct lnt_frontend *frontends; /* sorted by key */
	size_t n_frontends;
	struct lnt_backend_value *backends; /* each frontend's sorted by address and port, unique */
	size_t n_backends;
};

/*
 * ClusterIP frontends with their ready backends of the right family. Where two services claim one
 * address, protocol and port, the one older in name order (namespace, name) keeps it and @conflicts
 * names the others, if not NULL (one call each).
 */
int lnt_compile_services(const struct lnt_store *st, struct lnt_err *e,
	void (*conflicts)(void *ctx, const struct lnt_service *loser,
		const struct lnt_service *winner),
	void *ctx, struct lnt_service_state *ret_state);
void lnt_service_state_clear(struct lnt_service_state *s);

/* --- cluster --------------------------------------------------------------------------------- */

/* Routes to the other nodes' pods, and the ranges that are not masqueraded. */
struct lnt_node_route {
	struct lnt_prefix dst;	 /* another node's pod CIDR */
	struct in6_addr gateway; /* that node's internal address of the same family */
};

struct lnt_cluster_state {
	struct lnt_node_route *routes; /* sorted by dst */
	size_t n_routes;
	struct lnt_prefix *cluster_cidrs; /* every node's pod CIDRs, sorted */
	size_t n_cluster_cidrs;
	struct lnt_prefix own_cidrs[2]; /* this node's */
	size_t n_own_cidrs;
	struct in6_addr own_addrs[2]; /* this node's internal addresses */
	size_t n_own_addrs;
};

int lnt_compile_cluster(const struct lnt_store *st, const char *node_name, struct lnt_err *e,
	struct lnt_cluster_state *ret_state);
void lnt_cluster_state_clear(struct lnt_cluster_state *s);
