/* SPDX-License-Identifier: Apache-2.0 */
/* VERSION: what linnet speaks, in the version that was asked for. */
#include "cni/commands.h"
#include "cni/error.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

int lnt_cmd_version(const char *raw, size_t len, struct lnt_err *e)
{
	_cleanup_json_ cJSON *in = raw ? cJSON_ParseWithLength(raw, len) : NULL;
	_cleanup_json_ cJSON *out = cJSON_CreateObject();
	const char *asked = lnt_json_str(in, "cniVersion"), *version = LNT_CNI_NEWEST;
	_cleanup_free_ char *text = NULL;
	cJSON *list;

	for (unsigned i = 0; asked && i < LNT_CNI_VERSIONS; i++) {
		if (!strcmp(asked, lnt_cni_version_names[i]))
			version = lnt_cni_version_names[i];
	}
	cJSON_AddStringToObject(out, "cniVersion", version);
	list = cJSON_AddArrayToObject(out, "supportedVersions");
	for (unsigned i = 0; list && i < LNT_CNI_VERSIONS; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(lnt_cni_version_names[i]));
	text = list ? cJSON_PrintUnformatted(out) : NULL;
	if (!text)
		return lnt_fail_sys(e, LNT_CNI_INTERNAL, -ENOMEM, "write versions");
	if (printf("%s\n", text) < 0 || fflush(stdout))
		return lnt_fail_sys(e, LNT_CNI_IO_FAILURE, errno ? -errno : -EIO, "write versions");
	return 0;
}
