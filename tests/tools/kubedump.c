/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API client by itself, for tests: follows a cluster and writes down what it knows.
 *
 *	kubedump [-s STALL_MS] [-d] KUBECONFIG DIR
 *
 * Standard output gets "+ pods default/a" and "- pods default/a" for each change, and "synced"
 *once. DIR/store is rewritten (by rename) after changes: a line of kind, namespace/name, uid and
 * resourceVersion for each object. DIR/state, ten times a second: a line of resource, synced,
 * streaming, events, relists, errors and the last error for each watch. SIGTERM closes everything,
 * checks that nothing is left open on the loop, and ends with 0.
 */
#include "agent/kube/kube.h"
#include "lib/cleanup.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>

#define LNT_LOG "kubedump"
#include "lib/log.h"

static const char *const kinds[LNT_KIND_MAX] = {"namespaces", "nodes", "pods", "services",
	"endpointslices", "networkpolicies", "clusternetworkpolicies"};

struct dump {
	uv_loop_t loop;
	uv_timer_t changed, tick;
	uv_signal_t term;
	struct lnt_store *store;
	struct lnt_kube *kube;
	const char *dir;
};

static int print_object(void *ctx, const struct lnt_meta *obj)
{
	fprintf(ctx, "%s %s%s%s %s %" PRIu64 "\n", kinds[obj->kind], obj->ns, *obj->ns ? "/" : "",
		obj->name, obj->uid, obj->version);
	return 0;
}

static void print_states(struct dump *d, FILE *f)
{
	struct lnt_kube_watch_state s;

	for (int k = 0; k < LNT_KIND_MAX; k++) {
		lnt_kube_watch_state(d->kube, k, &s);
		fprintf(f, "%s %d %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", s.resource,
			s.synced, s.streaming, s.events, s.relists, s.errors, s.last_error);
	}
}

static FILE *begin(const struct dump *d, char path[4096], const char *name)
{
	FILE *f;

	snprintf(path, 4096, "%s/%s.new", d->dir, name);
	f = fopen(path, "we");
	if (!f)
		log_error("open %s: %m", path);
	return f;
}

static void commit(FILE *f, char path[4096])
{
	char to[4096];

	fclose(f);
	strcpy(to, path);
	to[strlen(to) - strlen(".new")] = '\0';
	rename(path, to);
}

static void write_store(uv_timer_t *timer)
{
	struct dump *d = timer->data;
	char path[4096];
	FILE *f = begin(d, path, "store");

	for (int k = 0; f && k < LNT_KIND_MAX; k++)
		lnt_store_each(d->store, k, print_object, f);
	if (f)
		commit(f, path);
}

/* An update that changes nothing of the model makes no listener call, but brings its version. */
static void on_tick(uv_timer_t *timer)
{
	struct dump *d = timer->data;
	char path[4096];
	FILE *f = begin(d, path, "state");

	if (!f)
		return;
	print_states(d, f);
	commit(f, path);
	write_store(timer);
}

static void on_change(void *ctx, const struct lnt_meta *obj, bool removed)
{
	struct dump *d = ctx;

	printf("%c %s %s%s%s\n", removed ? '-' : '+', kinds[obj->kind], obj->ns,
		*obj->ns ? "/" : "", obj->name);
	if (!uv_is_active((uv_handle_t *)&d->changed))
		uv_timer_start(&d->changed, write_store, 5, 0);
}

static void on_synced(void *ctx)
{
	printf("synced\n");
}

static void on_term(uv_signal_t *handle, int signum)
{
	struct dump *d = handle->data;

	lnt_kube_close(d->kube);
	uv_close((uv_handle_t *)&d->changed, NULL);
	uv_close((uv_handle_t *)&d->tick, NULL);
	uv_close((uv_handle_t *)&d->term, NULL);
}

static int run(struct dump *d, const struct lnt_kube_config *cfg)
{
	struct lnt_kube_events events = {on_synced, d};
	struct lnt_err e = {};

	uv_loop_init(&d->loop);
	uv_timer_init(&d->loop, &d->changed);
	uv_timer_init(&d->loop, &d->tick);
	uv_signal_init(&d->loop, &d->term);
	d->changed.data = d->tick.data = d->term.data = d;
	d->store = lnt_store_new(on_change, d);
	d->kube = lnt_kube_new(&d->loop, cfg, d->store, &events, &e);
	if (!d->kube) {
		log_error("%s", e.msg);
		return 1;
	}
	uv_signal_start(&d->term, on_term, SIGTERM);
	uv_timer_start(&d->tick, on_tick, 0, 100);
	lnt_kube_start(d->kube);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	lnt_store_free(d->store);
	if (uv_loop_close(&d->loop) || lnt_intern_count()) {
		log_error("handles or strings are left: %zu strings", lnt_intern_count());
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(lnt_kube_config_clear) struct lnt_kube_config cfg = {};
	struct lnt_err e = {};
	struct dump d = {};
	unsigned stall_ms = 0;
	int opt;

	while ((opt = getopt(argc, argv, "ds:")) > 0) {
		if (opt == 'd')
			lnt_log_set_level(LNT_DEBUG);
		else if (opt == 's')
			stall_ms = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: kubedump [-d] [-s STALL_MS] KUBECONFIG DIR\n");
		return 2;
	}
	mallopt(M_ARENA_MAX, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (lnt_kube_config_load(argv[optind], &e, &cfg)) {
		log_error("%s", e.msg);
		return 1;
	}
	cfg.stall_ms = stall_ms;
	d.dir = argv[optind + 1];
	return run(&d, &cfg);
}
