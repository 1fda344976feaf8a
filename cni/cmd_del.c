/* SPDX-License-Identifier: Apache-2.0 */
/* DEL: needs neither agent nor namespace nor record; everything follows from the two names. */
#include "cni/commands.h"
#include "cni/ipam.h"

int lnt_cmd_del(const struct lnt_request *req, struct lnt_err *e)
{
	int r = lnt_attachment_remove(req, req->env.container_id, req->env.ifname, e), ipam = 0;

	if (req->delegated)
		ipam = lnt_ipam_exec(req, "DEL", e, NULL);
	return r ? r : ipam;
}
