/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What bed.c and bed_maps.c share. */
#include "tests/unit/bed.h"
#include "datapath/load.h"
#include "lib/cleanup.h"
#include "lib/netlink.h"

#include "linnet.skel.h"

/* Devices by index: the pods', NEWPOD's, then these. */
#define DEV_WIRE    (NEWPOD + 1)
#define DEV_SIDE    (NEWPOD + 2)
#define BED_DEVICES (NEWPOD + 3)

struct bed {
	struct linnet_bpf *skel;
	struct ring_buffer *events;
	struct lnt_nl *nl, *peers_nl;
	struct lnt_err err;
	int peer_ns; /* where the far sides of the devices are */
	uint32_t dev[BED_DEVICES], peer_dev[BED_DEVICES];
	uint8_t mac[BED_DEVICES][6]; /* of the far side */
	uint8_t host_mac[BED_DEVICES][6];
	int family; /* 4 or 6 */
	uint32_t epoch;
	uint32_t tell;
	struct pkt in, out;
	bool is_ip;
	struct lnt_event event;
	bool has_event;
};

void bed_read_drops(const struct bed *b, uint64_t ret_drops[static LNT_DROP_MAX]);
