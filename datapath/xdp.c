/* SPDX-License-Identifier: Apache-2.0 */
/* Attachments of xdp.h. */
#include "datapath/xdp.h"
#include "datapath/filter.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX "-xdp"
/* NETDEV_XDP_ACT_NDO_XMIT of linux/netdev.h, which came with Linux 6.3. */
#define ACT_NDO_XMIT (1u << 2)

const char *lnt_xdp_mode_name(enum lnt_xdp_mode mode)
{
	static const char *const names[] = {"off", "generic", "native"};

	return names[mode];
}

static int link_path(const char *bpf_root, const char *ifname, char ret_path[static PATH_MAX])
{
	char name[NAME_MAX];

	snprintf(name, sizeof(name), "%s" SUFFIX, ifname);
	return lnt_pin_path(bpf_root, "links", name, ret_path);
}

/* Whether @link_fd is on the device, in @mode. What is left of an earlier device is on none. */
static bool link_is_on(int link_fd, uint32_t ifindex, enum lnt_xdp_mode mode)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &len) || info.type != BPF_LINK_TYPE_XDP ||
		info.xdp.ifindex != ifindex || bpf_xdp_query((int)ifindex, 0, &q))
		return false;
	return info.prog_id == (mode == LNT_XDP_NATIVE ? q.drv_prog_id : q.skb_prog_id);
}

static int unpin(const char *path)
{
	_cleanup_close_ int fd = bpf_obj_get(path);

	/* At once; the end of the last reference is noticed later. */
	if (fd >= 0)
		bpf_link_detach(fd);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

int lnt_xdp_attach(const char *bpf_root, const char *ifname, uint32_t ifindex,
	enum lnt_xdp_mode mode, struct lnt_err *e)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		.flags = mode == LNT_XDP_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	_cleanup_close_ int prog = -1, old = -1, fd = -1;
	char path[PATH_MAX];
	int r = lnt_filter_open(bpf_root, "xdp_node", e, &prog);

	if (r)
		return r;
	r = link_path(bpf_root, ifname, path);
	if (r)
		return lnt_err_sys(e, r, "pin path of %s", ifname);
	old = bpf_obj_get(path);
	if (old >= 0 && link_is_on(old, ifindex, mode)) {
		r = bpf_link_update(old, prog, NULL);
		return r ? lnt_err_sys(e, r, "replace xdp_node") : 0;
	}
	r = unpin(path);
	if (r)
		return lnt_err_sys(e, r, "unpin %s", path);
	fd = bpf_link_create(prog, (int)ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return lnt_err_sys(e, fd, "attach xdp_node");
	r = bpf_obj_pin(fd, path);
	return r ? lnt_err_sys(e, r, "pin %s", path) : 0;
}

int lnt_xdp_detach(const char *bpf_root, const char *ifname, struct lnt_err *e)
{
	char path[PATH_MAX];
	int r = link_path(bpf_root, ifname, path);

	if (!r)
		r = unpin(path);
	return r ? lnt_err_sys(e, r, "detach xdp_node from %s", ifname) : 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int lnt_xdp_detach_others(const char *bpf_root, bool (*keep)(const void *ctx, const char *ifname),
	const void *ctx, struct lnt_err *e)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX], name[NAME_MAX + 1];
	struct dirent *d;
	int first = 0, r = lnt_pin_path(bpf_root, "links", "", path);

	if (r)
		return lnt_err_sys(e, r, "path of the links");
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : lnt_err_sys(e, -errno, "open %s", path);
	while ((d = readdir(dir))) {
		char *end;

		snprintf(name, sizeof(name), "%s", d->d_name);
		end = strrchr(name, '-');
		if (!end || strcmp(end, SUFFIX) != 0)
			continue;
		*end = '\0';
		r = keep(ctx, name) ? 0 : lnt_xdp_detach(bpf_root, name, e);
		first = first ? first : r;
	}
	return first;
}

bool lnt_xdp_sends(uint32_t ifindex, bool *ret_known)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	/* A device that runs a program natively has the basic features: none at all is no answer.
	 */
	*ret_known = !bpf_xdp_query((int)ifindex, 0, &q) && q.feature_flags;
	return *ret_known && q.feature_flags & ACT_NDO_XMIT;
}

int lnt_xdp_out_set(const char *bpf_root, uint32_t ifindex, bool out, struct lnt_err *e)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	uint32_t yes = 1;
	int r = lnt_pin_path(bpf_root, "maps", "xdp_out", path);

	if (r)
		return lnt_err_sys(e, r, "path of xdp_out");
	fd = bpf_obj_get(path);
	if (fd < 0)
		return lnt_err_sys(e, fd, "open %s", path);
	r = out ? bpf_map_update_elem(fd, &ifindex, &yes, BPF_ANY)
		: bpf_map_delete_elem(fd, &ifindex);
	return r && r != -ENOENT ? lnt_err_sys(e, r, "write xdp_out") : 0;
}
