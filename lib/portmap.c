/* SPDX-License-Identifier: Apache-2.0 */
/* Port mappings of portmap.h: JSON to structures, and who gets along with whom. */
#include "lib/portmap.h"

#include "lib/cleanup.h"
#include "lib/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	uint8_t proto;
} protos[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};

const char *lnt_proto_str(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	}
	return "?";
}

bool lnt_portmap_is_any(const struct lnt_portmap *m)
{
	const struct in6_addr any4 = lnt_addr_from4(0);

	return IN6_IS_ADDR_UNSPECIFIED(&m->host_ip) || IN6_ARE_ADDR_EQUAL(&m->host_ip, &any4);
}

bool lnt_portmap_conflicts(const struct lnt_portmap *a, const struct lnt_portmap *b)
{
	if (a->host_port != b->host_port || a->proto != b->proto || !(a->families & b->families))
		return false;
	if (lnt_portmap_is_any(a) || lnt_portmap_is_any(b))
		return lnt_portmap_is_any(a) && lnt_portmap_is_any(b);
	return IN6_ARE_ADDR_EQUAL(&a->host_ip, &b->host_ip);
}

const char *lnt_portmap_str(const struct lnt_portmap *m, char buf[static LNT_PORTMAP_STRLEN])
{
	char addr[LNT_ADDRSTRLEN];
	bool is6 = m->families == LNT_PORTMAP_6;

	lnt_addr_str(&m->host_ip, addr);
	if (m->families == (LNT_PORTMAP_4 | LNT_PORTMAP_6))
		strcpy(addr, "*");
	snprintf(buf, LNT_PORTMAP_STRLEN, is6 ? "[%s]:%u/%s" : "%s:%u/%s", addr, m->host_port,
		lnt_proto_str(m->proto));
	return buf;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* However it is spelled: containerd passes "HostPort", which plugins written in Go read all the
 * same. */
static const cJSON *member(const cJSON *item, const char *key)
{
	const cJSON *m;

	cJSON_ArrayForEach (m, item)
		if (m->string && !strcasecmp(m->string, key))
			return m;
	return NULL;
}

static int read_port(const cJSON *item, const char *key, struct lnt_err *e, uint16_t *ret_port)
{
	const cJSON *port = member(item, key);

	if (!cJSON_IsNumber(port) || port->valuedouble < 1 || port->valuedouble > 65535 ||
		port->valuedouble != (double)(uint16_t)port->valuedouble)
		return lnt_err_set(e, -EINVAL, "%s is not a number from 1 to 65535", key);
	*ret_port = (uint16_t)port->valuedouble;
	return 0;
}

static int read_proto(const cJSON *item, struct lnt_err *e, uint8_t *ret_proto)
{
	const cJSON *proto = member(item, "protocol");
	const char *s = cJSON_GetStringValue(proto);

	*ret_proto = IPPROTO_TCP;
	if (!proto || cJSON_IsNull(proto) || (s && !*s))
		return 0;
	for (size_t i = 0; s && i < ARRAY_SIZE(protos); i++) {
		if (!strcasecmp(s, protos[i].name)) {
			*ret_proto = protos[i].proto;
			return 0;
		}
	}
	return lnt_err_set(
		e, -EINVAL, "protocol '%.20s' is none of tcp, udp and sctp", s ? s : "(no string)");
}

static int read_host_ip(const cJSON *item, struct lnt_err *e, struct lnt_portmap *m)
{
	const cJSON *ip = member(item, "hostIP");
	const char *s = cJSON_GetStringValue(ip);

	m->families = LNT_PORTMAP_4 | LNT_PORTMAP_6;
	if (!ip || cJSON_IsNull(ip) || (s && !*s))
		return 0;
	if (!s || lnt_addr_parse(s, &m->host_ip))
		return lnt_err_set(
			e, -EINVAL, "hostIP '%.60s' is not an address", s ? s : "(no string)");
	m->families = lnt_addr_is4(&m->host_ip) ? LNT_PORTMAP_4 : LNT_PORTMAP_6;
	if (IN6_IS_ADDR_LINKLOCAL(&m->host_ip) || IN6_IS_ADDR_MULTICAST(&m->host_ip) ||
		(lnt_addr_is4(&m->host_ip) && m->host_ip.s6_addr[12] >= 224))
		return lnt_err_set(e, -EINVAL,
			"hostIP %s is link-local or multicast, nothing is served there", s);
	return 0;
}

static int read_one(const cJSON *item, struct lnt_err *e, struct lnt_portmap *ret_map)
{
	struct lnt_portmap m = {};
	int r;

	if (!cJSON_IsObject(item))
		return lnt_err_set(e, -EINVAL, "is not an object");
	r = read_port(item, "hostPort", e, &m.host_port);
	if (!r)
		r = read_port(item, "containerPort", e, &m.container_port);
	if (!r)
		r = read_proto(item, e, &m.proto);
	if (!r)
		r = read_host_ip(item, e, &m);
	*ret_map = m;
	return r;
}

static int add_one(
	const struct lnt_portmap *m, struct lnt_err *e, struct lnt_portmap *maps, unsigned *n)
{
	char text[LNT_PORTMAP_STRLEN];

	for (unsigned i = 0; i < *n; i++) {
		if (!memcmp(&maps[i], m, sizeof(*m)))
			return 0;
		if (lnt_portmap_conflicts(&maps[i], m))
			return lnt_err_set(e, -EINVAL, "%s is mapped twice, to ports %u and %u",
				lnt_portmap_str(m, text), maps[i].container_port,
				m->container_port);
	}
	if (*n == LNT_PORTMAPS_MAX)
		return lnt_err_set(e, -EINVAL, "is one of more than %d", LNT_PORTMAPS_MAX);
	maps[(*n)++] = *m;
	return 0;
}

int lnt_portmaps_parse(const cJSON *list, struct lnt_err *e,
	struct lnt_portmap ret_maps[static LNT_PORTMAPS_MAX], unsigned *ret_n)
{
	const cJSON *item;
	unsigned n = 0, at = 0;

	if (list && !cJSON_IsArray(list) && !cJSON_IsNull(list))
		return lnt_err_set(e, -EINVAL, "portMappings is not a list");
	cJSON_ArrayForEach (item, list) {
		struct lnt_err why = {};
		struct lnt_portmap m = {};
		int r = read_one(item, &why, &m);

		if (!r)
			r = add_one(&m, &why, ret_maps, &n);
		if (r)
			return lnt_err_set(e, r, "portMappings[%u]: %s", at, why.msg);
		at++;
	}
	*ret_n = n;
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static cJSON *one_to_json(const struct lnt_portmap *m)
{
	_cleanup_json_ cJSON *obj = cJSON_CreateObject();
	char addr[LNT_ADDRSTRLEN];

	if (!obj || !cJSON_AddNumberToObject(obj, "hostPort", m->host_port) ||
		!cJSON_AddNumberToObject(obj, "containerPort", m->container_port) ||
		!cJSON_AddStringToObject(obj, "protocol", lnt_proto_str(m->proto)))
		return NULL;
	if (m->families != (LNT_PORTMAP_4 | LNT_PORTMAP_6) &&
		!cJSON_AddStringToObject(obj, "hostIP", lnt_addr_str(&m->host_ip, addr)))
		return NULL;
	return TAKE_PTR(obj);
}

bool lnt_portmaps_add(cJSON *obj, const char *key, const struct lnt_portmap *maps, unsigned n)
{
	cJSON *list = cJSON_AddArrayToObject(obj, key);

	for (unsigned i = 0; list && i < n; i++) {
		cJSON *item = one_to_json(&maps[i]);

		if (!item)
			return false;
		cJSON_AddItemToArray(list, item);
	}
	return list;
}
