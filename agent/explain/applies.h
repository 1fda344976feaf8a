/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which policies are about a pod, from the store alone: for people, on whatever node it is. */
#include "agent/model/store.h"
#include "datapath/abi.h"

/* Whether @policy selects @pod. */
bool lnt_policy_selects(
	const struct lnt_store *st, const struct lnt_netpol *policy, const struct lnt_pod *pod);

/* "namespace/name", "cnp:name" of a ClusterNetworkPolicy; cut if too long. Returns @ret_text. */
#define LNT_POLICY_NAME_STRLEN 512
const char *lnt_policy_name(
	const struct lnt_netpol *policy, char ret_text[static LNT_POLICY_NAME_STRLEN]);

/*
 * The policies that select @pod, in a new array that the caller frees, in the order in which they
 * are asked: by tier, priority, and name. Valid until the store changes. Returns 0 or -ENOMEM.
 */
int lnt_policies_of_pod(const struct lnt_store *st, const struct lnt_pod *pod,
	const struct lnt_netpol ***ret_list, size_t *ret_n);

/* Whether @policy, which selects a pod, isolates it in @dir: a NetworkPolicy of that type. */
bool lnt_policy_isolates(const struct lnt_netpol *policy, enum lnt_direction dir);
