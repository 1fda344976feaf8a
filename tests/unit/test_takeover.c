/* SPDX-License-Identifier: Apache-2.0 */
/* Pins of other versions of linnet, in a bpffs of this process' own. */
#include "datapath/takeover.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOT "/mnt"

/* What a map holds tells which one it is. */
static void pin(int version, const char *kind, const char *name, uint32_t mark)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "t", 4, 4, 1, NULL);
	uint32_t zero = 0;
	char path[PATH_MAX];

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &mark, BPF_ANY), 0);
	mkdir(ROOT "/linnet", 0700);
	snprintf(path, sizeof(path), ROOT "/linnet/v%d", version);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), ROOT "/linnet/v%d/%s", version, kind);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), ROOT "/linnet/v%d/%s/%s", version, kind, name);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
}

/* The mark of what this version has pinned; 0: nothing. */
static uint32_t ours(const char *kind, const char *name)
{
	_cleanup_close_ int fd = -1;
	uint32_t zero = 0, mark = 0;
	char path[PATH_MAX];

	assert_int_equal(lnt_pin_path(ROOT, kind, name, path), 0);
	fd = bpf_obj_get(path);
	if (fd >= 0)
		assert_int_equal(bpf_map_lookup_elem(fd, &zero, &mark), 0);
	return mark;
}

static bool is_there(const char *path)
{
	return !access(path, F_OK);
}

static bool keeps_flows(const char *name, int version)
{
	return !strcmp(name, "flows") && version != LNT_ABI_VERSION + 2;
}

static void take_over(void)
{
	struct lnt_err e = {};

	if (lnt_takeover_begin(ROOT, keeps_flows, &e) || lnt_takeover_end(ROOT, &e))
		fail_msg("%s", e.msg);
}

static void without_others_nothing_is_made(void **state)
{
	take_over();
	assert_false(is_there(ROOT "/linnet"));
}

static void links_and_what_is_kept_move_and_the_rest_goes(void **state)
{
	pin(LNT_ABI_VERSION - 1, "links", "eth0-ingress", 1);
	pin(LNT_ABI_VERSION - 1, "maps", "flows", 2);
	pin(LNT_ABI_VERSION - 1, "maps", "policy", 3);
	pin(LNT_ABI_VERSION - 1, "progs", "from_pod", 4);
	take_over();
	assert_int_equal(ours("links", "eth0-ingress"), 1);
	assert_int_equal(ours("maps", "flows"), 2);
	assert_int_equal(ours("maps", "policy"), 0);
	assert_int_equal(ours("progs", "from_pod"), 0);
}

static void ours_stay_and_of_others_the_newest_counts(void **state)
{
	pin(LNT_ABI_VERSION, "links", "a-ingress", 1);
	for (int v = 1; v < LNT_ABI_VERSION; v++) {
		pin(v, "links", "a-ingress", 10 + (uint32_t)v);
		pin(v, "links", "b-ingress", 10 + (uint32_t)v);
	}
	pin(11, "links", "c-ingress", 21);
	pin(9, "links", "c-ingress", 19);
	take_over();
	assert_int_equal(ours("links", "a-ingress"), 1);
	assert_int_equal(ours("links", "b-ingress"), 10 + LNT_ABI_VERSION - 1);
	assert_int_equal(ours("links", "c-ingress"), 21);
}

static void a_map_that_means_something_else_is_not_taken(void **state)
{
	pin(LNT_ABI_VERSION + 2, "maps", "flows", 1);
	take_over();
	assert_int_equal(ours("maps", "flows"), 0);
	assert_false(lnt_takeover_keeps("flows", LNT_ABI_VERSION + 1));
	assert_true(lnt_takeover_keeps("flows", LNT_ABI_VERSION));
	assert_false(lnt_takeover_keeps("policy", LNT_ABI_VERSION));
}

static void what_is_no_version_is_left_alone(void **state)
{
	pin(LNT_ABI_VERSION - 1, "links", "a-ingress", 1);
	assert_int_equal(mkdir(ROOT "/linnet/v3x", 0700), 0);
	assert_int_equal(mkdir(ROOT "/linnet/other", 0700), 0);
	assert_int_equal(mkdir(ROOT "/v1", 0700), 0);
	take_over();
	assert_true(is_there(ROOT "/linnet/v3x") && is_there(ROOT "/linnet/other"));
	assert_true(is_there(ROOT "/v1"));
}

static int setup(void **state)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	return mount("bpf", ROOT, "bpf", 0, NULL);
}

static int teardown(void **state)
{
	return umount(ROOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_others_nothing_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(
			links_and_what_is_kept_move_and_the_rest_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			ours_stay_and_of_others_the_newest_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_map_that_means_something_else_is_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_version_is_left_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
