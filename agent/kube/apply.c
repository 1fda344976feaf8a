/* SPDX-License-Identifier: Apache-2.0 */
/* Objects into the store; see apply.h. */
#include "agent/kube/apply.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

#define LNT_LOG "kube"
#include "lib/log.h"

static uint64_t hash_text(uint64_t h, const char *s)
{
	for (; s && *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return (h ^ '/') * 1099511628211u;
}

/*
 * Logs trouble with an object, once for an object and a text: a controller that updates it each
 * second must not fill the log. The table forgets under collision, which costs a repeated line.
 */
static void complain(struct lnt_apply *a, const cJSON *json, const struct lnt_decode_key *key,
	const struct lnt_err *e, const char *what)
{
	_cleanup_free_ char *text = NULL;
	uint64_t h = 14695981039346656037u;

	if (key->name) {
		h = hash_text(hash_text(hash_text(h, key->ns), key->name), e->msg);
	} else {
		text = cJSON_PrintUnformatted(json);
		h = hash_text(h, text);
	}
	if (a->seen[h % LNT_APPLY_SEEN] == h)
		return;
	a->seen[h % LNT_APPLY_SEEN] = h;
	if (key->name)
		log_warn("%s %s%s%s: %s: %s", a->resource, key->ns, *key->ns ? "/" : "", key->name,
			what, e->msg);
	else
		log_warn("%s: an object without a name is skipped: %s: %.128s", a->resource, e->msg,
			text ?: "");
}

static int put(struct lnt_apply *a, const cJSON *json, const struct lnt_decode_key *key)
{
	struct lnt_err e = {};
	struct lnt_meta *obj;
	int r = lnt_decode(a->kind, json, &e, &obj);

	if (r == -ENOMEM)
		return r;
	/* Also not what it was before: an object that is not understood must not go on to allow. */
	if (!obj)
		lnt_store_remove(a->store, a->kind, key->ns, key->name);
	if (r)
		complain(a, json, key, &e, "not used");
	else if (e.err)
		complain(a, json, key, &e, "in part not used");
	return obj ? lnt_store_put(a->store, obj) : 0;
}

int lnt_apply_item(struct lnt_apply *a, const cJSON *json)
{
	struct lnt_decode_key key;
	struct lnt_err e = {};

	if (lnt_decode_key(a->kind, json, &e, &key)) {
		complain(a, json, &key, &e, "not used");
		return 0;
	}
	return put(a, json, &key);
}

static void bury(struct lnt_apply *a, const struct lnt_decode_key *key)
{
	unsigned i = a->n_graves++ % LNT_APPLY_GRAVES;

	lnt_unintern(a->graves[i].ns);
	lnt_unintern(a->graves[i].name);
	a->graves[i].ns = lnt_intern(key->ns);
	a->graves[i].name = lnt_intern(key->name);
	a->graves[i].version = key->number;
}

static bool is_buried(const struct lnt_apply *a, const struct lnt_decode_key *key)
{
	const char *ns = lnt_intern_find(key->ns), *name = lnt_intern_find(key->name);

	if (!ns || !name)
		return false;
	for (unsigned i = 0; i < LNT_APPLY_GRAVES; i++)
		if (a->graves[i].ns == ns && a->graves[i].name == name &&
			key->number < a->graves[i].version)
			return true;
	return false;
}

static bool is_stale(const struct lnt_apply *a, const struct lnt_decode_key *key)
{
	const struct lnt_meta *have;

	if (!key->number)
		return false;
	have = lnt_store_get(a->store, a->kind, key->ns, key->name);
	return have ? key->number < have->version : is_buried(a, key);
}

int lnt_apply_event(struct lnt_apply *a, const cJSON *json, bool deleted)
{
	struct lnt_decode_key key;
	struct lnt_err e = {};

	if (lnt_decode_key(a->kind, json, &e, &key)) {
		complain(a, json, &key, &e, "not used");
		return 0;
	}
	if (is_stale(a, &key)) {
		log_debug("%s %s/%s: event of version %s is older than what is known", a->resource,
			key.ns, key.name, key.version);
		return 0;
	}
	if (!deleted)
		return put(a, json, &key);
	lnt_store_remove(a->store, a->kind, key.ns, key.name);
	bury(a, &key);
	return 0;
}

void lnt_apply_listed(struct lnt_apply *a)
{
	for (unsigned i = 0; i < LNT_APPLY_GRAVES; i++) {
		lnt_unintern(a->graves[i].ns);
		lnt_unintern(a->graves[i].name);
		a->graves[i].ns = a->graves[i].name = NULL;
	}
	a->n_graves = 0;
}
