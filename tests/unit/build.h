/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Objects for tests, tersely. Running out of memory or a text that does not parse aborts. Functions
 * that return an object leave it to the caller until build_put() gives it to a store.
 *
 * Labels:    "app=web,tier=front", "" for none
 * Selectors: "app=web" (In), "tier=a|b" (In), "x" (Exists), "!x" (DoesNotExist), "tier!=a|b"
 * (NotIn), joined by commas; "" selects everything, NULL is no selector Addresses:
 * "10.0.0.1,fd00::1", "" for none
 */
#include "agent/model/store.h"
#include "datapath/abi.h"
#include "lib/endpoint.h"

enum build_types {
	BUILD_INGRESS = 1,
	BUILD_EGRESS = 2
};

void build_put(struct lnt_store *st, void *obj);

struct in6_addr build_addr(const char *s);
struct lnt_prefix build_prefix(const char *s);

void build_ns(struct lnt_store *st, const char *name, const char *labels);

/* @addrs are InternalIPs, at most one per family. @cidrs: "10.1.0.0/24,fd00:1::/64". */
void build_node(struct lnt_store *st, const char *name, const char *addrs, const char *cidrs);

/* Adds labels to a node that is in the store. */
void build_node_labels(struct lnt_store *st, const char *name, const char *labels);

struct lnt_pod *build_pod(const char *ns, const char *name, const char *labels, const char *addrs);
void build_pod_port(struct lnt_pod *pod, const char *name, uint8_t proto, uint16_t port);
/* build_pod() and build_put(). */
void build_put_pod(struct lnt_store *st, const char *ns, const char *name, const char *labels,
	const char *addrs);

/* An endpoint of a pod, or of none with NULL; host_ifindex counts up from 100 by call. */
struct lnt_endpoint build_endpoint(const char *ns, const char *name, const char *addrs);

/* @types: enum build_types. */
struct lnt_netpol *build_policy(const char *ns, const char *name, const char *pods, unsigned types);
/* A ClusterNetworkPolicy for all pods of these namespaces. */
struct lnt_netpol *build_cnp(
	const char *name, enum lnt_tier tier, unsigned priority, const char *namespaces);
/* The rule is valid until the next one of the same policy is made. */
struct lnt_netpol_rule *build_rule(struct lnt_netpol *p, enum lnt_direction dir);
/* A rule of a ClusterNetworkPolicy. */
struct lnt_netpol_rule *build_action(
	struct lnt_netpol *p, enum lnt_direction dir, enum lnt_rule_action action);
void build_peer(struct lnt_netpol_rule *r, const char *namespaces, const char *pods);
/* @except: "10.1.0.0/16,10.2.0.0/16", "" for none. */
void build_block(struct lnt_netpol_rule *r, const char *cidr, const char *except);
void build_nodes(struct lnt_netpol_rule *r, const char *labels);
/* @port: "80", "80-90", "http", or "" for all of the protocol. */
void build_port(struct lnt_netpol_rule *r, uint8_t proto, const char *port);

/* @ports: "http:tcp/80,dns:udp/53@30053,:sctp/9"; name, protocol, port, NodePort. */
struct lnt_service *build_service_new(
	const char *ns, const char *name, const char *ips, const char *ports);
/* Addresses and ranges of a service, as "192.0.2.1,2001:db8::1" and "192.0.2.0/24". */
void build_external_ips(struct lnt_service *svc, const char *ips);
void build_balancer(struct lnt_service *svc, const char *ips, const char *ranges);
/* build_service_new() and build_put(). */
void build_service(
	struct lnt_store *st, const char *ns, const char *name, const char *ips, const char *ports);
/* @ports as in build_service(); @ready and @unready are addresses. */
void build_slice(struct lnt_store *st, const char *ns, const char *name, const char *service,
	const char *ports, const char *ready, const char *unready);
/*
 * The same with endpoints "10.0.0.1/t@n1~a|b^n1|n2,...": the state (r: ready, the default; u: not;
 * t: terminating, serving still; x: terminating, not serving), the node, hints for zones and nodes.
 */
void build_endpoints(struct lnt_store *st, const char *ns, const char *name, const char *service,
	const char *ports, const char *endpoints);
void build_zone(struct lnt_store *st, const char *node, const char *zone);
