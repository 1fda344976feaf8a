/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Policies in one line, so that a case is a row of a table:
 *
 *	{app in (web)} in:[ns{}|6/80-0] out:
 *	Admin 5 ns{}{} in:name#0-[ns{}|any] #1>[pods{}|17/53-0] out:#0+[10.0.0.0/8|any]
 *
 * The pods it is about; for each direction it has the rules, their peers and ports. In the second
 * form, of ClusterNetworkPolicies, each has its name, index, and + - > for Accept, Deny, Pass.
 */
#include "agent/model/model.h"

/* The caller frees it. */
char *policy_text(const struct lnt_netpol *p);
