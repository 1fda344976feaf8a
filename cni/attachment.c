/* SPDX-License-Identifier: Apache-2.0 */
/* What several verbs do: removing an attachment, and asking whether the agent is ready. */
#include "cni/commands.h"
#include "cni/error.h"
#include "cni/ipam.h"
#include "lib/agent_client.h"
#include "lib/json.h"
#include "lib/netlink.h"

#include <errno.h>

/* A text of its own, so that the caller's stays the first cause. */
static void keep_first(struct lnt_err *e, const struct lnt_err *why, int r, enum lnt_cni_code code)
{
	if (r)
		lnt_fail(e, why->code ? why->code : code, r, "%s", why->msg);
}

static int tell_agent(const struct lnt_request *req, const char *container_id, const char *ifname,
	struct lnt_agent_call *call)
{
	_cleanup_json_ cJSON *msg = cJSON_CreateObject();

	if (!msg || !cJSON_AddStringToObject(msg, "op", "del") ||
		!cJSON_AddStringToObject(msg, "containerID", container_id) ||
		!cJSON_AddStringToObject(msg, "ifname", ifname))
		return -ENOMEM;
	return lnt_agent_send(call, req->run_dir, msg, LNT_AGENT_DEL_TIMEOUT_MS, NULL);
}

static int delete_device(const struct lnt_request *req, const char *host_ifname, struct lnt_err *e)
{
	_cleanup_nl_ struct lnt_nl *nl = NULL;
	int r = lnt_nl_open(-1, e, &nl);

	if (r)
		return r;
	r = lnt_link_del(nl, host_ifname, NULL);
	if (r && r != -ENODEV)
		return lnt_err_sys(e, r, "delete device %s", host_ifname);
	return 0;
}

int lnt_attachment_remove(const struct lnt_request *req, const char *container_id,
	const char *ifname, struct lnt_err *e)
{
	_cleanup_agent_ struct lnt_agent_call call = LNT_AGENT_CALL_NONE;
	char host_ifname[IFNAMSIZ];
	struct lnt_err why = {};
	int r, first;

	lnt_endpoint_host_ifname(container_id, ifname, host_ifname);
	/* The agent works while the kernel waits for the device's last users. */
	tell_agent(req, container_id, ifname, &call);
	first = delete_device(req, host_ifname, &why);
	keep_first(e, &why, first, LNT_CNI_INTERNAL);
	if (call.fd >= 0)
		lnt_agent_wait(&call, NULL); /* one that is not there reads the records later */
	if (!req->delegated) {
		why = (struct lnt_err){};
		r = lnt_ipam_release(req->run_dir, container_id, ifname, &why);
		keep_first(e, &why, r, LNT_CNI_IO_FAILURE);
		first = first ? first : r;
	}
	if (first)
		return first; /* the record remains for GC */
	why = (struct lnt_err){};
	r = lnt_endpoint_remove(req->run_dir, container_id, ifname, &why);
	keep_first(e, &why, r, LNT_CNI_IO_FAILURE);
	return r;
}

static int not_ready(const struct lnt_err *why, int r, enum lnt_cni_code code, struct lnt_err *e)
{
	if (why->code == LNT_CNI_INVALID_CONFIG)
		code = why->code;
	return lnt_fail(e, code, r, "%s", why->err ? why->msg : "out of memory");
}

int lnt_ready_ask(const struct lnt_request *req, struct lnt_agent_call *call,
	enum lnt_cni_code code, struct lnt_err *e)
{
	_cleanup_json_ cJSON *msg = cJSON_CreateObject();
	struct lnt_err why = {};
	int r = -ENOMEM;

	if (msg && cJSON_AddStringToObject(msg, "op", "status"))
		r = lnt_agent_send(call, req->run_dir, msg, LNT_AGENT_STATUS_TIMEOUT_MS, &why);
	return r ? not_ready(&why, r, code, e) : 0;
}

int lnt_ready_wait(const struct lnt_agent_call *call, enum lnt_cni_code code, struct lnt_err *e)
{
	struct lnt_err why = {};
	int r = lnt_agent_wait(call, &why);

	return r ? not_ready(&why, r, code, e) : 0;
}
