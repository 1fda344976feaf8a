/* SPDX-License-Identifier: Apache-2.0 */
/* The local endpoints of local.h. */
#include "agent/compile/local.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/*
 * A namesake that came later (a StatefulSet's, say) may have other labels:
 * under its policies the old one could do what it must not.
 */
const struct lnt_pod *lnt_local_pod(
	const struct lnt_store *st, const char *node_name, const struct lnt_endpoint *ep)
{
	const struct lnt_pod *pod;

	if (!ep->pod_name[0])
		return NULL;
	pod = (const struct lnt_pod *)lnt_store_get(st, LNT_KIND_POD, ep->pod_ns, ep->pod_name);
	if (!pod)
		return NULL;
	if (ep->pod_uid[0] && pod->meta.uid && pod->meta.uid[0])
		return strcmp(ep->pod_uid, pod->meta.uid) == 0 ? pod : NULL;
	return !pod->node || !pod->node[0] || strcmp(pod->node, node_name) == 0 ? pod : NULL;
}

/* --- selection -------------------------------------------------------------------------------- */

static size_t first_policy(const struct lnt_rules *rs, const char *ns)
{
	size_t lo = rs->n_cluster, hi = rs->n_policies;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(rs->policies[mid]->ns, ns) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* A namespace that is not known is selected by what selects all. */
static bool is_subject(
	const struct lnt_netpol *p, const struct lnt_namespace *ns, const struct lnt_pod *pod)
{
	bool in = ns ? lnt_selector_matches(&p->namespaces, &ns->labels) : !p->namespaces.n_reqs;

	return in && lnt_selector_matches(&p->pods, &pod->labels);
}

static int select_one(struct lnt_locals *ls, struct lnt_local *l, size_t policy)
{
	ls->applied[policy] = true;
	l->n++;
	return lnt_u32s_push(&ls->selected, (uint32_t)policy);
}

static int select_policies(const struct lnt_rules *rs, const struct lnt_namespace *ns,
	struct lnt_locals *ls, struct lnt_local *l)
{
	const char *name = l->pod->meta.ns;

	l->first = (uint32_t)ls->selected.n;
	for (size_t i = 0; i < rs->n_cluster; i++)
		if (is_subject(lnt_rules_policy(rs, i), ns, l->pod) && select_one(ls, l, i))
			return -ENOMEM;
	for (size_t i = first_policy(rs, name); i < rs->n_policies; i++) {
		const struct lnt_netpol *p = lnt_rules_policy(rs, i);

		if (p->meta.ns != name)
			break;
		if (lnt_selector_matches(&p->pods, &l->pod->labels) && select_one(ls, l, i))
			return -ENOMEM;
	}
	return 0;
}

int lnt_locals_select(const struct lnt_store *st, const struct lnt_policy_params *params,
	const struct lnt_rules *rules, struct lnt_locals *ret_locals)
{
	_cleanup_(lnt_locals_clear) struct lnt_locals ls = {};

	ls.items = calloc(params->n_eps + 1, sizeof(*ls.items));
	ls.applied = calloc(rules->n_policies + 1, sizeof(*ls.applied));
	if (!ls.items || !ls.applied)
		return -ENOMEM;
	for (size_t i = 0; i < params->n_eps; i++) {
		struct lnt_local *l = &ls.items[ls.n++];
		const struct lnt_namespace *ns;

		*l = (struct lnt_local){.ep = &params->eps[i], .policy = LNT_NONE};
		l->pod = lnt_local_pod(st, params->node_name, l->ep);
		if (!l->pod)
			continue;
		ns = (const struct lnt_namespace *)lnt_store_get(
			st, LNT_KIND_NAMESPACE, "", l->pod->meta.ns);
		l->audit = params->audit || (ns && ns->audit);
		if (select_policies(rules, ns, &ls, l))
			return -ENOMEM;
	}
	*ret_locals = ls;
	ls = (struct lnt_locals){};
	return 0;
}

/* --- policy ids ------------------------------------------------------------------------------- */

/* Adds what the ingress rules of a policy ask about the ports of the pod itself. */
static int push_facts(
	const struct lnt_rules *rs, size_t policy, const struct lnt_pod *pod, struct lnt_u32s *set)
{
	for (uint32_t i = rs->first[policy]; i < rs->first[policy + 1]; i++) {
		const struct lnt_rule *r = &rs->items[i];

		for (size_t k = 0; r->dir == LNT_INGRESS && k < r->rule->n_ports; k++) {
			const struct lnt_netpol_port *port = &r->rule->ports[k];

			if (!port->name || lnt_rule_port_problem(port))
				continue;
			for (size_t p = 0; p < pod->n_ports; p++) {
				const struct lnt_named_port *np = &pod->ports[p];
				uint32_t rank;

				if (!lnt_named_is(port, np->name, np->proto))
					continue;
				rank = lnt_named_rank(&rs->named, np);
				if (rank != LNT_NONE &&
					lnt_u32s_push(set, (uint32_t)rs->n_policies + rank))
					return -ENOMEM;
			}
		}
	}
	return 0;
}

static int make_set(struct lnt_locals *ls, const struct lnt_rules *rs, struct lnt_local *l,
	struct lnt_u32s *set)
{
	set->n = 0;
	for (uint32_t i = 0; i < l->n; i++) {
		uint32_t policy = ls->selected.v[l->first + i];

		if (lnt_u32s_push(set, policy) || push_facts(rs, policy, l->pod, set))
			return -ENOMEM;
	}
	lnt_u32s_sort(set);
	return set->n ? lnt_sets_add(&ls->sets, set->v, set->n, &l->policy, NULL) : 0;
}

int lnt_locals_number(struct lnt_locals *ls, const struct lnt_rules *rs)
{
	_cleanup_(lnt_numbers_clear) struct lnt_numbers nums = {.first = 1, .last = UINT32_MAX};
	_cleanup_(lnt_u32s_clear) struct lnt_u32s set = {};
	_cleanup_free_ uint64_t *hashes =
		calloc(rs->n_policies + rs->named.n_facts + 1, sizeof(*hashes));

	if (!hashes)
		return -ENOMEM;
	for (size_t i = 0; i < ls->n; i++)
		if (ls->items[i].n && make_set(ls, rs, &ls->items[i], &set))
			return -ENOMEM;
	for (size_t i = 0; i < rs->n_policies; i++)
		if (ls->applied[i])
			hashes[i] = lnt_rules_hash(rs, i);
	for (size_t i = 0; i < rs->named.n_facts; i++)
		hashes[rs->n_policies + i] = lnt_named_hash(&rs->named.facts[i]);
	return lnt_sets_number(&ls->sets, 0, hashes, &nums, &ls->numbers);
}

uint8_t lnt_locals_flags(const struct lnt_locals *ls, const struct lnt_rules *rs, uint32_t set)
{
	static const struct {
		uint8_t ingress, egress;
	} flags[] = {
		[LNT_TIER_ADMIN] = {LNT_EP_ADMIN_INGRESS, LNT_EP_ADMIN_EGRESS},
		[LNT_TIER_NETWORK] = {LNT_EP_ISOLATED_INGRESS, LNT_EP_ISOLATED_EGRESS},
		[LNT_TIER_BASELINE] = {LNT_EP_BASELINE_INGRESS, LNT_EP_BASELINE_EGRESS},
	};
	uint8_t all = 0;

	for (uint32_t i = 0; i < ls->sets.items[set].n; i++) {
		uint32_t policy = lnt_sets_at(&ls->sets, set)[i];
		const struct lnt_netpol *p;

		if (policy >= rs->n_policies)
			break;
		p = lnt_rules_policy(rs, policy);
		all |= p->ingress ? flags[p->tier].ingress : 0;
		all |= p->egress ? flags[p->tier].egress : 0;
	}
	/* Where NetworkPolicies isolate they have the last word. */
	if (all & LNT_EP_ISOLATED_INGRESS)
		all &= (uint8_t)~LNT_EP_BASELINE_INGRESS;
	if (all & LNT_EP_ISOLATED_EGRESS)
		all &= (uint8_t)~LNT_EP_BASELINE_EGRESS;
	return all;
}

void lnt_locals_clear(struct lnt_locals *ls)
{
	free(ls->items);
	lnt_u32s_clear(&ls->selected);
	free(ls->applied);
	free(ls->numbers);
	lnt_sets_clear(&ls->sets);
	*ls = (struct lnt_locals){};
}
