/* SPDX-License-Identifier: Apache-2.0 */
/* The identities of identity.h. */
#include "agent/compile/identity.h"
#include "agent/compile/hash.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

static bool same_ns(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_identities *ids = ctx;

	return ids->namespaces[item].name == key;
}

static int add_ns(struct lnt_identities *ids, const char *name, uint32_t *ret_index)
{
	uint64_t hash = lnt_hash_ptr(LNT_HASH_INIT, name);
	const struct lnt_namespace *ns;
	struct lnt_identities_ns *n;

	*ret_index = lnt_index_get(&ids->by_ns, hash, same_ns, ids, name);
	if (*ret_index != LNT_NONE)
		return 0;
	ns = (const struct lnt_namespace *)lnt_store_get(ids->st, LNT_KIND_NAMESPACE, "", name);
	if (lnt_peersels_scopes(
		    &ids->rules->peersels, name, ns ? &ns->labels : NULL, &ids->scratch))
		return -ENOMEM;
	*ret_index = (uint32_t)ids->n_namespaces;
	if (LNT_GROW(ids->namespaces, ids->cap_namespaces, ids->n_namespaces + 1) ||
		lnt_index_put(&ids->by_ns, hash, *ret_index))
		return -ENOMEM;
	n = &ids->namespaces[ids->n_namespaces++];
	*n = (struct lnt_identities_ns){
		.name = name,
		.first = (uint32_t)ids->scopes.n,
		.n = (uint32_t)ids->scratch.n,
	};
	for (size_t i = 0; i < ids->scratch.n; i++)
		if (lnt_u32s_push(&ids->scopes, ids->scratch.v[i]))
			return -ENOMEM;
	return 0;
}

/* Appends the elements of the facts that a pod states and egress rules ask for. */
static int push_facts(
	const struct lnt_identities *ids, const struct lnt_pod *pod, struct lnt_u32s *to)
{
	const struct lnt_named *nm = &ids->rules->named;

	for (size_t i = 0; nm->n_facts && i < pod->n_ports; i++) {
		uint32_t rank = lnt_named_rank(nm, &pod->ports[i]);

		if (rank != LNT_NONE && nm->facts[rank].egress &&
			lnt_u32s_push(to, (uint32_t)ids->rules->peersels.n + rank))
			return -ENOMEM;
	}
	return 0;
}

/*
 * All of a pod that its identity can depend on, as a sequence in ids->key: the namespace, the
 * labels that selectors mention, the facts. Pointers stand for interned values.
 */
static int make_key(struct lnt_identities *ids, const struct lnt_pod *pod, uint32_t ns)
{
	struct lnt_u32s *key = &ids->key;

	key->n = 0;
	if (lnt_u32s_push(key, ns))
		return -ENOMEM;
	for (size_t i = 0; i < pod->labels.n; i++) {
		const struct lnt_label *l = &pod->labels.items[i];
		uint32_t k = lnt_selectors_key(&ids->rules->peersels.pods, l->key);

		if (k == LNT_NONE)
			continue;
		if (lnt_u32s_push(key, k) || lnt_u32s_push(key, (uint32_t)(uintptr_t)l->value) ||
			lnt_u32s_push(key, (uint32_t)((uint64_t)(uintptr_t)l->value >> 32)))
			return -ENOMEM;
	}
	/* Facts are no labels: say where they start. */
	if (lnt_u32s_push(key, LNT_NONE))
		return -ENOMEM;
	return push_facts(ids, pod, key);
}

static int evaluate(
	struct lnt_identities *ids, const struct lnt_pod *pod, uint32_t ns, uint32_t *ret_index)
{
	const struct lnt_identities_ns *n = &ids->namespaces[ns];

	if (lnt_peersels_match(&ids->rules->peersels, ids->scopes.v + n->first, n->n, &pod->labels,
		    &ids->scratch, &ids->match) ||
		push_facts(ids, pod, &ids->match))
		return -ENOMEM;
	lnt_u32s_sort(&ids->match);
	return lnt_sets_add(&ids->sets, ids->match.v, ids->match.n, ret_index, NULL);
}

int lnt_identities_add(struct lnt_identities *ids, const struct lnt_pod *pod, uint32_t *ret_index)
{
	uint32_t ns, group, index;
	bool new;

	if (add_ns(ids, pod->meta.ns, &ns) || make_key(ids, pod, ns) ||
		lnt_sets_add(&ids->groups, ids->key.v, ids->key.n, &group, &new))
		return -ENOMEM;
	if (new && (evaluate(ids, pod, ns, &index) || lnt_u32s_push(&ids->of_group, index)))
		return -ENOMEM;
	*ret_index = ids->of_group.v[group];
	return 0;
}

/* Content hashes of all elements, in a new array. */
static uint64_t *element_hashes(const struct lnt_rules *rs, size_t n)
{
	uint64_t *hashes = calloc(n + 1, sizeof(*hashes));

	if (!hashes)
		return NULL;
	for (size_t i = 0; i < rs->peersels.n; i++)
		hashes[i] = rs->peersels.hashes[i];
	for (size_t i = 0; i < rs->named.n_facts; i++)
		hashes[rs->peersels.n + i] = lnt_named_hash(&rs->named.facts[i]);
	return hashes;
}

/* From each element to the identities that have it. */
static int invert(struct lnt_identities *ids, size_t n_elements)
{
	_cleanup_free_ uint32_t *fill = calloc(n_elements + 1, sizeof(*fill));

	ids->first = calloc(n_elements + 1, sizeof(*ids->first));
	ids->having = calloc(ids->sets.pool.n + 1, sizeof(*ids->having));
	if (!fill || !ids->first || !ids->having)
		return -ENOMEM;
	for (size_t i = 0; i < ids->sets.pool.n; i++)
		ids->first[ids->sets.pool.v[i] + 1]++;
	for (size_t i = 0; i < n_elements; i++)
		ids->first[i + 1] += ids->first[i];
	memcpy(fill, ids->first, (n_elements + 1) * sizeof(*fill));
	for (uint32_t s = 0; s < ids->sets.n; s++)
		for (uint32_t i = 0; i < ids->sets.items[s].n; i++)
			ids->having[fill[lnt_sets_at(&ids->sets, s)[i]]++] = s;
	return 0;
}

int lnt_identities_seal(struct lnt_identities *ids)
{
	size_t n_elements = ids->rules->peersels.n + ids->rules->named.n_facts;
	_cleanup_free_ uint64_t *hashes = element_hashes(ids->rules, n_elements);

	if (!hashes || lnt_sets_number(&ids->sets, hashes, 1, ~LNT_ID_KIND_MASK, &ids->numbers))
		return -ENOMEM;
	for (uint32_t i = 0; i < ids->sets.n; i++)
		ids->numbers[i] |= LNT_ID_POD;
	return invert(ids, n_elements);
}

void lnt_identities_clear(struct lnt_identities *ids)
{
	free(ids->namespaces);
	lnt_index_clear(&ids->by_ns);
	lnt_u32s_clear(&ids->scopes);
	lnt_sets_clear(&ids->groups);
	lnt_u32s_clear(&ids->of_group);
	lnt_sets_clear(&ids->sets);
	lnt_u32s_clear(&ids->key);
	lnt_u32s_clear(&ids->match);
	lnt_u32s_clear(&ids->scratch);
	free(ids->numbers);
	free(ids->first);
	free(ids->having);
	*ids = (struct lnt_identities){};
}
