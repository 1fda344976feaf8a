/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the tests of sync share: programs and maps that are loaded into a bpffs of the test's own,
 * and a sync on them.
 */
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/lnt-test-sync-XXXXXX";

static inline int setup_root(void **state)
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

static inline int teardown_root(void **state)
{
	return umount(root) || rmdir(root);
}

static inline struct lnt_sync *sync_open(void)
{
	struct lnt_sync *s = NULL;
	struct lnt_err e = {};

	if (lnt_sync_new(root, &e, &s))
		fail_msg("%s", e.msg);
	return s;
}

static inline struct in6_addr addr(const char *text)
{
	struct in6_addr a;

	assert_int_equal(lnt_addr_parse(text, &a), 0);
	return a;
}
