/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Flows of the table as people want them: which ones, and in what words. */
#include "agent/ctl/names.h"
#include "lib/addr.h"
#include "datapath/abi.h"

#define CTL_FLOW_PREFIXES 8

/* What is asked for; all of it holds. Zero-initialised: everything but replies. */
struct ctl_flow_filter {
	struct lnt_prefix addrs[CTL_FLOW_PREFIXES]; /* at either end, before or after translation */
	size_t n_addrs;
	struct lnt_prefix pod[2]; /* the same, of the pod */
	size_t n_pod;
	uint16_t port; /* host byte order, at either end; 0: any */
	uint8_t proto; /* 0: any; IPPROTO_ICMP stands for both families' */
	bool replies;  /* those of the replies too */
	bool drops;    /* only what is dropped */
};

struct ctl_flow {
	struct lnt_flow_key key;
	struct lnt_flow flow;
};

bool ctl_flow_matches(const struct ctl_flow_filter *filter, const struct lnt_flow_key *key,
	const struct lnt_flow *flow);

/* "tcp", "udp", "sctp", "icmp" in any case, or a number. Returns 0 or -EINVAL. */
int ctl_proto_parse(const char *text, uint8_t *ret_proto);

/* Wants the names of all that the two below tell. */
void ctl_flow_want(const struct ctl_flow *f, struct ctl_names *names);

/* @epoch: the programs', of lnt_state. The caller owns it. */
cJSON *ctl_flow_json(const struct ctl_flow *f, const struct ctl_names *names, uint32_t epoch);

/* Cells of a row with these headings; the last two are of -o wide. */
#define CTL_FLOW_HEAD                                                                          \
	"PROTOCOL", "SOURCE", "DESTINATION", "BECOMES", "VERDICT", "STATE", "IDLE", "PACKETS", \
		"BYTES"
#define CTL_FLOW_HEAD_WIDE CTL_FLOW_HEAD, "SEEN", "RULE"
struct ctl_flow_row {
	char protocol[16], source[600], destination[600], becomes[1300], verdict[64], state[24],
		idle[32], packets[24], bytes[24], seen[48];
	const char *rule;
};
void ctl_flow_row(const struct ctl_flow *f, const struct ctl_names *names, uint32_t epoch,
	struct ctl_flow_row *ret_row);
