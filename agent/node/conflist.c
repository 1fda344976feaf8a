/* SPDX-License-Identifier: Apache-2.0 */
/* The file of conflist.h. */
#include "agent/node/conflist.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

static void json_deletep(cJSON **json)
{
	cJSON_Delete(*json);
}

static void json_freep(char **text)
{
	cJSON_free(*text);
}

/*
 * Runtimes that know CNI 1.1 choose it from cniVersions; older ones read cniVersion alone and
 * refuse what they do not know.
 */
static cJSON *build(
	const struct lnt_options *opt, const struct lnt_prefix *cidrs, size_t n_cidrs, uint32_t mtu)
{
	static const char *const versions[] = {"1.0.0", "1.1.0"};
	cJSON *list = cJSON_CreateObject(), *plugins, *plugin, *capabilities, *ipam, *ranges;
	char text[LNT_PREFIXSTRLEN];

	cJSON_AddStringToObject(list, "cniVersion", versions[0]);
	cJSON_AddItemToObject(
		list, "cniVersions", cJSON_CreateStringArray(versions, ARRAY_SIZE(versions)));
	cJSON_AddStringToObject(list, "name", "linnet");
	plugins = cJSON_AddArrayToObject(list, "plugins");
	plugin = cJSON_CreateObject();
	cJSON_AddItemToArray(plugins, plugin);
	cJSON_AddStringToObject(plugin, "type", "linnet");
	cJSON_AddStringToObject(plugin, "runDir", opt->run_dir);
	cJSON_AddStringToObject(plugin, "bpfRoot", opt->bpf_root);
	cJSON_AddNumberToObject(plugin, "mtu", mtu);
	/* What is not listed here, bandwidth too, the runtime does not pass. */
	capabilities = cJSON_AddObjectToObject(plugin, "capabilities");
	cJSON_AddTrueToObject(capabilities, "portMappings");
	ipam = cJSON_AddObjectToObject(plugin, "ipam");
	cJSON_AddStringToObject(ipam, "type", "linnet");
	ranges = cJSON_AddArrayToObject(ipam, "ranges");
	for (size_t i = 0; i < n_cidrs; i++)
		cJSON_AddItemToArray(ranges, cJSON_CreateString(lnt_prefix_str(&cidrs[i], text)));
	return list;
}

static int conflist_path(
	const struct lnt_options *opt, char ret_path[static PATH_MAX], struct lnt_err *e)
{
	if (snprintf(ret_path, PATH_MAX, "%s/%s", opt->cni_conf_dir, LNT_CONFLIST) >= PATH_MAX)
		return lnt_err_sys(e, -ENAMETOOLONG, "path of %s", LNT_CONFLIST);
	return 0;
}

int lnt_conflist_write(const struct lnt_options *opt, const struct lnt_prefix *cidrs,
	size_t n_cidrs, uint32_t mtu, struct lnt_err *e)
{
	_cleanup_(json_deletep) cJSON *json = build(opt, cidrs, n_cidrs, mtu);
	_cleanup_(json_freep) char *text = cJSON_Print(json);
	_cleanup_free_ char *old = NULL;
	char path[PATH_MAX];
	size_t n;
	int r;

	r = conflist_path(opt, path, e);
	if (r)
		return r;
	if (!text)
		return lnt_err_sys(e, -ENOMEM, "write %s", path);
	if (!lnt_file_read(path, 1 << 20, NULL, &old, &n) && !strcmp(old, text))
		return 0;
	r = lnt_mkdirs(opt->cni_conf_dir, 0755, e);
	return r ? r : lnt_file_replace(path, text, strlen(text), e);
}

int lnt_conflist_remove(const struct lnt_options *opt, struct lnt_err *e)
{
	char path[PATH_MAX];
	int r;

	r = conflist_path(opt, path, e);
	if (r)
		return r;
	return lnt_file_remove(path, e);
}
