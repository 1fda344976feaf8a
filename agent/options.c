/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of options.h: one table, from which the command line, the configuration folder, --help
 * and the defaults are taken. Defaults are text and go the way of what is given.
 */
#include "agent/options.h"
#include "agent/compile/maglev.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/version.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 4096

enum {
	OPT_NODE_NAME,
	OPT_KUBECONFIG,
	OPT_KUBE_HOST,
	OPT_KUBE_PORT,
	OPT_DEVICES,
	OPT_MASQUERADE,
	OPT_NODEPORT_ADDRESSES,
	OPT_LOADBALANCER_MODE,
	OPT_XDP,
	OPT_MAGLEV_TABLE_SIZE,
	OPT_POLICY_AUDIT,
	OPT_HTTP_ADDRESS,
	OPT_HEALTHZ_ADDRESS,
	OPT_LOG_LEVEL,
	OPT_BPF_ROOT,
	OPT_CGROUP_ROOT,
	OPT_RUN_DIR,
	OPT_CNI_CONF_DIR,
	N_SETTINGS, /* the ones above may be files of the configuration folder */
	OPT_CONFIG_DIR = N_SETTINGS,
	OPT_LOAD_ONLY,
	OPT_MOUNT_ONLY,
	OPT_CLEANUP,
	OPT_WAIT,
	OPT_VERSION,
	OPT_HELP,
	N_OPTIONS,
};

static const struct spec {
	const char *name;
	const char *arg; /* NULL: it takes none */
	const char *def; /* "" where there is none, or what it is depends */
	const char *help;
} specs[N_OPTIONS] = {
	[OPT_NODE_NAME] = {"node-name", "NAME", "",
		"this node's name in Kubernetes; without: $NODE_NAME, else the host's name"},
	[OPT_KUBECONFIG] = {"kubeconfig", "FILE", "",
		"credentials for the API server; without: the pod's service account"},
	[OPT_KUBE_HOST] = {"kubernetes-service-host", "HOST", "",
		"the API server for that account; without: this node's connections are\n"
		"looked at for it, else $KUBERNETES_SERVICE_HOST"},
	[OPT_KUBE_PORT] = {"kubernetes-service-port", "PORT", "",
		"its port; without: 6443 of a given HOST, else $KUBERNETES_SERVICE_PORT"},
	[OPT_DEVICES] = {"devices", "A,B", "",
		"the node's devices; without: those with the node's addresses"},
	[OPT_MASQUERADE] = {"masquerade", "BOOL", "true",
		"hide pods behind the node towards the world"},
	[OPT_NODEPORT_ADDRESSES] = {"nodeport-addresses", "CIDR,CIDR", "",
		"ranges of the addresses that serve NodePorts, 127.0.0.0/8 for the node itself;\n"
		"without: all of the devices, and 127.0.0.1"},
	[OPT_LOADBALANCER_MODE] = {"loadbalancer-mode", "MODE", "snat",
		"snat or dsr: whether pods of other nodes answer outside clients directly,\n"
		"where a service does not say"},
	[OPT_XDP] = {"xdp", "MODE", "auto",
		"services for clients from outside before the stack: native, generic, off, or\n"
		"auto: native where that is for the better"},
	[OPT_MAGLEV_TABLE_SIZE] = {"maglev-table-size", "N", "65537",
		"entries of a service's table for clients from outside, a prime up to 131071;\n"
		"the same on all nodes. 0: no tables"},
	[OPT_POLICY_AUDIT] = {"policy-audit", "BOOL", "false",
		"let what policy denies pass, and tell (linnetctl monitor)"},
	[OPT_HTTP_ADDRESS] = {"http-address", "ADDR:PORT", "127.0.0.1:9880",
		"serve /metrics, /healthz and /readyz, or 'off'"},
	[OPT_HEALTHZ_ADDRESS] = {"healthz-bind-address", "ADDR:PORT", "[::]:10256",
		"serve the health that load balancers ask kube-proxy for, or 'off'; [::] is all\n"
		"addresses of both families"},
	[OPT_LOG_LEVEL] = {"log-level", "LEVEL", "info", "error, warn, info or debug"},
	[OPT_BPF_ROOT] = {"bpf-root", "DIR", "",
		"bpffs to pin in, mounted if it is not; without: that at " LNT_BPF_ROOT
		", else one at\n<run-dir>/bpf"},
	[OPT_CGROUP_ROOT] = {"cgroup-root", "DIR", "",
		"cgroup v2 whose sockets see services; without: the topmost that is mounted"},
	[OPT_RUN_DIR] = {"run-dir", "DIR", "/run/linnet", "sockets and records, volatile"},
	[OPT_CNI_CONF_DIR] = {"cni-conf-dir", "DIR", "/etc/cni/net.d",
		"where the CNI configuration is written"},
	[OPT_CONFIG_DIR] = {"config-dir", "DIR", "",
		"files with an option's name and its value, such as a mounted ConfigMap; an\n"
		"empty one means the default, and the command line goes before"},
	[OPT_LOAD_ONLY] = {"load-only", NULL, "", "load and pin the programs, then exit"},
	[OPT_MOUNT_ONLY] = {"mount-only", NULL, "",
		"mount a bpffs and a cgroup v2 where there is none, then exit"},
	[OPT_CLEANUP] = {"cleanup", NULL, "",
		"remove everything linnet put on the node, then exit"},
	[OPT_WAIT] = {"wait", NULL, "",
		"do nothing until SIGTERM, for pods whose init containers have done the work"},
	[OPT_VERSION] = {"version", NULL, "", "print the version, then exit"},
	[OPT_HELP] = {"help", NULL, "", "this"},
};

static void usage(FILE *to)
{
	fputs("usage: linnetd [options]\n", to);
	for (int i = 0; i < N_OPTIONS; i++) {
		const struct spec *s = &specs[i];

		fprintf(to, "  --%s%s%s\n        ", s->name, s->arg ? " " : "", s->arg ?: "");
		for (const char *c = s->help; *c; c++) {
			putc(*c, to);
			if (*c == '\n')
				fputs("        ", to);
		}
		if (*s->def)
			fprintf(to, " (default: %s)", s->def);
		putc('\n', to);
	}
}

/* --- values ------------------------------------------------------------------------------------
 */

static int parse_devices(char *list, struct lnt_options *o)
{
	char *save = NULL;

	for (char *d = strtok_r(list, ",", &save); d; d = strtok_r(NULL, ",", &save)) {
		if (o->n_devices == LNT_OPT_DEVICES_MAX) {
			fprintf(stderr, "linnetd: more than %d --devices\n", LNT_OPT_DEVICES_MAX);
			return -EINVAL;
		}
		o->devices[o->n_devices++] = d;
	}
	return 0;
}

static int parse_nodeport_addresses(char *list, struct lnt_options *o)
{
	char *save = NULL;

	for (char *c = strtok_r(list, ",", &save); c; c = strtok_r(NULL, ",", &save)) {
		if (o->n_nodeport_cidrs == LNT_OPT_NODEPORT_CIDRS_MAX) {
			fprintf(stderr, "linnetd: more than %d --nodeport-addresses\n",
				LNT_OPT_NODEPORT_CIDRS_MAX);
			return -EINVAL;
		}
		if (lnt_prefix_parse(c, &o->nodeport_cidrs[o->n_nodeport_cidrs])) {
			fprintf(stderr, "linnetd: '%s' is no range of addresses\n", c);
			return -EINVAL;
		}
		o->n_nodeport_cidrs++;
	}
	return 0;
}

/* "127.0.0.1:80", "[::1]:80" or "off". */
static int parse_bind(const char *s, struct lnt_bind *ret_bind)
{
	const char *colon = strrchr(s, ':');
	char addr[LNT_ADDRSTRLEN + 2] = "", *text = addr, *end;
	struct lnt_bind b = {};
	unsigned long port;
	size_t n;

	if (!strcmp(s, "off")) {
		*ret_bind = b;
		return 0;
	}
	n = colon ? (size_t)(colon - s) : 0;
	if (n && n < sizeof(addr)) {
		memcpy(addr, s, n);
		if (addr[0] == '[' && addr[n - 1] == ']') {
			addr[n - 1] = '\0';
			text++;
		} else if (strchr(addr, ':')) {
			n = 0;
		}
	}
	errno = 0;
	port = colon ? strtoul(colon + 1, &end, 10) : 0;
	if (!n || lnt_addr_parse(text, &b.addr) || errno || !port || port > 65535 || *end) {
		fprintf(stderr, "linnetd: '%s' is no address with a port, nor 'off'\n", s);
		return -EINVAL;
	}
	b.port = (uint16_t)port;
	*ret_bind = b;
	return 0;
}

static int parse_xdp(const char *s, enum lnt_opt_xdp *ret)
{
	static const char *const names[] = {
		[LNT_OPT_XDP_AUTO] = "auto",
		[LNT_OPT_XDP_NATIVE] = "native",
		[LNT_OPT_XDP_GENERIC] = "generic",
		[LNT_OPT_XDP_OFF] = "off",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(s, names[i]) != 0)
			continue;
		*ret = (enum lnt_opt_xdp)i;
		return 0;
	}
	fprintf(stderr, "linnetd: XDP mode '%s' is none of native, generic, off, auto\n", s);
	return -EINVAL;
}

static int parse_bool(const char *s, bool *ret)
{
	if (strcmp(s, "true") && strcmp(s, "false")) {
		fprintf(stderr, "linnetd: '%s' is neither true nor false\n", s);
		return -EINVAL;
	}
	*ret = !strcmp(s, "true");
	return 0;
}

static int parse_maglev_size(const char *s, uint32_t *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || (n && !lnt_maglev_size_ok(n))) {
		fprintf(stderr,
			"linnetd: --maglev-table-size '%s' is neither 0 nor a prime up to %u\n", s,
			LNT_MAGLEV_SIZE_MAX);
		return -EINVAL;
	}
	*ret = (uint32_t)n;
	return 0;
}

static int parse_mode(const char *s, bool *ret_dsr)
{
	if (strcmp(s, "snat") && strcmp(s, "dsr")) {
		fprintf(stderr, "linnetd: '%s' is neither snat nor dsr\n", s);
		return -EINVAL;
	}
	*ret_dsr = !strcmp(s, "dsr");
	return 0;
}

/* Where an option goes whose argument is taken as it is; NULL: it is another. */
static const char **text_option(int c, struct lnt_options *o)
{
	switch (c) {
	case OPT_NODE_NAME:
		return &o->node_name;
	case OPT_KUBECONFIG:
		return &o->kubeconfig;
	case OPT_BPF_ROOT:
		return &o->bpf_root;
	case OPT_CGROUP_ROOT:
		return &o->cgroup_root;
	case OPT_RUN_DIR:
		return &o->run_dir;
	case OPT_CNI_CONF_DIR:
		return &o->cni_conf_dir;
	case OPT_KUBE_HOST:
		return &o->kube_host;
	case OPT_KUBE_PORT:
		return &o->kube_port;
	}
	return NULL;
}

/* @arg lives as long as @o. */
static int set(int c, char *arg, struct lnt_options *o)
{
	const char **text = text_option(c, o);

	if (text) {
		*text = arg;
		return 0;
	}
	switch (c) {
	case OPT_DEVICES:
		return parse_devices(arg, o);
	case OPT_MASQUERADE:
		return parse_bool(arg, &o->masquerade);
	case OPT_LOG_LEVEL:
		if (!lnt_log_parse_level(arg, &o->log_level))
			return 0;
		fprintf(stderr, "linnetd: log level '%s' is none of error, warn, info, debug\n",
			arg);
		return -EINVAL;
	case OPT_NODEPORT_ADDRESSES:
		return parse_nodeport_addresses(arg, o);
	case OPT_HTTP_ADDRESS:
		return parse_bind(arg, &o->http);
	case OPT_HEALTHZ_ADDRESS:
		return parse_bind(arg, &o->healthz);
	case OPT_XDP:
		return parse_xdp(arg, &o->xdp);
	case OPT_MAGLEV_TABLE_SIZE:
		return parse_maglev_size(arg, &o->maglev_size);
	case OPT_LOADBALANCER_MODE:
		return parse_mode(arg, &o->dsr);
	case OPT_POLICY_AUDIT:
		return parse_bool(arg, &o->policy_audit);
	}
	return -EINVAL;
}

/* --- where values come from ------------------------------------------------------------------- */

/* Options as text; NULL: not given. */
struct given {
	char *text[N_OPTIONS];
	enum lnt_mode mode;
};

static int read_command_line(int argc, char **argv, struct given *g)
{
	static const enum lnt_mode modes[N_OPTIONS] = {
		[OPT_LOAD_ONLY] = LNT_MODE_LOAD_ONLY,
		[OPT_MOUNT_ONLY] = LNT_MODE_MOUNT_ONLY,
		[OPT_CLEANUP] = LNT_MODE_CLEANUP,
		[OPT_WAIT] = LNT_MODE_WAIT,
	};
	struct option longs[N_OPTIONS + 1] = {};
	int c;

	for (int i = 0; i < N_OPTIONS; i++)
		longs[i] = (struct option){specs[i].name,
			specs[i].arg ? required_argument : no_argument, NULL, UCHAR_MAX + 1 + i};
	optind = 0;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'h' || c == UCHAR_MAX + 1 + OPT_HELP) {
			usage(stdout);
			return 1;
		}
		c -= UCHAR_MAX + 1;
		if (c == OPT_VERSION) {
			puts("linnetd " LNT_VERSION);
			return 1;
		}
		if (c < 0) {
			fputs("linnetd: --help lists the options\n", stderr);
			return -EINVAL;
		}
		if (specs[c].arg)
			g->text[c] = optarg;
		else
			g->mode = modes[c];
	}
	if (optind < argc) {
		fprintf(stderr, "linnetd: unexpected argument '%s'\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

static int find_setting(const char *name)
{
	for (int i = 0; i < N_SETTINGS; i++)
		if (!strcmp(name, specs[i].name))
			return i;
	return -1;
}

/* The value without blanks around it, in memory that the caller frees; NULL: it cannot be read. */
static char *read_setting(const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct lnt_err e = {};
	size_t n, skip;
	int r = lnt_file_read(path, VALUE_MAX, &e, &text, &n);

	if (r) {
		fprintf(stderr, "linnetd: %s: %s\n", path, *e.msg ? e.msg : strerror(-r));
		return NULL;
	}
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	skip = strspn(text, " \t\r\n");
	memmove(text, text + skip, strlen(text + skip) + 1);
	return TAKE_PTR(text);
}

/*
 * Reads the configuration folder into @g. A file that is no option may be one that was meant to be:
 * all of them are told, and refused. Names that begin with a dot are the kubelet's own.
 */
static int read_config_dir(const char *dir, struct given *g)
{
	DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *f;
	int r = 0, i;

	if (!d) {
		fprintf(stderr, "linnetd: open folder %s: %s\n", dir, strerror(errno));
		return -EINVAL;
	}
	while ((f = readdir(d))) {
		if (f->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, f->d_name);
		i = find_setting(f->d_name);
		if (i < 0)
			fprintf(stderr, "linnetd: %s: there is no option of that name\n", path);
		if (i < 0 || !(g->text[i] = read_setting(path)))
			r = -EINVAL;
	}
	closedir(d);
	return r;
}

static int set_all(
	const struct given *line, struct given *config, const char *dir, struct lnt_options *o)
{
	for (int i = 0; i < N_SETTINGS; i++) {
		char *text = line->text[i];
		bool by_config = !text && config->text[i] && *config->text[i];

		if (!text && !by_config) {
			free(config->text[i]);
			config->text[i] = *specs[i].def ? strdup(specs[i].def) : NULL;
		}
		text = text ?: config->text[i];
		if (!text || !set(i, text, o))
			continue;
		if (by_config)
			fprintf(stderr, "linnetd: so says %s/%s\n", dir, specs[i].name);
		return -EINVAL;
	}
	return 0;
}

int lnt_options_parse(int argc, char **argv, struct lnt_options *ret_opt)
{
	static char host[HOST_NAME_MAX + 1], bpf_root[PATH_MAX];
	static struct given config;
	struct lnt_options o = {};
	struct given line = {};
	int r = read_command_line(argc, argv, &line);

	if (r)
		return r;
	for (int i = 0; i < N_OPTIONS; i++)
		free(TAKE_PTR(config.text[i]));
	o.mode = line.mode;
	if (line.text[OPT_CONFIG_DIR])
		r = read_config_dir(line.text[OPT_CONFIG_DIR], &config);
	if (!r)
		r = set_all(&line, &config, line.text[OPT_CONFIG_DIR], &o);
	if (r)
		return r;
	if (o.kubeconfig && (o.kube_host || o.kube_port)) {
		fputs("linnetd: a --kubeconfig names its own API server; give no "
		      "--kubernetes-service-host and -port with it\n",
			stderr);
		return -EINVAL;
	}
	if (!o.bpf_root) {
		lnt_pin_root(o.run_dir, bpf_root);
		o.bpf_root = bpf_root;
	}
	if (!o.node_name)
		o.node_name = getenv("NODE_NAME");
	if (!o.node_name && !gethostname(host, sizeof(host)))
		o.node_name = host;
	*ret_opt = o;
	return 0;
}
