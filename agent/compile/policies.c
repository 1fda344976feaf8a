/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled policy that is kept from turn to turn. Most of what changes in a cluster is a pod of
 * another node: then only its addresses are looked at, and entries are added for who has not been
 * seen before. When policies change, who claims which address stays. What else changes is compiled
 * from the start. So is a pod that is less simple: one of this node, one whose address others
 * claim, one with a named port of a number that is new.
 *
 * What is kept points into objects of the store. Rules, and identities with them, are not used once
 * a policy has changed; claims are not once a node has, nor those of a pod once that has.
 */
#include "agent/compile/entries.h"
#include "agent/compile/policy.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* More pods than this at once are not worth it. */
#define AT_ONCE 64
/* Identities that nobody has any more stay until there are as many as others, and these. */
#define UNUSED 256

struct pod_name {
	const char *ns, *name; /* interned, references of its own */
};

struct lnt_policies {
	struct lnt_policy_parts parts;
	struct lnt_policy_state state;
	bool whole;	     /* the next update is from the start */
	bool rules;	     /* policies have changed */
	uint32_t n_at_start; /* identities, when it was */
	struct pod_name touched[AT_ONCE];
	size_t n_touched;
	/* What it was compiled with. */
	const struct lnt_store *st;
	struct lnt_policy_params params; /* host_addrs owned */
};

struct lnt_policies *lnt_policies_new(void)
{
	struct lnt_policies *t = calloc(1, sizeof(*t));

	if (t)
		t->whole = true;
	return t;
}

static void forget_touched(struct lnt_policies *t)
{
	for (size_t i = 0; i < t->n_touched; i++) {
		lnt_unintern(t->touched[i].ns);
		lnt_unintern(t->touched[i].name);
	}
	t->n_touched = 0;
}

static void clear(struct lnt_policies *t)
{
	lnt_policy_state_clear(&t->state);
	lnt_policy_parts_clear(&t->parts);
	free((void *)TAKE_PTR(t->params.host_addrs));
}

void lnt_policies_free(struct lnt_policies *t)
{
	if (!t)
		return;
	forget_touched(t);
	clear(t);
	free(t);
}

static void touch_pod(struct lnt_policies *t, const struct lnt_meta *pod)
{
	for (size_t i = 0; i < t->n_touched; i++)
		if (t->touched[i].ns == pod->ns && t->touched[i].name == pod->name)
			return;
	if (t->n_touched == AT_ONCE) {
		t->whole = true;
		return;
	}
	t->touched[t->n_touched++] =
		(struct pod_name){lnt_intern_again(pod->ns), lnt_intern_again(pod->name)};
}

void lnt_policies_touch(struct lnt_policies *t, const struct lnt_meta *obj)
{
	switch (obj->kind) {
	case LNT_KIND_SERVICE:
	case LNT_KIND_ENDPOINTSLICE:
		return;
	case LNT_KIND_NETWORKPOLICY:
	case LNT_KIND_CLUSTERNETWORKPOLICY:
		t->rules = true;
		return;
	case LNT_KIND_POD:
		if (!t->whole)
			touch_pod(t, obj);
		return;
	default:
		t->whole = true;
	}
}

/* --- what has changed ------------------------------------------------------------------------- */

static bool same_params(
	const struct lnt_policies *t, const struct lnt_store *st, const struct lnt_policy_params *p)
{
	const struct lnt_policy_params *was = &t->params;

	return t->st == st && was->node_name == p->node_name && was->eps == p->eps &&
		was->n_eps == p->n_eps && was->eps_version == p->eps_version &&
		was->audit == p->audit && was->n_host_addrs == p->n_host_addrs &&
		(!p->n_host_addrs ||
			!memcmp(was->host_addrs, p->host_addrs,
				p->n_host_addrs * sizeof(*p->host_addrs)));
}

static bool is_local(const struct lnt_policies *t, const struct pod_name *pod)
{
	for (size_t i = 0; i < t->params.n_eps; i++)
		if (!strcmp(t->params.eps[i].pod_name, pod->name) &&
			!strcmp(t->params.eps[i].pod_ns, pod->ns))
			return true;
	return false;
}

/* Whether a pod says of a named port what no pod has said before. */
static bool has_news(const struct lnt_named *nm, const struct lnt_pod *pod)
{
	for (size_t i = 0; nm->n_uses && i < pod->n_ports; i++)
		if (pod->ports[i].port && lnt_named_used(nm, &pod->ports[i]) &&
			lnt_named_rank(nm, &pod->ports[i]) == LNT_NONE)
			return true;
	return false;
}

/*
 * Brings the claims of the pods that were touched up to date; their identities too, unless the
 * rules have changed. Returns 0, -ESTALE when it is not that simple, or -ENOMEM.
 */
static int update_claims(struct lnt_policies *t)
{
	struct lnt_policy_parts *p = &t->parts;

	for (size_t i = 0; i < t->n_touched; i++) {
		const struct pod_name *name = &t->touched[i];
		const struct lnt_pod *pod = (const struct lnt_pod *)lnt_store_get(
			t->st, LNT_KIND_POD, name->ns, name->name);
		int r;

		if (is_local(t, name) || (!t->rules && pod && has_news(&p->rules.named, pod)))
			return -ESTALE;
		r = lnt_claims_pod(
			&p->claims, name->ns, name->name, pod, t->rules ? NULL : &p->ids);
		if (r)
			return r;
	}
	return 0;
}

/* Returns 0, -ESTALE when it is not that simple, or -ENOMEM. */
static int update_pods(struct lnt_policies *t)
{
	struct lnt_policy_parts *p = &t->parts;
	uint32_t n_before = (uint32_t)p->ids.sets.n;
	int r;

	if (p->ids.sets.n > 2 * t->n_at_start + UNUSED)
		return -ESTALE;
	lnt_identities_forget(&p->ids);
	r = update_claims(t);
	if (r)
		return r;
	if (lnt_identities_seal(&p->ids) || lnt_policy_addresses(p, &t->state))
		return -ENOMEM;
	if (p->ids.sets.n == n_before)
		return 0;
	t->state.n_identities = (uint32_t)p->ids.sets.n;
	return lnt_entries_add(&p->rules, &p->ids, n_before, &p->locals, &t->state);
}

/* The same. */
static int update_rules(struct lnt_policies *t)
{
	int r = update_claims(t);

	if (!r)
		r = lnt_policy_rebuild(t->st, &t->params, &t->parts, &t->state);
	t->n_at_start = (uint32_t)t->parts.ids.sets.n;
	return r;
}

static int start_over(
	struct lnt_policies *t, const struct lnt_store *st, const struct lnt_policy_params *params)
{
	size_t size = params->n_host_addrs * sizeof(*params->host_addrs);
	struct in6_addr *host_addrs = malloc(size + 1);

	clear(t);
	if (!host_addrs)
		return -ENOMEM;
	if (size)
		memcpy(host_addrs, params->host_addrs, size);
	t->st = st;
	t->params = *params;
	t->params.host_addrs = host_addrs;
	if (lnt_policy_build(st, &t->params, &t->parts, &t->state))
		return -ENOMEM;
	t->n_at_start = (uint32_t)t->parts.ids.sets.n;
	return 0;
}

int lnt_policies_update(struct lnt_policies *t, const struct lnt_store *st,
	const struct lnt_policy_params *params, struct lnt_err *e)
{
	int r = 0;

	t->whole |= !same_params(t, st, params);
	if (!t->whole && t->rules)
		r = update_rules(t);
	else if (!t->whole && t->n_touched)
		r = update_pods(t);
	if (t->whole || r)
		r = start_over(t, st, params);
	/* What is half done must not be built upon. */
	t->whole = r;
	t->rules = false;
	forget_touched(t);
	return r ? lnt_err_sys(e, r, "compile policies") : 0;
}

const struct lnt_policy_state *lnt_policies_state(const struct lnt_policies *t)
{
	return &t->state;
}
