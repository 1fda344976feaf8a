/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes to the other nodes' pods, and the ranges that are reached without masquerading. linnet's
 * routes carry its protocol number; those with a gateway or of type unreachable are this file's,
 * the pods' own (link scope) are the CNI plugin's.
 */
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct cidr_entry {
	struct lnt_cidr_key key;
	struct lnt_cidr_value value;
};

static int cidr_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_cidr_key));
}

static int sync_cidrs(struct lnt_sync *s, const struct lnt_cluster_state *want, struct lnt_err *e,
	size_t *ret_writes)
{
	_cleanup_free_ struct cidr_entry *cidrs = calloc(want->n_cluster_cidrs + 1, sizeof(*cidrs));
	int failed, r;

	if (!cidrs)
		return lnt_err_sys(e, -ENOMEM, "sync ranges");
	for (size_t i = 0; i < want->n_cluster_cidrs; i++) {
		const struct lnt_prefix *p = &want->cluster_cidrs[i];

		cidrs[i].key.prefixlen = 128 - lnt_addr_bits(&p->addr) + p->len;
		cidrs[i].key.addr = p->addr;
		cidrs[i].value.flags = LNT_CIDR_CLUSTER;
	}
	if (want->n_cluster_cidrs)
		qsort(cidrs, want->n_cluster_cidrs, sizeof(*cidrs), cidr_compare);
	failed = lnt_table_put(&s->cidrs, cidrs, want->n_cluster_cidrs, e, ret_writes);
	r = lnt_table_prune(&s->cidrs, cidrs, want->n_cluster_cidrs, e, ret_writes);
	failed = failed ? failed : r;
	r = lnt_table_settle(&s->cidrs, cidrs, want->n_cluster_cidrs, failed, e);
	return failed ? failed : r;
}

static bool is_ours(const struct lnt_route *r)
{
	return r->has_gw || r->type == RTN_UNREACHABLE;
}

/* The wanted routes of one family: other nodes' ranges, and a dead end for what is left of ours. */
static size_t routes_fill(
	const struct lnt_cluster_state *want, int family, struct lnt_route *ret_routes)
{
	size_t n = 0;

	for (size_t i = 0; i < want->n_routes; i++) {
		if (lnt_addr_is4(&want->routes[i].dst.addr) != (family == AF_INET))
			continue;
		ret_routes[n++] = (struct lnt_route){
			.dst = want->routes[i].dst,
			.gw = want->routes[i].gateway,
			.has_gw = true,
			.protocol = LNT_RTPROT,
		};
	}
	for (size_t i = 0; i < want->n_own_cidrs; i++) {
		if (lnt_addr_is4(&want->own_cidrs[i].addr) != (family == AF_INET))
			continue;
		ret_routes[n++] = (struct lnt_route){
			.dst = want->own_cidrs[i],
			.type = RTN_UNREACHABLE,
			.protocol = LNT_RTPROT,
		};
	}
	return n;
}

static bool same_dst(const struct lnt_route *a, const struct lnt_route *b)
{
	return a->dst.len == b->dst.len && IN6_ARE_ADDR_EQUAL(&a->dst.addr, &b->dst.addr);
}

static bool same_route(const struct lnt_route *a, const struct lnt_route *b)
{
	return same_dst(a, b) && a->has_gw == b->has_gw &&
		(!a->has_gw || IN6_ARE_ADDR_EQUAL(&a->gw, &b->gw));
}

static const struct lnt_route *find(const struct lnt_route *routes, size_t n,
	const struct lnt_route *like,
	bool (*same)(const struct lnt_route *, const struct lnt_route *))
{
	for (size_t i = 0; i < n; i++) {
		if (is_ours(&routes[i]) && same(&routes[i], like))
			return &routes[i];
	}
	return NULL;
}

static int sync_routes(struct lnt_nl *nl, const struct lnt_cluster_state *want, int family,
	struct lnt_err *e, size_t *ret_writes)
{
	_cleanup_free_ struct lnt_route *w = calloc(want->n_routes + 3, sizeof(*w));
	_cleanup_free_ struct lnt_route *have = NULL;
	size_t n_have = 0, n;
	char dst[LNT_PREFIXSTRLEN];
	int first, r;

	if (!w)
		return lnt_err_sys(e, -ENOMEM, "sync routes");
	first = lnt_route_dump(nl, family, LNT_RTPROT, e, &have, &n_have);
	if (first)
		return first;
	n = routes_fill(want, family, w);
	for (size_t i = 0; i < n; i++) {
		if (find(have, n_have, &w[i], same_route))
			continue;
		r = lnt_route_replace(nl, &w[i], e);
		if (r && !first) {
			lnt_err_prefix(e, "route to %s", lnt_prefix_str(&w[i].dst, dst));
			first = r;
		}
		(*ret_writes)++;
	}
	for (size_t i = 0; i < n_have; i++) {
		if (!is_ours(&have[i]) || find(w, n, &have[i], same_dst))
			continue;
		r = lnt_route_del(nl, &have[i], e);
		if (r && r != -ESRCH && !first)
			first = r;
		(*ret_writes)++;
	}
	return first;
}

int lnt_sync_cluster(struct lnt_sync *s, struct lnt_nl *nl, const struct lnt_cluster_state *want,
	struct lnt_err *e, size_t *ret_writes)
{
	size_t writes = 0;
	int first, r;

	first = sync_cidrs(s, want, e, &writes);
	r = sync_routes(nl, want, AF_INET, e, &writes);
	first = first ? first : r;
	r = sync_routes(nl, want, AF_INET6, e, &writes);
	first = first ? first : r;
	if (writes) {
		r = lnt_sync_bump_epoch(s, e);
		first = first ? first : r;
	}
	*ret_writes += writes;
	return first;
}
