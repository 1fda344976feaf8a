/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled state of compiled.h. */
#include "tests/oracle/compiled.h"
#include "agent/explain/verdict.h"
#include "agent/kube/decode.h"
#include "tests/unit/verdict.h"

#include <stdio.h>
#include <stdlib.h>

const struct compiled_device *compiled_devices;

static enum lnt_kind kind_of(const cJSON *object)
{
	static const struct {
		const char *text;
		enum lnt_kind kind;
	} kinds[] = {
		{"Namespace", LNT_KIND_NAMESPACE},
		{"Node", LNT_KIND_NODE},
		{"Pod", LNT_KIND_POD},
		{"NetworkPolicy", LNT_KIND_NETWORKPOLICY},
		{"ClusterNetworkPolicy", LNT_KIND_CLUSTERNETWORKPOLICY},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (json_is(object, "kind", kinds[i].text))
			return kinds[i].kind;
	fprintf(stderr, "kind '%s' is not known\n", json_text(object, "kind"));
	abort();
}

static void put(struct compiled *c, const cJSON *object)
{
	struct lnt_meta *obj = NULL;
	struct lnt_err e = {};

	if (lnt_decode(kind_of(object), object, &e, &obj) || !obj) {
		fprintf(stderr, "%s %s: %s\n", json_text(object, "kind"), json_name(object), e.msg);
		abort();
	}
	if (lnt_store_put(c->st, obj))
		abort();
}

static void attach(struct compiled *c, const cJSON *endpoint)
{
	struct lnt_endpoint *ep = &c->eps[c->n_eps];
	uint32_t at = (uint32_t)c->n_eps++;
	const cJSON *item;

	*ep = (struct lnt_endpoint){.ifname = "eth0", .host_ifindex = 100 + at};
	snprintf(ep->container_id, sizeof(ep->container_id), "c%u", at);
	snprintf(ep->pod_ns, sizeof(ep->pod_ns), "%s", json_text(endpoint, "namespace"));
	snprintf(ep->pod_name, sizeof(ep->pod_name), "%s", json_text(endpoint, "pod"));
	snprintf(ep->pod_uid, sizeof(ep->pod_uid), "%s", json_text(endpoint, "uid"));
	ep->mac[5] = ep->host_mac[4] = (uint8_t)(1 + at);
	if (compiled_devices) {
		ep->host_ifindex = compiled_devices[at].ifindex;
		memcpy(ep->mac, compiled_devices[at].mac, 6);
		memcpy(ep->host_mac, compiled_devices[at].host_mac, 6);
	}
	cJSON_ArrayForEach (item, json_get(endpoint, "addresses")) {
		struct address a = address_of(item->valuestring);

		ep->addrs[ep->n_addrs++] = address_mapped(&a);
	}
}

void compiled_init(struct compiled *c, const cJSON *test_case)
{
	const cJSON *item;

	*c = (struct compiled){.st = lnt_store_new(NULL, NULL)};
	if (!c->st)
		abort();
	cJSON_ArrayForEach (item, json_get(test_case, "objects"))
		put(c, item);
	cJSON_ArrayForEach (item, json_get(test_case, "endpoints"))
		attach(c, item);
}

void compiled_update(struct compiled *c, const cJSON *update)
{
	const cJSON *what;
	size_t n = 0;

	if ((what = json_get(update, "put"))) {
		put(c, what);
	} else if ((what = json_get(update, "delete"))) {
		lnt_store_remove(c->st, kind_of(what), json_ns(what), json_name(what));
	} else if ((what = json_get(update, "detach"))) {
		for (size_t i = 0; i < c->n_eps; i++)
			if (!json_is(what, "namespace", c->eps[i].pod_ns) ||
				!json_is(what, "pod", c->eps[i].pod_name))
				c->eps[n++] = c->eps[i];
		c->n_eps = n;
	}
}

void compiled_clear(struct compiled *c)
{
	lnt_policy_state_clear(&c->state);
	lnt_store_free(c->st);
	*c = (struct compiled){};
}

static int compile(struct compiled *c)
{
	lnt_policy_state_clear(&c->state);
	return verdict_compile(c->st, CLUSTER_NODE, c->eps, c->n_eps, &c->state);
}

const char *compiled_run(struct compiled *c)
{
	return compile(c) ? "it does not compile" : verdict_check(&c->state);
}

/* As datapath/bpf/decide.h has it: no policy is asked within a pod. */
static bool is_same_pod(
	const struct compiled *c, const struct in6_addr *a, const struct in6_addr *b)
{
	const struct lnt_endpoint_value *here = verdict_endpoint(&c->state, a);
	const struct lnt_endpoint_value *there = verdict_endpoint(&c->state, b);

	return here && there && here->ifindex == there->ifindex;
}

bool compiled_allows(const struct compiled *c, bool egress, const struct address *addr,
	const struct address *peer, int proto, int port, const char **ret_rule)
{
	struct in6_addr a = address_mapped(addr), b = address_mapped(peer);
	struct verdict v;

	*ret_rule = "";
	if (is_same_pod(c, &a, &b))
		return true;
	v = verdict_of(&c->state, egress ? LNT_EGRESS : LNT_INGRESS, &a, &b, (uint8_t)proto,
		(uint16_t)port);
	*ret_rule = v.rule;
	return v.allowed;
}

bool compiled_traces(const struct compiled *c, bool egress, const struct address *addr,
	const struct address *peer, int proto, int port)
{
	const struct lnt_policy_source source = lnt_source_state(&c->state);
	struct in6_addr a = address_mapped(addr), b = address_mapped(peer);
	struct lnt_end_verdict v;

	if (is_same_pod(c, &a, &b))
		return true;
	lnt_verdict_end(&source, &a, egress ? LNT_EGRESS : LNT_INGRESS,
		lnt_verdict_identity(&source, &b), (uint8_t)proto, htons((uint16_t)port), &v);
	return v.reason == LNT_DROP_NONE;
}

bool compiled_again(const struct compiled *c, const struct cluster *now)
{
	struct compiled again = {.st = lnt_store_new(NULL, NULL), .n_eps = c->n_eps};
	bool same;

	for (int i = cJSON_GetArraySize(now->objects); i-- > 0;)
		put(&again, cJSON_GetArrayItem(now->objects, i));
	for (size_t i = 0; i < c->n_eps; i++)
		again.eps[i] = c->eps[c->n_eps - 1 - i];
	same = !compile(&again) && verdict_same(&c->state, &again.state);
	compiled_clear(&again);
	return same;
}
