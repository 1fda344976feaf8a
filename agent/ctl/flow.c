/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linnetctl flow list: the connections that the programs know, read from their map here, so that a
 * table of a million costs the agent nothing; it is asked only for the names of what is shown.
 */
#include "agent/ctl/flow.h"
#include "agent/ctl/kernel.h"
#include "agent/ctl/table.h"
#include "lib/endpoint.h"
#include "lib/json.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

#define LIMIT 1000

static const char usage[] =
	"usage: linnetctl flow list [FILTER...] [--limit N] [--replies] [--numeric] [-o "
	"json|wide]\n"
	"Prints the connections that this node's programs know and forward or drop without "
	"another\n"
	"look at policy: what is established. BECOMES: where a packet is sent to, and from whom "
	"it\n"
	"then is, if it is translated. STATE: open, closing or reset; stale: decided again at the\n"
	"next packet. IDLE: for how long there was none, in steps of ten seconds.\n"
	"  --pod NAMESPACE/NAME   of this pod, at either end, before or after translation\n"
	"  --address ADDR[/LEN]   of this address or prefix; may be given up to 8 times\n"
	"  --port PORT            with this port at either end\n"
	"  --proto PROTOCOL       tcp, udp, sctp, icmp or a number\n"
	"  --drops                only what is dropped\n"
	"  --replies              the entries of the replies, too\n"
	"  --numeric              no names; the agent is not asked\n"
	"  --limit N              at most N, 0: all (1000)\n";

struct query {
	struct ctl_flow_filter filter;
	const char *pod; /* NULL: any */
	bool numeric;
	size_t limit; /* 0: none */
};

struct flows {
	const struct query *query;
	struct ctl_flow *items; /* owned */
	size_t n, cap;
	size_t left_out; /* matched, beyond the limit */
	uint32_t epoch;
	struct ctl_names names;
};

static void flows_clear(struct flows *f)
{
	free(f->items);
	ctl_names_clear(&f->names);
}

/* --- asking ----------------------------------------------------------------------------------- */

static int parse_number(const char *text, unsigned long max, unsigned long *ret_n)
{
	char *end;

	*ret_n = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && *ret_n <= max)
		return 0;
	fprintf(stderr, "linnetctl: '%s' is no number up to %lu\n", text, max);
	return -EINVAL;
}

static int parse_prefix(const char *text, struct ctl_flow_filter *f)
{
	struct lnt_prefix *p = &f->addrs[f->n_addrs];

	if (f->n_addrs == CTL_FLOW_PREFIXES) {
		fprintf(stderr, "linnetctl: more than %d addresses\n", CTL_FLOW_PREFIXES);
		return -EINVAL;
	}
	if (strchr(text, '/') ? lnt_prefix_parse(text, p) : lnt_addr_parse(text, &p->addr)) {
		fprintf(stderr, "linnetctl: '%s' is no address or prefix\n", text);
		return -EINVAL;
	}
	if (!strchr(text, '/'))
		p->len = (uint8_t)lnt_addr_bits(&p->addr);
	f->n_addrs++;
	return 0;
}

static void add_pod_addr(struct ctl_flow_filter *f, const struct in6_addr *addr)
{
	if (f->n_pod < ARRAY_SIZE(f->pod))
		f->pod[f->n_pod++] = (struct lnt_prefix){*addr, (uint8_t)lnt_addr_bits(addr)};
}

/* Of this node, by the plugin's records. */
static int find_local_pod(struct query *q, const char *run_dir)
{
	_cleanup_free_ struct lnt_endpoint *eps = NULL;
	char name[2 * LNT_K8S_NAME_MAX];
	struct lnt_err e = {};
	size_t n = 0;

	if (lnt_endpoint_load_all(run_dir, &e, &eps, &n)) {
		fprintf(stderr, "linnetctl: %s\n", e.msg);
		return -EIO;
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%s", eps[i].pod_ns, eps[i].pod_name);
		for (unsigned k = 0; !strcmp(name, q->pod) && k < eps[i].n_addrs; k++)
			add_pod_addr(&q->filter, &eps[i].addrs[k]);
	}
	return 0;
}

/* Of another node, by the agent. */
static int find_pod(struct ctl *c, struct query *q)
{
	_cleanup_json_ cJSON *req = cJSON_CreateObject();
	_cleanup_json_ cJSON *answer = NULL;
	struct in6_addr addr;
	const cJSON *item;

	if (find_local_pod(q, c->run_dir))
		return CTL_FAILED;
	if (q->filter.n_pod)
		return CTL_OK;
	cJSON_AddStringToObject(req, "get", "names");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(req, "pods"), cJSON_CreateString(q->pod));
	if (!ctl_ask(c, req))
		return CTL_ABSENT;
	if (!ctl_read(c, &answer))
		return CTL_ABSENT;
	cJSON_ArrayForEach (item, lnt_json_get(lnt_json_get(answer, "pods"), q->pod))
		if (!lnt_addr_parse(cJSON_GetStringValue(item), &addr))
			add_pod_addr(&q->filter, &addr);
	if (q->filter.n_pod)
		return CTL_OK;
	if (answer)
		fprintf(stderr, "linnetctl: there is no pod %s with an address\n", q->pod);
	return CTL_FAILED;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool take(void *ctx, const void *key, const void *value)
{
	struct flows *f = ctx;

	if (!ctl_flow_matches(&f->query->filter, key, value))
		return true;
	if (f->query->limit && f->n == f->query->limit) {
		f->left_out++;
		return true;
	}
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 256;
		struct ctl_flow *items = reallocarray(f->items, cap, sizeof(*items));

		if (!items) {
			f->left_out++;
			return true;
		}
		f->items = items;
		f->cap = cap;
	}
	memcpy(&f->items[f->n].key, key, sizeof(f->items->key));
	memcpy(&f->items[f->n].flow, value, sizeof(f->items->flow));
	f->n++;
	return true;
}

static int read_epoch(const char *bpf_root, struct lnt_err *e, uint32_t *ret_epoch)
{
	struct lnt_state state = {};
	_cleanup_close_ int fd = ctl_map_open(bpf_root, "state");
	uint32_t zero = 0;
	int r = fd < 0 ? fd : bpf_map_lookup_elem(fd, &zero, &state);

	*ret_epoch = state.epoch;
	return r ? lnt_err_sys(e, r, "read the programs' state below %s", bpf_root) : 0;
}

/* By protocol, then by both ends: what belongs together stands together. */
static int compare(const void *pa, const void *pb)
{
	const struct ctl_flow *a = pa, *b = pb;
	int r = (int)a->key.proto - b->key.proto;

	return r ? r : memcmp(&a->key, &b->key, sizeof(a->key));
}

static int look(struct flows *f, const char *bpf_root)
{
	struct lnt_err e = {};
	uint64_t n;

	if (!read_epoch(bpf_root, &e, &f->epoch) &&
		!ctl_map_walk(bpf_root, "flows", take, f, &e, &n)) {
		if (f->n)
			qsort(f->items, f->n, sizeof(*f->items), compare);
		return 0;
	}
	fprintf(stderr, "linnetctl: %s\n", e.msg);
	return e.err;
}

/* --- showing ---------------------------------------------------------------------------------- */

/* One document, and no more of it in memory than a flow. */
static void print_json(const struct flows *f)
{
	fputs("{\"flows\":[", stdout);
	for (size_t i = 0; i < f->n; i++) {
		_cleanup_json_ cJSON *json = ctl_flow_json(&f->items[i], &f->names, f->epoch);
		_cleanup_free_ char *text = cJSON_PrintUnformatted(json);

		printf("%s%s", i ? "," : "", text ? text : "null");
	}
	printf("],\"leftOut\":%zu}\n", f->left_out);
}

static void print_table(const struct flows *f, bool wide)
{
	static const char *const head[] = {CTL_FLOW_HEAD, NULL};
	static const char *const head_wide[] = {CTL_FLOW_HEAD_WIDE, NULL};
	_cleanup_(ctl_table_clear) struct ctl_table t = {};
	struct ctl_flow_row row;

	ctl_table_head(&t, wide ? head_wide : head);
	for (size_t i = 0; i < f->n; i++) {
		ctl_flow_row(&f->items[i], &f->names, f->epoch, &row);
		ctl_table_row(&t,
			(const char *const[]){row.protocol, row.source, row.destination,
				row.becomes, row.verdict, row.state, row.idle, row.packets,
				row.bytes, row.seen, row.rule, NULL});
	}
	ctl_table_print(&t, stdout);
	if (f->left_out)
		fprintf(stderr, "(%zu more are not shown: a filter, or --limit 0)\n", f->left_out);
}

static int run(struct ctl *c, struct query *q)
{
	_cleanup_(flows_clear) struct flows f = {.query = q};
	const char *bpf_root = ctl_find_bpf_root(c);
	int code = q->pod ? find_pod(c, q) : CTL_OK;

	if (code)
		return code;
	if (look(&f, bpf_root))
		return CTL_FAILED;
	for (size_t i = 0; !q->numeric && i < f.n; i++)
		ctl_flow_want(&f.items[i], &f.names);
	if (!q->numeric && !ctl_names_ask(&f.names, c)) {
		fputs("linnetctl: flows are shown without names\n", stderr);
		code = CTL_ABSENT;
	}
	if (c->json)
		print_json(&f);
	else
		print_table(&f, c->wide);
	return code;
}

/* False: it was said what is wrong. */
static bool parse_one(int opt, struct query *q)
{
	unsigned long n = 0;

	switch (opt) {
	case 'p':
		q->pod = optarg;
		if (strchr(optarg, '/'))
			return true;
		fprintf(stderr, "linnetctl: '%s' is not NAMESPACE/NAME\n", optarg);
		return false;
	case 'a':
		return !parse_prefix(optarg, &q->filter);
	case 't':
		if (parse_number(optarg, 65535, &n))
			return false;
		q->filter.port = (uint16_t)n;
		return true;
	case 'x':
		if (!ctl_proto_parse(optarg, &q->filter.proto))
			return true;
		fprintf(stderr, "linnetctl: '%s' is no protocol\n", optarg);
		return false;
	case 'd':
		return q->filter.drops = true;
	case 'e':
		return q->filter.replies = true;
	case 'u':
		return q->numeric = true;
	default:
		if (parse_number(optarg, 100000000, &n))
			return false;
		q->limit = n;
		return true;
	}
}

static int list(struct ctl *c, int argc, char **argv)
{
	static const struct option longs[] = {
		{"pod", required_argument, NULL, 'p'},
		{"address", required_argument, NULL, 'a'},
		{"port", required_argument, NULL, 't'},
		{"proto", required_argument, NULL, 'x'},
		{"drops", no_argument, NULL, 'd'},
		{"replies", no_argument, NULL, 'e'},
		{"numeric", no_argument, NULL, 'u'},
		{"limit", required_argument, NULL, 'l'},
		CTL_OPTIONS,
		{},
	};
	struct query q = {.limit = LIMIT};
	int opt, code;

	while ((opt = getopt_long(argc, argv, CTL_SHORT, longs, NULL)) != -1) {
		if (!strchr("patxdeul", opt)) {
			if (!ctl_option(c, opt, optarg, usage, &code))
				return code;
		} else if (!parse_one(opt, &q)) {
			return CTL_FAILED;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return CTL_FAILED;
	}
	return run(c, &q);
}

int ctl_flow(struct ctl *c, int argc, char **argv)
{
	return ctl_subverb(c, argc, argv, "list", list, usage);
}
