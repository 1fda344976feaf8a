/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of options.h. */
#include "agent/options.h"
#include "agent/compile/maglev.h"
#include "datapath/pins.h"
#include "lib/version.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The paper's, for what it reports when a backend goes. */
#define MAGLEV_SIZE 65537

enum {
	OPT_LOAD_ONLY = 256,
	OPT_CLEANUP,
	OPT_NODEPORT_ADDRESSES,
	OPT_LOADBALANCER_MODE,
	OPT_HTTP_ADDRESS,
	OPT_HEALTHZ_ADDRESS,
	OPT_KUBE_HOST,
	OPT_KUBE_PORT,
	OPT_XDP,
	OPT_MAGLEV_TABLE_SIZE,
	OPT_POLICY_AUDIT,
	OPT_VERSION,
};

static const struct option longs[] = {
	{"node-name", required_argument, NULL, 'n'},
	{"kubeconfig", required_argument, NULL, 'k'},
	{"kubernetes-service-host", required_argument, NULL, OPT_KUBE_HOST},
	{"kubernetes-service-port", required_argument, NULL, OPT_KUBE_PORT},
	{"bpf-root", required_argument, NULL, 'b'},
	{"cgroup-root", required_argument, NULL, 'g'},
	{"run-dir", required_argument, NULL, 'r'},
	{"cni-conf-dir", required_argument, NULL, 'c'},
	{"devices", required_argument, NULL, 'd'},
	{"masquerade", required_argument, NULL, 'm'},
	{"nodeport-addresses", required_argument, NULL, OPT_NODEPORT_ADDRESSES},
	{"http-address", required_argument, NULL, OPT_HTTP_ADDRESS},
	{"healthz-bind-address", required_argument, NULL, OPT_HEALTHZ_ADDRESS},
	{"xdp", required_argument, NULL, OPT_XDP},
	{"maglev-table-size", required_argument, NULL, OPT_MAGLEV_TABLE_SIZE},
	{"loadbalancer-mode", required_argument, NULL, OPT_LOADBALANCER_MODE},
	{"policy-audit", required_argument, NULL, OPT_POLICY_AUDIT},
	{"log-level", required_argument, NULL, 'l'},
	{"load-only", no_argument, NULL, OPT_LOAD_ONLY},
	{"cleanup", no_argument, NULL, OPT_CLEANUP},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, 'h'},
	{},
};

static void usage(FILE *to)
{
	fputs("usage: linnetd [options]\n"
	      "  --node-name NAME     this node's name in Kubernetes (default: $NODE_NAME, "
	      "hostname)\n"
	      "  --kubeconfig FILE    credentials (default: the pod's service account)\n"
	      "  --kubernetes-service-host HOST, --kubernetes-service-port PORT\n"
	      "                       the API server for those (default: "
	      "$KUBERNETES_SERVICE_HOST,\n"
	      "                       $KUBERNETES_SERVICE_PORT; with a HOST 6443)\n"
	      "  --bpf-root DIR       bpffs to pin in, mounted if it is not (" LNT_BPF_ROOT ")\n"
	      "  --cgroup-root DIR    cgroup v2 whose sockets see services (default: its mount)\n"
	      "  --run-dir DIR        sockets and records, volatile (/run/linnet)\n"
	      "  --cni-conf-dir DIR   where the CNI configuration is written (/etc/cni/net.d)\n"
	      "  --devices A,B        the node's devices (default: those with the node's "
	      "addresses)\n"
	      "  --masquerade BOOL    hide pods behind the node towards the world (true)\n"
	      "  --nodeport-addresses CIDR,CIDR\n"
	      "                       ranges of the addresses that serve NodePorts; 127.0.0.0/8 is "
	      "for\n"
	      "                       the node itself (default: all of the devices, and "
	      "127.0.0.1)\n"
	      "  --http-address ADDR:PORT\n"
	      "                       serve /metrics, /healthz and /readyz, or 'off' "
	      "(127.0.0.1:9880)\n"
	      "  --healthz-bind-address ADDR:PORT\n"
	      "                       serve the health that load balancers ask kube-proxy for, "
	      "or\n"
	      "                       'off' ([::]:10256, which is all addresses of both "
	      "families)\n"
	      "  --xdp MODE           services for clients from outside before the stack: native, "
	      "generic,\n"
	      "                       off, or auto: native where that is for the better (auto)\n"
	      "  --maglev-table-size N\n"
	      "                       entries of a service's table for clients from outside, a "
	      "prime up\n"
	      "                       to 131071; the same on all nodes. 0: no tables (65537)\n"
	      "  --loadbalancer-mode MODE\n"
	      "                       snat or dsr: whether pods of other nodes answer outside "
	      "clients\n"
	      "                       directly, where a service does not say (snat)\n"
	      "  --policy-audit BOOL  let what policy denies pass, and tell (linnetctl monitor) "
	      "(false)\n"
	      "  --log-level LEVEL    error, warn, info or debug (info)\n"
	      "  --version            print the version, then exit\n"
	      "  --load-only          load and pin the programs, then exit\n"
	      "  --cleanup            remove everything linnet put on the node, then exit\n",
		to);
}

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
	case 'n':
		return &o->node_name;
	case 'k':
		return &o->kubeconfig;
	case 'b':
		return &o->bpf_root;
	case 'g':
		return &o->cgroup_root;
	case 'r':
		return &o->run_dir;
	case 'c':
		return &o->cni_conf_dir;
	case OPT_KUBE_HOST:
		return &o->kube_host;
	case OPT_KUBE_PORT:
		return &o->kube_port;
	}
	return NULL;
}

static int parse_one(int c, char *arg, struct lnt_options *o)
{
	const char **text = text_option(c, o);

	if (text) {
		*text = arg;
		return 0;
	}
	switch (c) {
	case 'd':
		return parse_devices(arg, o);
	case 'm':
		return parse_bool(arg, &o->masquerade);
	case 'l':
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
	case OPT_LOAD_ONLY:
		o->mode = LNT_MODE_LOAD_ONLY;
		return 0;
	case OPT_CLEANUP:
		o->mode = LNT_MODE_CLEANUP;
		return 0;
	case OPT_VERSION:
		puts("linnetd " LNT_VERSION);
		return 1;
	case 'h':
		usage(stdout);
		return 1;
	default:
		usage(stderr);
		return -EINVAL;
	}
}

int lnt_options_parse(int argc, char **argv, struct lnt_options *ret_opt)
{
	static char host[HOST_NAME_MAX + 1];
	struct lnt_options o = {
		.bpf_root = LNT_BPF_ROOT,
		.run_dir = "/run/linnet",
		.cni_conf_dir = "/etc/cni/net.d",
		.http = {.addr = lnt_addr_from4(htonl(INADDR_LOOPBACK)), .port = 9880},
		.healthz = {.addr = IN6ADDR_ANY_INIT, .port = 10256},
		.masquerade = true,
		.maglev_size = MAGLEV_SIZE,
		.log_level = LNT_INFO,
	};
	int c, r;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		r = parse_one(c, optarg, &o);
		if (r)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "linnetd: unexpected argument '%s'\n", argv[optind]);
		return -EINVAL;
	}
	if (o.kubeconfig && (o.kube_host || o.kube_port)) {
		fputs("linnetd: a --kubeconfig names its own API server; give no "
		      "--kubernetes-service-host and -port with it\n",
			stderr);
		return -EINVAL;
	}
	if (!o.node_name)
		o.node_name = getenv("NODE_NAME");
	if (!o.node_name && !gethostname(host, sizeof(host)))
		o.node_name = host;
	*ret_opt = o;
	return 0;
}
