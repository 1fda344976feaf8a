/* SPDX-License-Identifier: Apache-2.0 */
/* Pins of kernel.h, found by their folders. */
#include "agent/ctl/kernel_internal.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Calls @add for each name in a folder of pins. */
static int each_pin(const char *bpf_root, const char *kind,
	int (*add)(struct ctl_kernel *k, const char *bpf_root, const char *name),
	struct ctl_kernel *k, struct lnt_err *e)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *d;
	int r = lnt_pin_path(bpf_root, kind, "", path);

	if (!r)
		dir = opendir(path);
	if (!r && !dir)
		r = -errno;
	if (r)
		return lnt_err_sys(e, r, "open %s", path);
	while (dir && !r && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			r = add(k, bpf_root, d->d_name);
	/* One that goes meanwhile is not there. */
	return r && r != -ENOENT ? lnt_err_sys(e, r, "read %s", path) : 0;
}

static int add_prog(struct ctl_kernel *k, const char *bpf_root, const char *name)
{
	struct bpf_prog_info info = {};
	_cleanup_close_ int fd = -1;
	__u32 len = sizeof(info);
	struct ctl_prog *progs;
	char path[PATH_MAX];
	int r = lnt_pin_path(bpf_root, "progs", name, path);

	if (r)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r)
		return r;
	progs = reallocarray(k->progs, k->n_progs + 1, sizeof(*progs));
	if (!progs)
		return -ENOMEM;
	k->progs = progs;
	progs += k->n_progs++;
	*progs = (struct ctl_prog){
		.id = info.id, .cgroup = info.type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR};
	snprintf(progs->name, sizeof(progs->name), "%s", name);
	return 0;
}

static int add_map(struct ctl_kernel *k, const char *bpf_root, const char *name)
{
	struct ctl_map *maps = reallocarray(k->maps, k->n_maps + 1, sizeof(*maps));
	int r;

	if (!maps)
		return -ENOMEM;
	k->maps = maps;
	r = ctl_map_look(bpf_root, name, &maps[k->n_maps]);
	if (!r)
		k->n_maps++;
	return r;
}

static int compare_progs(const void *a, const void *b)
{
	return strcmp(((const struct ctl_prog *)a)->name, ((const struct ctl_prog *)b)->name);
}

static int compare_maps(const void *a, const void *b)
{
	return strcmp(((const struct ctl_map *)a)->name, ((const struct ctl_map *)b)->name);
}

static int compare_attachments(const void *pa, const void *pb)
{
	const struct ctl_attachment *a = pa, *b = pb;
	int r = strcmp(a->hook, b->hook);

	r = r ? r : strcmp(a->prog, b->prog);
	return r ? r : strcmp(a->device, b->device);
}

int ctl_kernel_read_programs(const char *bpf_root, struct lnt_err *e, struct ctl_kernel *ret_kernel)
{
	struct ctl_kernel *k = ret_kernel;
	int r;

	*k = (struct ctl_kernel){};
	r = each_pin(bpf_root, "progs", add_prog, k, e);
	if (!r)
		r = ctl_attachments_read(bpf_root, e, k);
	if (k->n_progs)
		qsort(k->progs, k->n_progs, sizeof(*k->progs), compare_progs);
	if (k->n_attachments)
		qsort(k->attachments, k->n_attachments, sizeof(*k->attachments),
			compare_attachments);
	return r;
}

int ctl_kernel_read(const char *bpf_root, struct lnt_err *e, struct ctl_kernel *ret_kernel)
{
	struct ctl_kernel *k = ret_kernel;
	int r = ctl_kernel_read_programs(bpf_root, e, k);

	if (!r)
		r = each_pin(bpf_root, "maps", add_map, k, e);
	if (k->n_maps)
		qsort(k->maps, k->n_maps, sizeof(*k->maps), compare_maps);
	return r;
}

void ctl_kernel_clear(struct ctl_kernel *k)
{
	free(k->progs);
	free(k->attachments);
	free(k->maps);
	*k = (struct ctl_kernel){};
}

const struct ctl_attachment *ctl_kernel_find(
	const struct ctl_kernel *k, const char *prog, const char *device)
{
	for (size_t i = 0; i < k->n_attachments; i++) {
		const struct ctl_attachment *at = &k->attachments[i];

		if (at->attached && !strcmp(at->prog, prog) && !strcmp(at->device, device))
			return at;
	}
	return NULL;
}
