/* SPDX-License-Identifier: Apache-2.0 */
/* STATUS: the agent is ready and there are addresses, so an ADD would succeed. */
#include "cni/commands.h"
#include "cni/error.h"
#include "cni/ipam.h"

int lnt_cmd_status(const struct lnt_request *req, struct lnt_err *e)
{
	_cleanup_agent_ struct lnt_agent_call call = LNT_AGENT_CALL_NONE;
	struct lnt_err why = {};
	int r = lnt_ready_ask(req, &call, LNT_CNI_NOT_AVAILABLE, e);

	if (!r)
		r = lnt_ready_wait(&call, LNT_CNI_NOT_AVAILABLE, e);
	if (r)
		return r;
	if (req->delegated)
		return lnt_ipam_exec(req, "STATUS", e, NULL);
	r = lnt_ipam_available(req->run_dir, req->ranges, req->n_ranges, &why);
	return r ? lnt_fail(e, LNT_CNI_NOT_AVAILABLE, r, "%s", why.msg) : 0;
}
