/* SPDX-License-Identifier: Apache-2.0 */
/* The local endpoints of local.h. */
#include "agent/compile/local.h"
#include "agent/compile/hash.h"
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

static size_t first_policy(const struct lnt_rules *rs, const char *ns)
{
	size_t lo = 0, hi = rs->n_policies;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(rs->policies[mid]->ns, ns) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

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

				if (np->name != port->name || np->proto != port->proto)
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

static int select_policies(const struct lnt_rules *rs, struct lnt_locals *ls, struct lnt_local *l,
	struct lnt_u32s *set)
{
	set->n = 0;
	for (size_t i = first_policy(rs, l->pod->meta.ns); i < rs->n_policies; i++) {
		const struct lnt_netpol *p = lnt_rules_policy(rs, i);

		if (p->meta.ns != l->pod->meta.ns)
			break;
		if (!lnt_selector_matches(&p->pods, &l->pod->labels))
			continue;
		ls->applied[i] = true;
		l->flags |= (uint8_t)((p->ingress ? LNT_EP_ISOLATED_INGRESS : 0) |
			(p->egress ? LNT_EP_ISOLATED_EGRESS : 0));
		if (lnt_u32s_push(set, (uint32_t)i) || push_facts(rs, i, l->pod, set))
			return -ENOMEM;
	}
	if (!set->n)
		return 0;
	lnt_u32s_sort(set);
	return lnt_sets_add(&ls->sets, set->v, set->n, &l->policy, NULL);
}

/* Policy ids, from the content of policies and facts. */
static int number(const struct lnt_rules *rs, struct lnt_locals *ls)
{
	size_t n = rs->n_policies + rs->named.n_facts;
	_cleanup_free_ uint64_t *hashes = calloc(n + 1, sizeof(*hashes));

	if (!hashes)
		return -ENOMEM;
	for (size_t i = 0; i < rs->n_policies; i++)
		if (ls->applied[i])
			hashes[i] = lnt_rules_hash(rs, i);
	for (size_t i = 0; i < rs->named.n_facts; i++)
		hashes[rs->n_policies + i] = lnt_named_hash(&rs->named.facts[i]);
	return lnt_sets_number(&ls->sets, hashes, 1, UINT32_MAX, &ls->numbers);
}

int lnt_locals_build(const struct lnt_store *st, const char *node_name,
	const struct lnt_endpoint *eps, size_t n_eps, const struct lnt_rules *rules,
	struct lnt_identities *ids, struct lnt_locals *ret_locals)
{
	_cleanup_(lnt_locals_clear) struct lnt_locals ls = {};
	_cleanup_(lnt_u32s_clear) struct lnt_u32s set = {};

	ls.items = calloc(n_eps + 1, sizeof(*ls.items));
	ls.applied = calloc(rules->n_policies + 1, sizeof(*ls.applied));
	if (!ls.items || !ls.applied)
		return -ENOMEM;
	for (size_t i = 0; i < n_eps; i++) {
		struct lnt_local *l = &ls.items[ls.n++];

		*l = (struct lnt_local){.ep = &eps[i], .policy = LNT_NONE};
		l->pod = lnt_local_pod(st, node_name, &eps[i]);
		if (l->pod &&
			(lnt_identities_add(ids, l->pod, &l->identity) ||
				select_policies(rules, &ls, l, &set)))
			return -ENOMEM;
	}
	if (number(rules, &ls))
		return -ENOMEM;
	*ret_locals = ls;
	ls = (struct lnt_locals){};
	return 0;
}

void lnt_locals_clear(struct lnt_locals *ls)
{
	free(ls->items);
	free(ls->applied);
	free(ls->numbers);
	lnt_sets_clear(&ls->sets);
	*ls = (struct lnt_locals){};
}
