/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log lines to standard error: "<time> <LEVEL> <module>: text". A file names its module with
 * `#define LNT_LOG "kube"` before it includes this header. Text says what was being done, to what,
 * and why it failed; one failure is one line.
 */
enum lnt_log_level {
	LNT_ERROR,
	LNT_WARN,
	LNT_INFO,
	LNT_DEBUG
};

/* Lines above @level are not written. Default: LNT_INFO. */
void lnt_log_set_level(enum lnt_log_level level);

/* "error", "warn", "info" or "debug" into *ret_level. Returns 0, or -EINVAL. */
int lnt_log_parse_level(const char *s, enum lnt_log_level *ret_level);

void lnt_log_write(enum lnt_log_level level, const char *module, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#ifndef LNT_LOG
#define LNT_LOG "linnet"
#endif
#define log_error(...) lnt_log_write(LNT_ERROR, LNT_LOG, __VA_ARGS__)
#define log_warn(...)  lnt_log_write(LNT_WARN, LNT_LOG, __VA_ARGS__)
#define log_info(...)  lnt_log_write(LNT_INFO, LNT_LOG, __VA_ARGS__)
#define log_debug(...) lnt_log_write(LNT_DEBUG, LNT_LOG, __VA_ARGS__)
