/* SPDX-License-Identifier: Apache-2.0 */
/* The node of bed.h: its devices, its programs and running them. Its maps are in bed_maps.c. */
#include "tests/unit/bed_internal.h"

#include "lib/netns.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static const char *const addrs[N_WHO][2] = {
	[A] = {"10.1.0.10", "fd00:1::10"},
	[B] = {"10.1.0.11", "fd00:1::11"},
	[C] = {"10.1.0.12", "fd00:1::12"},
	[NEWPOD] = {"10.1.0.13", "fd00:1::13"},
	[HOST] = {"192.168.0.10", "fd00:9::10"},
	[NODE2] = {"192.168.0.2", "fd00:9::2"},
	[FAR] = {"10.2.0.20", "fd00:2::20"},
	[WORLD] = {"198.51.100.7", "2001:db8::7"},
	[WORLD2] = {"198.51.100.8", "2001:db8::8"},
	[SIDE] = {"203.0.113.5", "2001:db8:1::5"},
	[GW] = {"169.254.1.1", "fe80::1"},
	[VIP] = {"10.96.0.1", "fd00:96::1"},
	[LOOP] = {"127.0.0.1", "::1"},
};

static const char gateway[2][16] = {"192.168.0.1", "fd00:9::1"};

static struct in6_addr ip(const char *s)
{
	struct in6_addr a;

	assert_int_equal(lnt_addr_parse(s, &a), 0);
	return a;
}

struct in6_addr bed_addr(const struct bed *b, int who)
{
	return ip(addrs[who][b->family == 6]);
}

/* --- the node --------------------------------------------------------------------------------- */

static void must(struct bed *b, int r, const char *what)
{
	if (r)
		fail_msg("%s: %s (%d)", what, b->err.msg, r);
}

/* MTUs are of a network with jumbo frames, where packets may be larger than a page. */
static void make_device(struct bed *b, int i, int peer_ns)
{
	char name[IFNAMSIZ], peer[IFNAMSIZ];
	struct lnt_veth veth = {
		.name = name, .peer_name = peer, .peer_netns = peer_ns, .mtu = 9000};
	struct lnt_link link;

	snprintf(name, sizeof(name), "h%d", i);
	snprintf(peer, sizeof(peer), "p%d", i);
	memcpy(b->host_mac[i], (uint8_t[]){2, 0, 0, 0, 2, (uint8_t)i}, 6);
	memcpy(b->mac[i], (uint8_t[]){2, 0, 0, 0, 1, (uint8_t)i}, 6);
	memcpy(veth.mac, b->host_mac[i], 6);
	memcpy(veth.peer_mac, b->mac[i], 6);
	must(b, lnt_veth_create(b->nl, &veth, &b->err, &link), "veth");
	b->dev[i] = link.ifindex;
	b->peer_dev[i] = link.peer_ifindex;
	must(b, lnt_link_set_routed(b->nl, link.ifindex, &b->err), "set routed");
	must(b, lnt_link_set_up(b->nl, link.ifindex, &b->err), "set up");
	must(b, lnt_link_set_up(b->peers_nl, link.peer_ifindex, &b->err), "set peer up");
}

static void add_route(struct bed *b, const char *dst, int dev, const char *gw)
{
	struct lnt_route r = {.oif = b->dev[dev], .protocol = LNT_RTPROT};

	assert_int_equal(lnt_prefix_parse(dst, &r.dst), 0);
	r.scope = gw ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	if (gw) {
		r.gw = ip(gw);
		r.has_gw = true;
	}
	must(b, lnt_route_add(b->nl, &r, &b->err), dst);
}

static void make_routes(struct bed *b)
{
	struct in6_addr a;

	for (int f = 0; f < 2; f++) {
		a = ip(addrs[HOST][f]);
		must(b, lnt_addr_add(b->nl, b->dev[DEV_WIRE], &a, f ? 64 : 24, &b->err), "address");
		a = ip(gateway[f]);
		must(b, lnt_neigh_set(b->nl, b->dev[DEV_WIRE], &a, b->mac[DEV_WIRE], &b->err),
			"neighbour");
	}
	add_route(b, "192.168.0.0/24", DEV_WIRE, NULL);
	add_route(b, "fd00:9::/64", DEV_WIRE, NULL);
	add_route(b, "0.0.0.0/0", DEV_WIRE, gateway[0]);
	add_route(b, "::/0", DEV_WIRE, gateway[1]);
	add_route(b, "10.2.0.0/24", DEV_WIRE, addrs[NODE2][0]);
	add_route(b, "fd00:2::/64", DEV_WIRE, addrs[NODE2][1]);
	add_route(b, "203.0.113.0/24", DEV_SIDE, NULL);
	add_route(b, "2001:db8:1::/64", DEV_SIDE, NULL);
	for (int pod = A; pod <= NEWPOD; pod++) {
		for (int f = 0; f < 2; f++) {
			char dst[LNT_PREFIXSTRLEN];

			snprintf(dst, sizeof(dst), "%s/%d", addrs[pod][f], f ? 128 : 32);
			add_route(b, dst, pod, NULL);
		}
	}
}

static void make_node(struct bed *b)
{
	_cleanup_fclose_ FILE *fwd = NULL;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	must(b, lnt_netns_open("/proc/thread-self/ns/net", &b->err, &b->peer_ns), "namespace");
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	must(b, lnt_nl_open(-1, &b->err, &b->nl), "netlink");
	must(b, lnt_nl_open(b->peer_ns, &b->err, &b->peers_nl), "netlink of the peers");
	fwd = fopen("/proc/sys/net/ipv6/conf/all/forwarding", "we");
	assert_non_null(fwd);
	assert_true(fputs("1", fwd) > 0);
	for (int i = 0; i <= DEV_SIDE; i++)
		make_device(b, i, b->peer_ns);
	make_routes(b);
}

void bed_route_world(struct bed *b, bool present)
{
	const char *dst = bed_is4(b) ? "0.0.0.0/0" : "::/0";
	struct lnt_route r = {.oif = b->dev[DEV_WIRE], .protocol = LNT_RTPROT};

	if (present) {
		add_route(b, dst, DEV_WIRE, gateway[!bed_is4(b)]);
		return;
	}
	assert_int_equal(lnt_prefix_parse(dst, &r.dst), 0);
	r.gw = ip(gateway[!bed_is4(b)]);
	r.has_gw = true;
	must(b, lnt_route_del(b->nl, &r, &b->err), "delete the default route");
}

void bed_wire_mtu(struct bed *b, unsigned mtu)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {.ifr_mtu = (int)mtu};

	assert_non_null(if_indextoname(b->dev[DEV_WIRE], req.ifr_name));
	assert_int_equal(ioctl(fd, SIOCSIFMTU, &req), 0);
}

/* --- the programs ----------------------------------------------------------------------------- */

static void configure(struct bed *b, const struct bed_options *opt)
{
	struct lnt_config *cfg = (struct lnt_config *)&b->skel->rodata->cfg;

	cfg->masq_port_min = opt->masq_port_min ? opt->masq_port_min : 40000;
	cfg->masq_port_max = opt->masq_port_max ? opt->masq_port_max : 40999;
	cfg->n_devices = 1;
	cfg->devices[0] = b->dev[DEV_WIRE];
	cfg->has_xdp_frags = 1;
	assert_int_equal(bpf_program__set_flags(b->skel->progs.xdp_node, BPF_F_XDP_HAS_FRAGS), 0);
	if (!opt->no_masquerade) {
		cfg->masq4 = ip(addrs[HOST][0]);
		cfg->masq6 = ip(addrs[HOST][1]);
	}
	cfg->has_to_node = opt->to_node;
	cfg->maglev_size = opt->maglev_size;
	if (opt->max_flows)
		assert_int_equal(bpf_map__set_max_entries(b->skel->maps.flows, opt->max_flows), 0);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

static int on_event(void *ctx, void *data, size_t len)
{
	struct bed *b = ctx;

	assert_int_equal(len, sizeof(b->event));
	memcpy(&b->event, data, len);
	b->has_event = true;
	return 0;
}

struct bed *bed_open(const struct bed_options *opt)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct bpf_program *prog;

	assert_non_null(b);
	make_node(b);
	libbpf_set_print(quiet);
	b->skel = linnet_bpf__open();
	assert_non_null(b->skel);
	configure(b, opt);
	bpf_object__for_each_program(prog, b->skel->obj) bpf_program__set_autoload(prog,
		bpf_program__type(prog) == BPF_PROG_TYPE_SCHED_CLS ||
			bpf_program__type(prog) == BPF_PROG_TYPE_XDP ||
			bpf_program__type(prog) == BPF_PROG_TYPE_SYSCALL);
	assert_int_equal(linnet_bpf__load(b->skel), 0);
	b->events = ring_buffer__new(bpf_map__fd(b->skel->maps.events), on_event, b, NULL);
	assert_non_null(b->events);
	bed_reset(b, 4);
	return b;
}

void bed_close(struct bed *b)
{
	ring_buffer__free(b->events);
	linnet_bpf__destroy(b->skel);
	lnt_nl_close(b->nl);
	lnt_nl_close(b->peers_nl);
	close(b->peer_ns);
	free(b);
}

const struct bed_options *bed_group_options;

int bed_group_setup(void **state)
{
	static const struct bed_options defaults;

	*state = bed_open(bed_group_options ? bed_group_options : &defaults);
	return 0;
}

int bed_group_teardown(void **state)
{
	if (*state)
		bed_close(*state);
	return 0;
}

int bed_setup4(void **state)
{
	bed_reset(*state, 4);
	return 0;
}

int bed_setup6(void **state)
{
	bed_reset(*state, 6);
	return 0;
}

bool bed_is4(const struct bed *b)
{
	return b->family == 4;
}

uint8_t bed_icmp(const struct bed *b)
{
	return bed_is4(b) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

uint32_t bed_ifindex(const struct bed *b, int who)
{
	if (who <= NEWPOD)
		return b->dev[who];
	return b->dev[who == SIDE ? DEV_SIDE : DEV_WIRE];
}

uint32_t bed_scope(const struct bed *b, int hook)
{
	if (hook == WIRE)
		return LNT_SCOPE_NODE;
	if (hook == OUT)
		return LNT_SCOPE_TO_NODE;
	return hook >= TO(0) ? b->dev[hook % 100] | LNT_SCOPE_TO_POD : b->dev[hook];
}

const uint8_t *bed_mac(const struct bed *b, int who)
{
	return who <= NEWPOD ? b->mac[who] : b->mac[who == SIDE ? DEV_SIDE : DEV_WIRE];
}

const uint8_t *bed_host_mac(const struct bed *b, int pod)
{
	return b->host_mac[pod];
}

struct pkt_end bed_end(const struct bed *b, int who, uint16_t port)
{
	struct pkt_end end = {.addr = bed_addr(b, who), .port = port};

	memcpy(end.mac, bed_mac(b, who), 6);
	return end;
}

/* --- packets ---------------------------------------------------------------------------------- */

struct pkt *bed_in(struct bed *b)
{
	return &b->in;
}

const struct pkt *bed_out(const struct bed *b)
{
	return &b->out;
}

/* The device on which a packet is seen. */
static int device_of(int hook)
{
	return hook == WIRE || hook == OUT ? DEV_WIRE : hook % 100;
}

void bed_place(const struct bed *b, int hook, struct pkt *p)
{
	int dev = device_of(hook);
	bool inwards = hook >= TO(0) && hook != WIRE;

	memcpy(&p->data[0], inwards ? b->mac[dev] : b->host_mac[dev], 6);
	memcpy(&p->data[6], inwards ? b->host_mac[dev] : b->mac[dev], 6);
}

int bed_run_raw(struct bed *b, int hook, const struct pkt *p, unsigned repeat, uint32_t *ret_ns)
{
	struct __sk_buff ctx = {.ifindex = b->dev[device_of(hook)]};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data, .data_size_in = (uint32_t)p->len,
		.data_out = b->out.data, .data_size_out = sizeof(b->out.data), .ctx_in = &ctx,
		.ctx_size_in = sizeof(ctx), .repeat = (int)repeat);
	struct bpf_program *prog = b->skel->progs.from_node;

	if (hook < TO(0))
		prog = b->skel->progs.from_pod;
	else if (hook == OUT)
		prog = b->skel->progs.to_node;
	else if (hook != WIRE)
		prog = b->skel->progs.to_pod;
	if (hook == OUT)
		ctx.ingress_ifindex = 0;
	else if (hook >= VIA_POD(0, 0))
		ctx.ingress_ifindex = b->dev[hook / 100 - 5];
	else if (hook >= VIA(0) && hook < BACK(0))
		ctx.ingress_ifindex = b->dev[DEV_SIDE];
	else if (hook < TO(0) || hook >= BACK(0))
		ctx.ingress_ifindex = ctx.ifindex;
	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		fail_msg("test run of %s: %s", bpf_program__name(prog), strerror(errno));
	b->out.len = opts.data_size_out;
	b->out.l4 =
		b->out.data[12] == 0x08 || b->out.data[12] == 0x86 ? pkt_find_l4(&b->out) : p->l4;
	if (ret_ns)
		*ret_ns = opts.duration;
	return (int)opts.retval;
}

static bool is_nd(const struct pkt *p)
{
	return p->data[12] == 0x86 && pkt_view(p).proto == IPPROTO_ICMPV6 &&
		p->data[p->l4] >= 133 && p->data[p->l4] <= 137;
}

/* What must be true of every packet that was not dropped. */
static void check_passed(struct bed *b, int verdict, bool refused)
{
	const char *wrong;
	bool routed;

	if (pkt_check(&b->in))
		return;
	wrong = pkt_check(&b->out);
	if (wrong)
		fail_msg("what came out of the program is not sound: %s", wrong);
	if (refused)
		return;
	routed = verdict == BED_SENT && !is_nd(&b->in);
	assert_int_equal(pkt_ttl(&b->out), pkt_ttl(&b->in) - routed);
}

int bed_run(struct bed *b, int hook, const struct pkt *p)
{
	uint64_t before[LNT_DROP_MAX], after[LNT_DROP_MAX];
	unsigned drops = 0, reason = 0;
	int verdict;

	if (p != &b->in)
		b->in = *p;
	b->is_ip = b->in.data[12] == 0x08 ? b->in.data[13] == 0 : b->in.data[12] == 0x86;
	bed_read_drops(b, before);
	verdict = bed_run_raw(b, hook, &b->in, 1, NULL);
	bed_read_drops(b, after);
	for (unsigned i = 0; i < LNT_DROP_MAX; i++) {
		drops += (unsigned)(after[i] - before[i]);
		if (after[i] != before[i])
			reason = i;
	}
	if (verdict != 2 && verdict != BED_UP && verdict != BED_SENT)
		fail_msg("verdict %d", verdict);
	assert_true(drops == 1 || (!drops && verdict != 2));
	assert_true(!drops || verdict != BED_UP);
	if (verdict == 2)
		return BED_DROP(reason);
	if (b->is_ip)
		check_passed(b, verdict, drops);
	if (drops)
		return BED_REFUSED(reason);
	return verdict;
}

int bed_again(struct bed *b, int hook)
{
	return bed_run(b, hook, &b->in);
}

void bed_tcp(struct bed *b, struct pkt *p, int src, int sport, int dst, int dport, uint8_t flags)
{
	struct pkt_end s = bed_end(b, src, (uint16_t)sport), d = bed_end(b, dst, (uint16_t)dport);

	pkt_tcp(p, &s, &d, flags);
}

void bed_udp(struct bed *b, struct pkt *p, int src, int sport, int dst, int dport)
{
	struct pkt_end s = bed_end(b, src, (uint16_t)sport), d = bed_end(b, dst, (uint16_t)dport);

	pkt_udp(p, &s, &d);
}

int tcp(struct bed *b, int hook, int src, int sport, int dst, int dport, uint8_t flags)
{
	bed_tcp(b, &b->in, src, sport, dst, dport, flags);
	bed_place(b, hook, &b->in);
	return bed_run(b, hook, &b->in);
}

int udp(struct bed *b, int hook, int src, int sport, int dst, int dport)
{
	bed_udp(b, &b->in, src, sport, dst, dport);
	bed_place(b, hook, &b->in);
	return bed_run(b, hook, &b->in);
}

int ping(struct bed *b, int hook, int src, int dst, int id)
{
	struct pkt_end s = bed_end(b, src, 0), d = bed_end(b, dst, 0);

	pkt_echo(&b->in, &s, &d, (uint16_t)id);
	bed_place(b, hook, &b->in);
	return bed_run(b, hook, &b->in);
}

int pong(struct bed *b, int hook, int src, int dst, int id)
{
	struct pkt_end s = bed_end(b, src, 0), d = bed_end(b, dst, 0);

	pkt_echo_reply(&b->in, &s, &d, (uint16_t)id);
	bed_place(b, hook, &b->in);
	return bed_run(b, hook, &b->in);
}

int bed_send(struct bed *b, int hook, struct pkt *p)
{
	bed_place(b, hook, p);
	return bed_run(b, hook, p);
}

/* --- what came of them ------------------------------------------------------------------------ */

static const char *what(int outcome, char buf[static 64])
{
	if (outcome == BED_UP)
		return "left to the stack";
	if (outcome == BED_SENT)
		return "sent on";
	snprintf(buf, 64, "%s as %s", outcome < 200 ? "dropped" : "refused",
		lnt_drop_text((unsigned)outcome % 100));
	return buf;
}

void bed_expect(const struct bed *b, int got, int want, const char *file, int line)
{
	char is[64], should[64];

	if (got == want)
		return;
	print_error("%s, should be %s\n", what(got, is), what(want, should));
	_fail(file, line);
}

void bed_assert_out(const struct bed *b, const struct in6_addr *src, int sport,
	const struct in6_addr *dst, int dport)
{
	struct pkt_view v = pkt_view(&b->out);

	assert_memory_equal(&v.src.addr, src, sizeof(*src));
	assert_memory_equal(&v.dst.addr, dst, sizeof(*dst));
	assert_int_equal(v.src.port, sport);
	assert_int_equal(v.dst.port, dport);
}

void bed_assert_into(const struct bed *b, int pod)
{
	assert_memory_equal(&b->out.data[0], b->mac[pod], 6);
	assert_memory_equal(&b->out.data[6], b->host_mac[pod], 6);
}
