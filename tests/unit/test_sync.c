/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sync against real maps: differences only, ids that last, what a full map does, and that nothing
 * is written when nothing changed. Programs and maps are loaded into a bpffs of the test's own.
 */
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/lnt-test-sync-XXXXXX";

static int setup_root(void **state)
{
	const struct lnt_config cfg = {.masq_port_min = 1, .masq_port_max = 1};
	struct lnt_err e = {};

	/* Mounts and namespaces go with the process. */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || !mkdtemp(root))
		return -1;
	if (lnt_bpffs_ensure(root, &e) || lnt_datapath_load(root, &cfg, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return -1;
	}
	return 0;
}

static int teardown_root(void **state)
{
	return umount(root) || rmdir(root);
}

static struct lnt_sync *sync_open(void)
{
	struct lnt_sync *s = NULL;
	struct lnt_err e = {};

	if (lnt_sync_new(root, &e, &s))
		fail_msg("%s", e.msg);
	return s;
}

static uint32_t epoch(struct lnt_sync *s)
{
	struct lnt_state st = {};
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(s->maps.state, &zero, &st), 0);
	return st.epoch;
}

static struct in6_addr addr(const char *text)
{
	struct in6_addr a;

	assert_int_equal(lnt_addr_parse(text, &a), 0);
	return a;
}

/* --- tables ----------------------------------------------------------------------------------- */

struct pair {
	uint32_t key;
	uint32_t value;
};

static struct lnt_table table_on(int fd)
{
	struct lnt_table t = {};
	struct lnt_err e = {};

	assert_int_equal(lnt_table_read(&t, "test", fd, &e), 0);
	return t;
}

static void sync_pairs(struct lnt_table *t, const struct pair *want, size_t n, size_t writes)
{
	struct lnt_err e = {};
	size_t seen = 0;

	assert_int_equal(lnt_table_put(t, want, n, &e, &seen), 0);
	assert_int_equal(lnt_table_prune(t, want, n, &e, &seen), 0);
	assert_int_equal(lnt_table_settle(t, want, n, false, &e), 0);
	assert_int_equal(seen, writes);
}

static void table_writes_differences_only(void **state)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "t", 4, 4, 16, NULL);
	const struct pair one[] = {{1, 10}, {2, 20}, {3, 30}};
	const struct pair two[] = {{1, 10}, {3, 31}, {4, 40}};
	struct lnt_table t = table_on(fd), again;
	uint32_t v;

	sync_pairs(&t, one, 3, 3);
	sync_pairs(&t, one, 3, 0);
	sync_pairs(&t, two, 3, 3); /* 3 changed, 4 added, 2 deleted */
	assert_int_equal(bpf_map_lookup_elem(fd, &(uint32_t){3}, &v), 0);
	assert_int_equal(v, 31);
	assert_int_not_equal(bpf_map_lookup_elem(fd, &(uint32_t){2}, &v), 0);
	again = table_on(fd);
	sync_pairs(&again, two, 3, 0);
	sync_pairs(&again, NULL, 0, 3);
	lnt_table_clear(&again);
	lnt_table_clear(&t);
}

static void table_goes_on_when_the_map_is_full(void **state)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "t", 4, 4, 2, NULL);
	const struct pair want[] = {{1, 10}, {2, 20}, {3, 30}};
	struct lnt_table t = table_on(fd);
	struct lnt_err e = {};
	size_t writes = 0;

	assert_int_equal(lnt_table_put(&t, want, 3, &e, &writes), -E2BIG);
	assert_int_equal(writes, 2);
	assert_non_null(strstr(e.msg, "test"));
	assert_int_equal(lnt_table_settle(&t, want, 3, true, &e), 0);
	assert_int_equal(t.n, 2);
	/* Room again: only what is missing is written. */
	sync_pairs(&t, &want[1], 1, 1);
	sync_pairs(&t, &want[1], 2, 1);
	assert_non_null(lnt_table_get(&t, &(uint32_t){3}));
	assert_null(lnt_table_get(&t, &(uint32_t){1}));
	lnt_table_clear(&t);
}

/* --- services --------------------------------------------------------------------------------- */

#define BACKENDS_MAX 4

static void want_service(struct lnt_sync *s, const char *vip, unsigned n_backends, size_t writes)
{
	struct lnt_backend_value backends[BACKENDS_MAX] = {};
	struct lnt_frontend f = {.n_backends = n_backends};
	struct lnt_service_state want = {&f, 1, backends, n_backends};
	struct lnt_err e = {};
	size_t seen = 0;

	f.key.addr = addr(vip);
	f.key.port = htons(80);
	f.key.proto = IPPROTO_TCP;
	for (unsigned i = 0; i < n_backends; i++) {
		backends[i].addr = addr("10.0.0.1");
		backends[i].addr.s6_addr[15] = (uint8_t)(i + 1);
		backends[i].port = htons(8080);
	}
	assert_int_equal(lnt_sync_services(s, &want, &e, &seen), 0);
	assert_int_equal(seen, writes);
}

static struct lnt_service_value service_get(struct lnt_sync *s, const char *vip)
{
	struct lnt_service_key key = {.addr = addr(vip), .port = htons(80), .proto = IPPROTO_TCP};
	struct lnt_service_value v = {};

	assert_int_equal(bpf_map_lookup_elem(s->maps.services, &key, &v), 0);
	return v;
}

static void services_keep_their_id(void **state)
{
	struct lnt_sync *s = sync_open();
	uint32_t id;

	want_service(s, "10.96.0.1", 2, 3);
	id = service_get(s, "10.96.0.1").set;
	want_service(s, "10.96.0.1", 2, 0);
	want_service(s, "10.96.0.1", 4, 3); /* two slots and the count */
	assert_int_equal(service_get(s, "10.96.0.1").set, id);
	assert_int_equal(service_get(s, "10.96.0.1").count, 4);
	lnt_sync_free(s);

	/* A restarted agent takes over what is there. */
	s = sync_open();
	want_service(s, "10.96.0.1", 4, 0);
	want_service(s, "10.96.0.1", 1, 5); /* the count, early and with the rest, three slots */
	assert_int_equal(service_get(s, "10.96.0.1").set, id);
	assert_int_equal(s->backends.n, 1);
	/* Another service never takes an id that was in use. */
	want_service(s, "10.96.0.2", 1, 4);
	assert_int_not_equal(service_get(s, "10.96.0.2").set, id);
	lnt_sync_free(s);
}

/* --- policy ----------------------------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_writes_differences_only),
		cmocka_unit_test(table_goes_on_when_the_map_is_full),
		cmocka_unit_test(services_keep_their_id),
		cmocka_unit_test(policy_moves_the_epoch_when_it_changes),
		cmocka_unit_test(policy_is_untouched_by_a_restart),
	};

	return cmocka_run_group_tests(tests, setup_root, teardown_root);
}
