/* SPDX-License-Identifier: Apache-2.0 */
/* The policies of generate.h. */
#include "tests/oracle/generate.h"
#include "tests/oracle/prefix.h"

#include <stdio.h>

/* Pods, nodes and others, in blocks within blocks. Not all are written from their first address. */
static const char *const blocks[] = {
	"0.0.0.0/0",
	"10.0.0.0/8",
	"10.1.0.0/24",
	"10.1.0.11/30",
	"10.1.0.10/32",
	"10.2.0.0/16",
	"192.168.0.0/24",
	"192.168.0.10/32",
	"198.51.100.0/24",
	"198.51.100.128/25",
	"198.51.100.7/32",
	"::/0",
	"fd00::/8",
	"fd00:1::/64",
	"fd00:1::10/127",
	"fd00:2::/64",
	"fd00:9::/64",
	"fd00:9::2/128",
	"2001:db8::/32",
	"2001:db8::4/126",
	"2001:db8::7/128",
};

/* --- NetworkPolicy ---------------------------------------------------------------------------- */

/* "Except values will be rejected if they are outside the cidr range." */
static void add_block(struct rng *r, cJSON *peer)
{
	cJSON *block = cJSON_AddObjectToObject(peer, "ipBlock"), *except;
	const char *cidr = PICK(r, blocks);
	struct prefix outer = prefix_of(cidr);

	cJSON_AddStringToObject(block, "cidr", cidr);
	if (one_in(r, 3))
		return;
	except = cJSON_AddArrayToObject(block, "except");
	for (unsigned i = 0; i < 12; i++) {
		const char *text = PICK(r, blocks);
		struct prefix inner = prefix_of(text);

		if (prefix_within(&outer, &inner) && cJSON_GetArraySize(except) < 2)
			json_push_text(except, text);
	}
}

static void add_peer(struct rng *r, cJSON *list)
{
	cJSON *peer = json_push_object(list);
	unsigned form = roll(r, 9);

	if (form >= 6) {
		add_block(r, peer);
		return;
	}
	if (form != 0 && form != 1)
		generate_selector(r, peer, "namespaceSelector", LABELS_NS);
	if (form < 4)
		generate_selector(r, peer, "podSelector", LABELS_POD);
}

static void add_port(struct rng *r, cJSON *list)
{
	cJSON *port = json_push_object(list);
	int first = PICK(r, generate_ports), last = PICK(r, generate_ports);
	unsigned form = roll(r, 8);

	if (roll(r, 3))
		cJSON_AddStringToObject(port, "protocol", PICK(r, generate_protos));
	if (form == 0)
		return;
	if (form < 4) {
		cJSON_AddStringToObject(port, "port", PICK(r, generate_port_names));
		return;
	}
	cJSON_AddNumberToObject(port, "port", first < last ? first : last);
	if (form >= 6)
		cJSON_AddNumberToObject(port, "endPort", first < last ? last : first);
}

static void add_rules(struct rng *r, cJSON *spec, const char *direction, const char *peers)
{
	cJSON *rules, *rule, *list;

	if (one_in(r, 4))
		return;
	rules = cJSON_AddArrayToObject(spec, direction);
	for (unsigned n = roll(r, 4); n; n--) {
		rule = json_push_object(rules);
		if (roll(r, 6)) {
			list = cJSON_AddArrayToObject(rule, peers);
			for (unsigned i = roll(r, 4); i; i--)
				add_peer(r, list);
		}
		if (roll(r, 3)) {
			list = cJSON_AddArrayToObject(rule, "ports");
			for (unsigned i = roll(r, 4); i; i--)
				add_port(r, list);
		}
	}
}

cJSON *generate_policy(struct rng *r, const char *ns, const char *name)
{
	cJSON *o = generate_object("networking.k8s.io/v1", "NetworkPolicy", ns, name), *spec,
	      *types;
	unsigned of = roll(r, 6);

	spec = cJSON_AddObjectToObject(o, "spec");
	generate_selector(r, spec, "podSelector", LABELS_POD);
	/* Absent, empty, one, the other, both. */
	if (of) {
		types = cJSON_AddArrayToObject(spec, "policyTypes");
		if (of == 2 || of >= 4)
			json_push_text(types, "Ingress");
		if (of >= 3)
			json_push_text(types, "Egress");
	}
	add_rules(r, spec, "ingress", "from");
	add_rules(r, spec, "egress", "to");
	return o;
}

/* --- ClusterNetworkPolicy --------------------------------------------------------------------- */

/* "namespaces" or "pods", of a subject or a peer. */
static void add_pods(struct rng *r, cJSON *o)
{
	cJSON *pods;

	if (one_in(r, 2)) {
		generate_selector(r, o, "namespaces", LABELS_NS);
		return;
	}
	pods = cJSON_AddObjectToObject(o, "pods");
	generate_selector(r, pods, "namespaceSelector", LABELS_NS);
	generate_selector(r, pods, "podSelector", LABELS_POD);
}

/* Returns whether such a peer has named ports. */
static bool add_cluster_peer(struct rng *r, cJSON *list, bool egress)
{
	cJSON *peer = json_push_object(list), *networks;
	unsigned form = roll(r, 6);

	if (!egress || form < 3) {
		add_pods(r, peer);
		return true;
	}
	if (form == 3) {
		generate_selector(r, peer, "nodes", LABELS_NODE);
		return false;
	}
	networks = cJSON_AddArrayToObject(peer, "networks");
	for (unsigned n = 1 + roll(r, 2); n; n--) {
		const char *text = PICK(r, blocks);
		const cJSON *item;
		bool had = false;

		/* A set. */
		cJSON_ArrayForEach (item, networks)
			had |= !strcmp(item->valuestring, text);
		if (!had)
			json_push_text(networks, text);
	}
	return false;
}

static void add_protocol(struct rng *r, cJSON *list, bool names)
{
	static const char *const protos[] = {"tcp", "udp", "sctp"};
	int first = PICK(r, generate_ports), last = PICK(r, generate_ports);
	cJSON *item = json_push_object(list), *port;
	unsigned form = roll(r, 6);

	if (form < 2 && names) {
		cJSON_AddStringToObject(item, "destinationNamedPort", PICK(r, generate_port_names));
		return;
	}
	port = cJSON_AddObjectToObject(
		cJSON_AddObjectToObject(item, PICK(r, protos)), "destinationPort");
	if (form < 4 || first == last) {
		cJSON_AddNumberToObject(port, "number", first);
		return;
	}
	port = cJSON_AddObjectToObject(port, "range");
	cJSON_AddNumberToObject(port, "start", first < last ? first : last);
	cJSON_AddNumberToObject(port, "end", first < last ? last : first);
}

static void add_cluster_rules(struct rng *r, cJSON *spec, bool egress)
{
	static const char *const actions[] = {"Accept", "Deny", "Deny", "Pass"};
	cJSON *rules = cJSON_AddArrayToObject(spec, egress ? "egress" : "ingress"), *rule, *list;

	for (unsigned n = 1 + roll(r, 3), i = 0; i < n; i++) {
		bool names = true;
		char name[8];

		rule = json_push_object(rules);
		snprintf(name, sizeof(name), "rule-%u", i);
		if (one_in(r, 2))
			cJSON_AddStringToObject(rule, "name", name);
		cJSON_AddStringToObject(rule, "action", PICK(r, actions));
		list = cJSON_AddArrayToObject(rule, egress ? "to" : "from");
		for (unsigned p = 1 + roll(r, 2); p; p--)
			names &= add_cluster_peer(r, list, egress);
		if (one_in(r, 3))
			continue;
		list = cJSON_AddArrayToObject(rule, "protocols");
		for (unsigned p = 1 + roll(r, 2); p; p--)
			add_protocol(r, list, names);
	}
}

cJSON *generate_cluster_policy(struct rng *r, const char *name)
{
	static const int priorities[] = {0, 10, 10, 1000};
	cJSON *o, *spec;

	o = generate_object(
		"policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", NULL, name);
	spec = cJSON_AddObjectToObject(o, "spec");
	cJSON_AddStringToObject(spec, "tier", one_in(r, 2) ? "Admin" : "Baseline");
	cJSON_AddNumberToObject(spec, "priority", PICK(r, priorities));
	add_pods(r, cJSON_AddObjectToObject(spec, "subject"));
	if (roll(r, 4))
		add_cluster_rules(r, spec, false);
	if (roll(r, 4))
		add_cluster_rules(r, spec, true);
	return o;
}
