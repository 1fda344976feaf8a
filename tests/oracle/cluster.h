/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A case: a cluster as the API server would tell of it, and what happens to it.
 *
 *	objects:   Namespaces, Nodes, Pods, NetworkPolicies, ClusterNetworkPolicies
 *	endpoints: pods that the plugin has attached on this node: namespace, pod, uid, addresses
 *	updates:   one after the other: {put: object}, {delete: object's kind and name} or
 *	           {detach: endpoint's namespace and pod}
 *
 * This node is CLUSTER_NODE. Addresses are those of the node of tests/unit/bed.h, so that packets
 * find their way.
 */
#include "tests/oracle/json.h"

#define CLUSTER_NODE	"n1"
#define CLUSTER_MAX	32
#define CLUSTER_MAX_EPS 4

/* Where a case stands, by kind. Borrows from the lists. */
struct cluster {
	cJSON *objects, *endpoints; /* owned copies */
	const cJSON *namespaces[CLUSTER_MAX], *nodes[CLUSTER_MAX], *pods[CLUSTER_MAX];
	const cJSON *policies[CLUSTER_MAX], *cluster_policies[CLUSTER_MAX];
	unsigned n_namespaces, n_nodes, n_pods, n_policies, n_cluster_policies;
};

/* The start of a case. */
void cluster_init(struct cluster *c, const cJSON *test_case);
/* Makes one of a case's updates. */
void cluster_update(struct cluster *c, const cJSON *update);
void cluster_clear(struct cluster *c);
