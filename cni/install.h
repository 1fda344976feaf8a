/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The plugin's own installation. */
#include "lib/err.h"

/*
 * Puts the running program's file, mode 0755, into the folder @dir as "linnet": who executes that
 * name meanwhile gets the old file or the new. Touches no other name but ".linnet.new". Returns 0
 * or -errno; then the old file is as it was, unless only the last sync has failed.
 */
int lnt_install(const char *dir, struct lnt_err *e);

/* Removes it from the folder @dir; one that is not there is no error. Returns 0 or -errno. */
int lnt_uninstall(const char *dir, struct lnt_err *e);
