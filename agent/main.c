/* SPDX-License-Identifier: Apache-2.0 */
/* linnetd: options, then one of its three modes. */
#define LNT_LOG "linnetd"
#include "agent/agent.h"
#include "agent/node/cleanup.h"
#include "datapath/load.h"
#include "lib/log.h"

#include <malloc.h>
#include <signal.h>

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
	case LNT_MODE_CLEANUP:
		r = lnt_cleanup(&opt, &e);
		break;
	default:
		r = lnt_agent_run(&opt, &e);
	}
	if (r)
		log_error("%s", e.msg);
	return r ? 1 : 0;
}
