/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and pinning of load.h. */
#include "datapath/load.h"
#include "datapath/pins.h"
#include "lib/child.h"
#include "lib/cleanup.h"

#include "linnet.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

const struct lnt_cgroup_prog lnt_cgroup_progs[] = {
	{"connect4", BPF_CGROUP_INET4_CONNECT},
	{"connect6", BPF_CGROUP_INET6_CONNECT},
	{"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
	{"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
	{"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
	{"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
	{"getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
	{"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
	{"bind4", BPF_CGROUP_INET4_BIND},
	{"bind6", BPF_CGROUP_INET6_BIND},
	{NULL, 0},
};

int lnt_bpffs_ensure(const char *bpf_root, struct lnt_err *e)
{
	struct statfs fs;

	if (mkdir(bpf_root, 0755) && errno != EEXIST)
		return lnt_err_sys(e, -errno, "make %s", bpf_root);
	if (statfs(bpf_root, &fs))
		return lnt_err_sys(e, -errno, "look at %s", bpf_root);
	if (fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", bpf_root, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return lnt_err_sys(e, -errno, "mount a bpffs at %s", bpf_root);
	return 0;
}

/* What libbpf says last while loading; the verifier's own words are at its end. */
static char said[256];

static int listen_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN && !said[0])
		vsnprintf(said, sizeof(said), fmt, ap);
	return 0;
}

static void skel_destroyp(struct linnet_bpf **skel)
{
	linnet_bpf__destroy(*skel);
}

/* A map that is pinned keeps its size. */
static int keep_size(struct bpf_map *map, const char *path)
{
	_cleanup_close_ int fd = bpf_obj_get(path);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	return bpf_map__set_max_entries(map, info.max_entries);
}

/* Maps shared with the programs' predecessors are pinned; those with a '.' are libbpf's own. */
static int pin_maps(struct linnet_bpf *skel, const char *bpf_root, struct lnt_err *e)
{
	struct bpf_map *map;
	char path[PATH_MAX];
	int r;

	bpf_object__for_each_map(map, skel->obj)
	{
		const char *name = bpf_map__name(map);

		if (bpf_map__is_internal(map) || map == skel->maps.scratch_map)
			continue;
		r = lnt_pin_path(bpf_root, "maps", name, path);
		if (!r)
			r = bpf_map__set_pin_path(map, path);
		if (!r && bpf_map__max_entries(map))
			r = keep_size(map, path);
		if (r)
			return lnt_err_sys(e, r, "pin path of map %s", name);
	}
	return 0;
}

static int pin_progs(struct linnet_bpf *skel, const char *bpf_root, struct lnt_err *e)
{
	char path[PATH_MAX], tmp[PATH_MAX + 8];
	struct bpf_program *prog;
	int r;

	bpf_object__for_each_program(prog, skel->obj)
	{
		r = lnt_pin_path(bpf_root, "progs", bpf_program__name(prog), path);
		if (r)
			return lnt_err_sys(e, r, "pin path of %s", bpf_program__name(prog));
		snprintf(tmp, sizeof(tmp), "%s_new", path);
		if (unlink(tmp) && errno != ENOENT)
			return lnt_err_sys(e, -errno, "unpin %s", tmp);
		r = bpf_obj_pin(bpf_program__fd(prog), tmp);
		if (r)
			return lnt_err_sys(e, r, "pin %s", tmp);
		if (rename(tmp, path))
			return lnt_err_sys(e, -errno, "rename %s", tmp);
	}
	return 0;
}

/* Packets in several buffers, which devices with large MTUs have for XDP (5.18). */
static bool has_xdp_frags(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_XDP_HAS_FRAGS);
	_cleanup_close_ int fd =
		bpf_prog_load(BPF_PROG_TYPE_XDP, NULL, "GPL", pass, ARRAY_SIZE(pass), &opts);

	return fd >= 0;
}

static int load(const char *bpf_root, const struct lnt_config *cfg, struct lnt_err *e)
{
	_cleanup_(skel_destroyp) struct linnet_bpf *skel = NULL;
	struct lnt_config *rodata;
	int r;

	libbpf_set_print(listen_libbpf);
	r = lnt_pin_mkdirs(bpf_root);
	if (r)
		return lnt_err_sys(e, r, "make folders below %s", bpf_root);
	skel = linnet_bpf__open();
	if (!skel)
		return lnt_err_sys(e, -errno, "open the programs");
	rodata = (struct lnt_config *)&skel->rodata->cfg;
	*rodata = *cfg;
	rodata->has_set_retval = libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
					 BPF_FUNC_set_retval, NULL) == 1;
	rodata->has_xdp_frags = cfg->has_xdp_frags && has_xdp_frags();
	if (rodata->has_xdp_frags)
		bpf_program__set_flags(skel->progs.xdp_node, BPF_F_XDP_HAS_FRAGS);
	r = pin_maps(skel, bpf_root, e);
	if (r)
		return r;
	said[0] = '\0';
	r = linnet_bpf__load(skel);
	if (r)
		return lnt_err_sys(e, r, "load the programs (%s)", said);
	return pin_progs(skel, bpf_root, e);
}

struct load_args {
	const char *bpf_root;
	const struct lnt_config *cfg;
};

static int load_in_child(void *arg, struct lnt_err *e)
{
	const struct load_args *args = arg;

	return load(args->bpf_root, args->cfg, e);
}

int lnt_datapath_load(const char *bpf_root, const struct lnt_config *cfg, struct lnt_err *e)
{
	struct load_args args = {bpf_root, cfg};

	return lnt_child_run(load_in_child, &args, e);
}

int lnt_maps_open(const char *bpf_root, struct lnt_err *e, struct lnt_maps *ret_maps)
{
	struct lnt_maps m = LNT_MAPS_NONE;
	const struct {
		const char *name;
		int *fd;
	} all[] = {
		{"flows", &m.flows},
		{"endpoints", &m.endpoints},
		{"devices", &m.devices},
		{"peers", &m.peers},
		{"blocks", &m.blocks},
		{"cidrs", &m.cidrs},
		{"policy", &m.policy},
		{"services", &m.services},
		{"backends", &m.backends},
		{"ranges", &m.ranges},
		{"netns", &m.netns},
		{"maglev", &m.maglev},
		{"state", &m.state},
		{"drops", &m.drops},
		{"counters", &m.counters},
		{"events", &m.events},
	};
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(all); i++) {
		r = lnt_pin_path(bpf_root, "maps", all[i].name, path);
		if (!r)
			*all[i].fd = bpf_obj_get(path);
		if (!r && *all[i].fd < 0)
			r = *all[i].fd;
		if (r)
			lnt_err_sys(e, r, "open pinned map %s", all[i].name);
	}
	if (r) {
		lnt_maps_close(&m);
		return r;
	}
	*ret_maps = m;
	return 0;
}

void lnt_maps_close(struct lnt_maps *maps)
{
	int *fds = (int *)maps;

	for (size_t i = 0; i < sizeof(*maps) / sizeof(int); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

int lnt_datapath_sweep(const char *bpf_root, struct lnt_sweep *s, struct lnt_err *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = s, .ctx_size_in = sizeof(*s));
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int r;

	r = lnt_pin_path(bpf_root, "progs", "sweep", path);
	if (r)
		return lnt_err_sys(e, r, "pin path of the sweeper");
	fd = bpf_obj_get(path);
	if (fd < 0)
		return lnt_err_sys(e, fd, "open %s", path);
	r = bpf_prog_test_run_opts(fd, &opts);
	return r < 0 ? lnt_err_sys(e, r, "run the sweeper") : 0;
}
