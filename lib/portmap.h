/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Port mappings: ports of the node that lead to a container, as Kubernetes' hostPort asks for. The
 * container runtime passes them as the capability portMappings (CNI CONVENTIONS.md, "port
 * mappings"); the plugin keeps them in the endpoint's record in the same form.
 */
#include "lib/addr.h"
#include "lib/err.h"

#include <cjson/cJSON.h>
#include <stdint.h>

#define LNT_PORTMAPS_MAX   128
#define LNT_PORTMAP_STRLEN (LNT_ADDRSTRLEN + 16)

/* The families in which a mapping is served. */
enum lnt_portmap_family {
	LNT_PORTMAP_4 = 1 << 0,
	LNT_PORTMAP_6 = 1 << 1,
};

struct lnt_portmap {
	struct in6_addr host_ip; /* 0.0.0.0 or ::, every address of the node in its families */
	uint16_t host_port;	 /* host byte order, as the next */
	uint16_t container_port;
	uint8_t proto;	  /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
	uint8_t families; /* enum lnt_portmap_family */
	uint8_t pad[2];
};

/*
 * Reads a list of {"hostPort", "containerPort", "protocol", "hostIP"}, in upper or lower case. No
 * protocol is TCP, no hostIP is every address of both families. The same mapping twice counts once.
 * Returns 0, or -EINVAL with what is wrong in @e.
 */
int lnt_portmaps_parse(const cJSON *list, struct lnt_err *e,
	struct lnt_portmap ret_maps[static LNT_PORTMAPS_MAX], unsigned *ret_n);

/* Adds the list again to @obj. False: out of memory. */
bool lnt_portmaps_add(cJSON *obj, const char *key, const struct lnt_portmap *maps, unsigned n);

/* Whether it stands for every address of its families. */
bool lnt_portmap_is_any(const struct lnt_portmap *m);

/*
 * Whether two containers cannot have both: the same port, protocol and hostIP. A hostIP goes before
 * every address, so that these two get along.
 */
bool lnt_portmap_conflicts(const struct lnt_portmap *a, const struct lnt_portmap *b);

/* "192.0.2.1:80/TCP", or "*:80/TCP" without a hostIP. Returns @buf. */
const char *lnt_portmap_str(const struct lnt_portmap *m, char buf[static LNT_PORTMAP_STRLEN]);

/* "TCP", "UDP", "SCTP", or "?". */
const char *lnt_proto_str(uint8_t proto);
