/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Small files: read whole, replaced atomically, locked. All functions return 0 or -errno. */
#include "lib/err.h"

#include <stddef.h>
#include <sys/types.h>

/* mkdir -p. Folders that are made get @mode; existing ones are left as they are. */
int lnt_mkdirs(const char *path, mode_t mode, struct lnt_err *e);

/*
 * Reads a file of at most @max bytes into new memory that the caller frees; a zero byte follows the
 * content. -ENOENT is returned without a text in @e; -EFBIG: larger than @max.
 */
int lnt_file_read(
	const char *path, size_t max, struct lnt_err *e, char **ret_data, size_t *ret_len);

/* Until end of file or @max bytes from @fd, likewise. @what names it in errors. */
int lnt_fd_read(
	int fd, size_t max, const char *what, struct lnt_err *e, char **ret_data, size_t *ret_len);

/*
 * Puts @data in the place of @path: readers see the old content or the new, never a mixture, also
 * when the writer is killed (temporary file "<path>.tmp", rename). Not synced to a disk: what is
 * written this way means nothing after a reboot. Writers of the same path must exclude each other.
 * Mode 0600.
 */
int lnt_file_replace(const char *path, const void *data, size_t len, struct lnt_err *e);

/* Writes text into an existing file in one go, such as one below /proc/sys. */
int lnt_file_write(const char *path, const char *text, struct lnt_err *e);

/* Removes a file; one that is not there is no error. */
int lnt_file_remove(const char *path, struct lnt_err *e);

/*
 * Opens (makes) @path and waits for an exclusive flock(2) on it. The lock ends when the caller
 * closes
 * *@ret_fd or dies.
 */
int lnt_file_lock(const char *path, struct lnt_err *e, int *ret_fd);
