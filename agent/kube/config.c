/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: copying, clearing, reading files, and the service account of a pod. */
#include "agent/kube/config.h"

#include "lib/addr.h"
#include "lib/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SA_DIR	 "/var/run/secrets/kubernetes.io/serviceaccount"
#define FILE_MAX (1024 * 1024)

/* The owned strings of a configuration, for what is done to each of them. */
static const size_t strings[] = {
	offsetof(struct lnt_kube_config, server),
	offsetof(struct lnt_kube_config, ca_file),
	offsetof(struct lnt_kube_config, ca_data),
	offsetof(struct lnt_kube_config, token),
	offsetof(struct lnt_kube_config, token_file),
	offsetof(struct lnt_kube_config, cert_file),
	offsetof(struct lnt_kube_config, key_file),
	offsetof(struct lnt_kube_config, cert_data),
	offsetof(struct lnt_kube_config, key_data),
};

static char **string_at(struct lnt_kube_config *cfg, size_t offset)
{
	return (char **)(void *)((char *)cfg + offset);
}

void lnt_kube_config_clear(struct lnt_kube_config *cfg)
{
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		free(*string_at(cfg, strings[i]));
	*cfg = (struct lnt_kube_config){};
}

int lnt_kube_config_copy(const struct lnt_kube_config *from, struct lnt_kube_config *ret_cfg)
{
	struct lnt_kube_config cfg = *from;
	bool failed = false;

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		char **s = string_at(&cfg, strings[i]);

		if (!*s)
			continue;
		*s = strdup(*s);
		failed |= !*s;
	}
	if (failed) {
		lnt_kube_config_clear(&cfg);
		return -ENOMEM;
	}
	*ret_cfg = cfg;
	return 0;
}

static int read_file(const char *path, struct lnt_err *e, char **ret_text)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return lnt_err_sys(e, -errno, "read %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return lnt_err_set(e, -EINVAL, "read %s: not a file of at most 1 MiB", path);
	text = calloc(1, st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (n < (size_t)st.st_size) {
		r = read(fd, text + n, st.st_size - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return lnt_err_sys(e, -errno, "read %s", path);
		if (!r)
			break;
		n += r;
	}
	*ret_text = TAKE_PTR(text);
	return 0;
}

static int check_token(char *token, struct lnt_err *e)
{
	size_t n = strlen(token);

	while (n && isspace((unsigned char)token[n - 1]))
		token[--n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)token[i]))
			return lnt_err_set(
				e, -EINVAL, "the token has characters that no token has");
	return n ? 0 : lnt_err_set(e, -EINVAL, "the token is empty");
}

int lnt_kube_config_token(const struct lnt_kube_config *cfg, struct lnt_err *e, char **ret_token)
{
	_cleanup_free_ char *token = NULL;
	int r = 0;

	*ret_token = NULL;
	if (cfg->token_file) {
		r = read_file(cfg->token_file, e, &token);
	} else if (cfg->token) {
		token = strdup(cfg->token);
		r = token ? 0 : -ENOMEM;
	}
	if (!r && token)
		r = check_token(token, e);
	if (!r)
		*ret_token = TAKE_PTR(token);
	return r;
}

int lnt_kube_config_ca(const struct lnt_kube_config *cfg, struct lnt_err *e, char **ret_pem)
{
	*ret_pem = NULL;
	if (cfg->ca_data) {
		*ret_pem = strdup(cfg->ca_data);
		return *ret_pem ? 0 : -ENOMEM;
	}
	return cfg->ca_file ? read_file(cfg->ca_file, e, ret_pem) : 0;
}

/* "https://host:port"; @host may be an IPv6 literal, in brackets or not. NULL: no memory. */
static char *server_url(const char *host, const char *port)
{
	bool bare6 = strchr(host, ':') && host[0] != '[';
	char *url;

	if (asprintf(&url, "https://%s%s%s:%s", bare6 ? "[" : "", host, bare6 ? "]" : "", port) < 0)
		return NULL;
	return url;
}

static bool is_port(const char *s)
{
	unsigned long port = 0;

	if (!*s || strlen(s) > 5)
		return false;
	for (; isdigit((unsigned char)*s); s++)
		port = port * 10 + (unsigned long)(*s - '0');
	return !*s && port && port <= 65535;
}

/* Whether @s can stand for the host in a URL: a name, or an address. */
static bool is_host(const char *s)
{
	struct in6_addr addr;
	size_t n = strlen(s);
	char inner[LNT_ADDRSTRLEN];

	if (!n || n > 253)
		return false;
	if (strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n)
		return true;
	if (s[0] == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
	}
	if (n >= sizeof(inner))
		return false;
	memcpy(inner, s, n);
	inner[n] = '\0';
	return strchr(inner, ':') && !lnt_addr_parse(inner, &addr);
}

/* What was asked for, else what kubelet says to every container. */
static int find_server(const char *host, const char *port, struct lnt_err *e, char **ret_server)
{
	if (host)
		port = port ?: LNT_KUBE_PORT;
	else
		host = getenv("KUBERNETES_SERVICE_HOST");
	port = port ?: getenv("KUBERNETES_SERVICE_PORT");
	if (!host || !*host || !port || !*port)
		return lnt_err_set(e, -ENOENT,
			"not in a cluster: KUBERNETES_SERVICE_HOST and _PORT are not set");
	if (!is_host(host))
		return lnt_err_set(
			e, -EINVAL, "the API server's host '%s' is no name and no address", host);
	if (!is_port(port))
		return lnt_err_set(
			e, -EINVAL, "the API server's port '%s' is none of 1 to 65535", port);
	*ret_server = server_url(host, port);
	return *ret_server ? 0 : -ENOMEM;
}

int lnt_kube_config_in_cluster(const char *sa_dir, const char *host, const char *port,
	struct lnt_err *e, struct lnt_kube_config *ret_cfg)
{
	_cleanup_(lnt_kube_config_clear) struct lnt_kube_config cfg = {};
	_cleanup_free_ char *text = NULL;
	int r = find_server(host, port, e, &cfg.server);

	if (r)
		return r;
	cfg.locate = !host;
	if (asprintf(&cfg.ca_file, "%s/ca.crt", sa_dir ?: SA_DIR) < 0)
		cfg.ca_file = NULL;
	if (asprintf(&cfg.token_file, "%s/token", sa_dir ?: SA_DIR) < 0)
		cfg.token_file = NULL;
	if (!cfg.ca_file || !cfg.token_file)
		return -ENOMEM;
	r = lnt_kube_config_ca(&cfg, e, &text);
	if (r)
		return r;
	free(text);
	r = lnt_kube_config_token(&cfg, e, &text);
	if (r)
		return r;
	*ret_cfg = cfg;
	cfg = (struct lnt_kube_config){};
	return 0;
}
