/* SPDX-License-Identifier: Apache-2.0 */
/* Options: where their values come from, and what is refused. */
#include "agent/options.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	char dir[32];
	char path[320];
	struct lnt_options o;
};

static const char *const names[] = {"devices", "http-address", "masquerade", "masquerad", "xdp",
	"log-level", "run-dir", ".hidden"};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->dir, "/tmp/lnt-options-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, names[i]);
		unlink(f->path);
	}
	if (rmdir(f->dir))
		return -1;
	free(f);
	return 0;
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	FILE *out;

	snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, name);
	out = fopen(f->path, "w");
	fputs(text, out);
	fclose(out);
}

/* Up to two options besides the folder; "": none. */
static int parse(struct fixture *f, const char *dir, const char *a, const char *b)
{
	const char *texts[] = {"linnetd", dir, a, b};
	static char copies[4][64];
	char *argv[5];
	int argc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		snprintf(copies[i], sizeof(copies[i]), "%s%s", i == 1 ? "--config-dir=" : "",
			texts[i]);
		if (*texts[i])
			argv[argc++] = copies[i];
	}
	argv[argc] = NULL;
	return lnt_options_parse(argc, argv, &f->o);
}

static void test_defaults(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "", "", ""), 0);
	assert_string_equal(f->o.run_dir, "/run/linnet");
	assert_string_equal(f->o.cni_conf_dir, "/etc/cni/net.d");
	assert_null(f->o.cgroup_root);
	assert_null(f->o.kubeconfig);
	assert_null(f->o.kube_host);
	assert_true(f->o.masquerade);
	assert_false(f->o.dsr);
	assert_false(f->o.policy_audit);
	assert_int_equal(f->o.xdp, LNT_OPT_XDP_AUTO);
	assert_int_equal(f->o.maglev_size, 65537);
	assert_int_equal(f->o.http.port, 9880);
	assert_int_equal(f->o.healthz.port, 10256);
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&f->o.healthz.addr));
	assert_int_equal(f->o.log_level, LNT_INFO);
	assert_int_equal(f->o.n_devices, 0);
	assert_int_equal(f->o.mode, LNT_MODE_RUN);
}

/* In mounts of its own, so that there is a bpffs where it says, and nowhere else. */
static int private_mounts(void **state)
{
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	while (!umount2("/sys/fs/bpf", MNT_DETACH))
		;
	return setup(state);
}

static void test_bpf_root(void **state)
{
	struct fixture *f = *state;
	char run[64], own[80];

	snprintf(run, sizeof(run), "--run-dir=%s", f->dir);
	snprintf(own, sizeof(own), "%s/bpf", f->dir);
	/* None anywhere: one of its own, which every container with this folder shares. */
	assert_int_equal(parse(f, "", run, ""), 0);
	assert_string_equal(f->o.bpf_root, own);
	/* The node's, if it has one. */
	assert_int_equal(mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL), 0);
	assert_int_equal(parse(f, "", run, ""), 0);
	assert_string_equal(f->o.bpf_root, "/sys/fs/bpf");
	/* Its own stays that, although the node has got one since. */
	assert_int_equal(mkdir(own, 0700), 0);
	assert_int_equal(mount("bpf", own, "bpf", 0, NULL), 0);
	assert_int_equal(parse(f, "", run, ""), 0);
	assert_string_equal(f->o.bpf_root, own);
	assert_int_equal(parse(f, "", run, "--bpf-root=/else"), 0);
	assert_string_equal(f->o.bpf_root, "/else");
	umount(own);
	rmdir(own);
}

static void test_folder(void **state)
{
	struct fixture *f = *state;

	write_file(f, "masquerade", "false");
	write_file(f, "devices", " eth0,eth1 \n");
	write_file(f, "xdp", "");
	write_file(f, "log-level", "\n");
	write_file(f, "run-dir", "/run/other");
	write_file(f, ".hidden", "not an option");
	assert_int_equal(parse(f, f->dir, "", ""), 0);
	assert_false(f->o.masquerade);
	assert_int_equal(f->o.n_devices, 2);
	assert_string_equal(f->o.devices[0], "eth0");
	assert_string_equal(f->o.devices[1], "eth1");
	assert_int_equal(f->o.xdp, LNT_OPT_XDP_AUTO);
	assert_int_equal(f->o.log_level, LNT_INFO);
	assert_string_equal(f->o.run_dir, "/run/other");
	assert_int_equal(f->o.http.port, 9880);
	/* Nothing of it is left for the next. */
	assert_int_equal(parse(f, "", "", ""), 0);
	assert_true(f->o.masquerade);
}

static void test_command_line_goes_before(void **state)
{
	struct fixture *f = *state;

	write_file(f, "masquerade", "false");
	write_file(f, "devices", "eth0");
	write_file(f, "http-address", "nonsense");
	assert_int_equal(parse(f, f->dir, "--devices=eth1", "--http-address=off"), 0);
	assert_false(f->o.masquerade);
	assert_int_equal(f->o.n_devices, 1);
	assert_string_equal(f->o.devices[0], "eth1");
	assert_int_equal(f->o.http.port, 0);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {
		"--nothing",
		"--xdp=",
		"--xdp=on",
		"--masquerade=yes",
		"--http-address=[::1]",
		"--maglev-table-size=4",
		"more",
		"--log-level=loud",
		"--nodeport-addresses=10.0.0.0/33",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(parse(f, "", wrong[i], ""), -EINVAL);
	assert_int_equal(parse(f, "", "--kubeconfig=a", "--kubernetes-service-host=b"), -EINVAL);
	assert_int_equal(parse(f, "/tmp/lnt-options-nowhere", "", ""), -EINVAL);
}

static void test_folder_refused(void **state)
{
	struct fixture *f = *state;

	/* One that was meant to be an option must not go unnoticed. */
	write_file(f, "masquerad", "false");
	assert_int_equal(parse(f, f->dir, "", ""), -EINVAL);
	unlink(f->path);
	assert_int_equal(parse(f, f->dir, "", ""), 0);
	write_file(f, "masquerade", "maybe");
	assert_int_equal(parse(f, f->dir, "", ""), -EINVAL);
	unlink(f->path);
	/* A folder with an option's name. */
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(parse(f, f->dir, "", ""), -EINVAL);
	rmdir(f->path);
}

static void test_modes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "", "--cleanup", ""), 0);
	assert_int_equal(f->o.mode, LNT_MODE_CLEANUP);
	assert_int_equal(parse(f, "", "--mount-only", ""), 0);
	assert_int_equal(f->o.mode, LNT_MODE_MOUNT_ONLY);
	assert_int_equal(parse(f, "", "--wait", ""), 0);
	assert_int_equal(f->o.mode, LNT_MODE_WAIT);
	assert_int_equal(parse(f, "", "--cleanup=true", ""), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_command_line_goes_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bpf_root, private_mounts, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
