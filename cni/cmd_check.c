/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CHECK: what ADD made is compared piece by piece with prevResult, the record and what is live. The
 * first difference is reported. A later plugin of the chain may have added things, and may have
 * changed what prevResult says; only what is listed there, or is linnet's own business, has to be
 * so.
 */
#include "cni/commands.h"
#include "cni/device.h"
#include "cni/error.h"
#include "cni/result.h"
#include "datapath/filter.h"
#include "lib/agent_client.h"
#include "lib/json.h"
#include "lib/netns.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct check {
	const struct lnt_request *req;
	struct lnt_sides sides;
	struct lnt_endpoint ep; /* the record */
	struct lnt_link near, far;
};

static void check_end(struct check *c)
{
	lnt_nl_close(c->sides.node);
	lnt_nl_close(c->sides.pod);
	lnt_closep(&c->sides.netns);
}
#define _cleanup_check_ _cleanup_(check_end)

#define wrong(e, ...) lnt_fail(e, LNT_CNI_CHECK_FAILED, -ENOENT, __VA_ARGS__)

static int load_record(struct check *c, struct lnt_err *e)
{
	const struct lnt_env *env = &c->req->env;
	int r = lnt_endpoint_load(c->req->run_dir, env->container_id, env->ifname, e, &c->ep);

	if (r == -ENOENT)
		return wrong(e, "container %.64s has no endpoint record for %s", env->container_id,
			env->ifname);
	return lnt_fail_code(e, LNT_CNI_CHECK_FAILED, r);
}

static int open_sides(struct check *c, struct lnt_err *e)
{
	int r = lnt_netns_open(c->req->env.netns, e, &c->sides.netns);

	if (r)
		return lnt_fail_code(e, LNT_CNI_CHECK_FAILED, r);
	r = lnt_nl_open(-1, e, &c->sides.node);
	if (!r)
		r = lnt_nl_open(c->sides.netns, e, &c->sides.pod);
	return lnt_fail_code(e, LNT_CNI_INTERNAL, r);
}

static int check_link(const struct lnt_link *link, const uint8_t mac[static 6], const char *where,
	struct lnt_err *e)
{
	char is[18], was[18];

	if (memcmp(link->mac, mac, 6))
		return wrong(e, "device %s %s has MAC address %s, not %s", link->name, where,
			lnt_mac_str(link->mac, is), lnt_mac_str(mac, was));
	if (!(link->flags & IFF_UP))
		return wrong(e, "device %s %s is down", link->name, where);
	return 0;
}

static int check_devices(struct check *c, struct lnt_err *e)
{
	const struct lnt_endpoint *ep = &c->ep;
	int r;

	if (lnt_link_get(c->sides.pod, ep->ifname, 0, NULL, &c->far))
		return wrong(e, "the container has no device %s", ep->ifname);
	if (lnt_link_get(c->sides.node, ep->host_ifname, 0, NULL, &c->near))
		return wrong(e, "the node has no device %s", ep->host_ifname);
	if (c->near.ifindex != ep->host_ifindex || c->near.peer_ifindex != c->far.ifindex ||
		c->far.peer_ifindex != c->near.ifindex)
		return wrong(e,
			"device %s of the container and %s of the node are not the pair that "
			"ADD made",
			ep->ifname, ep->host_ifname);
	r = check_link(&c->far, ep->mac, "of the container", e);
	return r ? r : check_link(&c->near, ep->host_mac, "of the node", e);
}

/* --- prevResult ------------------------------------------------------------------------------- */

/* Index of our interface in prevResult, or -1. */
static int find_interface(const struct lnt_request *req, const char *name, const char *sandbox,
	const cJSON **ret_item)
{
	const cJSON *item;
	int i = 0;

	cJSON_ArrayForEach (item, lnt_json_get(req->prev_result, "interfaces")) {
		const char *n = lnt_json_str(item, "name"), *s = lnt_json_str(item, "sandbox");

		if (n && !strcmp(n, name) && !strcmp(s ? s : "", sandbox)) {
			*ret_item = item;
			return i;
		}
		i++;
	}
	return -1;
}

static int check_prev_mac(const cJSON *item, const struct lnt_link *link, struct lnt_err *e)
{
	const char *mac = lnt_json_str(item, "mac");
	char text[18];

	if (mac && *mac && strcasecmp(mac, lnt_mac_str(link->mac, text)))
		return wrong(e, "device %s has MAC address %s, and %.20s in prevResult", link->name,
			text, mac);
	return 0;
}

static bool has_addr(const struct lnt_ifaddr *addrs, size_t n, const struct in6_addr *addr)
{
	for (size_t i = 0; i < n; i++) {
		if (IN6_ARE_ADDR_EQUAL(&addrs[i].addr, addr))
			return true;
	}
	return false;
}

/* Each address that prevResult gives to our interface, and each of the record, is on the device. */
static int check_addresses(const struct check *c, int index, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_ifaddr *addrs = NULL;
	char text[LNT_ADDRSTRLEN];
	const cJSON *item;
	size_t n;
	int r = lnt_addr_dump(c->sides.pod, c->far.ifindex, e, &addrs, &n);

	if (r)
		return lnt_fail_code(e, LNT_CNI_INTERNAL, r);
	for (unsigned i = 0; i < c->ep.n_addrs; i++) {
		if (!has_addr(addrs, n, &c->ep.addrs[i]))
			return wrong(e, "device %s of the container has lost address %s",
				c->ep.ifname, lnt_addr_str(&c->ep.addrs[i], text));
	}
	cJSON_ArrayForEach (item, lnt_json_get(c->req->prev_result, "ips")) {
		const cJSON *of = lnt_json_get(item, "interface");
		const char *s = lnt_json_str(item, "address");
		struct in6_addr addr;

		if (!cJSON_IsNumber(of) || of->valuedouble != index)
			continue;
		snprintf(text, sizeof(text), "%.*s", s ? (int)strcspn(s, "/") : 0, s ? s : "");
		if (lnt_addr_parse(text, &addr))
			return wrong(
				e, "prevResult has an address that is none: %.60s", s ? s : "");
		if (!has_addr(addrs, n, &addr))
			return wrong(e,
				"device %s of the container does not have address %s of prevResult",
				c->ep.ifname, text);
	}
	return 0;
}

static bool has_route(const struct lnt_route *routes, size_t n, const struct lnt_prefix *dst)
{
	for (size_t i = 0; i < n; i++) {
		if (routes[i].dst.len == dst->len &&
			IN6_ARE_ADDR_EQUAL(&routes[i].dst.addr, &dst->addr))
			return true;
	}
	return false;
}

/* Routes of prevResult that go by our gateway exist, whoever may have changed them since. */
static int check_routes(const struct check *c, int family, const char *gateway, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_route *routes = NULL;
	const cJSON *item;
	size_t n;
	int r = lnt_route_dump(c->sides.pod, family, 0, e, &routes, &n);

	if (r)
		return lnt_fail_code(e, LNT_CNI_INTERNAL, r);
	cJSON_ArrayForEach (item, lnt_json_get(c->req->prev_result, "routes")) {
		const cJSON *table = lnt_json_get(item, "table");
		const char *dst = lnt_json_str(item, "dst"), *gw = lnt_json_str(item, "gw");
		struct lnt_prefix prefix;

		if (!dst || !gw || strcmp(gw, gateway) || lnt_prefix_parse(dst, &prefix) ||
			(table && table->valuedouble != RT_TABLE_MAIN))
			continue;
		if (!has_route(routes, n, &prefix))
			return wrong(e, "the container has lost its route to %s", dst);
	}
	return 0;
}

static int check_prev_result(const struct check *c, struct lnt_err *e)
{
	const cJSON *far, *near;
	int index = find_interface(c->req, c->ep.ifname, c->req->env.netns, &far), r;

	if (index < 0)
		return wrong(e, "prevResult does not have interface %s in %s", c->ep.ifname,
			c->req->env.netns);
	if (find_interface(c->req, c->ep.host_ifname, "", &near) < 0)
		return wrong(
			e, "prevResult does not have interface %s of the node", c->ep.host_ifname);
	r = check_prev_mac(far, &c->far, e);
	if (!r)
		r = check_prev_mac(near, &c->near, e);
	if (!r)
		r = check_addresses(c, index, e);
	if (!r)
		r = check_routes(c, AF_INET, LNT_GATEWAY4, e);
	if (!r)
		r = check_routes(c, AF_INET6, LNT_GATEWAY6, e);
	return r;
}

/* --- the node --------------------------------------------------------------------------------- */

static int check_node_routes(const struct check *c, struct lnt_err *e)
{
	for (unsigned i = 0; i < c->ep.n_addrs; i++) {
		char text[LNT_ADDRSTRLEN];
		struct lnt_route route;

		if (lnt_route_lookup(c->sides.node, &c->ep.addrs[i], NULL, &route) ||
			route.oif != c->near.ifindex)
			return wrong(e, "the node's route to %s does not lead to %s",
				lnt_addr_str(&c->ep.addrs[i], text), c->near.name);
	}
	return 0;
}

static int check_program(
	const struct check *c, const char *prog, enum lnt_hook hook, struct lnt_err *e)
{
	bool attached = false;
	int r = lnt_filter_is_attached(
		c->sides.node, c->req->bpf_root, prog, c->near.ifindex, hook, e, &attached);

	if (r)
		return lnt_fail_code(e, LNT_CNI_CHECK_FAILED, r);
	return attached ? 0 : wrong(e, "program %s is not attached to %s", prog, c->near.name);
}

/* A runtime that passes the mappings again passes those of ADD. */
static int check_portmaps(const struct check *c, struct lnt_err *e)
{
	char text[LNT_PORTMAP_STRLEN];

	if (!c->req->n_portmaps)
		return 0;
	for (unsigned i = 0; i < c->req->n_portmaps; i++) {
		const struct lnt_portmap *want = &c->req->portmaps[i];
		bool has = false;

		for (unsigned k = 0; k < c->ep.n_portmaps && !has; k++)
			has = !memcmp(&c->ep.portmaps[k], want, sizeof(*want));
		if (!has)
			return wrong(e, "%s to port %u of the container is not what ADD was given",
				lnt_portmap_str(want, text), want->container_port);
	}
	if (c->req->n_portmaps != c->ep.n_portmaps)
		return wrong(e, "ADD was given %u port mappings, and CHECK %u", c->ep.n_portmaps,
			c->req->n_portmaps);
	return 0;
}

static int check_ipam(const struct check *c, struct lnt_err *e)
{
	const struct lnt_request *req = c->req;

	if (req->delegated)
		return lnt_ipam_exec(req, "CHECK", e, NULL);
	return lnt_ipam_check(req->run_dir, req->env.container_id, req->env.ifname, c->ep.addrs,
		c->ep.n_addrs, e);
}

static int check_agent(const struct check *c, struct lnt_err *e)
{
	_cleanup_json_ cJSON *msg = cJSON_CreateObject();
	cJSON *ep = lnt_endpoint_to_json(&c->ep);

	if (!msg || !cJSON_AddStringToObject(msg, "op", "check") ||
		!cJSON_AddItemToObject(msg, "endpoint", ep)) {
		cJSON_Delete(ep);
		return lnt_fail_sys(e, LNT_CNI_INTERNAL, -ENOMEM, "ask the agent");
	}
	return lnt_agent_ask(c->req->run_dir, msg, LNT_AGENT_STATUS_TIMEOUT_MS, e);
}

int lnt_cmd_check(const struct lnt_request *req, struct lnt_err *e)
{
	_cleanup_check_ struct check c = {.req = req, .sides = {.netns = -1}};
	int r = load_record(&c, e);

	if (!r)
		r = open_sides(&c, e);
	if (!r)
		r = check_devices(&c, e);
	if (!r)
		r = check_prev_result(&c, e);
	if (!r)
		r = check_node_routes(&c, e);
	if (!r)
		r = check_program(&c, "from_pod", LNT_HOOK_INGRESS, e);
	if (!r)
		r = check_program(&c, "to_pod", LNT_HOOK_EGRESS, e);
	if (!r)
		r = check_portmaps(&c, e);
	if (!r)
		r = check_ipam(&c, e);
	return r ? r : check_agent(&c, e);
}
