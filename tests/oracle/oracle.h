/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What policy means, written straight from the documentation of networking.k8s.io/v1 NetworkPolicy
 * and policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy as nested loops over the API's own
 * JSON, to compare the compiler with. Shares no code with agent/.
 */
#include "tests/oracle/cluster.h"
#include "tests/oracle/prefix.h"

#define ORACLE_MAX 64

/* What one rule says of a peer that it is about. */
struct oracle_rule {
	const char *action; /* "Accept", "Deny", "Pass" */
	const cJSON *ports; /* NULL: any traffic */
	const cJSON *policy, *rule;
	int index; /* in the policy's list of the direction */
};

/* The traffic between a local pod and a peer, in one direction. */
struct oracle_pair {
	bool egress;
	bool closed;	 /* the pod is not known: nothing passes */
	bool always;	 /* it may not be denied: itself, or its node that comes in */
	bool own_node;	 /* the peer is the pod's node */
	bool isolated;	 /* by a NetworkPolicy */
	const cJSON *to; /* the pod at the destination, or NULL */
	struct oracle_rule admin[ORACLE_MAX], network[ORACLE_MAX], baseline[ORACLE_MAX];
	unsigned n_admin, n_network, n_baseline;
};

/* @endpoint: one of the cluster's; @peer: an address of the same family as one of its. */
void oracle_pair(const struct cluster *c, const cJSON *endpoint, bool egress,
	const struct address *peer, struct oracle_pair *ret_pair);

/* @proto: an IANA number; @port: the destination's, of TCP, UDP and SCTP. */
bool oracle_allows(const struct oracle_pair *p, int proto, int port);

/*
 * Whether @name is a right answer to who has decided: the admin or baseline rule that goes first,
 * one of the NetworkPolicy rules that allow it, "" where none does. Of traffic that every rule
 * passes on any answer is right.
 */
bool oracle_names(const struct oracle_pair *p, int proto, int port, const char *name);

/* The pod that @endpoint is of, or NULL when the API does not know it. */
const cJSON *oracle_endpoint_pod(const struct cluster *c, const cJSON *endpoint);
