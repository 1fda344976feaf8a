/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Policies in words. Texts are the caller's to free; NULL: out of memory. */
#include "agent/model/model.h"
#include "datapath/abi.h"

#include <cjson/cJSON.h>

/* "admin", "network", "baseline". */
const char *lnt_tier_text(enum lnt_tier tier);

/* "app=web and tier in (a, b)"; "" for what selects all. */
char *lnt_selector_words(const struct lnt_selector *sel);

/* "pods app=web of namespaces team=red", "10.0.0.0/8 except 10.1.0.0/16". */
char *lnt_peer_words(const struct lnt_netpol_peer *peer);

/* "TCP 80-90", "UDP dns", "SCTP". */
char *lnt_port_words(const struct lnt_netpol_port *port);

/*
 * {"direction":"ingress","index":0,"name":"...","action":"allow","peers":[...],"ports":[...]}, the
 * name only if it has one; no peers: any, no ports: all. The caller owns it.
 */
cJSON *lnt_rule_json(const struct lnt_netpol_rule *rule, enum lnt_direction dir);
