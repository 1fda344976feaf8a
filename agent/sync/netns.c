/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces that the socket hooks tell apart into their map. */
#include "agent/sync/internal.h"

int lnt_sync_netns(struct lnt_sync *s, const struct lnt_netns_entry *want, size_t n,
	struct lnt_err *e, size_t *ret_writes)
{
	int failed = lnt_table_put(&s->netns, want, n, e, ret_writes), r;

	r = lnt_table_prune(&s->netns, want, n, e, ret_writes);
	failed = failed ? failed : r;
	r = lnt_table_settle(&s->netns, want, n, failed, e);
	return failed ? failed : r;
}
