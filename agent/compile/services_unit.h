/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One service: its endpoints chosen (services_choose.c), its frontends made (services_unit.c). What
 * it comes to depends on the service, its slices and the node only, not on other services; who has
 * an address that several claim is services.c's.
 */
#include "agent/compile/compile.h"

/* Where the services are looked at from. Strings are interned. */
struct lnt_service_place {
	const struct lnt_store *st;
	const char *node;
	const char *zone; /* "": unknown */
	const struct lnt_nodeport_addr *addrs;
	size_t n_addrs;
	bool dsr;
};

/* What a service comes to. */
struct lnt_service_result {
	struct lnt_frontend *frontends; /* owned; sorted by key, each key once */
	size_t n_frontends;
	struct lnt_backend_set *sets; /* owned */
	size_t n_sets;
	char **notices; /* owned, as are the texts */
	size_t n_notices;
	char *odd[2]; /* owned, of LNT_NOTICE_ODD_ENDPOINTS; NULL: nothing */
	int64_t created;
	uint32_t health_local; /* ready endpoints on this node, when health_port */
	uint16_t health_port;
};

/* Returns 0 or -ENOMEM; the caller clears *ret_result, which is untouched on failure. */
int lnt_service_compile(const struct lnt_service_place *place, const struct lnt_service *svc,
	struct lnt_service_result *ret_result);
void lnt_service_result_clear(struct lnt_service_result *r);

/*
 * The port mappings of an endpoint (hostports.c), for which the same holds. created is the device's
 * number, which grows with time.
 */
int lnt_hostports_compile(const struct lnt_service_params *params, const struct lnt_endpoint *ep,
	struct lnt_service_result *ret_result);

/* Something that is wrong with @svc or an endpoint, each text once. Returns 0 or -ENOMEM. */
int lnt_service_note(struct lnt_service_result *r, const struct lnt_service *svc, const char *fmt,
	...) __attribute__((format(printf, 3, 4)));

/* The slices of one service. */
struct lnt_service_slices {
	const struct lnt_endpointslice **list; /* owned */
	size_t n, cap;
};

/*
 * The endpoints of @port in the family of @is6, of the whole cluster and of this node. Either
 * output may be NULL. Returns 0 or -ENOMEM.
 */
int lnt_service_choose(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct lnt_service_slices *slices, const struct lnt_service_port *port, bool is6,
	struct lnt_service_result *r, struct lnt_backend_set *ret_cluster,
	struct lnt_backend_set *ret_local);

/* All endpoints of @port on this node, whatever their state. Returns 0 or -ENOMEM. */
int lnt_service_list_local(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct lnt_service_slices *slices, const struct lnt_service_port *port, bool is6,
	struct lnt_service_result *r, struct lnt_backend_set *ret_set);

/* What is odd about the endpoints, once the sets are filled. Returns 0 or -ENOMEM. */
int lnt_service_note_odd(const struct lnt_service_place *place,
	const struct lnt_service_slices *slices, struct lnt_service_result *r);

/* Different addresses of ready endpoints on this node in the family of @is6, or -ENOMEM. */
int lnt_service_count_local(const struct lnt_service_place *place, const struct lnt_service *svc,
	const struct lnt_service_slices *slices, bool is6, uint32_t *ret_n);

/* Addresses that no service can have and no endpoint either: loopback, link-local and the like. */
bool lnt_service_addr_is_special(const struct in6_addr *a);

/*
 * Puts the frontends of a result in the order of their keys, each key once. An address may belong
 * to one object in several ways: the first by rank stays, so that ranges and a named hostIP hold.
 */
void lnt_frontends_sort(struct lnt_service_result *r);
