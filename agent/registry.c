/* SPDX-License-Identifier: Apache-2.0 */
/* The array of registry.h. */
#define LNT_LOG "endpoints"
#include "agent/registry.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>

static size_t find(const struct lnt_registry *reg, const char *container_id, const char *ifname)
{
	for (size_t i = 0; i < reg->n; i++) {
		if (!strcmp(reg->eps[i].container_id, container_id) &&
			!strcmp(reg->eps[i].ifname, ifname))
			return i;
	}
	return reg->n;
}

int lnt_registry_put(struct lnt_registry *reg, const struct lnt_endpoint *ep)
{
	size_t at = find(reg, ep->container_id, ep->ifname);

	if (at == reg->n && reg->n == reg->room) {
		size_t room = reg->room ? reg->room * 2 : 16;
		struct lnt_endpoint *eps = reallocarray(reg->eps, room, sizeof(*eps));

		if (!eps)
			return -ENOMEM;
		reg->eps = eps;
		reg->room = room;
	}
	reg->version++;
	reg->eps[at] = *ep;
	if (at == reg->n)
		reg->n++;
	return 0;
}

bool lnt_registry_remove(struct lnt_registry *reg, const char *container_id, const char *ifname)
{
	size_t at = find(reg, container_id, ifname);

	if (at == reg->n)
		return false;
	reg->version++;
	reg->eps[at] = reg->eps[--reg->n];
	return true;
}

const struct lnt_endpoint *lnt_registry_find(
	const struct lnt_registry *reg, const char *container_id, const char *ifname)
{
	size_t at = find(reg, container_id, ifname);

	return at < reg->n ? &reg->eps[at] : NULL;
}

int lnt_registry_load(struct lnt_registry *reg, const char *run_dir, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_endpoint *eps = NULL;
	size_t n = 0;
	int r;

	r = lnt_endpoint_load_all(run_dir, e, &eps, &n);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (if_nametoindex(eps[i].host_ifname) != eps[i].host_ifindex) {
			log_warn("container %s %s: its device %s is gone, waiting for its DEL",
				eps[i].container_id, eps[i].ifname, eps[i].host_ifname);
			continue;
		}
		r = lnt_registry_put(reg, &eps[i]);
		if (r)
			return lnt_err_sys(e, r, "load endpoints");
	}
	return 0;
}

void lnt_registry_clear(struct lnt_registry *reg)
{
	free(reg->eps);
	*reg = (struct lnt_registry){};
}
