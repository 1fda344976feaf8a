/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frontends and their backends. A frontend keeps its id, so that only the slots that changed are
 * written: slots before the count grows, the count before slots go. A socket that meets the moment
 * between sees a backend of before or of after.
 */
#include "agent/sync/internal.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

struct service_entry {
	struct lnt_service_key key;
	struct lnt_service_value value;
};

struct backend_entry {
	struct lnt_backend_key key;
	struct lnt_backend_value value;
};

static int backend_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_backend_key));
}

/* The wanted entries of both maps: ids are those of frontends that exist, or new ones. */
static void fill(struct lnt_sync *s, const struct lnt_service_state *want,
	struct service_entry *services, struct backend_entry *backends)
{
	size_t n = 0;

	for (size_t i = 0; i < want->n_frontends; i++) {
		const struct lnt_frontend *f = &want->frontends[i];
		const struct lnt_service_value *known = lnt_table_get(&s->services, &f->key);
		uint32_t id = known ? known->set : s->next_set++;

		services[i].key = f->key;
		services[i].value = (struct lnt_service_value){.set = id, .count = f->n_backends};
		for (uint32_t slot = 0; slot < f->n_backends; slot++) {
			backends[n].key = (struct lnt_backend_key){id, slot};
			backends[n].value = want->backends[f->first_backend + slot];
			n++;
		}
	}
	if (n)
		qsort(backends, n, sizeof(*backends), backend_compare);
}

/* Frontends that lose backends get their new count before any slot changes under them. */
static int shrink_first(struct lnt_sync *s, const struct service_entry *services, size_t n,
	struct lnt_err *e, size_t *ret_writes)
{
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		const struct lnt_service_value *known =
			lnt_table_get(&s->services, &services[i].key);

		if (!known || known->count <= services[i].value.count)
			continue;
		if (!bpf_map_update_elem(
			    s->maps.services, &services[i].key, &services[i].value, BPF_EXIST))
			(*ret_writes)++;
		else if (!first)
			first = lnt_err_sys(e, -errno, "write map services");
	}
	return first;
}

int lnt_sync_services(struct lnt_sync *s, const struct lnt_service_state *want, struct lnt_err *e,
	size_t *ret_writes)
{
	_cleanup_free_ struct service_entry *services =
		calloc(want->n_frontends + 1, sizeof(*services));
	_cleanup_free_ struct backend_entry *backends =
		calloc(want->n_backends + 1, sizeof(*backends));
	size_t ns = want->n_frontends, nb = want->n_backends;
	int failed_s, failed_b, r;

	if (!services || !backends)
		return lnt_err_sys(e, -ENOMEM, "sync services");
	fill(s, want, services, backends);
	failed_s = shrink_first(s, services, ns, e, ret_writes);
	failed_b = lnt_table_put(&s->backends, backends, nb, e, ret_writes);
	/* Without its backends a frontend must not promise them. */
	r = failed_b ? 0 : lnt_table_put(&s->services, services, ns, e, ret_writes);
	failed_s = failed_s ? failed_s : r;
	r = lnt_table_prune(&s->services, services, ns, e, ret_writes);
	failed_s = failed_s ? failed_s : r;
	r = lnt_table_prune(&s->backends, backends, nb, e, ret_writes);
	failed_b = failed_b ? failed_b : r;
	r = lnt_table_settle(&s->services, services, ns, failed_s || failed_b, e);
	failed_s = failed_s ? failed_s : r;
	r = lnt_table_settle(&s->backends, backends, nb, failed_b, e);
	failed_b = failed_b ? failed_b : r;
	return failed_s ? failed_s : failed_b;
}
