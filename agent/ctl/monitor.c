/* SPDX-License-Identifier: Apache-2.0 */
/* linnetctl monitor: a line an event, until somebody has seen enough. */
#include "agent/ctl/ctl.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <getopt.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: linnetctl monitor [--allows] [--pod NS/NAME] [--policy NS/NAME] [-o json]\n"
	"Prints what this node's programs drop, with the reason and the rule, as it happens.\n"
	"  --allows           connections that are allowed too, when they are decided\n"
	"  --pod NS/NAME      only what is from or to this pod\n"
	"  --policy NS/NAME   only what this policy has decided, or the isolation that it makes;\n"
	"                     a ClusterNetworkPolicy is cnp:NAME\n";

/* "red/near:4312", "world 203.0.113.1:80": the address only where it is no one's. */
static void print_end(const cJSON *end, char *buf, size_t size)
{
	const cJSON *port = lnt_json_get(end, "port");
	const char *name = ctl_text(end, "name"), *addr = ctl_text(end, "address");
	bool colons = !*name && strchr(addr, ':');
	int n = snprintf(buf, size, "%s%s%s%s", *name ? name : "world ", colons && port ? "[" : "",
		*name ? "" : addr, colons && port ? "]" : "");

	if (port && n >= 0 && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, ":%d", port->valueint);
}

/* The rule, or who isolates where none matched. */
static void print_why(const cJSON *ev)
{
	const cJSON *list = lnt_json_get(ev, "isolatedBy"), *name;
	const char *rule = lnt_json_str(ev, "rule"), *sep = "isolated by ";

	if (rule)
		printf("%s%s", *ctl_text(ev, "reason") ? "  " : "", rule);
	if (!cJSON_GetArraySize(list))
		return;
	fputs("  ", stdout);
	cJSON_ArrayForEach (name, list) {
		printf("%s%s", sep, cJSON_GetStringValue(name));
		sep = ", ";
	}
	fputs(", no rule matched", stdout);
}

/* "2026-01-31T12:00:00.123456Z" as the local time of day. */
static void print_time(const char *utc)
{
	struct tm tm = {};
	time_t t;
	char *rest = strptime(utc, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest) {
		printf("%-12s", utc);
		return;
	}
	t = timegm(&tm);
	localtime_r(&t, &tm);
	printf("%02d:%02d:%02d%.4s", tm.tm_hour, tm.tm_min, tm.tm_sec, rest);
}

/* "red/near:4312 -> red/server:80/TCP"; of a packet that was not read, where it was seen. */
static void print_ends(const cJSON *ev, char *buf, size_t size)
{
	const char *pod = ctl_text(ev, "devicePod"), *device = ctl_text(ev, "device");
	char src[600], dst[600];

	if (!lnt_json_get(ev, "source")) {
		snprintf(buf, size, "at device %s%s%s%s", device, *pod ? " of " : "", pod,
			*device ? "" : "?");
		return;
	}
	print_end(lnt_json_get(ev, "source"), src, sizeof(src));
	print_end(lnt_json_get(ev, "destination"), dst, sizeof(dst));
	snprintf(buf, size, "%s -> %s/%s%s", src, dst, ctl_text(ev, "protocol"),
		lnt_json_get(ev, "reply") ? " (reply)" : "");
}

static void print_event(const cJSON *ev)
{
	const cJSON *lost = lnt_json_get(ev, "lost");
	const char *service = ctl_text(ev, "service");
	char ends[1300], target[600];

	if (lost) {
		printf("(%.0f events are not shown: too many at once)\n", lost->valuedouble);
		return;
	}
	print_ends(ev, ends, sizeof(ends));
	print_time(ctl_text(ev, "time"));
	printf("  %-5s  %-54s  %-7s  %s", ctl_text(ev, "verdict"), ends, ctl_text(ev, "direction"),
		ctl_text(ev, "reason"));
	print_why(ev);
	if (*service)
		printf("  service %s", service);
	if (lnt_json_get(ev, "target")) {
		print_end(lnt_json_get(ev, "target"), target, sizeof(target));
		printf(" at %s", target);
	}
	putchar('\n');
}

static int follow(struct ctl *c)
{
	const char *line;
	cJSON *json;

	while ((line = ctl_read(c, &json))) {
		_cleanup_json_ cJSON *ev = json;
		const char *node = lnt_json_str(ev, "listening");

		if (!ev)
			return CTL_DENIED;
		if (node)
			fprintf(stderr, "listening to the agent of %s\n", node);
		else if (c->json)
			fputs(line, stdout);
		else
			print_event(ev);
		/* Whoever reads a pipe wants lines as they come; nobody there: the end. */
		if (fflush(stdout))
			return CTL_OK;
	}
	return CTL_ABSENT;
}

int ctl_monitor(struct ctl *c, int argc, char **argv)
{
	static const struct option longs[] = {
		{"allows", no_argument, NULL, 'a'},
		{"pod", required_argument, NULL, 'p'},
		{"policy", required_argument, NULL, 'y'},
		CTL_OPTIONS,
		{},
	};
	_cleanup_json_ cJSON *req = cJSON_CreateObject();
	int opt, code;

	cJSON_AddStringToObject(req, "get", "monitor");
	while ((opt = getopt_long(argc, argv, CTL_SHORT, longs, NULL)) != -1) {
		if (opt == 'a')
			cJSON_AddBoolToObject(req, "allows", true);
		else if (opt == 'p')
			cJSON_AddStringToObject(req, "pod", optarg);
		else if (opt == 'y')
			cJSON_AddStringToObject(req, "policy", optarg);
		else if (!ctl_option(c, opt, optarg, usage, &code))
			return code;
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return CTL_FAILED;
	}
	c->timeout = 0; /* there may be nothing to tell */
	return ctl_ask(c, req) ? follow(c) : CTL_ABSENT;
}
