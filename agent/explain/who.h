/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who has an address, for people. Made from the store and the endpoints as they are, and valid
 * until either changes.
 */
#include "agent/model/store.h"
#include "lib/endpoint.h"

enum lnt_who_kind {
	LNT_WHO_WORLD, /* nobody of the cluster */
	LNT_WHO_POD,
	LNT_WHO_CONTAINER, /* attached here without a pod */
	LNT_WHO_NODE,
};

struct lnt_who {
	enum lnt_who_kind kind;
	const char *ns;	  /* of a pod, else "" */
	const char *name; /* of a pod, container or node, else "" */
};

struct lnt_directory;

/*
 * Endpoints of this node go before nodes, these before other pods; host-network pods are the node.
 * NULL: out of memory.
 */
struct lnt_directory *lnt_directory_new(
	const struct lnt_store *st, const struct lnt_endpoint *eps, size_t n_eps);
void lnt_directory_free(struct lnt_directory *d);

struct lnt_who lnt_directory_find(const struct lnt_directory *d, const struct in6_addr *addr);

/* "world", "pod", "container", "node". */
const char *lnt_who_kind_text(enum lnt_who_kind kind);

/* "namespace/pod", or the name of what has no namespace. Returns @ret_text. */
#define LNT_WHO_STRLEN (2 * LNT_K8S_NAME_MAX)
const char *lnt_who_text(const struct lnt_who *who, char ret_text[static LNT_WHO_STRLEN]);

/* Whether @who is the pod "ns/name". */
bool lnt_who_is(const struct lnt_who *who, const char *pod);
