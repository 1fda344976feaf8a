/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces whose sockets get services (compile.h). */
#include "agent/compile/local.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

static int entry_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint64_t));
}

int lnt_compile_netns(const struct lnt_store *st, const char *node_name, uint64_t host_cookie,
	const struct lnt_endpoint *eps, size_t n_eps, struct lnt_netns_entry **ret_entries,
	size_t *ret_n)
{
	struct lnt_netns_entry *entries = calloc(n_eps + 1, sizeof(*entries));
	size_t n = 0, unique = 0;

	if (!entries)
		return -ENOMEM;
	if (host_cookie)
		entries[n++] = (struct lnt_netns_entry){host_cookie, {.flags = LNT_NETNS_HOST}};
	for (size_t i = 0; i < n_eps; i++) {
		const struct lnt_pod *pod = lnt_local_pod(st, node_name, &eps[i]);

		if (!(pod && pod->per_packet) && eps[i].netns_cookie &&
			eps[i].netns_cookie != host_cookie)
			entries[n++] = (struct lnt_netns_entry){eps[i].netns_cookie, {}};
	}
	qsort(entries, n, sizeof(*entries), entry_cmp);
	/* A container may have several interfaces. */
	for (size_t i = 0; i < n; i++)
		if (!i || entry_cmp(&entries[i], &entries[unique - 1]) != 0)
			entries[unique++] = entries[i];
	*ret_entries = entries;
	*ret_n = unique;
	return 0;
}
