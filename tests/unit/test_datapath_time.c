// SPDX-License-Identifier: Apache-2.0
/* What a packet costs on each path. Printed and never asserted: machines differ. */
#include "tests/unit/bed.h"

#include "lib/cleanup.h"

#include <stdio.h>
#include <string.h>

#define REPEAT 20000
#define ROUNDS 9

/*
 * The kernel runs all repetitions on one packet. One that is sent on loses a hop each time, and one
 * that is translated, or has other MACs, is another packet afterwards: @each of them are run at
 * once, and the mean of many such runs is told. What a run of 1 takes to read the clock is in it.
 */
static void timed_in(struct bed *b, const char *what, int hook, const struct pkt *p, unsigned each)
{
	struct pkt placed = *p;
	uint64_t sum = 0;
	uint32_t ns;

	bed_place(b, hook, &placed);
	for (unsigned i = 0; i < REPEAT; i += each) {
		bed_run_raw(b, hook, &placed, each, &ns);
		sum += (uint64_t)ns * each;
	}
	print_message("%-40s %4u ns\n", what, (unsigned)(sum / REPEAT));
}

static void timed(struct bed *b, const char *what, int hook, const struct pkt *p)
{
	timed_in(b, what, hook, p, REPEAT);
}

static void sent_on(void **state)
{
	struct bed *b = *state;
	struct pkt p;
	int port;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1000, SYN | ACK));
	bed_tcp(b, &p, A, 1000, B, 80, ACK);
	timed_in(b, "fast: TCP, pod to pod, one by one", FROM(A), &p, 1);
	SENT(b, tcp(b, FROM(A), A, 1000, FAR, 80, SYN));
	SENT(b, tcp(b, WIRE, FAR, 80, A, 1000, SYN | ACK));
	bed_tcp(b, &p, A, 1000, FAR, 80, ACK);
	timed_in(b, "fast: TCP, pod to remote pod", FROM(A), &p, 50);
	timed_in(b, "fast: the same one by one", FROM(A), &p, 1);
	bed_tcp(b, &p, FAR, 80, A, 1000, ACK);
	timed_in(b, "fast: TCP, remote pod to pod", WIRE, &p, 50);
	bed_tcp(b, &p, A, 2000, B, 80, SYN);
	timed_in(b, "slow: TCP SYN, pod to pod, one by one", FROM(A), &p, 1);
	SENT(b, tcp(b, FROM(A), A, 1000, WORLD, 80, SYN));
	port = pkt_view(bed_out(b)).src.port;
	SENT(b, tcp(b, WIRE, WORLD, 80, HOST, port, SYN | ACK));
	bed_tcp(b, &p, A, 1000, WORLD, 80, ACK);
	timed_in(b, "fast: masqueraded, one by one", FROM(A), &p, 1);
	bed_tcp(b, &p, A, 1001, WORLD, 80, SYN);
	timed_in(b, "slow: masqueraded SYN, one by one", FROM(A), &p, 1);
}

static void left_to_the_stack(void **state)
{
	struct bed *b = *state;
	struct pkt p;

	UP(b, tcp(b, FROM(A), A, 1000, HOST, 80, SYN));
	UP(b, tcp(b, TO(A), HOST, 80, A, 1000, SYN | ACK));
	bed_tcp(b, &p, A, 1000, HOST, 80, ACK);
	timed(b, "fast: TCP, pod to host", FROM(A), &p);
	bed_tcp(b, &p, HOST, 80, A, 1000, ACK);
	timed(b, "fast: TCP, host to pod", TO(A), &p);
	bed_tcp(b, &p, A, 1001, HOST, 80, ACK);
	timed(b, "slow: TCP, pod to host, never answered", FROM(A), &p);
	bed_tcp(b, &p, A, 1002, SIDE, 80, ACK);
	timed(b, "slow: the same with a route", FROM(A), &p);
	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_tcp(b, &p, A, 1003, WORLD, 80, ACK);
	timed(b, "slow: denied by policy", FROM(A), &p);
	bed_tcp(b, &p, B, 1003, WORLD, 80, ACK);
	timed(b, "slow: spoofed source", FROM(A), &p);
	bed_tcp(b, &p, WORLD, 1000, HOST, 80, ACK);
	timed(b, "slow: off the wire, the host's own", WIRE, &p);
}

/* What @n policies come to: an identity and a range of ports each, under @ids policy ids. */
static void policies(struct bed *b, unsigned n, unsigned ids)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t hash = (i + 1) * 2654435761u;

		bed_entry(b, i % ids ? hash : 1 + A, LNT_EGRESS, LNT_ID_POD | hash >> 4,
			(uint16_t)(1024 + i % 4 * 64), LNT_POLICY_PORT - 6);
	}
}

/*
 * What a denied packet costs with some policies, over what it costs with one. A busy machine only
 * ever adds time: each is measured many times, in turns, and the least is told.
 */
static void by_policies(void **state)
{
	static const struct {
		const char *what;
		unsigned n, ids;
	} cases[] = {
		{"slow: denied, 1 policy of the pod", 1, 1},
		{"slow: denied, 100 policies of the pod", 100, 1},
		{"slow: denied, 10000 policies of the pod", 10000, 1},
		{"slow: denied, 100 of 10000 policies", 10000, 100},
	};
	uint32_t least[ARRAY_SIZE(cases)], ns;
	struct bed *b = *state;
	struct pkt p;

	memset(least, 0xff, sizeof(least));
	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_tcp(b, &p, A, 1003, WORLD, 80, ACK);
	bed_place(b, FROM(A), &p);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			bed_disallow(b);
			policies(b, cases[i].n, cases[i].ids);
			bed_run_raw(b, FROM(A), &p, REPEAT, &ns);
			if (ns < least[i])
				least[i] = ns;
		}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		print_message("%-40s %4u ns, %u %%\n", cases[i].what, least[i],
			100 * least[i] / least[0]);
}

static const struct CMUnitTest tests[] = {
	BOTH("time: packets that are sent on", sent_on),
	BOTH("time: a new flow's verdict", by_policies),
	BOTH("time: packets that are left to the stack, or dropped", left_to_the_stack),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
