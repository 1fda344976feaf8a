/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One object from the API server into the store: decoding, the guard against events that would take
 * the store back in time, and the log line for what cannot be used.
 *
 * The guard: resource versions are opaque, but those that are decimal numbers may be compared
 * within a resource (KEP-5504). An event about an object that is older than what the store holds of
 * it, or than its deletion, is dropped. Lists are taken as they are: after a restore of the
 * server's database the past is the truth.
 */
#include "agent/kube/decode.h"
#include "agent/model/store.h"

#define LNT_APPLY_GRAVES 64
#define LNT_APPLY_SEEN	 256

struct lnt_apply {
	struct lnt_store *store;
	enum lnt_kind kind;
	const char *resource; /* for the log */
	/* The last deletions that a watch told of; names interned. */
	struct {
		const char *ns, *name;
		uint64_t version;
	} graves[LNT_APPLY_GRAVES];
	unsigned n_graves;
	/* Hashes of objects whose trouble was logged. */
	uint64_t seen[LNT_APPLY_SEEN];
};

/* An item of a list. Returns 0, also for an object that cannot be used, or -ENOMEM. */
int lnt_apply_item(struct lnt_apply *a, const cJSON *json);

/* An ADDED or MODIFIED (@deleted false) or DELETED event of a watch. The same. */
int lnt_apply_event(struct lnt_apply *a, const cJSON *json, bool deleted);

/* A list is complete: nothing older than it can come any more. */
void lnt_apply_listed(struct lnt_apply *a);
