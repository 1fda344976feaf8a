/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What NetworkPolicy means, written straight from the API's documentation (networking.k8s.io/v1) as
 * nested loops, to compare the compiler with. Shares the objects with it and no code, not even the
 * matching of selectors. ipBlock matches nothing here either.
 */
#include "agent/model/store.h"

/* May a peer (NULL: not a pod) connect to this port of pod @dst, as far as @dst's ingress goes? */
bool oracle_ingress(const struct lnt_store *st, const struct lnt_pod *dst,
	const struct lnt_pod *src, uint8_t proto, uint16_t port);

/* May pod @src connect to this port of a peer (NULL: not a pod), as far as @src's egress goes? */
bool oracle_egress(const struct lnt_store *st, const struct lnt_pod *src, const struct lnt_pod *dst,
	uint8_t proto, uint16_t port);

/* Whether a policy of that direction selects @pod. */
bool oracle_isolated(const struct lnt_store *st, const struct lnt_pod *pod, bool egress);
