/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy into real maps: differences only, the epoch, and what a full map closes. Programs and maps
 * are loaded into a bpffs of the test's own.
 */
#include "tests/unit/sync_case.h"

#include <bpf/bpf.h>
#include <errno.h>

static uint32_t epoch(struct lnt_sync *s)
{
	struct lnt_state st = {};
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(s->maps.state, &zero, &st), 0);
	return st.epoch;
}

static struct lnt_endpoint endpoint(const char *a, uint32_t ifindex)
{
	struct lnt_endpoint ep = {.host_ifindex = ifindex, .n_addrs = 1, .mac = {2, 1}};

	ep.addrs[0] = addr(a);
	return ep;
}

static void want_endpoint(
	struct lnt_sync *s, const struct lnt_endpoint *ep, uint32_t policy_id, size_t writes)
{
	struct lnt_peer_entry peer = {ep->addrs[0], {.identity = 300}};
	struct lnt_endpoint_entry entry = {ep->addrs[0],
		{.ifindex = ep->host_ifindex, .identity = 300, .policy_id = policy_id}};
	struct lnt_policy_entry rule = {
		{.prefixlen = LNT_POLICY_ALL, .policy_id = policy_id}, {.verdict = LNT_ALLOW}};
	struct lnt_policy_state want = {.peers = &peer,
		.n_peers = 1,
		.endpoints = &entry,
		.n_endpoints = 1,
		.policy = &rule,
		.n_policy = 1};
	struct lnt_err e = {};
	size_t seen = 0;

	memcpy(entry.value.mac, ep->mac, 6);
	if (lnt_sync_policy(s, &want, ep, 1, &e, &seen))
		fail_msg("%s", e.msg);
	assert_int_equal(seen, writes);
}

static void policy_moves_the_epoch_when_it_changes(void **state)
{
	struct lnt_endpoint ep = endpoint("10.0.0.9", 7), other = endpoint("10.0.0.9", 8);
	struct lnt_sync *s = sync_open();
	uint32_t before = epoch(s);

	assert_false(lnt_sync_has_endpoint(s, &ep));
	want_endpoint(s, &ep, 5, 4);
	assert_true(lnt_sync_has_endpoint(s, &ep));
	assert_false(lnt_sync_has_endpoint(s, &other));
	assert_int_equal(epoch(s), before + 1);
	want_endpoint(s, &ep, 5, 0);
	assert_int_equal(epoch(s), before + 1);
	want_endpoint(s, &ep, 6, 3); /* new rule, endpoint switched, old rule gone */
	assert_int_equal(epoch(s), before + 2);
	lnt_sync_free(s);
}

static void policy_is_untouched_by_a_restart(void **state)
{
	struct lnt_endpoint ep = endpoint("10.0.0.9", 7);
	struct lnt_sync *s = sync_open();
	uint32_t before = epoch(s);

	assert_true(lnt_sync_has_endpoint(s, &ep));
	want_endpoint(s, &ep, 6, 0);
	assert_int_equal(epoch(s), before);
	lnt_sync_free(s);
}

/* --- full maps -------------------------------------------------------------------------------- */

/* Two endpoints with policies of their own, and what else there is to a state. */
struct full {
	struct lnt_sync *s;
	struct lnt_endpoint eps[2];
	struct lnt_endpoint_entry endpoints[2];
	struct lnt_peer_entry peers[2];
	struct lnt_block_entry blocks[3];
	struct lnt_policy_entry policy[6];
	struct lnt_policy_state want;
};

static void full_state(struct full *f, size_t n_policy, size_t n_blocks)
{
	static const char *const at[] = {"10.0.0.9", "10.0.0.10"};

	for (uint32_t i = 0; i < 2; i++) {
		f->eps[i] = endpoint(at[i], 7 + i);
		f->peers[i] = (struct lnt_peer_entry){f->eps[i].addrs[0], {LNT_ID_POD + 1}};
		f->endpoints[i] = (struct lnt_endpoint_entry){f->eps[i].addrs[0],
			{.ifindex = 7 + i,
				.identity = LNT_ID_POD + 1,
				.policy_id = 5 + i,
				.flags = i ? LNT_EP_ADMIN_INGRESS : LNT_EP_ISOLATED_INGRESS}};
		memcpy(f->endpoints[i].value.mac, f->eps[i].mac, 6);
	}
	/* The first two entries are of policy 5, all others of 6. */
	for (uint32_t i = 0; i < 6; i++)
		f->policy[i] = (struct lnt_policy_entry){{.prefixlen = LNT_POLICY_ALL,
								 .policy_id = i < 2 ? 5 : 6,
								 .identity = LNT_ID_POD + i},
			{.verdict = LNT_ALLOW}};
	for (uint32_t i = 0; i < 3; i++) {
		f->blocks[i].key = (struct lnt_cidr_key){96 + 8 * i, addr("10.0.0.0")};
		f->blocks[i].value.identity = LNT_ID_WORLD + i;
	}
	f->want = (struct lnt_policy_state){.peers = f->peers,
		.n_peers = 2,
		.endpoints = f->endpoints,
		.n_endpoints = 2,
		.blocks = f->blocks,
		.n_blocks = n_blocks,
		.policy = f->policy,
		.n_policy = n_policy};
}

static int full_sync(struct full *f)
{
	struct lnt_err e = {};
	size_t writes = 0;

	return lnt_sync_policy(f->s, &f->want, f->eps, 2, &e, &writes);
}

static bool is_closed(const struct full *f, int i)
{
	struct lnt_endpoint_value v;

	assert_int_equal(bpf_map_lookup_elem(f->s->maps.endpoints, &f->eps[i].addrs[0], &v), 0);
	return v.flags & LNT_EP_CLOSED;
}

static size_t n_closed(const struct full *f)
{
	size_t n;

	lnt_sync_closed(f->s, &n);
	return n;
}

/* A table on a small map in place of the real one. */
static int small_map(
	struct lnt_table *t, enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t max)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int old = t->fd, fd = bpf_map_create(type, "t", key, value, max, &opts);
	struct lnt_err e = {};

	assert_true(fd >= 0);
	if (lnt_table_read(t, t->name, fd, &e))
		fail_msg("%s", e.msg);
	return old;
}

static void a_policy_that_does_not_fit_closes(void **state)
{
	struct full f = {.s = sync_open()};
	int old = small_map(&f.s->policy, BPF_MAP_TYPE_HASH, sizeof(struct lnt_policy_key),
		sizeof(struct lnt_policy_value), 4);

	full_state(&f, 4, 0);
	assert_int_equal(full_sync(&f), 0);
	assert_int_equal(n_closed(&f), 0);
	full_state(&f, 6, 0);
	assert_int_equal(full_sync(&f), -E2BIG);
	assert_false(is_closed(&f, 0));
	assert_true(is_closed(&f, 1));
	assert_int_equal(n_closed(&f), 1);
	assert_int_equal(lnt_sync_closed(f.s, &(size_t){0})[0], 6);
	/* Still, and open again when there is room. */
	assert_int_equal(full_sync(&f), -E2BIG);
	assert_true(is_closed(&f, 1));
	full_state(&f, 3, 0);
	assert_int_equal(full_sync(&f), 0);
	assert_false(is_closed(&f, 1));
	assert_int_equal(n_closed(&f), 0);
	/* What is in the way of the new is taken away first, if it must be. */
	full_state(&f, 4, 0);
	for (int i = 0; i < 4; i++)
		f.policy[i].key.identity += 100;
	assert_int_equal(full_sync(&f), 0);
	assert_int_equal(n_closed(&f), 0);
	close(f.s->policy.fd);
	f.s->policy.fd = old;
	lnt_sync_free(f.s);
}

static void blocks_that_do_not_fit_close(void **state)
{
	struct full f = {.s = sync_open()};
	int old = small_map(&f.s->blocks, BPF_MAP_TYPE_LPM_TRIE, sizeof(struct lnt_cidr_key),
		sizeof(struct lnt_peer_value), 2);
	struct lnt_cidr_key longest;
	struct lnt_peer_value v;

	full_state(&f, 4, 3);
	assert_int_equal(full_sync(&f), -ENOSPC);
	assert_true(is_closed(&f, 0));
	assert_true(is_closed(&f, 1));
	/* The longer ones were first: they are the exceptions. */
	longest = f.blocks[2].key;
	assert_int_equal(bpf_map_lookup_elem(f.s->blocks.fd, &longest, &v), 0);
	assert_int_equal(v.identity, LNT_ID_WORLD + 2);
	full_state(&f, 4, 2);
	assert_int_equal(full_sync(&f), 0);
	assert_false(is_closed(&f, 0));
	close(f.s->blocks.fd);
	f.s->blocks.fd = old;
	lnt_sync_free(f.s);
}

static void peers_that_do_not_fit_close_where_rules_deny(void **state)
{
	struct full f = {.s = sync_open()};
	int old = f.s->peers.fd, small;
	struct lnt_err e = {};

	small = bpf_map_create(BPF_MAP_TYPE_HASH, "t", sizeof(struct in6_addr),
		sizeof(struct lnt_peer_value), 1, NULL);
	assert_int_equal(lnt_table_read(&f.s->peers, "peers", small, &e), 0);
	full_state(&f, 4, 0);
	assert_int_not_equal(full_sync(&f), 0);
	assert_false(is_closed(&f, 0));
	assert_true(is_closed(&f, 1));
	close(small);
	f.s->peers.fd = old;
	lnt_sync_free(f.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy_moves_the_epoch_when_it_changes),
		cmocka_unit_test(policy_is_untouched_by_a_restart),
		cmocka_unit_test(a_policy_that_does_not_fit_closes),
		cmocka_unit_test(blocks_that_do_not_fit_close),
		cmocka_unit_test(peers_that_do_not_fit_close_where_rules_deny),
	};

	return cmocka_run_group_tests(tests, setup_root, teardown_root);
}
