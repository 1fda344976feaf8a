/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Random cases: small clusters with few different labels, ports and addresses, so that policies
 * meet, overlap and contradict each other. Objects are as the API server lets them be: what its
 * validation refuses is not made.
 */
#include "tests/oracle/json.h"
#include "tests/oracle/random.h"

/* The case of @seed (cluster.h), the caller's. */
cJSON *generate_case(uint64_t seed);

/* --- what its parts share --------------------------------------------------------------------- */

/* An object of a kind with metadata; @ns NULL: none. */
cJSON *generate_object(const char *api, const char *kind, const char *ns, const char *name);

/* Whose labels, and so which keys. */
enum generate_labels {
	LABELS_POD,
	LABELS_NS,
	LABELS_NODE
};
void generate_labels(struct rng *r, cJSON *object, enum generate_labels whose);
/* A selector for such labels as member @key of @o. */
void generate_selector(struct rng *r, cJSON *o, const char *key, enum generate_labels whose);

cJSON *generate_policy(struct rng *r, const char *ns, const char *name);
cJSON *generate_cluster_policy(struct rng *r, const char *name);

/* Names and numbers of ports that pods and policies have. */
extern const char *const generate_port_names[3];
extern const int generate_ports[8];
extern const char *const generate_protos[3];
