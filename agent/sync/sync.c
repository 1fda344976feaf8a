/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the maps and learning what they hold; the epoch. */
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static void freep(struct lnt_sync **s)
{
	lnt_sync_free(*s);
}

int lnt_sync_new(const char *bpf_root, struct lnt_err *e, struct lnt_sync **ret_sync)
{
	_cleanup_(freep) struct lnt_sync *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return lnt_err_sys(e, -ENOMEM, "start sync");
	s->maps = (struct lnt_maps)LNT_MAPS_NONE;
	s->blocks.last_first = true;
	s->policy.last_first = true;
	r = lnt_maps_open(bpf_root, e, &s->maps);
	if (r)
		return r;
	if ((r = lnt_table_read(&s->peers, "peers", s->maps.peers, e)) ||
		(r = lnt_table_read(&s->blocks, "blocks", s->maps.blocks, e)) ||
		(r = lnt_table_read(&s->endpoints, "endpoints", s->maps.endpoints, e)) ||
		(r = lnt_table_read(&s->devices, "devices", s->maps.devices, e)) ||
		(r = lnt_table_read(&s->policy, "policy", s->maps.policy, e)) ||
		(r = lnt_table_read(&s->cidrs, "cidrs", s->maps.cidrs, e)) ||
		(r = lnt_table_read(&s->netns, "netns", s->maps.netns, e)) ||
		(r = lnt_sync_services_read(&s->svc, &s->maps, e)))
		return r;
	*ret_sync = TAKE_PTR(s);
	return 0;
}

void lnt_sync_free(struct lnt_sync *s)
{
	if (!s)
		return;
	lnt_table_clear(&s->peers);
	lnt_table_clear(&s->blocks);
	lnt_table_clear(&s->endpoints);
	lnt_table_clear(&s->devices);
	lnt_table_clear(&s->policy);
	lnt_table_clear(&s->cidrs);
	lnt_table_clear(&s->netns);
	lnt_u32s_clear(&s->closed);
	lnt_sync_services_clear(&s->svc);
	lnt_maps_close(&s->maps);
	free(s);
}

void lnt_sync_set_maglev(struct lnt_sync *s, uint32_t size)
{
	s->svc.maglev_size = size;
}

size_t lnt_sync_tables_due(const struct lnt_sync *s)
{
	return s->svc.n_due;
}

size_t lnt_sync_tables_missing(const struct lnt_sync *s)
{
	return s->svc.n_missing;
}

/* This process' one thread is the only writer of both fields. */
static int read_state(struct lnt_sync *s, struct lnt_err *e, struct lnt_state *ret_state)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(s->maps.state, &zero, ret_state))
		return lnt_err_sys(e, -errno, "read the epoch");
	return 0;
}

static int write_state(struct lnt_sync *s, const struct lnt_state *state, struct lnt_err *e)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(s->maps.state, &zero, state, BPF_ANY))
		return lnt_err_sys(e, -errno, "write the epoch");
	return 0;
}

int lnt_sync_bump_epoch(struct lnt_sync *s, struct lnt_err *e)
{
	struct lnt_state state;
	int r = read_state(s, e, &state);

	if (r)
		return r;
	state.epoch++;
	return write_state(s, &state, e);
}

int lnt_sync_tell(struct lnt_sync *s, uint32_t what, struct lnt_err *e)
{
	struct lnt_state state;
	int r = read_state(s, e, &state);

	if (r || state.tell == what)
		return r;
	state.tell = what;
	return write_state(s, &state, e);
}

const struct lnt_maps *lnt_sync_maps(const struct lnt_sync *s)
{
	return &s->maps;
}
