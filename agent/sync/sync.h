/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From desired state to the pinned maps and the routing table. Each domain remembers what the
 * kernel holds, read once at the start, and writes differences only; the order of writes keeps
 * every moment correct: new policy before those it applies to, endpoints last, deletions after
 * that, and the epoch when all is in place.
 */
#include "agent/compile/compile.h"
#include "agent/sync/table.h"
#include "datapath/load.h"
#include "lib/netlink.h"

struct lnt_sync;

/* Opens the pinned maps below @bpf_root and reads what they hold. */
int lnt_sync_new(const char *bpf_root, struct lnt_err *e, struct lnt_sync **ret_sync);
void lnt_sync_free(struct lnt_sync *s);

/*
 * Brings peers, blocks, policy, endpoints and devices to @want. @eps gives the devices' MACs. Where
 * something did not fit, the pods that it concerns are closed; the failure is returned after all
 * else was written. *ret_writes counts entries written and deleted.
 */
int lnt_sync_policy(struct lnt_sync *s, const struct lnt_policy_state *want,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_err *e, size_t *ret_writes);

/*
 * The policy ids whose pods are closed (LNT_EP_CLOSED) since the last lnt_sync_policy(), because
 * the policy does not fit; ascending, valid until the next.
 */
const uint32_t *lnt_sync_closed(const struct lnt_sync *s, size_t *ret_n);

/* Whether each address of @ep is in the endpoint map with its device and MAC. */
bool lnt_sync_has_endpoint(const struct lnt_sync *s, const struct lnt_endpoint *ep);

/*
 * Brings the frontends of @changes, their sets and source ranges to what is wanted, and removes all
 * others if @whole. Gives numbers to sets that have none. Failures leave out what did not fit: a
 * set that is not whole is used as far as it goes, a missing range closes. They are returned after
 * all else was written; the same changes and more may then be tried again. What flows may have
 * believed of services is decided again: the epoch is raised, unless there was only more of it.
 */
int lnt_sync_services(struct lnt_sync *s, const struct lnt_service_change *changes, size_t n,
	bool whole, struct lnt_err *e, size_t *ret_writes);

/* Brings the namespaces that the socket hooks tell apart to @want. */
int lnt_sync_netns(struct lnt_sync *s, const struct lnt_netns_entry *want, size_t n,
	struct lnt_err *e, size_t *ret_writes);

/* Whether the frontend and all backends that it wants are in the maps: the kernel is asked. */
bool lnt_sync_has_frontend(const struct lnt_sync *s, const struct lnt_frontend *f);

/*
 * Entries of the Maglev tables that sets for clients from outside get, 0: none. Making them takes
 * milliseconds each: a round makes some, then others are due. Without its table a set is balanced
 * by a hash modulo its backends.
 */
void lnt_sync_set_maglev(struct lnt_sync *s, uint32_t size);

/* Tables that wait to be made: another round, of no changes too, makes some of them. */
size_t lnt_sync_tables_due(const struct lnt_sync *s);

/* Tables that could not be made: the map is full, or a set has more backends than a table can. */
size_t lnt_sync_tables_missing(const struct lnt_sync *s);

/* Brings the not-masqueraded ranges and the routes to other nodes' pods to @want. */
int lnt_sync_cluster(struct lnt_sync *s, struct lnt_nl *nl, const struct lnt_cluster_state *want,
	struct lnt_err *e, size_t *ret_writes);

/* What the programs tell from now on (enum lnt_tell), in the ring buffer `events`. */
int lnt_sync_tell(struct lnt_sync *s, uint32_t what, struct lnt_err *e);

/* The maps, to be read. */
const struct lnt_maps *lnt_sync_maps(const struct lnt_sync *s);

/* Makes every flow be decided again on its next packet. */
int lnt_sync_bump_epoch(struct lnt_sync *s, struct lnt_err *e);
