/* SPDX-License-Identifier: Apache-2.0 */
/* The comparison of run.h. */
#include "tests/oracle/run.h"
#include "tests/oracle/oracle.h"

#include <stdio.h>

struct run {
	struct cluster now;
	struct compiled compiled;
	struct questions questions;
	unsigned thin; /* of each pair of addresses one in so many ports is asked */
	unsigned pair; /* counted */
	const struct run_options *opt;
	struct run_stats *stats;
	struct disagreement *how;
};

static bool differ(struct run *r, enum disagreement_kind kind, const char *text)
{
	r->how->kind = kind;
	snprintf(r->how->text, sizeof(r->how->text), "%s", text);
	return false;
}

/* Whether such a thing is sent at all. */
static bool is_of_family(const struct l4 *l4, int family)
{
	return family == AF_INET ? l4->proto != IPPROTO_ICMPV6 : l4->proto != IPPROTO_ICMP;
}

/* One question. @names: what people are told is compared too, which takes longer than all the rest.
 */
static bool compare_one(struct run *r, const struct oracle_pair *pair, const struct address *addr,
	const struct address *peer, struct l4 l4, bool names)
{
	bool want = oracle_allows(pair, l4.proto, l4.port), egress = pair->egress, got;
	enum disagreement_kind kind;
	const char *rule;

	got = compiled_allows(&r->compiled, egress, addr, peer, l4.proto, l4.port, &rule);
	r->stats->questions++;
	r->stats->denied += !want;
	kind = want == got ? AGREED : LOOKUP;
	if (!kind && names && !oracle_names(pair, l4.proto, l4.port, rule))
		kind = RULE;
	if (!kind && names &&
		compiled_traces(&r->compiled, egress, addr, peer, l4.proto, l4.port) != want)
		kind = TRACE;
	if (kind == AGREED)
		return true;
	*r->how = (struct disagreement){.src = egress ? *addr : *peer,
		.dst = egress ? *peer : *addr,
		.l4 = l4,
		.want = want,
		.got = got,
		.step = r->how->step};
	snprintf(r->how->rule, sizeof(r->how->rule), "%s", rule);
	return differ(r, kind, egress ? "the source's policy" : "the destination's policy");
}

static bool compare_pair(struct run *r, const cJSON *endpoint, bool egress,
	const struct address *addr, const struct address *peer)
{
	unsigned at = r->pair++;
	struct oracle_pair pair;

	oracle_pair(&r->now, endpoint, egress, peer, &pair);
	for (unsigned i = at % r->thin; i < r->questions.n_l4; i += r->thin) {
		struct l4 l4 = r->questions.l4[i];
		bool names = r->opt->whole || (at + i / r->thin) % 16 == 0;

		if (is_of_family(&l4, addr->family) &&
			!compare_one(r, &pair, addr, peer, l4, names))
			return false;
	}
	return true;
}

/* Every pair is asked about, each about other ports. */
static unsigned thinned(const struct run *r)
{
	unsigned n = 0;
	const cJSON *ep;

	if (r->opt->whole)
		return 1;
	cJSON_ArrayForEach (ep, r->now.endpoints)
		n += (unsigned)cJSON_GetArraySize(json_get(ep, "addresses"));
	/* In two directions; about half of all addresses are of the family. */
	return 1 + n * r->questions.n_addrs * r->questions.n_l4 / RUN_QUESTIONS;
}

static bool compare_lookups(struct run *r)
{
	const cJSON *ep, *item;

	r->thin = thinned(r);
	r->pair = 0;
	cJSON_ArrayForEach (ep, r->now.endpoints) {
		cJSON_ArrayForEach (item, json_get(ep, "addresses")) {
			struct address addr = address_of(item->valuestring);

			for (unsigned i = 0; i < r->questions.n_addrs; i++) {
				const struct address *peer = &r->questions.addrs[i];

				if (peer->family == addr.family &&
					(!compare_pair(r, ep, false, &addr, peer) ||
						!compare_pair(r, ep, true, &addr, peer)))
					return false;
			}
		}
	}
	return true;
}

/* --- packets ---------------------------------------------------------------------------------- */

static const cJSON *endpoint_at(const struct cluster *c, const struct address *addr)
{
	const cJSON *ep, *item;

	cJSON_ArrayForEach (ep, c->endpoints) {
		cJSON_ArrayForEach (item, json_get(ep, "addresses")) {
			struct address a = address_of(item->valuestring);

			if (address_equal(&a, addr))
				return ep;
		}
	}
	return NULL;
}

/* Both ends that live here have to allow it. */
static bool oracle_delivers(const struct cluster *c, const struct address *src,
	const struct address *dst, const struct l4 *l4)
{
	const cJSON *from = endpoint_at(c, src), *to = endpoint_at(c, dst);
	struct oracle_pair pair;
	bool ok = true;

	if (from) {
		oracle_pair(c, from, true, dst, &pair);
		ok = oracle_allows(&pair, l4->proto, l4->port);
	}
	if (ok && to) {
		oracle_pair(c, to, false, src, &pair);
		ok = oracle_allows(&pair, l4->proto, l4->port);
	}
	return ok;
}

static bool compare_packet(struct run *r, const struct address *src, const struct address *dst,
	const struct l4 *l4, unsigned number)
{
	const char *reason = "";
	enum packets_fate fate;
	bool want;

	fate = packets_send(r->opt->packets, &r->compiled, src, dst, *l4, number, &reason);
	if (fate == PACKET_UNSENT)
		return true;
	r->stats->packets++;
	want = oracle_delivers(&r->now, src, dst, l4);
	if (fate != PACKET_LOST && want == (fate == PACKET_PASSED))
		return true;
	*r->how = (struct disagreement){.src = *src,
		.dst = *dst,
		.l4 = *l4,
		.want = want,
		.got = fate == PACKET_PASSED,
		.step = r->how->step};
	snprintf(r->how->rule, sizeof(r->how->rule), "%s", reason);
	return differ(r, PACKET, "a packet");
}

/* A sample, the same for the same questions: of 200, with the same connections at each step. */
static bool compare_packets(struct run *r)
{
	const struct questions *q = &r->questions;
	unsigned tried = 0;
	const cJSON *ep, *item;
	const char *wrong = packets_write(r->opt->packets, &r->compiled);

	if (wrong)
		return differ(r, BROKEN, wrong);
	cJSON_ArrayForEach (ep, r->now.endpoints) {
		cJSON_ArrayForEach (item, json_get(ep, "addresses")) {
			struct address addr = address_of(item->valuestring);

			for (unsigned i = 0; i < 50; i++, tried++) {
				const struct address *peer = &q->addrs[tried % q->n_addrs];
				const struct l4 *l4 = &q->l4[tried * 7 % q->n_l4];
				bool out = tried / q->n_addrs % 2;

				if (peer->family != addr.family || !is_of_family(l4, addr.family))
					continue;
				if (!compare_packet(
					    r, out ? &addr : peer, out ? peer : &addr, l4, tried))
					return false;
			}
		}
	}
	return true;
}

/* --- steps ------------------------------------------------------------------------------------ */

static bool compare_step(struct run *r)
{
	const char *wrong = compiled_run(&r->compiled);

	r->stats->states++;
	if (wrong)
		return differ(r, BROKEN, wrong);
	questions_collect(&r->now, &r->questions);
	return compare_lookups(r) && (!r->opt->packets || compare_packets(r));
}

static bool compare_steps(struct run *r, const cJSON *test_case)
{
	const cJSON *update;

	if (!compare_step(r))
		return false;
	cJSON_ArrayForEach (update, json_get(test_case, "updates")) {
		r->how->step++;
		cluster_update(&r->now, update);
		compiled_update(&r->compiled, update);
		if (!compare_step(r))
			return false;
	}
	return compiled_again(&r->compiled, &r->now) ||
		differ(r, HISTORY, "compiled from nothing, in another order, the state is another");
}

bool run_case(const cJSON *test_case, const struct run_options *opt, struct run_stats *stats,
	struct disagreement *ret_how)
{
	struct run r = {.opt = opt, .stats = stats, .how = ret_how};
	bool ok;

	*ret_how = (struct disagreement){};
	if (opt->packets)
		packets_forget(opt->packets);
	cluster_init(&r.now, test_case);
	compiled_init(&r.compiled, test_case);
	ok = compare_steps(&r, test_case);
	cluster_clear(&r.now);
	compiled_clear(&r.compiled);
	return ok;
}
