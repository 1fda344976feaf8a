/* SPDX-License-Identifier: Apache-2.0 */
/* Flows in words, and those that are asked for (flow.h). */
#include "agent/ctl/flow.h"
#include "agent/ctl/table.h"
#include "datapath/load.h"
#include "lib/json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <strings.h>

#define SWEEP_SECONDS 10 /* between two looks of the sweeper, which counts `idle` */

static const struct {
	const char *name;
	uint8_t proto;
} protos[] = {
	{"TCP", IPPROTO_TCP},
	{"UDP", IPPROTO_UDP},
	{"SCTP", IPPROTO_SCTP},
	{"ICMP", IPPROTO_ICMP},
	{"ICMPv6", IPPROTO_ICMPV6},
};

int ctl_proto_parse(const char *text, uint8_t *ret_proto)
{
	unsigned long n;
	char *end;

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (strcasecmp(text, protos[i].name) != 0)
			continue;
		*ret_proto = protos[i].proto;
		return 0;
	}
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || !n || n > 255)
		return -EINVAL;
	*ret_proto = (uint8_t)n;
	return 0;
}

static void proto_text(uint8_t proto, char ret_text[16])
{
	snprintf(ret_text, 16, "%u", proto);
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if (protos[i].proto == proto)
			snprintf(ret_text, 16, "%s", protos[i].name);
}

/* --- which ones ------------------------------------------------------------------------------- */

/* The addresses that an entry speaks of. */
static size_t addresses(const struct lnt_flow_key *key, const struct lnt_flow *flow,
	const struct in6_addr *ret_addrs[static 4])
{
	size_t n = 0;

	ret_addrs[n++] = &key->saddr;
	ret_addrs[n++] = &key->daddr;
	if (flow->flags & LNT_F_NAT_SRC)
		ret_addrs[n++] = &flow->nat_saddr;
	if (flow->flags & LNT_F_NAT_DST)
		ret_addrs[n++] = &flow->nat_daddr;
	return n;
}

static bool any_in(
	const struct in6_addr *const *addrs, size_t n, const struct lnt_prefix *list, size_t n_list)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_list; k++)
			if (lnt_prefix_has(&list[k], addrs[i]))
				return true;
	return false;
}

static bool has_port(const struct lnt_flow_key *key, const struct lnt_flow *flow, __be16 port)
{
	return key->sport == port || key->dport == port ||
		(flow->flags & LNT_F_NAT_SRC && flow->nat_sport == port) ||
		(flow->flags & LNT_F_NAT_DST && flow->nat_dport == port);
}

static bool is_proto(uint8_t wanted, uint8_t proto)
{
	return wanted == proto || (wanted == IPPROTO_ICMP && proto == IPPROTO_ICMPV6);
}

bool ctl_flow_matches(const struct ctl_flow_filter *filter, const struct lnt_flow_key *key,
	const struct lnt_flow *flow)
{
	const struct in6_addr *addrs[4];
	size_t n;

	if (flow->flags & LNT_F_REPLY && !filter->replies)
		return false;
	if (filter->drops && flow->action != LNT_ACT_DROP)
		return false;
	if (filter->proto && !is_proto(filter->proto, key->proto))
		return false;
	if (filter->port && !has_port(key, flow, htons(filter->port)))
		return false;
	if (!filter->n_addrs && !filter->n_pod)
		return true;
	n = addresses(key, flow, addrs);
	return (!filter->n_addrs || any_in(addrs, n, filter->addrs, filter->n_addrs)) &&
		(!filter->n_pod || any_in(addrs, n, filter->pod, filter->n_pod));
}

/* --- words ------------------------------------------------------------------------------------ */

/* What a service's frontend is asked for by; "" where the entry's destination can be none. */
static const char *frontend_text(const struct ctl_flow *f, char buf[static 80])
{
	char addr[LNT_ADDRSTRLEN];

	if (f->flow.flags & LNT_F_REPLY || !(f->flow.flags & LNT_F_NAT_DST))
		return strcpy(buf, "");
	snprintf(buf, 80, "%s %u %u", lnt_addr_str(&f->key.daddr, addr), ntohs(f->key.dport),
		f->key.proto);
	return buf;
}

void ctl_flow_want(const struct ctl_flow *f, struct ctl_names *names)
{
	const struct in6_addr *addrs[4];
	size_t n = addresses(&f->key, &f->flow, addrs);
	char text[80];

	for (size_t i = 0; i < n; i++)
		ctl_names_want(names, CTL_NAMES_ADDRESSES, lnt_addr_str(addrs[i], text));
	if (*frontend_text(f, text))
		ctl_names_want(names, CTL_NAMES_FRONTENDS, text);
	snprintf(text, sizeof(text), "%u", f->flow.rule);
	if (f->flow.rule)
		ctl_names_want(names, CTL_NAMES_RULES, text);
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static cJSON *end_json(
	const struct ctl_names *names, uint8_t proto, const struct in6_addr *addr, __be16 port)
{
	cJSON *json = cJSON_CreateObject();
	const struct ctl_name *name;
	char text[LNT_ADDRSTRLEN];

	cJSON_AddStringToObject(json, "address", lnt_addr_str(addr, text));
	if (has_ports(proto))
		cJSON_AddNumberToObject(json, "port", ntohs(port));
	name = ctl_names_find(names, CTL_NAMES_ADDRESSES, text);
	if (!name)
		return json;
	cJSON_AddStringToObject(json, "kind", name->kind);
	cJSON_AddStringToObject(json, "name", name->name);
	return json;
}

/* "red/near:4312", "[fd00::1]:80", "10.0.0.1" */
static void end_text(const struct ctl_names *names, uint8_t proto, const struct in6_addr *addr,
	__be16 port, char *buf, size_t size)
{
	const struct ctl_name *name;
	char text[LNT_ADDRSTRLEN];
	bool brackets;

	lnt_addr_str(addr, text);
	name = ctl_names_find(names, CTL_NAMES_ADDRESSES, text);
	brackets = !name && has_ports(proto) && !lnt_addr_is4(addr);
	if (has_ports(proto))
		snprintf(buf, size, "%s%s%s:%u", brackets ? "[" : "", name ? name->name : text,
			brackets ? "]" : "", ntohs(port));
	else
		snprintf(buf, size, "%s", name ? name->name : text);
}

static const char *rule_name(const struct ctl_flow *f, const struct ctl_names *names)
{
	const struct ctl_name *name;
	char text[16];

	snprintf(text, sizeof(text), "%u", f->flow.rule);
	name = f->flow.rule ? ctl_names_find(names, CTL_NAMES_RULES, text) : NULL;
	return name ? name->name : "";
}

static const char *scope_text(uint32_t scope)
{
	if (scope == LNT_SCOPE_NODE)
		return "from-node";
	if (scope == LNT_SCOPE_TO_NODE)
		return "to-node";
	return scope & LNT_SCOPE_TO_POD ? "to-pod" : "from-pod";
}

/* The pod's device where the flow is seen; "": another, or it is gone. */
static const char *scope_device(uint32_t scope, char buf[static IF_NAMESIZE])
{
	uint32_t ifindex = scope & ~LNT_SCOPE_TO_POD;

	if (scope == LNT_SCOPE_NODE || scope == LNT_SCOPE_TO_NODE || !if_indextoname(ifindex, buf))
		return strcpy(buf, "");
	return buf;
}

static const char *action_text(uint8_t action)
{
	static const char *const texts[] = {
		[LNT_ACT_DROP] = "drop",
		[LNT_ACT_DSR] = "direct-return",
		[LNT_ACT_STACK] = "stack",
		[LNT_ACT_PEER] = "pod",
		[LNT_ACT_NEIGH] = "device",
		[LNT_ACT_LOOP] = "loopback",
	};

	return action < ARRAY_SIZE(texts) && texts[action] ? texts[action] : "?";
}

static const char *state_text(const struct lnt_flow *flow)
{
	if (flow->flags & LNT_F_RST)
		return "reset";
	return flow->flags & LNT_F_FIN ? "closing" : "open";
}

static void add_translated(const struct ctl_flow *f, const struct ctl_names *names, cJSON *json)
{
	const struct lnt_flow *flow = &f->flow;
	cJSON *to;

	if (!(flow->flags & (LNT_F_NAT_SRC | LNT_F_NAT_DST)))
		return;
	to = cJSON_AddObjectToObject(json, "translated");
	if (flow->flags & LNT_F_NAT_SRC)
		cJSON_AddItemToObject(to, "source",
			end_json(names, f->key.proto, &flow->nat_saddr, flow->nat_sport));
	if (flow->flags & LNT_F_NAT_DST)
		cJSON_AddItemToObject(to, "destination",
			end_json(names, f->key.proto, &flow->nat_daddr, flow->nat_dport));
}

static void add_way(const struct lnt_flow *flow, cJSON *json)
{
	char device[IF_NAMESIZE], hop[LNT_ADDRSTRLEN];

	cJSON_AddStringToObject(json, "action", action_text(flow->action));
	if (flow->ifindex && if_indextoname(flow->ifindex, device))
		cJSON_AddStringToObject(json, "outDevice", device);
	if (flow->action == LNT_ACT_NEIGH && !IN6_IS_ADDR_UNSPECIFIED(&flow->nexthop))
		cJSON_AddStringToObject(json, "nextHop", lnt_addr_str(&flow->nexthop, hop));
}

cJSON *ctl_flow_json(const struct ctl_flow *f, const struct ctl_names *names, uint32_t epoch)
{
	bool drop = f->flow.action == LNT_ACT_DROP;
	char proto[16], text[80], device[IF_NAMESIZE];
	cJSON *json = cJSON_CreateObject();
	const struct ctl_name *service;

	proto_text(f->key.proto, proto);
	cJSON_AddStringToObject(json, "protocol", proto);
	cJSON_AddItemToObject(
		json, "source", end_json(names, f->key.proto, &f->key.saddr, f->key.sport));
	cJSON_AddItemToObject(
		json, "destination", end_json(names, f->key.proto, &f->key.daddr, f->key.dport));
	service = ctl_names_find(names, CTL_NAMES_FRONTENDS, frontend_text(f, text));
	if (service)
		cJSON_AddStringToObject(json, "service", service->name);
	add_translated(f, names, json);
	cJSON_AddBoolToObject(json, "reply", f->flow.flags & LNT_F_REPLY);
	cJSON_AddStringToObject(json, "verdict", drop ? "drop" : "allow");
	if (drop)
		cJSON_AddStringToObject(json, "reason", lnt_drop_text(f->flow.reason));
	if (*rule_name(f, names))
		cJSON_AddStringToObject(json, "rule", rule_name(f, names));
	cJSON_AddStringToObject(json, "state", state_text(&f->flow));
	cJSON_AddBoolToObject(json, "current", f->flow.epoch == epoch);
	cJSON_AddNumberToObject(json, "idleSeconds", f->flow.idle * SWEEP_SECONDS);
	cJSON_AddNumberToObject(json, "packets", (double)f->flow.packets);
	cJSON_AddNumberToObject(json, "bytes", (double)f->flow.bytes);
	cJSON_AddStringToObject(json, "seen", scope_text(f->key.scope));
	if (*scope_device(f->key.scope, device))
		cJSON_AddStringToObject(json, "device", device);
	add_way(&f->flow, json);
	return json;
}

/* "red/server:80", "from n1:40123", or both. */
static void becomes_text(
	const struct ctl_flow *f, const struct ctl_names *names, char *buf, size_t size)
{
	char src[600] = "", dst[600] = "";

	if (f->flow.flags & LNT_F_NAT_SRC)
		end_text(names, f->key.proto, &f->flow.nat_saddr, f->flow.nat_sport, src,
			sizeof(src));
	if (f->flow.flags & LNT_F_NAT_DST)
		end_text(names, f->key.proto, &f->flow.nat_daddr, f->flow.nat_dport, dst,
			sizeof(dst));
	snprintf(buf, size, "%s%s%s%s", dst, *dst && *src ? " " : "", *src ? "from " : "", src);
}

void ctl_flow_row(const struct ctl_flow *f, const struct ctl_names *names, uint32_t epoch,
	struct ctl_flow_row *ret_row)
{
	struct ctl_flow_row *row = ret_row;
	const struct ctl_name *service;
	char text[80], device[IF_NAMESIZE], age[CTL_AGE_STRLEN], bytes[CTL_SIZE_STRLEN];
	bool drop = f->flow.action == LNT_ACT_DROP;

	proto_text(f->key.proto, row->protocol);
	end_text(
		names, f->key.proto, &f->key.saddr, f->key.sport, row->source, sizeof(row->source));
	end_text(names, f->key.proto, &f->key.daddr, f->key.dport, row->destination,
		sizeof(row->destination));
	service = ctl_names_find(names, CTL_NAMES_FRONTENDS, frontend_text(f, text));
	if (service)
		snprintf(row->destination, sizeof(row->destination), "%s:%u (service)",
			service->name, ntohs(f->key.dport));
	becomes_text(f, names, row->becomes, sizeof(row->becomes));
	snprintf(row->verdict, sizeof(row->verdict), "%s%s", drop ? "drop: " : "allow",
		drop ? lnt_drop_text(f->flow.reason) : "");
	snprintf(row->state, sizeof(row->state), "%s%s", state_text(&f->flow),
		f->flow.epoch == epoch ? "" : ",stale");
	snprintf(row->idle, sizeof(row->idle), "%s", ctl_age(f->flow.idle * SWEEP_SECONDS, age));
	snprintf(row->packets, sizeof(row->packets), "%llu", f->flow.packets);
	snprintf(row->bytes, sizeof(row->bytes), "%s", ctl_size((double)f->flow.bytes, bytes));
	snprintf(row->seen, sizeof(row->seen), "%s%s%s", scope_text(f->key.scope),
		*scope_device(f->key.scope, device) ? " " : "", device);
	row->rule = rule_name(f, names);
}
