/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in allocator, on files in a folder of the test's own. */
#include "cni/ipam.h"
#include "cni/ipam_state.h"
#include "lib/agent_socket.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state)
{
	strcpy(dir, "/tmp/linnet-ipam-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int zap(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	return nftw(dir, zap, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void read_state(char *buf, size_t size)
{
	FILE *f = fopen(path_of("ipam/addresses"), "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
}

struct ranges {
	struct lnt_prefix p[LNT_MAX_RANGES];
	unsigned n;
};

static struct ranges ranges(const char *a, const char *b)
{
	struct ranges r = {};

	assert_int_equal(lnt_prefix_parse(a, &r.p[r.n++]), 0);
	if (b)
		assert_int_equal(lnt_prefix_parse(b, &r.p[r.n++]), 0);
	return r;
}

/* Allocates for container @id; the addresses as text, comma between them, or "-errno". */
static const char *take(const struct ranges *r, const char *id)
{
	static char text[2 * LNT_ADDRSTRLEN + 2];
	struct lnt_owner owner = {.network = "net", .container_id = id, .ifname = "eth0"};
	struct in6_addr addrs[2];
	char a[LNT_ADDRSTRLEN];
	struct lnt_err e = {};
	unsigned n = 0;
	bool new;
	int err = lnt_ipam_alloc(dir, r->p, r->n, &owner, &e, addrs, &n, &new);

	if (err) {
		snprintf(text, sizeof(text), "%d", err);
		return text;
	}
	text[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "," : "",
			lnt_addr_str(&addrs[i], a));
	return text;
}

static void give(const char *id)
{
	assert_int_equal(lnt_ipam_release(dir, id, "eth0", NULL), 0);
}

static void both_families_come_together(void **state)
{
	struct ranges r = ranges("10.244.1.0/24", "fd00:1::/64");

	assert_string_equal(take(&r, "a"), "10.244.1.2,fd00:1::1");
	assert_string_equal(take(&r, "b"), "10.244.1.3,fd00:1::2");
}

static void order_of_ranges_does_not_matter(void **state)
{
	struct ranges r = ranges("fd00:1::/64", "10.244.1.0/24");

	assert_string_equal(take(&r, "a"), "10.244.1.2,fd00:1::1");
}

static void single_family_gives_one_address(void **state)
{
	struct ranges v4 = ranges("10.0.0.0/8", NULL), v6 = ranges("fd00:2::/112", NULL);

	assert_string_equal(take(&v4, "a"), "10.0.0.2");
	assert_string_equal(take(&v6, "b"), "fd00:2::1");
}

static void freed_address_comes_last(void **state)
{
	struct ranges r = ranges("10.0.0.0/29", NULL); /* .2 to .6 */

	assert_string_equal(take(&r, "a"), "10.0.0.2");
	give("a");
	assert_string_equal(take(&r, "b"), "10.0.0.3");
	assert_string_equal(take(&r, "c"), "10.0.0.4");
	assert_string_equal(take(&r, "d"), "10.0.0.5");
	assert_string_equal(take(&r, "e"), "10.0.0.6");
	assert_string_equal(take(&r, "f"), "10.0.0.2");
}

static void owner_gets_the_same_address_again(void **state)
{
	struct ranges r = ranges("10.244.1.0/24", "fd00:1::/64");

	assert_string_equal(take(&r, "a"), "10.244.1.2,fd00:1::1");
	assert_string_equal(take(&r, "a"), "10.244.1.2,fd00:1::1");
}

static void small_ranges_are_used_up_exactly(void **state)
{
	static const struct {
		const char *range;
		const char *addrs[4];
	} table[] = {
		{"10.0.0.8/32", {"10.0.0.8"}},
		{"10.0.1.0/31", {"10.0.1.0", "10.0.1.1"}},
		{"10.0.2.0/30", {"10.0.2.2"}},
		{"fd00::5/128", {"fd00::5"}},
		{"fd00:1::/127", {"fd00:1::", "fd00:1::1"}},
		{"fd00:2::/126", {"fd00:2::1", "fd00:2::2", "fd00:2::3"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct ranges r = ranges(table[i].range, NULL);
		char id[] = "x0-0";

		id[1] += (char)i;
		for (unsigned j = 0; j < 4 && table[i].addrs[j]; j++) {
			id[3]++;
			assert_string_equal(take(&r, id), table[i].addrs[j]);
		}
		assert_string_equal(take(&r, "more"), "-28"); /* ENOSPC */
		assert_int_equal(lnt_ipam_available(dir, r.p, r.n, NULL), -ENOSPC);
	}
}

static void exhausted_family_takes_nothing_of_the_other(void **state)
{
	struct ranges r = ranges("10.0.0.0/30", "fd00::/64");
	struct lnt_owner owner = {.network = "net", .container_id = "b", .ifname = "eth0"};
	struct in6_addr addrs[2];
	char before[4096], after[4096];
	struct lnt_err e = {};
	unsigned n;
	bool new;

	assert_string_equal(take(&r, "a"), "10.0.0.2,fd00::1");
	read_state(before, sizeof(before));
	assert_int_equal(lnt_ipam_alloc(dir, r.p, r.n, &owner, &e, addrs, &n, &new), -ENOSPC);
	assert_int_equal(e.code, LNT_CNI_POOL_EMPTY);
	assert_non_null(strstr(e.msg, "10.0.0.0/30"));
	read_state(after, sizeof(after));
	assert_string_equal(before, after);
	give("a");
	assert_string_equal(take(&r, "b"), "10.0.0.2,fd00::2");
}

static void second_range_of_a_family_is_used_after_the_first(void **state)
{
	struct ranges r = ranges("10.0.0.0/30", "10.0.1.0/30");

	assert_string_equal(take(&r, "a"), "10.0.0.2");
	assert_string_equal(take(&r, "b"), "10.0.1.2");
	assert_string_equal(take(&r, "c"), "-28");
}

static void range_wraps_at_its_end(void **state)
{
	struct ranges r = ranges("10.0.0.0/24", NULL);
	char id[16];

	for (unsigned i = 2; i < 255; i++) {
		char want[16];

		snprintf(id, sizeof(id), "c%u", i);
		snprintf(want, sizeof(want), "10.0.0.%u", i);
		assert_string_equal(take(&r, id), want);
	}
	assert_string_equal(take(&r, "x"), "-28");
	give("c100");
	give("c7");
	assert_string_equal(take(&r, "x"), "10.0.0.7");
	assert_string_equal(take(&r, "y"), "10.0.0.100");
	assert_string_equal(take(&r, "z"), "-28");
}

static void release_is_idempotent_and_by_owner(void **state)
{
	struct ranges r = ranges("10.0.0.0/24", NULL);

	give("never");
	assert_int_equal(access(path_of("ipam"), F_OK), -1); /* nothing made for it */
	take(&r, "a");
	take(&r, "b");
	give("a");
	give("a");
	assert_int_equal(lnt_ipam_release(dir, "b", "eth1", NULL), 0);
	assert_string_equal(take(&r, "b"), "10.0.0.3");
}

static void crash_before_the_rename_changes_nothing(void **state)
{
	struct ranges r = ranges("10.0.0.0/24", NULL);

	take(&r, "a");
	write_file("ipam/addresses.tmp", "linnet-ipam 1\nused 10.0.0.3 net b eth");
	assert_string_equal(take(&r, "b"), "10.0.0.3");
	assert_int_equal(access(path_of("ipam/addresses.tmp"), F_OK), -1);
}

static void damaged_file_is_reported_and_kept(void **state)
{
	static const char *const damaged[] = {
		"",
		"something else\n",
		"linnet-ipam 1\n",
		"linnet-ipam 1\nused 10.0.0.2 net a eth0\n",
		"linnet-ipam 1\nused 10.0.0.2 net a eth0\nend 2\n",
		"linnet-ipam 1\nused 10.0.0.2 net a eth0\nend 1",
		"linnet-ipam 1\nused 10.0.0.2 net a\nend 1\n",
		"linnet-ipam 1\nused 10.0.0 net a eth0\nend 1\n",
		"linnet-ipam 1\nused 10.0.0.3 net a eth0\nused 10.0.0.2 net b eth0\nend 2\n",
		"linnet-ipam 1\nused 10.0.0.2 net a an-interface-too-long\nend 1\n",
		"linnet-ipam 1\nlast 10.0.0.2\nend 1\n",
		"linnet-ipam 1\nend 0\nend 0\n",
		"linnet-ipam 2\nend 0\n",
	};
	struct ranges r = ranges("10.0.0.0/24", NULL);
	char now[4096];

	take(&r, "a");
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		struct lnt_err e = {};

		write_file("ipam/addresses", damaged[i]);
		assert_string_equal(take(&r, "b"), "-74"); /* EBADMSG */
		assert_int_equal(lnt_ipam_release(dir, "a", "eth0", &e), -EBADMSG);
		assert_non_null(strstr(e.msg, "ipam/addresses is damaged"));
		assert_int_equal(e.code, LNT_CNI_IO_FAILURE);
		read_state(now, sizeof(now));
		assert_string_equal(now, damaged[i]);
	}
}

static void lost_file_is_rebuilt_from_the_records(void **state)
{
	struct ranges r = ranges("10.0.0.0/24", "fd00::/64");
	struct lnt_endpoint ep = {.container_id = "a", .ifname = "eth0", .network = "net"};

	strcpy(ep.host_ifname, "lntx");
	ep.host_ifindex = 7;
	assert_int_equal(lnt_addr_parse("10.0.0.2", &ep.addrs[ep.n_addrs++]), 0);
	assert_int_equal(lnt_addr_parse("fd00::1", &ep.addrs[ep.n_addrs++]), 0);
	assert_int_equal(lnt_endpoint_save(dir, &ep, NULL), 0);
	assert_string_equal(take(&r, "b"), "10.0.0.3,fd00::2");
	assert_string_equal(take(&r, "a"), "10.0.0.2,fd00::1");
}

static void read_only_folder_is_reported(void **state)
{
	struct ranges r = ranges("10.0.0.0/24", NULL);
	struct lnt_owner owner = {.network = "net", .container_id = "b", .ifname = "eth0"};
	struct in6_addr addrs[2];
	struct lnt_err e = {};
	unsigned n;
	bool new;

	/* Root writes everywhere but into a file's place. */
	write_file("ipam", "");
	assert_int_equal(lnt_ipam_alloc(dir, r.p, r.n, &owner, &e, addrs, &n, &new), -ENOTDIR);
	assert_int_equal(e.code, LNT_CNI_IO_FAILURE);
}

static void owners_are_listed_by_network(void **state)
{
	struct ranges r = ranges("10.0.0.0/24", "fd00::/64");
	struct lnt_owner other = {.network = "other", .container_id = "o", .ifname = "eth0"};
	struct lnt_attachment *list = NULL;
	struct in6_addr addrs[2];
	unsigned n_addrs;
	size_t n;
	bool new;

	take(&r, "a");
	assert_int_equal(lnt_ipam_alloc(dir, r.p, r.n, &other, NULL, addrs, &n_addrs, &new), 0);
	assert_int_equal(lnt_ipam_owners(dir, "net", NULL, &list, &n), 0);
	assert_int_equal(n, 2); /* an entry an address */
	assert_string_equal(list[0].container_id, "a");
	assert_string_equal(list[1].ifname, "eth0");
	free(list);
}

static void reservation_is_checked(void **state)
{
	struct ranges r = ranges("10.0.0.0/24", NULL);
	struct in6_addr addr;

	take(&r, "a");
	assert_int_equal(lnt_addr_parse("10.0.0.2", &addr), 0);
	assert_int_equal(lnt_ipam_check(dir, "a", "eth0", &addr, 1, NULL), 0);
	assert_int_equal(lnt_ipam_check(dir, "b", "eth0", &addr, 1, NULL), -ENOENT);
	give("a");
	assert_int_equal(lnt_ipam_check(dir, "a", "eth0", &addr, 1, NULL), -ENOENT);
}

/* Processes that take and give at the same time never hold one address twice. */
static void concurrent_processes_share_no_address(void **state)
{
	enum {
		PROCESSES = 16,
		ROUNDS = 12
	};
	struct ranges r = ranges("10.0.0.0/24", "fd00::/64");
	struct lnt_ipam_state st = {};
	char *text = NULL;
	size_t len;

	for (int p = 0; p < PROCESSES; p++) {
		if (fork())
			continue;
		for (int i = 0; i < ROUNDS; i++) {
			char id[32];

			snprintf(id, sizeof(id), "p%d-%d", p, i);
			if (take(&r, id)[0] == '-')
				_exit(1);
			if (i % 3 == 0 && lnt_ipam_release(dir, id, "eth0", NULL))
				_exit(1);
		}
		_exit(0);
	}
	for (int p = 0; p < PROCESSES; p++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	/* The parser refuses an address that occurs twice. */
	assert_int_equal(lnt_file_read(path_of("ipam/addresses"), 1 << 20, NULL, &text, &len), 0);
	assert_int_equal(lnt_ipam_state_parse(text, len, NULL, &st), 0);
	assert_int_equal(st.n, PROCESSES * ROUNDS * 2 / 3 * 2);
	lnt_ipam_state_free(&st);
}

/* A writer that is killed at any moment leaves a file that parses. */
static void killed_writer_leaves_a_whole_file(void **state)
{
	struct ranges r = ranges("10.0.0.0/24", NULL);

	take(&r, "first");
	for (int i = 0; i < 50; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			for (unsigned j = 0;; j++) {
				take(&r, "again");
				lnt_ipam_release(dir, "again", "eth0", NULL);
			}
		}
		for (volatile int spin = 0; spin < i * 2000; spin++)
			;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_string_equal(take(&r, "first"), "10.0.0.2");
	}
}

static void state_prints_what_it_parses(void **state)
{
	static const char text[] = "linnet-ipam 1\n"
				   "last 10.0.0.9 10.0.0.0/24\n"
				   "used 10.0.0.2 net a eth0\n"
				   "used fd00::1 net a eth0\n"
				   "end 3\n";
	struct lnt_ipam_state st = {};
	char *copy = strdup(text), *out = NULL;
	size_t len;

	assert_int_equal(lnt_ipam_state_parse(copy, strlen(copy), NULL, &st), 0);
	assert_int_equal(lnt_ipam_state_print(&st, &out, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(out, text, len);
	free(out);
	lnt_ipam_state_free(&st);
}

static void delegated_result_is_read(void **state)
{
	struct lnt_ipam_result res = {};
	char text[LNT_PREFIXSTRLEN];

	assert_int_equal(
		lnt_ipam_parse("{\"ips\":[{\"address\":\"10.1.0.5/16\",\"gateway\":\"10.1.0.1\"},"
			       "{\"address\":\"fd00::5/64\"}],"
			       "\"routes\":[{\"dst\":\"10.0.0.0/8\",\"mtu\":1400}],"
			       "\"dns\":{\"nameservers\":[\"10.1.0.1\"]}}",
			NULL, &res),
		0);
	assert_int_equal(res.n_addrs, 2);
	assert_string_equal(lnt_addr_str(&res.addrs[0], text), "10.1.0.5");
	assert_int_equal(res.n_routes, 1);
	assert_int_equal(res.routes[0].mtu, 1400);
	assert_non_null(res.dns);
	lnt_ipam_default_routes(&res); /* for IPv6 only, IPv4 has a route */
	assert_int_equal(res.n_routes, 2);
	assert_string_equal(lnt_prefix_str(&res.routes[1].dst, text), "::/0");
	lnt_ipam_result_free(&res);
}

static void delegated_result_that_cannot_be_honoured_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"ips\":[]}",
		"{\"ips\":[{\"address\":\"10.1.0.5\"}]}",
		"{\"ips\":[{\"address\":\"10.1.0.5/33\"}]}",
		"{\"ips\":[{\"address\":\"10.1.0.5/16\"},{\"address\":\"10.1.0.6/16\"}]}",
		"{\"ips\":[{\"address\":\"10.1.0.5/16\"}],\"routes\":[{\"dst\":\"x\"}]}",
		"{\"ips\":[{\"address\":\"::5/64\"}],\"routes\":[{\"dst\":\"::/0\",\"scope\":9}]}",
		"{\"ips\":[{\"address\":\"::5/64\"}],\"routes\":[{\"dst\":\"::/0\",\"mtu\":\"\"}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct lnt_ipam_result res = {};
		struct lnt_err e = {};

		assert_int_equal(lnt_ipam_parse(bad[i], &e, &res), -EBADMSG);
		assert_int_equal(e.code, LNT_CNI_IPAM_FAILED);
		assert_int_equal(res.n_addrs, 0);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_families_come_together),
		T(order_of_ranges_does_not_matter),
		T(single_family_gives_one_address),
		T(freed_address_comes_last),
		T(owner_gets_the_same_address_again),
		T(small_ranges_are_used_up_exactly),
		T(exhausted_family_takes_nothing_of_the_other),
		T(second_range_of_a_family_is_used_after_the_first),
		T(range_wraps_at_its_end),
		T(release_is_idempotent_and_by_owner),
		T(crash_before_the_rename_changes_nothing),
		T(damaged_file_is_reported_and_kept),
		T(lost_file_is_rebuilt_from_the_records),
		T(read_only_folder_is_reported),
		T(owners_are_listed_by_network),
		T(reservation_is_checked),
		T(concurrent_processes_share_no_address),
		T(killed_writer_leaves_a_whole_file),
		cmocka_unit_test(state_prints_what_it_parses),
		cmocka_unit_test(delegated_result_is_read),
		cmocka_unit_test(delegated_result_that_cannot_be_honoured_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
