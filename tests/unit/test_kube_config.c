/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: kubeconfig files, the service account, tokens that rotate. */
#include "agent/kube/config.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	char dir[32];
	char path[64];
	struct lnt_kube_config cfg;
	struct lnt_err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/lnt-config-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"config", "ca.crt", "token"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, names[i]);
		unlink(f->path);
	}
	lnt_kube_config_clear(&f->cfg);
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
	if (rmdir(f->dir))
		return -1;
	free(f);
	return 0;
}

static const char *write_file(struct fixture *f, const char *name, const char *text)
{
	FILE *out;

	snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, name);
	out = fopen(f->path, "w");
	fputs(text, out);
	fclose(out);
	return f->path;
}

static int load(struct fixture *f, const char *text)
{
	lnt_kube_config_clear(&f->cfg);
	f->e = (struct lnt_err){};
	return lnt_kube_config_load(write_file(f, "config", text), &f->e, &f->cfg);
}

/* A kubeconfig with these members of cluster and user. */
static int load_with(struct fixture *f, const char *cluster, const char *user)
{
	_cleanup_free_ char *text = NULL;

	assert_true(asprintf(&text,
			    "apiVersion: v1\nkind: Config\ncurrent-context: b\n"
			    "contexts:\n- name: a\n  context: {cluster: x, user: x}\n"
			    "- name: b\n  context: {cluster: c, user: u, namespace: n}\n"
			    "clusters:\n- name: x\n  cluster: {server: 'https://wrong'}\n"
			    "- name: c\n  cluster: {%s}\n"
			    "users:\n- name: u\n  user: {%s}\n",
			    cluster, user) > 0);
	return load(f, text);
}

static void kubeconfig_current_context(void **state)
{
	struct fixture *f = *state;
	char path[64];

	assert_int_equal(
		load_with(f, "server: 'https://[fd00::1]:6443/', certificate-authority: ca.crt",
			"token: abc, tokenFile: /run/token"),
		0);
	assert_string_equal(f->cfg.server, "https://[fd00::1]:6443");
	snprintf(path, sizeof(path), "%s/ca.crt", f->dir);
	assert_string_equal(f->cfg.ca_file, path);
	assert_string_equal(f->cfg.token, "abc");
	assert_string_equal(f->cfg.token_file, "/run/token");
	assert_false(f->cfg.insecure);
}

static void kubeconfig_data(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		load_with(f, "server: 'https://a', certificate-authority-data: 'SGVsbG8sIHdvcmxk'",
			"client-certificate-data: eA==, client-key-data: \"eXo=\\n\""),
		0);
	assert_string_equal(f->cfg.ca_data, "Hello, world");
	assert_string_equal(f->cfg.cert_data, "x");
	assert_string_equal(f->cfg.key_data, "yz");
}

static void kubeconfig_insecure_and_plain(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		load_with(f, "server: 'https://a', insecure-skip-tls-verify: true", ""), 0);
	assert_true(f->cfg.insecure);
	assert_int_equal(load_with(f, "server: 'http://127.0.0.1:8001'", ""), 0);
	assert_null(f->cfg.token);
}

/* What would change whom we talk to, or as whom, is not skipped. */
static void kubeconfig_refuses(void **state)
{
	static const struct {
		const char *cluster, *user, *why;
		int r;
	} cases[] = {
		{"server: 'https://a', insecure-skip-tls-verify: true, proxy-url: 'http://p'", "",
			"proxy-url", -ENOTSUP},
		{"server: 'https://a', insecure-skip-tls-verify: true, tls-server-name: b", "",
			"tls-server-name", -ENOTSUP},
		{"server: 'http://a'", "exec: {command: x}", "exec", -ENOTSUP},
		{"server: 'http://a'", "auth-provider: {name: x}", "auth-provider", -ENOTSUP},
		{"server: 'http://a'", "username: x, password: y", "username", -ENOTSUP},
		{"server: 'http://a'", "as: root", "as", -ENOTSUP},
		{"server: 'http://a'", "client-certificate: x", "client-key", -EINVAL},
		{"server: 'https://a'", "", "certificate-authority", -EINVAL},
		{"server: 'ftp://a'", "", "server", -EINVAL},
		{"server: [a]", "", "server", -EINVAL},
		{"", "", "server", -EINVAL},
		{"server: 'https://a', certificate-authority-data: '*'", "", "base64", -EINVAL},
		{"server: 'https://a', certificate-authority-data: 'AAAA'", "", "base64", -EINVAL},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(load_with(f, cases[i].cluster, cases[i].user), cases[i].r);
		if (!strstr(f->e.msg, cases[i].why))
			fail_msg("'%s' is not in: %s", cases[i].why, f->e.msg);
		assert_null(f->cfg.server);
	}
}

static void kubeconfig_malformed(void **state)
{
	static const char *const texts[] = {"", "a", "[]", "{", "\t", "current-context: a",
		"current-context: a\ncontexts: {}", "current-context: a\ncontexts: [a]",
		"current-context: a\ncontexts: [{name: a}]",
		"current-context: a\ncontexts: [{name: a, context: {cluster: b}}]",
		"current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\nclusters: b",
		("current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\n"
		 "clusters: [{name: b, cluster: 7}]")};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(load(f, texts[i]), -EINVAL);
		assert_true(f->e.msg[0]);
	}
	f->e = (struct lnt_err){};
	assert_int_equal(lnt_kube_config_load("/nonexistent/config", &f->e, &f->cfg), -ENOENT);
}

static void in_cluster(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(lnt_kube_config_in_cluster(f->dir, NULL, NULL, &f->e, &f->cfg), -ENOENT);
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_int_equal(lnt_kube_config_in_cluster(f->dir, NULL, NULL, &f->e, &f->cfg), -ENOENT);
	write_file(f, "ca.crt", "pem");
	write_file(f, "token", "secret\n");
	f->e = (struct lnt_err){};
	assert_int_equal(lnt_kube_config_in_cluster(f->dir, NULL, NULL, &f->e, &f->cfg), 0);
	assert_string_equal(f->cfg.server, "https://[fd00::1]:443");
	assert_null(f->cfg.token);
}

/* The server's URL with this host and port asked for, or -errno. */
static int server_of(struct fixture *f, const char *host, const char *port)
{
	lnt_kube_config_clear(&f->cfg);
	f->e = (struct lnt_err){};
	return lnt_kube_config_in_cluster(f->dir, host, port, &f->e, &f->cfg);
}

static void in_cluster_elsewhere(void **state)
{
	static const struct {
		const char *host, *port, *url;
	} good[] = {
		{"10.0.0.1", NULL, "https://10.0.0.1:6443"},
		{"10.0.0.1", "443", "https://10.0.0.1:443"},
		{"fd00::5", "7443", "https://[fd00::5]:7443"},
		{"[fd00::5]", NULL, "https://[fd00::5]:6443"},
		{"api.example.org", "8443", "https://api.example.org:8443"},
		{NULL, NULL, "https://10.96.0.1:443"},
		{NULL, "6444", "https://10.96.0.1:6444"},
	};
	static const struct {
		const char *host, *port;
	} bad[] = {
		{"https://10.0.0.1", NULL},
		{"10.0.0.1:6443", NULL},
		{"10.0.0.1/x", NULL},
		{"u@h", NULL},
		{"[fd00::5", NULL},
		{"[api]", NULL},
		{"10.0.0.1", "0"},
		{"10.0.0.1", "65536"},
		{"10.0.0.1", "https"},
		{"10.0.0.1", "6443/x"},
		{"10.0.0.1", "99999999999999999999"},
	};
	struct fixture *f = *state;

	write_file(f, "ca.crt", "pem");
	write_file(f, "token", "secret\n");
	/* Without it in the environment as well. */
	assert_int_equal(server_of(f, "10.0.0.1", NULL), 0);
	assert_int_equal(server_of(f, NULL, "6443"), -ENOENT);
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(server_of(f, good[i].host, good[i].port), 0);
		assert_string_equal(f->cfg.server, good[i].url);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(server_of(f, bad[i].host, bad[i].port), -EINVAL);
		assert_non_null(strstr(f->e.msg, "API server's"));
	}
}

static void token_file_is_read_each_time(void **state)
{
	struct fixture *f = *state;
	struct lnt_kube_config copy;
	char *token;

	f->cfg.token = strdup("static");
	assert_int_equal(lnt_kube_config_token(&f->cfg, &f->e, &token), 0);
	assert_string_equal(token, "static");
	free(token);
	f->cfg.token_file = strdup(write_file(f, "token", "one\n"));
	assert_int_equal(lnt_kube_config_copy(&f->cfg, &copy), 0);
	assert_int_equal(lnt_kube_config_token(&copy, &f->e, &token), 0);
	assert_string_equal(token, "one");
	free(token);
	write_file(f, "token", "two");
	assert_int_equal(lnt_kube_config_token(&copy, &f->e, &token), 0);
	assert_string_equal(token, "two");
	free(token);
	/* Nothing may be smuggled into the request's head. */
	write_file(f, "token", "a\r\nHost: b");
	assert_int_equal(lnt_kube_config_token(&copy, &f->e, &token), -EINVAL);
	write_file(f, "token", "\n");
	assert_int_equal(lnt_kube_config_token(&copy, &f->e, &token), -EINVAL);
	assert_null(token);
	lnt_kube_config_clear(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kubeconfig_current_context, setup, teardown),
		cmocka_unit_test_setup_teardown(kubeconfig_data, setup, teardown),
		cmocka_unit_test_setup_teardown(kubeconfig_insecure_and_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(kubeconfig_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(kubeconfig_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(in_cluster, setup, teardown),
		cmocka_unit_test_setup_teardown(in_cluster_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(token_file_is_read_each_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
