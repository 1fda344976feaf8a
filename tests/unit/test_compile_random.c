/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random small clusters: the compiled state against the oracle, for every pair of pods, and against
 * itself when the objects come in another order. SEED picks the first cluster, ROUNDS how many.
 */
#include "lib/cleanup.h"
#include "tests/unit/build.h"
#include "tests/unit/oracle.h"
#include "tests/unit/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODE	"n1"
#define MAX_NS	4
#define MAX_POD 10
#define MAX_POL 6

static uint64_t seed;

/* splitmix64: below @n. */
static unsigned roll(uint64_t *rng, unsigned n)
{
	uint64_t z = *rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (unsigned)((z ^ z >> 31) % n);
}

struct cluster {
	struct lnt_store *st;
	struct lnt_pod *pods[MAX_POD]; /* the store's */
	size_t n_pods;
	struct lnt_endpoint eps[MAX_POD];
	size_t n_eps;
	struct lnt_meta *objs[MAX_POD + MAX_POL]; /* not in the store yet */
	size_t n_objs;
};

static const char *const pod_keys[] = {"app", "tier", "x"};
static const char *const ns_keys[] = {"team", "env"};
static const char *const values[] = {"a", "b", "c"};
static const char *const port_names[] = {"http", "dns"};
static const uint16_t numbers[] = {53, 80, 8080};

static void random_labels(
	uint64_t *rng, const char *const *keys, unsigned n, char *ret, size_t size)
{
	*ret = '\0';
	for (unsigned i = 0; i < n; i++)
		if (roll(rng, 3))
			snprintf(ret + strlen(ret), size - strlen(ret), "%s=%s,", keys[i],
				values[roll(rng, ARRAY_SIZE(values))]);
}

static void random_selector(
	uint64_t *rng, const char *const *keys, unsigned n, char *ret, size_t size)
{
	static const char *const forms[] = {
		"%s=%s,", "%s=%s|%s,", "%s!=%s,", "%s!=%s|%s,", "%s,", "!%s,"};

	*ret = '\0';
	for (unsigned reqs = roll(rng, 3); reqs; reqs--) {
		const char *form = forms[roll(rng, roll(rng, 2) ? 1 : ARRAY_SIZE(forms))];
		const char *key = keys[roll(rng, n)], *one = values[roll(rng, 3)];
		const char *two = values[roll(rng, 3)];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(ret + strlen(ret), size - strlen(ret), form, key, one, two);
#pragma GCC diagnostic pop
	}
}

static void random_pods(struct cluster *c, uint64_t *rng, unsigned n_ns)
{
	for (unsigned n = 2 + roll(rng, MAX_POD - 1), i = 0; i < n; i++) {
		char ns[8], name[8], labels[64], addrs[64];
		struct lnt_pod *pod;

		snprintf(ns, sizeof(ns), "s%u", roll(rng, n_ns));
		snprintf(name, sizeof(name), "p%u", i);
		snprintf(addrs, sizeof(addrs), "10.0.0.%u,fd00::%u", i + 1, i + 1);
		random_labels(rng, pod_keys, ARRAY_SIZE(pod_keys), labels, sizeof(labels));
		pod = build_pod(ns, name, labels, addrs);
		for (unsigned ports = roll(rng, 4); ports; ports--)
			build_pod_port(pod, port_names[roll(rng, 2)],
				roll(rng, 3) ? IPPROTO_TCP : IPPROTO_UDP, numbers[roll(rng, 3)]);
		pod->terminated = !roll(rng, 10);
		pod->host_network = !roll(rng, 10);
		if (pod->host_network) {
			pod->addrs[0] = build_addr("192.0.2.1");
			pod->n_addrs = 1;
		} else if (roll(rng, 2)) {
			c->eps[c->n_eps++] = build_endpoint(ns, name, addrs);
			c->eps[c->n_eps - 1].host_ifindex = i + 1;
			c->eps[c->n_eps - 1].mac[5] = (uint8_t)i;
			c->eps[c->n_eps - 1].host_mac[5] = (uint8_t)i;
			if (roll(rng, 2))
				pod->n_addrs = 0;
		}
		c->pods[c->n_pods++] = pod;
		c->objs[c->n_objs++] = &pod->meta;
	}
}

static void random_rule(struct lnt_netpol_rule *r, uint64_t *rng)
{
	char sel[2][128];

	for (unsigned n = roll(rng, 4); n; n--) {
		unsigned kind = roll(rng, 8);

		random_selector(rng, ns_keys, ARRAY_SIZE(ns_keys), sel[0], sizeof(sel[0]));
		random_selector(rng, pod_keys, ARRAY_SIZE(pod_keys), sel[1], sizeof(sel[1]));
		if (kind)
			build_peer(r, kind < 5 ? sel[0] : NULL, kind > 2 ? sel[1] : NULL);
	}
	for (unsigned n = roll(rng, 4); n; n--) {
		static const uint8_t protos[] = {
			IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
		static const char *const ports[] = {
			"", "80", "53", "8080", "53-90", "1-65535", "80-79", "http", "dns", "http"};

		build_port(r, protos[roll(rng, ARRAY_SIZE(protos))],
			ports[roll(rng, ARRAY_SIZE(ports))]);
	}
}

static void random_policies(struct cluster *c, uint64_t *rng, unsigned n_ns)
{
	for (unsigned n = roll(rng, MAX_POL + 1), i = 0; i < n; i++) {
		char ns[8], name[8], sel[128];
		struct lnt_netpol *p;

		snprintf(ns, sizeof(ns), "s%u", roll(rng, n_ns));
		snprintf(name, sizeof(name), "np%u", i);
		random_selector(rng, pod_keys, ARRAY_SIZE(pod_keys), sel, sizeof(sel));
		p = build_policy(ns, name, sel, 1 + roll(rng, 3));
		for (unsigned rules = roll(rng, 4); rules; rules--)
			random_rule(build_rule(p, LNT_INGRESS), rng);
		for (unsigned rules = roll(rng, 4); rules; rules--)
			random_rule(build_rule(p, LNT_EGRESS), rng);
		c->objs[c->n_objs++] = &p->meta;
	}
}

/* A cluster of @s; @backwards puts its objects into the store last first. */
static void random_cluster(struct cluster *c, uint64_t s, bool backwards)
{
	uint64_t rng = s;
	unsigned n_ns = 1 + roll(&rng, MAX_NS);

	*c = (struct cluster){.st = lnt_store_new(NULL, NULL)};
	assert_non_null(c->st);
	build_node(c->st, NODE, "192.0.2.1,2001:db8::1", "10.0.0.0/24");
	build_node(c->st, "n2", "192.0.2.2", "10.0.1.0/24");
	for (unsigned i = 0; i < n_ns; i++) {
		char name[8], labels[64];

		snprintf(name, sizeof(name), "s%u", i);
		random_labels(&rng, ns_keys, ARRAY_SIZE(ns_keys), labels, sizeof(labels));
		/* Now and then one that is not known. */
		if (roll(&rng, 8))
			build_ns(c->st, name, labels);
	}
	random_pods(c, &rng, n_ns);
	random_policies(c, &rng, n_ns);
	for (size_t i = 0; i < c->n_objs; i++)
		build_put(c->st, c->objs[backwards ? c->n_objs - 1 - i : i]);
	for (size_t i = 0; backwards && i < c->n_eps / 2; i++) {
		struct lnt_endpoint tmp = c->eps[i];

		c->eps[i] = c->eps[c->n_eps - 1 - i];
		c->eps[c->n_eps - 1 - i] = tmp;
	}
}

static const struct lnt_pod *pod_of(const struct cluster *c, const struct lnt_endpoint *ep)
{
	return (const struct lnt_pod *)lnt_store_get(c->st, LNT_KIND_POD, ep->pod_ns, ep->pod_name);
}

/* One endpoint and one peer (NULL: not a pod), every protocol and port of interest. */
static void compare(const struct cluster *c, const struct lnt_policy_state *s,
	const struct lnt_endpoint *ep, const struct in6_addr *addr, const struct lnt_pod *peer)
{
	static const struct {
		uint8_t proto;
		uint16_t port;
	} l4[] = {{IPPROTO_TCP, 53}, {IPPROTO_TCP, 80}, {IPPROTO_TCP, 91}, {IPPROTO_TCP, 8080},
		{IPPROTO_UDP, 53}, {IPPROTO_UDP, 80}, {IPPROTO_UDP, 8080}, {IPPROTO_SCTP, 80},
		{IPPROTO_ICMP, 0}};
	const struct lnt_pod *pod = pod_of(c, ep);

	/* The node itself is no peer that policies could name. */
	if (lnt_id_kind(verdict_identity(s, addr)) == LNT_ID_HOST)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(l4); i++) {
		bool in = verdict_of(s, LNT_INGRESS, &ep->addrs[0], addr, l4[i].proto, l4[i].port)
				  .allowed;
		bool out = verdict_of(s, LNT_EGRESS, &ep->addrs[1], addr, l4[i].proto, l4[i].port)
				   .allowed;
		bool want_in = oracle_ingress(c->st, pod, peer, l4[i].proto, l4[i].port);
		bool want_out = oracle_egress(c->st, pod, peer, l4[i].proto, l4[i].port);

		if (in != want_in || out != want_out)
			fail_msg("SEED=%llu: pod %s/%s, peer %s, protocol %u port %u: "
				 "in %d (want %d), out %d (want %d)",
				(unsigned long long)seed, ep->pod_ns, ep->pod_name,
				peer ? peer->meta.name : "none", l4[i].proto, l4[i].port, in,
				want_in, out, want_out);
	}
}

static bool is_local(const struct cluster *c, const struct lnt_pod *pod)
{
	for (size_t i = 0; i < c->n_eps; i++)
		if (pod_of(c, &c->eps[i]) == pod)
			return true;
	return false;
}

static void compare_all(const struct cluster *c, const struct lnt_policy_state *s)
{
	static const char *const others[] = {
		"192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::9"};

	for (size_t i = 0; i < c->n_eps; i++) {
		const struct lnt_endpoint *ep = &c->eps[i];
		const struct lnt_endpoint_value *v = verdict_endpoint(s, &ep->addrs[0]);

		assert_non_null(v);
		assert_int_equal(!!(v->flags & LNT_EP_ISOLATED_INGRESS),
			oracle_isolated(c->st, pod_of(c, ep), false));
		assert_int_equal(!!(v->flags & LNT_EP_ISOLATED_EGRESS),
			oracle_isolated(c->st, pod_of(c, ep), true));
		for (size_t p = 0; p < c->n_pods; p++) {
			const struct lnt_pod *pod = c->pods[p];
			char text[LNT_ADDRSTRLEN];
			struct in6_addr addr;

			/* A pod that has ended, or shares its node's address, is no peer. */
			bool known = !pod->host_network && (!pod->terminated || is_local(c, pod));

			snprintf(text, sizeof(text), p % 2 ? "10.0.0.%zu" : "fd00::%zu", p + 1);
			addr = pod->host_network ? pod->addrs[0] : build_addr(text);
			compare(c, s, ep, &addr, known ? pod : NULL);
		}
		for (size_t o = 0; o < ARRAY_SIZE(others); o++) {
			struct in6_addr addr = build_addr(others[o]);

			compare(c, s, ep, &addr, NULL);
		}
	}
}

static void random_clusters(void **state)
{
	const char *env_seed = getenv("SEED"), *env_rounds = getenv("ROUNDS");
	unsigned rounds = env_rounds ? (unsigned)atoi(env_rounds) : 5000;
	size_t entries = 0;

	seed = env_seed ? strtoull(env_seed, NULL, 0) : 1;
	print_message("SEED=%llu ROUNDS=%u\n", (unsigned long long)seed, rounds);
	for (unsigned i = 0; i < rounds; i++, seed++) {
		struct lnt_policy_state s = {}, again = {};
		struct cluster c, d;

		random_cluster(&c, seed, false);
		random_cluster(&d, seed, true);
		assert_int_equal(verdict_compile(c.st, NODE, c.eps, c.n_eps, &s), 0);
		assert_int_equal(verdict_compile(d.st, NODE, d.eps, d.n_eps, &again), 0);
		if (verdict_check(&s))
			fail_msg("SEED=%llu: %s", (unsigned long long)seed, verdict_check(&s));
		if (!verdict_same(&s, &again))
			fail_msg("SEED=%llu: order matters", (unsigned long long)seed);
		compare_all(&c, &s);
		entries += s.n_policy;
		lnt_policy_state_clear(&s);
		lnt_policy_state_clear(&again);
		lnt_store_free(c.st);
		lnt_store_free(d.st);
	}
	print_message("%zu policy entries compared\n", entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_clusters),
	};

	return cmocka_run_group_tests_name("compile policy: random clusters", tests, NULL, NULL);
}
