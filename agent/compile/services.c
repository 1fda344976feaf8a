/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All services: who has which address and port, and what that changes (compile.h). A unit is a
 * service by name, whether it is there or not, or an endpoint with port mappings; a claim is a key
 * with all the frontends that want it, the one that has it first.
 */
#include "agent/compile/index.h"
#include "agent/compile/services_unit.h"
#include "agent/compile/view.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* Out of memory: hh.tbl of what was to be added is NULL. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct lnt_service_unit {
	const char *ns;	  /* interned, a reference each; with name the key. Endpoints: container */
	const char *name; /* and interface */
	/* The pod of an endpoint, or "" and the container. Interned; NULL: a service. */
	const char *pod_ns, *pod_name;
	struct lnt_service_result r;
	char *conflict;	   /* owned; what was said about a claim it has not, NULL: nothing */
	bool touched;	   /* endpoints: is there still */
	bool flaps;	   /* has been said to */
	unsigned compiled; /* how often since the last rest */
	struct lnt_service_unit *next; /* of those that are touched */
	UT_hash_handle hh;
};

struct lnt_service_claim {
	struct lnt_service_key key;
	struct lnt_frontend *first; /* NULL: nobody wants it any more */
	bool changed;
	bool contested; /* has had rivals since the last update */
	UT_hash_handle hh;
};

#define UNIT_KEY_LEN (2 * sizeof(const char *))

struct lnt_services {
	void (*say)(void *ctx, const struct lnt_notice *n, bool gone);
	void *ctx;
	uint64_t health_version;
	struct lnt_service_unit *units;
	struct lnt_service_unit *endpoints; /* those with port mappings */
	struct lnt_service_unit *touched;
	struct lnt_service_claim *claims;
	struct lnt_service_claim **changed; /* since the last settling */
	size_t n_changed, cap_changed;
	bool whole; /* nothing was settled yet */
	bool all;   /* everything is touched */

	/* Of the last update. */
	const struct lnt_store *st;
	const char *node, *zone; /* interned, a reference each */
	struct lnt_nodeport_addr *addrs;
	size_t n_addrs;
	bool dsr;
};

struct lnt_services *lnt_services_new(
	void (*say)(void *ctx, const struct lnt_notice *n, bool gone), void *ctx)
{
	struct lnt_services *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->say = say;
	t->ctx = ctx;
	t->whole = t->all = true;
	return t;
}

static void unit_free(struct lnt_service_unit **units, struct lnt_service_unit *u)
{
	HASH_DEL(*units, u);
	lnt_service_result_clear(&u->r);
	lnt_unintern(u->ns);
	lnt_unintern(u->name);
	lnt_unintern(u->pod_ns);
	lnt_unintern(u->pod_name);
	free(u->conflict);
	free(u);
}

void lnt_services_free(struct lnt_services *t)
{
	struct lnt_service_claim *c, *next_claim;
	struct lnt_service_unit *u, *next_unit;

	if (!t)
		return;
	HASH_ITER (hh, t->claims, c, next_claim) {
		HASH_DEL(t->claims, c);
		free(c);
	}
	HASH_ITER (hh, t->units, u, next_unit)
		unit_free(&t->units, u);
	HASH_ITER (hh, t->endpoints, u, next_unit)
		unit_free(&t->endpoints, u);
	lnt_unintern(t->node);
	lnt_unintern(t->zone);
	free(t->changed);
	free(t->addrs);
	free(t);
}

/* --- what is touched -------------------------------------------------------------------------- */

static struct lnt_service_unit *unit_new(
	struct lnt_service_unit **units, const char *ns, const char *name)
{
	struct lnt_service_unit *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->ns = lnt_intern(ns);
	u->name = lnt_intern(name);
	if (u->ns && u->name)
		HASH_ADD_KEYPTR(hh, *units, &u->ns, UNIT_KEY_LEN, u);
	if (u->hh.tbl)
		return u;
	lnt_unintern(u->ns);
	lnt_unintern(u->name);
	free(u);
	return NULL;
}

static void touch(struct lnt_services *t, struct lnt_service_unit *u)
{
	if (u->touched)
		return;
	u->touched = true;
	u->next = t->touched;
	t->touched = u;
}

static int touch_name(struct lnt_services *t, const char *ns, const char *name)
{
	const struct lnt_service_unit like = {.ns = ns, .name = name};
	struct lnt_service_unit *u;

	HASH_FIND(hh, t->units, &like.ns, UNIT_KEY_LEN, u);
	if (!u)
		u = unit_new(&t->units, ns, name);
	if (!u)
		return -ENOMEM;
	touch(t, u);
	return 0;
}

void lnt_services_touch(struct lnt_services *t, const char *ns, const char *name)
{
	if (*name && !t->all && touch_name(t, ns, name))
		t->all = true;
}

static int touch_object(void *ctx, const struct lnt_meta *obj)
{
	return touch_name(ctx, obj->ns, obj->name);
}

static int touch_all(struct lnt_services *t)
{
	struct lnt_service_unit *u, *next;

	HASH_ITER (hh, t->units, u, next)
		touch(t, u);
	if (lnt_store_each(t->st, LNT_KIND_SERVICE, touch_object, t))
		return -ENOMEM;
	t->all = false;
	return 0;
}

/* --- claims ----------------------------------------------------------------------------------- */

static int mark_changed(struct lnt_services *t, struct lnt_service_claim *c)
{
	if (c->changed)
		return 0;
	if (LNT_GROW(t->changed, t->cap_changed, t->n_changed + 1))
		return -ENOMEM;
	c->changed = true;
	t->changed[t->n_changed++] = c;
	return 0;
}

/* The claim of a frontend's key, made if there is none, and marked. */
static int find_claim(struct lnt_services *t, struct lnt_frontend *f)
{
	struct lnt_service_claim *c;

	HASH_FIND(hh, t->claims, &f->key, sizeof(f->key), c);
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return -ENOMEM;
		c->key = f->key;
		HASH_ADD(hh, t->claims, key, sizeof(c->key), c);
		if (!c->hh.tbl) {
			free(c);
			return -ENOMEM;
		}
	}
	f->claim = c;
	return mark_changed(t, c);
}

/* Whether @a has the key rather than @b. */
static bool goes_before(const struct lnt_frontend *a, const struct lnt_frontend *b)
{
	const struct lnt_service_unit *x = a->unit, *y = b->unit;
	int r;

	if (!a->rank != !b->rank)
		return !a->rank;
	if (!x->pod_name != !y->pod_name)
		return !x->pod_name;
	if (x->pod_name && a->rank != b->rank)
		return a->rank < b->rank;
	if (x->r.created != y->r.created)
		return x->r.created < y->r.created;
	r = strcmp(x->ns, y->ns);
	return r ? r < 0 : strcmp(x->name, y->name) < 0;
}

static void claim(struct lnt_frontend *f)
{
	struct lnt_frontend **at = &f->claim->first;

	while (*at && goes_before(*at, f))
		at = &(*at)->next;
	f->next = *at;
	*at = f;
	f->claim->contested |= f->claim->first->next != NULL;
}

static void unclaim(struct lnt_frontend *f)
{
	struct lnt_frontend **at = &f->claim->first;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
}

/* --- units ------------------------------------------------------------------------------------ */

static bool has_text(char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], text))
			return true;
	return false;
}

static struct lnt_notice notice(
	const struct lnt_service_unit *u, enum lnt_notice_reason reason, const char *text)
{
	return (struct lnt_notice){
		.kind = u->pod_name ? LNT_KIND_POD : LNT_KIND_SERVICE,
		.ns = u->pod_name ? u->pod_ns : u->ns,
		.name = u->pod_name ? u->pod_name : u->name,
		.reason = reason,
		.text = text,
	};
}

struct lnt_notice lnt_frontend_notice(
	const struct lnt_frontend *f, enum lnt_notice_reason reason, const char *text)
{
	return notice(f->unit, reason, text);
}

static void say(const struct lnt_services *t, const struct lnt_service_unit *u,
	enum lnt_notice_reason reason, const char *text, bool gone)
{
	const struct lnt_notice n = notice(u, reason, text);

	if (t->say)
		t->say(t->ctx, &n, gone);
}

/* What @from has and @to has not. */
static void say_difference(const struct lnt_services *t, const struct lnt_service_unit *u,
	const struct lnt_service_result *from, const struct lnt_service_result *to, bool gone)
{
	for (size_t i = 0; i < from->n_notices; i++)
		if (!has_text(to->notices, to->n_notices, from->notices[i]))
			say(t, u, LNT_NOTICE_PARTLY_SERVED, from->notices[i], gone);
}

static void say_odd(const struct lnt_services *t, const struct lnt_service_unit *u,
	const struct lnt_service_result *to)
{
	for (size_t i = 0; i < sizeof(to->odd) / sizeof(*to->odd); i++) {
		const char *was = u->r.odd[i], *is = to->odd[i];
		bool same = was && is && !strcmp(was, is);

		if (was && !same)
			say(t, u, LNT_NOTICE_ODD_ENDPOINTS, was, true);
		if (is && !same)
			say(t, u, LNT_NOTICE_ODD_ENDPOINTS, is, false);
	}
}

#define FLAP_TEXT "it changes all the time: more than 50 times in 10 s"

static void flap(const struct lnt_services *t, struct lnt_service_unit *u, bool flaps)
{
	if (flaps != u->flaps)
		say(t, u, LNT_NOTICE_ODD_ENDPOINTS, FLAP_TEXT, !flaps);
	u->flaps = flaps;
}

void lnt_services_rest(struct lnt_services *t)
{
	struct lnt_service_unit *u, *next;

	HASH_ITER (hh, t->units, u, next) {
		flap(t, u, u->compiled > 50);
		u->compiled = 0;
	}
}

/* A set goes on under its number as long as the service has the port. */
static void keep_numbers(const struct lnt_service_result *from, struct lnt_service_result *to)
{
	for (size_t i = 0; i < to->n_sets; i++) {
		struct lnt_backend_set *set = &to->sets[i];

		for (size_t k = 0; k < from->n_sets && !set->number; k++) {
			/* Mostly the same ports in the same order. */
			struct lnt_backend_set *old = &from->sets[(i + k) % from->n_sets];

			if (old->port == set->port && old->proto == set->proto &&
				old->is6 == set->is6 && old->local == set->local &&
				old->carried == set->carried) {
				set->number = old->number;
				old->number = 0;
				break;
			}
		}
	}
}

/* Everything that can fail comes first, so that a unit is changed as a whole or not at all. */
static int unit_replace(
	struct lnt_services *t, struct lnt_service_unit *u, struct lnt_service_result *r)
{
	for (size_t i = 0; i < r->n_frontends; i++) {
		r->frontends[i].unit = u;
		if (find_claim(t, &r->frontends[i]))
			return -ENOMEM;
	}
	for (size_t i = 0; i < u->r.n_frontends; i++)
		if (mark_changed(t, u->r.frontends[i].claim))
			return -ENOMEM;
	for (size_t i = 0; i < u->r.n_frontends; i++)
		unclaim(&u->r.frontends[i]);
	say_odd(t, u, r);
	say_difference(t, u, &u->r, r, true);
	say_difference(t, u, r, &u->r, false);
	if (u->r.health_port || r->health_port)
		t->health_version++;
	keep_numbers(&u->r, r);
	lnt_service_result_clear(&u->r);
	u->r = *r;
	*r = (struct lnt_service_result){};
	for (size_t i = 0; i < u->r.n_frontends; i++)
		claim(&u->r.frontends[i]);
	return 0;
}

static int unit_compile(struct lnt_services *t, struct lnt_service_unit *u)
{
	const struct lnt_service_place place = {
		.st = t->st,
		.node = t->node,
		.zone = t->zone,
		.addrs = t->addrs,
		.n_addrs = t->n_addrs,
		.dsr = t->dsr,
	};
	_cleanup_(lnt_service_result_clear) struct lnt_service_result r = {};
	const struct lnt_service *svc =
		(const struct lnt_service *)lnt_store_get(t->st, LNT_KIND_SERVICE, u->ns, u->name);

	u->compiled++;
	if (svc && lnt_service_compile(&place, svc, &r))
		return -ENOMEM;
	return unit_replace(t, u, &r);
}

/* A claim of @u that another has. Wildcards refuse, whoever has them. */
static const struct lnt_frontend *lost(const struct lnt_service_unit *u)
{
	for (size_t i = 0; i < u->r.n_frontends; i++)
		if (u->r.frontends[i].set && u->r.frontends[i].key.kind == LNT_FRONTEND_ASKED &&
			u->r.frontends[i].claim->first != &u->r.frontends[i])
			return &u->r.frontends[i];
	return NULL;
}

/* Its name for people, "Service ns/name"; the caller frees it. NULL: no memory. */
static char *unit_text(const struct lnt_service_unit *u)
{
	char *text;
	int n;

	if (!u->pod_name)
		n = asprintf(&text, "Service %s/%s", u->ns, u->name);
	else if (*u->pod_ns)
		n = asprintf(&text, "Pod %s/%s", u->pod_ns, u->pod_name);
	else
		n = asprintf(&text, "container %s", u->pod_name);
	return n < 0 ? NULL : text;
}

static char *conflict_text(const struct lnt_frontend *f)
{
	_cleanup_free_ char *whose = unit_text(f->claim->first->unit);
	char addr[LNT_ADDRSTRLEN], *text;

	if (!whose ||
		asprintf(&text, "%s port %u belongs to %s already; not served",
			lnt_addr_str(&f->key.addr, addr), ntohs(f->key.port), whose) < 0)
		return NULL;
	return text;
}

/* Says once that a service has not got all it claims, and once that it has again. */
static int unit_check(struct lnt_services *t, struct lnt_service_unit *u)
{
	const struct lnt_frontend *f = lost(u);
	_cleanup_free_ char *text = f ? conflict_text(f) : NULL;

	if (f && !text)
		return -ENOMEM;
	if (text && u->conflict && !strcmp(text, u->conflict))
		return 0;
	if (u->conflict)
		say(t, u, LNT_NOTICE_ADDRESS_CONFLICT, u->conflict, true);
	if (text)
		say(t, u, LNT_NOTICE_ADDRESS_CONFLICT, text, false);
	free(u->conflict);
	u->conflict = TAKE_PTR(text);
	return 0;
}

static int check_conflicts(struct lnt_services *t)
{
	for (size_t i = 0; i < t->n_changed; i++) {
		struct lnt_service_claim *c = t->changed[i];

		if (!c->contested)
			continue;
		for (struct lnt_frontend *f = c->first; f; f = f->next)
			if (unit_check(t, f->unit))
				return -ENOMEM;
		c->contested = c->first && c->first->next;
	}
	return 0;
}

/* --- endpoints -------------------------------------------------------------------------------- */

static bool same_set(const struct lnt_backend_set *a, const struct lnt_backend_set *b)
{
	return a->n == b->n && !memcmp(a->backends, b->backends, a->n * sizeof(*a->backends));
}

static bool same_result(const struct lnt_service_result *a, const struct lnt_service_result *b)
{
	if (a->n_frontends != b->n_frontends || a->n_notices != b->n_notices ||
		a->created != b->created)
		return false;
	for (size_t i = 0; i < a->n_frontends; i++) {
		const struct lnt_frontend *x = &a->frontends[i], *y = &b->frontends[i];

		if (memcmp(&x->key, &y->key, sizeof(x->key)) != 0 || x->flags != y->flags ||
			x->rank != y->rank || !same_set(x->set, y->set))
			return false;
	}
	for (size_t i = 0; i < a->n_notices; i++)
		if (strcmp(a->notices[i], b->notices[i]) != 0)
			return false;
	return true;
}

static struct lnt_service_unit *find_endpoint(
	const struct lnt_services *t, const struct lnt_endpoint *ep)
{
	const char *id = lnt_intern(ep->container_id), *ifname = lnt_intern(ep->ifname);
	const struct lnt_service_unit like = {.ns = id, .name = ifname};
	struct lnt_service_unit *u = NULL;

	if (id && ifname)
		HASH_FIND(hh, t->endpoints, &like.ns, UNIT_KEY_LEN, u);
	lnt_unintern(id);
	lnt_unintern(ifname);
	return u;
}

static struct lnt_service_unit *add_endpoint(struct lnt_services *t, const struct lnt_endpoint *ep)
{
	struct lnt_service_unit *u = unit_new(&t->endpoints, ep->container_id, ep->ifname);

	if (!u)
		return NULL;
	u->pod_ns = lnt_intern(ep->pod_ns);
	u->pod_name = lnt_intern(*ep->pod_name ? ep->pod_name : ep->container_id);
	if (u->pod_ns && u->pod_name)
		return u;
	unit_free(&t->endpoints, u);
	return NULL;
}

static int endpoint_compile(struct lnt_services *t, const struct lnt_service_params *params,
	const struct lnt_endpoint *ep)
{
	_cleanup_(lnt_service_result_clear) struct lnt_service_result r = {};
	struct lnt_service_unit *u;

	if (!ep->n_portmaps)
		return 0;
	u = find_endpoint(t, ep);
	if (!u)
		u = add_endpoint(t, ep);
	if (!u || lnt_hostports_compile(params, ep, &r))
		return -ENOMEM;
	u->touched = true;
	return same_result(&u->r, &r) ? 0 : unit_replace(t, u, &r);
}

static int update_endpoints(struct lnt_services *t, const struct lnt_service_params *params)
{
	struct lnt_service_unit *u;
	int r = 0;

	for (u = t->endpoints; u; u = u->hh.next)
		u->touched = false;
	for (size_t i = 0; !r && i < params->n_eps; i++)
		r = endpoint_compile(t, params, &params->eps[i]);
	for (u = t->endpoints; !r && u; u = u->hh.next) {
		struct lnt_service_result none = {};

		if (!u->touched)
			r = unit_replace(t, u, &none);
	}
	return r;
}

/* Those that are gone, once what they had is somebody else's. */
static int settle_endpoints(struct lnt_services *t)
{
	struct lnt_service_unit *u, *next;

	HASH_ITER (hh, t->endpoints, u, next) {
		if (u->conflict && unit_check(t, u))
			return -ENOMEM;
		if (!u->touched)
			unit_free(&t->endpoints, u);
	}
	return 0;
}

int lnt_services_host_ports(const struct lnt_services *t, const struct lnt_endpoint *ep,
	const struct lnt_frontend ***ret_list, size_t *ret_n)
{
	const struct lnt_service_unit *u = find_endpoint(t, ep);
	const struct lnt_frontend **list;
	size_t n = 0;

	if (!u)
		return -ENOENT;
	list = calloc(u->r.n_frontends + 1, sizeof(const struct lnt_frontend *));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < u->r.n_frontends; i++)
		if (u->r.frontends[i].claim->first == &u->r.frontends[i])
			list[n++] = &u->r.frontends[i];
	*ret_list = list;
	*ret_n = n;
	return 0;
}

/* --- the update ------------------------------------------------------------------------------- */

static int replace_text(const char **ref, const char *text, bool *ret_changed)
{
	const char *now = lnt_intern(text);

	if (!now)
		return -ENOMEM;
	*ret_changed |= now != *ref;
	lnt_unintern(*ref);
	*ref = now;
	return 0;
}

static bool is_listed(const struct lnt_node *node, const struct in6_addr *addr)
{
	for (size_t i = 0; node && i < node->n_addrs; i++)
		if (IN6_ARE_ADDR_EQUAL(&node->addrs[i], addr))
			return true;
	return false;
}

static int replace_addrs(struct lnt_services *t, const struct lnt_service_params *params,
	const struct lnt_node *node, bool *ret_changed)
{
	_cleanup_free_ struct lnt_nodeport_addr *addrs =
		calloc(params->n_addrs + 1, sizeof(*addrs));
	bool same = t->n_addrs == params->n_addrs;

	if (!addrs)
		return -ENOMEM;
	for (size_t i = 0; i < params->n_addrs; i++) {
		addrs[i] = params->addrs[i];
		addrs[i].listed = is_listed(node, &addrs[i].addr);
		same = same && t->addrs[i].host_only == addrs[i].host_only &&
			t->addrs[i].listed == addrs[i].listed &&
			IN6_ARE_ADDR_EQUAL(&t->addrs[i].addr, &addrs[i].addr);
	}
	if (same)
		return 0;
	free(t->addrs);
	t->addrs = TAKE_PTR(addrs);
	t->n_addrs = params->n_addrs;
	*ret_changed = true;
	return 0;
}

/* Where we look from, which touches everything when it changed. */
static int look_around(
	struct lnt_services *t, const struct lnt_store *st, const struct lnt_service_params *params)
{
	const struct lnt_node *node =
		(const struct lnt_node *)lnt_store_get(st, LNT_KIND_NODE, "", params->node_name);
	bool changed = t->st != st || t->dsr != params->dsr;

	t->st = st;
	t->dsr = params->dsr;
	if (replace_text(&t->node, params->node_name, &changed) ||
		replace_text(&t->zone, node && node->zone ? node->zone : "", &changed) ||
		replace_addrs(t, params, node, &changed)) {
		t->all = true;
		return -ENOMEM;
	}
	t->all |= changed;
	return t->all ? touch_all(t) : 0;
}

int lnt_services_update(struct lnt_services *t, const struct lnt_store *st,
	const struct lnt_service_params *params, struct lnt_err *e)
{
	struct lnt_service_unit *done = NULL, *u;
	int r = look_around(t, st, params);

	while (!r && (u = t->touched)) {
		r = unit_compile(t, u);
		if (r)
			break;
		t->touched = u->next;
		u->touched = false;
		u->next = done;
		done = u;
	}
	if (!r)
		r = update_endpoints(t, params);
	if (!r)
		r = check_conflicts(t);
	if (!r)
		r = settle_endpoints(t);
	while ((u = done)) {
		done = u->next;
		if (u->conflict && unit_check(t, u))
			r = -ENOMEM;
		if (lnt_store_get(st, LNT_KIND_SERVICE, u->ns, u->name))
			continue;
		flap(t, u, false);
		unit_free(&t->units, u);
	}
	return r ? lnt_err_sys(e, r, "compile services") : 0;
}

/* --- what came of it -------------------------------------------------------------------------- */

int lnt_services_changes(const struct lnt_services *t, struct lnt_service_change **ret_changes,
	size_t *ret_n, bool *ret_whole)
{
	size_t n = t->whole ? HASH_COUNT(t->claims) : t->n_changed, i = 0;
	struct lnt_service_change *list = calloc(n + 1, sizeof(*list));
	const struct lnt_service_claim *c;

	if (!list)
		return -ENOMEM;
	if (t->whole) {
		for (c = t->claims; c; c = c->hh.next, i++)
			list[i] = (struct lnt_service_change){c->key, c->first};
	} else {
		for (; i < n; i++)
			list[i] = (struct lnt_service_change){
				t->changed[i]->key, t->changed[i]->first};
	}
	*ret_changes = list;
	*ret_n = n;
	*ret_whole = t->whole;
	return 0;
}

void lnt_services_settle(struct lnt_services *t)
{
	for (size_t i = 0; i < t->n_changed; i++) {
		struct lnt_service_claim *c = t->changed[i];

		c->changed = false;
		if (c->first)
			continue;
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): c is in the table */
		HASH_DEL(t->claims, c);
		free(c);
	}
	t->n_changed = 0;
	LNT_SHRINK(t->changed, t->n_changed);
	t->cap_changed = 0;
	t->whole = false;
}

const struct lnt_frontend *lnt_services_find(
	const struct lnt_services *t, const struct lnt_service_key *key)
{
	struct lnt_service_claim *c;

	HASH_FIND(hh, t->claims, key, sizeof(*key), c);
	return c ? c->first : NULL;
}

const char *lnt_frontend_ns(const struct lnt_frontend *f)
{
	return f->unit->ns;
}

const char *lnt_frontend_name(const struct lnt_frontend *f)
{
	return f->unit->name;
}

int lnt_services_each(
	const struct lnt_services *t, int (*fn)(void *ctx, const struct lnt_frontend *f), void *ctx)
{
	const struct lnt_service_claim *c;
	int r = 0;

	for (c = t->claims; c && !r; c = c->hh.next)
		if (c->first)
			r = fn(ctx, c->first);
	return r;
}

static int health_cmp(const void *a, const void *b)
{
	const struct lnt_service_health *x = a, *y = b;
	int r = (x->port > y->port) - (x->port < y->port);

	if (!r)
		r = strcmp(x->ns, y->ns);
	return r ? r : strcmp(x->name, y->name);
}

uint64_t lnt_services_health_version(const struct lnt_services *t)
{
	return t->health_version;
}

int lnt_services_health(
	const struct lnt_services *t, struct lnt_service_health **ret_list, size_t *ret_n)
{
	_cleanup_free_ struct lnt_service_health *list = NULL;
	const struct lnt_service_unit *u;
	size_t n = 0, cap = 0;

	for (u = t->units; u; u = u->hh.next) {
		if (!u->r.health_port)
			continue;
		if (LNT_GROW(list, cap, n + 1))
			return -ENOMEM;
		list[n++] = (struct lnt_service_health){
			u->r.health_port, u->ns, u->name, u->r.health_local};
	}
	if (n)
		qsort(list, n, sizeof(*list), health_cmp);
	*ret_list = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}
