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
#include "agent/model/notice.h"
#include "agent/model/store.h"
#include "datapath/abi.h"
#include "lib/endpoint.h"
#include "lib/err.h"

/* --- policy ---------------------------------------------------------------------------------- */

struct lnt_peer_entry {
	struct in6_addr addr;
	struct lnt_peer_value value;
};

struct lnt_block_entry {
	struct lnt_cidr_key key;
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

/* A policy, for people. */
struct lnt_policy_name {
	enum lnt_kind kind;
	enum lnt_tier tier;
	const char *ns, *name; /* interned */
	bool ingress, egress;  /* it speaks of these */
};

/* A part of a policy that has no effect; what it would have allowed stays denied. */
struct lnt_policy_problem {
	struct lnt_policy_name policy;
	char *text; /* "egress[0].to[1].ipBlock: no prefix" */
};

/* The policies behind a policy id, in the order in which they are asked. */
struct lnt_policy_set {
	uint32_t policy_id;
	size_t first, n; /* in lnt_policy_state.set_policies */
};

struct lnt_policy_state {
	struct lnt_peer_entry *peers; /* pods and nodes of the cluster, by address */
	size_t n_peers;
	struct lnt_block_entry *blocks; /* outside the cluster; all others are LNT_ID_WORLD */
	size_t n_blocks;
	struct lnt_endpoint_entry *endpoints; /* local endpoints, by address */
	size_t n_endpoints;
	struct lnt_policy_entry *policy;
	size_t n_policy;
	struct lnt_rule_name *rules; /* sorted by number; those of policies that apply here */
	size_t n_rules;
	struct lnt_policy_problem *problems; /* of those policies, in their order */
	size_t n_problems;
	struct lnt_policy_set *sets; /* sorted by policy id */
	size_t n_sets;
	struct lnt_policy_name *set_policies;
	size_t n_set_policies;
	uint32_t n_identities;
};

struct lnt_policy_params {
	const char *node_name; /* this node */
	const struct lnt_endpoint *eps;
	size_t n_eps;
	uint64_t eps_version;		   /* another one whenever an endpoint has changed */
	const struct in6_addr *host_addrs; /* of this node's devices, in any order */
	size_t n_host_addrs;
	bool audit; /* every endpoint is LNT_EP_AUDIT */
};

/*
 * Compiles identities and policies for the local endpoints: NetworkPolicies (networking.k8s.io/v1)
 * and ClusterNetworkPolicies (policy.networking.k8s.io/v1alpha2).
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
 * Identities: the set of what rules of policies that apply here select a peer by: of a pod the peer
 * selectors (namespaceSelector or the policy's namespace, with podSelector) and the numbers of its
 * ports that egress rules name, of a node its labels, of every address the blocks that it is in. A
 * namespaceSelector that is not empty matches no namespace that the store does not have.
 *
 * Policy ids: the policies (names and rules, not identities) that select the pod, and the numbers
 * of its ports that their ingress rules name. 0: none. A name that several ports of a pod have
 * means all of them.
 *
 * Order: admin rules by priority, name of the policy and place in it, then NetworkPolicies, then,
 * where none of these isolates, baseline rules. A policy that is not fully understood isolates the
 * pods it selects and allows only by the parts that are understood.
 *
 * The state's strings are its own. Returns 0 or -ENOMEM.
 */
int lnt_compile_policy(const struct lnt_store *st, const struct lnt_policy_params *params,
	struct lnt_err *e, struct lnt_policy_state *ret_state);
void lnt_policy_state_clear(struct lnt_policy_state *s);

/*
 * The same, kept from turn to turn, so that a pod of another node that comes, goes or changes costs
 * what it changes. The state then has entries, too, for identities that nobody has any more, until
 * it is compiled from the start again.
 */
struct lnt_policies;

struct lnt_policies *lnt_policies_new(void);
void lnt_policies_free(struct lnt_policies *t);

/* An object of any kind changed, came or went; @obj is as it is now, or was. */
void lnt_policies_touch(struct lnt_policies *t, const struct lnt_meta *obj);

/*
 * Compiles what was touched since the last update, or everything, if @params or the store are
 * others. The endpoints must stay until the next update. Returns 0, or -ENOMEM: then nothing is
 * compiled.
 */
int lnt_policies_update(struct lnt_policies *t, const struct lnt_store *st,
	const struct lnt_policy_params *params, struct lnt_err *e);

/* As of the last update; empty before. Valid until the next. */
const struct lnt_policy_state *lnt_policies_state(const struct lnt_policies *t);

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

/* An address of this node at which NodePorts are served. */
struct lnt_nodeport_addr {
	struct in6_addr addr;
	bool host_only; /* for the node's own sockets: a loopback address */
	/*
	 * The API says that it is this node's, so that other nodes know it. The compiler's own to
	 * say.
	 */
	bool listed;
};

/* An address of this node at which hostPorts may be served. */
struct lnt_hostport_addr {
	struct in6_addr addr;
	bool any;	/* also for mappings without a hostIP */
	bool host_only; /* for the node's own sockets: a loopback address */
};

struct lnt_service_params {
	const char *node_name;
	const struct lnt_nodeport_addr *addrs;
	size_t n_addrs;
	const struct lnt_hostport_addr *host_addrs;
	size_t n_host_addrs;
	const struct lnt_endpoint *eps; /* this node's, with their port mappings */
	size_t n_eps;
	bool dsr; /* services whose annotation says nothing are returned directly (bpf/dsr.h) */
};

/*
 * The endpoints chosen for one port of a service in one family: of the whole cluster, or of this
 * node; or all of this node, whatever their state, to which other nodes may carry the service.
 * All frontends with the same choice share it.
 */
struct lnt_backend_set {
	/*
	 * In the maps; 0: none yet. Sync gives it, and it stays as long as the service has this
	 * port.
	 */
	uint32_t number;
	uint16_t port; /* the service's, host byte order */
	uint8_t proto;
	bool is6;
	bool local;
	bool carried;			    /* of LNT_FRONTEND_CARRIED */
	struct lnt_backend_value *backends; /* owned; sorted by memcmp(), each once */
	uint32_t n;
	struct lnt_cidr_key *ranges; /* owned; source ranges, sorted by memcmp(), each once */
	uint32_t n_ranges;
};

struct lnt_service_claim;
struct lnt_service_unit;

/* An address and port of a service. The sets are those of its service and live as long. */
struct lnt_frontend {
	struct lnt_service_key key;
	uint32_t flags;			 /* enum lnt_service_flag */
	uint32_t affinity;		 /* seconds, 0: none */
	struct lnt_backend_set *set;	 /* NULL: the wildcard, refused, or a reservation */
	struct lnt_backend_set *ext_set; /* LNT_SVC_EXTERNAL only, else NULL */
	uint8_t rank;			 /* who has the key when several claim it, see below */
	struct lnt_service_unit *unit;	 /* private to the compiler, as are the next two */
	struct lnt_service_claim *claim;
	struct lnt_frontend *next; /* the next that claims the key and has it not */
};

/*
 * What all services come to. It is kept from turn to turn, so that a change costs what it changes:
 * services are touched, an update compiles those anew, and the frontends that this may have changed
 * are handed to sync until it has settled them.
 *
 * Frontends of a service that has a cluster IP and is not another proxy's (KEP-2447):
 *   - each cluster IP with each port; and, with port 0 and protocol 0, one for all its other ports,
 *     which are refused. External addresses have no such thing: their other ports may be another
 *     machine's, or the node's own;
 *   - each address of status.loadBalancer of ipMode VIP (KEP-1860), with the service's source
 *     ranges. A family without ranges is closed when the other has some;
 *   - each of spec.externalIPs;
 *   - each of the node's NodePort addresses with each nodePort; and, where there is one, a
 *     reservation of the port (LNT_FRONTEND_RESERVED).
 * Special addresses (loopback, multicast, link-local, unspecified) are left out.
 *
 * With direct server return, where externalTrafficPolicy is not Local, for TCP and UDP: the
 * frontends for outside clients say so (of NodePorts those at addresses that other nodes know), and
 * each has one of LNT_FRONTEND_CARRIED beside it, all NodePorts' addresses together one.
 *
 * Choice of endpoints, as kube-proxy makes it (KEP-1669, KEP-2086, KEP-2433, KEP-3015, KEP-4444):
 * the ready ones, or all with publishNotReadyAddresses; when there are none, those that terminate
 * and still serve. If all ready ones have hints for nodes and one is for this node, only those for
 * it; else the same with zones. With a Local policy this node's by the same rule, without hints,
 * and none if it has none. internalTrafficPolicy rules at cluster IPs, externalTrafficPolicy at the
 * others for clients from outside; clients from inside reach the whole cluster through those.
 *
 * Where several services claim one address, protocol and port, a cluster IP goes before others,
 * then the older service, then the first by namespace and name.
 *
 * Port mappings of this node's endpoints (hostPort) are frontends too, each with the one backend:
 * at their hostIP if it is an address of this node, else at all that are `any`. Clients from
 * outside keep their address. A service that claims the same goes before them; of two endpoints the
 * one that names the hostIP, then the older device.
 */
struct lnt_services;

/*
 * @say is told of what is wrong with a service, once when it appears and once when it is @gone. May
 * be NULL.
 */
struct lnt_services *lnt_services_new(
	void (*say)(void *ctx, const struct lnt_notice *n, bool gone), void *ctx);
void lnt_services_free(struct lnt_services *t);

/* A service or one of its slices changed, came or went. @ns and @name are interned. */
void lnt_services_touch(struct lnt_services *t, const char *ns, const char *name);

/* About the service, or the pod, that @f is of. Valid as long as @f. */
struct lnt_notice lnt_frontend_notice(
	const struct lnt_frontend *f, enum lnt_notice_reason reason, const char *text);

/*
 * To be called every 10 s: services that had to be compiled more than 50 times since the last call
 * are said to flap, and to do so no longer when they have come to rest.
 */
void lnt_services_rest(struct lnt_services *t);

/*
 * Compiles what was touched since the last update; everything, when @params, the node's zone or the
 * store are others than last time. Returns 0 or -ENOMEM, then the rest stays to be done.
 */
int lnt_services_update(struct lnt_services *t, const struct lnt_store *st,
	const struct lnt_service_params *params, struct lnt_err *e);

struct lnt_service_change {
	struct lnt_service_key key;
	const struct lnt_frontend *want; /* NULL: to be removed. Valid until the next update */
};

/*
 * What sync has to look at, in a new array that the caller frees: the frontends that may have
 * changed since the last settling. @ret_whole: these are all there should be. Returns 0 or -ENOMEM.
 */
int lnt_services_changes(const struct lnt_services *t, struct lnt_service_change **ret_changes,
	size_t *ret_n, bool *ret_whole);

/* The changes are in the maps. */
void lnt_services_settle(struct lnt_services *t);

/* The frontend that has @key, or NULL. Valid until the next update. */
const struct lnt_frontend *lnt_services_find(
	const struct lnt_services *t, const struct lnt_service_key *key);

/* "namespace" and "name" of the service that a frontend is of. */
const char *lnt_frontend_ns(const struct lnt_frontend *f);
const char *lnt_frontend_name(const struct lnt_frontend *f);

/* Calls @fn for each frontend that has its key. Ends with the first other result than 0. */
int lnt_services_each(const struct lnt_services *t,
	int (*fn)(void *ctx, const struct lnt_frontend *f), void *ctx);

/*
 * The frontends of the endpoint's port mappings that it has, and no other claimant, in a new array
 * that the caller frees. Valid until the next update. Returns 0, -ENOENT when the last update knew
 * of none of its mappings, or -ENOMEM.
 */
int lnt_services_host_ports(const struct lnt_services *t, const struct lnt_endpoint *ep,
	const struct lnt_frontend ***ret_list, size_t *ret_n);

/* spec.healthCheckNodePort of services of type LoadBalancer with externalTrafficPolicy Local. */
struct lnt_service_health {
	uint16_t port;	       /* host byte order */
	const char *ns, *name; /* interned */
	uint32_t local;	       /* ready endpoints on this node */
};

/* Raised with every update that may have changed one of them. */
uint64_t lnt_services_health_version(const struct lnt_services *t);

/*
 * All of them, sorted by port, namespace and name, in a new array that the caller frees. Valid
 * until the next update. Returns 0 or -ENOMEM.
 */
int lnt_services_health(
	const struct lnt_services *t, struct lnt_service_health **ret_list, size_t *ret_n);

/* --- sockets ---------------------------------------------------------------------------------- */

struct lnt_netns_entry {
	uint64_t cookie;
	struct lnt_netns_value value;
};

/*
 * The namespaces whose sockets get services: the node's own (@host_cookie, 0: unknown), and those
 * of @eps, but for pods that are opted out by annotation; sorted by memcmp(), in a new array that
 * the caller frees. Returns 0 or -ENOMEM.
 */
int lnt_compile_netns(const struct lnt_store *st, const char *node_name, uint64_t host_cookie,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_netns_entry **ret_entries,
	size_t *ret_n);

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
