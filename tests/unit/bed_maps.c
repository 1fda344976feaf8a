/* SPDX-License-Identifier: Apache-2.0 */
/* The maps of bed.h: filled as the agent would, and looked into. */
#include "agent/compile/maglev.h"
#include "tests/unit/bed_internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

static void put(struct bpf_map *map, const void *key, const void *value)
{
	int r = bpf_map__update_elem(
		map, key, bpf_map__key_size(map), value, bpf_map__value_size(map), BPF_ANY);

	if (r)
		fail_msg("update map %s: %s", bpf_map__name(map), strerror(-r));
}

static bool get(const struct bpf_map *map, const void *key, void *ret_value)
{
	return !bpf_map_lookup_elem(bpf_map__fd(map), key, ret_value);
}

static void del(struct bpf_map *map, const void *key)
{
	bpf_map_delete_elem(bpf_map__fd(map), key);
}

static void empty(struct bpf_map *map)
{
	uint8_t keys[2][sizeof(struct lnt_pending)];
	int fd = bpf_map__fd(map), r, at = 0;

	assert_true(bpf_map__key_size(map) <= sizeof(keys[0]));
	/* The next is asked for while there is this one: a hash is searched from its start without.
	 */
	for (r = bpf_map_get_next_key(fd, NULL, keys[at]); !r; at = !at) {
		r = bpf_map_get_next_key(fd, keys[at], keys[!at]);
		del(map, keys[at]);
	}
}

/* --- counters --------------------------------------------------------------------------------- */

static uint64_t percpu_sum(const struct bpf_map *map, uint32_t key)
{
	uint64_t values[256] = {}, n = 0;

	assert_in_range(libbpf_num_possible_cpus(), 1, ARRAY_SIZE(values));
	assert_true(get(map, &key, values));
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		n += values[i];
	return n;
}

void bed_read_drops(const struct bed *b, uint64_t ret_drops[static LNT_DROP_MAX])
{
	for (uint32_t i = 0; i < LNT_DROP_MAX; i++)
		ret_drops[i] = percpu_sum(b->skel->maps.drops, i);
}

uint64_t bed_counter(const struct bed *b, enum lnt_counter what)
{
	return percpu_sum(b->skel->maps.counters, what);
}

/* --- flows ------------------------------------------------------------------------------------ */

struct lnt_flow_key bed_key(
	const struct bed *b, int hook, int src, int sport, int dst, int dport, uint8_t proto)
{
	return (struct lnt_flow_key){
		.saddr = bed_addr(b, src),
		.daddr = bed_addr(b, dst),
		.sport = htons((uint16_t)sport),
		.dport = htons((uint16_t)dport),
		.proto = proto,
		.scope = bed_scope(b, hook),
	};
}

bool bed_flow(const struct bed *b, const struct lnt_flow_key *key, struct lnt_flow *ret_flow)
{
	struct lnt_flow f;

	return get(b->skel->maps.flows, key, ret_flow ? ret_flow : &f);
}

void bed_forget_flow(struct bed *b, const struct lnt_flow_key *key)
{
	del(b->skel->maps.flows, key);
}

bool bed_pending(const struct bed *b, const struct lnt_flow_key *key, struct lnt_pending *ret)
{
	struct lnt_pending p;

	return get(b->skel->maps.pending, key, ret ? ret : &p);
}

unsigned bed_flows(const struct bed *b)
{
	int fd = bpf_map__fd(b->skel->maps.flows);
	struct lnt_flow_key key;
	unsigned n = 0;

	for (int r = bpf_map_get_next_key(fd, NULL, &key); !r; n++)
		r = bpf_map_get_next_key(fd, &key, &key);
	return n;
}

/* --- what the agent writes -------------------------------------------------------------------- */

#define IDENTITY(who) (LNT_ID_POD + 1 + (uint32_t)(who))

uint32_t bed_identity(int who)
{
	switch (who) {
	case HOST:
	case LOOP:
		return LNT_ID_HOST;
	case NODE2:
		return LNT_ID_NODE;
	case A:
	case B:
	case C:
	case FAR:
		return IDENTITY(who);
	}
	return LNT_ID_WORLD;
}

void bed_endpoint(struct bed *b, int pod, uint8_t flags)
{
	struct lnt_endpoint_value ep = {
		.ifindex = b->dev[pod],
		.identity = bed_identity(pod),
		.policy_id = 1 + (uint32_t)pod,
		.flags = flags,
	};
	struct lnt_device_value dev;
	struct in6_addr addr = bed_addr(b, pod);

	memcpy(ep.mac, b->mac[pod], 6);
	memcpy(ep.host_mac, b->host_mac[pod], 6);
	memcpy(dev.mac, b->mac[pod], 6);
	memcpy(dev.host_mac, b->host_mac[pod], 6);
	put(b->skel->maps.endpoints, &addr, &ep);
	put(b->skel->maps.devices, &b->dev[pod], &dev);
}

void bed_endpoint_gone(struct bed *b, int pod)
{
	struct in6_addr addr = bed_addr(b, pod);

	del(b->skel->maps.endpoints, &addr);
}

void bed_device_gone(struct bed *b, int pod)
{
	del(b->skel->maps.devices, &b->dev[pod]);
}

void bed_peer(struct bed *b, int who, uint32_t identity)
{
	struct lnt_peer_value v = {.identity = identity};
	struct in6_addr addr = bed_addr(b, who);

	if (identity)
		put(b->skel->maps.peers, &addr, &v);
	else
		del(b->skel->maps.peers, &addr);
}

void bed_policy(struct bed *b, const struct lnt_policy_key *k, const struct lnt_policy_value *value)
{
	struct lnt_policy_key head_key = {.prefixlen = LNT_POLICY_ALL,
		.policy_id = k->policy_id,
		.identity = k->identity,
		.table = k->table};
	struct lnt_policy_value head = {.verdict = LNT_SILENT}, v = *value;

	bpf_map__lookup_elem(
		b->skel->maps.policy, &head_key, sizeof(head_key), &head, sizeof(head), 0);
	if (k->prefixlen == LNT_POLICY_ALL) {
		v.lengths = head.lengths;
	} else {
		head.lengths |= LNT_POLICY_LENGTH(k->prefixlen);
		put(b->skel->maps.policy, &head_key, &head);
	}
	put(b->skel->maps.policy, k, &v);
}

static void entry(struct bed *b, struct lnt_policy_key k, enum lnt_verdict verdict)
{
	const struct lnt_policy_value v = {.verdict = (__u8)verdict, .rule = 7};

	bed_policy(b, &k, &v);
}

void bed_entry(struct bed *b, uint32_t policy_id, unsigned table, uint32_t identity, uint16_t port,
	uint32_t prefixlen)
{
	entry(b,
		(struct lnt_policy_key){.prefixlen = prefixlen,
			.policy_id = policy_id,
			.identity = identity,
			.table = (__u8)table,
			.proto = IPPROTO_TCP,
			.port = htons(port)},
		LNT_ALLOW);
}

static struct lnt_policy_key key_of(int pod, enum lnt_direction dir, uint32_t identity,
	uint8_t proto, uint16_t port, uint32_t prefixlen)
{
	return (struct lnt_policy_key){.prefixlen = prefixlen,
		.policy_id = 1 + (uint32_t)pod,
		.identity = identity,
		.table = (__u8)dir,
		.proto = proto,
		.port = htons(port)};
}

void bed_allow(struct bed *b, int pod, enum lnt_direction dir, uint32_t identity, uint8_t proto,
	uint16_t port, uint32_t prefixlen)
{
	entry(b, key_of(pod, dir, identity, proto, port, prefixlen), LNT_ALLOW);
}

void bed_deny(struct bed *b, int pod, enum lnt_direction dir, uint32_t identity, uint8_t proto,
	uint16_t port, uint32_t prefixlen)
{
	entry(b, key_of(pod, dir, identity, proto, port, prefixlen), LNT_DENY);
}

void bed_rule(struct bed *b, int pod, unsigned table, uint32_t identity, uint32_t order,
	enum lnt_verdict verdict)
{
	struct lnt_policy_key k = {.prefixlen = LNT_POLICY_ALL,
		.policy_id = 1 + (uint32_t)pod,
		.identity = identity,
		.table = (__u8)table};
	struct lnt_policy_value v = {.order = order, .rule = order, .verdict = (__u8)verdict};

	bed_policy(b, &k, &v);
}

void bed_block(struct bed *b, const char *cidr, uint32_t identity)
{
	struct lnt_peer_value v = {.identity = identity};
	struct lnt_cidr_key k = {};
	struct lnt_prefix p;

	assert_int_equal(lnt_prefix_parse(cidr, &p), 0);
	k.prefixlen = 128 - lnt_addr_bits(&p.addr) + p.len;
	k.addr = p.addr;
	put(b->skel->maps.blocks, &k, &v);
}

void bed_disallow(struct bed *b)
{
	empty(b->skel->maps.policy);
}

void bed_service(struct bed *b, uint8_t proto, uint16_t port, int backend, uint16_t backend_port)
{
	struct lnt_service_key k = {.addr = bed_addr(b, VIP), .port = htons(port), .proto = proto};
	struct lnt_service_value v = {.set = 1000u * proto + port, .count = backend >= 0};
	struct lnt_backend_key bk = {.set = v.set};
	struct lnt_backend_value bv = {.port = htons(backend_port)};

	if (backend >= 0) {
		bv.addr = bed_addr(b, backend);
		put(b->skel->maps.backends, &bk, &bv);
	}
	put(b->skel->maps.services, &k, &v);
}

static uint32_t frontend_set(const struct bed_frontend *f)
{
	return 2000000u + f->port * 16u + (uint32_t)f->kind * 8u + (uint32_t)f->proto % 8;
}

void bed_frontend(struct bed *b, const struct bed_frontend *f)
{
	struct lnt_service_key k = {
		.port = htons(f->port), .proto = f->proto, .kind = (__u8)f->kind};
	struct lnt_service_value v = {.set = frontend_set(f),
		.count = f->backend >= 0,
		.ext_set = frontend_set(f),
		.ext_count = f->backend >= 0,
		.flags = f->flags};
	struct lnt_backend_key bk = {.set = v.set};
	struct lnt_backend_value bv = {.port = htons(f->backend_port)};

	if (f->at < N_WHO)
		k.addr = bed_addr(b, f->at);
	else if (bed_is4(b))
		k.addr = lnt_addr_from4(0);
	if (f->backend >= 0) {
		bv.addr = bed_addr(b, f->backend);
		put(b->skel->maps.backends, &bk, &bv);
	}
	put(b->skel->maps.services, &k, &v);
}

void bed_range(struct bed *b, const struct bed_frontend *f, int who)
{
	struct lnt_range_key k = {
		.prefixlen = 32 + 128, .set = frontend_set(f), .addr = bed_addr(b, who)};
	struct lnt_cidr_value v = {};

	put(b->skel->maps.ranges, &k, &v);
}

static void table(struct bed *b, const struct bed_outside *svc, uint32_t size)
{
	uint16_t entries[LNT_MAGLEV_SIZE_MAX];

	assert_int_equal(lnt_maglev_table(svc->slots, svc->n, size, entries), 0);
	for (uint32_t at = 0; at < size; at += LNT_MAGLEV_SLOTS) {
		struct lnt_maglev_key k = {.set = svc->set, .part = at / LNT_MAGLEV_SLOTS};
		struct lnt_maglev_value v = {};

		for (uint32_t i = 0; i < LNT_MAGLEV_SLOTS && at + i < size; i++)
			v.slots[i] = entries[at + i];
		put(b->skel->maps.maglev, &k, &v);
	}
}

void bed_outside_service(struct bed *b, const struct bed_outside *svc, uint32_t maglev_size)
{
	struct lnt_service_key k = {
		.addr = bed_addr(b, VIP), .port = htons(svc->port), .proto = svc->proto};
	struct lnt_service_value v = {
		.set = svc->set,
		.count = svc->n,
		.ext_set = svc->set,
		.ext_count = svc->n,
		.affinity = svc->affinity,
		.flags = LNT_SVC_EXTERNAL,
	};

	for (uint32_t i = 0; i < svc->n; i++) {
		struct lnt_backend_key bk = {.set = svc->set, .slot = i};

		put(b->skel->maps.backends, &bk, &svc->slots[i]);
	}
	if (maglev_size)
		table(b, svc, maglev_size);
	put(b->skel->maps.services, &k, &v);
}

void bed_no_tables(struct bed *b)
{
	empty(b->skel->maps.maglev);
}

void bed_affinity_age(struct bed *b, unsigned seconds)
{
	const struct bpf_map *map = b->skel->maps.affinity_map;
	struct lnt_affinity_key key;
	struct lnt_affinity_value v;
	struct timespec now;
	int fd = bpf_map__fd(map), r;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (r = bpf_map_get_next_key(fd, NULL, &key); !r;
		r = bpf_map_get_next_key(fd, &key, &key)) {
		assert_true(get(map, &key, &v));
		v.used = ((uint64_t)now.tv_sec - seconds) * 1000000000u + (uint64_t)now.tv_nsec;
		put(b->skel->maps.affinity_map, &key, &v);
	}
}

void bed_bump(struct bed *b)
{
	struct lnt_state s = {.epoch = ++b->epoch, .tell = b->tell};
	uint32_t zero = 0;

	put(b->skel->maps.state, &zero, &s);
}

void bed_tell(struct bed *b, uint32_t what)
{
	b->tell = what;
	bed_bump(b);
}

void bed_sweep(struct bed *b, struct lnt_sweep *s)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = s, .ctx_size_in = sizeof(*s));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(b->skel->progs.sweep), &opts), 0);
	assert_int_equal(opts.retval, 0);
}

bool bed_event(struct bed *b, struct lnt_event *ret_event)
{
	b->has_event = false;
	ring_buffer__consume(b->events);
	*ret_event = b->event;
	return b->has_event;
}

static void cluster_range(struct bed *b, const char *text)
{
	struct lnt_cidr_value v = {.flags = LNT_CIDR_CLUSTER};
	struct lnt_prefix p;
	struct lnt_cidr_key k;

	assert_int_equal(lnt_prefix_parse(text, &p), 0);
	k.addr = p.addr;
	k.prefixlen = p.len + (lnt_addr_is4(&p.addr) ? 96 : 0);
	put(b->skel->maps.cidrs, &k, &v);
}

void bed_reset(struct bed *b, int family)
{
	struct bpf_map *const dynamic[] = {b->skel->maps.flows, b->skel->maps.pending,
		b->skel->maps.frags, b->skel->maps.endpoints, b->skel->maps.devices,
		b->skel->maps.peers, b->skel->maps.blocks, b->skel->maps.cidrs,
		b->skel->maps.policy, b->skel->maps.services, b->skel->maps.backends,
		b->skel->maps.ranges, b->skel->maps.xdp_out, b->skel->maps.maglev,
		b->skel->maps.affinity_map};

	b->family = family;
	b->tell = 0;
	for (size_t i = 0; i < ARRAY_SIZE(dynamic); i++)
		empty(dynamic[i]);
	for (int pod = A; pod < N_PODS; pod++)
		bed_endpoint(b, pod, 0);
	for (int who = A; who < N_WHO; who++)
		if (bed_identity(who) != LNT_ID_WORLD)
			bed_peer(b, who, bed_identity(who));
	cluster_range(b, "10.1.0.0/24");
	cluster_range(b, "10.2.0.0/24");
	cluster_range(b, "fd00:1::/64");
	cluster_range(b, "fd00:2::/64");
	ring_buffer__consume(b->events);
	bed_bump(b);
}
