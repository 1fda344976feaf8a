/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject: how fast a node forwards, on one CPU.
 *
 * Frames of a client's connections are given to a device of the node as its driver would give them
 * (BPF_PROG_TEST_RUN with live frames), to an XDP program or to the stack, and are counted and
 * thrown away as soon as they come out of the wire's other end. All of it happens on one CPU: what
 * is timed is making a frame, forwarding it, crossing a veth and counting it. Every arm pays for
 * the same but the forwarding; sinks are each the cheapest for what arrives: XDP where XDP sends,
 * tc where the stack does.
 *
 * One JSON object on stdout: ns and Mpps, medians over pieces of a few milliseconds, and how many
 * frames went in and came out. Exit status: 0 measured, 1 could not be measured.
 */
#include "tests/bench/inject.h"
#include "lib/cleanup.h"

#include "inject.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PIECE	    16384 /* frames a call */
#define MAX_PIECES  65536
#define FIRST_PORT  20000
#define NSEC_PER_MS 1000000ull

struct opts {
	const char *near_ns, *far_ns, *device; /* the device has the same name at both ends */
	const char *prog;		       /* pinned XDP program; NULL: the stack */
	const char *client, *node;
	uint16_t port, sink_port;
	bool sink_xdp;
	int cpu;
	unsigned time_ms, warmup_ms;
};

struct wire {
	int near_ifindex, far_ifindex;
	uint8_t near_mac[6], far_mac[6];
};

static void destroy(struct inject_bpf **skel)
{
	inject_bpf__destroy(*skel);
}

static int fail(const char *what, const char *arg, int err)
{
	fprintf(stderr, "inject: %s %s: %s\n", what, arg, strerror(err < 0 ? -err : err));
	return -1;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* --- frames ----------------------------------------------------------------------------------- */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t sum(const uint8_t *p, size_t len, uint32_t n)
{
	for (size_t i = 0; i < len; i += 2)
		n += (uint32_t)p[i] << 8 | p[i + 1];
	return n;
}

static unsigned fold(uint32_t n)
{
	while (n >> 16)
		n = (n & 0xffff) + (n >> 16);
	return ~n & 0xffff;
}

/* The same size for both families. Returns -1 when an address is none. */
static int make_frame(const struct opts *o, const struct wire *w, uint16_t sport, uint8_t *f)
{
	bool is4 = !strchr(o->client, ':');
	size_t l4 = is4 ? 34 : 54, udp_len = INJECT_FRAME - l4, addrs = is4 ? 26 : 22;
	int family = is4 ? AF_INET : AF_INET6;

	memset(f, 0, INJECT_FRAME);
	memcpy(f, w->near_mac, 6);
	memcpy(f + 6, w->far_mac, 6);
	put16(f + 12, is4 ? 0x0800 : 0x86dd);
	f[14] = is4 ? 0x45 : 0x60;
	f[is4 ? 22 : 21] = 64;
	f[is4 ? 23 : 20] = IPPROTO_UDP;
	put16(f + (is4 ? 16 : 18), (unsigned)(is4 ? udp_len + 20 : udp_len));
	if (inet_pton(family, o->client, f + addrs) != 1 ||
		inet_pton(family, o->node, f + addrs + (is4 ? 4 : 16)) != 1)
		return -1;
	if (is4)
		put16(f + 24, fold(sum(f + 14, 20, 0)));
	put16(f + l4, sport);
	put16(f + l4 + 2, o->port);
	put16(f + l4 + 4, (unsigned)udp_len);
	put16(f + l4 + 6,
		fold(sum(f + addrs, INJECT_FRAME - addrs, IPPROTO_UDP + (uint32_t)udp_len)));
	return 0;
}

/* --- namespaces and devices ------------------------------------------------------------------- */

static int enter(const char *netns)
{
	_cleanup_close_ int fd = open(netns, O_RDONLY | O_CLOEXEC);

	return fd < 0 || setns(fd, CLONE_NEWNET) ? fail("enter", netns, errno) : 0;
}

static int look_at(const char *device, int *ret_ifindex, uint8_t *ret_mac)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r))
		return fail("look at", device, errno);
	memcpy(ret_mac, r.ifr_hwaddr.sa_data, 6);
	*ret_ifindex = (int)if_nametoindex(device);
	return 0;
}

/* --- programs --------------------------------------------------------------------------------- */

/* Both sinks end with their descriptor. */
static int attach_sink(const struct opts *o, const struct wire *w, struct inject_bpf *skel)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = o->sink_xdp ? XDP_FLAGS_DRV_MODE : 0);
	int prog = bpf_program__fd(o->sink_xdp ? skel->progs.sink_xdp : skel->progs.sink_tc);
	enum bpf_attach_type type = o->sink_xdp ? BPF_XDP : BPF_TCX_INGRESS;
	int fd = bpf_link_create(prog, w->far_ifindex, type, &opts);

	return fd < 0 ? fail("attach the sink to", o->device, fd) : fd;
}

static int give_to(const char *prog, struct inject_bpf *skel)
{
	_cleanup_close_ int fd = prog ? bpf_obj_get(prog) : -1;
	uint32_t zero = 0;
	int r;

	if (!prog)
		return 0;
	if (fd < 0)
		return fail("open", prog, fd);
	r = bpf_map_update_elem(bpf_map__fd(skel->maps.measured), &zero, &fd, BPF_ANY);
	return r ? fail("call", prog, r) : 0;
}

static int load(const struct opts *o, const struct wire *w, struct inject_bpf *skel)
{
	uint8_t(*frames)[INJECT_FRAME] = (void *)skel->rodata->frames;

	for (unsigned i = 0; i < INJECT_FLOWS; i++)
		if (make_frame(o, w, (uint16_t)(FIRST_PORT + i), frames[i]))
			return fail("make frames of", o->client, EINVAL);
	skel->rodata->sink_port = htons(o->sink_port);
	/* A program may call those of its own kind only. */
	bpf_program__set_flags(skel->progs.generate, BPF_F_XDP_HAS_FRAGS);
	return inject_bpf__load(skel) ? fail("load", "the programs", errno) : 0;
}

/* --- measuring -------------------------------------------------------------------------------- */

/*
 * Injects a piece. *ret_ns is what the kernel has measured a frame: setting up a run takes it tens
 * of milliseconds, and it stops its clock while another task has the CPU.
 */
static int one_piece(int prog, int ifindex, double *ret_ns)
{
	uint8_t frame[INJECT_FRAME] = {};
	struct xdp_md ctx = {.data_end = sizeof(frame), .ingress_ifindex = (uint32_t)ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		.ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = PIECE,
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	int r = bpf_prog_test_run_opts(prog, &opts);

	*ret_ns = opts.duration;
	return r;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int measure(const struct opts *o, const struct wire *w, struct inject_bpf *skel)
{
	_cleanup_free_ double *ns = calloc(MAX_PIECES, sizeof(*ns));
	int prog = bpf_program__fd(skel->progs.generate), r;
	uint64_t start = now(), end = start + o->warmup_ms * NSEC_PER_MS, in, out;
	size_t n = 0;

	if (!ns)
		return fail("allocate", "memory", ENOMEM);
	do {
		r = one_piece(prog, w->near_ifindex, &ns[0]);
		if (r)
			return fail("inject into", o->device, r);
	} while (now() < end);
	in = skel->bss->injected;
	out = skel->bss->taken;
	end = now() + o->time_ms * NSEC_PER_MS;
	do {
		r = one_piece(prog, w->near_ifindex, &ns[n++]);
		if (r)
			return fail("inject into", o->device, r);
	} while (now() < end && n < MAX_PIECES);
	in = skel->bss->injected - in;
	out = skel->bss->taken - out;
	qsort(ns, n, sizeof(*ns), compare);
	printf("{\"ns\": %.2f, \"mpps\": %.4f, \"injected\": %llu, \"taken\": %llu}\n", ns[n / 2],
		1000 / ns[n / 2], (unsigned long long)in, (unsigned long long)out);
	return 0;
}

static int run(const struct opts *o)
{
	_cleanup_(destroy) struct inject_bpf *skel = inject_bpf__open();
	_cleanup_close_ int sink = -1;
	struct wire w = {};
	cpu_set_t set;

	if (!skel)
		return fail("open", "the programs", errno);
	CPU_ZERO(&set);
	CPU_SET(o->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return fail("go to", "that CPU", errno);
	if (enter(o->near_ns) || look_at(o->device, &w.near_ifindex, w.near_mac) ||
		enter(o->far_ns) || look_at(o->device, &w.far_ifindex, w.far_mac) ||
		load(o, &w, skel))
		return -1;
	sink = attach_sink(o, &w, skel);
	if (sink < 0 || give_to(o->prog, skel) || enter(o->near_ns))
		return -1;
	return measure(o, &w, skel);
}

/* --- options ---------------------------------------------------------------------------------- */

static const struct option longs[] = {
	{"netns", required_argument, NULL, 'n'},
	{"far-netns", required_argument, NULL, 'f'},
	{"device", required_argument, NULL, 'd'},
	{"prog", required_argument, NULL, 'x'},
	{"sink", required_argument, NULL, 's'},
	{"client", required_argument, NULL, 'c'},
	{"node", required_argument, NULL, 'a'},
	{"port", required_argument, NULL, 'p'},
	{"sink-port", required_argument, NULL, 'q'},
	{"cpu", required_argument, NULL, 'u'},
	{"time", required_argument, NULL, 't'},
	{"warmup", required_argument, NULL, 'w'},
	{},
};

static int parse_number(const char *text, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || !*text || n > max)
		return fail("number", text, EINVAL);
	*ret = (unsigned)n;
	return 0;
}

static int parse_one(int c, const char *arg, struct opts *o)
{
	unsigned n = 0;

	if (strchr("pqutw", c) && parse_number(arg, strchr("pq", c) ? 65535 : 1000000, &n))
		return -1;
	switch (c) {
	case 'n':
		o->near_ns = arg;
		return 0;
	case 'f':
		o->far_ns = arg;
		return 0;
	case 'd':
		o->device = arg;
		return 0;
	case 'x':
		o->prog = arg;
		return 0;
	case 's':
		o->sink_xdp = !strcmp(arg, "xdp");
		return o->sink_xdp || !strcmp(arg, "tc") ? 0 : fail("sink", arg, EINVAL);
	case 'c':
		o->client = arg;
		return 0;
	case 'a':
		o->node = arg;
		return 0;
	case 'p':
		o->port = (uint16_t)n;
		return 0;
	case 'q':
		o->sink_port = (uint16_t)n;
		return 0;
	case 'u':
		o->cpu = (int)n;
		return 0;
	case 't':
		o->time_ms = n;
		return 0;
	case 'w':
		o->warmup_ms = n;
		return 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct opts o = {.device = "eth0", .time_ms = 300, .warmup_ms = 30};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (parse_one(c, optarg, &o))
			return 1;
	if (!o.near_ns || !o.far_ns || !o.client || !o.node || !o.port || !o.sink_port) {
		fputs("inject: --netns, --far-netns, --client, --node, --port and --sink-port are "
		      "needed\n",
			stderr);
		return 1;
	}
	return run(&o) ? 1 : 0;
}
