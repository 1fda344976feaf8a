/* SPDX-License-Identifier: Apache-2.0 */
/* The node of packets.h: the bed of tests/unit with the agent's own way of writing its maps. */
#include "tests/oracle/packets.h"
#include "agent/sync/sync.h"
#include "datapath/pins.h"
#include "tests/unit/bed_internal.h"
#include "tests/unit/verdict.h"

#include <bpf/bpf.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define FIRST_PORT 10000

struct packets {
	struct bed *bed;
	struct lnt_sync *sync;
	struct compiled_device devices[CLUSTER_MAX_EPS];
	uint64_t drops[LNT_DROP_MAX];
};

_Static_assert(CLUSTER_MAX_EPS <= NEWPOD + 1, "the bed has a device for each endpoint");

__attribute__((noreturn)) static void give_up(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(2);
}

/* The agent's code opens maps by their pins. The bpffs is gone once they are open. */
static struct lnt_sync *open_sync(struct linnet_bpf *skel)
{
	char root[] = "/tmp/lnt-fuzz-XXXXXX", path[PATH_MAX];
	struct lnt_sync *sync = NULL;
	struct lnt_err e = {};
	struct bpf_map *map;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		!mkdtemp(root))
		give_up("namespace", "cannot be made");
	if (lnt_bpffs_ensure(root, &e) || lnt_pin_mkdirs(root))
		give_up("bpffs", e.msg);
	bpf_object__for_each_map(map, skel->obj)
	{
		if (bpf_map__is_internal(map) || map == skel->maps.scratch_map)
			continue;
		if (lnt_pin_path(root, "maps", bpf_map__name(map), path) || bpf_map__pin(map, path))
			give_up("pin", bpf_map__name(map));
	}
	if (lnt_sync_new(root, &e, &sync))
		give_up("maps", e.msg);
	if (umount(root) || rmdir(root))
		give_up("bpffs", "cannot be removed");
	return sync;
}

/* Pods have routes, also those that are not programmed; the bed has them for four. */
static void add_routes(struct bed *b)
{
	static const char *const more[] = {"10.1.0.14/31", "fd00:1::14/127"};

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		struct lnt_route r = {
			.oif = b->dev[0], .protocol = LNT_RTPROT, .scope = RT_SCOPE_LINK};

		if (lnt_prefix_parse(more[i], &r.dst) || lnt_route_add(b->nl, &r, &b->err))
			give_up(more[i], b->err.msg);
	}
}

struct packets *packets_open(void)
{
	static const struct bed_options options;
	struct packets *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	if (geteuid() != 0)
		give_up("packets", "only root can send them");
	p->bed = bed_open(&options);
	add_routes(p->bed);
	p->sync = open_sync(p->bed->skel);
	for (int i = 0; i < CLUSTER_MAX_EPS; i++) {
		p->devices[i].ifindex = bed_ifindex(p->bed, i);
		memcpy(p->devices[i].mac, bed_mac(p->bed, i), 6);
		memcpy(p->devices[i].host_mac, bed_host_mac(p->bed, i), 6);
	}
	bed_read_drops(p->bed, p->drops);
	compiled_devices = p->devices;
	return p;
}

void packets_close(struct packets *p)
{
	if (!p)
		return;
	compiled_devices = NULL;
	lnt_sync_free(p->sync);
	bed_close(p->bed);
	free(p);
}

static void empty(const struct bpf_map *map)
{
	uint8_t key[sizeof(struct lnt_flow_key)];
	int fd = bpf_map__fd(map);

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

void packets_forget(struct packets *p)
{
	empty(p->bed->skel->maps.flows);
	empty(p->bed->skel->maps.pending);
}

const char *packets_write(struct packets *p, const struct compiled *c)
{
	static struct lnt_err e;
	size_t writes = 0;

	e = (struct lnt_err){};
	return lnt_sync_policy(p->sync, &c->state, c->eps, c->n_eps, &e, &writes) ? e.msg : NULL;
}

/* --- where packets come from ------------------------------------------------------------------ */

/* The bed's number of the device behind which a local endpoint has the address, or -1. */
static int device_of(const struct packets *p, const struct compiled *c, const struct in6_addr *addr)
{
	for (size_t i = 0; i < c->n_eps; i++) {
		for (unsigned a = 0; a < c->eps[i].n_addrs; a++) {
			if (!IN6_ARE_ADDR_EQUAL(&c->eps[i].addrs[a], addr))
				continue;
			for (int d = 0; d < CLUSTER_MAX_EPS; d++)
				if (p->devices[d].ifindex == c->eps[i].host_ifindex)
					return d;
		}
	}
	return -1;
}

/* Addresses that no router would bring or take: edges of large blocks are such. */
static bool is_sendable(const struct address *a)
{
	const unsigned char *b = a->bytes;

	if (a->family == AF_INET6)
		return b[0] && b[0] < 0xfe;
	if (b[0] == 192 && b[1] == 168 && b[2] == 0 && (!b[3] || b[3] == 255))
		return false;
	return b[0] && b[0] != 127 && b[0] < 224;
}

static bool build(struct pkt *pkt, const struct pkt_end *src, const struct pkt_end *dst, int proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		pkt_tcp(pkt, src, dst, SYN);
		return true;
	case IPPROTO_UDP:
		pkt_udp(pkt, src, dst);
		return true;
	case IPPROTO_SCTP:
		pkt_sctp(pkt, src, dst, INIT, 16);
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		pkt_echo(pkt, src, dst, src->port);
		return true;
	}
	return false;
}

static enum packets_fate fate_of(struct packets *p, int verdict, const char **ret_reason)
{
	uint64_t before[LNT_DROP_MAX];
	unsigned reason = 0;

	*ret_reason = "";
	if (verdict == BED_UP || verdict == BED_SENT)
		return PACKET_PASSED;
	memcpy(before, p->drops, sizeof(before));
	bed_read_drops(p->bed, p->drops);
	for (unsigned i = 0; i < LNT_DROP_MAX; i++)
		if (p->drops[i] != before[i])
			reason = i;
	*ret_reason = lnt_drop_text(reason);
	switch (reason) {
	case LNT_DROP_POLICY_INGRESS:
	case LNT_DROP_POLICY_EGRESS:
	case LNT_DROP_NO_ENDPOINT:
		return PACKET_DENIED;
	}
	return PACKET_LOST;
}

enum packets_fate packets_send(struct packets *p, const struct compiled *c,
	const struct address *src, const struct address *dst, struct l4 l4, unsigned number,
	const char **ret_reason)
{
	struct pkt_end s = {.addr = address_mapped(src), .port = (uint16_t)(FIRST_PORT + number)};
	struct pkt_end d = {.addr = address_mapped(dst), .port = (uint16_t)l4.port};
	int from = device_of(p, c, &s.addr), to = device_of(p, c, &d.addr), hook = WIRE, verdict;
	struct pkt *pkt = bed_in(p->bed);

	if (!is_sendable(src) || !is_sendable(dst) || address_equal(src, dst) ||
		(from < 0 && to < 0))
		return PACKET_UNSENT;
	if (from >= 0)
		hook = FROM(from);
	else if (lnt_id_kind(verdict_identity(&c->state, &s.addr)) == LNT_ID_HOST)
		hook = TO(to);
	if (!build(pkt, &s, &d, l4.proto))
		return PACKET_UNSENT;
	bed_place(p->bed, hook, pkt);
	verdict = bed_run_raw(p->bed, hook, pkt, 1, NULL);
	/* What the stack is left with for a pod meets the program at the pod's device. */
	if (verdict == BED_UP && to >= 0 && hook != TO(to)) {
		hook = from >= 0 ? VIA_POD(from, to) : VIA(to);
		bed_place(p->bed, hook, pkt);
		verdict = bed_run_raw(p->bed, hook, pkt, 1, NULL);
	}
	return fate_of(p, verdict, ret_reason);
}
