/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deletions of shrink.h: greedily, the large parts first, until nothing can be left out. Only
 * what the API server would let be left out is.
 */
#include "tests/oracle/shrink.h"

struct shrinking {
	cJSON *test_case;
	struct run_options opt;
	enum disagreement_kind kind;
	struct disagreement *how; /* of the case as it is */
	unsigned runs;
};

static bool still(struct shrinking *s)
{
	struct run_stats stats = {};
	struct disagreement how;

	s->runs++;
	if (run_case(s->test_case, &s->opt, &stats, &how) || how.kind != s->kind)
		return false;
	*s->how = how;
	return true;
}

static bool is_one_of(const char *text, const char *const *list)
{
	while (*list && strcmp(*list, text) != 0)
		list++;
	return *list;
}

/* Whether an element of list @key may go, and @n are there. */
static bool may_shorten(const char *key, int n, bool cluster_policy)
{
	static const char *const lists[] = {"objects", "endpoints", "updates", "ingress", "egress",
		"from", "to", "ports", "protocols", "matchExpressions", "values", "except",
		"networks", "policyTypes", "podIPs", "addresses", "containers", "initContainers",
		NULL};
	static const char *const not_empty[] = {
		"values", "networks", "policyTypes", "protocols", NULL};
	static const char *const not_empty_either[] = {"from", "to", NULL};

	if (!is_one_of(key, lists))
		return false;
	return n > 1 ||
		(!is_one_of(key, not_empty) &&
			(!cluster_policy || !is_one_of(key, not_empty_either)));
}

/* Whether member @item of @parent, which is called @key, may go. */
static bool may_drop(const cJSON *parent, const char *key, const cJSON *item, bool cluster_policy)
{
	static const char *const maps[] = {"labels", "matchLabels", NULL};
	static const char *const optional[] = {"labels", "matchLabels", "matchExpressions",
		"ingress", "egress", "ports", "protocols", "except", "endPort", "policyTypes",
		"hostNetwork", "initContainers", "containers", "protocol", "podIPs", NULL};
	const char *name = item->string;

	if (is_one_of(key, maps) || is_one_of(name, optional))
		return true;
	if (!strcmp(name, "from") || !strcmp(name, "to"))
		return !cluster_policy;
	if (!strcmp(name, "port"))
		return !json_get(parent, "endPort");
	/* Of two selectors in a peer one has to stay. */
	if (!strcmp(name, "podSelector"))
		return json_get(parent, "namespaceSelector") && !cluster_policy;
	if (!strcmp(name, "namespaceSelector"))
		return json_get(parent, "podSelector") && !cluster_policy;
	/* Rules of ClusterNetworkPolicies have one. */
	return !strcmp(name, "name") && json_get(parent, "action");
}

/*
 * The library's own way of putting an item back (cJSON_InsertItemInArray() of 1.7.15) loses it in
 * the middle of a list. The first item's prev is the last; the last item's next is NULL.
 */
static void take_out(cJSON *parent, const cJSON *item)
{
	if (item == parent->child)
		parent->child = item->next;
	else
		item->prev->next = item->next;
	if (item->next)
		item->next->prev = item->prev;
	else if (parent->child)
		parent->child->prev = item->prev;
}

/* Undoes take_out(), if nothing else was done since. */
static void put_back(cJSON *parent, cJSON *item, bool first)
{
	if (item->next)
		item->next->prev = item;
	else if (parent->child)
		parent->child->prev = item;
	if (first)
		parent->child = item;
	else
		item->prev->next = item;
}

/* Tries without @item of @parent. Returns whether it is gone. */
static bool try_without(struct shrinking *s, cJSON *parent, cJSON *item)
{
	bool first = item == parent->child;

	take_out(parent, item);
	if (still(s)) {
		item->next = item->prev = NULL;
		cJSON_Delete(item);
		return true;
	}
	put_back(parent, item, first);
	return false;
}

/* Every part of @o that may go, the later ones first. Returns whether something went. */
static bool pass(struct shrinking *s, cJSON *o, const char *key, bool cluster_policy)
{
	bool gone = false;

	if (json_is(o, "kind", "ClusterNetworkPolicy"))
		cluster_policy = true;
	for (int i = cJSON_GetArraySize(o); i-- > 0;) {
		cJSON *item = cJSON_GetArrayItem(o, i);

		if (!item)
			break;
		if (cJSON_IsArray(o) ? may_shorten(key, cJSON_GetArraySize(o), cluster_policy)
				     : may_drop(o, key, item, cluster_policy)) {
			if (try_without(s, o, item)) {
				gone = true;
				continue;
			}
		}
		if (cJSON_IsArray(item) || cJSON_IsObject(item))
			gone |= pass(s, item, item->string ? item->string : key, cluster_policy);
	}
	return gone;
}

/* The case begun where its updates have led, without any. */
static void try_without_updates(struct shrinking *s)
{
	cJSON *whole = s->test_case, *update;
	struct disagreement how = *s->how;
	struct cluster c;
	unsigned step = 0;

	cluster_init(&c, whole);
	cJSON_ArrayForEach (update, json_get(whole, "updates"))
		if (step++ < how.step)
			cluster_update(&c, update);
	s->test_case = cJSON_CreateObject();
	cJSON_AddItemToObject(s->test_case, "objects", cJSON_Duplicate(c.objects, true));
	cJSON_AddItemToObject(s->test_case, "endpoints", cJSON_Duplicate(c.endpoints, true));
	cJSON_AddArrayToObject(s->test_case, "updates");
	cluster_clear(&c);
	if (still(s)) {
		cJSON_Delete(whole);
		return;
	}
	cJSON_Delete(s->test_case);
	s->test_case = whole;
}

cJSON *shrink_case(cJSON *test_case, struct packets *packets, const struct disagreement *how,
	struct disagreement *ret_how, unsigned *ret_runs)
{
	struct shrinking s = {.test_case = test_case,
		.opt = {.packets = packets, .whole = true},
		.kind = how->kind,
		.how = ret_how};

	*ret_how = *how;
	try_without_updates(&s);
	while (pass(&s, s.test_case, "", false)) {
	}
	*ret_runs = s.runs;
	return s.test_case;
}
