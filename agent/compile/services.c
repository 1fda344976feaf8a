/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services and EndpointSlices to frontends and backends. Ports meet by name and protocol, addresses
 * by family; a service is its slices' label, within one namespace.
 */
#include "agent/compile/compile.h"
#include "agent/compile/index.h"
#include "agent/compile/view.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* One (address, port) of one service. */
struct claim {
	struct lnt_service_key key;
	uint32_t service; /* in name order */
	uint32_t port;	  /* index into its ports */
};

struct build {
	const struct lnt_meta **services; /* sorted by name */
	size_t n_services;
	const struct lnt_meta **slices; /* sorted by slice_cmp() */
	size_t n_slices;
	struct claim *claims; /* sorted by key, then service and port */
	size_t n_claims, cap_claims;
	size_t cap_backends;
};

static void clear(struct build *b)
{
	free(b->services);
	free(b->slices);
	free(b->claims);
}

static int ptr_cmp(const void *a, const void *b)
{
	return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

/* Groups slices by service; names are interned, so their pointers are an order as good as any. */
static int slice_key_cmp(const struct lnt_endpointslice *s, const char *ns, const char *service)
{
	int r = ptr_cmp(s->meta.ns, ns);

	return r ? r : ptr_cmp(s->service, service);
}

static int slice_cmp(const void *a, const void *b)
{
	const struct lnt_endpointslice *x = *(const struct lnt_endpointslice *const *)a;
	const struct lnt_endpointslice *y = *(const struct lnt_endpointslice *const *)b;

	return slice_key_cmp(x, y->meta.ns, y->service);
}

static int claim_cmp(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = memcmp(&x->key, &y->key, sizeof(x->key));

	if (!r)
		r = (x->service > y->service) - (x->service < y->service);
	return r ? r : (x->port > y->port) - (x->port < y->port);
}

static int backend_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_backend_value));
}

static int claim_service(struct build *b, uint32_t i)
{
	const struct lnt_service *svc = (const struct lnt_service *)b->services[i];

	for (size_t ip = 0; ip < svc->n_cluster_ips; ip++) {
		for (size_t p = 0; p < svc->n_ports; p++) {
			if (!svc->ports[p].port)
				continue;
			if (LNT_GROW(b->claims, b->cap_claims, b->n_claims + 1))
				return -ENOMEM;
			b->claims[b->n_claims++] = (struct claim){
				.key.addr = svc->cluster_ips[ip],
				.key.port = htons(svc->ports[p].port),
				.key.proto = svc->ports[p].proto,
				.service = i,
				.port = (uint32_t)p,
			};
		}
	}
	return 0;
}

/* Keeps the first claim of each key and tells of each service that lost one, once. */
static int resolve(struct build *b,
	void (*conflicts)(
		void *ctx, const struct lnt_service *loser, const struct lnt_service *winner),
	void *ctx)
{
	_cleanup_free_ bool *told = calloc(b->n_services + 1, sizeof(*told));
	size_t n = 0;

	if (!told)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_claims; i++) {
		const struct claim *c = &b->claims[i], *kept = n ? &b->claims[n - 1] : NULL;

		if (!kept || memcmp(&kept->key, &c->key, sizeof(c->key)) != 0) {
			b->claims[n++] = *c;
		} else if (conflicts && kept->service != c->service && !told[c->service]) {
			told[c->service] = true;
			conflicts(ctx, (const struct lnt_service *)b->services[c->service],
				(const struct lnt_service *)b->services[kept->service]);
		}
	}
	b->n_claims = n;
	return 0;
}

/* The first slice of a service in b->slices. */
static size_t first_slice(const struct build *b, const struct lnt_service *svc)
{
	size_t lo = 0, hi = b->n_slices;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct lnt_endpointslice *s =
			(const struct lnt_endpointslice *)b->slices[mid];

		if (slice_key_cmp(s, svc->meta.ns, svc->meta.name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int add_backends(struct build *b, const struct lnt_endpointslice *slice, uint16_t port,
	struct lnt_service_state *s)
{
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const struct lnt_slice_endpoint *ep = &slice->endpoints[i];

		if (!ep->ready || lnt_addr_is4(&ep->addr) == slice->is6)
			continue;
		if (LNT_GROW(s->backends, b->cap_backends, s->n_backends + 1))
			return -ENOMEM;
		s->backends[s->n_backends++] = (struct lnt_backend_value){
			.addr = ep->addr,
			.port = htons(port),
		};
	}
	return 0;
}

/* Appends the backends of @c, sorted, each once, and makes its frontend of them. */
static int add_frontend(struct build *b, const struct claim *c, struct lnt_service_state *s)
{
	const struct lnt_service *svc = (const struct lnt_service *)b->services[c->service];
	const struct lnt_service_port *port = &svc->ports[c->port];
	struct lnt_frontend *f = &s->frontends[s->n_frontends++];
	size_t first = s->n_backends, n;

	for (size_t i = first_slice(b, svc); i < b->n_slices; i++) {
		const struct lnt_endpointslice *slice =
			(const struct lnt_endpointslice *)b->slices[i];

		if (slice_key_cmp(slice, svc->meta.ns, svc->meta.name) != 0)
			break;
		if (slice->is6 == lnt_addr_is4(&c->key.addr))
			continue;
		for (size_t p = 0; p < slice->n_ports; p++) {
			const struct lnt_slice_port *sp = &slice->ports[p];

			if (sp->name != port->name || sp->proto != port->proto || !sp->port)
				continue;
			if (add_backends(b, slice, sp->port, s))
				return -ENOMEM;
		}
	}
	if (s->n_backends > first)
		qsort(s->backends + first, s->n_backends - first, sizeof(*s->backends),
			backend_cmp);
	n = first;
	for (size_t i = first; i < s->n_backends; i++)
		if (n == first || backend_cmp(&s->backends[n - 1], &s->backends[i]) != 0)
			s->backends[n++] = s->backends[i];
	s->n_backends = n;
	*f = (struct lnt_frontend){
		.key = c->key,
		.first_backend = (uint32_t)first,
		.n_backends = (uint32_t)(n - first),
	};
	return 0;
}

static int build(const struct lnt_store *st, struct build *b)
{
	if (lnt_view_sorted(st, LNT_KIND_SERVICE, &b->services, &b->n_services) ||
		lnt_view_all(st, LNT_KIND_ENDPOINTSLICE, &b->slices, &b->n_slices))
		return -ENOMEM;
	if (b->n_slices)
		qsort(b->slices, b->n_slices, sizeof(*b->slices), slice_cmp);
	for (uint32_t i = 0; i < b->n_services; i++)
		if (claim_service(b, i))
			return -ENOMEM;
	if (b->n_claims)
		qsort(b->claims, b->n_claims, sizeof(*b->claims), claim_cmp);
	return 0;
}

int lnt_compile_services(const struct lnt_store *st, struct lnt_err *e,
	void (*conflicts)(
		void *ctx, const struct lnt_service *loser, const struct lnt_service *winner),
	void *ctx, struct lnt_service_state *ret_state)
{
	_cleanup_(lnt_service_state_clear) struct lnt_service_state s = {};
	_cleanup_(clear) struct build b = {};

	if (build(st, &b) || resolve(&b, conflicts, ctx))
		return lnt_err_sys(e, -ENOMEM, "compile services");
	if (b.n_claims) {
		s.frontends = calloc(b.n_claims, sizeof(*s.frontends));
		if (!s.frontends)
			return lnt_err_sys(e, -ENOMEM, "compile services");
	}
	for (size_t i = 0; i < b.n_claims; i++)
		if (add_frontend(&b, &b.claims[i], &s))
			return lnt_err_sys(e, -ENOMEM, "compile services");
	LNT_SHRINK(s.backends, s.n_backends);
	*ret_state = s;
	s = (struct lnt_service_state){};
	return 0;
}

void lnt_service_state_clear(struct lnt_service_state *s)
{
	free(s->frontends);
	free(s->backends);
	*s = (struct lnt_service_state){};
}
