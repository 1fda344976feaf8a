/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners of monitor.h. The programs do not wake anybody up for an event, so that a flood of
 * drops costs them little: the ring is looked at 20 times a second, for at most a part of the time.
 * What did not fit into it meanwhile is told from the programs' counters.
 */
#define LNT_LOG "monitor"
#include "agent/explain/monitor.h"
#include "agent/agent.h"
#include "agent/explain/event.h"
#include "agent/sync/fill.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <time.h>

#define LOOK_MS	  50
#define LOOK_MAX  10000000 /* ns that a look may take, then what does not fit is lost */
#define COUNT_FOR 10	   /* looks between two looks at the counters */

struct listener {
	struct listener *next;
	struct lnt_ctl_conn *conn;
	cJSON *req; /* owned; the filter's texts are its */
	struct lnt_event_filter filter;
	uint64_t lost; /* not told yet */
};

struct lnt_monitor {
	uv_timer_t timer;
	struct lnt_agent *agent;
	struct listener *listeners;
	struct ring_buffer *ring;  /* while somebody listens */
	struct lnt_directory *dir; /* NULL: to be made */
	struct lnt_event_view view;
	uint64_t until; /* of a look, uv_hrtime() */
	bool skip;	/* what is in the ring is nobody's */
	unsigned looks; /* since the counters were read */
	uint64_t lost;	/* that the programs have counted, at the last look at the counters */
};

/* --- events ----------------------------------------------------------------------------------- */

static void tell_lost(struct listener *l)
{
	_cleanup_json_ cJSON *json = NULL;

	if (!l->lost)
		return;
	json = cJSON_CreateObject();
	cJSON_AddNumberToObject(json, "lost", (double)l->lost);
	if (lnt_ctl_say(l->conn, json))
		l->lost = 0;
}

static void tell(struct lnt_monitor *m, const struct lnt_told *told)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ cJSON *json = NULL;

	for (struct listener *l = m->listeners; l; l = l->next) {
		if (!lnt_told_matches(told, &l->filter))
			continue;
		if (!text) {
			json = lnt_told_json(&m->view, told);
			text = cJSON_PrintUnformatted(json);
		}
		tell_lost(l);
		if (l->lost || !text || !lnt_ctl_say_text(l->conn, text))
			l->lost++;
	}
}

/* Ends the look when it has taken long enough. */
static int on_event(void *ctx, void *data, size_t size)
{
	struct lnt_monitor *m = ctx;
	const struct lnt_event *ev = data;
	struct lnt_told told;

	if (size < sizeof(*ev) || m->skip)
		return 0;
	lnt_event_look(&m->view, ev, &told);
	tell(m, &told);
	lnt_told_clear(&told);
	return uv_hrtime() < m->until ? 0 : -ECANCELED;
}

static int64_t programs_clock(void)
{
	struct timespec wall, mono;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return ((int64_t)wall.tv_sec - mono.tv_sec) * 1000000000 + wall.tv_nsec - mono.tv_nsec;
}

static bool make_view(struct lnt_monitor *m)
{
	struct lnt_agent *a = m->agent;

	if (!m->dir)
		m->dir = lnt_directory_new(a->store, a->registry.eps, a->registry.n);
	m->view = (struct lnt_event_view){
		.node_name = a->opt->node_name,
		.st = a->store,
		.dir = m->dir,
		.eps = a->registry.eps,
		.n_eps = a->registry.n,
		.services = a->services,
		.source = lnt_source_maps(lnt_sync_maps(a->sync)),
		.compiled = lnt_policies_state(a->policies),
		.clock = programs_clock(),
	};
	return m->dir;
}

/* What the programs have found no room for. */
static int count_lost(const struct lnt_monitor *m, uint64_t *ret_n)
{
	uint64_t counters[LNT_CNT_MAX];

	if (lnt_sync_counters(m->agent->sync, counters, LNT_CNT_MAX))
		return -EIO;
	*ret_n = counters[LNT_CNT_EVENTS_LOST];
	return 0;
}

static void find_lost(struct lnt_monitor *m)
{
	uint64_t before = m->lost;

	m->looks = 0;
	if (count_lost(m, &m->lost))
		return;
	for (struct listener *l = m->listeners; l; l = l->next)
		l->lost += m->lost - before;
}

static void look(uv_timer_t *timer)
{
	struct lnt_monitor *m = timer->data;

	if (!make_view(m))
		return;
	m->until = uv_hrtime() + LOOK_MAX;
	ring_buffer__consume(m->ring);
	if (++m->looks >= COUNT_FOR)
		find_lost(m);
	for (struct listener *l = m->listeners; l; l = l->next)
		tell_lost(l);
}

/* --- listening -------------------------------------------------------------------------------- */

/* What the programs are to tell, for all that listen. */
static int set_tell(struct lnt_monitor *m, struct lnt_err *e)
{
	uint32_t what = m->listeners ? LNT_TELL_DROPS : 0;

	for (struct listener *l = m->listeners; l; l = l->next)
		what |= l->filter.allows ? LNT_TELL_ALLOWS : 0;
	return lnt_sync_tell(m->agent->sync, what, e);
}

/* What was told before anybody listened is old. */
static int open_ring(struct lnt_monitor *m, struct lnt_err *e)
{
	int r = count_lost(m, &m->lost);

	if (r)
		return lnt_err_sys(e, r, "read the programs' counters");
	m->ring = ring_buffer__new(lnt_sync_maps(m->agent->sync)->events, on_event, m, NULL);
	if (!m->ring)
		return lnt_err_sys(e, -errno, "open the programs' events");
	m->skip = true;
	ring_buffer__consume(m->ring);
	m->skip = false;
	m->looks = 0;
	uv_timer_start(&m->timer, look, LOOK_MS, LOOK_MS);
	return 0;
}

static void close_ring(struct lnt_monitor *m)
{
	uv_timer_stop(&m->timer);
	ring_buffer__free(TAKE_PTR(m->ring));
	lnt_monitor_forget(m);
}

static void set_filter(struct listener *l, cJSON *req)
{
	cJSON_Delete(l->req);
	l->req = req;
	l->filter = (struct lnt_event_filter){
		.allows = cJSON_IsTrue(lnt_json_get(req, "allows")),
		.pod = lnt_json_str(req, "pod"),
		.policy = lnt_json_str(req, "policy"),
	};
}

static struct listener *find(struct lnt_monitor *m, const struct lnt_ctl_conn *conn)
{
	struct listener *l = m->listeners;

	while (l && l->conn != conn)
		l = l->next;
	return l;
}

void lnt_monitor_listen(struct lnt_monitor *m, struct lnt_ctl_conn *conn, const cJSON *req)
{
	cJSON *copy = cJSON_Duplicate(req, true);
	struct listener *l = find(m, conn);
	_cleanup_json_ cJSON *json = NULL;
	struct lnt_err e = {};

	if (!m->agent->sync) {
		cJSON_Delete(copy);
		lnt_ctl_refuse(conn, m->agent->why_not);
		return;
	}
	if (!l && (l = calloc(1, sizeof(*l)))) {
		l->conn = conn;
		l->next = m->listeners;
		m->listeners = l;
	}
	if (!l || !copy) {
		cJSON_Delete(copy);
		lnt_ctl_refuse(conn, "out of memory");
		return;
	}
	set_filter(l, copy);
	if ((!m->ring && open_ring(m, &e)) || set_tell(m, &e)) {
		lnt_ctl_refuse(conn, e.msg);
		lnt_monitor_leave(m, conn);
		return;
	}
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "listening", m->agent->opt->node_name);
	lnt_ctl_say(conn, json);
}

void lnt_monitor_leave(struct lnt_monitor *m, struct lnt_ctl_conn *conn)
{
	struct listener **p = &m->listeners, *l;
	struct lnt_err e = {};

	while (*p && (*p)->conn != conn)
		p = &(*p)->next;
	l = *p;
	if (!l)
		return;
	*p = l->next;
	cJSON_Delete(l->req);
	free(l);
	if (m->agent->sync && set_tell(m, &e))
		log_error("%s", e.msg);
	if (!m->listeners && m->ring)
		close_ring(m);
}

/* --- life ------------------------------------------------------------------------------------- */

void lnt_monitor_forget(struct lnt_monitor *m)
{
	lnt_directory_free(TAKE_PTR(m->dir));
}

struct lnt_monitor *lnt_monitor_new(struct lnt_agent *a)
{
	struct lnt_monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->agent = a;
	uv_timer_init(&a->loop, &m->timer);
	m->timer.data = m;
	return m;
}

static void closed(uv_handle_t *h)
{
	struct lnt_monitor *m = h->data;

	free(m);
}

void lnt_monitor_close(struct lnt_monitor *m)
{
	if (!m)
		return;
	while (m->listeners)
		lnt_monitor_leave(m, m->listeners->conn);
	uv_close((uv_handle_t *)&m->timer, closed);
}
