/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ownership in the declaration: a local that owns something carries a _cleanup_*_ attribute and a
 * neutral first value (NULL, -1), so that every return releases it. Ownership leaves through
 * TAKE_PTR() or TAKE_FD(), which put the neutral value back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((__cleanup__(fn)))

static inline void lnt_freep(void *p)
{
	free(*(void **)p);
}

static inline void lnt_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void lnt_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_	 _cleanup_(lnt_freep)
#define _cleanup_close_	 _cleanup_(lnt_closep)
#define _cleanup_fclose_ _cleanup_(lnt_fclosep)

#define TAKE_PTR(p)                   \
	({                            \
		__auto_type _p = (p); \
		(p) = NULL;           \
		_p;                   \
	})

#define TAKE_FD(fd)             \
	({                      \
		int _fd = (fd); \
		(fd) = -1;      \
		_fd;            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
