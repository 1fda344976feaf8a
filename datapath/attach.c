/* SPDX-License-Identifier: Apache-2.0 */
/* Attachments of attach.h. A kernel without tcx answers EINVAL to the link. */
#include "datapath/attach.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int lnt_attach_device(struct lnt_nl *nl, const char *bpf_root, const char *prog, const char *ifname,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e)
{
	_cleanup_close_ int prog_fd = -1;
	struct lnt_err why = {};
	char path[PATH_MAX];
	int r;

	r = lnt_filter_open(bpf_root, prog, e, &prog_fd);
	if (r)
		return r;
	r = link_path(bpf_root, ifname, lnt_hook_name(hook), path);
	if (r)
		return lnt_err_sys(e, r, "pin path of %s", ifname);
	r = attach_tcx(path, prog_fd, ifindex, hook);
	if (r && r != -EINVAL)
		return lnt_err_sys(e, r, "attach %s to %s %s", prog, ifname, lnt_hook_name(hook));
	if (r)
		r = lnt_filter_attach(nl, ifindex, hook, prog_fd, prog, &why);
	if (r)
		return lnt_err_set(
			e, r, "attach %s to %s %s: %s", prog, ifname, lnt_hook_name(hook), why.msg);
	return 0;
}

bool lnt_attach_is_there(struct lnt_nl *nl, const char *bpf_root, const char *prog,
	const char *ifname, uint32_t ifindex, enum lnt_hook hook)
{
	_cleanup_close_ int link = -1;
	bool filtered = false;
	char path[PATH_MAX];

	if (link_path(bpf_root, ifname, lnt_hook_name(hook), path))
		return false;
	link = bpf_obj_get(path);
	if (link >= 0 && link_is_on(link, ifindex))
		return true;
	return !lnt_filter_is_attached(nl, bpf_root, prog, ifindex, hook, NULL, &filtered) &&
		filtered;
}

int lnt_detach_device(struct lnt_nl *nl, const char *bpf_root, const char *ifname, uint32_t ifindex,
	enum lnt_hook hook, struct lnt_err *e)
{
	char path[PATH_MAX];
	int r;

	r = link_path(bpf_root, ifname, lnt_hook_name(hook), path);
	if (r)
		return lnt_err_sys(e, r, "pin path of %s", ifname);
	if (!unlink(path))
		return 0;
	if (errno != ENOENT)
		return lnt_err_sys(e, -errno, "unpin %s", path);
	return ifindex ? lnt_filter_detach(nl, ifindex, hook, e) : 0;
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

	r = lnt_filter_open(bpf_root, prog, e, &prog_fd);
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
