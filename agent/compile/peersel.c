/* SPDX-License-Identifier: Apache-2.0 */
/* The peer selectors of peersel.h. */
#include "agent/compile/peersel.h"
#include "agent/compile/hash.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

static const struct lnt_selector everything;

static bool same_local(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_peersels *ps = ctx;

	return ps->locals[item] == key;
}

static uint32_t find_local(const struct lnt_peersels *ps, const char *ns)
{
	return lnt_index_get(&ps->by_local, lnt_hash_ptr(LNT_HASH_INIT, ns), same_local, ps, ns);
}

static int add_local(struct lnt_peersels *ps, const char *ns, uint32_t *ret_index)
{
	*ret_index = find_local(ps, ns);
	if (*ret_index != LNT_NONE)
		return 0;
	*ret_index = (uint32_t)ps->n_locals;
	if (LNT_GROW(ps->locals, ps->cap_locals, ps->n_locals + 1) ||
		lnt_index_put(&ps->by_local, lnt_hash_ptr(LNT_HASH_INIT, ns), *ret_index))
		return -ENOMEM;
	ps->locals[ps->n_locals++] = ns;
	return 0;
}

static bool same_peersel(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_peersels *ps = ctx;
	const struct lnt_peersel *want = key;

	return ps->items[item].scope == want->scope && ps->items[item].pods == want->pods;
}

int lnt_peersels_add(struct lnt_peersels *ps, const struct lnt_netpol_peer *peer, const char *ns,
	uint32_t *ret_index)
{
	struct lnt_peersel want = {};
	uint64_t hash;

	if (peer->has_namespaces
			? lnt_selectors_add(&ps->namespaces, &peer->namespaces, &want.scope)
			: add_local(ps, ns, &want.scope))
		return -ENOMEM;
	want.scope = want.scope * 2 + !peer->has_namespaces;
	if (lnt_selectors_add(&ps->pods, peer->has_pods ? &peer->pods : &everything, &want.pods))
		return -ENOMEM;
	hash = lnt_hash_u64(lnt_hash_u64(LNT_HASH_INIT, want.scope), want.pods);
	*ret_index = lnt_index_get(&ps->by_content, hash, same_peersel, ps, &want);
	if (*ret_index != LNT_NONE)
		return 0;
	*ret_index = (uint32_t)ps->n;
	if (LNT_GROW(ps->items, ps->cap, ps->n + 1) ||
		lnt_index_put(&ps->by_content, hash, *ret_index))
		return -ENOMEM;
	ps->items[ps->n++] = want;
	return 0;
}

static const char *scope_text(const struct lnt_peersels *ps, uint32_t scope)
{
	return scope % 2 ? ps->locals[scope / 2] : ps->namespaces.items[scope / 2].text;
}

/* By text, so that the order is the same in every process. */
static int by_text(const void *pa, const void *pb, void *ctx)
{
	const struct lnt_peersels *ps = ctx;
	const struct lnt_peersel *a = &ps->items[*(const uint32_t *)pa];
	const struct lnt_peersel *b = &ps->items[*(const uint32_t *)pb];
	int r = (int)(a->scope % 2) - (int)(b->scope % 2);

	if (!r && a->scope != b->scope)
		r = strcmp(scope_text(ps, a->scope), scope_text(ps, b->scope));
	if (!r && a->pods != b->pods)
		r = strcmp(ps->pods.items[a->pods].text, ps->pods.items[b->pods].text);
	return r;
}

static int by_scope(const void *pa, const void *pb)
{
	const struct lnt_peersel_rank *a = pa, *b = pb;

	return (a->scope > b->scope) - (a->scope < b->scope);
}

static int rank(struct lnt_peersels *ps)
{
	_cleanup_free_ uint32_t *order = calloc(ps->n, sizeof(*order));

	ps->ranks = calloc(ps->n, sizeof(*ps->ranks));
	ps->hashes = calloc(ps->n, sizeof(*ps->hashes));
	if (!order || !ps->ranks || !ps->hashes)
		return -ENOMEM;
	for (uint32_t i = 0; i < ps->n; i++)
		order[i] = i;
	qsort_r(order, ps->n, sizeof(*order), by_text, ps);
	for (uint32_t i = 0; i < ps->n; i++) {
		const struct lnt_peersel *p = &ps->items[order[i]];
		uint64_t hash = lnt_hash_u64(LNT_HASH_INIT, p->scope % 2);

		ps->ranks[order[i]] = i;
		hash = lnt_hash_str(hash, scope_text(ps, p->scope));
		ps->hashes[i] = lnt_hash_str(hash, ps->pods.items[p->pods].text);
	}
	return 0;
}

/* Groups the ranks by their selector of pods. */
static int group(struct lnt_peersels *ps)
{
	_cleanup_free_ uint32_t *fill = calloc(ps->pods.n + 1, sizeof(*fill));

	ps->first = calloc(ps->pods.n + 1, sizeof(*ps->first));
	ps->of_pods = calloc(ps->n, sizeof(*ps->of_pods));
	if (!fill || !ps->first || !ps->of_pods)
		return -ENOMEM;
	for (size_t i = 0; i < ps->n; i++)
		ps->first[ps->items[i].pods + 1]++;
	for (size_t p = 0; p < ps->pods.n; p++)
		ps->first[p + 1] += ps->first[p];
	memcpy(fill, ps->first, (ps->pods.n + 1) * sizeof(*fill));
	for (size_t i = 0; i < ps->n; i++)
		ps->of_pods[fill[ps->items[i].pods]++] = (struct lnt_peersel_rank){
			.scope = ps->items[i].scope,
			.rank = ps->ranks[i],
		};
	for (size_t p = 0; p < ps->pods.n; p++)
		qsort(ps->of_pods + ps->first[p], ps->first[p + 1] - ps->first[p],
			sizeof(*ps->of_pods), by_scope);
	return 0;
}

int lnt_peersels_seal(struct lnt_peersels *ps)
{
	if (!ps->n)
		return 0;
	return rank(ps) ?: group(ps);
}

int lnt_peersels_scopes(const struct lnt_peersels *ps, const char *ns,
	const struct lnt_labels *labels, struct lnt_u32s *ret)
{
	uint32_t local = find_local(ps, ns);

	ret->n = 0;
	if (labels ? lnt_selectors_match(&ps->namespaces, labels, ret)
		   : lnt_selectors_match_all(&ps->namespaces, ret))
		return -ENOMEM;
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i] *= 2;
	if (local != LNT_NONE && lnt_u32s_push(ret, local * 2 + 1))
		return -ENOMEM;
	lnt_u32s_sort(ret);
	return 0;
}

/* Adds the ranks of sorted @of whose scope is in sorted @scopes, looking the fewer up in the more.
 */
static int intersect(const struct lnt_peersel_rank *of, size_t n_of, const uint32_t *scopes,
	size_t n_scopes, struct lnt_u32s *ret)
{
	size_t lo = 0;

	for (size_t i = 0; n_scopes <= n_of && i < n_scopes; i++) {
		struct lnt_peersel_rank want = {.scope = scopes[i]}, *hit;

		hit = bsearch(&want, of, n_of, sizeof(*of), by_scope);
		if (hit && lnt_u32s_push(ret, hit->rank))
			return -ENOMEM;
	}
	for (size_t i = 0; n_scopes > n_of && i < n_of; i++) {
		size_t hi = n_scopes;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (scopes[mid] < of[i].scope)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < n_scopes && scopes[lo] == of[i].scope && lnt_u32s_push(ret, of[i].rank))
			return -ENOMEM;
	}
	return 0;
}

int lnt_peersels_match(const struct lnt_peersels *ps, const uint32_t *scopes, size_t n_scopes,
	const struct lnt_labels *labels, struct lnt_u32s *scratch, struct lnt_u32s *ret)
{
	ret->n = 0;
	if (lnt_selectors_match(&ps->pods, labels, scratch))
		return -ENOMEM;
	for (size_t i = 0; i < scratch->n; i++) {
		uint32_t p = scratch->v[i];

		if (intersect(ps->of_pods + ps->first[p], ps->first[p + 1] - ps->first[p], scopes,
			    n_scopes, ret))
			return -ENOMEM;
	}
	lnt_u32s_sort(ret);
	return 0;
}

void lnt_peersels_clear(struct lnt_peersels *ps)
{
	lnt_selectors_clear(&ps->namespaces);
	lnt_selectors_clear(&ps->pods);
	lnt_index_clear(&ps->by_local);
	lnt_index_clear(&ps->by_content);
	free(ps->locals);
	free(ps->items);
	free(ps->ranks);
	free(ps->hashes);
	free(ps->first);
	free(ps->of_pods);
	*ps = (struct lnt_peersels){};
}
