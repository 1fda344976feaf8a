/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the runtime hands to the plugin: parameters in the environment and a configuration on
 * standard input (CNI SPEC.md 1.1.0, sections 2 and 3). Everything is checked here, before anything
 * is touched.
 *
 * linnet's own keys:
 *
 *   "runDir"   socket, endpoint records and address state; default /run/linnet
 *   "bpfRoot"  the bpffs where the agent pins; default /sys/fs/bpf
 *   "mtu"      of the pod's device; 0 or absent: that of the device with the node's default route
 *   "ipam"     {"type":"linnet","ranges":["10.244.1.0/24","fd00::/64"]}, or any other IPAM plugin
 *
 * Of the capabilities (CONVENTIONS.md) it has portMappings.
 */
#include "lib/addr.h"
#include "lib/endpoint.h"
#include "lib/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#define LNT_CNI_NEWEST	 "1.1.0"
#define LNT_IPAM_BUILTIN "linnet"
#define LNT_RUN_DIR	 "/run/linnet"
#define LNT_MAX_RANGES	 8
#define LNT_MAX_STDIN	 (1024 * 1024)

enum lnt_verb {
	LNT_ADD,
	LNT_DEL,
	LNT_CHECK,
	LNT_GC,
	LNT_STATUS,
	LNT_VERSION
};

/* In the order of their release, so that they compare. */
enum lnt_cni_version {
	LNT_CNI_0_3_1,
	LNT_CNI_0_4_0,
	LNT_CNI_1_0_0,
	LNT_CNI_1_1_0,
	LNT_CNI_VERSIONS
};

/* "0.3.1" and so on. */
extern const char *const lnt_cni_version_names[LNT_CNI_VERSIONS];

/* The environment as it is. Absent variables are NULL. Borrowed from the environment. */
struct lnt_env {
	const char *command;
	const char *container_id;
	const char *netns;
	const char *ifname;
	const char *args;
	const char *path;
};

/* From CNI_COMMAND and so on; empty variables count as absent. */
void lnt_env_read(struct lnt_env *ret_env);

/* CNI_COMMAND as a verb. Returns 0 or -EINVAL. */
int lnt_env_verb(const struct lnt_env *env, struct lnt_err *e, enum lnt_verb *ret_verb);

/* A request: checked parameters and configuration. */
struct lnt_request {
	enum lnt_verb verb;
	struct lnt_env env;
	char pod_ns[LNT_K8S_NAME_MAX]; /* empty: not a pod */
	char pod_name[LNT_K8S_NAME_MAX];
	char pod_uid[64];

	char *raw; /* the configuration as it came; owned */
	size_t raw_len;
	cJSON *json; /* owned; the strings below are its own */
	enum lnt_cni_version version;
	const char *network;
	const char *run_dir;
	const char *bpf_root;
	uint32_t mtu; /* 0: as the node's */
	const char *ipam_type;
	bool delegated;				  /* ipam_type is not linnet's own */
	struct lnt_prefix ranges[LNT_MAX_RANGES]; /* built-in IPAM; not for DEL and GC */
	unsigned n_ranges;
	struct lnt_portmap portmaps[LNT_PORTMAPS_MAX]; /* runtimeConfig; ADD and CHECK only */
	unsigned n_portmaps;
	const cJSON *prev_result;	/* NULL: none */
	const cJSON *valid_attachments; /* GC: a list of objects with both members */
};

/*
 * Checks @env for @verb and parses the configuration @raw. The request takes @raw over, on failure
 * too. DEL and GC overlook mistakes in keys that they do not need. Returns 0, or -errno with a CNI
 * code in @e; *@ret_req must be given to lnt_request_free() in either case.
 */
int lnt_request_parse(enum lnt_verb verb, const struct lnt_env *env, char *raw, size_t len,
	struct lnt_err *e, struct lnt_request *ret_req);
void lnt_request_free(struct lnt_request *req);

#define _cleanup_request_ __attribute__((__cleanup__(lnt_request_free)))

/* Whether @s is a network name or container id: alphanumeric, then also '_', '.' and '-'. */
bool lnt_cni_name_ok(const char *s, size_t max);

/* Whether the kernel and the specification take @s as a device's name. */
bool lnt_ifname_ok(const char *s);
