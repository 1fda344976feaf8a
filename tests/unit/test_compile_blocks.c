/* SPDX-License-Identifier: Apache-2.0 */
/* ipBlock: who lies in it, its exceptions, and several that overlap. */
#include "agent/compile/blocks.h"
#include "tests/unit/policy_case.h"

/* Egress of pod a/web, 10.0.0.1 and fd00::1, to a block. */
static struct lnt_netpol *policy(const char *name, const char *cidr, const char *except)
{
	struct lnt_netpol *p = build_policy("a", name, "app=web", BUILD_EGRESS);

	build_block(build_rule(p, LNT_EGRESS), cidr, except);
	return p;
}

static void allow(struct fixture *f, const char *cidr, const char *except)
{
	build_put(f->st, policy("one", cidr, except));
	if (!f->n_eps)
		local(f, "a", "web", "app=web", "10.0.0.1,fd00::1");
	compile(f);
}

static bool to(const struct fixture *f, const char *addr)
{
	return out(f, strchr(addr, ':') ? "fd00::1" : "10.0.0.1", addr, TCP, 80);
}

static void world(void **state)
{
	struct fixture *f = *state;

	allow(f, "198.51.100.0/24", "");
	assert_true(to(f, "198.51.100.0"));
	assert_true(to(f, "198.51.100.255"));
	assert_false(to(f, "198.51.101.0"));
	assert_false(to(f, "198.51.99.255"));
	assert_false(to(f, "2001:db8::9"));
	assert_string_equal(
		rule(f, LNT_EGRESS, "10.0.0.1", "198.51.100.9", TCP, 80), "a/one egress[0]");
	allow(f, "2001:db8:1::/48", "");
	assert_true(to(f, "2001:db8:1:ffff::1"));
	assert_false(to(f, "2001:db8:2::"));
	assert_false(to(f, "198.51.100.9"));
}

static void families(void **state)
{
	struct fixture *f = *state;

	allow(f, "::/0", "");
	assert_true(to(f, "2001:db8::9"));
	assert_true(to(f, "::2"));
	assert_false(to(f, "198.51.100.9"));
	allow(f, "0.0.0.0/0", "");
	assert_true(to(f, "198.51.100.9"));
	assert_false(to(f, "2001:db8::9"));
}

static void exceptions(void **state)
{
	struct fixture *f = *state;

	allow(f, "198.51.0.0/16", "198.51.100.0/24,198.51.200.1/32");
	assert_true(to(f, "198.51.99.255"));
	assert_false(to(f, "198.51.100.0"));
	assert_false(to(f, "198.51.100.255"));
	assert_true(to(f, "198.51.101.0"));
	assert_false(to(f, "198.51.200.1"));
	assert_true(to(f, "198.51.200.2"));
	/* All of it; one inside of another; one outside. */
	allow(f, "198.51.100.0/24", "198.51.100.0/24");
	assert_false(to(f, "198.51.100.9"));
	allow(f, "198.51.100.0/24", "198.51.0.0/16");
	assert_false(to(f, "198.51.100.9"));
	allow(f, "198.51.0.0/16", "198.51.100.0/24,198.51.100.8/29,203.0.113.0/24");
	assert_false(to(f, "198.51.100.9"));
	assert_true(to(f, "198.51.101.9"));
	assert_false(to(f, "203.0.113.1"));
}

/* What one policy excepts another may allow. */
static void overlaps(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p;

	build_put(f->st, policy("two", "198.51.100.8/29", "198.51.100.9/32"));
	allow(f, "198.51.0.0/16", "198.51.100.0/24");
	assert_false(to(f, "198.51.100.7"));
	assert_true(to(f, "198.51.100.8"));
	assert_false(to(f, "198.51.100.9"));
	assert_true(to(f, "198.51.100.10"));
	assert_false(to(f, "198.51.100.16"));
	assert_true(to(f, "198.51.101.9"));
	/* The other has its own ports. */
	p = policy("two", "198.51.100.0/24", "");
	build_port(&p->egress_rules[0], TCP, "443");
	build_put(f->st, p);
	compile(f);
	assert_false(to(f, "198.51.100.8"));
	assert_true(out(f, "10.0.0.1", "198.51.100.8", TCP, 443));
	assert_false(out(f, "10.0.0.1", "198.51.101.8", UDP, 443) &&
		!out(f, "10.0.0.1", "198.51.101.8", TCP, 443));
}

static void pods_and_nodes(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = policy("one", "10.0.9.0/24", "10.0.9.2/32");

	build_peer(&p->egress_rules[0], NULL, "app=y");
	build_put(f->st, p);
	local(f, "a", "web", "app=web", "10.0.0.1,fd00::1");
	remote(f, "a", "x", "app=x", "10.0.9.1,fd00::9:1");
	remote(f, "a", "x2", "app=x", "10.0.9.2");
	remote(f, "a", "y", "app=y", "10.0.9.3,fd00::9:3");
	compile(f);
	assert_true(to(f, "10.0.9.1"));
	assert_false(to(f, "fd00::9:1"));
	assert_false(to(f, "10.0.9.2"));
	assert_true(to(f, "10.0.9.3"));
	assert_true(to(f, "fd00::9:3"));
	/* Of one pod each address is somebody else then. */
	assert_int_not_equal(id(f, "10.0.9.1"), id(f, "fd00::9:1"));
	assert_int_equal(lnt_id_kind(id(f, "fd00::9:1")), LNT_ID_POD);
	/* Nobody's address in a pod range counts as it stands. */
	assert_true(to(f, "10.0.9.77"));
	assert_false(to(f, "192.0.2.2"));
	build_put(f->st, policy("two", "192.0.2.2/32", ""));
	compile(f);
	assert_true(to(f, "192.0.2.2"));
	assert_int_equal(lnt_id_kind(id(f, "192.0.2.2")), LNT_ID_NODE);
	assert_false(to(f, "192.0.2.3"));
}

static void ingress(void **state)
{
	struct fixture *f = *state;
	struct lnt_netpol *p = build_policy("a", "in", "", BUILD_INGRESS);
	struct lnt_netpol_rule *r = build_rule(p, LNT_INGRESS);

	build_block(r, "203.0.113.0/24", "203.0.113.128/25");
	build_port(r, TCP, "80");
	build_put(f->st, p);
	local(f, "a", "web", "app=web", "10.0.0.1");
	compile(f);
	assert_true(in(f, "10.0.0.1", "203.0.113.127", TCP, 80));
	assert_false(in(f, "10.0.0.1", "203.0.113.127", TCP, 81));
	assert_false(in(f, "10.0.0.1", "203.0.113.128", TCP, 80));
	assert_false(in(f, "10.0.0.1", WORLD, TCP, 80));
}

/* Blocks that only other nodes' policies name are nobody's business here. */
static void only_those_in_use(void **state)
{
	struct fixture *f = *state;

	allow(f, "198.51.100.0/24", "");
	build_put(f->st, build_policy("b", "none", "", BUILD_EGRESS));
	assert_int_equal(f->s.n_blocks, 2); /* and 0.0.0.0/0 */
	allow(f, "198.51.100.0/24", "198.51.100.0/25");
	assert_int_equal(f->s.n_blocks, 3);
	lnt_store_remove(f->st, LNT_KIND_NETWORKPOLICY, "a", "one");
	compile(f);
	assert_int_equal(f->s.n_blocks, 0);
}

/* The tree against each block asked by itself. */
static void tree(void **state)
{
	uint64_t rng = 7;

	for (int round = 0; round < 2000; round++) {
		struct lnt_netpol_rule r = {};
		struct lnt_blocks bs = {};
		uint32_t indexes[6];

		for (int i = 0; i < 6; i++) {
			char cidr[32], except[80];
			unsigned v[6];

			for (int k = 0; k < 6; k++) {
				rng = rng * 6364136223846793005ull + 1442695040888963407ull;
				v[k] = (unsigned)(rng >> 40);
			}
			snprintf(cidr, sizeof(cidr), "10.0.0.%u/%u", v[0] % 256, 24 + v[1] % 9);
			snprintf(except, sizeof(except), "10.0.0.%u/%u,10.0.0.%u/%u", v[2] % 256,
				24 + v[3] % 9, v[4] % 256, 24 + v[5] % 9);
			build_block(&r, cidr, v[0] & 256 ? except : "");
			assert_int_equal(lnt_blocks_add(&bs, &r.peers[i], &indexes[i]), 0);
		}
		assert_int_equal(lnt_blocks_seal(&bs), 0);
		for (unsigned host = 0; host < 256; host++) {
			struct in6_addr addr = lnt_addr_from4(htonl(0x0a000000 | host));
			uint32_t set = lnt_blocks_of(&bs, &addr);

			for (int i = 0; i < 6; i++) {
				const struct lnt_netpol_peer *p = &r.peers[i];
				bool want = lnt_prefix_has(&p->block, &addr), is = false;

				for (size_t k = 0; k < p->n_except; k++)
					want &= !lnt_prefix_has(&p->except[k], &addr);
				for (uint32_t k = 0; k < bs.sets.items[set].n; k++)
					is |= lnt_sets_at(&bs.sets, set)[k] == bs.ranks[indexes[i]];
				if (is != want)
					fail_msg("round %d, 10.0.0.%u, block %d: %d", round, host,
						i, is);
			}
		}
		lnt_blocks_clear(&bs);
		lnt_netpol_rule_clear(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(world),
		CASE(families),
		CASE(exceptions),
		CASE(overlaps),
		CASE(pods_and_nodes),
		CASE(ingress),
		CASE(only_those_in_use),
		cmocka_unit_test(tree),
	};

	return cmocka_run_group_tests_name("compile policy: blocks", tests, NULL, NULL);
}
