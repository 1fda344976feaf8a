/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of fill.h. */
#include "agent/sync/fill.h"
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

static uint32_t max_entries(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_map_get_info_by_fd(fd, &info, &len) ? 0 : info.max_entries;
}

void lnt_sync_fill(const struct lnt_sync *s, struct lnt_map_fill ret_fills[LNT_MAP_FILLS])
{
	const struct lnt_sync_set *set;
	uint64_t slots = 0, ranges = 0;

	for (set = s->svc.sets; set; set = set->hh.next) {
		slots += set->n;
		ranges += set->n_ranges;
	}
	const struct {
		const char *name;
		int fd;
		bool counted;
		uint64_t entries;
	} maps[LNT_MAP_FILLS] = {
		{"flows", s->maps.flows, false, 0},
		{"endpoints", s->maps.endpoints, true, s->endpoints.n},
		{"devices", s->maps.devices, true, s->devices.n},
		{"peers", s->maps.peers, true, s->peers.n},
		{"cidrs", s->maps.cidrs, true, s->cidrs.n},
		{"policy", s->maps.policy, true, s->policy.n},
		{"services", s->maps.services, true, HASH_COUNT(s->svc.frontends)},
		{"backends", s->maps.backends, true, slots},
		{"ranges", s->maps.ranges, true, ranges},
	};

	for (unsigned i = 0; i < LNT_MAP_FILLS; i++)
		ret_fills[i] = (struct lnt_map_fill){
			.map = maps[i].name,
			.entries = maps[i].entries,
			.max = max_entries(maps[i].fd),
			.counted = maps[i].counted,
		};
}

static int sum(int fd, uint64_t *ret_sums, uint32_t n)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;

	if (!each)
		return cpus < 0 ? cpus : -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(fd, &i, each))
			return -errno;
		ret_sums[i] = 0;
		for (int c = 0; c < cpus; c++)
			ret_sums[i] += each[c];
	}
	return 0;
}

int lnt_sync_drops(const struct lnt_sync *s, uint64_t *ret_sums, uint32_t n)
{
	return sum(s->maps.drops, ret_sums, n);
}

int lnt_sync_counters(const struct lnt_sync *s, uint64_t *ret_sums, uint32_t n)
{
	return sum(s->maps.counters, ret_sums, n);
}
