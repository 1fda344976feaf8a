/* SPDX-License-Identifier: Apache-2.0 */
/* Delegated IPAM of ipam.h: running the plugin, and reading what it says (CNI SPEC.md, section 4).
 */
#include "cni/error.h"
#include "cni/ipam.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

extern char **environ;

void lnt_ipam_result_free(struct lnt_ipam_result *res)
{
	cJSON_Delete(res->dns);
	res->dns = NULL;
}

/* --- running it ------------------------------------------------------------------------------- */

/* The plugin's executable along CNI_PATH. */
static int find(const struct lnt_request *req, struct lnt_err *e, char path[static PATH_MAX])
{
	const char *p = req->env.path;

	if (!p)
		return lnt_fail(e, LNT_CNI_INVALID_ENV, -EINVAL,
			"CNI_PATH is not set, so that IPAM plugin %s cannot be found",
			req->ipam_type);
	while (*p) {
		size_t len = strcspn(p, ":");

		if (len &&
			snprintf(path, PATH_MAX, "%.*s/%s", (int)len, p, req->ipam_type) <
				PATH_MAX &&
			!access(path, X_OK))
			return 0;
		p += len + (p[len] == ':');
	}
	return lnt_fail(e, LNT_CNI_IPAM_FAILED, -ENOENT, "IPAM plugin %s is not in CNI_PATH %.200s",
		req->ipam_type, req->env.path);
}

/* The configuration as a file to read from: no pipe that could fill up on either side. */
static int input_of(const struct lnt_request *req, struct lnt_err *e, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("cni-config", MFD_CLOEXEC);

	if (fd < 0 || write(fd, req->raw, req->raw_len) != (ssize_t)req->raw_len ||
		lseek(fd, 0, SEEK_SET))
		return lnt_fail_sys(e, LNT_CNI_IO_FAILURE, -errno, "hand over the configuration");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Our environment with CNI_COMMAND=@verb. The array is the caller's, the strings are not. */
static char **environment(char *command)
{
	size_t n = 0, j = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], "CNI_COMMAND=", 12))
			env[j++] = environ[i];
	}
	env[j] = command;
	return env;
}

/* stdin and stdout as given, stderr ours, signals as a new process expects them. */
static int spawn(const char *path, const char *verb, int in, int out, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char command[32], *argv[] = {(char *)path, NULL};
	_cleanup_free_ char **env = NULL;
	sigset_t defaults;
	int r;

	snprintf(command, sizeof(command), "CNI_COMMAND=%s", verb);
	env = environment(command);
	if (!env || posix_spawn_file_actions_init(&actions))
		return -ENOMEM;
	posix_spawnattr_init(&attr);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (!r)
		r = posix_spawn(ret_pid, path, &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Passes on the error object that a plugin printed, with its code. */
static int pass_on(const struct lnt_request *req, const char *out, int status, struct lnt_err *e)
{
	_cleanup_json_ cJSON *obj = cJSON_Parse(out);
	const cJSON *code = lnt_json_get(obj, "code");
	const char *msg = lnt_json_str(obj, "msg"), *details = lnt_json_str(obj, "details");
	unsigned n = cJSON_IsNumber(code) && code->valuedouble >= 1 && code->valuedouble < 1e6
		? (unsigned)code->valuedouble
		: LNT_CNI_IPAM_FAILED;

	if (msg)
		return lnt_fail(e, n, -EREMOTEIO, "IPAM plugin %s: %s%s%s", req->ipam_type, msg,
			details && *details ? "; " : "", details ? details : "");
	if (WIFSIGNALED(status))
		return lnt_fail(e, LNT_CNI_IPAM_FAILED, -EREMOTEIO,
			"IPAM plugin %s was killed by signal %d", req->ipam_type, WTERMSIG(status));
	return lnt_fail(e, LNT_CNI_IPAM_FAILED, -EREMOTEIO,
		"IPAM plugin %s failed with status %d and no error object", req->ipam_type,
		WEXITSTATUS(status));
}

int lnt_ipam_exec(
	const struct lnt_request *req, const char *verb, struct lnt_err *e, char **ret_out)
{
	_cleanup_close_ int in = -1, out = -1, write_end = -1;
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r, fds[2], status = -1;
	pid_t pid = -1;
	size_t len;

	r = find(req, e, path);
	if (!r)
		r = input_of(req, e, &in);
	if (r)
		return r;
	if (pipe2(fds, O_CLOEXEC))
		return lnt_fail_sys(e, LNT_CNI_IO_FAILURE, -errno, "run IPAM plugin %s", path);
	out = fds[0];
	write_end = fds[1];
	r = spawn(path, verb, in, write_end, &pid);
	lnt_closep(&write_end);
	write_end = -1;
	if (r)
		return lnt_fail_sys(e, LNT_CNI_IPAM_FAILED, r, "run IPAM plugin %s", path);
	r = lnt_fd_read(out, LNT_MAX_STDIN, path, e, &text, &len);
	lnt_closep(&out); /* one that goes on writing gets SIGPIPE */
	out = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r)
		return lnt_fail_code(e, LNT_CNI_IPAM_FAILED, r);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return pass_on(req, text, status, e);
	if (ret_out)
		*ret_out = TAKE_PTR(text);
	return 0;
}

/* --- its result ------------------------------------------------------------------------------- */

static int bad(struct lnt_err *e, const char *what)
{
	return lnt_fail(e, LNT_CNI_IPAM_FAILED, -EBADMSG, "result of the IPAM plugin: %s", what);
}

/* "10.1.0.5/16": the address; its prefix has no meaning for a routed device. */
static int parse_ip(const cJSON *item, struct lnt_err *e, struct lnt_ipam_result *res)
{
	const char *s = lnt_json_str(item, "address");
	struct in6_addr *addr = &res->addrs[res->n_addrs];
	struct lnt_prefix prefix;
	char text[LNT_ADDRSTRLEN];
	size_t len = s ? strcspn(s, "/") : 0;

	if (!s || lnt_prefix_parse(s, &prefix) || len >= sizeof(text))
		return bad(e, "an address is not of the form ADDRESS/LENGTH");
	if (res->n_addrs == 2)
		return bad(e, "more than two addresses, linnet takes one of each family");
	memcpy(text, s, len);
	text[len] = '\0';
	if (lnt_addr_parse(text, addr))
		return bad(e, "an address is not of the form ADDRESS/LENGTH");
	if (res->n_addrs == 1 && lnt_addr_is4(addr) == lnt_addr_is4(&res->addrs[0]))
		return bad(e, "two addresses of one family, linnet takes one of each");
	res->n_addrs++;
	return 0;
}

static int get_number(const cJSON *obj, const char *key, struct lnt_err *e, uint32_t *ret_n)
{
	const cJSON *item = lnt_json_get(obj, key);

	if (!item || cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > UINT32_MAX)
		return bad(e, "an attribute of a route is not a number");
	*ret_n = (uint32_t)item->valuedouble;
	return 0;
}

static int parse_route(const cJSON *item, struct lnt_err *e, struct lnt_ipam_result *res)
{
	struct lnt_ipam_route *route = &res->routes[res->n_routes];
	const char *dst = lnt_json_str(item, "dst");
	uint32_t scope = 0;
	int r;

	if (res->n_routes == LNT_MAX_ROUTES)
		return bad(e, "too many routes");
	*route = (struct lnt_ipam_route){};
	if (!dst || lnt_prefix_parse(dst, &route->dst))
		return bad(e, "a route's dst is not of the form PREFIX/LENGTH");
	r = get_number(item, "mtu", e, &route->mtu);
	if (!r)
		r = get_number(item, "advmss", e, &route->advmss);
	if (!r)
		r = get_number(item, "priority", e, &route->priority);
	if (!r)
		r = get_number(item, "table", e, &route->table);
	if (!r)
		r = get_number(item, "scope", e, &scope);
	if (r)
		return r;
	if (scope)
		return bad(e,
			"a route has a scope; linnet's routes all have a gateway, which needs 0");
	res->n_routes++;
	return 0;
}

int lnt_ipam_parse(const char *text, struct lnt_err *e, struct lnt_ipam_result *ret_res)
{
	_cleanup_json_ cJSON *obj = cJSON_Parse(text);
	const cJSON *item, *dns = lnt_json_get(obj, "dns");
	struct lnt_ipam_result res = {};
	int r = 0;

	if (!cJSON_IsObject(obj))
		return bad(e, "not a JSON object");
	cJSON_ArrayForEach (item, lnt_json_get(obj, "ips")) {
		r = parse_ip(item, e, &res);
		if (r)
			return r;
	}
	if (!res.n_addrs)
		return bad(e, "no addresses");
	cJSON_ArrayForEach (item, lnt_json_get(obj, "routes")) {
		r = parse_route(item, e, &res);
		if (r)
			return r;
	}
	if (cJSON_IsObject(dns) && dns->child) {
		res.dns = cJSON_Duplicate(dns, 1);
		if (!res.dns)
			return lnt_fail_sys(e, LNT_CNI_INTERNAL, -ENOMEM, "read IPAM result");
	}
	*ret_res = res;
	return 0;
}

void lnt_ipam_default_routes(struct lnt_ipam_result *res)
{
	for (unsigned i = 0; i < res->n_addrs; i++) {
		bool v4 = lnt_addr_is4(&res->addrs[i]), found = false;

		for (unsigned j = 0; j < res->n_routes; j++)
			found |= lnt_addr_is4(&res->routes[j].dst.addr) == v4;
		if (found || res->n_routes == LNT_MAX_ROUTES)
			continue;
		res->routes[res->n_routes] = (struct lnt_ipam_route){};
		if (v4)
			res->routes[res->n_routes].dst.addr = lnt_addr_from4(0);
		res->n_routes++;
	}
}
