/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linnet, the CNI plugin: a process for each call of the container runtime. Parameters come from
 * the environment and standard input; the result, or one error object, goes to standard output.
 * Called with arguments, which no runtime gives, it installs itself, or removes what it installed.
 */
#include "cni/commands.h"
#include "cni/error.h"
#include "cni/install.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static int (*const verbs[])(const struct lnt_request *req, struct lnt_err *e) = {
	[LNT_ADD] = lnt_cmd_add,
	[LNT_DEL] = lnt_cmd_del,
	[LNT_CHECK] = lnt_cmd_check,
	[LNT_GC] = lnt_cmd_gc,
	[LNT_STATUS] = lnt_cmd_status,
};

static int read_config(struct lnt_err *e, char **ret_raw, size_t *ret_len)
{
	int r = lnt_fd_read(STDIN_FILENO, LNT_MAX_STDIN,
		"the network configuration on standard input", e, ret_raw, ret_len);

	return lnt_fail_code(e, LNT_CNI_IO_FAILURE, r);
}

static int version(struct lnt_err *e)
{
	_cleanup_free_ char *raw = NULL;
	size_t len = 0;

	/* A person at a terminal has nothing to say on standard input. */
	if (!isatty(STDIN_FILENO))
		lnt_fd_read(STDIN_FILENO, LNT_MAX_STDIN, "standard input", NULL, &raw, &len);
	return lnt_cmd_version(raw, len, e);
}

static int run(struct lnt_request *req, struct lnt_err *e)
{
	struct lnt_env env;
	enum lnt_verb verb;
	char *raw = NULL;
	size_t len = 0;
	int r;

	lnt_env_read(&env);
	r = lnt_env_verb(&env, e, &verb);
	if (r)
		return r;
	if (verb == LNT_VERSION)
		return version(e);
	r = read_config(e, &raw, &len);
	if (!r)
		r = lnt_request_parse(verb, &env, raw, len, e, req);
	return r ? r : verbs[verb](req, e);
}

/* For people: what is wrong goes to standard error. */
static int install(int argc, char **argv)
{
	bool un = argc > 1 && !strcmp(argv[1], "uninstall");
	struct lnt_err e = {};

	if (argc != 3 || (!un && strcmp(argv[1], "install") != 0)) {
		fputs("usage: linnet install|uninstall DIR\n", stderr);
		return 2;
	}
	if (!(un ? lnt_uninstall(argv[2], &e) : lnt_install(argv[2], &e)))
		return 0;
	fprintf(stderr, "linnet: %s\n", e.msg);
	return 1;
}

int main(int argc, char **argv)
{
	_cleanup_request_ struct lnt_request req = {.version = LNT_CNI_VERSIONS - 1};
	struct lnt_err e = {};
	int r;

	if (argc > 1)
		return install(argc, argv);
	/* A runtime that went away must not keep us from undoing a half-done ADD. */
	signal(SIGPIPE, SIG_IGN);
	/* One that ignores its children would hide from us how the IPAM plugin ended. */
	signal(SIGCHLD, SIG_DFL);
	r = run(&req, &e);
	if (!r)
		return 0;
	if (!e.err)
		lnt_err_sys(&e, r, "linnet");
	lnt_error_print(stdout, lnt_cni_version_names[req.version], &e);
	return 1;
}
