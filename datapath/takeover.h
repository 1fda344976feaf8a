/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a linnet of another ABI has pinned, before and after this one attaches: an upgrade, or the
 * way back. Links are taken over, so that lnt_attach_*() replace the other's programs in place
 * instead of running behind them, and so are maps that mean the same in both. The rest goes.
 */
#include "datapath/pins.h"

#include "lib/err.h"

#include <stdbool.h>

/* Whether map @name of ABI @version can be used by this one as it is. */
bool lnt_takeover_keeps(const char *name, int version);

/* Moves pins of other versions to this one's place unless it has its own; the newest version goes
 * first. @keeps: as lnt_takeover_keeps(). */
int lnt_takeover_begin(
	const char *bpf_root, bool (*keeps)(const char *name, int version), struct lnt_err *e);

/* Removes what is left of other versions; none of it is attached any more. */
int lnt_takeover_end(const char *bpf_root, struct lnt_err *e);
