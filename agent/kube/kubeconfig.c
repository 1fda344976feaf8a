/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubeconfig file (client-go's clientcmd/api/v1): the current context's cluster and user. What
 * would change whom we talk to, or as whom, and is not supported, is refused and not skipped.
 */
#include "agent/kube/config.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

struct file {
	yaml_document_t doc;
	const char *path;
	struct lnt_err *e;
};

static void filep(struct file *f)
{
	yaml_document_delete(&f->doc);
}

static yaml_node_t *map_get(struct file *f, const yaml_node_t *map, const char *key)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		yaml_node_t *k = yaml_document_get_node(&f->doc, p->key);

		if (k && k->type == YAML_SCALAR_NODE &&
			!strcmp((const char *)k->data.scalar.value, key))
			return yaml_document_get_node(&f->doc, p->value);
	}
	return NULL;
}

/* The text of a scalar member, NULL when absent, empty or null. */
static const char *map_text(struct file *f, const yaml_node_t *map, const char *key)
{
	const yaml_node_t *v = map_get(f, map, key);
	const char *s;

	if (!v || v->type != YAML_SCALAR_NODE)
		return NULL;
	s = (const char *)v->data.scalar.value;
	if (v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		(!strcmp(s, "~") || !strcasecmp(s, "null")))
		return NULL;
	return *s ? s : NULL;
}

/* The entry @name of the list @list ("clusters"), its member @member ("cluster"). */
static yaml_node_t *named(struct file *f, const char *list, const char *name, const char *member)
{
	const yaml_node_t *l = map_get(f, yaml_document_get_root_node(&f->doc), list);
	const char *n;

	if (!l || l->type != YAML_SEQUENCE_NODE)
		return NULL;
	for (yaml_node_item_t *i = l->data.sequence.items.start; i < l->data.sequence.items.top;
		i++) {
		yaml_node_t *entry = yaml_document_get_node(&f->doc, *i);

		n = map_text(f, entry, "name");
		if (n && !strcmp(n, name))
			return map_get(f, entry, member);
	}
	return NULL;
}

static int refuse(
	struct file *f, const yaml_node_t *map, const char *what, const char *const *fields)
{
	for (; *fields; fields++)
		if (map_get(f, map, *fields))
			return lnt_err_set(f->e, -ENOTSUP, "%s: %s.%s is not supported", f->path,
				what, *fields);
	return 0;
}

static int take_text(struct file *f, const yaml_node_t *map, const char *key, char **ret_text)
{
	const char *s = map_text(f, map, key);

	if (!s)
		return 0;
	*ret_text = strdup(s);
	return *ret_text ? 0 : -ENOMEM;
}

/* A path, relative to the kubeconfig's folder. */
static int take_path(struct file *f, const yaml_node_t *map, const char *key, char **ret_path)
{
	const char *s = map_text(f, map, key), *slash = strrchr(f->path, '/');
	int n;

	if (!s)
		return 0;
	if (*s == '/' || !slash)
		n = asprintf(ret_path, "%s", s);
	else
		n = asprintf(ret_path, "%.*s/%s", (int)(slash - f->path), f->path, s);
	if (n < 0) {
		*ret_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Base64 (RFC 4648, 4), line breaks allowed, into text. */
static int take_data(struct file *f, const yaml_node_t *map, const char *key, char **ret_text)
{
	const char *s = map_text(f, map, key);
	_cleanup_free_ char *out = NULL;
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;
	int d;

	if (!s)
		return 0;
	out = malloc(strlen(s) + 1);
	if (!out)
		return -ENOMEM;
	for (; *s && *s != '='; s++) {
		if (strchr(" \t\r\n", *s))
			continue;
		d = digit_of(*s);
		if (d < 0)
			return lnt_err_set(f->e, -EINVAL, "%s: %s is no base64", f->path, key);
		bits = bits << 6 | (unsigned)d;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (char)(bits >> n_bits);
		}
	}
	out[n] = '\0';
	if (s[strspn(s, "= \t\r\n")] || strlen(out) != n)
		return lnt_err_set(f->e, -EINVAL, "%s: %s is no text in base64", f->path, key);
	*ret_text = TAKE_PTR(out);
	return 0;
}

static int load_cluster(struct file *f, const yaml_node_t *cluster, struct lnt_kube_config *cfg)
{
	static const char *const unsupported[] = {"proxy-url", "tls-server-name", NULL};
	const char *insecure = map_text(f, cluster, "insecure-skip-tls-verify");
	size_t n;
	int r;

	r = refuse(f, cluster, "cluster", unsupported);
	if (!r)
		r = take_text(f, cluster, "server", &cfg->server);
	if (!r)
		r = take_path(f, cluster, "certificate-authority", &cfg->ca_file);
	if (!r)
		r = take_data(f, cluster, "certificate-authority-data", &cfg->ca_data);
	if (r)
		return r;
	cfg->insecure = insecure && !strcmp(insecure, "true");
	n = cfg->server ? strlen(cfg->server) : 0;
	while (n && cfg->server[n - 1] == '/')
		cfg->server[--n] = '\0';
	if (!n || (strncmp(cfg->server, "https://", 8) && strncmp(cfg->server, "http://", 7)))
		return lnt_err_set(
			f->e, -EINVAL, "%s: cluster.server is no http or https address", f->path);
	/* The system's bundle is never used: it would trust more than the cluster. */
	if (cfg->server[4] == 's' && !cfg->insecure && !cfg->ca_file && !cfg->ca_data)
		return lnt_err_set(
			f->e, -EINVAL, "%s: cluster has no certificate-authority", f->path);
	return 0;
}

static int load_user(struct file *f, const yaml_node_t *user, struct lnt_kube_config *cfg)
{
	static const char *const unsupported[] = {"exec", "auth-provider", "username", "password",
		"as", "as-uid", "as-groups", "as-user-extra", NULL};
	int r;

	r = refuse(f, user, "user", unsupported);
	if (!r)
		r = take_text(f, user, "token", &cfg->token);
	if (!r)
		r = take_path(f, user, "tokenFile", &cfg->token_file);
	if (!r)
		r = take_path(f, user, "client-certificate", &cfg->cert_file);
	if (!r)
		r = take_path(f, user, "client-key", &cfg->key_file);
	if (!r)
		r = take_data(f, user, "client-certificate-data", &cfg->cert_data);
	if (!r)
		r = take_data(f, user, "client-key-data", &cfg->key_data);
	if (r)
		return r;
	if ((cfg->cert_file || cfg->cert_data) != (cfg->key_file || cfg->key_data))
		return lnt_err_set(f->e, -EINVAL,
			"%s: of client-certificate and client-key one is missing", f->path);
	return 0;
}

static int load_context(struct file *f, struct lnt_kube_config *cfg)
{
	const yaml_node_t *root = yaml_document_get_root_node(&f->doc), *context, *cluster;
	const char *name = map_text(f, root, "current-context"), *user_name;
	int r;

	if (!name)
		return lnt_err_set(f->e, -EINVAL, "%s: no current-context", f->path);
	context = named(f, "contexts", name, "context");
	if (!context)
		return lnt_err_set(f->e, -EINVAL, "%s: no context '%s'", f->path, name);
	name = map_text(f, context, "cluster");
	cluster = named(f, "clusters", name ?: "", "cluster");
	if (!cluster)
		return lnt_err_set(f->e, -EINVAL, "%s: no cluster '%s'", f->path, name ?: "");
	r = load_cluster(f, cluster, cfg);
	user_name = map_text(f, context, "user");
	if (r || !user_name)
		return r;
	return load_user(f, named(f, "users", user_name, "user"), cfg);
}

static int parse(const char *path, struct lnt_err *e, yaml_document_t *ret_doc)
{
	_cleanup_fclose_ FILE *in = fopen(path, "re");
	yaml_parser_t parser;
	int ok;

	if (!in)
		return lnt_err_sys(e, -errno, "open %s", path);
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_file(&parser, in);
	ok = yaml_parser_load(&parser, ret_doc);
	if (!ok)
		lnt_err_set(e, -EINVAL, "%s: line %zu: %s", path, parser.problem_mark.line + 1,
			parser.problem ?: "no YAML");
	yaml_parser_delete(&parser);
	return ok ? 0 : -EINVAL;
}

int lnt_kube_config_load(const char *path, struct lnt_err *e, struct lnt_kube_config *ret_cfg)
{
	_cleanup_(lnt_kube_config_clear) struct lnt_kube_config cfg = {};
	_cleanup_(filep) struct file f = {.path = path, .e = e};
	int r = parse(path, e, &f.doc);

	if (r)
		return r;
	if (!yaml_document_get_root_node(&f.doc))
		return lnt_err_set(e, -EINVAL, "%s: empty", path);
	r = load_context(&f, &cfg);
	if (r)
		return r;
	*ret_cfg = cfg;
	cfg = (struct lnt_kube_config){};
	return 0;
}
