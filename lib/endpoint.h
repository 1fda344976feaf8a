/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An endpoint: one attachment of a container to the network, as the CNI plugin made it. The plugin
 * writes the record as JSON to <run-dir>/endpoints/<container-id>:<ifname>.json before it asks the
 * agent to program it; the agent reads the folder when it starts. The run directory is volatile (a
 * tmpfs): after a reboot neither veth pairs nor records exist.
 */
#include "lib/addr.h"
#include "lib/err.h"
#include "lib/portmap.h"

#include <cjson/cJSON.h>
#include <net/if.h>
#include <stdint.h>

#define LNT_CONTAINER_ID_MAX 128
#define LNT_K8S_NAME_MAX     254
#define LNT_NETWORK_NAME_MAX 128
#define LNT_NETNS_PATH_MAX   256

struct lnt_endpoint {
	char container_id[LNT_CONTAINER_ID_MAX + 1];
	char network[LNT_NETWORK_NAME_MAX + 1]; /* name in the CNI configuration; empty: unknown */
	char ifname[IFNAMSIZ];			/* inside the container */
	char netns[LNT_NETNS_PATH_MAX];		/* CNI_NETNS; empty: unknown, or too long */
	char pod_ns[LNT_K8S_NAME_MAX];		/* empty: not a pod */
	char pod_name[LNT_K8S_NAME_MAX];	/* empty: not a pod */
	char pod_uid[64];			/* empty: unknown */
	struct in6_addr addrs[2];		/* at most one per family */
	unsigned n_addrs;
	char host_ifname[IFNAMSIZ];
	uint32_t host_ifindex;
	uint64_t netns_cookie; /* of its network namespace (lib/netns.h); 0: unknown */
	uint8_t mac[6];	       /* inside the container */
	uint8_t host_mac[6];   /* on the host */
	struct lnt_portmap portmaps[LNT_PORTMAPS_MAX]; /* ports of the node that lead here */
	unsigned n_portmaps;
};

/* The record as a new JSON object; the caller owns it. NULL: out of memory. */
cJSON *lnt_endpoint_to_json(const struct lnt_endpoint *ep);

/* Reads what lnt_endpoint_to_json() wrote. Returns 0, or -EINVAL with the reason in @e. */
int lnt_endpoint_from_json(const cJSON *json, struct lnt_err *e, struct lnt_endpoint *ret_ep);

/* Writes the record below @run_dir, atomically (temporary file, rename). Makes the folder. */
int lnt_endpoint_save(const char *run_dir, const struct lnt_endpoint *ep, struct lnt_err *e);

/* Removes the record; one that is not there is no error. */
int lnt_endpoint_remove(
	const char *run_dir, const char *container_id, const char *ifname, struct lnt_err *e);

/* Reads one record. Returns 0, or -ENOENT, or -EINVAL for a damaged one. */
int lnt_endpoint_load(const char *run_dir, const char *container_id, const char *ifname,
	struct lnt_err *e, struct lnt_endpoint *ret_ep);

/*
 * Reads every record below @run_dir into a new array that the caller frees. A damaged record is
 * logged and left out. No folder: an empty array.
 */
int lnt_endpoint_load_all(
	const char *run_dir, struct lnt_err *e, struct lnt_endpoint **ret_eps, size_t *ret_n);

/*
 * The host side's device name of an attachment: "lnt" and 11 characters of a hash of container and
 * interface, so that DEL needs no state to find it.
 */
void lnt_endpoint_host_ifname(
	const char *container_id, const char *ifname, char ret_name[static IFNAMSIZ]);
