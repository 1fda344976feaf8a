/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines of log.h: one write(2) a line, so that lines of several processes do not mix. */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
static enum lnt_log_level max_level = LNT_INFO;

void lnt_log_set_level(enum lnt_log_level level)
{
	max_level = level;
}

int lnt_log_parse_level(const char *s, enum lnt_log_level *ret_level)
{
	for (enum lnt_log_level l = LNT_ERROR; l <= LNT_DEBUG; l++) {
		if (!strcasecmp(s, names[l])) {
			*ret_level = l;
			return 0;
		}
	}
	return -EINVAL;
}

void lnt_log_write(enum lnt_log_level level, const char *module, const char *fmt, ...)
{
	struct timespec ts;
	struct tm tm;
	char line[1024];
	va_list ap;
	size_t n;

	if (level > max_level)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += snprintf(line + n, sizeof(line) - n, ".%03ldZ %-5s %s: ", ts.tv_nsec / 1000000,
		names[level], module);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	n = strlen(line);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nowhere left to say it */
}
