/* SPDX-License-Identifier: Apache-2.0 */
/* A look: the peers are listed once and probed, some at a time; the first that proves it is it. */
#define LNT_LOG "kube"
#include "agent/kube/locator.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/sock_dump.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#define STALL_MS 3000
#define EVERY_MS 1000 /* from one look to the next, or up to 8 times as long */
#define AT_ONCE	 8

struct probe {
	struct lnt_locator *locator;
	struct lnt_http_req *req; /* NULL: free */
	struct lnt_http_place at;
};

struct lnt_locator {
	uv_loop_t *loop;
	struct lnt_http *http;
	unsigned stall_ms;
	struct lnt_locator_events events;
	uv_timer_t timer;	  /* until the next look may begin */
	struct lnt_http_place at; /* where the API server was found last; port 0: nowhere */
	struct probe probes[AT_ONCE];
	struct lnt_http_place peers[LNT_LOCATOR_PEERS];
	size_t n_peers, n_asked;
	unsigned in_vain; /* looks */
	bool looking, wanted, closing;
};

/* --- peers ------------------------------------------------------------------------------------ */

struct peers {
	uint8_t served[65536 /
		8]; /* ports that are listened at here: who came to them came itself */
	struct lnt_http_place *list;
	size_t n, n_alloc;
	bool no_memory;
};

static void peers_release(struct peers *p)
{
	free(p->list);
}

static void take_listener(const struct lnt_sock *s, void *ctx)
{
	struct peers *p = ctx;
	unsigned port = ntohs(s->local_port);

	p->served[port / 8] |= 1u << port % 8;
}

static void take_connection(const struct lnt_sock *s, void *ctx)
{
	struct peers *p = ctx;
	unsigned port = ntohs(s->local_port);
	struct lnt_http_place *list;

	/* A link's own addresses would need to say of which link. */
	if (p->served[port / 8] & 1u << port % 8 || IN6_IS_ADDR_LINKLOCAL(&s->remote))
		return;
	if (p->n == p->n_alloc) {
		list = reallocarray(p->list, p->n_alloc + 256, sizeof(*list));
		p->no_memory |= !list;
		if (!list)
			return;
		p->list = list;
		p->n_alloc += 256;
	}
	p->list[p->n++] = (struct lnt_http_place){s->remote, ntohs(s->remote_port)};
}

/* Of kubeadm and most others; of clouds; of k3s, minikube and microk8s. */
static unsigned rank(uint16_t port)
{
	static const uint16_t usual[] = {6443, 443, 6444, 8443, 16443};
	unsigned i = 0;

	while (i < ARRAY_SIZE(usual) && usual[i] != port)
		i++;
	return i;
}

static int compare(const void *va, const void *vb)
{
	const struct lnt_http_place *a = va, *b = vb;

	if (rank(a->port) != rank(b->port))
		return rank(a->port) < rank(b->port) ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

int lnt_locator_peers(struct lnt_http_place ret_peers[static LNT_LOCATOR_PEERS], size_t *ret_n)
{
	_cleanup_(peers_release) struct peers p = {};
	int r = lnt_sock_dump(IPPROTO_TCP, 1u << TCP_LISTEN, take_listener, &p);
	size_t n = 0;

	r = r ? r : lnt_sock_dump(IPPROTO_TCP, 1u << TCP_ESTABLISHED, take_connection, &p);
	if (r || p.no_memory)
		return r ? r : -ENOMEM;
	if (p.n)
		qsort(p.list, p.n, sizeof(*p.list), compare);
	for (size_t i = 0; i < p.n && n < LNT_LOCATOR_PEERS; i++)
		if (!n || compare(&p.list[i], &ret_peers[n - 1]))
			ret_peers[n++] = p.list[i];
	*ret_n = n;
	return 0;
}

/* --- a look ----------------------------------------------------------------------------------- */

static void look(struct lnt_locator *l);

static void on_timer(uv_timer_t *timer)
{
	struct lnt_locator *l = timer->data;

	if (l->wanted)
		look(l);
}

/* @at: where the API server is, or NULL: nowhere that was to be seen. */
static void end_look(struct lnt_locator *l, const struct lnt_http_place *at)
{
	struct lnt_http_place to = at ? *at : (struct lnt_http_place){};
	bool moved = compare(&to, &l->at);
	char text[LNT_ADDRSTRLEN];

	for (size_t i = 0; i < AT_ONCE; i++)
		if (l->probes[i].req)
			lnt_http_cancel(TAKE_PTR(l->probes[i].req));
	if (moved && at)
		log_info("the API server is at %s port %u, by its certificate, as this node is "
			 "connected to it",
			lnt_addr_str(&at->addr, text), at->port);
	if (!at && !l->in_vain)
		log_info("no connection of this node leads to the API server now; asking its "
			 "Service");
	l->at = to;
	lnt_http_move(l->http, at);
	l->looking = false;
	l->in_vain = at ? 0 : l->in_vain + 1;
	uv_timer_start(&l->timer, on_timer, EVERY_MS << (l->in_vain < 3 ? l->in_vain : 3), 0);
	l->events.looked(l->events.ctx, at, moved);
}

static void fill(struct lnt_locator *l);

static void on_done(void *ctx, const struct lnt_http_result *res)
{
	struct probe *p = ctx;
	struct lnt_locator *l = p->locator;
	char text[LNT_ADDRSTRLEN];

	p->req = NULL;
	if (res->status) {
		end_look(l, &p->at);
		return;
	}
	log_debug("%s port %u is not the API server: %s", lnt_addr_str(&p->at.addr, text),
		p->at.port, res->text);
	fill(l);
}

static void ask(struct lnt_locator *l, struct probe *p, const struct lnt_http_place *at)
{
	static const struct lnt_http_ops ops = {.done = on_done};
	struct lnt_err e = {};

	p->locator = l;
	p->at = *at;
	if (lnt_http_probe(l->http, at, l->stall_ms, &ops, p, &e, &p->req)) {
		p->req = NULL;
		log_debug("look for the API server: %s", e.msg);
	}
}

/* Asks the next ones. Once all have been asked to no avail, the look ends. */
static void fill(struct lnt_locator *l)
{
	bool asking = false;

	for (size_t i = 0; i < AT_ONCE; i++) {
		while (!l->probes[i].req && l->n_asked < l->n_peers)
			ask(l, &l->probes[i], &l->peers[l->n_asked++]);
		asking |= l->probes[i].req != NULL;
	}
	if (!asking)
		end_look(l, NULL);
}

static void look(struct lnt_locator *l)
{
	int r;

	l->wanted = false;
	l->looking = true;
	l->n_peers = l->n_asked = 0;
	r = lnt_locator_peers(l->peers, &l->n_peers);
	if (r && !l->in_vain)
		log_warn("look for the API server among this node's connections: %s", strerror(-r));
	fill(l);
}

void lnt_locator_look(struct lnt_locator *l)
{
	if (l->closing || l->looking)
		return;
	l->wanted = true;
	if (!uv_is_active((uv_handle_t *)&l->timer))
		uv_timer_start(&l->timer, on_timer, 0, 0);
}

/* --- life ------------------------------------------------------------------------------------- */

struct lnt_locator *lnt_locator_new(uv_loop_t *loop, struct lnt_http *http, unsigned stall_ms,
	const struct lnt_locator_events *events)
{
	struct lnt_locator *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->http = http;
	l->stall_ms = stall_ms ?: STALL_MS;
	l->events = *events;
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	return l;
}

static void on_closed(uv_handle_t *timer)
{
	struct lnt_locator *l = timer->data;
	struct lnt_locator_events events = l->events;

	free(l);
	events.closed(events.ctx);
}

void lnt_locator_close(struct lnt_locator *l)
{
	if (l->closing)
		return;
	l->closing = true;
	for (size_t i = 0; i < AT_ONCE; i++)
		if (l->probes[i].req)
			lnt_http_cancel(TAKE_PTR(l->probes[i].req));
	uv_close((uv_handle_t *)&l->timer, on_closed);
}
