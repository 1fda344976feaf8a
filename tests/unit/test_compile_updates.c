/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy that is kept from turn to turn comes to what compiling it from the start comes to,
 * whatever happened and in whatever order, but for entries of identities that nobody has any more.
 */
#include "tests/unit/policy_case.h"

#define PODS  12
#define STEPS 40

static uint64_t rng;

static unsigned roll(unsigned n)
{
	rng = rng * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(rng >> 33) % n;
}

static struct lnt_policies *policies;

static void changed(void *ctx, const struct lnt_meta *obj, bool removed)
{
	lnt_policies_touch(policies, obj);
}

static const char *const namespaces[] = {"a", "b", "nowhere"};

static void name_of(unsigned i, char ret[static 8])
{
	snprintf(ret, 8, "p%u", i);
}

static void put_pod(struct lnt_store *st, unsigned i)
{
	static const char *const labels[] = {
		"", "app=x", "app=y", "app=x,tier=t", "app=x,free=1", "app=z,free=2"};
	char name[8], addrs[64];
	struct lnt_pod *pod;

	name_of(i, name);
	/* Now and then somebody else's address, or other ones. */
	snprintf(addrs, sizeof(addrs), "10.0.%u.%u,fd00::%u", 9 + roll(2),
		i + 1 + (roll(9) ? 0 : 1), i + 1);
	pod = build_pod(namespaces[i % 3], name, labels[roll(6)], addrs);
	if (!roll(3))
		build_pod_port(pod, "web", TCP, (uint16_t)(80 + roll(3)));
	pod->terminated = !roll(8);
	pod->host_network = !roll(12);
	build_put(st, pod);
}

static void put_policy(struct lnt_store *st, unsigned i)
{
	static const char *const selectors[] = {"", "app=x", "app=y|z", "!tier", "tier"};
	struct lnt_netpol *p;
	struct lnt_netpol_rule *r;
	char name[8];

	snprintf(name, sizeof(name), "np%u", i);
	if (i % 3 == 2) {
		p = build_cnp(name, roll(2) ? LNT_TIER_ADMIN : LNT_TIER_BASELINE, roll(3), "");
		r = build_action(p, LNT_INGRESS, (enum lnt_rule_action)roll(3));
		build_peer(r, "", selectors[roll(5)]);
		r = build_action(p, LNT_EGRESS, LNT_RULE_DENY);
		build_nodes(r, roll(2) ? "role=gpu" : "");
	} else {
		p = build_policy(namespaces[i % 2], name, "", BUILD_INGRESS | BUILD_EGRESS);
		build_peer(
			build_rule(p, LNT_INGRESS), roll(2) ? "team=x" : NULL, selectors[roll(5)]);
		r = build_rule(p, LNT_EGRESS);
		build_peer(r, roll(2) ? "" : NULL, selectors[roll(5)]);
		build_port(r, TCP, roll(2) ? "web" : "8000-8099");
	}
	if (!roll(2))
		build_block(build_rule(p, LNT_EGRESS), roll(2) ? "10.0.9.0/28" : "0.0.0.0/0",
			"10.0.9.4/30");
	build_put(st, p);
}

static void step(struct fixture *f)
{
	unsigned i = roll(PODS);
	char name[8];

	switch (roll(14)) {
	case 0:
		put_policy(f->st, roll(4));
		break;
	case 1:
		build_ns(f->st, "b", roll(2) ? "name=b" : "name=b,team=x");
		break;
	case 2:
		if (f->n_eps == 4)
			f->n_eps = 1;
		else
			local(f, "a", "more", "app=x", "10.0.0.7");
		break;
	case 3:
	case 4:
	case 5:
		name_of(i, name);
		lnt_store_remove(f->st, LNT_KIND_POD, namespaces[i % 3], name);
		break;
	case 6:
		build_put_pod(f->st, "a", "web", roll(2) ? "app=x" : "app=y", "10.0.0.1,fd00::1");
		break;
	default:
		put_pod(f->st, i);
	}
}

static bool is_somebody(const struct lnt_policy_state *s, uint32_t identity)
{
	for (size_t i = 0; i < s->n_peers; i++)
		if (s->peers[i].value.identity == identity)
			return true;
	return false;
}

/* Every entry of @want is in @have, and what else is there is for nobody. */
static void compare_policy(
	const struct lnt_policy_state *have, const struct lnt_policy_state *want, unsigned seed)
{
	size_t w = 0;

	for (size_t h = 0; h < have->n_policy; h++) {
		const struct lnt_policy_entry *en = &have->policy[h];

		if (w < want->n_policy && !memcmp(en, &want->policy[w], sizeof(*en)))
			w++;
		else if (lnt_id_kind(en->key.identity) == en->key.identity ||
			is_somebody(want, en->key.identity))
			fail_msg("seed %u: an entry too many", seed);
	}
	/* A number that has been somebody else's. */
	if (w != want->n_policy)
		fail_msg("seed %u: an entry is missing", seed);
}

static void compare(const struct fixture *f, unsigned seed)
{
	const struct lnt_policy_state *have = lnt_policies_state(policies);

	if (verdict_check(have))
		fail_msg("seed %u: %s", seed, verdict_check(have));
	if (have->n_peers != f->s.n_peers ||
		memcmp(have->peers, f->s.peers, have->n_peers * sizeof(*have->peers)) != 0)
		fail_msg("seed %u: peers differ", seed);
	if (have->n_endpoints != f->s.n_endpoints ||
		memcmp(have->endpoints, f->s.endpoints,
			have->n_endpoints * sizeof(*have->endpoints)) != 0)
		fail_msg("seed %u: endpoints differ", seed);
	if (have->n_blocks != f->s.n_blocks || have->n_rules != f->s.n_rules)
		fail_msg("seed %u: blocks or rules differ", seed);
	compare_policy(have, &f->s, seed);
}

static void random_updates(void **state)
{
	struct lnt_err e = {};

	for (unsigned seed = 1; seed <= 400; seed++) {
		struct fixture f = {.st = lnt_store_new(changed, NULL)};

		policies = lnt_policies_new();
		rng = seed;
		build_node(f.st, NODE, "192.0.2.1,2001:db8::1", "10.0.0.0/24");
		build_node(f.st, "n2", "192.0.2.2", "10.0.9.0/24");
		build_node_labels(f.st, "n2", "role=gpu");
		build_ns(f.st, "a", "name=a,team=x");
		local(&f, "a", "web", "app=web", "10.0.0.1,fd00::1");
		for (unsigned i = 0; i < 4; i++)
			put_policy(f.st, i);
		for (unsigned i = 0; i < STEPS; i++) {
			struct lnt_policy_params params = {.node_name = NODE, .eps = f.eps};

			for (unsigned k = roll(4); k; k--)
				step(&f);
			params.n_eps = f.n_eps;
			assert_int_equal(lnt_policies_update(policies, f.st, &params, &e), 0);
			compile(&f);
			compare(&f, seed);
		}
		lnt_policy_state_clear(&f.s);
		lnt_store_free(f.st);
		lnt_policies_free(policies);
	}
}

/* More pods at once than are worth it, and identities that pile up. */
static void many(void **state)
{
	struct fixture f = {.st = lnt_store_new(changed, NULL)};
	struct lnt_policy_params params = {.node_name = NODE, .eps = f.eps};
	struct lnt_netpol *p = build_policy("a", "np", "", BUILD_INGRESS);
	struct lnt_err e = {};
	size_t most = 0;

	policies = lnt_policies_new();
	build_ns(f.st, "a", "");
	local(&f, "a", "web", "app=web", "10.0.0.1");
	params.n_eps = f.n_eps;
	for (int i = 0; i < 1000; i++) {
		char sel[16];

		snprintf(sel, sizeof(sel), "n=%d", i);
		build_peer(build_rule(p, LNT_INGRESS), NULL, sel);
	}
	build_put(f.st, p);
	for (int i = 0; i < 1000; i++) {
		char labels[16];

		snprintf(labels, sizeof(labels), "n=%d", i);
		for (int k = 0; k < (i % 100 ? 1 : 100); k++) {
			char name[8], addr[32];

			snprintf(name, sizeof(name), "p%d", k);
			snprintf(addr, sizeof(addr), "10.0.9.%d", k + 1);
			build_put_pod(f.st, "a", name, labels, addr);
		}
		assert_int_equal(lnt_policies_update(policies, f.st, &params, &e), 0);
		most = lnt_policies_state(policies)->n_policy > most
			? lnt_policies_state(policies)->n_policy
			: most;
	}
	compile(&f);
	compare(&f, 0);
	assert_in_range(most, 100, 600);
	lnt_policy_state_clear(&f.s);
	lnt_store_free(f.st);
	lnt_policies_free(policies);
}

/* Labels that no selector mentions, of 10,000 values: nobody new, and nothing to write. */
static void labels_that_nothing_mentions(void **state)
{
	struct fixture f = {.st = lnt_store_new(changed, NULL)};
	struct lnt_policy_params params = {.node_name = NODE, .eps = f.eps};
	struct lnt_peer_entry *before = calloc(10001, sizeof(*before));
	const struct lnt_policy_state *s;
	struct lnt_err e = {};
	size_t n_policy;

	policies = lnt_policies_new();
	s = lnt_policies_state(policies);
	build_ns(f.st, "a", "");
	local(&f, "a", "web", "app=web", "10.0.0.1");
	params.n_eps = f.n_eps;
	f.s = (struct lnt_policy_state){};
	allow_from(&f, NULL, "app=x");
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 10000; i++) {
			char name[16], labels[32], addr[32];

			snprintf(name, sizeof(name), "p%d", i);
			snprintf(labels, sizeof(labels), "app=x,build=%d", i + round * 10000);
			snprintf(addr, sizeof(addr), "10.1.%d.%d", i / 250, i % 250);
			build_put_pod(f.st, "a", name, labels, addr);
			/* Each by itself now and then, as they change in a cluster. */
			if (round && i % 100 == 0)
				assert_int_equal(
					lnt_policies_update(policies, f.st, &params, &e), 0);
		}
		assert_int_equal(lnt_policies_update(policies, f.st, &params, &e), 0);
		assert_int_equal(s->n_peers, 10001);
		/* The pods, and the one of this node. */
		assert_int_equal(s->n_identities, 2);
		if (!round) {
			memcpy(before, s->peers, s->n_peers * sizeof(*before));
			n_policy = s->n_policy;
		}
	}
	assert_memory_equal(before, s->peers, s->n_peers * sizeof(*before));
	assert_int_equal(s->n_policy, n_policy);
	free(before);
	lnt_policy_state_clear(&f.s);
	lnt_store_free(f.st);
	lnt_policies_free(policies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_updates),
		cmocka_unit_test(many),
		cmocka_unit_test(labels_that_nothing_mentions),
	};

	return cmocka_run_group_tests_name("compile policy: updates", tests, NULL, NULL);
}
