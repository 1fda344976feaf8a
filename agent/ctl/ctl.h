/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * linnetctl: what people ask of the agent of the node they are on. A file a verb; a verb asks
 * (lib/ctl_socket.h), reads lines and prints them as people like them, or as they came.
 */
#include "lib/ctl_socket.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit codes. */
#define CTL_OK	   0
#define CTL_DENIED 1 /* a question was answered with no; or something is wrong */
#define CTL_FAILED 2 /* wrong usage, or it could not be done */
#define CTL_ABSENT 3 /* no agent answers, or it has gone */

struct ctl {
	const char *run_dir;
	const char *bpf_root; /* NULL: as the agent says, or the default */
	bool json;	      /* -o json */
	bool wide;	      /* -o wide */
	unsigned timeout;     /* seconds that the agent may say nothing; 0: any time */
	bool quiet;	      /* an agent that is not there is nothing to be told */
	cJSON *status;	      /* owned: the agent's, once ctl_find_bpf_root() has asked */
	FILE *in;	      /* from the agent, once ctl_ask() has connected */
	char *line;
	size_t room;
};

/*
 * A verb: @argv[0] is its name. Options that all have are parsed already where they came first, and
 * are the verb's to take by ctl_option() where they come later. Returns the exit code.
 */
int ctl_monitor(struct ctl *c, int argc, char **argv);
int ctl_policy(struct ctl *c, int argc, char **argv);
int ctl_policy_list(struct ctl *c, int argc, char **argv);
int ctl_endpoint(struct ctl *c, int argc, char **argv);
int ctl_flow(struct ctl *c, int argc, char **argv);
int ctl_service(struct ctl *c, int argc, char **argv);
int ctl_status(struct ctl *c, int argc, char **argv);
int ctl_version(struct ctl *c, int argc, char **argv);

/* What verbs' options share: 'o', 'r', 'b', 'T', 'h' and unknown ones. False: the verb is to end.
 */
bool ctl_option(struct ctl *c, int opt, char *arg, const char *usage, int *ret_code);
#define CTL_OPTIONS                                                                          \
	{"output", required_argument, NULL, 'o'}, {"run-dir", required_argument, NULL, 'r'}, \
		{"bpf-root", required_argument, NULL, 'b'},                                  \
		{"timeout", required_argument, NULL, 'T'},                                   \
	{                                                                                    \
		"help", no_argument, NULL, 'h'                                               \
	}
#define CTL_SHORT "+o:r:b:T:h"

/* Where linnet pins: as the option says, or @agent's status (NULL: none), or the default. */
const char *ctl_bpf_root(const struct ctl *c, const cJSON *agent);

/* The same, with the agent asked for it if that is needed; one that is not there says nothing. */
const char *ctl_find_bpf_root(struct ctl *c);

/*
 * Lists "services" or "policies", of @ns unless NULL: @fn for each, in order; with -o json it is
 * not told but printed, in one document {"@of": [...]}, after @fn has added to it. Returns the exit
 * code.
 */
int ctl_list(struct ctl *c, const char *of, const char *ns, void (*fn)(void *ctx, cJSON *object),
	void *ctx);

/* -n NAMESPACE and the options that all have, for a verb without others. False: it is to end. */
bool ctl_options_namespace(struct ctl *c, int argc, char **argv, const char *usage,
	const char **ret_ns, int *ret_code);

/* Of "VERB @name ...": runs @fn with the arguments from @name on, or tells the usage. */
int ctl_subverb(struct ctl *c, int argc, char **argv, const char *name,
	int (*fn)(struct ctl *c, int argc, char **argv), const char *usage);

/* Prints @json as a line and frees it. */
void ctl_print_json(cJSON *json);

/* What a verb without arguments of its own does with its options. False: it is to end. */
bool ctl_options_only(struct ctl *c, int argc, char **argv, const char *usage, int *ret_code);

/* A string member of an answer, borrowed; "" when there is none. */
const char *ctl_text(const cJSON *json, const char *key);

/* Connects and sends @req, which stays the caller's. False: it has said why not. */
bool ctl_ask(struct ctl *c, const cJSON *req);

/* The same with {"get": @what}, and the one line of the answer. NULL: it has said why not. */
cJSON *ctl_get(struct ctl *c, const char *what);

/*
 * The next line of the answer, until the next call; as JSON in *ret_json, which the caller frees.
 * NULL: the agent has hung up. An answer that is an error is printed, and *ret_json is NULL.
 */
const char *ctl_read(struct ctl *c, cJSON **ret_json);
