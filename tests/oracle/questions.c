/* SPDX-License-Identifier: Apache-2.0 */
/* The search for questions.h. */
#include "tests/oracle/questions.h"

#include <stdlib.h>

static void add_addr(struct questions *q, const struct address *a)
{
	for (unsigned i = 0; i < q->n_addrs; i++)
		if (address_equal(&q->addrs[i], a))
			return;
	if (q->n_addrs == QUESTIONS_MAX_ADDRS)
		abort();
	q->addrs[q->n_addrs++] = *a;
}

static void add_text(struct questions *q, const char *text)
{
	struct address a;

	if (address_parse(text, &a))
		add_addr(q, &a);
}

static void add_block(struct questions *q, const char *cidr)
{
	struct prefix p = prefix_of(cidr);
	struct address edges[4];
	unsigned n = prefix_edges(&p, edges);

	for (unsigned i = 0; i < n; i++)
		add_addr(q, &edges[i]);
}

static void add_l4(struct questions *q, int proto, int port)
{
	if (port < 0 || port > 65535)
		return;
	for (unsigned i = 0; i < q->n_l4; i++)
		if (q->l4[i].proto == proto && q->l4[i].port == port)
			return;
	if (q->n_l4 == QUESTIONS_MAX_L4)
		abort();
	q->l4[q->n_l4++] = (struct l4){proto, port};
}

static void add_port(struct questions *q, int proto, int port)
{
	for (int beside = -1; beside <= 1; beside++)
		add_l4(q, proto, port + beside);
	/* The same of another protocol. */
	add_l4(q, proto == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP, port);
}

static int protocol(const cJSON *of, int otherwise)
{
	const char *text = json_text(of, "protocol");

	if (!*text)
		return otherwise;
	return !strcmp(text, "UDP")	? IPPROTO_UDP
		: !strcmp(text, "SCTP") ? IPPROTO_SCTP
					: IPPROTO_TCP;
}

static bool is_one_of(const char *text, const char *const *list)
{
	while (*list && strcmp(*list, text) != 0)
		list++;
	return *list;
}

/* Whatever @o has, in any depth. @key: its name, or its list's. */
static void collect(struct questions *q, const cJSON *o, const char *key, int proto)
{
	static const char *const ports[] = {
		"port", "endPort", "number", "start", "end", "containerPort", NULL};
	static const char *const blocks[] = {"cidr", "except", "networks", NULL};
	static const char *const addrs[] = {"ip", "address", "addresses", NULL};
	const cJSON *item;

	if (cJSON_IsNumber(o) && is_one_of(key, ports))
		add_port(q, proto, o->valueint);
	else if (cJSON_IsString(o) && is_one_of(key, blocks))
		add_block(q, o->valuestring);
	else if (cJSON_IsString(o) && is_one_of(key, addrs))
		add_text(q, o->valuestring);
	if (cJSON_IsObject(o))
		proto = !strcmp(key, "udp")    ? IPPROTO_UDP
			: !strcmp(key, "sctp") ? IPPROTO_SCTP
					       : protocol(o, proto);
	cJSON_ArrayForEach (item, o)
		collect(q, item, item->string ? item->string : key, proto);
}

void questions_collect(const struct cluster *c, struct questions *ret_questions)
{
	struct questions *q = ret_questions;

	q->n_addrs = q->n_l4 = 0;
	collect(q, c->objects, "", IPPROTO_TCP);
	collect(q, c->endpoints, "", IPPROTO_TCP);
	add_text(q, "198.51.100.7");
	add_text(q, "2001:db8::7");
	add_l4(q, IPPROTO_TCP, 20000);
	add_l4(q, IPPROTO_UDP, 20000);
	add_l4(q, IPPROTO_SCTP, 20000);
	add_l4(q, IPPROTO_ICMP, 0);
	add_l4(q, IPPROTO_ICMPV6, 0);
	add_l4(q, IPPROTO_GRE, 0);
}

const char *l4_text(int proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	}
	return "GRE";
}
