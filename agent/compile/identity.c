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
			lnt_u32s_push(to, lnt_rules_fact0(ids->rules) + rank))
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
	struct lnt_identities *ids, const struct lnt_pod *pod, uint32_t ns, uint32_t *ret_base)
{
	const struct lnt_identities_ns *n = &ids->namespaces[ns];

	if (lnt_peersels_match(&ids->rules->peersels, ids->scopes.v + n->first, n->n, &pod->labels,
		    &ids->scratch, &ids->match))
		return -ENOMEM;
	for (size_t i = 0; i < ids->match.n; i++)
		ids->match.v[i] += lnt_rules_peersel0(ids->rules);
	if (lnt_u32s_push(&ids->match, LNT_ELEMENT_POD) || push_facts(ids, pod, &ids->match))
		return -ENOMEM;
	lnt_u32s_sort(&ids->match);
	return lnt_sets_add(&ids->bases, ids->match.v, ids->match.n, ret_base, NULL);
}

static int base_of_group(struct lnt_identities *ids, const struct lnt_pod *pod, uint32_t *ret_base)
{
	uint32_t ns, group, base;
	bool new;

	if (add_ns(ids, pod->meta.ns, &ns) || make_key(ids, pod, ns) ||
		lnt_sets_add(&ids->groups, ids->key.v, ids->key.n, &group, &new))
		return -ENOMEM;
	if (new && (evaluate(ids, pod, ns, &base) || lnt_u32s_push(&ids->of_group, base)))
		return -ENOMEM;
	*ret_base = ids->of_group.v[group];
	return 0;
}

static bool same_shape(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_identities *ids = ctx;
	const struct lnt_identities_shape *want = key;

	return ids->shapes[item].labels == want->labels && ids->shapes[item].ns == want->ns;
}

int lnt_identities_pod(struct lnt_identities *ids, const struct lnt_pod *pod, uint32_t *ret_base)
{
	struct lnt_identities_shape want = {.ns = pod->meta.ns, .labels = pod->labels.items};
	uint64_t hash = (uintptr_t)want.ns * 31 ^ (uintptr_t)want.labels;
	uint32_t item;

	if (ids->rules->named.n_facts && pod->n_ports)
		return base_of_group(ids, pod, ret_base);
	item = lnt_index_get(&ids->by_shape, hash, same_shape, ids, &want);
	if (item != LNT_NONE) {
		*ret_base = ids->shapes[item].base;
		return 0;
	}
	if (base_of_group(ids, pod, &want.base) ||
		LNT_GROW(ids->shapes, ids->cap_shapes, ids->n_shapes + 1) ||
		lnt_index_put(&ids->by_shape, hash, (uint32_t)ids->n_shapes))
		return -ENOMEM;
	ids->shapes[ids->n_shapes++] = want;
	*ret_base = want.base;
	return 0;
}

int lnt_identities_node(struct lnt_identities *ids, enum lnt_element_kind kind,
	const struct lnt_node *node, uint32_t *ret_base)
{
	if (!node)
		return lnt_identities_other(ids, kind, ret_base);
	if (lnt_selectors_match(&ids->rules->nodes, &node->labels, &ids->match))
		return -ENOMEM;
	for (size_t i = 0; i < ids->match.n; i++)
		ids->match.v[i] =
			lnt_rules_node0(ids->rules) + ids->rules->node_ranks[ids->match.v[i]];
	if (lnt_u32s_push(&ids->match, kind))
		return -ENOMEM;
	lnt_u32s_sort(&ids->match);
	return lnt_sets_add(&ids->bases, ids->match.v, ids->match.n, ret_base, NULL);
}

int lnt_identities_other(struct lnt_identities *ids, enum lnt_element_kind kind, uint32_t *ret_base)
{
	const uint32_t element = kind;

	return lnt_sets_add(&ids->bases, &element, 1, ret_base, NULL);
}

static bool same_known(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_identities *ids = ctx;
	const struct lnt_identities_known *want = key;

	return ids->known[item].base == want->base && ids->known[item].blocks == want->blocks;
}

static int copy_set(const struct lnt_sets *from, uint32_t set, uint32_t plus, struct lnt_u32s *to)
{
	for (uint32_t i = 0; i < from->items[set].n; i++)
		if (lnt_u32s_push(to, plus + lnt_sets_at(from, set)[i]))
			return -ENOMEM;
	return 0;
}

int lnt_identities_at(
	struct lnt_identities *ids, uint32_t base, uint32_t blocks, uint32_t *ret_identity)
{
	struct lnt_identities_known want = {.base = base, .blocks = blocks};
	uint64_t hash = lnt_hash_u64(lnt_hash_u64(LNT_HASH_INIT, base), blocks);
	uint32_t item = lnt_index_get(&ids->by_base, hash, same_known, ids, &want);

	if (item != LNT_NONE) {
		*ret_identity = ids->known[item].identity;
		return 0;
	}
	/* Elements of blocks come after all others: the sequence stays sorted. */
	ids->match.n = 0;
	if (copy_set(&ids->bases, base, 0, &ids->match) ||
		copy_set(&ids->rules->blocks.sets, blocks, lnt_rules_block0(ids->rules),
			&ids->match) ||
		lnt_sets_add(&ids->sets, ids->match.v, ids->match.n, &want.identity, NULL) ||
		LNT_GROW(ids->known, ids->cap_known, ids->n_known + 1) ||
		lnt_index_put(&ids->by_base, hash, (uint32_t)ids->n_known))
		return -ENOMEM;
	ids->known[ids->n_known++] = want;
	*ret_identity = want.identity;
	return 0;
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

static uint32_t kind_bits(uint32_t element)
{
	switch (element) {
	case LNT_ELEMENT_WORLD:
		return LNT_ID_WORLD;
	case LNT_ELEMENT_HOST:
		return LNT_ID_HOST;
	case LNT_ELEMENT_NODE:
		return LNT_ID_NODE;
	case LNT_ELEMENT_UNLABELLED:
		return LNT_ID_UNLABELLED;
	default:
		return LNT_ID_POD;
	}
}

static int hash_elements(struct lnt_identities *ids)
{
	size_t n = lnt_rules_n_elements(ids->rules);

	if (ids->hashes)
		return 0;
	ids->hashes = calloc(n, sizeof(*ids->hashes));
	if (!ids->hashes)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		ids->hashes[i] = lnt_rules_element_hash(ids->rules, i);
	return 0;
}

int lnt_identities_seal(struct lnt_identities *ids)
{
	ids->nums.first = 1;
	ids->nums.last = ~LNT_ID_KIND_MASK;
	if (hash_elements(ids) ||
		lnt_sets_number(&ids->sets, ids->n_sealed, ids->hashes, &ids->nums, &ids->numbers))
		return -ENOMEM;
	for (uint32_t i = ids->n_sealed; i < ids->sets.n; i++) {
		uint32_t kind = lnt_sets_at(&ids->sets, i)[0];

		/* What nothing selects is the kind itself, but for pods: they are somebody. */
		if (ids->sets.items[i].n == 1 && kind != LNT_ELEMENT_POD)
			ids->numbers[i] = 0;
		ids->numbers[i] |= kind_bits(kind);
	}
	ids->n_sealed = (uint32_t)ids->sets.n;
	free(TAKE_PTR(ids->first));
	free(TAKE_PTR(ids->having));
	return invert(ids, lnt_rules_n_elements(ids->rules));
}

void lnt_identities_forget(struct lnt_identities *ids)
{
	ids->n_namespaces = ids->n_shapes = 0;
	ids->scopes.n = ids->of_group.n = 0;
	lnt_index_clear(&ids->by_ns);
	lnt_index_clear(&ids->by_shape);
	lnt_sets_clear(&ids->groups);
}

void lnt_identities_clear(struct lnt_identities *ids)
{
	free(ids->namespaces);
	lnt_index_clear(&ids->by_ns);
	lnt_u32s_clear(&ids->scopes);
	free(ids->shapes);
	lnt_index_clear(&ids->by_shape);
	lnt_sets_clear(&ids->groups);
	lnt_u32s_clear(&ids->of_group);
	lnt_sets_clear(&ids->bases);
	free(ids->known);
	lnt_index_clear(&ids->by_base);
	lnt_sets_clear(&ids->sets);
	lnt_u32s_clear(&ids->key);
	lnt_u32s_clear(&ids->match);
	lnt_u32s_clear(&ids->scratch);
	lnt_numbers_clear(&ids->nums);
	free(ids->hashes);
	free(ids->numbers);
	free(ids->first);
	free(ids->having);
	*ids = (struct lnt_identities){};
}
