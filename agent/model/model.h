/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What linnet keeps of Kubernetes: objects reduced to the fields that matter as they are decoded,
 * so that memory follows the model and not the JSON. Plain data; decode/ (agent/kube) makes them,
 * the store owns them, compile/ only reads them.
 *
 * Strings marked "interned" come from lnt_intern(): equal strings are equal pointers.
 */
#include "lib/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lnt_kind {
	LNT_KIND_NAMESPACE,
	LNT_KIND_NODE,
	LNT_KIND_POD,
	LNT_KIND_SERVICE,
	LNT_KIND_ENDPOINTSLICE,
	LNT_KIND_NETWORKPOLICY,
	LNT_KIND_CLUSTERNETWORKPOLICY,
	LNT_KIND_MAX,
};

/* The head of every object. */
struct lnt_meta {
	enum lnt_kind kind;
	const char *ns;	  /* interned; "" for cluster-scoped kinds */
	const char *name; /* interned */
	char *uid;	  /* owned */
	/*
	 * metadata.resourceVersion where it is a decimal number (such numbers are comparable within
	 * a resource: KEP-5504), else 0. Not part of an object's content.
	 */
	uint64_t version;
};

struct lnt_label {
	const char *key;   /* interned */
	const char *value; /* interned */
};

/* Sorted by strcmp() of key; keys are unique. Equal sets are one array, as a rule. */
struct lnt_labels {
	struct lnt_label *items; /* shared since lnt_labels_normalize() */
	size_t n;
};

struct lnt_namespace {
	struct lnt_meta meta;
	struct lnt_labels labels;
	bool audit; /* annotation linnet.io/policy-audit "true": policy tells, and denies nothing */
};

struct lnt_node {
	struct lnt_meta meta;
	struct lnt_labels labels;
	struct in6_addr addrs[8]; /* status.addresses of type InternalIP and ExternalIP */
	size_t n_addrs;
	struct in6_addr internal[2]; /* first InternalIP of each family, IPv4 first */
	size_t n_internal;
	struct lnt_prefix pod_cidrs[2];
	size_t n_pod_cidrs;
	const char *zone;  /* interned; label topology.kubernetes.io/zone, "" when absent */
	bool leaving;	   /* deleted, or tainted by the cluster autoscaler to be so (KEP-3836) */
	bool network_down; /* condition NetworkUnavailable is not False */
	/* Places in spec.taints of those that wait for us (agent/kube/node_up.h), bit 0 the first
	 */
	uint64_t not_ready_taints;
};

/* IANA numbers; 0: any (policy ports without protocol are TCP, as the API says). */
struct lnt_named_port {
	const char *name; /* interned */
	uint8_t proto;
	uint16_t port; /* host byte order */
};

struct lnt_pod {
	struct lnt_meta meta;
	struct lnt_labels labels;
	const char *node;	  /* interned spec.nodeName, "" when not scheduled */
	struct in6_addr addrs[2]; /* status.podIPs */
	size_t n_addrs;
	struct lnt_named_port *ports; /* owned; named container ports */
	size_t n_ports;
	bool host_network;
	bool terminated; /* phase Succeeded or Failed: its address may be another's */
	bool host_port;	 /* a container asks for one */
	bool per_packet; /* annotation linnet.io/socket-lb "false": no socket hooks for it */
	bool bandwidth;	 /* annotation kubernetes.io/ingress-bandwidth or egress-bandwidth */
};

enum lnt_service_type {
	LNT_SERVICE_CLUSTER_IP,
	LNT_SERVICE_NODE_PORT,
	LNT_SERVICE_LOAD_BALANCER,
	LNT_SERVICE_EXTERNAL_NAME,
};

/* spec.trafficDistribution (KEP-4444, KEP-3015); PreferClose is the old name of PreferSameZone. */
enum lnt_traffic_distribution {
	LNT_DISTRIBUTION_NONE,
	LNT_DISTRIBUTION_ZONE,
	LNT_DISTRIBUTION_NODE,
	LNT_DISTRIBUTION_UNKNOWN,
};

struct lnt_service_port {
	const char *name; /* interned, "" when unnamed */
	uint8_t proto;
	uint16_t port;	    /* host byte order */
	uint16_t node_port; /* host byte order, 0: none */
};

/* How packets of outside clients reach pods of other nodes, by our annotation. */
enum lnt_forwarding {
	LNT_FORWARDING_DEFAULT, /* as the agent's option says */
	LNT_FORWARDING_SNAT,
	LNT_FORWARDING_DSR
};

struct lnt_service {
	struct lnt_meta meta;
	int64_t created; /* metadata.creationTimestamp, seconds since 1970; 0: unknown */
	enum lnt_service_type type;
	struct in6_addr cluster_ips[2]; /* none: headless or ExternalName */
	size_t n_cluster_ips;
	struct in6_addr *external_ips; /* owned; spec.externalIPs */
	size_t n_external_ips;
	/* owned; status.loadBalancer.ingress but those of ipMode Proxy (KEP-1860) */
	struct in6_addr *balancer_ips;
	size_t n_balancer_ips;
	struct lnt_prefix *ranges; /* owned; spec.loadBalancerSourceRanges */
	size_t n_ranges;
	struct lnt_service_port *ports; /* owned */
	size_t n_ports;
	uint32_t affinity;	    /* seconds of sessionAffinity ClientIP, 0: none */
	uint16_t health_check_port; /* spec.healthCheckNodePort, host byte order, 0: none */
	enum lnt_traffic_distribution distribution;
	enum lnt_forwarding forwarding;
	bool has_ranges;	/* source ranges are given, understood or not */
	bool internal_local;	/* internalTrafficPolicy Local (KEP-2086) */
	bool external_local;	/* externalTrafficPolicy Local */
	bool publish_not_ready; /* spec.publishNotReadyAddresses */
	bool foreign; /* label service-proxy-name or headless: another's to serve (KEP-2447) */
};

struct lnt_slice_port {
	const char *name; /* interned, "" when unnamed */
	uint8_t proto;
	uint16_t port; /* host byte order */
};

struct lnt_slice_endpoint {
	struct in6_addr addr; /* addresses[0]; the API makes the others of no use */
	bool ready;	      /* absent means true */
	bool serving;	      /* absent means ready */
	bool terminating;
	uint8_t n_zone_hints;
	uint8_t n_node_hints;
	const char *node; /* interned, "" when absent */
	const char *zone; /* interned, "" when absent */
	/* owned, interned: hints.forZones, then hints.forNodes; NULL without any */
	const char **hints;
};

/* The API allows eight of each (discovery/v1, EndpointHints). */
#define LNT_SLICE_HINTS_MAX 8

struct lnt_endpointslice {
	struct lnt_meta meta;
	const char *service; /* interned: label kubernetes.io/service-name, "" when absent */
	bool is6;	     /* addressType IPv6; FQDN slices are not kept */
	struct lnt_slice_port *ports; /* owned */
	size_t n_ports;
	struct lnt_slice_endpoint *endpoints; /* owned */
	size_t n_endpoints;
};

enum lnt_label_op {
	LNT_OP_IN,
	LNT_OP_NOT_IN,
	LNT_OP_EXISTS,
	LNT_OP_NOT_EXISTS
};

struct lnt_requirement {
	const char *key; /* interned */
	enum lnt_label_op op;
	const char **values; /* owned array of interned strings, sorted by strcmp */
	size_t n_values;
};

/* metav1.LabelSelector; matchLabels are In with one value. No requirements: selects everything. */
struct lnt_selector {
	struct lnt_requirement *reqs; /* owned, sorted by key, op, values */
	size_t n_reqs;
};

/* One peer of a rule. Of has_nodes, has_block and the selectors of pods there is one only. */
struct lnt_netpol_peer {
	bool has_namespaces; /* namespaceSelector present */
	bool has_pods;	     /* podSelector present */
	bool has_nodes;	     /* ClusterNetworkPolicies only: nodes present */
	bool has_block;	     /* ipBlock, or one of networks */
	struct lnt_selector namespaces;
	struct lnt_selector pods;
	struct lnt_selector nodes;
	struct lnt_prefix block;
	struct lnt_prefix *except; /* owned */
	size_t n_except;
};

struct lnt_netpol_port {
	uint8_t proto;	   /* 0: any, of named ports of ClusterNetworkPolicies only */
	const char *name;  /* interned; named port, NULL when by number or absent */
	uint16_t port;	   /* host byte order; 0: every port of proto */
	uint16_t end_port; /* inclusive; 0: none */
};

enum lnt_rule_action {
	LNT_RULE_ACCEPT, /* what rules of NetworkPolicies do */
	LNT_RULE_DENY,
	LNT_RULE_PASS, /* to the next tier */
};

struct lnt_netpol_rule {
	enum lnt_rule_action action;
	char *name;		       /* owned; spec.*[].name, NULL: none */
	uint32_t index;		       /* in the object's list, of which rules may be left out */
	struct lnt_netpol_peer *peers; /* owned; none: any peer */
	size_t n_peers;
	struct lnt_netpol_port *ports; /* owned; none: any port and protocol */
	size_t n_ports;
};

/* In the order in which they are asked. */
enum lnt_tier {
	LNT_TIER_ADMIN,
	LNT_TIER_NETWORK, /* all NetworkPolicies */
	LNT_TIER_BASELINE,
};

/*
 * A NetworkPolicy (networking.k8s.io/v1), whose rules add up, or a ClusterNetworkPolicy
 * (policy.networking.k8s.io/v1alpha2), of whose rules the first that matches counts.
 */
struct lnt_netpol {
	struct lnt_meta meta;
	enum lnt_tier tier;
	uint16_t priority;		/* ClusterNetworkPolicies: 0-1000, lower goes first */
	struct lnt_selector namespaces; /* ClusterNetworkPolicies: of the pods it is about */
	struct lnt_selector pods;
	bool ingress; /* NetworkPolicies: policyTypes, defaulted; else: has such rules */
	bool egress;
	struct lnt_netpol_rule *ingress_rules; /* owned */
	size_t n_ingress_rules;
	struct lnt_netpol_rule *egress_rules; /* owned */
	size_t n_egress_rules;
	char *unsupported; /* owned; what could not be understood, NULL: nothing */
};

/*
 * One shared copy of @s; equal strings give equal pointers. Reference counted. NULL: no memory.
 * Strings are interned by one thread only, the loop's.
 */
const char *lnt_intern(const char *s);
/* The shared copy if there is one, else NULL. Takes no reference. */
const char *lnt_intern_find(const char *s);
/* Another reference to a string that is interned. */
const char *lnt_intern_again(const char *s);
/* Gives back one reference. NULL is fine. */
void lnt_unintern(const char *s);
/* How many different strings are held. */
size_t lnt_intern_count(void);

/* Free what they own and empty it. */
void lnt_netpol_peer_clear(struct lnt_netpol_peer *p);
void lnt_netpol_rule_clear(struct lnt_netpol_rule *r);

/* Frees an object of any kind with all it owns. NULL is fine. */
void lnt_object_free(struct lnt_meta *obj);

/* Whether two objects say the same: equal in everything but meta.version. */
bool lnt_object_same(const struct lnt_meta *a, const struct lnt_meta *b);

/* The value of label @key, interned, or NULL. @key need not be interned. */
const char *lnt_labels_get(const struct lnt_labels *labels, const char *key);

/*
 * metav1.LabelSelector semantics: all requirements hold; NotIn and DoesNotExist match absent keys.
 * Compares pointers: every string of both must be interned.
 */
bool lnt_selector_matches(const struct lnt_selector *sel, const struct lnt_labels *labels);

/* Frees what @sel owns and empties it. */
void lnt_selector_clear(struct lnt_selector *sel);

/*
 * Puts @sel into the order that struct lnt_selector promises, without duplicates. Call it once the
 * requirements are filled in.
 */
void lnt_selector_normalize(struct lnt_selector *sel);

/* The same for labels; of equal keys the last one stays. They must not be changed after that. */
void lnt_labels_normalize(struct lnt_labels *labels);
void lnt_labels_clear(struct lnt_labels *labels);

/* A canonical text of @sel, equal for equal selectors; the caller frees it. NULL: no memory. */
char *lnt_selector_text(const struct lnt_selector *sel);
