/* SPDX-License-Identifier: Apache-2.0 */
/* linnetctl policy: what applies to a pod, and what would become of a connection. */
#include "agent/ctl/ctl.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
	"usage: linnetctl policy list [-n NAMESPACE] [-o json|wide]\n"
	"       linnetctl policy get NAMESPACE/POD [-o json]\n"
	"       linnetctl policy trace --from WHO --to WHO:PORT[/PROTOCOL] [-4 | -6] [-o json]\n"
	"list: the cluster's policies, and how many pods of this node they select.\n"
	"get: the policies of a pod in the order in which they are asked, and their rules.\n"
	"trace: whether policy allows a connection, and by which rule; exits 0 if it does, 1 if "
	"it\n"
	"does not, 2 if it cannot tell, 3 without an agent.\n"
	"  --from WHO   NAMESPACE/POD, an address ([IPV6] with a port), or a node's name\n"
	"  --to WHO     the same, or NAMESPACE/SERVICE: its ready endpoints\n"
	"  PORT         a number, a name of the pod's or service's, or icmp\n"
	"  PROTOCOL     tcp (default), udp or sctp\n"
	"  -4, -6       over this family only\n";

/* --- get -------------------------------------------------------------------------------------- */

/* "pods a=b of all namespaces, 10.0.0.0/8"; @none for an empty list. */
static void print_list(const cJSON *list, const char *none)
{
	const char *sep = "";
	const cJSON *item;

	if (!cJSON_GetArraySize(list))
		fputs(none, stdout);
	cJSON_ArrayForEach (item, list) {
		printf("%s%s", sep, cJSON_GetStringValue(item));
		sep = "; ";
	}
}

static void print_rule(const cJSON *rule)
{
	const char *dir = ctl_text(rule, "direction"), *name = lnt_json_str(rule, "name");

	printf("    %s[%d]%s%s%s: %s %s ", dir, lnt_json_get(rule, "index")->valueint,
		name ? " '" : "", name ? name : "", name ? "'" : "", ctl_text(rule, "action"),
		!strcmp(dir, "ingress") ? "from" : "to");
	print_list(lnt_json_get(rule, "peers"), "anybody");
	fputs(", ", stdout);
	print_list(lnt_json_get(rule, "ports"), "everything");
	putchar('\n');
}

static void print_policy(const cJSON *policy)
{
	bool in = cJSON_IsTrue(lnt_json_get(policy, "ingress"));
	bool out = cJSON_IsTrue(lnt_json_get(policy, "egress"));
	const cJSON *priority = lnt_json_get(policy, "priority"), *rule;
	const char *odd = lnt_json_str(policy, "unsupported");

	printf("  %-8s  %s  (%s", ctl_text(policy, "tier"), ctl_text(policy, "name"),
		in && out     ? "ingress, egress"
			: in  ? "ingress"
			: out ? "egress"
			      : "no direction");
	if (priority)
		printf(", priority %d", priority->valueint);
	puts(")");
	if (odd)
		printf("    not understood: %s\n", odd);
	cJSON_ArrayForEach (rule, lnt_json_get(policy, "rules"))
		print_rule(rule);
}

static const char *isolated_text(const cJSON *json, const char *key)
{
	return cJSON_IsTrue(lnt_json_get(json, key)) ? "isolated: only what rules allow"
						     : "not isolated";
}

static void print_policies(const cJSON *json)
{
	const cJSON *policies = lnt_json_get(json, "policies"), *policy;

	printf("pod %s on %s\n", ctl_text(json, "pod"),
		*ctl_text(json, "node") ? ctl_text(json, "node") : "no node");
	if (cJSON_IsTrue(lnt_json_get(json, "hostNetwork"))) {
		puts("in its node's network: no policy is about it");
		return;
	}
	printf("ingress  %s\n", isolated_text(json, "ingressIsolated"));
	printf("egress   %s\n", isolated_text(json, "egressIsolated"));
	if (cJSON_IsTrue(lnt_json_get(json, "audit")))
		puts("audit    what is denied passes, and is told");
	puts(cJSON_GetArraySize(policies) ? "policies, in the order in which they are asked"
					  : "no policies");
	cJSON_ArrayForEach (policy, policies)
		print_policy(policy);
}

static int get(struct ctl *c, int argc, char **argv)
{
	static const struct option longs[] = {CTL_OPTIONS, {}};
	_cleanup_json_ cJSON *req = cJSON_CreateObject();
	_cleanup_json_ cJSON *json = NULL;
	const char *line, *pod = NULL;
	int opt, code;

	/* Options may come after the pod. */
	while ((opt = getopt_long(argc, argv, &CTL_SHORT[1], longs, NULL)) != -1)
		if (!ctl_option(c, opt, optarg, usage, &code))
			return code;
	pod = optind + 1 == argc ? argv[optind] : NULL;
	if (!pod) {
		fputs(usage, stderr);
		return CTL_FAILED;
	}
	cJSON_AddStringToObject(req, "get", "policies");
	cJSON_AddStringToObject(req, "pod", pod);
	line = ctl_ask(c, req) ? ctl_read(c, &json) : NULL;
	if (!json)
		return line ? CTL_FAILED : CTL_ABSENT;
	if (c->json)
		fputs(line, stdout);
	else
		print_policies(json);
	return CTL_OK;
}

/* --- trace ------------------------------------------------------------------------------------ */

/* "red/near (10.0.0.1)", "203.0.113.1"; the port apart. */
static void print_who(const cJSON *who)
{
	const char *name = ctl_text(who, "name"), *addr = ctl_text(who, "address");

	if (*name)
		printf("%s (%s)", name, addr);
	else
		fputs(addr, stdout);
}

/* ": by red/web ingress[0]", ": isolated by red/web, no rule matched"; without a line's end. */
static void print_reason(const cJSON *end)
{
	const char *rule = ctl_text(end, "rule"), *why = ctl_text(end, "why");
	const char *sep = ": isolated by ";
	const cJSON *list = lnt_json_get(end, "isolatedBy"), *name;

	cJSON_ArrayForEach (name, list) {
		printf("%s%s", sep, cJSON_GetStringValue(name));
		sep = ", ";
	}
	if (cJSON_GetArraySize(list))
		fputs(", no rule matched", stdout);
	else
		printf("%s%s%s%s", *rule ? " by " : "", rule, *why ? ": " : "", why);
}

static const char *verdict_text(const cJSON *end)
{
	if (cJSON_IsTrue(lnt_json_get(end, "allowed")))
		return "allowed";
	return cJSON_IsTrue(lnt_json_get(end, "audit")) ? "denied, and passes for the audit"
							: "denied";
}

static void print_end(const cJSON *end)
{
	const cJSON *step;

	printf("  %-7s of %s, %s on %s: %s", ctl_text(end, "direction"),
		ctl_text(lnt_json_get(end, "of"), "name"),
		strcmp(ctl_text(end, "source"), "maps") ? "as it is enforced"
							: "as the kernel has it",
		ctl_text(end, "node"), verdict_text(end));
	print_reason(end);
	putchar('\n');
	cJSON_ArrayForEach (step, lnt_json_get(end, "steps"))
		printf("    %-8s  said %-7s  %s\n", ctl_text(step, "tier"), ctl_text(step, "said"),
			ctl_text(step, "rule"));
}

static void print_connection(const cJSON *conn)
{
	const cJSON *dst = lnt_json_get(conn, "destination"), *port = lnt_json_get(dst, "port");
	const char *why = ctl_text(conn, "why");
	const cJSON *end;

	print_who(lnt_json_get(conn, "source"));
	fputs(" -> ", stdout);
	print_who(dst);
	if (port)
		printf(" port %d", port->valueint);
	printf("/%s\n", ctl_text(conn, "protocol"));
	if (*why)
		printf("  %s\n", why);
	cJSON_ArrayForEach (end, lnt_json_get(conn, "ends"))
		print_end(end);
}

/* The end that said no. */
static const cJSON *denying_end(const cJSON *json)
{
	const cJSON *conn, *end;

	cJSON_ArrayForEach (conn, lnt_json_get(json, "connections"))
		cJSON_ArrayForEach (end, lnt_json_get(conn, "ends"))
			if (!cJSON_IsTrue(lnt_json_get(end, "allowed")) &&
				!cJSON_IsTrue(lnt_json_get(end, "audit")))
				return end;
	return NULL;
}

static void print_trace(const cJSON *json)
{
	const cJSON *no = denying_end(json), *conn, *left = lnt_json_get(json, "leftOut");

	if (lnt_json_get(json, "service"))
		printf("service %s\n", ctl_text(json, "service"));
	cJSON_ArrayForEach (conn, lnt_json_get(json, "connections"))
		print_connection(conn);
	if (left)
		printf("(%d more endpoints are not shown)\n", left->valueint);
	if (!no) {
		puts("allowed");
		return;
	}
	printf("denied: %s of %s", ctl_text(no, "direction"),
		ctl_text(lnt_json_get(no, "of"), "name"));
	print_reason(no);
	putchar('\n');
}

static int trace(struct ctl *c, int argc, char **argv)
{
	static const struct option longs[] = {
		{"from", required_argument, NULL, 'f'},
		{"to", required_argument, NULL, 't'},
		CTL_OPTIONS,
		{},
	};
	_cleanup_json_ cJSON *req = cJSON_CreateObject();
	_cleanup_json_ cJSON *json = NULL;
	const char *line, *from = NULL, *to = NULL;
	int opt, code, family = 0;

	while ((opt = getopt_long(argc, argv, CTL_SHORT "46", longs, NULL)) != -1) {
		if (opt == 'f')
			from = optarg;
		else if (opt == 't')
			to = optarg;
		else if (opt == '4' || opt == '6')
			family = opt - '0';
		else if (!ctl_option(c, opt, optarg, usage, &code))
			return code;
	}
	if (!from || !to || optind < argc) {
		fputs(usage, stderr);
		return CTL_FAILED;
	}
	cJSON_AddStringToObject(req, "get", "trace");
	cJSON_AddStringToObject(req, "from", from);
	cJSON_AddStringToObject(req, "to", to);
	cJSON_AddNumberToObject(req, "family", family);
	line = ctl_ask(c, req) ? ctl_read(c, &json) : NULL;
	if (!json)
		return line ? CTL_FAILED : CTL_ABSENT;
	if (c->json)
		fputs(line, stdout);
	else
		print_trace(json);
	return cJSON_IsTrue(lnt_json_get(json, "allowed")) ? CTL_OK : CTL_DENIED;
}

int ctl_policy(struct ctl *c, int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "list"))
		return ctl_policy_list(c, argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "get"))
		return get(c, argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "trace"))
		return trace(c, argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return CTL_OK;
	}
	fputs(usage, stderr);
	return CTL_FAILED;
}
