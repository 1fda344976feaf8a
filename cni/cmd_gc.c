/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GC: attachments are found through what linnet wrote, records and addresses, both of which carry
 * the network's name. Nothing is guessed from device names, so nothing of others is touched.
 */
#include "cni/commands.h"
#include "cni/error.h"
#include "cni/ipam.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <string.h>

static bool valid(const struct lnt_request *req, const char *container_id, const char *ifname)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, req->valid_attachments) {
		if (!strcmp(lnt_json_str(item, "containerID"), container_id) &&
			!strcmp(lnt_json_str(item, "ifname"), ifname))
			return true;
	}
	return false;
}

/* Removes one that is not valid. Returns 0, or the first failure so far, @r. */
static int sweep(const struct lnt_request *req, const char *container_id, const char *ifname, int r,
	struct lnt_err *e)
{
	int failed;

	if (valid(req, container_id, ifname))
		return r;
	failed = lnt_attachment_remove(req, container_id, ifname, e);
	return r ? r : failed;
}

static int sweep_records(const struct lnt_request *req, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_endpoint *eps = NULL;
	size_t n = 0;
	int r = lnt_endpoint_load_all(req->run_dir, e, &eps, &n);

	lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(eps[i].network, req->network))
			r = sweep(req, eps[i].container_id, eps[i].ifname, r, e);
	}
	return r;
}

/* An ADD that died early left an address, and maybe a device, but no record. */
static int sweep_addresses(const struct lnt_request *req, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_attachment *list = NULL;
	struct lnt_err why = {};
	size_t n = 0;
	int r = lnt_ipam_owners(req->run_dir, req->network, &why, &list, &n);

	if (r)
		return lnt_fail(e, why.code ? why.code : LNT_CNI_IO_FAILURE, r, "%s", why.msg);
	for (size_t i = 0; i < n; i++)
		r = sweep(req, list[i].container_id, list[i].ifname, r, e);
	return r;
}

int lnt_cmd_gc(const struct lnt_request *req, struct lnt_err *e)
{
	int r = sweep_records(req, e), rest;

	rest = req->delegated ? lnt_ipam_exec(req, "GC", e, NULL) : sweep_addresses(req, e);
	return r ? r : rest;
}
