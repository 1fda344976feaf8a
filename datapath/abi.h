/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * The maps' ABI: the one header that BPF programs and user space share. Addresses are 16 bytes in
 * network byte order, IPv4 mapped (::ffff:a.b.c.d). Padding is explicit and zero. Each map has one
 * writer, named at its declaration in bpf/maps.h. A change of any layout raises LNT_ABI_VERSION,
 * which is part of the pin path, so that two versions never read each other's entries; but for
 * those that takeover.c carries over, and has to be told if they change.
 */
#include <linux/in6.h>
#include <linux/types.h>

#define LNT_ABI_VERSION 4

#ifdef __cplusplus
#error "C only"
#endif
#define LNT_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(struct type) == (size), #type " changed: raise LNT_ABI_VERSION")

/*
 * Identities: peers that no rule tells apart share a number; numbers are local to the node. The
 * upper bits say what kind of peer it is, the others what rules select it by: 0 nothing. In policy
 * keys a kind alone stands for all of that kind.
 */
#define LNT_ID_ANY	  0u /* in policy keys only: any peer */
#define LNT_ID_KIND_MASK  0xe0000000u
#define LNT_ID_WORLD	  0x20000000u /* an address outside the cluster */
#define LNT_ID_HOST	  0x40000000u /* this node itself */
#define LNT_ID_NODE	  0x60000000u /* another node of the cluster */
#define LNT_ID_UNLABELLED 0x80000000u /* a container attached without a pod */
#define LNT_ID_POD	  0xa0000000u
#define lnt_id_kind(id)	  ((id)&LNT_ID_KIND_MASK)

enum lnt_direction {
	LNT_INGRESS = 0,
	LNT_EGRESS = 1
};

/*
 * Where a packet is seen. Part of a flow's key, so that an entry made for one place never matches
 * a packet at another: what came from a pod's device is never mistaken for something off the wire.
 * The key's scope is the pod device's ifindex, with LNT_SCOPE_TO_POD for its egress side, or one
 * for all node devices together: LNT_SCOPE_NODE inwards, LNT_SCOPE_TO_NODE outwards.
 */
#define LNT_SCOPE_NODE	  0u
#define LNT_SCOPE_TO_NODE 0x40000000u
#define LNT_SCOPE_TO_POD  0x80000000u

#define LNT_LOOPBACK_IFINDEX 1u /* of lo, in every network namespace */

/* What is done with a flow's packets once rewritten. Up to LNT_ACT_DSR on the slow path only. */
enum lnt_action {
	LNT_ACT_DROP = 0,
	LNT_ACT_DSR,   /* as LNT_ACT_NEIGH, with the service's address carried along (bpf/dsr.h) */
	LNT_ACT_STACK, /* up or on through the host's stack */
	LNT_ACT_PEER,  /* into the local pod behind ifindex */
	LNT_ACT_NEIGH, /* out of device ifindex, towards nexthop */
	LNT_ACT_LOOP,  /* to the node itself, as what it sends to its own addresses */
};

enum lnt_flow_flag {
	LNT_F_REPLY = 1 << 0,	    /* the entry of the replies; policy was asked of the other */
	LNT_F_FIN = 1 << 1,	    /* this direction has sent FIN (SCTP: SHUTDOWN) */
	LNT_F_RST = 1 << 2,	    /* this direction has sent RST (SCTP: ABORT) */
	LNT_F_NAT_SRC = 1 << 3,	    /* nat_saddr, nat_sport replace the source */
	LNT_F_NAT_DST = 1 << 4,	    /* nat_daddr, nat_dport replace the destination */
	LNT_F_CHECK_MAC = 1 << 5,   /* packets must come from src_mac */
	LNT_F_REWRITE_MAC = 1 << 6, /* write new_dmac and new_smac */
	/*
	 * Direct server return (bpf/dsr.h). Of an opener: the replies go another way, there is no
	 * entry for them. Of replies: the opener's packets come with the pod's own address already.
	 */
	LNT_F_DSR = 1 << 7,
};

/* One direction of a connection. ICMP echo: the identifier is the asking side's port, the other 0.
 */
struct lnt_flow_key {
	struct in6_addr saddr;
	struct in6_addr daddr;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
	__u32 scope; /* see LNT_SCOPE_NODE */
};
LNT_ASSERT_SIZE(lnt_flow_key, 44);

/* All that must be done to the packets of one direction, decided at `epoch`. */
struct lnt_flow {
	__u32 epoch;
	__u8 action; /* enum lnt_action */
	__u8 flags;  /* enum lnt_flow_flag */
	__u8 reason; /* enum lnt_drop, when action is LNT_ACT_DROP */
	__u8 family; /* of nexthop: AF_INET or AF_INET6, LNT_ACT_NEIGH only */
	__u32 ifindex;
	__u32 peer_scope; /* scope of the other direction's entry */
	__u16 idle;	  /* sweeps without a packet: the sweeper counts, packets clear */
	__u8 src_mac[6];
	__u8 new_dmac[6];
	__u8 new_smac[6];
	struct in6_addr nexthop;
	struct in6_addr nat_saddr;
	struct in6_addr nat_daddr;
	__be16 nat_sport;
	__be16 nat_dport;
	__u32 src_identity; /* of the connection's opener and its target, for explanations */
	__u32 dst_identity;
	__u32 rule;    /* the rule that allowed it, see lnt_policy_value */
	__u32 slot;    /* where the backend stood in its set, if it is a service's */
	__u64 packets; /* as the hook sees them: a GSO or GRO packet counts once */
	__u64 bytes;
};
LNT_ASSERT_SIZE(lnt_flow, 120);

/* A connection of which only the opener has been seen, filed under the key of its replies. */
struct lnt_pending {
	struct lnt_flow_key orig; /* key of the opener's direction */
	__u32 pad;
	struct lnt_flow fwd; /* its packets: seen from the opener so far */
	struct lnt_flow reply;
};
LNT_ASSERT_SIZE(lnt_pending, 288);

/* A local pod, by each of its addresses. Absent: nothing may leave or enter (fail closed). */
enum lnt_endpoint_flag {
	LNT_EP_ISOLATED_INGRESS = 1 << 0, /* by NetworkPolicies: only what these allow */
	LNT_EP_ISOLATED_EGRESS = 1 << 1,
	LNT_EP_ADMIN_INGRESS = 1 << 2, /* there are rules of the admin tier */
	LNT_EP_ADMIN_EGRESS = 1 << 3,
	LNT_EP_BASELINE_INGRESS = 1 << 4, /* of the baseline tier, and no isolation */
	LNT_EP_BASELINE_EGRESS = 1 << 5,
	LNT_EP_CLOSED = 1 << 6, /* its policy is not in the maps: only the node comes in */
	LNT_EP_AUDIT = 1 << 7,	/* what policy denies passes, and is told */
};
struct lnt_endpoint_value {
	__u32 ifindex; /* host side of its veth */
	__u32 identity;
	__u32 policy_id;
	__u8 flags; /* enum lnt_endpoint_flag */
	__u8 pad;
	__u8 mac[6];	  /* of the pod's side */
	__u8 host_mac[6]; /* of the host's side */
	__u8 pad2[2];
};
LNT_ASSERT_SIZE(lnt_endpoint_value, 28);

/* A pod's device, by its host side's ifindex: the two MACs of the veth pair. */
struct lnt_device_value {
	__u8 mac[6];
	__u8 host_mac[6];
};
LNT_ASSERT_SIZE(lnt_device_value, 12);

/* Who an address is: pods and nodes of the whole cluster, and blocks of addresses outside it. */
struct lnt_peer_value {
	__u32 identity;
};
LNT_ASSERT_SIZE(lnt_peer_value, 4);

/* Ranges that are reached without masquerading: the cluster's pod CIDRs. */
struct lnt_cidr_key {
	__u32 prefixlen; /* 0-128, over the mapped form */
	struct in6_addr addr;
};
LNT_ASSERT_SIZE(lnt_cidr_key, 20);

struct lnt_cidr_value {
	__u32 flags; /* LNT_CIDR_* */
};
#define LNT_CIDR_CLUSTER (1u << 0)
LNT_ASSERT_SIZE(lnt_cidr_value, 4);

/*
 * Policy, by {policy, identity, table, protocol, port}. All but the last two match as a whole;
 * protocol and port may be cut: LNT_POLICY_ALL matches every protocol, LNT_POLICY_PROTO every port
 * of one, longer ones a port prefix; what is cut off is zero. A peer is looked up by its identity,
 * by its kind and as LNT_ID_ANY; of what is found the lowest order rules.
 *
 * Of one identity the longest match counts, and never has a higher order than a shorter one. Its
 * entry of LNT_POLICY_ALL is always there, as its head: it tells which lengths to look for. So a
 * look-up costs the same however many entries there are, which it would not in a trie.
 */
struct lnt_policy_key {
	__u32 prefixlen;
	__u32 policy_id;
	__u32 identity;
	__u8 table; /* enum lnt_direction, and LNT_POLICY_ADMIN */
	__u8 proto;
	__be16 port; /* destination port */
};
/* Rules of the admin tier; else of NetworkPolicies where they isolate, else of the baseline tier.
 */
#define LNT_POLICY_ADMIN (1u << 1)
#define LNT_POLICY_ALL	 72u
#define LNT_POLICY_PROTO 80u
#define LNT_POLICY_PORT	 96u
/* A prefix length longer than LNT_POLICY_ALL in lnt_policy_value.lengths: the longest is bit 0. */
#define LNT_POLICY_LENGTH(prefixlen) (1u << (LNT_POLICY_PORT - (prefixlen)))
LNT_ASSERT_SIZE(lnt_policy_key, 16);

enum lnt_verdict {
	LNT_DENY = 0,
	LNT_ALLOW = 1,
	LNT_PASS = 2,	/* the next tier decides */
	LNT_SILENT = 3, /* in heads only: nothing is said but by longer entries */
};
struct lnt_policy_value {
	__u32 order;   /* lower goes first; 0 in the table of NetworkPolicies */
	__u32 rule;    /* index into the agent's table of rule names; 0: none */
	__u32 lengths; /* of a head: LNT_POLICY_LENGTH() of every longer entry of this identity */
	__u8 verdict;  /* enum lnt_verdict */
	__u8 pad[3];
};
LNT_ASSERT_SIZE(lnt_policy_value, 16);

/*
 * Services: frontend -> backend sets, then {set, slot} -> backend. A frontend of port 0 and
 * protocol 0 stands for every port of a service address that has no frontend of its own: refused.
 */
struct lnt_service_key {
	struct in6_addr addr;
	__be16 port;
	__u8 proto;
	__u8 kind; /* enum lnt_frontend_kind */
};

/*
 * What packets are sent to, or what another node may carry to pods of this one (bpf/dsr.h): the set
 * has those pods. A NodePort is carried for the unspecified address of the family: the address at
 * which it was asked is another node's.
 */
enum lnt_frontend_kind {
	LNT_FRONTEND_ASKED = 0,
	LNT_FRONTEND_CARRIED = 1,
	/*
	 * No frontend: a NodePort of the family of the unspecified address is served somewhere on
	 * this node, so that no process of the node may bind it there.
	 */
	LNT_FRONTEND_RESERVED = 2,
};
LNT_ASSERT_SIZE(lnt_service_key, 20);

enum lnt_service_flag {
	LNT_SVC_EXTERNAL =
		1 << 0, /* served to clients from outside: NodePort, external, balancer */
	LNT_SVC_LOCAL =
		1 << 1, /* externalTrafficPolicy Local: outside clients keep their address */
	LNT_SVC_RANGES = 1 << 2, /* outside clients must be in the frontend's source ranges */
	LNT_SVC_HOST_ONLY =
		1 << 3,	      /* for the node's own sockets only: NodePort at a loopback address */
	LNT_SVC_DSR = 1 << 4, /* pods of other nodes answer outside clients directly */
};

struct lnt_service_value {
	__u32 set;     /* backends for pods and nodes; never reused while entries of it exist */
	__u32 count;   /* in slots 0..count-1; 0: refuse */
	__u32 ext_set; /* the same for clients from outside, LNT_SVC_EXTERNAL only */
	__u32 ext_count;
	__u32 affinity; /* seconds that a client keeps its backend, 0: no affinity */
	__u32 flags;	/* enum lnt_service_flag */
};
LNT_ASSERT_SIZE(lnt_service_value, 24);

/* Source ranges of a frontend with LNT_SVC_RANGES: LPM over {set, address}. */
struct lnt_range_key {
	__u32 prefixlen; /* 32 and more: the set matches as a whole */
	__u32 set;	 /* the frontend's lnt_service_value.set */
	struct in6_addr addr;
};
LNT_ASSERT_SIZE(lnt_range_key, 24);

/* Session affinity: a client and the backend it keeps. */
struct lnt_affinity_key {
	__u64 client[2]; /* the address, or {netns cookie, 0} at the socket */
	__u32 set;
	__u32 pad;
};
LNT_ASSERT_SIZE(lnt_affinity_key, 24);

struct lnt_affinity_value {
	__u64 used; /* ns, CLOCK_MONOTONIC */
	struct in6_addr addr;
	__be16 port;
	__u8 pad[2];
	__u32 slot; /* where the backend stood in its set; it keeps its slot as long as it is there
		     */
};
LNT_ASSERT_SIZE(lnt_affinity_value, 32);

struct lnt_backend_key {
	__u32 set;
	__u32 slot;
};
LNT_ASSERT_SIZE(lnt_backend_key, 8);

struct lnt_backend_value {
	struct in6_addr addr;
	__be16 port;
	__u8 pad[2];
};
LNT_ASSERT_SIZE(lnt_backend_value, 20);

/*
 * Network namespaces whose sockets get services, by their cookie (SO_NETNS_COOKIE). Any other's are
 * left alone: a pod's packets are translated as they come, and the rest is another node's, where
 * nodes share a cgroup as containers of one machine may.
 */
enum lnt_netns_flag {
	LNT_NETNS_HOST = 1 << 0, /* the node's own */
};
struct lnt_netns_value {
	__u32 flags; /* enum lnt_netns_flag */
	__u32 pad;
};
LNT_ASSERT_SIZE(lnt_netns_value, 8);

/*
 * Maglev: the table of a set that clients from outside are balanced over, {set, part of the table}
 * -> slots of the set. Entry i is slots[i % LNT_MAGLEV_SLOTS] of part i / LNT_MAGLEV_SLOTS; there
 * are lnt_config.maglev_size of them. A set without a table is balanced by a hash modulo its count.
 */
#define LNT_MAGLEV_SLOTS 476u /* an entry of the map fills an allocation of 1,024 bytes */

struct lnt_maglev_key {
	__u32 set;
	__u32 part;
};
LNT_ASSERT_SIZE(lnt_maglev_key, 8);

struct lnt_maglev_value {
	__u64 content; /* part 0: the agent's hash of what the table was made from; else 0 */
	__u16 slots[LNT_MAGLEV_SLOTS];
};
LNT_ASSERT_SIZE(lnt_maglev_value, 960);

/* What a socket believes it talks to: for getpeername of connected sockets. */
struct lnt_sock_peer {
	struct in6_addr service_addr;
	struct in6_addr backend_addr;
	__be16 service_port;
	__be16 backend_port;
};
LNT_ASSERT_SIZE(lnt_sock_peer, 36);

/* The same for the datagrams of an unconnected socket: backend -> service. */
struct lnt_sock_rev_key {
	__u64 cookie;
	struct in6_addr backend_addr;
	__be16 backend_port;
	__u8 pad[6];
};
LNT_ASSERT_SIZE(lnt_sock_rev_key, 32);

struct lnt_sock_rev_value {
	struct in6_addr addr;
	__be16 port;
	__u8 pad[2];
};
LNT_ASSERT_SIZE(lnt_sock_rev_value, 20);

/* Ports of a fragmented datagram, from its first fragment. */
struct lnt_frag_key {
	struct in6_addr saddr;
	struct in6_addr daddr;
	__be32 id;
	__u32 scope;
	__u8 proto;
	__u8 pad[3];
};
LNT_ASSERT_SIZE(lnt_frag_key, 44);

struct lnt_frag_value {
	__be16 sport;
	__be16 dport;
};
LNT_ASSERT_SIZE(lnt_frag_value, 4);

/* Written by the agent: raised whenever policy, endpoints, services or routes changed. */
struct lnt_state {
	__u32 epoch;
	__u32 tell; /* enum lnt_tell: somebody listens */
};
LNT_ASSERT_SIZE(lnt_state, 8);

/* Why a packet was dropped. Texts: lnt_drop_text(). */
enum lnt_drop {
	LNT_DROP_NONE = 0,
	LNT_DROP_MALFORMED,	 /* headers that do not parse */
	LNT_DROP_NO_ENDPOINT,	 /* the pod is not programmed (fail closed) */
	LNT_DROP_SPOOFED_IP,	 /* source address is not the pod's */
	LNT_DROP_SPOOFED_MAC,	 /* source MAC is not the pod's */
	LNT_DROP_FOREIGN_ND,	 /* ARP or ND that speaks for somebody else, or as a router */
	LNT_DROP_WIRE_SPOOFED,	 /* from the wire with a local pod's source address */
	LNT_DROP_POLICY_INGRESS, /* a rule denies it, or isolated and no rule matched */
	LNT_DROP_POLICY_EGRESS,	 /* the same at the source */
	LNT_DROP_NO_ROUTE,	 /* the node has no route to the destination */
	LNT_DROP_TTL,		 /* hop limit reached zero */
	LNT_DROP_FRAGMENT,	 /* its first part was not seen, or a port of SCTP would change */
	LNT_DROP_UNKNOWN_L3,	 /* neither IPv4, IPv6 nor ARP */
	LNT_DROP_UNKNOWN_L4,	 /* protocol that cannot be masqueraded or balanced */
	LNT_DROP_MULTICAST,	 /* multicast and broadcast are not forwarded */
	LNT_DROP_NAT_PORTS,	 /* no free port to masquerade with */
	LNT_DROP_NO_BACKEND,	 /* service without endpoints */
	LNT_DROP_NO_SERVICE,	 /* a service's address, and none of its ports */
	LNT_DROP_SOURCE_RANGE,	 /* outside client not in the service's source ranges */
	LNT_DROP_STRAY_ERROR,	 /* ICMP error about no known connection */
	LNT_DROP_INTERNAL,	 /* a helper failed that should not */
	LNT_DROP_DSR_UNKNOWN,	 /* carries a service's address that it cannot be for */
	LNT_DROP_DSR_CLASH,	/* client's port talks to the pod through another service address */
	LNT_DROP_POLICY_CLOSED, /* the pod's policy does not fit into the maps (fail closed) */
	LNT_DROP_MAX,
};

/* Things that are counted but are no drops. */
enum lnt_counter {
	LNT_CNT_FLOW_NEW = 0,	  /* decided on the slow path */
	LNT_CNT_FLOW_ESTABLISHED, /* promoted to the flow map */
	LNT_CNT_FLOW_REDECIDED,	  /* epoch moved, decided again */
	LNT_CNT_FLOW_REOPENED,	  /* a SYN with the ports of one that was decided */
	LNT_CNT_FLOW_MAP_FULL,	  /* promotion failed; the connection stays on the slow path */
	LNT_CNT_SOCK_TRANSLATED,  /* connects and datagrams sent to a backend */
	LNT_CNT_SOCK_REFUSED,	  /* services without backends */
	LNT_CNT_SOCK_STATE_FULL,  /* reverse translation could not be remembered */
	LNT_CNT_DSR_CARRIED,	  /* packets sent on with their service's address */
	LNT_CNT_DSR_NO_ROOM,	  /* flows source-translated: no room for it in the first packet */
	LNT_CNT_XDP_FORWARDED,	  /* packets of services sent on before the stack saw them */
	LNT_CNT_BIND_REFUSED,	  /* binds of processes of the node to NodePorts */
	LNT_CNT_POLICY_AUDITED,	  /* connections that pass though policy denies them */
	LNT_CNT_EVENTS_LOST,	  /* not told: whoever listens is too slow */
	LNT_CNT_MAX,
};

/* What is told to user space, and when: lnt_state.tell. */
enum lnt_tell {
	LNT_TELL_DROPS = 1 << 0,  /* every packet that is dropped */
	LNT_TELL_ALLOWS = 1 << 1, /* every connection that policy allows, when it is decided */
};

enum lnt_event_kind {
	LNT_EVENT_DROP = 0,
	LNT_EVENT_ALLOW,
	LNT_EVENT_AUDIT, /* denied, and let through: LNT_EP_AUDIT */
};

struct lnt_event {
	__u64 time;		 /* ns, CLOCK_MONOTONIC */
	struct lnt_flow_key key; /* of the packet */
	__u32 ifindex;
	struct in6_addr target; /* of the connection, behind the service; where policy was asked */
	__be16 target_port;
	__u8 kind;	/* enum lnt_event_kind */
	__u8 reason;	/* enum lnt_drop; of an audit what it would have been */
	__u8 direction; /* enum lnt_direction: whose policy it was */
	__u8 pad[3];
	__u32 src_identity; /* of the connection's opener */
	__u32 dst_identity;
	__u32 policy_id; /* that was asked, 0: none */
	__u32 rule;	 /* that decided; 0: isolated, and no rule matched */
};
LNT_ASSERT_SIZE(lnt_event, 96);

/* The sweeper's limits and results: context of the `sweep` program. Limits are in sweeps. */
struct lnt_sweep {
	__u16 tcp_idle;	    /* established TCP and SCTP */
	__u16 closing_idle; /* after FIN both ways, or RST, or their like in SCTP */
	__u16 other_idle;   /* UDP, ICMP and the rest */
	__u16 pad;
	__u32 seen;
	__u32 removed;
	__u32 to_node; /* left that answer through to_node, which must stay for them */
};
LNT_ASSERT_SIZE(lnt_sweep, 20);

/* Decided when the programs are loaded. */
#define LNT_MAX_DEVICES 8
struct lnt_config {
	struct in6_addr masq4; /* source for masqueraded IPv4, mapped; zero: no masquerade */
	struct in6_addr masq6;
	__u16 masq_port_min; /* host byte order; outside the node's own ephemeral range */
	__u16 masq_port_max;
	__u32 n_devices;
	__u32 devices[LNT_MAX_DEVICES]; /* ifindexes of the node's devices that linnet attaches to
					 */
	__u32 maglev_size;		/* entries of a Maglev table, a prime; 0: none are used */
	__u8 has_set_retval;		/* cgroup hooks can choose the error (5.18) */
	__u8 has_to_node;		/* to_node is attached to the node's devices */
	__u8 has_xdp_frags;		/* XDP sees packets in several buffers (5.18) */
	__u8 xdp_by_redirect;		/* XDP_TX does not reach the other side of a veth */
};
LNT_ASSERT_SIZE(lnt_config, 80);
