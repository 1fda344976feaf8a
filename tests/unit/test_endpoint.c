/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoint records: what is written is read, damage is reported, names do not collide. */
#include "lib/cleanup.h"
#include "lib/endpoint.h"
#include "lib/json.h"
#include "lib/log.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state)
{
	strcpy(dir, "/tmp/linnet-endpoint-XXXXXX");
	lnt_log_set_level(LNT_ERROR); /* damaged records are meant to be */
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

static struct lnt_endpoint example(const char *id, const char *ifname)
{
	struct lnt_endpoint ep = {
		.network = "net",
		.netns = "/run/netns/pod",
		.pod_ns = "ns",
		.pod_name = "pod",
		.pod_uid = "uid",
		.host_ifindex = 4711,
		.mac = {2, 0xab, 0, 0, 0xff, 1},
		.host_mac = {2, 0, 0, 0, 0, 2},
	};

	strcpy(ep.container_id, id);
	strcpy(ep.ifname, ifname);
	lnt_endpoint_host_ifname(id, ifname, ep.host_ifname);
	assert_int_equal(lnt_addr_parse("10.0.0.2", &ep.addrs[ep.n_addrs++]), 0);
	assert_int_equal(lnt_addr_parse("fd00::2", &ep.addrs[ep.n_addrs++]), 0);
	ep.netns_cookie = 0xfedcba9876543210;
	ep.portmaps[ep.n_portmaps++] = (struct lnt_portmap){.host_port = 80,
		.container_port = 8080,
		.proto = IPPROTO_SCTP,
		.families = LNT_PORTMAP_4 | LNT_PORTMAP_6};
	ep.portmaps[ep.n_portmaps++] = (struct lnt_portmap){.host_ip = ep.addrs[0],
		.host_port = 65535,
		.container_port = 1,
		.proto = IPPROTO_UDP,
		.families = LNT_PORTMAP_4};
	return ep;
}

static void put_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/endpoints/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void record_is_read_as_it_was_written(void **state)
{
	struct lnt_endpoint ep = example("c1", "eth0"), back;

	assert_int_equal(lnt_endpoint_save(dir, &ep, NULL), 0);
	assert_int_equal(lnt_endpoint_load(dir, "c1", "eth0", NULL, &back), 0);
	assert_memory_equal(&ep, &back, sizeof(ep));
}

static void container_without_pod_is_read_back(void **state)
{
	struct lnt_endpoint ep = example("c1", "eth0"), back;

	memset(ep.pod_ns, 0, sizeof(ep.pod_ns));
	memset(ep.pod_name, 0, sizeof(ep.pod_name));
	memset(ep.pod_uid, 0, sizeof(ep.pod_uid));
	assert_int_equal(lnt_endpoint_save(dir, &ep, NULL), 0);
	assert_int_equal(lnt_endpoint_load(dir, "c1", "eth0", NULL, &back), 0);
	assert_memory_equal(&ep, &back, sizeof(ep));
}

static void absent_record_is_no_error_to_remove(void **state)
{
	struct lnt_endpoint ep = example("c1", "eth0"), back;

	assert_int_equal(lnt_endpoint_load(dir, "c1", "eth0", NULL, &back), -ENOENT);
	assert_int_equal(lnt_endpoint_remove(dir, "c1", "eth0", NULL), 0);
	assert_int_equal(lnt_endpoint_save(dir, &ep, NULL), 0);
	assert_int_equal(lnt_endpoint_remove(dir, "c1", "eth0", NULL), 0);
	assert_int_equal(lnt_endpoint_remove(dir, "c1", "eth0", NULL), 0);
	assert_int_equal(lnt_endpoint_load(dir, "c1", "eth0", NULL, &back), -ENOENT);
}

static void damaged_record_is_reported(void **state)
{
	static const char *const damaged[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"containerID\":\"c\",\"ifname\":\"eth0\",\"hostIfname\":\"l\"}",
		"{\"containerID\":\"c\",\"ifname\":\"a-name-that-is-too-long\"}",
		"{\"containerID\":\"c\",\"ifname\":\"e\",\"hostIfname\":\"l\",\"addresses\":[\"x\"]"
		"}",
		"{\"containerID\":\"c\",\"ifname\":\"e\",\"hostIfname\":\"l\",\"addresses\":"
		"[\"10.0.0.1\",\"10.0.0.2\"],\"hostIfindex\":1,\"mac\":\"2:0:0:0:0:1\","
		"\"hostMac\":\"2:0:0:0:0:2\"}",
		"{\"containerID\":\"c\",\"ifname\":\"e\",\"hostIfname\":\"l\",\"addresses\":[],"
		"\"hostIfindex\":1,\"mac\":\"2:0:0:0:0:1x\",\"hostMac\":\"2:0:0:0:0:2\"}",
		"{\"containerID\":\"c\",\"ifname\":\"e\",\"hostIfname\":\"l\",\"addresses\":[],"
		"\"hostIfindex\":0,\"mac\":\"2:0:0:0:0:1\",\"hostMac\":\"2:0:0:0:0:2\"}",
		"{\"containerID\":\"c\",\"ifname\":\"e\",\"hostIfname\":\"l\",\"addresses\":[],"
		"\"hostIfindex\":1,\"mac\":\"2:0:0:0:0:1\",\"hostMac\":\"2:0:0:0:0:2\","
		"\"netnsCookie\":7}",
		"{\"containerID\":\"c\",\"ifname\":\"e\",\"hostIfname\":\"l\",\"addresses\":[],"
		"\"hostIfindex\":1,\"mac\":\"2:0:0:0:0:1\",\"hostMac\":\"2:0:0:0:0:2\","
		"\"portMappings\":[{\"hostPort\":0}]}",
	};
	struct lnt_endpoint ep = example("c", "eth0");

	assert_int_equal(lnt_endpoint_save(dir, &ep, NULL), 0); /* makes the folder */
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		struct lnt_endpoint back;
		struct lnt_err e = {};

		put_file("c:eth0.json", damaged[i]);
		assert_int_equal(lnt_endpoint_load(dir, "c", "eth0", &e, &back), -EINVAL);
		assert_non_null(strstr(e.msg, "c:eth0.json"));
	}
}

static void all_are_listed_but_damaged_ones(void **state)
{
	struct lnt_endpoint a = example("a", "eth0"), b = example("b", "eth0"), *eps = NULL;
	size_t n = 99;

	assert_int_equal(lnt_endpoint_load_all(dir, NULL, &eps, &n), 0);
	assert_int_equal(n, 0);
	free(eps);
	assert_int_equal(lnt_endpoint_save(dir, &a, NULL), 0);
	assert_int_equal(lnt_endpoint_save(dir, &b, NULL), 0);
	put_file("c:eth0.json", "{");
	put_file("d:eth0.json.tmp", "{");
	assert_int_equal(lnt_endpoint_load_all(dir, NULL, &eps, &n), 0);
	assert_int_equal(n, 2);
	assert_int_not_equal(strcmp(eps[0].container_id, eps[1].container_id), 0);
	free(eps);
}

static void container_and_interface_do_not_run_together(void **state)
{
	struct lnt_endpoint a = example("a", "b-c"), b = example("a-b", "c"), back;

	assert_string_not_equal(a.host_ifname, b.host_ifname);
	assert_int_equal(lnt_endpoint_save(dir, &a, NULL), 0);
	assert_int_equal(lnt_endpoint_save(dir, &b, NULL), 0);
	assert_int_equal(lnt_endpoint_load(dir, "a", "b-c", NULL, &back), 0);
	assert_memory_equal(&a, &back, sizeof(a));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void host_names_are_stable_short_and_distinct(void **state)
{
	enum {
		N = 20000
	};
	char(*names)[IFNAMSIZ] = calloc(N, IFNAMSIZ), once[IFNAMSIZ], twice[IFNAMSIZ];

	assert_non_null(names);
	lnt_endpoint_host_ifname("c1", "eth0", once);
	lnt_endpoint_host_ifname("c1", "eth0", twice);
	assert_string_equal(once, twice);
	for (int i = 0; i < N; i++) {
		char id[16];

		snprintf(id, sizeof(id), "c%d", i);
		lnt_endpoint_host_ifname(id, "eth0", names[i]);
		assert_int_equal(strlen(names[i]), 14);
		assert_memory_equal(names[i], "lnt", 3);
	}
	qsort(names, N, IFNAMSIZ, by_name);
	for (int i = 1; i < N; i++)
		assert_string_not_equal(names[i - 1], names[i]);
	free(names);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(record_is_read_as_it_was_written),
		T(container_without_pod_is_read_back),
		T(absent_record_is_no_error_to_remove),
		T(damaged_record_is_reported),
		T(all_are_listed_but_damaged_ones),
		T(container_and_interface_do_not_run_together),
		cmocka_unit_test(host_names_are_stable_short_and_distinct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
