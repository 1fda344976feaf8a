/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The API server as linnet sees it: credentials, one HTTP client on the agent's libuv loop (libcurl
 * multi), and one reflector per resource that lists, watches, resumes and lists again, and keeps
 * the store true to it.
 */
#include "agent/model/notice.h"
#include "agent/model/store.h"
#include "lib/err.h"

#include <uv.h>

struct lnt_kube_config {
	char *server;		    /* "https://host:port" without trailing slash */
	char *ca_file;		    /* or NULL with ca_data */
	char *ca_data;		    /* PEM */
	char *token;		    /* bearer token, or NULL */
	char *token_file;	    /* read again when it changes (bound tokens rotate), or NULL */
	char *cert_file, *key_file; /* client certificate, or NULL */
	char *cert_data, *key_data; /* PEM */
	bool insecure;		    /* insecure-skip-tls-verify */
	bool locate;		    /* server is its Service: look where it is (locator.h) */
	/*
	 * A watch on which nothing arrives for this long is taken for dead; servers send a bookmark
	 * about every minute. 0: the default, 150,000.
	 */
	unsigned stall_ms;
};

/* Reads a kubeconfig (current context). Relative paths are relative to the file. */
int lnt_kube_config_load(const char *path, struct lnt_err *e, struct lnt_kube_config *ret_cfg);

/* Where an API server listens if nobody says otherwise. */
#define LNT_KUBE_PORT "6443"

/*
 * In-cluster: the service account's mount @sa_dir ("/var/run/secrets/kubernetes.io/serviceaccount"
 * when NULL), at the API server at @host (a name or an address, IPv6 with or without brackets) and
 * @port (NULL: LNT_KUBE_PORT). @host NULL: at KUBERNETES_SERVICE_HOST and @port, if given, or
 * KUBERNETES_SERVICE_PORT. That is the API server's Service, which only answers where somebody
 * serves it, so then the client looks for another way to it.
 */
int lnt_kube_config_in_cluster(const char *sa_dir, const char *host, const char *port,
	struct lnt_err *e, struct lnt_kube_config *ret_cfg);

void lnt_kube_config_clear(struct lnt_kube_config *cfg);

struct lnt_kube;

/* What the client wants known. Called on the loop. */
struct lnt_kube_events {
	/* Every kind has been listed once, or is absent: the store is complete. Called once. */
	void (*synced)(void *ctx);
	void *ctx;
};

/* A client and a reflector for each kind, feeding @store. @cfg is copied. Nothing is sent yet. */
struct lnt_kube *lnt_kube_new(uv_loop_t *loop, const struct lnt_kube_config *cfg,
	struct lnt_store *store, const struct lnt_kube_events *events, struct lnt_err *e);

/* Starts listing and watching, after a look for the server if nobody said where it is. */
void lnt_kube_start(struct lnt_kube *k);

/* Where requests go: "https://192.0.2.10:6443". Returns @buf; what does not fit is cut off. */
#define LNT_KUBE_SERVER_STRLEN 280
const char *lnt_kube_server(const struct lnt_kube *k, char buf[static LNT_KUBE_SERVER_STRLEN]);

/* State of one watch, for status. */
struct lnt_kube_watch_state {
	const char *resource; /* "pods" */
	bool synced;	      /* listed at least once, or absent */
	bool absent;	      /* the API server has no such resource: no CRD */
	bool streaming;	      /* a watch is open now */
	uint64_t age_ms;      /* since the last event, bookmark or list */
	uint64_t events, relists, errors;
	/* Since a watch was opened last; "" when none. Valid until the loop runs again. */
	const char *last_error;
};
void lnt_kube_watch_state(
	const struct lnt_kube *k, enum lnt_kind kind, struct lnt_kube_watch_state *ret_state);

/*
 * Tells the cluster about @what with an Event of the object, or that it is @gone. Best effort: in
 * its own time, not at all when there is too much to tell (reporter.h).
 */
struct lnt_report {
	struct lnt_notice notice;
	const char *uid;      /* of the object */
	const char *instance; /* who tells: this node's name */
	unsigned nodes;	      /* that will tell the same at the same time */
};
void lnt_kube_report(struct lnt_kube *k, const struct lnt_report *what, bool gone);

/* This node's network works: @node, as it was last told, is to say so (node_up.h). */
void lnt_kube_node_up(struct lnt_kube *k, const struct lnt_node *node);

/* What became of the requests about Events. */
struct lnt_report_stats {
	uint64_t created;
	uint64_t existed; /* another node was first */
	uint64_t updated;
	uint64_t failed;
	uint64_t dropped; /* without a request: too many */
};
struct lnt_report_stats lnt_kube_report_stats(const struct lnt_kube *k);

/* Cancels everything and closes its handles on the loop; @k is freed when they are closed. */
void lnt_kube_close(struct lnt_kube *k);
