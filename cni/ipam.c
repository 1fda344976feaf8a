/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in allocator of ipam.h: its file and its lock around ipam_state.h. */
#include "cni/ipam.h"

#include "cni/error.h"
#include "cni/ipam_state.h"
#include "lib/file.h"
#include "lib/json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define MAX_FILE (64 * 1024 * 1024)

/* The state with its lock, for the length of a scope. */
struct pool {
	int lock; /* -1: none */
	char path[PATH_MAX];
	struct lnt_ipam_state st;
	struct lnt_endpoint *records; /* keeps the strings that st borrows */
};

static void pool_close(struct pool *pool)
{
	lnt_ipam_state_free(&pool->st);
	free(pool->records);
	lnt_closep(&pool->lock);
}
#define _cleanup_pool_ _cleanup_(pool_close)

/* No file: what the endpoint records of running containers hold is in use. */
static int seed(struct pool *pool, const char *run_dir, struct lnt_err *e)
{
	size_t n = 0;
	int r = lnt_endpoint_load_all(run_dir, e, &pool->records, &n);

	for (size_t i = 0; !r && i < n; i++) {
		const struct lnt_endpoint *ep = &pool->records[i];
		struct lnt_owner owner = {.network = *ep->network ? ep->network : "unknown",
			.container_id = ep->container_id,
			.ifname = ep->ifname};

		for (unsigned j = 0; !r && j < ep->n_addrs; j++) {
			r = lnt_ipam_state_add(&pool->st, &ep->addrs[j], &owner);
			if (r == -EEXIST)
				r = 0;
		}
	}
	return r;
}

/*
 * Locks and reads. @make: make the folder; otherwise its absence gives an empty pool without a
 * lock, because then nothing was ever allocated.
 */
static int pool_open(struct pool *pool, const char *run_dir, bool make, struct lnt_err *e)
{
	struct lnt_err why = {};
	char *text = NULL;
	size_t len;
	int r;

	if (snprintf(pool->path, sizeof(pool->path), "%s/ipam/lock", run_dir) >=
		(int)sizeof(pool->path))
		return lnt_err_sys(e, -ENAMETOOLONG, "address state below %s", run_dir);
	r = lnt_file_lock(pool->path, &why, &pool->lock);
	if (r == -ENOENT && !make)
		return 0;
	if (r == -ENOENT) {
		*strrchr(pool->path, '/') = '\0';
		r = lnt_mkdirs(pool->path, 0700, e);
		strcat(pool->path, "/lock");
		if (!r)
			r = lnt_file_lock(pool->path, e, &pool->lock);
	} else if (r) {
		lnt_err_set(e, r, "%s", why.msg);
	}
	if (r)
		return r;
	strcpy(strrchr(pool->path, '/'), "/addresses");
	r = lnt_file_read(pool->path, MAX_FILE, e, &text, &len);
	if (r == -ENOENT)
		return seed(pool, run_dir, e);
	if (r)
		return r;
	why = (struct lnt_err){};
	r = lnt_ipam_state_parse(text, len, &why, &pool->st);
	if (r) {
		free(text);
		return lnt_err_set(e, r,
			"address state %s is damaged (%s); it is left as it is: move it away to "
			"have "
			"it rebuilt from the endpoint records",
			pool->path, why.msg);
	}
	return 0;
}

static int pool_save(const struct pool *pool, struct lnt_err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = lnt_ipam_state_print(&pool->st, &text, &len);

	if (r)
		return lnt_err_sys(e, r, "write address state");
	return lnt_file_replace(pool->path, text, len, e);
}

/* --- allocation ------------------------------------------------------------------------------- */

static int out_of_addresses(
	const struct lnt_prefix *ranges, unsigned n_ranges, bool v4, struct lnt_err *e)
{
	char list[256] = "", text[LNT_PREFIXSTRLEN];
	size_t len = 0;

	for (unsigned i = 0; i < n_ranges && len < sizeof(list); i++) {
		if (lnt_addr_is4(&ranges[i].addr) == v4)
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
				len ? ", " : "", lnt_prefix_str(&ranges[i], text));
	}
	return lnt_fail(e, LNT_CNI_POOL_EMPTY, -ENOSPC,
		"no %s address is left for the container in %s", v4 ? "IPv4" : "IPv6", list);
}

/* What the owner holds of this family in one of the ranges, or NULL. */
static const struct lnt_ipam_entry *held(const struct lnt_ipam_state *st,
	const struct lnt_prefix *ranges, unsigned n_ranges, const struct lnt_owner *owner, bool v4)
{
	for (size_t i = 0; i < st->n; i++) {
		const struct lnt_ipam_entry *entry = &st->entries[i];

		if (lnt_addr_is4(&entry->addr) != v4 ||
			!lnt_ipam_entry_is(entry, owner->container_id, owner->ifname))
			continue;
		for (unsigned j = 0; j < n_ranges; j++) {
			if (lnt_prefix_has(&ranges[j], &entry->addr))
				return entry;
		}
	}
	return NULL;
}

/* A free address of one family, noted as the last of its range. */
static int find_free(struct lnt_ipam_state *st, const struct lnt_prefix *ranges, unsigned n_ranges,
	bool v4, struct in6_addr *ret_addr)
{
	for (unsigned i = 0; i < n_ranges; i++) {
		if (lnt_addr_is4(&ranges[i].addr) != v4 ||
			lnt_ipam_state_next(st, &ranges[i], ret_addr))
			continue;
		lnt_ipam_state_note(st, &ranges[i], ret_addr);
		return 0;
	}
	return -ENOSPC;
}

static bool has_family(const struct lnt_prefix *ranges, unsigned n_ranges, bool v4)
{
	for (unsigned i = 0; i < n_ranges; i++) {
		if (lnt_addr_is4(&ranges[i].addr) == v4)
			return true;
	}
	return false;
}

int lnt_ipam_alloc(const char *run_dir, const struct lnt_prefix *ranges, unsigned n_ranges,
	const struct lnt_owner *owner, struct lnt_err *e, struct in6_addr ret_addrs[static 2],
	unsigned *ret_n, bool *ret_new)
{
	_cleanup_pool_ struct pool pool = {.lock = -1};
	struct in6_addr addrs[2];
	unsigned n = 0;
	bool changed = false;
	int r = pool_open(&pool, run_dir, true, e);

	if (r)
		return lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
	for (int v4 = 1; v4 >= 0; v4--) {
		const struct lnt_ipam_entry *entry;

		if (!has_family(ranges, n_ranges, v4))
			continue;
		entry = held(&pool.st, ranges, n_ranges, owner, v4);
		if (entry) {
			addrs[n++] = entry->addr;
			continue;
		}
		if (find_free(&pool.st, ranges, n_ranges, v4, &addrs[n]))
			return out_of_addresses(ranges, n_ranges, v4, e);
		r = lnt_ipam_state_add(&pool.st, &addrs[n++], owner);
		if (r)
			return lnt_fail_sys(e, LNT_CNI_INTERNAL, r, "allocate address");
		changed = true;
	}
	if (changed)
		r = pool_save(&pool, e);
	if (r)
		return lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
	memcpy(ret_addrs, addrs, n * sizeof(addrs[0]));
	*ret_n = n;
	*ret_new = changed;
	return 0;
}

int lnt_ipam_release(
	const char *run_dir, const char *container_id, const char *ifname, struct lnt_err *e)
{
	_cleanup_pool_ struct pool pool = {.lock = -1};
	size_t kept = 0;
	int r = pool_open(&pool, run_dir, false, e);

	if (r)
		return lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
	for (size_t i = 0; i < pool.st.n; i++) {
		if (!lnt_ipam_entry_is(&pool.st.entries[i], container_id, ifname))
			pool.st.entries[kept++] = pool.st.entries[i];
	}
	if (kept == pool.st.n)
		return 0;
	pool.st.n = kept;
	return lnt_fail_code(e, LNT_CNI_IO_FAILURE, pool_save(&pool, e));
}

/* --- questions -------------------------------------------------------------------------------- */

int lnt_ipam_available(
	const char *run_dir, const struct lnt_prefix *ranges, unsigned n_ranges, struct lnt_err *e)
{
	_cleanup_pool_ struct pool pool = {.lock = -1};
	struct in6_addr addr;
	int r = pool_open(&pool, run_dir, false, e);

	if (r)
		return lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
	for (int v4 = 1; v4 >= 0; v4--) {
		if (has_family(ranges, n_ranges, v4) &&
			find_free(&pool.st, ranges, n_ranges, v4, &addr))
			return out_of_addresses(ranges, n_ranges, v4, e);
	}
	return 0;
}

int lnt_ipam_check(const char *run_dir, const char *container_id, const char *ifname,
	const struct in6_addr *addrs, unsigned n, struct lnt_err *e)
{
	_cleanup_pool_ struct pool pool = {.lock = -1};
	int r = pool_open(&pool, run_dir, false, e);
	char text[LNT_ADDRSTRLEN];

	if (r)
		return lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
	for (unsigned i = 0; i < n; i++) {
		bool found = false;

		for (size_t j = 0; j < pool.st.n && !found; j++)
			found = IN6_ARE_ADDR_EQUAL(&pool.st.entries[j].addr, &addrs[i]) &&
				lnt_ipam_entry_is(&pool.st.entries[j], container_id, ifname);
		if (!found)
			return lnt_fail(e, LNT_CNI_CHECK_FAILED, -ENOENT,
				"address %s is not reserved for the container",
				lnt_addr_str(&addrs[i], text));
	}
	return 0;
}

static void copy(char *dst, size_t size, struct lnt_span s)
{
	size_t n = s.n < size ? s.n : size - 1;

	memcpy(dst, s.p, n);
	dst[n] = '\0';
}

int lnt_ipam_owners(const char *run_dir, const char *network, struct lnt_err *e,
	struct lnt_attachment **ret_list, size_t *ret_n)
{
	_cleanup_pool_ struct pool pool = {.lock = -1};
	_cleanup_free_ struct lnt_attachment *list = NULL;
	size_t n = 0, len = strlen(network);
	int r = pool_open(&pool, run_dir, false, e);

	if (r)
		return lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
	list = calloc(pool.st.n + 1, sizeof(*list));
	if (!list)
		return lnt_fail_sys(e, LNT_CNI_INTERNAL, -ENOMEM, "list address owners");
	for (size_t i = 0; i < pool.st.n; i++) {
		const struct lnt_ipam_entry *entry = &pool.st.entries[i];

		if (entry->network.n != len || memcmp(entry->network.p, network, len))
			continue;
		copy(list[n].container_id, sizeof(list[n].container_id), entry->container);
		copy(list[n].ifname, sizeof(list[n].ifname), entry->ifname);
		n++;
	}
	*ret_list = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}
