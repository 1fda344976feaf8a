/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sysctls of devices, and what they were before: lines of "<file> <value>" (forwarding.h). A
 * container has /proc/sys read-only, and for that the node's once more at HOST_SYSCTLS.
 */
#include "agent/node/forwarding.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define MEMORY_MAX   (64 * 1024)
#define SYSCTLS	     "/proc/sys/net"
#define HOST_SYSCTLS "/host" SYSCTLS

static int memory_path(const char *run_dir, char ret_path[static PATH_MAX])
{
	return snprintf(ret_path, PATH_MAX, "%s/sysctls", run_dir) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Writes the one character into @file, which is below SYSCTLS. */
static int write_sysctl(const char *file, const char *value, struct lnt_err *e)
{
	char path[PATH_MAX + sizeof("/host")];

	if (access(HOST_SYSCTLS, F_OK))
		return lnt_file_write(file, value, e);
	snprintf(path, sizeof(path), "/host%s", file);
	return lnt_file_write(path, value, e);
}

/* Adds a line, before the change is made, unless the file has one already. */
static int remember(const char *run_dir, const char *file, char value, struct lnt_err *e)
{
	_cleanup_free_ char *old = NULL, *new = NULL;
	char path[PATH_MAX];
	size_t len;

	if (memory_path(run_dir, path))
		return lnt_err_sys(e, -ENAMETOOLONG, "path of sysctls");
	if (!lnt_file_read(path, MEMORY_MAX, NULL, &old, &len) && strstr(old, file))
		return 0;
	if (asprintf(&new, "%s%s %c\n", old ?: "", file, value) < 0) {
		new = NULL;
		return lnt_err_sys(e, -ENOMEM, "remember sysctls");
	}
	return lnt_file_replace(path, new, strlen(new), e);
}

/* @from: the value that is changed, 0: any other than @to. A file that is not there is passed over.
 */
static int set(const char *run_dir, const char *family, const char *device, const char *what,
	char from, char to, struct lnt_err *e)
{
	_cleanup_free_ char *now = NULL;
	const char text[] = {to, '\0'};
	char path[PATH_MAX];
	size_t len;
	int r;

	snprintf(path, sizeof(path), SYSCTLS "/%s/conf/%s/%s", family, device, what);
	if (lnt_file_read(path, 16, NULL, &now, &len) || now[0] == to || (from && now[0] != from))
		return 0;
	r = remember(run_dir, path, now[0], e);
	return r ? r : write_sysctl(path, text, e);
}

int lnt_forwarding_enable(
	const struct lnt_node_devices *devices, const char *run_dir, struct lnt_err *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < devices->n; i++) {
		const char *name = devices->links[i].name;

		r = set(run_dir, "ipv4", name, "forwarding", 0, '1', e);
		/* Forwarding switches advertisements off unless accept_ra is 2 (ip-sysctl.rst). */
		if (!r)
			r = set(run_dir, "ipv6", name, "accept_ra", '1', '2', e);
		if (!r)
			r = set(run_dir, "ipv6", name, "forwarding", 0, '1', e);
	}
	return r;
}

int lnt_forwarding_loopback(const char *run_dir, struct lnt_err *e)
{
	int r = set(run_dir, "ipv4", "lo", "accept_local", 0, '1', e);

	/* Strict by default on some: addresses are other devices'. The looser of lo and all counts.
	 */
	if (!r)
		r = set(run_dir, "ipv4", "lo", "rp_filter", 0, '2', e);
	if (!r)
		r = set(run_dir, "ipv4", "lo", "route_localnet", 0, '1', e);
	return r;
}

int lnt_forwarding_restore(const char *run_dir, struct lnt_err *e)
{
	_cleanup_free_ char *lines = NULL;
	char path[PATH_MAX], *save = NULL;
	int first = 0, r;
	size_t len;

	if (memory_path(run_dir, path))
		return lnt_err_sys(e, -ENAMETOOLONG, "path of sysctls");
	if (lnt_file_read(path, MEMORY_MAX, NULL, &lines, &len))
		return 0;
	for (char *l = strtok_r(lines, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *value = strrchr(l, ' ');

		if (!value)
			continue;
		*value++ = '\0';
		r = write_sysctl(l, value, e);
		if (r && r != -ENOENT && !first)
			first = r;
	}
	r = lnt_file_remove(path, e);
	return first ? first : r;
}
