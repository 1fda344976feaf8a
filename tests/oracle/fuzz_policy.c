/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_policy: random clusters, their policies compiled, and each verdict compared with the
 * oracle's (oracle.h). Case i of a run has the seed that was given plus i, so that one case can be
 * run again by itself. hack/fuzz-policy is what people call.
 */
#include "tests/oracle/generate.h"
#include "tests/oracle/shrink.h"
#include "tests/oracle/yaml.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS 64

struct options {
	uint64_t seed;
	unsigned cases;
	unsigned jobs;	  /* processes that share the cases */
	unsigned packets; /* cases that are also tried with packets */
	bool print;	  /* the cases, and do not run them */
	bool shrink;
};

static const char usage[] =
	"usage: hack/fuzz-policy [--cases N] [--seed S] [--packets K] [--jobs J]\n"
	"                        [--print] [--whole]\n"
	"  --cases N    how many random clusters (10000)\n"
	"  --seed S     of the first case, the next has S + 1 (random)\n"
	"  --packets K  send packets through the datapath's programs in K of the cases, as root "
	"(0)\n"
	"  --jobs J     in so many processes (as there are processors)\n"
	"  --print      print the cases and run nothing\n"
	"  --whole      do not reduce a case that fails\n"
	"Exits with 1 at the first case in which the compiled policy and the oracle of "
	"tests/oracle\n"
	"disagree, and prints the smallest that it can be reduced to.\n";

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (*end || end == text) {
		fprintf(stderr, "'%s' is no number\n%s", text, usage);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv, struct options *ret_opt)
{
	static const struct option longs[] = {
		{"cases", required_argument, NULL, 'c'},
		{"seed", required_argument, NULL, 's'},
		{"packets", required_argument, NULL, 'p'},
		{"jobs", required_argument, NULL, 'j'},
		{"print", no_argument, NULL, 'n'},
		{"whole", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	int o;

	*ret_opt = (struct options){.cases = 10000,
		.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
		.shrink = true,
		.seed = (uint64_t)time(NULL) * 100000};
	while ((o = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (o == 'c')
			ret_opt->cases = (unsigned)number(optarg);
		else if (o == 's')
			ret_opt->seed = number(optarg);
		else if (o == 'p')
			ret_opt->packets = (unsigned)number(optarg);
		else if (o == 'j')
			ret_opt->jobs = (unsigned)number(optarg);
		else if (o == 'n')
			ret_opt->print = true;
		else if (o == 'w')
			ret_opt->shrink = false;
		else {
			fputs(usage, o == 'h' ? stdout : stderr);
			exit(o == 'h' ? 0 : 2);
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		exit(2);
	}
	if (!ret_opt->jobs || ret_opt->jobs > MAX_JOBS)
		ret_opt->jobs = ret_opt->jobs ? MAX_JOBS : 1;
	if (ret_opt->jobs > ret_opt->cases)
		ret_opt->jobs = ret_opt->cases ? ret_opt->cases : 1;
}

static const char *verb(bool allowed)
{
	return allowed ? "allowed" : "denied";
}

static void print_question(const struct disagreement *how)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	if (how->kind == BROKEN || how->kind == HISTORY) {
		printf("wrong:       %s\n", how->text);
		return;
	}
	printf("question:    %s -> %s, %s", address_text(&how->src, src),
		address_text(&how->dst, dst), l4_text(how->l4.proto));
	if (how->l4.port)
		printf(" port %d", how->l4.port);
	printf("\nasked:       %s\n", how->text);
	printf("the oracle:  %s%s\n", verb(how->want),
		how->kind == RULE	     ? ", and not by that rule"
			: how->kind == TRACE ? ", and linnetctl would say otherwise"
					     : "");
	printf("%s  %s%s%s%s\n",
		how->kind == PACKET ? "the packet:" : "compiled:  ", verb(how->got),
		*how->rule ? " by '" : "", how->rule, *how->rule ? "'" : "");
}

static void print_case(const cJSON *test_case)
{
	const cJSON *o;

	cJSON_ArrayForEach (o, json_get(test_case, "objects")) {
		puts("---");
		yaml_print(stdout, o, 0);
	}
	puts("--- # attached on node " CLUSTER_NODE);
	yaml_print(stdout, json_get(test_case, "endpoints"), 0);
	if (!cJSON_GetArraySize(json_get(test_case, "updates")))
		return;
	puts("--- # what happens then");
	yaml_print(stdout, json_get(test_case, "updates"), 0);
}

static void report(const struct options *opt, uint64_t seed, cJSON *test_case,
	struct packets *packets, const struct disagreement *how)
{
	struct disagreement last = *how;
	unsigned runs = 0;

	printf("FAIL seed %" PRIu64 ", after %u updates\n\n", seed, how->step);
	if (opt->shrink)
		test_case = shrink_case(test_case, packets, how, &last, &runs);
	print_question(&last);
	if (opt->shrink)
		printf("reduced:     in %u attempts, after %u updates\n", runs, last.step);
	printf("run again:   hack/fuzz-policy --cases 1 --seed %" PRIu64 "%s\n\n", seed,
		packets ? " --packets 1" : "");
	print_case(test_case);
	cJSON_Delete(test_case);
}

/* --- cases ------------------------------------------------------------------------------------ */

/* What a process of the run has come to; shared with the one that waits for it. */
struct job {
	struct run_stats stats;
	unsigned at; /* the case that it is at */
	bool failed; /* both sides disagree in that case */
};

/* Case @i is one of @k out of @n, spread evenly. */
static bool is_sampled(unsigned i, unsigned k, unsigned n)
{
	return (uint64_t)i * k / n != (uint64_t)(i + 1) * k / n;
}

/* Runs one case, and says what is wrong with it if @tell. Returns whether both sides agree. */
static bool run_one(const struct options *opt, unsigned i, struct packets *packets,
	struct run_stats *stats, bool tell)
{
	const struct run_options run = {
		.packets = is_sampled(i, opt->packets, opt->cases) ? packets : NULL};
	cJSON *test_case = generate_case(opt->seed + i);
	struct disagreement how;
	bool ok = run_case(test_case, &run, stats, &how);

	if (!ok && tell)
		report(opt, opt->seed + i, test_case, run.packets, &how);
	else
		cJSON_Delete(test_case);
	return ok;
}

/* Every so many-th case from the first on, until one fails. */
static void run_job(const struct options *opt, unsigned first, struct job *job)
{
	struct packets *packets = opt->packets ? packets_open() : NULL;

	for (unsigned i = first; i < opt->cases && !job->failed; i += opt->jobs) {
		job->at = i;
		job->failed = !run_one(opt, i, packets, &job->stats, false);
	}
	packets_close(packets);
}

/* Ends those that run. Returns what the first that failed had come to, or NULL. */
static const struct job *wait_for_all(pid_t *pids, struct job *jobs, unsigned n)
{
	const struct job *failed = NULL;
	int status;
	pid_t pid;

	while ((pid = wait(&status)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			if (pids[i] != pid)
				continue;
			pids[i] = 0;
			if (failed || (!status && !jobs[i].failed))
				break;
			failed = &jobs[i];
			for (unsigned k = 0; k < n; k++)
				if (pids[k])
					kill(pids[k], SIGTERM);
		}
	}
	return failed;
}

static void add_stats(struct run_stats *to, const struct run_stats *s)
{
	to->states += s->states;
	to->questions += s->questions;
	to->denied += s->denied;
	to->packets += s->packets;
}

/* The case that has failed, once more, by itself. */
static void run_failed(const struct options *opt, const struct job *job)
{
	struct packets *packets = opt->packets && job->failed ? packets_open() : NULL;
	struct run_stats stats = {};

	if (!job->failed)
		printf("FAIL seed %" PRIu64 ": the process that ran it has died\n",
			opt->seed + job->at);
	else if (run_one(opt, job->at, packets, &stats, true))
		printf("FAIL seed %" PRIu64 ", and only after the cases before it\n",
			opt->seed + job->at);
	packets_close(packets);
}

/* Returns whether all cases agree. */
static bool run_all(const struct options *opt, struct run_stats *stats)
{
	struct job *jobs = mmap(NULL, opt->jobs * sizeof(*jobs), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct job *failed;
	pid_t pids[MAX_JOBS];

	if (!jobs || jobs == MAP_FAILED)
		abort();
	for (unsigned i = 0; i < opt->jobs; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			abort();
		if (!pids[i]) {
			run_job(opt, i, &jobs[i]);
			exit(0);
		}
	}
	failed = wait_for_all(pids, jobs, opt->jobs);
	for (unsigned i = 0; i < opt->jobs; i++)
		add_stats(stats, &jobs[i].stats);
	if (failed)
		run_failed(opt, failed);
	munmap(jobs, opt->jobs * sizeof(*jobs));
	return !failed;
}

static void print_all(const struct options *opt)
{
	for (unsigned i = 0; i < opt->cases; i++) {
		cJSON *test_case = generate_case(opt->seed + i);

		printf("# seed %" PRIu64 "\n", opt->seed + i);
		print_case(test_case);
		cJSON_Delete(test_case);
	}
}

int main(int argc, char **argv)
{
	struct run_stats stats = {};
	struct timespec a, b;
	struct options opt;

	parse(argc, argv, &opt);
	if (opt.print) {
		print_all(&opt);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%u cases from seed %" PRIu64 "\n", opt.cases, opt.seed);
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (!run_all(&opt, &stats))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("ok %u cases: %" PRIu64 " states, %" PRIu64 " questions (%" PRIu64
	       " denied), %" PRIu64 " packets, in %.1f s\n",
		opt.cases, stats.states, stats.questions, stats.denied, stats.packets,
		(double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	return 0;
}
