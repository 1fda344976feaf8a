/* SPDX-License-Identifier: Apache-2.0 */
/* Who is connected to what, and to what no more (drain.h). */
#define LNT_LOG "drain"
#include "agent/drain.h"
#include "agent/sync/chosen.h"
#include "datapath/sockdestroy.h"
#include "lib/child.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/netns.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

/* --- loading ---------------------------------------------------------------------------------- */

static int load_in_child(void *bpf_root, struct lnt_err *e)
{
	return lnt_socks_load(bpf_root, e);
}

bool lnt_drain_load(const char *bpf_root)
{
	struct lnt_err e = {};

	if (lnt_child_run(load_in_child, (void *)bpf_root, &e)) {
		log_warn("sockets stay with backends that are gone: %s", e.msg);
		return false;
	}
	if (!lnt_socks_has_diag() && !lnt_socks_has_bpf(bpf_root)) {
		log_warn("sockets stay with backends that are gone: this kernel has neither "
			 "CONFIG_INET_DIAG_DESTROY nor bpf_sock_destroy()");
		return false;
	}
	return true;
}

/* --- what is in use --------------------------------------------------------------------------- */

static struct lnt_service_key backend_of(const struct lnt_sock *s)
{
	return (struct lnt_service_key){
		.addr = s->raddr, .port = s->rport, .proto = (uint8_t)s->proto};
}

static int use_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lnt_service_key));
}

/* The backends of @socks, each once, sorted. NULL: no memory. */
static struct lnt_in_use *in_use(const struct lnt_sock *socks, size_t n, size_t *ret_n)
{
	struct lnt_in_use *uses = calloc(n + 1, sizeof(*uses));
	size_t kept = 0;

	if (!uses)
		return NULL;
	for (size_t i = 0; i < n; i++)
		uses[i].backend = backend_of(&socks[i]);
	qsort(uses, n, sizeof(*uses), use_cmp);
	for (size_t i = 0; i < n; i++)
		if (!kept || use_cmp(&uses[kept - 1], &uses[i]))
			uses[kept++] = uses[i];
	*ret_n = kept;
	return uses;
}

struct uses {
	struct lnt_in_use *items;
	size_t n;
};

static int mark_slice(void *ctx, const struct lnt_meta *obj)
{
	const struct lnt_endpointslice *slice = (const struct lnt_endpointslice *)obj;
	struct uses *u = ctx;

	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const struct lnt_slice_endpoint *ep = &slice->endpoints[i];

		if (!ep->ready && !ep->serving)
			continue;
		for (size_t p = 0; p < slice->n_ports; p++) {
			const struct lnt_service_key key = {.addr = ep->addr,
				.port = htons(slice->ports[p].port),
				.proto = slice->ports[p].proto};
			size_t at = lnt_in_use_find(u->items, u->n, &key);

			if (at < u->n && !memcmp(&u->items[at].backend, &key, sizeof(key)))
				u->items[at].serving = true;
		}
	}
	return 0;
}

static bool is_gone(const struct lnt_in_use *use)
{
	if (use->chosen)
		return false;
	return use->backend.proto == IPPROTO_UDP || !use->serving;
}

/* Moves those of @socks whose backend is gone to the front and returns their number, or -errno. */
static ssize_t select_doomed(
	const struct lnt_sync *s, const struct lnt_store *st, struct lnt_sock *socks, size_t n)
{
	_cleanup_free_ struct lnt_in_use *items = NULL;
	struct uses u = {};
	bool unchosen = false;
	size_t doomed = 0;

	items = in_use(socks, n, &u.n);
	u.items = items;
	if (!items || lnt_sync_mark_chosen(s, items, u.n))
		return -ENOMEM;
	for (size_t i = 0; i < u.n; i++)
		unchosen |= !items[i].chosen;
	if (!unchosen)
		return 0;
	lnt_store_each(st, LNT_KIND_ENDPOINTSLICE, mark_slice, &u);
	for (size_t i = 0; i < n; i++) {
		const struct lnt_service_key key = backend_of(&socks[i]);

		if (is_gone(&items[lnt_in_use_find(items, u.n, &key)]))
			socks[doomed++] = socks[i];
	}
	return (ssize_t)doomed;
}

/* --- where they are --------------------------------------------------------------------------- */

static int netns_cmp(const void *a, const void *b)
{
	const struct lnt_sock *x = a, *y = b;

	return (x->netns > y->netns) - (x->netns < y->netns);
}

static uint32_t netns_number(const char *path)
{
	struct stat st;

	return *path && !stat(path, &st) ? (uint32_t)st.st_ino : 0;
}

/* The numbers of the endpoints' namespaces, in the registry's order. NULL: no memory. */
static uint32_t *netns_numbers(const struct lnt_registry *reg)
{
	uint32_t *numbers = calloc(reg->n + 1, sizeof(*numbers));

	for (size_t i = 0; numbers && i < reg->n; i++)
		numbers[i] = netns_number(reg->eps[i].netns);
	return numbers;
}

/* Opens the namespace @number. 0 with -1 for the agent's own, or -ENOENT: none that is known. */
static int find_netns(uint32_t number, const uint32_t *numbers, const struct lnt_registry *reg,
	struct lnt_err *e, int *ret_fd)
{
	if (number == netns_number("/proc/self/ns/net")) {
		*ret_fd = -1;
		return 0;
	}
	for (size_t i = 0; i < reg->n; i++)
		if (numbers[i] == number)
			return lnt_netns_open(reg->eps[i].netns, e, ret_fd);
	return lnt_err_set(e, -ENOENT, "they are in a network namespace of no endpoint");
}

/* Ends @socks, which are all of one namespace. */
static int end_in_netns(const char *bpf_root, const struct lnt_sock *socks, size_t n,
	const uint32_t *numbers, const struct lnt_registry *reg, struct lnt_err *e)
{
	_cleanup_close_ int fd = -1;
	int r = find_netns(socks->netns, numbers, reg, e, &fd);

	return r ? r : lnt_socks_end(bpf_root, LNT_SOCKS_ANY, fd, socks, n, e);
}

static int end_all(const char *bpf_root, struct lnt_sock *socks, size_t n,
	const struct lnt_registry *reg, struct lnt_err *e)
{
	_cleanup_free_ uint32_t *numbers = netns_numbers(reg);
	size_t ended = 0;

	if (!numbers)
		return lnt_err_sys(e, -ENOMEM, "end sockets");
	qsort(socks, n, sizeof(*socks), netns_cmp);
	for (size_t i = 0, next; i < n; i = next) {
		struct lnt_err why = {};

		for (next = i; next < n && socks[next].netns == socks[i].netns; next++)
			;
		if (end_in_netns(bpf_root, socks + i, next - i, numbers, reg, &why))
			log_warn("%zu socket(s) stay with backends that are gone: %s", next - i,
				why.msg);
		else
			ended += next - i;
	}
	if (ended)
		log_info("%zu socket(s) ended, because their backends are gone", ended);
	return 0;
}

int lnt_drain_run(const char *bpf_root, const struct lnt_sync *s, const struct lnt_store *st,
	const struct lnt_registry *reg, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_sock *socks = NULL;
	ssize_t doomed;
	size_t n = 0;
	int r;

	r = lnt_socks_list(bpf_root, e, &socks, &n);
	if (r || !n)
		return r;
	doomed = select_doomed(s, st, socks, n);
	if (doomed < 0)
		return lnt_err_sys(e, (int)doomed, "find sockets whose backends are gone");
	return doomed ? end_all(bpf_root, socks, (size_t)doomed, reg, e) : 0;
}
