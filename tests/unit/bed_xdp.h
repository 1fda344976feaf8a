/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A bed's wire as XDP sees it, and services for clients there. */
#include "tests/unit/bed.h"

#include <linux/bpf.h>

/* A NodePort at HOST whose one backend is @backend; and what it takes that NODE2's MAC is known. */
void bed_nodeport(struct bed *b, uint8_t proto, uint16_t port, int backend, uint16_t backend_port);
void bed_neighbour(struct bed *b, int who);

/* Runs @p at XDP on the wire, of which @linear bytes are in the first buffer (0: all). Returns an
 * enum xdp_action. What came out is in bed_out(). */
int bed_xdp(struct bed *b, const struct pkt *p, size_t linear);

/* The same for a frame of any size, in place. */
int bed_xdp_raw(struct bed *b, void *frame, size_t len, size_t linear);

/* Changes or adds the flow of @key. */
void bed_flow_set(struct bed *b, const struct lnt_flow_key *key, const struct lnt_flow *f);
/* XDP may redirect to the device of @who. */
void bed_xdp_out(struct bed *b, int who);
