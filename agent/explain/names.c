/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of names.h. A request is a line, which bounds what it costs. */
#include "agent/explain/names.h"
#include "lib/json.h"

#include <string.h>

/* The node has addresses that its object does not list. */
static struct lnt_who find_who(const struct lnt_names_env *env, const struct in6_addr *addr)
{
	struct lnt_who who = lnt_directory_find(env->dir, addr);

	if (who.kind == LNT_WHO_WORLD &&
		lnt_id_kind(lnt_verdict_identity(&env->source, addr)) == LNT_ID_HOST)
		who = (struct lnt_who){LNT_WHO_NODE, "", env->node_name};
	return who;
}

static void add_address(const struct lnt_names_env *env, const char *text, cJSON *names)
{
	char name[LNT_WHO_STRLEN];
	struct in6_addr addr;
	struct lnt_who who;
	cJSON *json;

	if (lnt_addr_parse(text, &addr))
		return;
	who = find_who(env, &addr);
	if (who.kind == LNT_WHO_WORLD)
		return;
	json = cJSON_AddObjectToObject(names, text);
	cJSON_AddStringToObject(json, "kind", lnt_who_kind_text(who.kind));
	cJSON_AddStringToObject(json, "name", lnt_who_text(&who, name));
}

/* "10.96.0.1 80 6" */
static void add_frontend(const struct lnt_names_env *env, const char *text, cJSON *names)
{
	struct lnt_service_key key = {.kind = LNT_FRONTEND_ASKED};
	const struct lnt_frontend *f;
	char addr[LNT_ADDRSTRLEN + 1], name[LNT_WHO_STRLEN];
	unsigned port, proto;

	if (sscanf(text, "%46s %u %u", addr, &port, &proto) != 3 || lnt_addr_parse(addr, &key.addr))
		return;
	key.port = htons((uint16_t)port);
	key.proto = (uint8_t)proto;
	f = lnt_services_find(env->services, &key);
	if (!f)
		return;
	snprintf(name, sizeof(name), "%s/%s", lnt_frontend_ns(f), lnt_frontend_name(f));
	cJSON_AddStringToObject(names, text, name);
}

static void add_rule(const struct lnt_names_env *env, const char *text, cJSON *names)
{
	const char *name = lnt_policy_rule_name(env->compiled, (uint32_t)strtoul(text, NULL, 10));

	if (*name)
		cJSON_AddStringToObject(names, text, name);
}

static void add_pod(const struct lnt_names_env *env, const char *text, cJSON *names)
{
	const char *slash = strchr(text, '/');
	char ns[LNT_K8S_NAME_MAX], addr[LNT_ADDRSTRLEN];
	const struct lnt_pod *pod;
	cJSON *list;

	if (!slash || (size_t)(slash - text) >= sizeof(ns))
		return;
	snprintf(ns, sizeof(ns), "%.*s", (int)(slash - text), text);
	pod = (const struct lnt_pod *)lnt_store_get(env->st, LNT_KIND_POD, ns, slash + 1);
	if (!pod)
		return;
	list = cJSON_AddArrayToObject(names, text);
	for (size_t i = 0; i < pod->n_addrs; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(lnt_addr_str(&pod->addrs[i], addr)));
}

cJSON *lnt_names_json(const struct lnt_names_env *env, const cJSON *req)
{
	static const struct {
		const char *key;
		void (*add)(const struct lnt_names_env *env, const char *text, cJSON *names);
	} kinds[] = {
		{"addresses", add_address},
		{"frontends", add_frontend},
		{"rules", add_rule},
		{"pods", add_pod},
	};
	cJSON *json = cJSON_CreateObject();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cJSON *names = cJSON_AddObjectToObject(json, kinds[i].key);
		const cJSON *item;

		cJSON_ArrayForEach (item, lnt_json_get(req, kinds[i].key))
			if (cJSON_IsString(item))
				kinds[i].add(env, item->valuestring, names);
	}
	return json;
}
