/* SPDX-License-Identifier: Apache-2.0 */
/* What linnetctl's verbs share (ctl.h). */
#include "agent/ctl/ctl.h"
#include "lib/addr.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/unix_socket.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

const char *ctl_text(const cJSON *json, const char *key)
{
	const char *s = lnt_json_str(json, key);

	return s ? s : "";
}

static bool parse_timeout(struct ctl *c, const char *arg)
{
	unsigned long n;
	char *end;

	n = strtoul(arg, &end, 10);
	c->timeout = (unsigned)n;
	if (*arg >= '0' && *arg <= '9' && !*end && n <= 3600)
		return true;
	fprintf(stderr, "linnetctl: '%s' is no number of seconds up to 3600\n", arg);
	return false;
}

bool ctl_option(struct ctl *c, int opt, char *arg, const char *usage, int *ret_code)
{
	*ret_code = CTL_FAILED;
	switch (opt) {
	case 'r':
		c->run_dir = arg;
		return true;
	case 'b':
		c->bpf_root = arg;
		return true;
	case 'T':
		return parse_timeout(c, arg);
	case 'o':
		c->json = !strcmp(arg, "json");
		c->wide = !strcmp(arg, "wide");
		if (c->json || c->wide)
			return true;
		fprintf(stderr,
			"linnetctl: output '%s' is not known: json or wide, or none for text\n",
			arg);
		return false;
	case 'h':
		fputs(usage, stdout);
		*ret_code = CTL_OK;
		return false;
	default:
		fputs(usage, stderr);
		return false;
	}
}

const char *ctl_bpf_root(const struct ctl *c, const cJSON *agent)
{
	static char root[PATH_MAX];

	if (c->bpf_root)
		return c->bpf_root;
	if (*ctl_text(agent, "bpfRoot"))
		return ctl_text(agent, "bpfRoot");
	lnt_pin_root(c->run_dir, root);
	return root;
}

const char *ctl_find_bpf_root(struct ctl *c)
{
	if (!c->bpf_root && !c->status) {
		c->quiet = true;
		c->status = ctl_get(c, "status");
		c->quiet = false;
	}
	return ctl_bpf_root(c, c->status);
}

/* @ret_ns: where -n goes; NULL if @longs has none. */
static bool read_options(struct ctl *c, int argc, char **argv, const char *shorts,
	const struct option *longs, const char *usage, const char **ret_ns, int *ret_code)
{
	int opt;

	while ((opt = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (opt == 'n' && ret_ns)
			*ret_ns = optarg;
		else if (!ctl_option(c, opt, optarg, usage, ret_code))
			return false;
	}
	if (optind == argc)
		return true;
	fputs(usage, stderr);
	*ret_code = CTL_FAILED;
	return false;
}

bool ctl_options_namespace(
	struct ctl *c, int argc, char **argv, const char *usage, const char **ret_ns, int *ret_code)
{
	static const struct option longs[] = {
		{"namespace", required_argument, NULL, 'n'},
		CTL_OPTIONS,
		{},
	};

	*ret_ns = NULL;
	return read_options(c, argc, argv, CTL_SHORT "n:", longs, usage, ret_ns, ret_code);
}

bool ctl_options_only(struct ctl *c, int argc, char **argv, const char *usage, int *ret_code)
{
	static const struct option longs[] = {CTL_OPTIONS, {}};

	return read_options(c, argc, argv, CTL_SHORT, longs, usage, NULL, ret_code);
}

static void print_member(const cJSON *object, bool first)
{
	char *text = cJSON_PrintUnformatted(object);

	printf("%s%s", first ? "" : ",", text ? text : "null");
	cJSON_free(text);
}

int ctl_list(struct ctl *c, const char *of, const char *ns, void (*fn)(void *ctx, cJSON *object),
	void *ctx)
{
	_cleanup_json_ cJSON *req = cJSON_CreateObject();
	bool first = true;
	cJSON *json;

	cJSON_AddStringToObject(req, "get", "list");
	cJSON_AddStringToObject(req, "of", of);
	if (ns)
		cJSON_AddStringToObject(req, "namespace", ns);
	if (!ctl_ask(c, req))
		return CTL_ABSENT;
	while (ctl_read(c, &json)) {
		_cleanup_json_ cJSON *object = json;

		if (!object)
			return CTL_FAILED;
		if (lnt_json_get(object, "end")) {
			if (c->json && first)
				printf("{\"%s\":[", of);
			if (c->json)
				puts("]}");
			return CTL_OK;
		}
		fn(ctx, object);
		if (!c->json)
			continue;
		if (first)
			printf("{\"%s\":[", of);
		print_member(object, first);
		first = false;
	}
	fputs("linnetctl: this is not all\n", stderr);
	return CTL_ABSENT;
}

int ctl_subverb(struct ctl *c, int argc, char **argv, const char *name,
	int (*fn)(struct ctl *c, int argc, char **argv), const char *usage)
{
	bool help = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));

	if (argc > 1 && !strcmp(argv[1], name))
		return fn(c, argc - 1, argv + 1);
	fputs(usage, help ? stdout : stderr);
	return help ? CTL_OK : CTL_FAILED;
}

void ctl_print_json(cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);

	puts(text ? text : "");
	cJSON_free(text);
	cJSON_Delete(json);
}

static void say_absent(const struct ctl *c, int err)
{
	fprintf(stderr, "linnetctl: no agent answers at %s/%s: %s\n", c->run_dir, LNT_CTL_SOCKET,
		err == -EACCES ? "this needs root" : strerror(-err));
	if (err == -ENOENT || err == -ECONNREFUSED)
		fputs("is linnetd running on this node, and with this --run-dir?\n", stderr);
}

bool ctl_ask(struct ctl *c, const cJSON *req)
{
	_cleanup_free_ char *text = cJSON_PrintUnformatted(req);
	_cleanup_close_ int fd = -1;
	int r = lnt_unix_connect(c->run_dir, LNT_CTL_SOCKET, 0, &fd);
	const struct timeval wait = {.tv_sec = c->timeout};
	size_t len = text ? strlen(text) : 0;

	if (c->in)
		fclose(TAKE_PTR(c->in));
	if (!r && c->timeout)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (r) {
		if (!c->quiet)
			say_absent(c, r);
		return false;
	}
	if (text)
		text[len] = '\n'; /* in the place of the terminator */
	if (!text || send(fd, text, len + 1, MSG_NOSIGNAL) != (ssize_t)len + 1) {
		fprintf(stderr, "linnetctl: ask the agent: %s\n", strerror(errno));
		return false;
	}
	c->in = fdopen(fd, "r");
	if (c->in)
		TAKE_FD(fd);
	else
		fprintf(stderr, "linnetctl: %s\n", strerror(errno));
	return c->in;
}

/* The end of the answer, which is not where it should be. */
static void say_silent(const struct ctl *c)
{
	if (ferror(c->in) && errno == EAGAIN)
		fprintf(stderr, "linnetctl: the agent at %s/%s has said nothing for %u s\n",
			c->run_dir, LNT_CTL_SOCKET, c->timeout);
	else
		fprintf(stderr, "linnetctl: the agent at %s/%s is gone, or has hung up\n",
			c->run_dir, LNT_CTL_SOCKET);
}

const char *ctl_read(struct ctl *c, cJSON **ret_json)
{
	_cleanup_json_ cJSON *json = NULL;
	const char *why;
	ssize_t n = getline(&c->line, &c->room, c->in);

	*ret_json = NULL;
	if (n <= 0) {
		if (!c->quiet)
			say_silent(c);
		return NULL;
	}
	json = cJSON_ParseWithLength(c->line, (size_t)n);
	why = lnt_json_str(json, "error");
	if (why)
		fprintf(stderr, "linnetctl: the agent says: %s\n", why);
	else if (!json)
		fputs("linnetctl: the agent's answer is not understood\n", stderr);
	else
		*ret_json = TAKE_PTR(json);
	return c->line;
}

cJSON *ctl_get(struct ctl *c, const char *what)
{
	_cleanup_json_ cJSON *req = cJSON_CreateObject();
	cJSON *json = NULL;

	cJSON_AddStringToObject(req, "get", what);
	if (ctl_ask(c, req))
		ctl_read(c, &json);
	return json;
}
