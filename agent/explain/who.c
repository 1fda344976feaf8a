/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of who.h: a sorted array, made in one go. */
#include "agent/explain/who.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

struct entry {
	struct in6_addr addr;
	unsigned rank; /* the lowest has the address */
	struct lnt_who who;
};

struct lnt_directory {
	struct entry *items; /* owned, sorted by address */
	size_t n, cap;
};

static int add(struct lnt_directory *d, const struct in6_addr *addr, unsigned rank,
	enum lnt_who_kind kind, const char *ns, const char *name)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 64;
		struct entry *items = reallocarray(d->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		d->items = items;
		d->cap = cap;
	}
	d->items[d->n++] = (struct entry){*addr, rank, {kind, ns, name}};
	return 0;
}

static int add_endpoint(struct lnt_directory *d, const struct lnt_endpoint *ep)
{
	bool pod = ep->pod_name[0];

	for (unsigned i = 0; i < ep->n_addrs; i++)
		if (add(d, &ep->addrs[i], 0, pod ? LNT_WHO_POD : LNT_WHO_CONTAINER,
			    pod ? ep->pod_ns : "", pod ? ep->pod_name : ep->container_id))
			return -ENOMEM;
	return 0;
}

static int add_node(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_node *node = (const struct lnt_node *)obj;

	for (size_t i = 0; i < node->n_addrs; i++)
		if (add(ctx, &node->addrs[i], 1, LNT_WHO_NODE, "", obj->name))
			return -ENOMEM;
	return 0;
}

static int add_pod(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_pod *pod = (const struct lnt_pod *)obj;

	if (pod->host_network || pod->terminated)
		return 0;
	for (size_t i = 0; i < pod->n_addrs; i++)
		if (add(ctx, &pod->addrs[i], 2, LNT_WHO_POD, obj->ns, obj->name))
			return -ENOMEM;
	return 0;
}

static int compare(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int r = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return r ? r : (a->rank > b->rank) - (a->rank < b->rank);
}

static void freep(struct lnt_directory **d)
{
	lnt_directory_free(*d);
}

struct lnt_directory *lnt_directory_new(
	const struct lnt_store *st, const struct lnt_endpoint *eps, size_t n_eps)
{
	_cleanup_(freep) struct lnt_directory *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	for (size_t i = 0; i < n_eps; i++)
		if (add_endpoint(d, &eps[i]))
			return NULL;
	if (lnt_store_each(st, LNT_KIND_NODE, add_node, d) ||
		lnt_store_each(st, LNT_KIND_POD, add_pod, d))
		return NULL;
	if (d->n)
		qsort(d->items, d->n, sizeof(*d->items), compare);
	return TAKE_PTR(d);
}

void lnt_directory_free(struct lnt_directory *d)
{
	if (!d)
		return;
	free(d->items);
	free(d);
}

struct lnt_who lnt_directory_find(const struct lnt_directory *d, const struct in6_addr *addr)
{
	size_t lo = 0, hi = d->n;

	/* The first of an address has it. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(&d->items[mid].addr, addr, sizeof(*addr)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < d->n && IN6_ARE_ADDR_EQUAL(&d->items[lo].addr, addr))
		return d->items[lo].who;
	return (struct lnt_who){.kind = LNT_WHO_WORLD, .ns = "", .name = ""};
}

bool lnt_who_is(const struct lnt_who *who, const char *pod)
{
	size_t n;

	if (who->kind != LNT_WHO_POD)
		return false;
	n = strlen(who->ns);
	return !strncmp(pod, who->ns, n) && pod[n] == '/' && !strcmp(pod + n + 1, who->name);
}

const char *lnt_who_kind_text(enum lnt_who_kind kind)
{
	static const char *const texts[] = {
		[LNT_WHO_WORLD] = "world",
		[LNT_WHO_POD] = "pod",
		[LNT_WHO_CONTAINER] = "container",
		[LNT_WHO_NODE] = "node",
	};

	return texts[kind];
}

const char *lnt_who_text(const struct lnt_who *who, char ret_text[static LNT_WHO_STRLEN])
{
	snprintf(ret_text, LNT_WHO_STRLEN, "%s%s%s", who->ns, *who->ns ? "/" : "", who->name);
	return ret_text;
}
