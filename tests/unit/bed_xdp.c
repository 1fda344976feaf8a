/* SPDX-License-Identifier: Apache-2.0 */
/* Services off the wire and XDP of bed_xdp.h. */
#include "tests/unit/bed_xdp.h"
#include "tests/unit/bed_internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

void bed_nodeport(struct bed *b, uint8_t proto, uint16_t port, int backend, uint16_t backend_port)
{
	struct lnt_service_key k = {.addr = bed_addr(b, HOST), .port = htons(port), .proto = proto};
	struct lnt_service_value v = {.set = 2000u + port,
		.count = 1,
		.ext_set = 2000u + port,
		.ext_count = 1,
		.flags = LNT_SVC_EXTERNAL};
	struct lnt_backend_key bk = {.set = v.set};
	struct lnt_backend_value bv = {.addr = bed_addr(b, backend), .port = htons(backend_port)};

	put(b->skel->maps.backends, &bk, &bv);
	put(b->skel->maps.services, &k, &v);
}

void bed_neighbour(struct bed *b, int who)
{
	struct in6_addr addr = bed_addr(b, who);

	if (lnt_neigh_set(b->nl, bed_ifindex(b, who), &addr, bed_mac(b, who), &b->err))
		fail_msg("neighbour: %s", b->err.msg);
}

int bed_xdp_raw(struct bed *b, void *frame, size_t len, size_t linear)
{
	struct xdp_md ctx = {
		.data_end = (uint32_t)(linear ? linear : len), .ingress_ifindex = b->dev[DEV_WIRE]};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len,
		.data_out = frame, .data_size_out = (uint32_t)len, .ctx_in = &ctx,
		.ctx_size_in = sizeof(ctx), .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(b->skel->progs.xdp_node), &opts))
		fail_msg("test run of xdp_node: %s", strerror(errno));
	assert_int_equal(opts.data_size_out, len);
	return (int)opts.retval;
}

int bed_xdp(struct bed *b, const struct pkt *p, size_t linear)
{
	b->out = *p;
	return bed_xdp_raw(b, b->out.data, b->out.len, linear);
}

void bed_flow_set(struct bed *b, const struct lnt_flow_key *key, const struct lnt_flow *f)
{
	put(b->skel->maps.flows, key, f);
}

void bed_xdp_out(struct bed *b, int who)
{
	uint32_t ifindex = bed_ifindex(b, who), yes = 1;

	put(b->skel->maps.xdp_out, &ifindex, &yes);
}
