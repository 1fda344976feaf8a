/* SPDX-License-Identifier: Apache-2.0 */
/* linnetctl: the table of verbs (ctl.h). */
#include "agent/ctl/ctl.h"
#include "lib/cleanup.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
	"usage: linnetctl [--run-dir DIR] VERB [OPTION...]\n"
	"  status         whether this node's linnet is well, and what it has\n"
	"  endpoint list  this node's pods, and whether they are programmed\n"
	"  flow list      connections that this node's programs know\n"
	"  monitor        drops and verdicts as they happen\n"
	"  policy list    the cluster's policies, and how many pods here they select\n"
	"  policy get     what applies to a pod\n"
	"  policy trace   whether policy allows a connection, and why\n"
	"  service list   the cluster's services, and whether this node serves them\n"
	"  version        of linnetctl and of the agent\n"
	"Every verb has --help, -o json, and\n"
	"  --run-dir DIR    where the agent's socket is (/run/linnet)\n"
	"  --bpf-root DIR   where linnet pins (as the agent says; /sys/fs/bpf)\n"
	"  --timeout SECONDS\n"
	"                   how long the agent may say nothing (10; 0: any time)\n"
	"Exits with 0; 1 when the answer is no, or something is wrong; 2 when it\n"
	"cannot be told; 3 when no agent answers.\n";

static const struct verb {
	const char *name;
	int (*run)(struct ctl *c, int argc, char **argv);
} verbs[] = {
	{"endpoint", ctl_endpoint},
	{"flow", ctl_flow},
	{"monitor", ctl_monitor},
	{"policy", ctl_policy},
	{"service", ctl_service},
	{"status", ctl_status},
	{"version", ctl_version},
};

int main(int argc, char **argv)
{
	static const struct option longs[] = {CTL_OPTIONS, {}};
	struct ctl c = {.run_dir = "/run/linnet", .timeout = 10};
	int opt, code = CTL_FAILED;

	while ((opt = getopt_long(argc, argv, CTL_SHORT, longs, NULL)) != -1)
		if (!ctl_option(&c, opt, optarg, usage, &code))
			return code;
	for (size_t i = 0; optind < argc && i < ARRAY_SIZE(verbs); i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(v->name, argv[optind]))
			continue;
		argc -= optind;
		argv += optind;
		optind = 0; /* glibc: begin anew */
		code = v->run(&c, argc, argv);
		if (c.in)
			fclose(c.in);
		free(c.line);
		cJSON_Delete(c.status);
		return code;
	}
	if (optind < argc)
		fprintf(stderr, "linnetctl: '%s' is no verb\n", argv[optind]);
	fputs(usage, stderr);
	return CTL_FAILED;
}
