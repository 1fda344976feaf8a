/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which mode of XDP the agent chooses for a device, against real ones: taps, whose driver has it,
 * veths and bridges.
 */
#include "agent/node/xdp.h"
#include "datapath/load.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/lnt-test-xdp-XXXXXX";
static struct lnt_nl *nl;

static int setup_root(void **state)
{
	const struct lnt_config cfg = {.masq_port_min = 1, .masq_port_max = 1};
	struct lnt_err e = {};

	/* Mounts and namespaces go with the process. */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || !mkdtemp(root))
		return -1;
	if (lnt_bpffs_ensure(root, &e) || lnt_datapath_load(root, &cfg, &e) ||
		lnt_nl_open(-1, &e, &nl)) {
		fprintf(stderr, "%s\n", e.msg);
		return -1;
	}
	return 0;
}

static int teardown_root(void **state)
{
	lnt_nl_close(nl);
	return umount(root) || rmdir(root);
}

/* --- devices ---------------------------------------------------------------------------------- */

/* Lives as long as the descriptor that it returns. */
static int tap(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &r), 0);
	return fd;
}

static void ip(const char *args)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), "ip link %s", args);
	assert_int_equal(system(cmd), 0);
}

static struct lnt_node_devices devices_of(const char *a, const char *b)
{
	struct lnt_node_devices d = {.n = b ? 2 : 1};
	struct lnt_err e = {};

	assert_int_equal(lnt_link_get(nl, a, 0, &e, &d.links[0]), 0);
	if (b)
		assert_int_equal(lnt_link_get(nl, b, 0, &e, &d.links[1]), 0);
	return d;
}

/* The id of the program that the device runs natively; 0: none. */
static uint32_t native(const char *name)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(name), 0, &q), 0);
	return q.drv_prog_id;
}

static bool may_redirect(const char *name)
{
	uint32_t ifindex = if_nametoindex(name), v;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	assert_int_equal(lnt_pin_path(root, "maps", "xdp_out", path), 0);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return !bpf_map_lookup_elem(fd, &ifindex, &v);
}

/* --- the agent's part ------------------------------------------------------------------------- */

static void apply(struct lnt_xdp *x, enum lnt_opt_xdp xdp, const struct lnt_node_devices *d)
{
	const struct lnt_options opt = {.bpf_root = root, .xdp = xdp};
	struct lnt_err e = {};

	x->done = false;
	if (lnt_xdp_apply(x, nl, &opt, d, &e))
		fail_msg("%s", e.msg);
	assert_true(x->done);
}

static void service(struct lnt_xdp *x, uint32_t flags)
{
	const struct lnt_frontend f = {.flags = flags};
	const struct lnt_service_change changes[] = {{.want = NULL}, {.want = &f}};

	lnt_xdp_note(x, changes, ARRAY_SIZE(changes));
}

#define ASSERT_OFF(x, i, text)                                       \
	do {                                                         \
		assert_int_equal((x)->devices[i].mode, LNT_XDP_OFF); \
		if (!strstr((x)->devices[i].why, text))              \
			fail_msg("%s", (x)->devices[i].why);         \
	} while (0)

static void by_itself(void **state)
{
	_cleanup_close_ int fd = tap("t0");
	struct lnt_node_devices d = devices_of("t0", NULL);
	struct lnt_xdp x = {};
	uint32_t id;

	assert_true(fd >= 0);
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	ASSERT_OFF(&x, 0, "no service");
	service(&x, 0);
	service(&x, LNT_SVC_EXTERNAL | LNT_SVC_LOCAL);
	assert_false(x.wanted);
	service(&x, LNT_SVC_EXTERNAL);
	assert_true(x.wanted);
	assert_false(x.done);
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	assert_int_equal(x.devices[0].mode, LNT_XDP_NATIVE);
	id = native("t0");
	assert_int_not_equal(id, 0);
	assert_true(may_redirect("t0"));
	/* The services may go, it stays; the next agent finds it as it wants it. */
	service(&x, 0);
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	assert_int_equal(native("t0"), id);
	x = (struct lnt_xdp){};
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	ASSERT_OFF(&x, 0, "no service");
	assert_int_equal(native("t0"), 0);
	assert_false(may_redirect("t0"));
}

static void left_out(void **state)
{
	_cleanup_close_ int fd = tap("t0");
	struct lnt_xdp x = {.wanted = true};
	struct lnt_node_devices d;

	assert_true(fd >= 0);
	ip("add d0 type bridge");
	ip("add v0 type veth peer name v1");
	d = devices_of("d0", "v0");
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	ASSERT_OFF(&x, 0, "driver");
	ASSERT_OFF(&x, 1, "veth");
	/* Without GRO the other side of a veth polls for nothing. */
	apply(&x, LNT_OPT_XDP_NATIVE, &d);
	ASSERT_OFF(&x, 0, "driver");
	ASSERT_OFF(&x, 1, "poll");
	apply(&x, LNT_OPT_XDP_GENERIC, &d);
	assert_int_equal(x.devices[0].mode, LNT_XDP_GENERIC);
	assert_int_equal(x.devices[1].mode, LNT_XDP_GENERIC);
	assert_int_equal(native("v0"), 0);
	apply(&x, LNT_OPT_XDP_OFF, &d);
	ASSERT_OFF(&x, 0, "--xdp off");
	d = devices_of("t0", NULL);
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	assert_int_equal(x.devices[0].mode, LNT_XDP_NATIVE);
	/* Not every kernel has VLANs. */
	if (!system("ip link add link t0 name t0.5 type vlan id 5")) {
		apply(&x, LNT_OPT_XDP_AUTO, &d);
		ASSERT_OFF(&x, 0, "VLAN");
		assert_int_equal(native("t0"), 0);
	}
	apply(&x, LNT_OPT_XDP_NATIVE, &d);
	assert_int_equal(x.devices[0].mode, LNT_XDP_NATIVE);
	/* A device that is the node's no more. */
	d = devices_of("d0", NULL);
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	assert_int_equal(native("t0"), 0);
	ip("del d0");
	ip("del v0");
}

/* Another's program stays, and linnet's comes when it is gone. */
static void taken(void **state)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	_cleanup_close_ int fd = tap("t0");
	_cleanup_close_ int prog =
		bpf_prog_load(BPF_PROG_TYPE_XDP, NULL, "GPL", pass, ARRAY_SIZE(pass), NULL);
	struct lnt_node_devices d = devices_of("t0", NULL);
	struct lnt_xdp x = {.wanted = true};
	int ifindex = (int)if_nametoindex("t0");
	uint32_t id;

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach(ifindex, prog, XDP_FLAGS_DRV_MODE, NULL), 0);
	id = native("t0");
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	ASSERT_OFF(&x, 0, strerror(EBUSY));
	assert_int_equal(native("t0"), id);
	assert_int_equal(bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL), 0);
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	assert_int_equal(x.devices[0].mode, LNT_XDP_NATIVE);
	apply(&x, LNT_OPT_XDP_OFF, &d);
	assert_int_equal(native("t0"), 0);
}

/* A device of the same name is another device. */
static void made_again(void **state)
{
	struct lnt_xdp x = {.wanted = true};
	struct lnt_node_devices d;
	int fd = tap("t0");

	d = devices_of("t0", NULL);
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	close(fd);
	fd = tap("t0");
	d = devices_of("t0", NULL);
	apply(&x, LNT_OPT_XDP_AUTO, &d);
	assert_int_equal(x.devices[0].mode, LNT_XDP_NATIVE);
	assert_int_not_equal(native("t0"), 0);
	apply(&x, LNT_OPT_XDP_OFF, &d);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(by_itself),
	cmocka_unit_test(left_out),
	cmocka_unit_test(taken),
	cmocka_unit_test(made_again),
};

int main(void)
{
	return cmocka_run_group_tests_name("xdp", tests, setup_root, teardown_root);
}
