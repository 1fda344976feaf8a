/* SPDX-License-Identifier: Apache-2.0 */
/* Names of names.h: asked for in portions that are each a line. */
#include "agent/ctl/names.h"
#include "lib/json.h"

#include <stdlib.h>
#include <string.h>

#define PORTION 400 /* texts of 50 characters: a third of what a request may have */

static const char *const keys[CTL_NAMES_MAX] = {"addresses", "frontends", "rules"};

static void *or_die(void *p)
{
	if (!p) {
		fputs("linnetctl: out of memory\n", stderr);
		exit(CTL_FAILED);
	}
	return p;
}

static struct ctl_name *find(const struct ctl_names *names, enum ctl_names_of of, const char *text)
{
	struct ctl_name *name;

	HASH_FIND_STR(names->by_text[of], text, name);
	return name;
}

void ctl_names_want(struct ctl_names *names, enum ctl_names_of of, const char *text)
{
	struct ctl_name *name = find(names, of, text);

	if (name)
		return;
	name = or_die(calloc(1, sizeof(*name)));
	name->text = or_die(strdup(text));
	HASH_ADD_KEYPTR(hh, names->by_text[of], name->text, strlen(name->text), name);
}

static void learn(struct ctl_names *names, enum ctl_names_of of, const cJSON *answer)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, lnt_json_get(answer, keys[of])) {
		struct ctl_name *name = find(names, of, item->string);
		const char *text = of == CTL_NAMES_ADDRESSES ? ctl_text(item, "name")
							     : cJSON_GetStringValue(item);

		if (!name || name->name || !text)
			continue;
		name->name = or_die(strdup(text));
		if (of == CTL_NAMES_ADDRESSES)
			name->kind = or_die(strdup(ctl_text(item, "kind")));
	}
}

/* From *@pos on, which is moved. */
static bool ask_portion(
	struct ctl_names *names, struct ctl *c, enum ctl_names_of of, struct ctl_name **pos)
{
	_cleanup_json_ cJSON *req = cJSON_CreateObject();
	_cleanup_json_ cJSON *answer = NULL;
	cJSON *list;

	cJSON_AddStringToObject(req, "get", "names");
	list = cJSON_AddArrayToObject(req, keys[of]);
	for (unsigned i = 0; *pos && i < PORTION; i++, *pos = (*pos)->hh.next)
		cJSON_AddItemToArray(list, cJSON_CreateString((*pos)->text));
	if (!ctl_ask(c, req))
		return false;
	ctl_read(c, &answer);
	learn(names, of, answer);
	return answer;
}

bool ctl_names_ask(struct ctl_names *names, struct ctl *c)
{
	for (unsigned of = 0; of < CTL_NAMES_MAX; of++) {
		struct ctl_name *pos = names->by_text[of];

		while (pos)
			if (!ask_portion(names, c, of, &pos))
				return false;
	}
	return true;
}

const struct ctl_name *ctl_names_find(
	const struct ctl_names *names, enum ctl_names_of of, const char *text)
{
	const struct ctl_name *name = find(names, of, text);

	return name && name->name ? name : NULL;
}

void ctl_names_clear(struct ctl_names *names)
{
	struct ctl_name *name, *next;

	for (unsigned of = 0; of < CTL_NAMES_MAX; of++) {
		HASH_ITER (hh, names->by_text[of], name, next) {
			HASH_DEL(names->by_text[of], name);
			free(name->text);
			free(name->name);
			free(name->kind);
			free(name);
		}
	}
}
