/* SPDX-License-Identifier: Apache-2.0 */
/* linnetctl version: of this program, and of the agent if there is one. */
#include "agent/ctl/ctl.h"
#include "datapath/abi.h"
#include "lib/json.h"
#include "lib/version.h"

static const char usage[] = "usage: linnetctl version [-o json]\n"
			    "Prints the versions of linnetctl and of the agent.\n";

int ctl_version(struct ctl *c, int argc, char **argv)
{
	_cleanup_json_ cJSON *agent = NULL;
	_cleanup_json_ cJSON *json = cJSON_CreateObject();
	_cleanup_free_ char *text = NULL;
	int code;

	if (!ctl_options_only(c, argc, argv, usage, &code))
		return code;
	agent = ctl_get(c, "status");
	if (c->json) {
		cJSON_AddStringToObject(json, "linnetctl", LNT_VERSION);
		cJSON_AddNumberToObject(json, "abi", LNT_ABI_VERSION);
		if (agent) {
			cJSON_AddStringToObject(json, "linnetd", ctl_text(agent, "version"));
			cJSON_AddNumberToObject(json, "linnetdAbi",
				cJSON_GetNumberValue(lnt_json_get(agent, "abi")));
		}
		text = cJSON_PrintUnformatted(json);
		puts(text ? text : "");
	} else {
		printf("linnetctl " LNT_VERSION " (ABI %u)\n", LNT_ABI_VERSION);
		if (agent)
			printf("linnetd   %s (ABI %.0f)\n", ctl_text(agent, "version"),
				cJSON_GetNumberValue(lnt_json_get(agent, "abi")));
	}
	return agent ? CTL_OK : CTL_ABSENT;
}
