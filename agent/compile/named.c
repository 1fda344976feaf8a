/* SPDX-License-Identifier: Apache-2.0 */
/* The named ports of named.h. */
#include "agent/compile/named.h"
#include "agent/compile/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_use(const char *name, uint8_t proto)
{
	return lnt_hash_u64(lnt_hash_ptr(LNT_HASH_INIT, name), proto);
}

static bool same_use(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_named *nm = ctx;
	const struct lnt_named_port *want = key;

	return nm->uses[item].name == want->name && nm->uses[item].proto == want->proto;
}

static uint32_t find_use(const struct lnt_named *nm, const struct lnt_named_port *port)
{
	return lnt_index_get(&nm->by_use, hash_use(port->name, port->proto), same_use, nm, port);
}

bool lnt_named_used(const struct lnt_named *nm, const struct lnt_named_port *port)
{
	return find_use(nm, port) != LNT_NONE;
}

int lnt_named_use(struct lnt_named *nm, enum lnt_direction dir, const char *name, uint8_t proto)
{
	const struct lnt_named_port want = {.name = name, .proto = proto};
	uint32_t index = find_use(nm, &want);

	if (index == LNT_NONE) {
		index = (uint32_t)nm->n_uses;
		if (LNT_GROW(nm->uses, nm->cap_uses, nm->n_uses + 1) ||
			lnt_index_put(&nm->by_use, hash_use(name, proto), index))
			return -ENOMEM;
		nm->uses[nm->n_uses++] = (struct lnt_named_use){.name = name, .proto = proto};
	}
	if (dir == LNT_EGRESS)
		nm->uses[index].egress = true;
	return 0;
}

static bool same_fact(const void *ctx, uint32_t item, const void *key)
{
	const struct lnt_named *nm = ctx;
	const struct lnt_named_port *want = key;
	const struct lnt_named_fact *f = &nm->facts[item];

	return f->name == want->name && f->proto == want->proto && f->port == want->port;
}

static uint64_t hash_port(const char *name, uint8_t proto, uint16_t port)
{
	return lnt_hash_u64(hash_use(name, proto), port);
}

uint32_t lnt_named_rank(const struct lnt_named *nm, const struct lnt_named_port *port)
{
	return lnt_index_get(
		&nm->by_fact, hash_port(port->name, port->proto, port->port), same_fact, nm, port);
}

static int put_fact(struct lnt_named *nm, uint32_t index)
{
	const struct lnt_named_fact *f = &nm->facts[index];

	return lnt_index_put(&nm->by_fact, hash_port(f->name, f->proto, f->port), index);
}

int lnt_named_collect(struct lnt_named *nm, const struct lnt_pod *pod)
{
	for (size_t i = 0; nm->n_uses && i < pod->n_ports; i++) {
		const struct lnt_named_port *p = &pod->ports[i];
		uint32_t use = find_use(nm, p);

		if (use == LNT_NONE || !p->port || lnt_named_rank(nm, p) != LNT_NONE)
			continue;
		if (LNT_GROW(nm->facts, nm->cap_facts, nm->n_facts + 1))
			return -ENOMEM;
		nm->facts[nm->n_facts++] = (struct lnt_named_fact){
			.name = p->name,
			.proto = p->proto,
			.port = p->port,
			.egress = nm->uses[use].egress,
		};
		if (put_fact(nm, (uint32_t)nm->n_facts - 1))
			return -ENOMEM;
	}
	return 0;
}

static int by_text(const void *pa, const void *pb)
{
	const struct lnt_named_fact *a = pa, *b = pb;
	int r = strcmp(a->name, b->name);

	if (!r)
		r = (int)a->proto - (int)b->proto;
	return r ? r : (int)a->port - (int)b->port;
}

int lnt_named_seal(struct lnt_named *nm)
{
	if (!nm->n_facts)
		return 0;
	qsort(nm->facts, nm->n_facts, sizeof(*nm->facts), by_text);
	lnt_index_clear(&nm->by_fact);
	for (uint32_t i = 0; i < nm->n_facts; i++)
		if (put_fact(nm, i))
			return -ENOMEM;
	return 0;
}

uint64_t lnt_named_hash(const struct lnt_named_fact *fact)
{
	uint64_t hash = lnt_hash_str(LNT_HASH_INIT, fact->name);

	return lnt_hash_u64(lnt_hash_u64(hash, fact->proto), fact->port);
}

void lnt_named_clear(struct lnt_named *nm)
{
	free(nm->uses);
	free(nm->facts);
	lnt_index_clear(&nm->by_use);
	lnt_index_clear(&nm->by_fact);
	*nm = (struct lnt_named){};
}
