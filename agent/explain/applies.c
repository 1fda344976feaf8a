/* SPDX-License-Identifier: Apache-2.0 */
/* The look-ups of applies.h. */
#include "agent/explain/applies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lnt_policy_selects(
	const struct lnt_store *st, const struct lnt_netpol *policy, const struct lnt_pod *pod)
{
	const struct lnt_namespace *ns;

	if (policy->tier == LNT_TIER_NETWORK)
		return policy->meta.ns == pod->meta.ns &&
			lnt_selector_matches(&policy->pods, &pod->labels);
	ns = (const struct lnt_namespace *)lnt_store_get(st, LNT_KIND_NAMESPACE, "", pod->meta.ns);
	/* As the compiler has it: what selects all namespaces selects one that is not known. */
	return (ns ? lnt_selector_matches(&policy->namespaces, &ns->labels)
		   : !policy->namespaces.n_reqs) &&
		lnt_selector_matches(&policy->pods, &pod->labels);
}

const char *lnt_policy_name(
	const struct lnt_netpol *policy, char ret_text[static LNT_POLICY_NAME_STRLEN])
{
	if (policy->meta.kind == LNT_KIND_CLUSTERNETWORKPOLICY)
		snprintf(ret_text, LNT_POLICY_NAME_STRLEN, "cnp:%s", policy->meta.name);
	else
		snprintf(ret_text, LNT_POLICY_NAME_STRLEN, "%s/%s", policy->meta.ns,
			policy->meta.name);
	return ret_text;
}

bool lnt_policy_isolates(const struct lnt_netpol *policy, enum lnt_direction dir)
{
	return policy->tier == LNT_TIER_NETWORK &&
		(dir == LNT_INGRESS ? policy->ingress : policy->egress);
}

struct find {
	const struct lnt_store *st;
	const struct lnt_pod *pod;
	const struct lnt_netpol **list; /* owned */
	size_t n, cap;
};

static int look(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_netpol *policy = (const struct lnt_netpol *)obj;
	struct find *f = ctx;

	if (!lnt_policy_selects(f->st, policy, f->pod))
		return 0;
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 16;
		const struct lnt_netpol **list = reallocarray(f->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		f->list = list;
		f->cap = cap;
	}
	f->list[f->n++] = policy;
	return 0;
}

static int compare(const void *pa, const void *pb)
{
	const struct lnt_netpol *a = *(const struct lnt_netpol *const *)pa;
	const struct lnt_netpol *b = *(const struct lnt_netpol *const *)pb;
	int r = (int)a->tier - (int)b->tier;

	if (!r)
		r = (int)a->priority - (int)b->priority;
	return r ? r : strcmp(a->meta.name, b->meta.name);
}

int lnt_policies_of_pod(const struct lnt_store *st, const struct lnt_pod *pod,
	const struct lnt_netpol ***ret_list, size_t *ret_n)
{
	struct find f = {.st = st, .pod = pod};

	/* Host-network pods are their node, which no policy is about. */
	if (!pod->host_network &&
		(lnt_store_each(st, LNT_KIND_NETWORKPOLICY, look, &f) ||
			lnt_store_each(st, LNT_KIND_CLUSTERNETWORKPOLICY, look, &f))) {
		free(f.list);
		return -ENOMEM;
	}
	if (f.n)
		qsort(f.list, f.n, sizeof(const struct lnt_netpol *), compare);
	*ret_list = f.list;
	*ret_n = f.n;
	return 0;
}
