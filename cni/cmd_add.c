/* SPDX-License-Identifier: Apache-2.0 */
/* ADD: an attachment from nothing to 'packets pass', or nothing at all. */
#include "cni/commands.h"
#include "cni/device.h"
#include "cni/error.h"
#include "cni/ipam.h"
#include "cni/result.h"
#include "lib/agent_client.h"
#include "lib/json.h"
#include "lib/netns.h"

#include <errno.h>
#include <string.h>

/* An ADD under way, and what of it has to be undone when it fails. */
struct add {
	const struct lnt_request *req;
	struct lnt_sides sides;
	struct lnt_endpoint ep;
	struct lnt_ipam_result ipam;
	struct lnt_agent_call call;
	uint32_t mtu, pod_ifindex;
	bool has_addresses, has_device;
};

static void add_end(struct add *a)
{
	const struct lnt_request *req = a->req;

	lnt_agent_close(&a->call);
	if (a->has_device)
		lnt_attachment_remove(req, a->ep.container_id, a->ep.ifname, NULL);
	else if (a->has_addresses && !req->delegated)
		lnt_ipam_release(req->run_dir, a->ep.container_id, a->ep.ifname, NULL);
	if (a->has_addresses && req->delegated)
		lnt_ipam_exec(req, "DEL", NULL, NULL);
	lnt_ipam_result_free(&a->ipam);
	lnt_nl_close(a->sides.node);
	lnt_nl_close(a->sides.pod);
	lnt_closep(&a->sides.netns);
}
#define _cleanup_add_ _cleanup_(add_end)

static void fill_endpoint(struct add *a)
{
	const struct lnt_request *req = a->req;
	struct lnt_endpoint *ep = &a->ep;

	/* Lengths were checked with the request. */
	strcpy(ep->container_id, req->env.container_id);
	strcpy(ep->network, req->network);
	strcpy(ep->ifname, req->env.ifname);
	/* One that does not fit is not needed: only the agent's ending of sockets uses it. */
	if (strlen(req->env.netns) < sizeof(ep->netns))
		strcpy(ep->netns, req->env.netns);
	strcpy(ep->pod_ns, req->pod_ns);
	strcpy(ep->pod_name, req->pod_name);
	strcpy(ep->pod_uid, req->pod_uid);
	memcpy(ep->portmaps, req->portmaps, req->n_portmaps * sizeof(*ep->portmaps));
	ep->n_portmaps = req->n_portmaps;
	lnt_endpoint_host_ifname(ep->container_id, ep->ifname, ep->host_ifname);
}

static int open_netns(struct add *a, struct lnt_err *e)
{
	const char *path = a->req->env.netns;
	struct lnt_err why = {};
	int r = lnt_netns_open(path, &why, &a->sides.netns);

	if (r)
		return lnt_fail(e, r == -ENOENT ? LNT_CNI_UNKNOWN_CONTAINER : LNT_CNI_INVALID_ENV,
			r, "CNI_NETNS: %s", why.msg);
	if (lnt_netns_is_current(a->sides.netns))
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
			"CNI_NETNS %s is the node's own network namespace", path);
	return 0;
}

static int open_sockets(struct add *a, struct lnt_err *e)
{
	int r;

	/* Unknown to kernels before 5.14; only a pod that is opted out of socket hooks needs it. */
	lnt_netns_cookie(a->sides.netns, &a->ep.netns_cookie);
	r = lnt_nl_open(-1, e, &a->sides.node);
	if (!r)
		r = lnt_nl_open(a->sides.netns, e, &a->sides.pod);
	return lnt_fail_code(e, LNT_CNI_INTERNAL, r);
}

/* A second ADD is refused and changes nothing; what is left of an attachment that died is removed.
 */
static int clear_earlier(struct add *a, struct lnt_err *e)
{
	const struct lnt_request *req = a->req;
	struct lnt_endpoint old;
	int r = lnt_endpoint_load(req->run_dir, a->ep.container_id, a->ep.ifname, NULL, &old);

	if (r == -ENOENT)
		return 0;
	if (lnt_device_is_live(&a->sides, &a->ep))
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EEXIST,
			"CNI_CONTAINERID %.64s is attached with CNI_IFNAME %s already; DEL comes "
			"first",
			a->ep.container_id, a->ep.ifname);
	r = lnt_attachment_remove(req, a->ep.container_id, a->ep.ifname, e);
	if (!r && req->delegated)
		r = lnt_ipam_exec(req, "DEL", e, NULL);
	return r;
}

static int get_addresses(struct add *a, struct lnt_err *e)
{
	const struct lnt_request *req = a->req;
	struct lnt_owner owner = {.network = req->network,
		.container_id = req->env.container_id,
		.ifname = req->env.ifname};
	_cleanup_free_ char *out = NULL;
	int r;

	if (req->delegated) {
		a->has_addresses = true; /* DEL follows a failed ADD, too (SPEC.md, section 4) */
		r = lnt_ipam_exec(req, "ADD", e, &out);
		if (!r)
			r = lnt_ipam_parse(out, e, &a->ipam);
	} else {
		r = lnt_ipam_alloc(req->run_dir, req->ranges, req->n_ranges, &owner, e,
			a->ipam.addrs, &a->ipam.n_addrs, &a->has_addresses);
	}
	if (r)
		return r;
	lnt_ipam_default_routes(&a->ipam);
	memcpy(a->ep.addrs, a->ipam.addrs, sizeof(a->ep.addrs));
	a->ep.n_addrs = a->ipam.n_addrs;
	return 0;
}

/* A hostIP of a family that the container has no address of could never be served. */
static int check_portmaps(const struct add *a, struct lnt_err *e)
{
	char text[LNT_PORTMAP_STRLEN];
	unsigned has = 0;

	for (unsigned i = 0; i < a->ep.n_addrs; i++)
		has |= lnt_addr_is4(&a->ep.addrs[i]) ? LNT_PORTMAP_4 : LNT_PORTMAP_6;
	for (unsigned i = 0; i < a->ep.n_portmaps; i++) {
		if (!(a->ep.portmaps[i].families & has))
			return lnt_fail(e, LNT_CNI_INVALID_CONFIG, -EAFNOSUPPORT,
				"runtimeConfig.portMappings: %s cannot lead to a container without "
				"an address of that family",
				lnt_portmap_str(&a->ep.portmaps[i], text));
	}
	return 0;
}

static int make_device(struct add *a, struct lnt_err *e)
{
	const struct lnt_request *req = a->req;
	int r;

	a->mtu = lnt_device_mtu(a->sides.node, req->mtu);
	r = lnt_device_create(&a->sides, a->mtu, &a->ep, e, &a->pod_ifindex);
	if (r)
		return r;
	a->has_device = true;
	return lnt_device_attach(&a->sides, req->bpf_root, &a->ep, e);
}

/* The record comes first: an agent that restarts in between reads it. */
static int ask_agent(struct add *a, struct lnt_err *e)
{
	_cleanup_json_ cJSON *msg = cJSON_CreateObject();
	cJSON *ep;
	int r = lnt_endpoint_save(a->req->run_dir, &a->ep, e);

	if (r)
		return lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
	ep = lnt_endpoint_to_json(&a->ep);
	if (!msg || !cJSON_AddStringToObject(msg, "op", "add") ||
		!cJSON_AddItemToObject(msg, "endpoint", ep)) {
		cJSON_Delete(ep);
		return lnt_fail_sys(e, LNT_CNI_INTERNAL, -ENOMEM, "ask the agent");
	}
	return lnt_agent_send(&a->call, a->req->run_dir, msg, LNT_AGENT_ADD_WAIT_MS, e);
}

static int print_result(struct add *a, struct lnt_err *e)
{
	_cleanup_json_ cJSON *result = lnt_result_build(a->req, &a->ep, &a->ipam, a->mtu);
	_cleanup_free_ char *text = result ? cJSON_PrintUnformatted(result) : NULL;

	if (!text)
		return lnt_fail_sys(e, LNT_CNI_INTERNAL, -ENOMEM, "write the result");
	if (printf("%s\n", text) < 0 || fflush(stdout))
		return lnt_fail_sys(
			e, LNT_CNI_IO_FAILURE, errno ? -errno : -EIO, "write the result");
	return 0;
}

int lnt_cmd_add(const struct lnt_request *req, struct lnt_err *e)
{
	_cleanup_add_ struct add a = {
		.req = req, .sides = {.netns = -1}, .call = LNT_AGENT_CALL_NONE};
	int r;

	fill_endpoint(&a);
	r = open_netns(&a, e);
	if (!r)
		r = lnt_ready_ask(req, &a.call, LNT_CNI_TRY_AGAIN_LATER, e);
	if (!r) /* while the agent wakes up */
		r = open_sockets(&a, e);
	if (!r)
		r = clear_earlier(&a, e);
	if (!r)
		r = lnt_ready_wait(&a.call, LNT_CNI_TRY_AGAIN_LATER, e);
	if (!r)
		r = get_addresses(&a, e);
	if (!r)
		r = check_portmaps(&a, e);
	if (!r)
		r = make_device(&a, e);
	if (!r)
		r = ask_agent(&a, e);
	if (!r) /* while the agent works */
		r = lnt_device_setup_pod(&a.sides, &a.ep, a.pod_ifindex, &a.ipam, e);
	if (!r)
		r = lnt_agent_wait(&a.call, e);
	if (!r)
		r = lnt_device_setup_node(&a.sides, &a.ep, e);
	if (!r)
		r = print_result(&a, e);
	if (!r)
		a.has_addresses = a.has_device = false; /* the container's from here on */
	return r;
}
