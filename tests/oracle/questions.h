/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is worth asking of a case: every address and port that occurs in it, the edges of every
 * range and block, what lies beside them, and something that has nothing to do with it.
 */
#include "tests/oracle/cluster.h"
#include "tests/oracle/prefix.h"

#define QUESTIONS_MAX_ADDRS 256
#define QUESTIONS_MAX_L4    192

struct l4 {
	int proto; /* IANA number */
	int port;  /* the destination's; 0 for protocols without ports */
};

struct questions {
	struct address addrs[QUESTIONS_MAX_ADDRS];
	unsigned n_addrs;
	struct l4 l4[QUESTIONS_MAX_L4];
	unsigned n_l4;
};

void questions_collect(const struct cluster *c, struct questions *ret_questions);

/* "TCP", ... */
const char *l4_text(int proto);
