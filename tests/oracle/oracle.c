/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of oracle.h. Sentences in quotes are the API's documentation. */
#include "tests/oracle/oracle.h"

#include <stdio.h>
#include <stdlib.h>

/* --- selectors -------------------------------------------------------------------------------- */

static const char *label(const cJSON *object, const char *key)
{
	const cJSON *labels = json_get(json_get(object, "metadata"), "labels");

	return cJSON_GetStringValue(json_get(labels, key));
}

static bool listed(const cJSON *values, const char *value)
{
	const cJSON *v;

	cJSON_ArrayForEach (v, values)
		if (!strcmp(v->valuestring, value))
			return true;
	return false;
}

static bool expression_holds(const cJSON *e, const cJSON *object)
{
	const char *have = label(object, json_text(e, "key"));

	if (json_is(e, "operator", "In"))
		return have && listed(json_get(e, "values"), have);
	if (json_is(e, "operator", "NotIn"))
		return !have || !listed(json_get(e, "values"), have);
	if (json_is(e, "operator", "Exists"))
		return have;
	return !have;
}

/* "The requirements are ANDed." "An empty label selector matches all objects." */
static bool selects(const cJSON *selector, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, json_get(selector, "matchLabels")) {
		const char *have = label(object, item->string);

		if (!have || strcmp(have, item->valuestring) != 0)
			return false;
	}
	cJSON_ArrayForEach (item, json_get(selector, "matchExpressions"))
		if (!expression_holds(item, object))
			return false;
	return true;
}

static bool is_empty(const cJSON *selector)
{
	return !cJSON_GetArraySize(json_get(selector, "matchLabels")) &&
		!cJSON_GetArraySize(json_get(selector, "matchExpressions"));
}

/* An empty selector is about every namespace, known or not; others are about known ones. */
static bool selects_namespace(const struct cluster *c, const cJSON *selector, const char *name)
{
	if (is_empty(selector))
		return true;
	for (unsigned i = 0; i < c->n_namespaces; i++)
		if (!strcmp(json_name(c->namespaces[i]), name))
			return selects(selector, c->namespaces[i]);
	return false;
}

/* --- who has an address ----------------------------------------------------------------------- */

struct party {
	struct address addr;
	const cJSON *pod;  /* NULL: none */
	const cJSON *node; /* NULL: none; then there is no pod, host-network ones neither */
};

/* Whether a node's status.addresses have it. */
static bool node_has(const cJSON *node, const struct address *addr)
{
	const cJSON *item;
	struct address a;

	cJSON_ArrayForEach (item, json_get(json_get(node, "status"), "addresses")) {
		if (!json_is(item, "type", "InternalIP") && !json_is(item, "type", "ExternalIP"))
			continue;
		if (address_parse(json_text(item, "address"), &a) && address_equal(&a, addr))
			return true;
	}
	return false;
}

static bool pod_has(const cJSON *pod, const struct address *addr)
{
	const cJSON *status = json_get(pod, "status"), *item;

	/* A pod that has ended has given its addresses back. */
	if (json_is(status, "phase", "Succeeded") || json_is(status, "phase", "Failed"))
		return false;
	cJSON_ArrayForEach (item, json_get(status, "podIPs")) {
		struct address a = address_of(json_text(item, "ip"));

		if (address_equal(&a, addr))
			return true;
	}
	return false;
}

static bool endpoint_has(const cJSON *endpoint, const struct address *addr)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, json_get(endpoint, "addresses")) {
		struct address a = address_of(item->valuestring);

		if (address_equal(&a, addr))
			return true;
	}
	return false;
}

const cJSON *oracle_endpoint_pod(const struct cluster *c, const cJSON *endpoint)
{
	for (unsigned i = 0; i < c->n_pods; i++) {
		const cJSON *pod = c->pods[i];

		if (json_is(endpoint, "namespace", json_ns(pod)) &&
			json_is(endpoint, "pod", json_name(pod)) &&
			json_is(endpoint, "uid", json_text(json_get(pod, "metadata"), "uid")))
			return pod;
	}
	return NULL;
}

static struct party who_has(const struct cluster *c, const struct address *addr)
{
	struct party who = {.addr = *addr};
	const cJSON *ep;

	for (unsigned i = 0; i < c->n_nodes; i++) {
		if (!node_has(c->nodes[i], addr))
			continue;
		/* Were it two nodes', this one knows its own. */
		if (!who.node || !strcmp(json_name(c->nodes[i]), CLUSTER_NODE))
			who.node = c->nodes[i];
	}
	if (who.node)
		return who;
	cJSON_ArrayForEach (ep, c->endpoints) {
		if (endpoint_has(ep, addr)) {
			who.pod = oracle_endpoint_pod(c, ep);
			return who;
		}
	}
	for (unsigned i = 0; i < c->n_pods; i++) {
		if (cJSON_IsTrue(json_get(json_get(c->pods[i], "spec"), "hostNetwork")))
			continue;
		if (pod_has(c->pods[i], addr))
			who.pod = c->pods[i];
	}
	return who;
}

/* --- peers ------------------------------------------------------------------------------------ */

static bool in_block(const char *cidr, const struct address *addr)
{
	struct prefix p = prefix_of(cidr);

	return prefix_has(&p, addr);
}

/*
 * "IPBlock describes a particular CIDR [...] that is allowed to the pods matched by a
 * NetworkPolicySpec's podSelector. The except entry describes CIDRs that should not be included
 * within this rule."
 */
static bool ip_block_has(const cJSON *block, const struct address *addr)
{
	const cJSON *item;

	if (!in_block(json_text(block, "cidr"), addr))
		return false;
	cJSON_ArrayForEach (item, json_get(block, "except"))
		if (in_block(item->valuestring, addr))
			return false;
	return true;
}

/*
 * "If NamespaceSelector is also set, then the NetworkPolicyPeer as a whole selects the pods
 * matching PodSelector in the namespaces selected by NamespaceSelector. Otherwise it selects the
 * pods matching PodSelector in the policy's own namespace."
 */
static bool netpol_peer_is(
	const struct cluster *c, const char *policy_ns, const cJSON *peer, const struct party *who)
{
	const cJSON *namespaces = json_get(peer, "namespaceSelector");
	const cJSON *pods = json_get(peer, "podSelector"), *block = json_get(peer, "ipBlock");

	if (block)
		return ip_block_has(block, &who->addr);
	if (!who->pod)
		return false;
	if (namespaces ? !selects_namespace(c, namespaces, json_ns(who->pod))
		       : strcmp(json_ns(who->pod), policy_ns) != 0)
		return false;
	return !pods || selects(pods, who->pod);
}

/* "namespaces" or "pods" of a ClusterNetworkPolicy, of subjects and of peers. */
static bool pods_are(const struct cluster *c, const cJSON *which, const cJSON *pod)
{
	const cJSON *namespaces = json_get(which, "namespaces"), *pods = json_get(which, "pods");

	if (namespaces)
		return selects_namespace(c, namespaces, json_ns(pod));
	return pods && selects_namespace(c, json_get(pods, "namespaceSelector"), json_ns(pod)) &&
		selects(json_get(pods, "podSelector"), pod);
}

/* "Exactly one of the fields must be set for a given peer." */
static bool cluster_peer_is(const struct cluster *c, const cJSON *peer, const struct party *who)
{
	const cJSON *nodes = json_get(peer, "nodes"), *item;

	cJSON_ArrayForEach (item, json_get(peer, "networks"))
		if (in_block(item->valuestring, &who->addr))
			return true;
	/* "It selects the nodeIPs as the peer type by matching on the IPs present in the
	 * node.Status.Addresses field of the node." */
	for (unsigned i = 0; nodes && i < c->n_nodes; i++)
		if (selects(nodes, c->nodes[i]) && node_has(c->nodes[i], &who->addr))
			return true;
	return who->pod && pods_are(c, peer, who->pod);
}

/* --- policies --------------------------------------------------------------------------------- */

static void add(struct oracle_rule *list, unsigned *n, const struct oracle_rule *r)
{
	if (*n == ORACLE_MAX)
		abort();
	list[(*n)++] = *r;
}

/*
 * "If this field is not specified, it will default based on the existence of ingress or egress
 * rules; policies that contain an egress section are assumed to affect egress, and all policies
 * (whether or not they contain an ingress section) are assumed to affect ingress."
 */
static bool affects(const cJSON *spec, bool egress)
{
	const cJSON *types = json_get(spec, "policyTypes");

	if (cJSON_GetArraySize(types))
		return listed(types, egress ? "Egress" : "Ingress");
	return !egress || cJSON_GetArraySize(json_get(spec, "egress"));
}

static void ask_netpol(const struct cluster *c, const cJSON *policy, const cJSON *pod, bool egress,
	const struct party *who, struct oracle_pair *p)
{
	const cJSON *spec = json_get(policy, "spec"), *rule, *peer;
	int index = 0;

	if (strcmp(json_ns(policy), json_ns(pod)) != 0 ||
		!selects(json_get(spec, "podSelector"), pod) || !affects(spec, egress))
		return;
	p->isolated = true;
	cJSON_ArrayForEach (rule, json_get(spec, egress ? "egress" : "ingress")) {
		const cJSON *peers = json_get(rule, egress ? "to" : "from");
		const cJSON *ports = json_get(rule, "ports");
		/* "If this field is empty or missing, this rule matches all ports." */
		struct oracle_rule r = {
			"Accept", cJSON_GetArraySize(ports) ? ports : NULL, policy, rule, index++};
		/* "If this field is empty or missing, this rule matches all sources." */
		bool is = !cJSON_GetArraySize(peers);

		cJSON_ArrayForEach (peer, peers)
			is |= netpol_peer_is(c, json_ns(policy), peer, who);
		if (is)
			add(p->network, &p->n_network, &r);
	}
}

static void ask_cluster_policy(const struct cluster *c, const cJSON *policy, const cJSON *pod,
	bool egress, const struct party *who, struct oracle_pair *p)
{
	const cJSON *spec = json_get(policy, "spec"), *rule, *peer;
	int index = 0;

	if (!pods_are(c, json_get(spec, "subject"), pod))
		return;
	cJSON_ArrayForEach (rule, json_get(spec, egress ? "egress" : "ingress")) {
		struct oracle_rule r = {json_text(rule, "action"), json_get(rule, "protocols"),
			policy, rule, index++};
		bool is = false;

		cJSON_ArrayForEach (peer, json_get(rule, egress ? "to" : "from"))
			is |= cluster_peer_is(c, peer, who);
		if (is && json_is(spec, "tier", "Admin"))
			add(p->admin, &p->n_admin, &r);
		else if (is)
			add(p->baseline, &p->n_baseline, &r);
	}
}

/* "Policies with lower priority values have higher precedence"; a tie goes by name. */
static int by_precedence(const void *pa, const void *pb)
{
	const cJSON *a = *(const cJSON *const *)pa, *b = *(const cJSON *const *)pb;
	int r = json_number(json_get(a, "spec"), "priority") -
		json_number(json_get(b, "spec"), "priority");

	return r ? r : strcmp(json_name(a), json_name(b));
}

void oracle_pair(const struct cluster *c, const cJSON *endpoint, bool egress,
	const struct address *peer, struct oracle_pair *ret_pair)
{
	const cJSON *pod = oracle_endpoint_pod(c, endpoint), *sorted[CLUSTER_MAX];
	struct party who = who_has(c, peer);
	struct oracle_pair *p = ret_pair;

	p->egress = egress;
	p->n_admin = p->n_network = p->n_baseline = 0;
	p->closed = !pod;
	p->own_node = who.node && !strcmp(json_name(who.node), CLUSTER_NODE);
	/* "Traffic to/from the node where a Pod is running is always allowed"; tiers add: coming
	 * from there. "A Pod cannot block access to itself." */
	p->always = endpoint_has(endpoint, peer) || (p->own_node && !egress);
	p->isolated = false;
	p->to = egress ? who.pod : pod;
	if (p->closed || p->always)
		return;
	for (unsigned i = 0; i < c->n_policies; i++)
		ask_netpol(c, c->policies[i], pod, egress, &who, p);
	memcpy(sorted, c->cluster_policies, sizeof(sorted));
	qsort(sorted, c->n_cluster_policies, sizeof(const cJSON *), by_precedence);
	for (unsigned i = 0; i < c->n_cluster_policies; i++)
		ask_cluster_policy(c, sorted[i], pod, egress, &who, p);
}

/* --- ports ------------------------------------------------------------------------------------ */

static int proto_of(const cJSON *port)
{
	/* "If not specified, this field defaults to TCP." */
	if (json_is(port, "protocol", "UDP"))
		return IPPROTO_UDP;
	return json_is(port, "protocol", "SCTP") ? IPPROTO_SCTP : IPPROTO_TCP;
}

static bool container_names(const cJSON *container, const char *name, int proto, int port)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, json_get(container, "ports"))
		if (json_is(item, "name", name) && proto_of(item) == proto &&
			json_number(item, "containerPort") == port)
			return true;
	return false;
}

/* Whether the pod calls this port so. */
static bool is_named(const cJSON *pod, const char *name, int proto, int port)
{
	const cJSON *spec = json_get(pod, "spec"), *c;

	cJSON_ArrayForEach (c, json_get(spec, "containers"))
		if (container_names(c, name, proto, port))
			return true;
	/* Init containers that stay are sidecars, the others are gone when the pod runs. */
	cJSON_ArrayForEach (c, json_get(spec, "initContainers"))
		if (json_is(c, "restartPolicy", "Always") && container_names(c, name, proto, port))
			return true;
	return false;
}

/*
 * "The port on the given protocol. This can either be a numerical or named port on a pod. If this
 * field is not provided, this matches all port names and numbers." "endPort indicates that the
 * range of ports from port to endPort if set, inclusive, should be allowed by the policy."
 */
static bool netpol_port_is(const struct oracle_pair *p, const cJSON *item, int proto, int port)
{
	const cJSON *number = json_get(item, "port");
	int first = json_number(item, "port"), last = json_number(item, "endPort");

	if (proto_of(item) != proto)
		return false;
	if (!number)
		return true;
	if (cJSON_IsString(number))
		return p->to && is_named(p->to, number->valuestring, proto, port);
	return port >= first && port <= (last ? last : first);
}

static bool cluster_port_is(const struct oracle_pair *p, const cJSON *item, int proto, int port)
{
	static const struct {
		const char *name;
		int proto;
	} protos[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};
	const char *name = json_text(item, "destinationNamedPort");

	for (unsigned i = 0; i < 3; i++) {
		const cJSON *of = json_get(item, protos[i].name);
		const cJSON *dst = json_get(of, "destinationPort"), *range = json_get(dst, "range");

		if (!of || protos[i].proto != proto)
			continue;
		if (range)
			return port >= json_number(range, "start") &&
				port <= json_number(range, "end");
		return !dst || port == json_number(dst, "number");
	}
	return *name && p->to && is_named(p->to, name, proto, port);
}

static bool rule_is(
	const struct oracle_pair *p, const struct oracle_rule *r, bool cluster, int proto, int port)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, r->ports)
		if (cluster ? cluster_port_is(p, item, proto, port)
			    : netpol_port_is(p, item, proto, port))
			return true;
	return !r->ports;
}

/* The first rule that is about this traffic; NULL: none, or it passes it on. */
static const struct oracle_rule *tier(const struct oracle_pair *p, const struct oracle_rule *rules,
	unsigned n, int proto, int port)
{
	for (unsigned i = 0; i < n; i++)
		if (rule_is(p, &rules[i], true, proto, port))
			return strcmp(rules[i].action, "Pass") != 0 ? &rules[i] : NULL;
	return NULL;
}

bool oracle_allows(const struct oracle_pair *p, int proto, int port)
{
	const struct oracle_rule *r;

	if (p->closed || p->always)
		return !p->closed;
	r = tier(p, p->admin, p->n_admin, proto, port);
	if (r)
		return !strcmp(r->action, "Accept");
	/* "v1.NetworkPolicy always makes a final decision for selected pods." */
	for (unsigned i = 0; p->isolated && i < p->n_network; i++)
		if (rule_is(p, &p->network[i], false, proto, port))
			return true;
	if (p->isolated)
		return p->own_node;
	r = tier(p, p->baseline, p->n_baseline, proto, port);
	return !r || !strcmp(r->action, "Accept");
}

/* --- names ------------------------------------------------------------------------------------ */

/* As compile.h has it: "namespace/policy ingress[0]", "cnp:policy egress[1] 'name'". */
static bool is_name(const struct oracle_pair *p, const struct oracle_rule *r, const char *name)
{
	const char *direction = p->egress ? "egress" : "ingress", *own = json_text(r->rule, "name");
	bool cluster = json_is(r->policy, "kind", "ClusterNetworkPolicy");
	char text[256];

	snprintf(text, sizeof(text), "%s%s%s %s[%d]%s%s%s", cluster ? "cnp" : json_ns(r->policy),
		cluster ? ":" : "/", json_name(r->policy), direction, r->index, *own ? " '" : "",
		own, *own ? "'" : "");
	return !strcmp(text, name);
}

bool oracle_names(const struct oracle_pair *p, int proto, int port, const char *name)
{
	const struct oracle_rule *r;
	bool allowed = false;

	if (p->closed || p->always)
		return !*name;
	r = tier(p, p->admin, p->n_admin, proto, port);
	if (r)
		return is_name(p, r, name);
	for (unsigned i = 0; p->isolated && i < p->n_network; i++) {
		if (!rule_is(p, &p->network[i], false, proto, port))
			continue;
		allowed = true;
		if (is_name(p, &p->network[i], name))
			return true;
	}
	/* What it may do to its node needs no rule. */
	if (p->isolated)
		return !*name && (p->own_node || !allowed);
	r = tier(p, p->baseline, p->n_baseline, proto, port);
	return !r || is_name(p, r, name);
}
