/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at events (event.h). An event has the key of the packet, which may be of the connection's
 * opener or of its target; the policy that was asked is of one of the connection's ends.
 */
#include "agent/explain/event.h"
#include "datapath/load.h"
#include "lib/cleanup.h"

#include <net/if.h>
#include <string.h>
#include <time.h>

const char *lnt_proto_text(uint8_t proto, char ret_text[static LNT_PROTO_STRLEN])
{
	static const struct {
		uint8_t proto;
		const char *text;
	} names[] = {
		{IPPROTO_TCP, "TCP"},
		{IPPROTO_UDP, "UDP"},
		{IPPROTO_SCTP, "SCTP"},
		{IPPROTO_ICMP, "ICMP"},
		{IPPROTO_ICMPV6, "ICMPv6"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].proto == proto)
			return strcpy(ret_text, names[i].text);
	snprintf(ret_text, LNT_PROTO_STRLEN, "%u", proto);
	return ret_text;
}

static bool is_policy(const struct lnt_event *ev)
{
	return ev->reason == LNT_DROP_POLICY_INGRESS || ev->reason == LNT_DROP_POLICY_EGRESS;
}

static bool is_set(const struct in6_addr *addr)
{
	return !IN6_IS_ADDR_UNSPECIFIED(addr);
}

/*
 * Whether the packet is of the connection's target. Of a flow that was denied before, the program
 * says only whom the two ends were taken for.
 */
static bool is_reply(const struct lnt_event_view *view, const struct lnt_event *ev)
{
	uint32_t src, dst;

	if (is_set(&ev->target))
		return IN6_ARE_ADDR_EQUAL(&ev->target, &ev->key.saddr) &&
			ev->target_port == ev->key.sport &&
			!IN6_ARE_ADDR_EQUAL(&ev->target, &ev->key.daddr);
	if (!is_policy(ev))
		return false;
	src = lnt_verdict_identity(&view->source, &ev->key.saddr);
	dst = lnt_verdict_identity(&view->source, &ev->key.daddr);
	return src != dst && (src == ev->dst_identity || dst == ev->src_identity);
}

/* The node has addresses that its object does not list. */
static void see_host(const struct lnt_event_view *view, uint32_t identity, struct lnt_who *who)
{
	if (who->kind == LNT_WHO_WORLD && lnt_id_kind(identity) == LNT_ID_HOST)
		*who = (struct lnt_who){LNT_WHO_NODE, "", view->node_name};
}

static void find_service(const struct lnt_event_view *view, struct lnt_told *told)
{
	const struct lnt_service_key key = {
		.addr = told->ev.key.daddr,
		.port = told->ev.key.dport,
		.proto = told->ev.key.proto,
		.kind = LNT_FRONTEND_ASKED,
	};
	const struct lnt_frontend *f =
		view->services ? lnt_services_find(view->services, &key) : NULL;

	if (f)
		snprintf(told->service, sizeof(told->service), "%s/%s", lnt_frontend_ns(f),
			lnt_frontend_name(f));
}

/* The end of the connection whose policy was asked. */
static const struct lnt_who *subject(const struct lnt_told *told)
{
	bool in = told->ev.direction == LNT_INGRESS;

	if (in && !told->reply && told->target.kind == LNT_WHO_POD)
		return &told->target;
	return in != told->reply ? &told->dst : &told->src;
}

/* The policies that isolate that end; none if it is not known. */
static void find_policies(const struct lnt_event_view *view, struct lnt_told *told)
{
	const struct lnt_who *who = subject(told);
	const struct lnt_pod *pod;
	size_t n = 0;

	if (who->kind != LNT_WHO_POD)
		return;
	pod = (const struct lnt_pod *)lnt_store_get(view->st, LNT_KIND_POD, who->ns, who->name);
	if (!pod || lnt_policies_of_pod(view->st, pod, &told->policies, &told->n_policies))
		return;
	for (size_t i = 0; i < told->n_policies; i++)
		if (lnt_policy_isolates(told->policies[i], told->ev.direction))
			told->policies[n++] = told->policies[i];
	told->n_policies = n;
}

/* The same where no rule decided. If it is not known whose policy it was, the one who has some. */
static void find_isolation(const struct lnt_event_view *view, struct lnt_told *told)
{
	find_policies(view, told);
	if (told->n_policies || is_set(&told->ev.target))
		return;
	free(TAKE_PTR(told->policies));
	told->reply = !told->reply;
	find_policies(view, told);
	if (!told->n_policies)
		told->reply = !told->reply;
}

void lnt_event_look(
	const struct lnt_event_view *view, const struct lnt_event *ev, struct lnt_told *ret_told)
{
	struct lnt_told *t = ret_told;

	*t = (struct lnt_told){.ev = *ev, .rule = ""};
	t->known = is_set(&ev->key.saddr) || is_set(&ev->key.daddr);
	if (!t->known)
		return;
	t->src = lnt_directory_find(view->dir, &ev->key.saddr);
	t->dst = lnt_directory_find(view->dir, &ev->key.daddr);
	t->reply = is_reply(view, ev);
	see_host(view, ev->src_identity, t->reply ? &t->dst : &t->src);
	see_host(view, ev->dst_identity, t->reply ? &t->src : &t->dst);
	find_service(view, t);
	if (!t->reply && is_set(&ev->target) && !IN6_ARE_ADDR_EQUAL(&ev->target, &ev->key.daddr))
		t->target = lnt_directory_find(view->dir, &ev->target);
	if (ev->rule)
		t->rule = lnt_policy_rule_name(view->compiled, ev->rule);
	else if (is_policy(ev))
		find_isolation(view, t);
}

void lnt_told_clear(struct lnt_told *told)
{
	free(told->policies);
	*told = (struct lnt_told){};
}

/* A rule's name is the policy's, a blank and more. */
static bool is_of(const char *rule, const char *policy)
{
	size_t n = strlen(policy);

	return !strncmp(rule, policy, n) && rule[n] == ' ';
}

static bool concerns_policy(const struct lnt_told *told, const char *policy)
{
	char name[LNT_POLICY_NAME_STRLEN];

	for (size_t i = 0; i < told->n_policies; i++)
		if (!strcmp(lnt_policy_name(told->policies[i], name), policy))
			return true;
	return is_of(told->rule, policy);
}

bool lnt_told_matches(const struct lnt_told *told, const struct lnt_event_filter *filter)
{
	if (told->ev.kind == LNT_EVENT_ALLOW && !filter->allows)
		return false;
	if (filter->pod && !lnt_who_is(&told->src, filter->pod) &&
		!lnt_who_is(&told->dst, filter->pod) && !lnt_who_is(&told->target, filter->pod))
		return false;
	return !filter->policy || concerns_policy(told, filter->policy);
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static cJSON *end_json(const struct lnt_told *told, const struct in6_addr *addr, __be16 port,
	const struct lnt_who *who)
{
	cJSON *json = cJSON_CreateObject();
	char text[LNT_ADDRSTRLEN], name[LNT_WHO_STRLEN];

	cJSON_AddStringToObject(json, "address", lnt_addr_str(addr, text));
	if (has_ports(told->ev.key.proto))
		cJSON_AddNumberToObject(json, "port", ntohs(port));
	cJSON_AddStringToObject(json, "kind", lnt_who_kind_text(who->kind));
	if (who->kind != LNT_WHO_WORLD)
		cJSON_AddStringToObject(json, "name", lnt_who_text(who, name));
	return json;
}

static void add_time(const struct lnt_event_view *view, const struct lnt_event *ev, cJSON *json)
{
	int64_t ns = view->clock + (int64_t)ev->time;
	time_t sec = ns / 1000000000;
	char day[32], text[48];
	struct tm tm;

	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", gmtime_r(&sec, &tm));
	snprintf(text, sizeof(text), "%s.%06dZ", day, (int)(ns % 1000000000 / 1000));
	cJSON_AddStringToObject(json, "time", text);
}

/* Where the packet was seen: of pods' devices the pod too. */
static void add_device(const struct lnt_event_view *view, uint32_t ifindex, cJSON *json)
{
	char device[IF_NAMESIZE], pod[LNT_POLICY_NAME_STRLEN];

	for (size_t i = 0; i < view->n_eps; i++) {
		const struct lnt_endpoint *ep = &view->eps[i];

		if (ep->host_ifindex != ifindex)
			continue;
		cJSON_AddStringToObject(json, "device", ep->host_ifname);
		snprintf(pod, sizeof(pod), "%s/%s", ep->pod_ns, ep->pod_name);
		if (ep->pod_name[0])
			cJSON_AddStringToObject(json, "devicePod", pod);
		return;
	}
	if (if_indextoname(ifindex, device))
		cJSON_AddStringToObject(json, "device", device);
}

static void add_ends(const struct lnt_told *told, cJSON *json)
{
	const struct lnt_flow_key *k = &told->ev.key;
	char proto[LNT_PROTO_STRLEN];

	cJSON_AddStringToObject(json, "protocol", lnt_proto_text(k->proto, proto));
	cJSON_AddItemToObject(json, "source", end_json(told, &k->saddr, k->sport, &told->src));
	cJSON_AddItemToObject(json, "destination", end_json(told, &k->daddr, k->dport, &told->dst));
	if (told->service[0])
		cJSON_AddStringToObject(json, "service", told->service);
	if (told->target.name)
		cJSON_AddItemToObject(json, "target",
			end_json(told, &told->ev.target, told->ev.target_port, &told->target));
	if (told->reply)
		cJSON_AddBoolToObject(json, "reply", true);
}

static void add_policy(const struct lnt_told *told, cJSON *json)
{
	char name[LNT_POLICY_NAME_STRLEN];
	cJSON *list;

	if (told->rule[0])
		cJSON_AddStringToObject(json, "rule", told->rule);
	if (!told->n_policies)
		return;
	list = cJSON_AddArrayToObject(json, "isolatedBy");
	for (size_t i = 0; i < told->n_policies; i++)
		cJSON_AddItemToArray(
			list, cJSON_CreateString(lnt_policy_name(told->policies[i], name)));
}

cJSON *lnt_told_json(const struct lnt_event_view *view, const struct lnt_told *told)
{
	static const char *const verdicts[] = {
		[LNT_EVENT_DROP] = "drop",
		[LNT_EVENT_ALLOW] = "allow",
		[LNT_EVENT_AUDIT] = "audit",
	};
	const struct lnt_event *ev = &told->ev;
	cJSON *json = cJSON_CreateObject();

	add_time(view, ev, json);
	cJSON_AddStringToObject(json, "node", view->node_name);
	cJSON_AddStringToObject(
		json, "verdict", ev->kind < ARRAY_SIZE(verdicts) ? verdicts[ev->kind] : "?");
	if (ev->kind != LNT_EVENT_ALLOW)
		cJSON_AddStringToObject(json, "reason", lnt_drop_text(ev->reason));
	if (ev->kind != LNT_EVENT_DROP || is_policy(ev) || ev->reason == LNT_DROP_POLICY_CLOSED)
		cJSON_AddStringToObject(
			json, "direction", ev->direction == LNT_INGRESS ? "ingress" : "egress");
	if (told->known)
		add_ends(told, json);
	add_device(view, ev->ifindex, json);
	add_policy(told, json);
	return json;
}
