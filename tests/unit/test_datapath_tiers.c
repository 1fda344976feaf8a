/* SPDX-License-Identifier: Apache-2.0 */
/* Tiers of policy: admin rules, NetworkPolicies, baseline rules; audit, and policy that is missing.
 */
#include "tests/unit/bed.h"

#include <stdio.h>

#define ADMIN_IN  (LNT_INGRESS | LNT_POLICY_ADMIN)
#define ADMIN_OUT (LNT_EGRESS | LNT_POLICY_ADMIN)

static void admin_first(void **state)
{
	struct bed *b = *state;

	/* It closes what NetworkPolicies open, */
	bed_endpoint(b, B, LNT_EP_ADMIN_INGRESS | LNT_EP_ISOLATED_INGRESS);
	bed_rule(b, B, LNT_INGRESS, LNT_ID_ANY, 0, LNT_ALLOW);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, SYN));
	bed_rule(b, B, ADMIN_IN, bed_identity(A), 9, LNT_DENY);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 2, B, 80, SYN));
	SENT(b, tcp(b, FROM(C), C, 2, B, 80, SYN));
	/* and opens what they close. */
	bed_disallow(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 3, B, 80, SYN));
	bed_rule(b, B, ADMIN_IN, bed_identity(A), 9, LNT_ALLOW);
	SENT(b, tcp(b, FROM(A), A, 3, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(C), C, 3, B, 80, SYN));
	/* Not where the flags say that there are no admin rules. */
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 4, B, 80, SYN));
}

static void lowest_order(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, B, LNT_EP_ADMIN_INGRESS);
	bed_rule(b, B, ADMIN_IN, bed_identity(A), 3, LNT_DENY);
	bed_rule(b, B, ADMIN_IN, LNT_ID_POD, 2, LNT_ALLOW);
	bed_rule(b, B, ADMIN_IN, LNT_ID_ANY, 4, LNT_DENY);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, SYN));
	SENT(b, tcp(b, FROM(C), C, 1, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, WIRE, WORLD, 1, B, 80, SYN));
	bed_rule(b, B, ADMIN_IN, LNT_ID_ANY, 1, LNT_ALLOW);
	SENT(b, tcp(b, WIRE, WORLD, 1, B, 80, SYN));
	bed_rule(b, B, ADMIN_IN, LNT_ID_ANY, 1, LNT_DENY);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 2, B, 80, SYN));
}

static void passing_on(void **state)
{
	struct bed *b = *state;

	/* To NetworkPolicies; the admin rules after it are not asked. */
	bed_endpoint(b, B, LNT_EP_ADMIN_INGRESS | LNT_EP_ISOLATED_INGRESS);
	bed_rule(b, B, ADMIN_IN, bed_identity(A), 1, LNT_PASS);
	bed_rule(b, B, ADMIN_IN, LNT_ID_ANY, 2, LNT_ALLOW);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 80, SYN));
	SENT(b, tcp(b, FROM(C), C, 1, B, 80, SYN));
	bed_rule(b, B, LNT_INGRESS, bed_identity(A), 0, LNT_ALLOW);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, SYN));
	/* To the baseline, and from there to the default. */
	bed_endpoint(b, B, LNT_EP_ADMIN_INGRESS | LNT_EP_BASELINE_INGRESS);
	bed_disallow(b);
	bed_rule(b, B, ADMIN_IN, LNT_ID_ANY, 1, LNT_PASS);
	bed_rule(b, B, LNT_INGRESS, bed_identity(A), 1, LNT_DENY);
	bed_rule(b, B, LNT_INGRESS, bed_identity(C), 1, LNT_PASS);
	bed_rule(b, B, LNT_INGRESS, LNT_ID_ANY, 2, LNT_DENY);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 2, B, 80, SYN));
	SENT(b, tcp(b, FROM(C), C, 2, B, 80, SYN));
}

static void baseline_last(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, A, LNT_EP_BASELINE_EGRESS);
	bed_rule(b, A, LNT_EGRESS, bed_identity(B), 1, LNT_DENY);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1, B, 80, SYN));
	/* Nothing matches: allowed. */
	SENT(b, tcp(b, FROM(A), A, 1, C, 80, SYN));
	/* Its table is the NetworkPolicies' where these isolate. */
	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 2, C, 80, SYN));
}

static void the_node(void **state)
{
	struct bed *b = *state;

	/* It always comes in. */
	bed_endpoint(b, A, LNT_EP_ADMIN_INGRESS | LNT_EP_ADMIN_EGRESS);
	bed_rule(b, A, ADMIN_IN, LNT_ID_ANY, 1, LNT_DENY);
	UP(b, tcp(b, TO(A), HOST, 1, A, 80, SYN));
	/* Out to it only NetworkPolicies do not count. */
	UP(b, udp(b, FROM(A), A, 1, HOST, 53));
	bed_rule(b, A, ADMIN_OUT, LNT_ID_HOST, 1, LNT_DENY);
	DROPS(b, LNT_DROP_POLICY_EGRESS, udp(b, FROM(A), A, 2, HOST, 53));
	bed_rule(b, A, ADMIN_OUT, LNT_ID_HOST, 1, LNT_PASS);
	bed_endpoint(b, A, LNT_EP_ADMIN_EGRESS | LNT_EP_ISOLATED_EGRESS);
	UP(b, udp(b, FROM(A), A, 3, HOST, 53));
	DROPS(b, LNT_DROP_POLICY_EGRESS, udp(b, FROM(A), A, 3, NODE2, 53));
	/* Answers to what came in are no question. */
	bed_endpoint(b, A, LNT_EP_ADMIN_EGRESS);
	bed_rule(b, A, ADMIN_OUT, LNT_ID_ANY, 1, LNT_DENY);
	UP(b, tcp(b, TO(A), HOST, 4, A, 80, SYN));
	UP(b, tcp(b, FROM(A), A, 80, HOST, 4, SYN | ACK));
}

/* A rule that comes is effective on what is up, a rule that goes gives it back. */
static void established(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, B, LNT_EP_ADMIN_INGRESS);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, SYN));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, ACK));
	bed_rule(b, B, ADMIN_IN, bed_identity(A), 1, LNT_DENY);
	bed_bump(b);
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(A), A, 1, B, 80, ACK));
	DROPS(b, LNT_DROP_POLICY_INGRESS, tcp(b, FROM(B), B, 80, A, 1, ACK));
	bed_disallow(b);
	bed_bump(b);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, ACK));
	SENT(b, tcp(b, FROM(B), B, 80, A, 1, ACK));
}

static void blocks(void **state)
{
	struct bed *b = *state;
	const char *wide = bed_is4(b) ? "0.0.0.0/0" : "::/0";
	struct in6_addr world = bed_addr(b, WORLD);
	char one[LNT_ADDRSTRLEN], cidr[LNT_PREFIXSTRLEN];
	uint32_t id = LNT_ID_WORLD + 5;

	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	bed_block(b, wide, id);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1, WORLD, 80, SYN));
	bed_rule(b, A, LNT_EGRESS, id, 0, LNT_ALLOW);
	SENT(b, tcp(b, FROM(A), A, 1, WORLD, 80, SYN));
	/* A block says nothing of pods, which have their own numbers. */
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 1, B, 80, SYN));
	/* An exception of it. */
	snprintf(cidr, sizeof(cidr), "%s/%u", lnt_addr_str(&world, one), bed_is4(b) ? 32 : 128);
	bed_block(b, cidr, LNT_ID_WORLD);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 2, WORLD, 80, SYN));
}

static void closed(void **state)
{
	struct bed *b = *state;

	bed_endpoint(b, B, LNT_EP_CLOSED);
	DROPS(b, LNT_DROP_POLICY_CLOSED, tcp(b, FROM(A), A, 1, B, 80, SYN));
	DROPS(b, LNT_DROP_POLICY_CLOSED, tcp(b, FROM(B), B, 1, A, 80, SYN));
	UP(b, tcp(b, TO(B), HOST, 1, B, 80, SYN));
}

static void audited(void **state)
{
	struct bed *b = *state;
	uint64_t before = bed_counter(b, LNT_CNT_POLICY_AUDITED);
	struct lnt_event ev;

	bed_tell(b, LNT_TELL_DROPS);
	bed_endpoint(b, B, LNT_EP_ISOLATED_INGRESS | LNT_EP_AUDIT);
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, SYN));
	assert_true(bed_event(b, &ev));
	assert_int_equal(ev.kind, LNT_EVENT_AUDIT);
	assert_int_equal(ev.reason, LNT_DROP_POLICY_INGRESS);
	assert_int_equal(ev.policy_id, 1 + B);
	assert_int_equal(bed_counter(b, LNT_CNT_POLICY_AUDITED), before + 1);
	SENT(b, tcp(b, FROM(B), B, 80, A, 1, SYN | ACK));
	SENT(b, tcp(b, FROM(A), A, 1, B, 80, ACK));
	assert_false(bed_event(b, &ev));
	/* The other end's policy is another matter. */
	bed_endpoint(b, A, LNT_EP_ISOLATED_EGRESS);
	DROPS(b, LNT_DROP_POLICY_EGRESS, tcp(b, FROM(A), A, 2, B, 80, SYN));
}

static const struct CMUnitTest tests[] = {
	BOTH("tiers: admin rules go first", admin_first),
	BOTH("tiers: the lowest order of peer, kind and anybody", lowest_order),
	BOTH("tiers: pass", passing_on),
	BOTH("tiers: baseline rules go last", baseline_last),
	BOTH("tiers: the node itself", the_node),
	BOTH("tiers: connections that are up", established),
	BOTH("blocks of addresses", blocks),
	BOTH("policy that does not fit closes", closed),
	BOTH("audit: denied and told, and passed", audited),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
