/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments of attach.h. A filter is a direct-action one of fixed handle and priority, so that a
 * later attach finds and replaces it. A kernel without tcx answers EINVAL to the link.
 */
#include "datapath/attach.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define TC_HANDLE   1
#define TC_PRIORITY 1

static const char *hook_name(enum lnt_hook hook)
{
	return hook == LNT_HOOK_INGRESS ? "ingress" : "egress";
}

static enum bpf_attach_type tcx_type(enum lnt_hook hook)
{
	return hook == LNT_HOOK_INGRESS ? BPF_TCX_INGRESS : BPF_TCX_EGRESS;
}

static int link_path(
	const char *bpf_root, const char *owner, const char *what, char ret_path[static PATH_MAX])
{
	char name[NAME_MAX];

	snprintf(name, sizeof(name), "%s-%s", owner, what);
	return lnt_pin_path(bpf_root, "links", name, ret_path);
}

static int prog_get(const char *bpf_root, const char *prog, struct lnt_err *e, int *ret_fd)
{
	char path[PATH_MAX];
	int r = lnt_pin_path(bpf_root, "progs", prog, path), fd;

	if (r)
		return lnt_err_sys(e, r, "path of program %s", prog);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return lnt_err_sys(e, fd, "open pinned program %s (has linnetd run?)", path);
	*ret_fd = fd;
	return 0;
}

/* A pinned link of an earlier device or cgroup with the same name is of no use any more. */
static bool link_is_on(int link_fd, uint32_t ifindex)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &len))
		return false;
	return info.type == BPF_LINK_TYPE_TCX && info.tcx.ifindex == ifindex;
}

/* Pins @fd at @path, in the place of a link that no longer is where it should be. */
static int link_pin(int fd, const char *path)
{
	int r;

	if (unlink(path) && errno != ENOENT)
		return -errno;
	r = bpf_obj_pin(fd, path);
	return r < 0 ? r : 0;
}

static int attach_tcx(const char *path, int prog_fd, uint32_t ifindex, enum lnt_hook hook)
{
	_cleanup_close_ int old = bpf_obj_get(path);
	_cleanup_close_ int fd = -1;
	int r;

	if (old >= 0 && link_is_on(old, ifindex)) {
		r = bpf_link_update(old, prog_fd, NULL);
		return r < 0 ? r : 0;
	}
	fd = bpf_link_create(prog_fd, (int)ifindex, tcx_type(hook), NULL);
	if (fd < 0)
		return fd;
	return link_pin(fd, path);
}

static void tc_hook_fill(struct bpf_tc_hook *h, uint32_t ifindex, enum bpf_tc_attach_point point)
{
	memset(h, 0, sizeof(*h));
	h->sz = sizeof(*h);
	h->ifindex = (int)ifindex;
	h->attach_point = point;
}

static enum bpf_tc_attach_point tc_point(enum lnt_hook hook)
{
	return hook == LNT_HOOK_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

/* libbpf would print "exclusivity flag on" for a clsact that exists. */
static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static int attach_clsact(int prog_fd, uint32_t ifindex, enum lnt_hook hook)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
		.prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook h;
	int r;

	libbpf_set_print(silent);
	tc_hook_fill(&h, ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	r = bpf_tc_hook_create(&h);
	if (r && r != -EEXIST)
		return r;
	tc_hook_fill(&h, ifindex, tc_point(hook));
	return bpf_tc_attach(&h, &opts);
}

int lnt_attach_device(const char *bpf_root, const char *prog, const char *ifname, uint32_t ifindex,
	enum lnt_hook hook, struct lnt_err *e)
{
	_cleanup_close_ int prog_fd = -1;
	int r;

	r = prog_get(bpf_root, prog, e, &prog_fd);
	if (r)
		return r;
	r = attach_clsact(prog_fd, ifindex, hook);
	if (r)
		return lnt_err_sys(e, r, "attach %s to %s %s", prog, ifname, hook_name(hook));
	return 0;
}

int lnt_attach_node_device(const char *bpf_root, const char *prog, const char *ifname,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e)
{
	_cleanup_close_ int prog_fd = -1;
	char path[PATH_MAX];
	int r;

	r = prog_get(bpf_root, prog, e, &prog_fd);
	if (r)
		return r;
	r = link_path(bpf_root, ifname, hook_name(hook), path);
	if (r)
		return lnt_err_sys(e, r, "pin path of %s", ifname);
	r = attach_tcx(path, prog_fd, ifindex, hook);
	if (r == -EINVAL)
		r = attach_clsact(prog_fd, ifindex, hook);
	if (r)
		return lnt_err_sys(e, r, "attach %s to %s %s", prog, ifname, hook_name(hook));
	return 0;
}

int lnt_detach_device(const char *bpf_root, const char *ifname, uint32_t ifindex,
	enum lnt_hook hook, struct lnt_err *e)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	_cleanup_close_ int link = -1;
	char path[PATH_MAX];
	struct bpf_tc_hook h;
	int r;

	r = link_path(bpf_root, ifname, hook_name(hook), path);
	if (r)
		return lnt_err_sys(e, r, "pin path of %s", ifname);
	link = bpf_obj_get(path);
	if (link >= 0) {
		if (unlink(path) && errno != ENOENT)
			return lnt_err_sys(e, -errno, "unpin %s", path);
		return 0;
	}
	if (!ifindex)
		return 0;
	libbpf_set_print(silent);
	tc_hook_fill(&h, ifindex, tc_point(hook));
	r = bpf_tc_detach(&h, &opts);
	if (r && r != -ENOENT && r != -EINVAL && r != -ENODEV)
		return lnt_err_sys(e, r, "detach from %s %s", ifname, hook_name(hook));
	return 0;
}

static uint32_t prog_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static int attached_clsact(uint32_t ifindex, enum lnt_hook hook, uint32_t *ret_prog_id)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	struct bpf_tc_hook h;
	int r;

	libbpf_set_print(silent);
	tc_hook_fill(&h, ifindex, tc_point(hook));
	r = bpf_tc_query(&h, &opts);
	if (r)
		return r;
	*ret_prog_id = opts.prog_id;
	return 0;
}

int lnt_attached_device(const char *bpf_root, const char *prog, const char *ifname,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e, bool *ret_attached)
{
	_cleanup_close_ int prog_fd = -1, link = -1;
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	uint32_t attached = 0;
	char path[PATH_MAX];
	int r;

	r = prog_get(bpf_root, prog, e, &prog_fd);
	if (!r)
		r = link_path(bpf_root, ifname, hook_name(hook), path);
	if (r)
		return lnt_err_sys(e, r, "pin path of %s", ifname);
	link = bpf_obj_get(path);
	if (link >= 0) {
		if (!bpf_obj_get_info_by_fd(link, &info, &len) && link_is_on(link, ifindex))
			attached = info.prog_id;
	} else {
		r = attached_clsact(ifindex, hook, &attached);
		if (r && r != -ENOENT && r != -EINVAL)
			return lnt_err_sys(e, r, "query %s %s", ifname, hook_name(hook));
	}
	*ret_attached = attached && attached == prog_id(prog_fd);
	return 0;
}

static bool link_is_at(int link_fd, int cgroup_fd, uint32_t attach_type)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	uint64_t id = 0;
	_cleanup_free_ struct file_handle *fh = calloc(1, sizeof(*fh) + sizeof(id));
	int mount;

	if (!fh || bpf_obj_get_info_by_fd(link_fd, &info, &len) ||
		info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.attach_type != attach_type)
		return false;
	/* A cgroup's id is its file handle (kernfs). */
	fh->handle_bytes = sizeof(id);
	if (name_to_handle_at(cgroup_fd, "", fh, &mount, AT_EMPTY_PATH))
		return false;
	memcpy(&id, fh->f_handle, sizeof(id));
	return info.cgroup.cgroup_id == id;
}

int lnt_attach_cgroup(const char *bpf_root, const char *prog, int cgroup_fd, uint32_t attach_type,
	struct lnt_err *e)
{
	_cleanup_close_ int prog_fd = -1, old = -1, fd = -1;
	char path[PATH_MAX];
	int r;

	r = prog_get(bpf_root, prog, e, &prog_fd);
	if (!r)
		r = link_path(bpf_root, "cgroup", prog, path);
	if (r)
		return lnt_err_sys(e, r, "pin path of %s", prog);
	old = bpf_obj_get(path);
	if (old >= 0 && link_is_at(old, cgroup_fd, attach_type)) {
		r = bpf_link_update(old, prog_fd, NULL);
		return r < 0 ? lnt_err_sys(e, r, "replace %s at the cgroup", prog) : 0;
	}
	fd = bpf_link_create(prog_fd, cgroup_fd, attach_type, NULL);
	if (fd < 0)
		return lnt_err_sys(e, fd, "attach %s to the cgroup", prog);
	r = link_pin(fd, path);
	return r ? lnt_err_sys(e, r, "pin %s", path) : 0;
}
