/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers, blocks, policy, endpoints and devices into their maps. Endpoints whose policy does not fit
 * are closed: nothing but the node may talk to them.
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

/* --- what does not fit ------------------------------------------------------------------------ */

static bool is_in(const struct lnt_u32s *ids, uint32_t id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			return true;
	return false;
}

/* The policy ids of which the map, which was read anew, does not have every entry. */
static int find_incomplete(
	const struct lnt_table *policy, const struct lnt_policy_state *want, struct lnt_u32s *ret)
{
	uint32_t last = 0;

	for (size_t i = 0; i < want->n_policy; i++) {
		const struct lnt_policy_entry *en = &want->policy[i];
		const void *v;

		if (en->key.policy_id == last)
			continue;
		v = lnt_table_get(policy, &en->key);
		if (v && !memcmp(v, &en->value, sizeof(en->value)))
			continue;
		last = en->key.policy_id;
		if (!is_in(ret, last) && lnt_u32s_push(ret, last))
			return -ENOMEM;
	}
	return 0;
}

/*
 * Closes the endpoints that would be open to more than they should. An entry of policy that is
 * missing may be a denial, a block an exception; and a pod without a number is denied by no rule
 * that names it, though NetworkPolicies allow by number only.
 */
static void close_endpoints(struct lnt_endpoint_entry *endpoints, size_t n,
	const struct lnt_u32s *incomplete, bool blocks_failed, bool peers_failed)
{
	const uint8_t denying = LNT_EP_ADMIN_INGRESS | LNT_EP_ADMIN_EGRESS |
		LNT_EP_BASELINE_INGRESS | LNT_EP_BASELINE_EGRESS;

	for (size_t i = 0; i < n; i++) {
		struct lnt_endpoint_value *v = &endpoints[i].value;

		if ((v->policy_id && blocks_failed) || (v->flags & denying && peers_failed) ||
			is_in(incomplete, v->policy_id))
			v->flags |= LNT_EP_CLOSED;
	}
}

static int note_closed(struct lnt_sync *s, const struct lnt_endpoint_entry *endpoints, size_t n)
{
	s->closed.n = 0;
	for (size_t i = 0; i < n; i++)
		if (endpoints[i].value.flags & LNT_EP_CLOSED &&
			lnt_u32s_push(&s->closed, endpoints[i].value.policy_id))
			return -ENOMEM;
	lnt_u32s_sort(&s->closed);
	return 0;
}

const uint32_t *lnt_sync_closed(const struct lnt_sync *s, size_t *ret_n)
{
	*ret_n = s->closed.n;
	return s->closed.v;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* One map of this domain: what it holds, what it should hold, and whether writing failed. */
struct step {
	struct lnt_table *have;
	const void *want;
	size_t n;
	int failed;
};

enum {
	STEP_POLICY,
	STEP_BLOCKS,
	STEP_PEERS,
	STEP_DEVICES,
	STEP_ENDPOINTS,
	N_STEPS
};

static void put(struct step *step, struct lnt_err *e, size_t *writes)
{
	step->failed = lnt_table_put(step->have, step->want, step->n, e, writes);
}

/* All maps but the endpoints, and what of these must be closed for what has failed. */
static int put_policy(struct lnt_sync *s, struct step *steps, const struct lnt_policy_state *want,
	struct lnt_endpoint_entry *endpoints, struct lnt_err *e, size_t *writes)
{
	_cleanup_(lnt_u32s_clear) struct lnt_u32s incomplete = {};
	int r = 0;

	for (int i = 0; i < STEP_ENDPOINTS; i++)
		put(&steps[i], e, writes);
	if (steps[STEP_POLICY].failed) {
		r = lnt_table_read(&s->policy, s->policy.name, s->policy.fd, e);
		if (!r && find_incomplete(&s->policy, want, &incomplete))
			r = lnt_err_sys(e, -ENOMEM, "sync policy");
	}
	close_endpoints(endpoints, want->n_endpoints, &incomplete, r || steps[STEP_BLOCKS].failed,
		r || steps[STEP_PEERS].failed);
	return r;
}

static int sync_once(struct lnt_sync *s, const struct lnt_policy_state *want,
	const struct device_entry *devices, size_t n_devices, struct lnt_err *e, size_t *ret_writes,
	bool *ret_freed)
{
	_cleanup_free_ struct lnt_endpoint_entry *endpoints =
		calloc(want->n_endpoints + 1, sizeof(*endpoints));
	struct step steps[N_STEPS] = {
		[STEP_POLICY] = {&s->policy, want->policy, want->n_policy, 0},
		[STEP_BLOCKS] = {&s->blocks, want->blocks, want->n_blocks, 0},
		[STEP_PEERS] = {&s->peers, want->peers, want->n_peers, 0},
		[STEP_DEVICES] = {&s->devices, devices, n_devices, 0},
		[STEP_ENDPOINTS] = {&s->endpoints, endpoints, want->n_endpoints, 0},
	};
	size_t writes = 0, freed = 0;
	int first, r;

	if (!endpoints)
		return lnt_err_sys(e, -ENOMEM, "sync policy");
	if (want->n_endpoints)
		memcpy(endpoints, want->endpoints, want->n_endpoints * sizeof(*endpoints));
	first = put_policy(s, steps, want, endpoints, e, &writes);
	put(&steps[STEP_ENDPOINTS], e, &writes);
	for (int i = N_STEPS; i-- > 0;) {
		r = lnt_table_prune(steps[i].have, steps[i].want, steps[i].n, e, &freed);
		if (!steps[i].failed)
			steps[i].failed = r;
	}
	if (writes + freed) {
		r = lnt_sync_bump_epoch(s, e);
		first = first ? first : r;
	}
	for (int i = 0; i < N_STEPS; i++) {
		first = first ? first : steps[i].failed;
		r = lnt_table_settle(steps[i].have, steps[i].want, steps[i].n, steps[i].failed, e);
		first = first ? first : r;
	}
	r = note_closed(s, endpoints, want->n_endpoints);
	*ret_writes += writes + freed;
	*ret_freed = freed;
	return first ? first : r;
}

int lnt_sync_policy(struct lnt_sync *s, const struct lnt_policy_state *want,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_err *e, size_t *ret_writes)
{
	_cleanup_free_ struct device_entry *devices = calloc(n_eps + 1, sizeof(*devices));
	bool freed = false;
	size_t n_devices;
	int r;

	if (!devices)
		return lnt_err_sys(e, -ENOMEM, "sync policy");
	n_devices = devices_fill(want, eps, n_eps, devices);
	r = sync_once(s, want, devices, n_devices, e, ret_writes, &freed);
	/* What was in the way may be gone now. */
	if (r && freed)
		r = sync_once(s, want, devices, n_devices, e, ret_writes, &freed);
	return r;
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
