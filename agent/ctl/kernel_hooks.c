/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments of kernel.h: pinned links are asked where they are, and each device of this network
 * namespace for its filters.
 */
#include "agent/ctl/kernel_internal.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"
#include "lib/netlink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

static const struct ctl_prog *find_prog(const struct ctl_kernel *k, uint32_t id)
{
	for (size_t i = 0; i < k->n_progs; i++)
		if (k->progs[i].id == id)
			return &k->progs[i];
	return NULL;
}

static bool has_name(const struct ctl_kernel *k, const char *name)
{
	for (size_t i = 0; i < k->n_progs; i++)
		if (!strcmp(k->progs[i].name, name))
			return true;
	return false;
}

/* As the kernel knows it, for programs that are pinned no more. */
static void kernel_name(uint32_t id, char ret_name[static CTL_NAME_MAX])
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	snprintf(ret_name, CTL_NAME_MAX, "%s",
		fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.name : "?");
}

static int add(struct ctl_kernel *k, uint32_t id, const char *hook, const char *device,
	bool attached, bool ours_only)
{
	const struct ctl_prog *prog = find_prog(k, id);
	struct ctl_attachment at = {.id = id, .hook = hook, .attached = attached, .current = prog};
	struct ctl_attachment *list;

	if (prog)
		strcpy(at.prog, prog->name);
	else
		kernel_name(id, at.prog);
	if (ours_only && !has_name(k, at.prog))
		return 0;
	snprintf(at.device, sizeof(at.device), "%s", device);
	list = reallocarray(k->attachments, k->n_attachments + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	k->attachments = list;
	list[k->n_attachments++] = at;
	return 0;
}

static const char *xdp_hook(uint32_t ifindex, uint32_t prog_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	if (bpf_xdp_query((int)ifindex, 0, &q))
		return "xdp";
	return q.drv_prog_id == prog_id	   ? "xdp native"
		: q.skb_prog_id == prog_id ? "xdp generic"
					   : "xdp";
}

/* What the pin is called before its last '-': a device's name. */
static void owner_of(const char *name, char ret_owner[static IFNAMSIZ])
{
	const char *end = strrchr(name, '-');

	snprintf(ret_owner, IFNAMSIZ, "%.*s", end ? (int)(end - name) : 0, name);
}

static int add_link(struct ctl_kernel *k, const char *bpf_root, const char *name)
{
	struct bpf_link_info info = {};
	_cleanup_close_ int fd = -1;
	__u32 len = sizeof(info);
	char path[PATH_MAX], owner[IFNAMSIZ];
	int r = lnt_pin_path(bpf_root, "links", name, path);

	if (r)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r)
		return r;
	owner_of(name, owner);
	switch (info.type) {
	case BPF_LINK_TYPE_TCX:
		return add(k, info.prog_id,
			info.tcx.attach_type == BPF_TCX_INGRESS ? "tcx ingress" : "tcx egress",
			owner, info.tcx.ifindex, false);
	case BPF_LINK_TYPE_XDP:
		return add(k, info.prog_id, xdp_hook(info.xdp.ifindex, info.prog_id), owner,
			info.xdp.ifindex, false);
	case BPF_LINK_TYPE_CGROUP:
		return add(k, info.prog_id, "cgroup", "", info.cgroup.cgroup_id, false);
	}
	return 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int add_links(const char *bpf_root, struct lnt_err *e, struct ctl_kernel *k)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *d;
	int r = lnt_pin_path(bpf_root, "links", "", path);

	if (r)
		return r;
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		r = d->d_name[0] == '.' ? 0 : add_link(k, bpf_root, d->d_name);
		if (r && r != -ENOENT)
			return lnt_err_sys(e, r, "look at link %s/%s", path, d->d_name);
	}
	return 0;
}

int ctl_attachments_read(const char *bpf_root, struct lnt_err *e, struct ctl_kernel *k)
{
	static const char *const hooks[] = {"clsact ingress", "clsact egress"};
	_cleanup_free_ struct lnt_link *links = NULL;
	_cleanup_nl_ struct lnt_nl *nl = NULL;
	size_t n = 0;
	int r = add_links(bpf_root, e, k);

	if (!r)
		r = lnt_nl_open(-1, e, &nl);
	if (!r)
		r = lnt_link_dump(nl, e, &links, &n);
	for (size_t i = 0; !r && i < 2 * n; i++) {
		struct lnt_err none = {};
		uint32_t id = 0;

		if (!lnt_filter_get(nl, links[i / 2].ifindex, i % 2, &none, &id) && id)
			r = add(k, id, hooks[i % 2], links[i / 2].name, true, true);
	}
	return r;
}
