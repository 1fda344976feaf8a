/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Work in a child process, for what would otherwise leave its memory with a long-lived parent. */
#include "lib/err.h"

/*
 * Runs @fn(@arg) in a child and hands back its result: 0, or its -errno with its reason in @e; or
 * -EIO when the child died. What @fn changes in memory is lost.
 */
int lnt_child_run(int (*fn)(void *arg, struct lnt_err *e), void *arg, struct lnt_err *e);
