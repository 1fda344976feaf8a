/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* linnetd's options: of its command line, and of a folder of files. */
#include "lib/addr.h"
#include "lib/log.h"

#include <stdbool.h>
#include <stddef.h>

#define LNT_OPT_DEVICES_MAX	   8
#define LNT_OPT_NODEPORT_CIDRS_MAX 16

/* Where to listen. */
struct lnt_bind {
	struct in6_addr addr; /* :: for all of both families */
	uint16_t port;	      /* host byte order, 0: nowhere */
};

enum lnt_mode {
	LNT_MODE_RUN,
	LNT_MODE_LOAD_ONLY,  /* load and pin the programs, then exit */
	LNT_MODE_MOUNT_ONLY, /* mount what is missing of bpffs and cgroup v2, then exit */
	LNT_MODE_CLEANUP,    /* remove all that linnet has put on the node, then exit */
	LNT_MODE_WAIT,	     /* nothing, until SIGTERM */
};

/* How node devices run XDP: --xdp. */
enum lnt_opt_xdp {
	LNT_OPT_XDP_AUTO, /* natively where that is for the better, or not at all */
	LNT_OPT_XDP_NATIVE,
	LNT_OPT_XDP_GENERIC,
	LNT_OPT_XDP_OFF,
};

struct lnt_options {
	enum lnt_mode mode;
	const char *node_name;
	const char *kubeconfig; /* NULL: in-cluster credentials */
	const char *kube_host;	/* where those are used; NULL: as the environment says */
	const char *kube_port;
	const char *bpf_root;	 /* where none is given, by lnt_pin_root() */
	const char *cgroup_root; /* NULL: the mounted cgroup v2 */
	const char *run_dir;
	const char *cni_conf_dir;
	const char *devices[LNT_OPT_DEVICES_MAX]; /* none: found by the node's addresses */
	size_t n_devices;
	/* Where NodePorts are served; none: at all addresses of the devices */
	struct lnt_prefix nodeport_cidrs[LNT_OPT_NODEPORT_CIDRS_MAX];
	size_t n_nodeport_cidrs;
	struct lnt_bind http;	 /* health, readiness, metrics */
	struct lnt_bind healthz; /* kube-proxy's health, for load balancers */
	bool masquerade;
	enum lnt_opt_xdp xdp;
	uint32_t maglev_size; /* 0: no Maglev */
	bool dsr; /* pods of other nodes answer outside clients directly, unless a service says */
	bool policy_audit; /* what policy denies passes, and is told */
	enum lnt_log_level log_level;
};

/*
 * Parses the command line, and the files of --config-dir for what is not on it; an empty file means
 * the default. What is no option is refused, in the folder too. Strings point into @argv, the
 * environment, or memory that lasts until the next call. Returns 0, or -EINVAL after it has told
 * standard error what is wrong, or 1 when help or the version was asked
 * for and given.
 */
int lnt_options_parse(int argc, char **argv, struct lnt_options *ret_opt);
