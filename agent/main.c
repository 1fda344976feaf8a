/* SPDX-License-Identifier: Apache-2.0 */
/* linnetd: options, then one of its modes. */
#define LNT_LOG "linnetd"
#include "agent/agent.h"
#include "agent/node/cgroup.h"
#include "agent/node/cleanup.h"
#include "datapath/load.h"
#include "lib/log.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>

static int mount_only(const struct lnt_options *opt, struct lnt_err *e)
{
	int r;

	if (mkdir(opt->run_dir, 0755) && errno != EEXIST)
		return lnt_err_sys(e, -errno, "make %s", opt->run_dir);
	r = lnt_bpffs_ensure(opt->bpf_root, e);
	return r ? r : lnt_cgroup_ensure(opt, e);
}

static int wait_for_end(struct lnt_err *e)
{
	sigset_t set;
	int signum, r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* The first process of a container gets no signal that it has not asked for. */
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return lnt_err_sys(e, -errno, "block signals");
	r = sigwait(&set, &signum);
	return r ? lnt_err_sys(e, -r, "wait for a signal") : 0;
}

int main(int argc, char **argv)
{
	const struct lnt_config cfg = {.masq_port_min = 1, .masq_port_max = 1, .has_xdp_frags = 1};
	struct lnt_options opt;
	struct lnt_err e = {};
	int r;

	/* A client of a socket that goes before its answer is no reason to die. */
	signal(SIGPIPE, SIG_IGN);
	/* The loop is the only thread that allocates much. */
	mallopt(M_ARENA_MAX, 1);
	r = lnt_options_parse(argc, argv, &opt);
	if (r)
		return r < 0 ? 2 : 0;
	lnt_log_set_level(opt.log_level);
	switch (opt.mode) {
	case LNT_MODE_LOAD_ONLY:
		r = lnt_bpffs_ensure(opt.bpf_root, &e);
		if (!r)
			r = lnt_datapath_load(opt.bpf_root, &cfg, &e);
		break;
	case LNT_MODE_MOUNT_ONLY:
		r = mount_only(&opt, &e);
		break;
	case LNT_MODE_CLEANUP:
		r = lnt_cleanup(&opt, &e);
		break;
	case LNT_MODE_WAIT:
		r = wait_for_end(&e);
		break;
	default:
		r = lnt_agent_run(&opt, &e);
	}
	if (r)
		log_error("%s", e.msg);
	return r ? 1 : 0;
}
