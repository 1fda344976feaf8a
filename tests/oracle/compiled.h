/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The side under test: a case's JSON decoded into a store, compiled, and asked as the kernel asks.
 */
#include "tests/oracle/cluster.h"
#include "tests/oracle/prefix.h"
#include "agent/compile/compile.h"

struct compiled {
	struct lnt_store *st;
	struct lnt_endpoint eps[CLUSTER_MAX_EPS];
	size_t n_eps;
	struct lnt_policy_state state;
};

/* Devices of the local endpoints, in the order of the case's; NULL: made up. */
struct compiled_device {
	uint32_t ifindex;
	uint8_t mac[6], host_mac[6];
};
extern const struct compiled_device *compiled_devices;

void compiled_init(struct compiled *c, const cJSON *test_case);
void compiled_update(struct compiled *c, const cJSON *update);
void compiled_clear(struct compiled *c);

/* Compiles what is there. Returns NULL, or what is wrong with the result. */
const char *compiled_run(struct compiled *c);

/* Whether @addr of a local endpoint may talk to @peer, and the name of the rule that says so. */
bool compiled_allows(const struct compiled *c, bool egress, const struct address *addr,
	const struct address *peer, int proto, int port, const char **ret_rule);

/* The same as `linnetctl policy trace` comes to it. */
bool compiled_traces(const struct compiled *c, bool egress, const struct address *addr,
	const struct address *peer, int proto, int port);

/*
 * Whether the same objects, told the other way round to one that knew none, compile to the same.
 * @now: where the case stands.
 */
bool compiled_again(const struct compiled *c, const struct cluster *now);
