/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of all traces (cleanup.h). */
#define LNT_LOG "cleanup"
#include "agent/node/cleanup.h"
#include "agent/node/cgroup.h"
#include "agent/node/conflist.h"
#include "agent/node/forwarding.h"
#include "datapath/attach.h"
#include "datapath/pins.h"
#include "datapath/xdp.h"
#include "lib/agent_socket.h"
#include "lib/cleanup.h"
#include "lib/ctl_socket.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/netlink.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/mount.h>

/* Links are pinned as <device>-ingress, <device>-egress and <device>-xdp; filters have no pin. */
static void detach_device(const struct lnt_options *opt, struct lnt_nl *nl,
	const struct lnt_link *link, enum lnt_hook hook)
{
	static const char *const progs[] = {"from_pod", "to_pod", "from_node", "to_node"};
	bool attached = false;

	lnt_detach_device(nl, opt->bpf_root, link->name, 0, hook, NULL);
	for (size_t p = 0; p < ARRAY_SIZE(progs) && !attached; p++)
		lnt_filter_is_attached(
			nl, opt->bpf_root, progs[p], link->ifindex, hook, NULL, &attached);
	if (attached)
		lnt_filter_detach(nl, link->ifindex, hook, NULL);
}

static bool no_device(const void *ctx, const char *ifname)
{
	return false;
}

static void detach_devices(const struct lnt_options *opt, struct lnt_nl *nl)
{
	_cleanup_free_ struct lnt_link *links = NULL;
	size_t n = 0;

	lnt_xdp_detach_others(opt->bpf_root, no_device, NULL, NULL);
	if (lnt_link_dump(nl, NULL, &links, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		detach_device(opt, nl, &links[i], LNT_HOOK_INGRESS);
		detach_device(opt, nl, &links[i], LNT_HOOK_EGRESS);
	}
}

/* Without their programs pods would be open to everybody: those still there are cut off. */
static int cut_off_pods(const struct lnt_options *opt, struct lnt_nl *nl, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_endpoint *eps = NULL;
	int first, r;
	size_t n = 0;

	first = lnt_endpoint_load_all(opt->run_dir, e, &eps, &n);
	for (size_t i = 0; !first && i < n; i++) {
		if (if_nametoindex(eps[i].host_ifname) != eps[i].host_ifindex)
			continue;
		log_warn("pod %s/%s (%s) is cut off", eps[i].pod_ns, eps[i].pod_name,
			eps[i].host_ifname);
		r = lnt_link_set_down(nl, eps[i].host_ifindex, e);
		first = first ? first : r;
	}
	return first;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int remove_routes(struct lnt_nl *nl, int family, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_route *routes = NULL;
	size_t n = 0;
	int r, first;

	first = lnt_route_dump(nl, family, LNT_RTPROT, e, &routes, &n);
	for (size_t i = 0; !first && i < n; i++) {
		/* A pod's own route goes with its device. */
		if (!routes[i].has_gw && routes[i].type != RTN_UNREACHABLE)
			continue;
		r = lnt_route_del(nl, &routes[i], e);
		if (r && r != -ESRCH)
			first = r;
	}
	return first;
}

/* The sockets, and what the plugin keeps there unless pods still depend on it. */
static int remove_run_dir(const struct lnt_options *opt, struct lnt_err *e)
{
	static const char *const parts[] = {LNT_AGENT_SOCKET, LNT_CTL_SOCKET, "ipam"};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/endpoints", opt->run_dir);
	if (rmdir(path) && errno != ENOENT) {
		log_warn("pods are still attached: %s stays", opt->run_dir);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		snprintf(path, sizeof(path), "%s/%s", opt->run_dir, parts[i]);
		if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
			return lnt_err_sys(e, -errno, "remove %s", path);
	}
	/* It may hold what is not ours, or be where something is mounted. */
	rmdir(opt->run_dir);
	return 0;
}

/* Whether linnet has made the folder of its bpffs too, and not who started it. */
static bool is_in_run_dir(const struct lnt_options *opt)
{
	size_t len = strlen(opt->run_dir);

	return !strncmp(opt->bpf_root, opt->run_dir, len) && opt->bpf_root[len] == '/';
}

int lnt_cleanup(const struct lnt_options *opt, struct lnt_err *e)
{
	_cleanup_nl_ struct lnt_nl *nl = NULL;
	char path[PATH_MAX];
	int first, r;

	first = lnt_conflist_remove(opt, e);
	r = lnt_nl_open(-1, e, &nl);
	if (r)
		return r;
	r = cut_off_pods(opt, nl, e);
	if (r)
		return r;
	detach_devices(opt, nl);
	snprintf(path, sizeof(path), "%s/linnet", opt->bpf_root);
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
		first = lnt_err_sys(e, -errno, "remove %s", path);
	/* A bpffs that only linnet used was mounted by it. */
	if (strcmp(opt->bpf_root, LNT_BPF_ROOT) && !umount(opt->bpf_root) && is_in_run_dir(opt))
		rmdir(opt->bpf_root);
	r = remove_routes(nl, AF_INET, e);
	first = first ? first : r;
	r = remove_routes(nl, AF_INET6, e);
	first = first ? first : r;
	r = lnt_forwarding_restore(opt->run_dir, e);
	first = first ? first : r;
	r = lnt_cgroup_unmount(opt, e);
	first = first ? first : r;
	r = remove_run_dir(opt, e);
	return first ? first : r;
}
