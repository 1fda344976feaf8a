/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent: one loop that keeps the node true to the cluster. Whatever changes (an object, an
 * endpoint, an address) marks a domain dirty; a turn then compiles the dirty domains from the store
 * and syncs the difference. Turns are coalesced, so a burst of changes costs a few turns.
 */
#include "agent/cni_server.h"
#include "agent/compile/compile.h"
#include "agent/kube/kube.h"
#include "agent/node/devices.h"
#include "agent/node/xdp.h"
#include "agent/notices.h"
#include "agent/options.h"
#include "agent/port_holders.h"
#include "agent/registry.h"
#include "agent/stats.h"
#include "agent/stack_backends.h"
#include "agent/sync/sync.h"

enum lnt_dirty {
	LNT_DIRTY_CLUSTER = 1 << 0,  /* nodes: routes, devices, programs' configuration */
	LNT_DIRTY_POLICY = 1 << 1,   /* pods, namespaces, policies, endpoints, addresses */
	LNT_DIRTY_SERVICES = 1 << 2, /* services, endpoint slices */
	LNT_DIRTY_ALL = 7,
};

struct lnt_node_watch;
struct lnt_people;
struct lnt_serving;
struct lnt_add; /* an ADD that waits for its pod (adds.c) */

struct lnt_agent {
	uv_loop_t loop;
	const struct lnt_options *opt;
	struct lnt_store *store;
	struct lnt_kube *kube;
	struct lnt_registry registry;
	struct lnt_nl *nl;
	struct lnt_sync *sync; /* NULL until the programs are loaded */
	struct lnt_cni_server *cni;
	struct lnt_add *adds;
	struct lnt_node_watch *watch;
	struct lnt_serving *serving;
	struct lnt_people *people;

	uv_timer_t turn;  /* the next turn */
	uv_timer_t sweep; /* ageing of flows */
	uv_signal_t sigterm, sigint;
	unsigned dirty;	     /* enum lnt_dirty */
	uint64_t turn_ns;    /* what the last turn took */
	uint64_t turn_ended; /* uv_hrtime() */
	unsigned failures;   /* turns in a row that failed, for the retry's delay */

	struct lnt_config loaded; /* what the programs were loaded with */
	struct lnt_node_devices devices;
	struct lnt_xdp xdp; /* how they run it, and why */
	struct lnt_stats stats;
	struct lnt_notice_sink notices;
	struct lnt_notices policy_notices;
	struct lnt_notices service_notices; /* of LNT_NOTICE_NOT_PROGRAMMED */
	struct lnt_policies *policies;
	struct lnt_services *services; /* compiled, from turn to turn */
	struct lnt_nodeport_addr *nodeport_addrs;
	size_t n_nodeport_addrs;
	struct lnt_stack_backends stack_backends;
	size_t tables_missing; /* Maglev tables that could not be made, as was last said */
	bool to_node;	       /* is attached */
	bool to_lo;	       /* on the loopback device too */
	struct lnt_hostport_addr *hostport_addrs;
	size_t n_hostport_addrs;
	struct lnt_port_holders port_holders;
	bool drains;	   /* sockets to backends that are gone can be ended */
	bool drain_again;  /* at the next sweep, for sockets that were about to connect */
	bool synced;	   /* the store is complete */
	bool ready;	   /* the node can carry pods */
	char why_not[512]; /* while not ready: what is waited for, for people */
	char failing[512]; /* what the last turn could not do; "": nothing */
};

/* Runs until SIGTERM or SIGINT. Leaves everything pinned, so that pods go on. */
int lnt_agent_run(const struct lnt_options *opt, struct lnt_err *e);

/* Has the domains of @dirty compiled and synced soon. */
void lnt_agent_mark(struct lnt_agent *a, unsigned dirty);

/* Compiles and syncs the dirty domains now. */
void lnt_agent_turn(struct lnt_agent *a);

/* The handler of the CNI socket (adds.c). */
struct lnt_cni_handler lnt_adds_handler(struct lnt_agent *a);

/* After a turn: answers the ADDs whose endpoint is in the maps. */
void lnt_adds_settle(struct lnt_agent *a);

/* Those that wait, from a->adds on; of each what is to be programmed, NULL: it is gone again. */
const struct lnt_add *lnt_adds_next(const struct lnt_add *add);
const struct lnt_endpoint *lnt_adds_endpoint(const struct lnt_add *add);

/* Answers all that wait, with "try again later", before the loop ends. */
void lnt_adds_close(struct lnt_agent *a);
