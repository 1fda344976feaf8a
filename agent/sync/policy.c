/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers, policy, endpoints and devices into their maps. Policy entries that do not fit are missing
 * allows: the endpoints are switched to them all the same, which closes and never opens.
 */
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

struct device_entry {
	uint32_t ifindex;
	struct lnt_device_value value;
};

static int device_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint32_t));
}

/* The devices of those endpoints that are wanted in the maps. */
static size_t devices_fill(const struct lnt_policy_state *want, const struct lnt_endpoint *eps,
	size_t n_eps, struct device_entry *ret_devices)
{
	size_t n = 0;

	for (size_t i = 0; i < n_eps; i++) {
		bool wanted = false;

		for (size_t k = 0; k < want->n_endpoints && !wanted; k++)
			wanted = want->endpoints[k].value.ifindex == eps[i].host_ifindex;
		if (!wanted)
			continue;
		memset(&ret_devices[n], 0, sizeof(ret_devices[n]));
		ret_devices[n].ifindex = eps[i].host_ifindex;
		memcpy(ret_devices[n].value.mac, eps[i].mac, 6);
		memcpy(ret_devices[n].value.host_mac, eps[i].host_mac, 6);
		n++;
	}
	if (n)
		qsort(ret_devices, n, sizeof(*ret_devices), device_compare);
	return n;
}

/* One map of this domain: what it holds, what it should hold, and whether writing failed. */
struct step {
	struct lnt_table *have;
	const void *want;
	size_t n;
	int failed;
};

int lnt_sync_policy(struct lnt_sync *s, const struct lnt_policy_state *want,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_err *e, size_t *ret_writes)
{
	_cleanup_free_ struct device_entry *devices = calloc(n_eps + 1, sizeof(*devices));
	size_t n_devices, writes = 0;
	int first = 0, r;

	if (!devices)
		return lnt_err_sys(e, -ENOMEM, "sync policy");
	n_devices = devices_fill(want, eps, n_eps, devices);
	struct step steps[] = {
		{&s->policy, want->policy, want->n_policy, 0},
		{&s->peers, want->peers, want->n_peers, 0},
		{&s->devices, devices, n_devices, 0},
		{&s->endpoints, want->endpoints, want->n_endpoints, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		steps[i].failed =
			lnt_table_put(steps[i].have, steps[i].want, steps[i].n, e, &writes);
	for (size_t i = ARRAY_SIZE(steps); i-- > 0;) {
		r = lnt_table_prune(steps[i].have, steps[i].want, steps[i].n, e, &writes);
		if (!steps[i].failed)
			steps[i].failed = r;
	}
	if (writes) {
		r = lnt_sync_bump_epoch(s, e);
		first = r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (!first)
			first = steps[i].failed;
		r = lnt_table_settle(steps[i].have, steps[i].want, steps[i].n, steps[i].failed, e);
		if (!first)
			first = r;
	}
	*ret_writes += writes;
	return first;
}

bool lnt_sync_has_endpoint(const struct lnt_sync *s, const struct lnt_endpoint *ep)
{
	for (unsigned i = 0; i < ep->n_addrs; i++) {
		const struct lnt_endpoint_value *v = lnt_table_get(&s->endpoints, &ep->addrs[i]);

		if (!v || v->ifindex != ep->host_ifindex || memcmp(v->mac, ep->mac, 6))
			return false;
	}
	return ep->n_addrs && lnt_table_get(&s->devices, &ep->host_ifindex);
}
