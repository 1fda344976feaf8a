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

/*
 * A rule's name for people, by the number in lnt_policy_value.rule. The number is made from the
 * name, so that a policy that comes or goes leaves the entries of the others as they are.
 */
struct lnt_rule_name {
	uint32_t rule;
	char *name; /* "namespace/policy ingress[0]" */
};

/* A part of a policy that has no effect; what it would have allowed stays denied. */
struct lnt_policy_problem {
	const char *ns, *name; /* of the policy, interned */
	char *text;	       /* "egress[0].to[1].ipBlock: not supported, matches nothing" */
	bool applied;	       /* the policy selects a pod of this node */
};

struct lnt_policy_state {
	struct lnt_peer_entry *peers; /* pods and nodes of the cluster, by address */
	size_t n_peers;
	struct lnt_endpoint_entry *endpoints; /* local endpoints, by address */
	size_t n_endpoints;
	struct lnt_policy_entry *policy;
	size_t n_policy;
	struct lnt_rule_name *rules; /* sorted by number; those of policies that apply here */
	size_t n_rules;
	struct lnt_policy_problem *problems; /* of all policies, sorted by namespace and name */
	size_t n_problems;
};

/*
 * Compiles identities and policies for the local endpoints @eps (NetworkPolicy,
 * networking.k8s.io/v1).
 *
 * Endpoints: one whose pod is not in the store gets no entry, so that nothing passes until it is.
 * Its pod is the one of that namespace, name and, where both sides know one, UID; without UIDs a
 * pod that the API places on another node is not it. One without a pod is LNT_ID_UNLABELLED and not
 * isolated.
 *
 * Addresses: where several claim one, the first of these has it: this node (LNT_ID_HOST), other
 * nodes (LNT_ID_NODE), local endpoints (the youngest device, that is the highest ifindex), pods of
 * the API (the first by namespace and name). Host-network pods claim nothing, nor do terminated
 * ones unless they are a local endpoint still. An endpoint that lost its address has no entry for
 * it.
 *
 * Identities: the set of peer selectors (namespaceSelector or the policy's namespace, with
 * podSelector) of all policies that match the pod, and the numbers of its ports that egress rules
 * name. No namespaceSelector matches a namespace that the store does not have.
 *
 * Policy ids: the policies (names and rules, not identities) that select the pod, and the numbers
 * of its ports that their ingress rules name. 0: none. A name that several ports of a pod have
 * means all of them.
 *
 * A policy that is not fully understood isolates the pods it selects and allows only by the parts
 * that are understood. ipBlock is not supported and matches nothing.
 *
 * @node_name: this node. The state's strings are its own. Returns 0 or -ENOMEM.
 */
int lnt_compile_policy(const struct lnt_store *st, const char *node_name,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_err *e,
	struct lnt_policy_state *ret_state);
void lnt_policy_state_clear(struct lnt_policy_state *s);

/* The name of lnt_policy_value.rule, or "" for a number that no rule has. Valid as long as @s. */
const char *lnt_policy_rule_name(const struct lnt_policy_state *s, uint32_t rule);

/*
 * The fewest prefixes that cover ports @first to @last (inclusive, host order): at most 30.
 * Returns their number, in ascending order (0 when @first > @last); ret_ports are host order,
 * ret_bits prefix lengths 0-16.
 */
size_t lnt_port_prefixes(
	uint16_t first, uint16_t last, uint16_t ret_ports[static 30], uint8_t ret_bits[static 30]);

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
 * names the others, if not NULL (one call each). Backends are the ready endpoints of the service's
 * slices; a service without any has frontends without backends. Headless ones have none.
 */
int lnt_compile_services(const struct lnt_store *st, struct lnt_err *e,
	void (*conflicts)(
		void *ctx, const struct lnt_service *loser, const struct lnt_service *winner),
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

/*
 * A pod CIDR that several nodes claim belongs to this node if it is one of them, else to the first
 * by name. No route: to nodes that have no internal address of the CIDR's family. @node_name not in
 * the store: the own_* are empty.
 */
int lnt_compile_cluster(const struct lnt_store *st, const char *node_name, struct lnt_err *e,
	struct lnt_cluster_state *ret_state);
void lnt_cluster_state_clear(struct lnt_cluster_state *s);
