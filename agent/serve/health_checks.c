/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets and answers of health_checks.h. */
#include "agent/serve/health_checks.h"
#include "lib/cleanup.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

/* One socket of a check. */
struct spot {
	struct check *check;
	struct in6_addr addr;
	struct lnt_listener *listener;
	int err;
	bool keep;
};

struct check {
	struct lnt_health_checks *owner;
	struct lnt_service_health is; /* ns, name: a reference each */
	struct spot **spots;	      /* owned, as are they */
	size_t n_spots;
	char *trouble; /* owned; what was said, NULL: nothing */
};

struct lnt_health_checks {
	struct lnt_server *server;
	struct lnt_health_ops ops;
	struct check **checks; /* owned; sorted by port, namespace and name */
	size_t n;
	uint64_t ok, unavailable;
};

/* --- answers ---------------------------------------------------------------------------------- */

void lnt_health_answer(
	const struct lnt_service_health *c, bool healthy, struct lnt_answer *ret_answer)
{
	cJSON *json = cJSON_CreateObject(), *service = cJSON_AddObjectToObject(json, "service");
	struct lnt_answer a = {
		.status = c->local && healthy ? 200 : 503,
		.type = "application/json",
		.header.name = "X-Load-Balancing-Endpoint-Weight",
	};

	snprintf(a.header.value, sizeof(a.header.value), "%u", c->local);
	cJSON_AddStringToObject(service, "namespace", c->ns);
	cJSON_AddStringToObject(service, "name", c->name);
	cJSON_AddNumberToObject(json, "localEndpoints", c->local);
	cJSON_AddBoolToObject(json, "serviceProxyHealthy", healthy);
	a.body = cJSON_PrintUnformatted(json);
	a.len = a.body ? strlen(a.body) : 0;
	cJSON_Delete(json);
	*ret_answer = a;
}

static void on_answer(void *ctx, const struct lnt_request *req, struct lnt_answer *ret_answer)
{
	struct spot *s = ctx;
	struct lnt_health_checks *h = s->check->owner;

	lnt_health_answer(&s->check->is, h->ops.healthy(h->ops.ctx), ret_answer);
	if (ret_answer->status == 200)
		h->ok++;
	else
		h->unavailable++;
}

/* --- trouble ---------------------------------------------------------------------------------- */

static void say(struct check *c, bool gone)
{
	const struct lnt_notice n = {
		.kind = LNT_KIND_SERVICE,
		.ns = c->is.ns,
		.name = c->is.name,
		.reason = LNT_NOTICE_HEALTH_CHECK,
		.text = c->trouble,
	};

	if (c->trouble)
		c->owner->ops.say(c->owner->ops.ctx, &n, gone);
}

/* Says what has changed of what is wrong with @c's sockets: the first is enough. */
static void review(struct check *c)
{
	_cleanup_free_ char *text = NULL;
	char addr[LNT_ADDRSTRLEN];

	for (size_t i = 0; !text && i < c->n_spots; i++)
		if (c->spots[i]->err &&
			asprintf(&text, "healthCheckNodePort %u cannot be opened at %s: %s",
				c->is.port, lnt_addr_str(&c->spots[i]->addr, addr),
				strerror(-c->spots[i]->err)) < 0)
			text = NULL;
	if (text && c->trouble && !strcmp(text, c->trouble))
		return;
	say(c, true);
	free(c->trouble);
	c->trouble = TAKE_PTR(text);
	say(c, false);
}

static void on_state(void *ctx, int err)
{
	struct spot *s = ctx;
	bool settled = s->listener;

	s->err = err;
	/* Else it is being opened, and the check is looked at when all are. */
	if (settled)
		review(s->check);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static const struct lnt_listener_ops spot_ops = {.answer = on_answer, .state = on_state};

static void spot_free(struct spot *s)
{
	if (s->listener)
		lnt_listener_close(s->listener);
	free(s);
}

static int add_spot(struct check *c, const struct in6_addr *addr)
{
	struct spot **spots = reallocarray(c->spots, c->n_spots + 1, sizeof(struct spot *));
	struct spot *s = calloc(1, sizeof(*s));

	if (spots)
		c->spots = spots;
	if (!spots || !s) {
		free(s);
		return -ENOMEM;
	}
	s->check = c;
	s->addr = *addr;
	s->keep = true;
	s->listener = lnt_server_listen(c->owner->server, addr, c->is.port, &spot_ops, s);
	if (!s->listener) {
		free(s);
		return -ENOMEM;
	}
	c->spots[c->n_spots++] = s;
	return 0;
}

static struct spot *find_spot(const struct check *c, const struct in6_addr *addr)
{
	for (size_t i = 0; i < c->n_spots; i++)
		if (IN6_ARE_ADDR_EQUAL(&c->spots[i]->addr, addr))
			return c->spots[i];
	return NULL;
}

static int place(struct check *c, const struct lnt_nodeport_addr *addrs, size_t n_addrs)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < c->n_spots; i++)
		c->spots[i]->keep = false;
	for (size_t i = 0; i < n_addrs; i++) {
		struct spot *s = find_spot(c, &addrs[i].addr);

		if (s)
			s->keep = true;
		else if (add_spot(c, &addrs[i].addr))
			r = -ENOMEM;
	}
	for (size_t i = 0; i < c->n_spots; i++) {
		if (c->spots[i]->keep)
			c->spots[n++] = c->spots[i];
		else
			spot_free(c->spots[i]);
	}
	c->n_spots = n;
	review(c);
	return r;
}

/* --- checks ----------------------------------------------------------------------------------- */

static void check_free(struct check *c)
{
	for (size_t i = 0; i < c->n_spots; i++)
		spot_free(c->spots[i]);
	lnt_unintern(c->is.ns);
	lnt_unintern(c->is.name);
	free(c->spots);
	free(c->trouble);
	free(c);
}

static struct check *check_new(struct lnt_health_checks *h, const struct lnt_service_health *is)
{
	struct check *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->owner = h;
	c->is = *is;
	c->is.ns = lnt_intern(is->ns);
	c->is.name = lnt_intern(is->name);
	if (c->is.ns && c->is.name)
		return c;
	lnt_unintern(c->is.ns);
	lnt_unintern(c->is.name);
	free(c);
	return NULL;
}

/* The list's order. */
static int compare(const struct lnt_service_health *a, const struct lnt_service_health *b)
{
	int r = (a->port > b->port) - (a->port < b->port);

	if (!r)
		r = strcmp(a->ns, b->ns);
	return r ? r : strcmp(a->name, b->name);
}

/* Closes what is no longer asked for, so that its port is free for another. */
static void drop_others(
	struct lnt_health_checks *h, const struct lnt_service_health *list, size_t n)
{
	size_t kept = 0, k = 0;

	for (size_t i = 0; i < h->n; i++) {
		struct check *c = h->checks[i];

		while (k < n && compare(&list[k], &c->is) < 0)
			k++;
		if (k < n && !compare(&list[k], &c->is)) {
			h->checks[kept++] = c;
		} else {
			say(c, true);
			check_free(c);
		}
	}
	h->n = kept;
}

int lnt_health_checks_set(struct lnt_health_checks *h, const struct lnt_service_health *list,
	size_t n, const struct lnt_nodeport_addr *addrs, size_t n_addrs)
{
	struct check **checks = calloc(n + 1, sizeof(struct check *));
	size_t done = 0, k = 0;
	int r = 0;

	if (!checks)
		return -ENOMEM;
	drop_others(h, list, n);
	for (size_t i = 0; i < n; i++) {
		bool old = k < h->n && !compare(&h->checks[k]->is, &list[i]);
		struct check *c = old ? h->checks[k++] : check_new(h, &list[i]);

		if (!c) {
			r = -ENOMEM;
			continue;
		}
		c->is.local = list[i].local;
		if (place(c, addrs, n_addrs))
			r = -ENOMEM;
		checks[done++] = c;
	}
	free(h->checks);
	h->checks = checks;
	h->n = done;
	return r;
}

/* --- life ------------------------------------------------------------------------------------- */

struct lnt_health_checks *lnt_health_checks_new(
	struct lnt_server *server, const struct lnt_health_ops *ops)
{
	struct lnt_health_checks *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->server = server;
	h->ops = *ops;
	return h;
}

void lnt_health_checks_free(struct lnt_health_checks *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++)
		check_free(h->checks[i]);
	free(h->checks);
	free(h);
}

struct lnt_health_stats lnt_health_checks_stats(const struct lnt_health_checks *h)
{
	struct lnt_health_stats s = {.served = h->n, .ok = h->ok, .unavailable = h->unavailable};

	for (size_t i = 0; i < h->n; i++)
		s.failing += h->checks[i]->trouble != NULL;
	return s;
}
