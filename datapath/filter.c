/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of filter.h. */
#include "datapath/filter.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* bpf(2). Descriptors that it returns are CLOEXEC. */
static int sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

const char *lnt_hook_name(enum lnt_hook hook)
{
	return hook == LNT_HOOK_INGRESS ? "ingress" : "egress";
}

int lnt_filter_open(const char *bpf_root, const char *prog, struct lnt_err *e, int *ret_fd)
{
	union bpf_attr attr = {};
	char path[PATH_MAX];
	int r = lnt_pin_path(bpf_root, "progs", prog, path);

	if (r)
		return lnt_err_sys(e, r, "path of program %s", prog);
	attr.pathname = (uintptr_t)path;
	r = sys_bpf(BPF_OBJ_GET, &attr);
	if (r < 0)
		return lnt_err_sys(e, r, "open pinned program %s (has linnetd run?)", path);
	*ret_fd = r;
	return 0;
}

uint32_t lnt_filter_prog_id(int prog_fd)
{
	struct bpf_prog_info info = {};
	union bpf_attr attr = {.info = {.bpf_fd = (uint32_t)prog_fd,
				       .info_len = sizeof(info),
				       .info = (uintptr_t)&info}};

	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) ? 0 : info.id;
}

int lnt_filter_attach(struct lnt_nl *nl, uint32_t ifindex, enum lnt_hook hook, int prog_fd,
	const char *prog, struct lnt_err *e)
{
	int r = lnt_clsact_add(nl, ifindex, e);

	return r ? r : lnt_filter_replace(nl, ifindex, hook == LNT_HOOK_EGRESS, prog_fd, prog, e);
}

int lnt_filter_attach_pod(struct lnt_nl *nl, const char *bpf_root, const char *ifname,
	uint32_t ifindex, struct lnt_err *e)
{
	_cleanup_close_ int from = -1, to = -1;
	struct lnt_err why = {};
	int r = lnt_filter_open(bpf_root, "from_pod", e, &from);

	if (!r)
		r = lnt_filter_open(bpf_root, "to_pod", e, &to);
	if (r)
		return r;
	lnt_nl_batch(nl);
	lnt_clsact_add(nl, ifindex, NULL);
	lnt_filter_replace(nl, ifindex, false, from, "from_pod", NULL);
	lnt_filter_replace(nl, ifindex, true, to, "to_pod", NULL);
	r = lnt_nl_flush(nl, &why);
	return r ? lnt_err_set(e, r, "attach programs to %s: %s", ifname, why.msg) : 0;
}

/* Without a qdisc or a filter the kernel answers in several ways. */
static bool is_absent(int r)
{
	return r == -ENOENT || r == -EINVAL;
}

int lnt_filter_is_attached(struct lnt_nl *nl, const char *bpf_root, const char *prog,
	uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e, bool *ret_attached)
{
	_cleanup_close_ int fd = -1;
	struct lnt_err why = {};
	uint32_t id = 0;
	int r = lnt_filter_open(bpf_root, prog, e, &fd);

	if (r)
		return r;
	r = lnt_filter_get(nl, ifindex, hook == LNT_HOOK_EGRESS, &why, &id);
	if (r && !is_absent(r))
		return lnt_err_set(e, r, "%s: %s", lnt_hook_name(hook), why.msg);
	*ret_attached = id && id == lnt_filter_prog_id(fd);
	return 0;
}

int lnt_filter_detach(struct lnt_nl *nl, uint32_t ifindex, enum lnt_hook hook, struct lnt_err *e)
{
	struct lnt_err why = {};
	int r = lnt_filter_del(nl, ifindex, hook == LNT_HOOK_EGRESS, &why);

	if (r && !is_absent(r) && r != -ENODEV)
		return lnt_err_set(e, r, "%s: %s", lnt_hook_name(hook), why.msg);
	return 0;
}
