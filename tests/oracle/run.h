/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One case: both sides follow it step by step and are asked the same. */
#include "tests/oracle/packets.h"
#include "tests/oracle/questions.h"

enum disagreement_kind {
	AGREED,
	BROKEN,	 /* the compiled state is not what every one must be */
	HISTORY, /* it depends on how it came about */
	LOOKUP,	 /* look-ups in it say something else than the oracle */
	RULE,	 /* they agree on the verdict, and not on the rule that decides */
	TRACE,	 /* linnetctl would say something else */
	PACKET,	 /* packets fare otherwise than the oracle says */
};

struct disagreement {
	enum disagreement_kind kind;
	unsigned step;	/* updates made */
	char text[256]; /* what was asked, or what is wrong */
	struct address src, dst;
	struct l4 l4;
	bool want, got; /* allowed: by the oracle, by the other side */
	char rule[128]; /* that the other side gives, or "" */
};

struct run_stats {
	uint64_t states, questions, denied, packets;
};

struct run_options {
	struct packets *packets; /* NULL: none are sent */
	bool whole;		 /* ask all; else about RUN_QUESTIONS of each state */
};
#define RUN_QUESTIONS 1500

/*
 * Returns whether both sides agree; if not, *ret_how says on what. @stats are added to. What is
 * asked follows from the case alone.
 */
bool run_case(const cJSON *test_case, const struct run_options *opt, struct run_stats *stats,
	struct disagreement *ret_how);
