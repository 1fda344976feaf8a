/* SPDX-License-Identifier: Apache-2.0 */
/* Error objects of error.h. */
#include "cni/error.h"

#include "cni/config.h"
#include "lib/json.h"

#include <stdarg.h>
#include <string.h>

static int record(struct lnt_err *e, enum lnt_cni_code code, int err, const char *tail,
	const char *fmt, va_list ap)
{
	char msg[sizeof(e->msg)];

	if (e && !e->err) {
		vsnprintf(msg, sizeof(msg), fmt, ap);
		e->code = code;
		lnt_err_set(e, err, "%s%s%s", msg, tail ? ": " : "", tail ? tail : "");
	}
	return err;
}

int lnt_fail(struct lnt_err *e, enum lnt_cni_code code, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(e, code, err, NULL, fmt, ap);
	va_end(ap);
	return err;
}

int lnt_fail_sys(struct lnt_err *e, enum lnt_cni_code code, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(e, code, err, strerror(-err), fmt, ap);
	va_end(ap);
	return err;
}

int lnt_fail_code(struct lnt_err *e, enum lnt_cni_code code, int err)
{
	if (e && e->err && !e->code)
		e->code = code;
	return err;
}

static const char *advice(unsigned code)
{
	switch (code) {
	case LNT_CNI_INCOMPATIBLE_VERSION:
		return "linnet speaks CNI 0.3.1, 0.4.0, 1.0.0 and 1.1.0";
	case LNT_CNI_UNSUPPORTED_FIELD:
		return "linnet refuses what it cannot carry out, instead of ignoring it: remove "
		       "the "
		       "field, or chain a plugin that handles it";
	case LNT_CNI_INVALID_ENV:
		return "the container runtime passes these variables; see CNI SPEC.md, "
		       "\"Parameters\"";
	case LNT_CNI_IO_FAILURE:
		return "the configuration comes on standard input; linnet's state lies below "
		       "runDir, "
		       "which must be writable";
	case LNT_CNI_DECODE_FAILURE:
	case LNT_CNI_INVALID_CONFIG:
		return "check linnet's file in the runtime's CNI configuration folder (usually "
		       "/etc/cni/net.d); linnetd writes it";
	case LNT_CNI_TRY_AGAIN_LATER:
	case LNT_CNI_NOT_AVAILABLE:
		return "linnetd has to be running and ready on this node: look at its pod's log "
		       "and "
		       "at `linnetctl status`; nothing has been changed";
	case LNT_CNI_POOL_EMPTY:
		return "the node's pod range is used up: remove pods, or give the node a larger "
		       "range";
	case LNT_CNI_CHECK_FAILED:
		return "the container's network is not as ADD left it; recreating the pod repairs "
		       "it";
	case LNT_CNI_IPAM_FAILED:
		return "the IPAM plugin named in the configuration refused";
	}
	return "";
}

void lnt_error_print(FILE *out, const char *version, const struct lnt_err *e)
{
	unsigned code = e->code ? e->code : LNT_CNI_INTERNAL;
	_cleanup_json_ cJSON *obj = cJSON_CreateObject();
	_cleanup_free_ char *text = NULL;

	if (obj) {
		cJSON_AddStringToObject(obj, "cniVersion", version ? version : LNT_CNI_NEWEST);
		cJSON_AddNumberToObject(obj, "code", code);
		cJSON_AddStringToObject(obj, "msg", e->msg);
		cJSON_AddStringToObject(obj, "details", advice(code));
		text = cJSON_PrintUnformatted(obj);
	}
	if (text)
		fprintf(out, "%s\n", text);
	else
		fprintf(out, "{\"cniVersion\":\"%s\",\"code\":%u,\"msg\":\"out of memory\"}\n",
			LNT_CNI_NEWEST, code);
}
