/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A node to run the datapath's programs on, one packet at a time (BPF_PROG_TEST_RUN): real devices,
 * routes and neighbours in namespaces of the test's own, the programs loaded and never attached,
 *the maps filled by hand. A test reads as a conversation:
 *
 *	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
 *	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(C), C, 1000, B, 80, SYN));
 *
 * Whatever a packet does, the bed checks that it is dropped with exactly one reason counted or
 *passed with none, and that what is passed is as sound as it was before, with one hop less where it
 *is sent on. A packet that is refused is dropped for a reason, and an answer is sent in its place.
 */
#include "tests/unit/packet.h"
#include "datapath/abi.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Who has an address here. Pods first: they have devices. */
enum who {
	A,
	B,
	C,
	N_PODS,
	NEWPOD = N_PODS, /* has a device and an address, and is not programmed */
	HOST,
	NODE2, /* another node, on the wire */
	FAR,   /* a pod there */
	WORLD, /* behind the default gateway */
	WORLD2,
	SIDE, /* behind a device that linnet does not serve */
	GW,   /* what pods have as gateway */
	VIP,  /* a service */
	LOOP, /* loopback, which the agent lists with the node's */
	N_WHO,
};

/* Where a packet is seen, in which program. */
#define FROM(pod) (pod)		/* it leaves a pod */
#define TO(pod)	  (100 + (pod)) /* the host sends it to a pod */
#define VIA(pod)  (200 + (pod)) /* the host forwards it to a pod, from the device of SIDE */
#define BACK(pod) (300 + (pod)) /* redirected to a pod by the program of its own device */
#define WIRE	  400		/* it comes off the wire */
#define OUT	  401		/* the host's stack sends it onto the wire */
/* The stack forwards it from a pod to another, as it does for a port of the host's own NAT. */
#define VIA_POD(src, pod) (500 + 100 * (src) + (pod))

/* What became of it: one of these, or 100 or 200 + the reason it was dropped or refused for. */
#define BED_UP	       (-1)
#define BED_SENT       7
#define BED_DROP(r)    (100 + (int)(r))
#define BED_REFUSED(r) (200 + (int)(r))

struct bed;

struct bed_options {
	uint32_t max_flows;		       /* 0: as the datapath has it */
	uint16_t masq_port_min, masq_port_max; /* 0: 40000 to 40999 */
	bool no_masquerade;
	bool to_node;	      /* the programs are told that to_node is attached */
	uint32_t maglev_size; /* 0: no Maglev */
};

/*
 * Enters new namespaces and loads the programs. One bed a process: what it made goes with the
 * process. Aborts the test when something is missing.
 */
struct bed *bed_open(const struct bed_options *opt);
void bed_close(struct bed *b);

/* Forgets all flows, policy and services; the pods are there, not isolated. @family: 4 or 6. */
void bed_reset(struct bed *b, int family);
bool bed_is4(const struct bed *b);
uint8_t bed_icmp(const struct bed *b); /* the family's ICMP protocol */

/* For cmocka: tests in both families, and a group's set-up that opens a bed with default options.
 */
int bed_setup4(void **state);
int bed_setup6(void **state);
int bed_group_setup(void **state);
int bed_group_teardown(void **state);
extern const struct bed_options *bed_group_options; /* NULL: defaults */
#define BOTH(title, fn)                                     \
	{title " (IPv4)", fn, bed_setup4, NULL, NULL},      \
	{                                                   \
		title " (IPv6)", fn, bed_setup6, NULL, NULL \
	}
#define ONLY4(title, fn)                          \
	{                                         \
		title, fn, bed_setup4, NULL, NULL \
	}
#define ONLY6(title, fn)                          \
	{                                         \
		title, fn, bed_setup6, NULL, NULL \
	}

struct in6_addr bed_addr(const struct bed *b, int who);
/* With the MAC that the node or the pods see of @who at @hook's side. */
struct pkt_end bed_end(const struct bed *b, int who, uint16_t port);
const uint8_t *bed_mac(const struct bed *b, int who);
const uint8_t *bed_host_mac(const struct bed *b, int pod);
uint32_t bed_ifindex(const struct bed *b, int who); /* of a pod's device, or of the wire or SIDE */
uint32_t bed_scope(const struct bed *b, int hook);

/* --- packets ---------------------------------------------------------------------------------- */

/* The last packet in and what came out of it. */
struct pkt *bed_in(struct bed *b);
const struct pkt *bed_out(const struct bed *b);

/* Runs @p, or the last packet once more. */
int bed_run(struct bed *b, int hook, const struct pkt *p);
int bed_again(struct bed *b, int hook);
/* The raw verdict alone, nothing checked; @repeat times. Returns ns a run in *ret_ns, if not NULL.
 */
int bed_run_raw(struct bed *b, int hook, const struct pkt *p, unsigned repeat, uint32_t *ret_ns);

int tcp(struct bed *b, int hook, int src, int sport, int dst, int dport, uint8_t flags);
int udp(struct bed *b, int hook, int src, int sport, int dst, int dport);
int ping(struct bed *b, int hook, int src, int dst, int id);
int pong(struct bed *b, int hook, int src, int dst, int id);

/* Builds without running. */
void bed_tcp(struct bed *b, struct pkt *p, int src, int sport, int dst, int dport, uint8_t flags);
void bed_udp(struct bed *b, struct pkt *p, int src, int sport, int dst, int dport);

/* Gives @p the MACs that packets have at @hook; and runs it. */
void bed_place(const struct bed *b, int hook, struct pkt *p);
int bed_send(struct bed *b, int hook, struct pkt *p);

void bed_expect(const struct bed *b, int got, int want, const char *file, int line);
#define SENT(b, e)	      bed_expect(b, e, BED_SENT, __FILE__, __LINE__)
#define UP(b, e)	      bed_expect(b, e, BED_UP, __FILE__, __LINE__)
#define DROPS(b, reason, e)   bed_expect(b, e, BED_DROP(reason), __FILE__, __LINE__)
#define REFUSES(b, reason, e) bed_expect(b, e, BED_REFUSED(reason), __FILE__, __LINE__)

/* Asserts about the last packet that came out. Ports in host order. */
void bed_assert_out(const struct bed *b, const struct in6_addr *src, int sport,
	const struct in6_addr *dst, int dport);
void bed_assert_into(const struct bed *b, int pod); /* its MACs are those of a pod's veth */

/* --- maps ------------------------------------------------------------------------------------- */

/* Keys as the programs make them; ICMP echo: @sport or @dport is the identifier. */
struct lnt_flow_key bed_key(
	const struct bed *b, int hook, int src, int sport, int dst, int dport, uint8_t proto);
/* False: no such entry. @ret_flow may be NULL. */
bool bed_flow(const struct bed *b, const struct lnt_flow_key *key, struct lnt_flow *ret_flow);
void bed_forget_flow(struct bed *b, const struct lnt_flow_key *key);
bool bed_pending(const struct bed *b, const struct lnt_flow_key *key, struct lnt_pending *ret);
unsigned bed_flows(const struct bed *b); /* how many */
uint64_t bed_counter(const struct bed *b, enum lnt_counter what);

void bed_endpoint(struct bed *b, int pod, uint8_t flags); /* present with these */
void bed_endpoint_gone(struct bed *b, int pod);
void bed_device_gone(struct bed *b, int pod);
void bed_peer(struct bed *b, int who, uint32_t identity); /* 0: forgotten */
uint32_t bed_identity(int who);
/* Of @pod's policy. @identity LNT_ID_ANY, or of bed_identity(). Prefix lengths as in the ABI. */
void bed_allow(struct bed *b, int pod, enum lnt_direction dir, uint32_t identity, uint8_t proto,
	uint16_t port, uint32_t prefixlen);
void bed_deny(struct bed *b, int pod, enum lnt_direction dir, uint32_t identity, uint8_t proto,
	uint16_t port, uint32_t prefixlen);
/* An entry, and its head. */
void bed_policy(
	struct bed *b, const struct lnt_policy_key *k, const struct lnt_policy_value *value);
/* Allows TCP under any policy id. */
void bed_entry(struct bed *b, uint32_t policy_id, unsigned table, uint32_t identity, uint16_t port,
	uint32_t prefixlen);
/* Of @pod's policy, for all protocols; the rule's number is its order. */
void bed_rule(struct bed *b, int pod, unsigned table, uint32_t identity, uint32_t order,
	enum lnt_verdict verdict);
void bed_disallow(struct bed *b); /* all of all policies */
void bed_block(struct bed *b, const char *cidr, uint32_t identity);
/* A service at VIP with one backend, or with none for @backend < 0. */
void bed_service(struct bed *b, uint8_t proto, uint16_t port, int backend, uint16_t backend_port);
/* A frontend for clients from outside, with one backend unless that is negative. */
struct bed_frontend {
	int at; /* who; N_WHO: the family's unspecified address */
	uint8_t proto;
	uint16_t port;
	uint32_t flags; /* enum lnt_service_flag */
	enum lnt_frontend_kind kind;
	int backend;
	uint16_t backend_port;
};
void bed_frontend(struct bed *b, const struct bed_frontend *f);
/* Of all frontends' clients with LNT_SVC_RANGES: @who is let in. */
void bed_range(struct bed *b, const struct bed_frontend *f, int who);

/* One at VIP that is open to the outside, with these in its slots of @set, and their table. */
struct bed_outside {
	uint8_t proto;
	uint16_t port;
	uint32_t set;
	uint32_t affinity;
	const struct lnt_backend_value *slots;
	uint32_t n;
};
void bed_outside_service(struct bed *b, const struct bed_outside *svc, uint32_t maglev_size);
void bed_no_tables(struct bed *b);
/* Clients with affinity were last seen @seconds ago. */
void bed_affinity_age(struct bed *b, unsigned seconds);
void bed_bump(struct bed *b); /* raises the epoch */
/* What is told from now on (enum lnt_tell); raises the epoch. bed_reset(): nothing. */
void bed_tell(struct bed *b, uint32_t what);
void bed_sweep(struct bed *b, struct lnt_sweep *s);

/* The event of the last drop. Returns false when there is none. */
bool bed_event(struct bed *b, struct lnt_event *ret_event);
void bed_wire_mtu(struct bed *b, unsigned mtu); /* until it is set again */
/* Makes the route to WORLD appear and go. */
void bed_route_world(struct bed *b, bool present);

/* --- real packets ----------------------------------------------------------------------------- */

/* Attaches the programs to all devices. Once a bed. */
void bed_attach(struct bed *b);
/* A packet socket (packet(7)) on the far side of the device of @who; the caller closes it. */
int bed_socket(struct bed *b, int who);
