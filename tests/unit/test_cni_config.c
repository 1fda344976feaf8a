/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters and configuration of the plugin: what is taken, and what is refused with which code.
 */
#include "cni/config.h"
#include "cni/error.h"
#include "cni/result.h"
#include "lib/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define IPAM "\"ipam\":{\"type\":\"linnet\",\"ranges\":[\"10.0.0.0/24\"]}"
#define HEAD "{\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"type\":\"linnet\","
#define GOOD HEAD IPAM "}"

static const struct lnt_env good_env = {
	.command = "ADD", .container_id = "c1", .netns = "/run/netns/x", .ifname = "eth0"};

/* Parses a copy of @text. Returns the CNI code, 0: accepted. */
static unsigned code_of(enum lnt_verb verb, const struct lnt_env *env, const char *text,
	struct lnt_request *ret_req)
{
	struct lnt_err e = {};
	char *copy = strdup(text);
	int r;

	assert_non_null(copy);
	r = lnt_request_parse(verb, env, copy, strlen(copy), &e, ret_req);
	assert_int_equal(r, e.err);
	if (r)
		assert_true(e.code && *e.msg);
	return e.code;
}

static unsigned code(enum lnt_verb verb, const char *text)
{
	_cleanup_request_ struct lnt_request req = {};

	return code_of(verb, &good_env, text, &req);
}

static void configuration_is_read(void **state)
{
	static const char text[] =
		HEAD "\"runDir\":\"/r\",\"bpfRoot\":\"/b\",\"mtu\":1400,\"unknown\":{\"a\":1},"
		     "\"args\":{\"x\":1},\"capabilities\":{\"portMappings\":true},"
		     "\"ipam\":{\"type\":\"linnet\",\"ranges\":[\"10.0.0.0/24\",\"fd00::/64\"]}}";
	_cleanup_request_ struct lnt_request req = {};

	assert_int_equal(code_of(LNT_ADD, &good_env, text, &req), 0);
	assert_int_equal(req.version, LNT_CNI_1_1_0);
	assert_string_equal(req.network, "net");
	assert_string_equal(req.run_dir, "/r");
	assert_string_equal(req.bpf_root, "/b");
	assert_int_equal(req.mtu, 1400);
	assert_int_equal(req.n_ranges, 2);
	assert_false(req.delegated);
	assert_null(req.prev_result);
}

static void absent_keys_have_defaults(void **state)
{
	_cleanup_request_ struct lnt_request req = {};

	assert_int_equal(code_of(LNT_ADD, &good_env, GOOD, &req), 0);
	assert_string_equal(req.run_dir, "/run/linnet");
	assert_string_equal(req.bpf_root, "/sys/fs/bpf");
	assert_int_equal(req.mtu, 0);
}

static void other_ipam_is_delegated(void **state)
{
	_cleanup_request_ struct lnt_request req = {};

	assert_int_equal(
		code_of(LNT_ADD, &good_env, HEAD "\"ipam\":{\"type\":\"host-local\"}}", &req), 0);
	assert_true(req.delegated);
}

static void bad_configuration_is_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned code;
	} table[] = {
		{"", LNT_CNI_DECODE_FAILURE},
		{" ", LNT_CNI_DECODE_FAILURE},
		{"{", LNT_CNI_DECODE_FAILURE},
		{GOOD "x", LNT_CNI_DECODE_FAILURE},
		{"[]", LNT_CNI_DECODE_FAILURE},
		{"\"text\"", LNT_CNI_DECODE_FAILURE},
		{"{\"name\":\"net\",\"type\":\"linnet\"," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{"{\"cniVersion\":7,\"name\":\"n\"}", LNT_CNI_DECODE_FAILURE},
		{"{\"cniVersion\":\"0.2.0\"}", LNT_CNI_INCOMPATIBLE_VERSION},
		{"{\"cniVersion\":\"0.3.0\"}", LNT_CNI_INCOMPATIBLE_VERSION},
		{"{\"cniVersion\":\"1.2.0\"}", LNT_CNI_INCOMPATIBLE_VERSION},
		{"{\"cniVersion\":\"1.1.0\",\"type\":\"linnet\"," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{"{\"cniVersion\":\"1.1.0\",\"name\":\"\",\"type\":\"t\"," IPAM "}",
			LNT_CNI_INVALID_CONFIG},
		{"{\"cniVersion\":\"1.1.0\",\"name\":\"a/b\",\"type\":\"t\"," IPAM "}",
			LNT_CNI_INVALID_CONFIG},
		{"{\"cniVersion\":\"1.1.0\",\"name\":\"-a\",\"type\":\"t\"," IPAM "}",
			LNT_CNI_INVALID_CONFIG},
		{"{\"cniVersion\":\"1.1.0\",\"name\":\"net\"," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"runDir\":\"r\"," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"bpfRoot\":1," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"mtu\":\"1500\"," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"mtu\":-1," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"mtu\":67," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"mtu\":70000," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"mtu\":1400.5," IPAM "}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"mtu\":1000,\"ipam\":{\"type\":\"linnet\",\"ranges\":[\"fd00::/64\"]}}",
			LNT_CNI_INVALID_CONFIG},
		{"{\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"type\":\"linnet\"}",
			LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{}}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{\"type\":\"../sh\"}}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{\"type\":\"linnet\"}}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{\"type\":\"linnet\",\"ranges\":[]}}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{\"type\":\"linnet\",\"ranges\":[7]}}", LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{\"type\":\"linnet\",\"ranges\":[\"10.0.0.0\"]}}",
			LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{\"type\":\"linnet\",\"ranges\":[\"10.0.0.0/7\"]}}",
			LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{\"type\":\"linnet\",\"ranges\":[\"fd00::/47\"]}}",
			LNT_CNI_INVALID_CONFIG},
		{HEAD "\"ipam\":{\"type\":\"linnet\",\"ranges\":[\"10.0.0.0/8\",\"10.1.0.0/16\"]}}",
			LNT_CNI_INVALID_CONFIG},
		{HEAD "\"prevResult\":[]," IPAM "}", LNT_CNI_DECODE_FAILURE},
		{HEAD "\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":80}]}," IPAM "}",
			LNT_CNI_INVALID_CONFIG},
		{HEAD "\"runtimeConfig\":{\"bandwidth\":{\"ingressRate\":1}}," IPAM "}",
			LNT_CNI_UNSUPPORTED_FIELD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		unsigned got = code(LNT_ADD, table[i].text);

		if (got != table[i].code)
			fail_msg("%s: code %u, not %u", table[i].text, got, table[i].code);
	}
}

static void empty_capabilities_are_accepted(void **state)
{
	assert_int_equal(
		code(LNT_ADD,
			HEAD "\"runtimeConfig\":{\"portMappings\":[],\"bandwidth\":{}}," IPAM "}"),
		0);
	assert_int_equal(
		code(LNT_ADD, HEAD "\"runtimeConfig\":{\"portMappings\":null}," IPAM "}"), 0);
}

static void del_overlooks_what_it_does_not_need(void **state)
{
	static const char *const lax[] = {
		HEAD "\"ipam\":{\"type\":\"linnet\"}}",
		HEAD "\"mtu\":\"x\",\"ipam\":{\"type\":\"linnet\"}}",
		HEAD "\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":80}]}," IPAM "}",
		HEAD "\"prevResult\":7," IPAM "}",
	};
	struct lnt_env env = good_env;
	_cleanup_request_ struct lnt_request req = {};

	for (size_t i = 0; i < ARRAY_SIZE(lax); i++)
		assert_int_equal(code(LNT_DEL, lax[i]), 0);
	env.netns = NULL;
	env.args = "garbage";
	assert_int_equal(code_of(LNT_DEL, &env, GOOD, &req), 0);
}

static void verbs_need_their_version(void **state)
{
	static const char old[] =
		"{\"cniVersion\":\"0.3.1\",\"name\":\"n\",\"type\":\"t\"," IPAM "}";
	static const char v1[] =
		"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"t\"," IPAM "}";

	assert_int_equal(code(LNT_ADD, old), 0);
	assert_int_equal(code(LNT_DEL, old), 0);
	assert_int_equal(code(LNT_CHECK, old), LNT_CNI_INCOMPATIBLE_VERSION);
	assert_int_equal(code(LNT_GC, v1), LNT_CNI_INCOMPATIBLE_VERSION);
	assert_int_equal(code(LNT_STATUS, v1), LNT_CNI_INCOMPATIBLE_VERSION);
	assert_int_equal(code(LNT_STATUS, GOOD), 0);
}

static void check_needs_a_previous_result(void **state)
{
	assert_int_equal(code(LNT_CHECK, GOOD), LNT_CNI_INVALID_CONFIG);
	assert_int_equal(code(LNT_CHECK, HEAD "\"prevResult\":{}," IPAM "}"), 0);
}

static void gc_needs_the_list(void **state)
{
	assert_int_equal(code(LNT_GC, GOOD), LNT_CNI_INVALID_CONFIG);
	assert_int_equal(code(LNT_GC, HEAD "\"cni.dev/valid-attachments\":{}," IPAM "}"),
		LNT_CNI_INVALID_CONFIG);
	assert_int_equal(
		code(LNT_GC, HEAD "\"cni.dev/valid-attachments\":[{\"ifname\":\"a\"}]," IPAM "}"),
		LNT_CNI_INVALID_CONFIG);
	assert_int_equal(code(LNT_GC, HEAD "\"cni.dev/valid-attachments\":[]," IPAM "}"), 0);
	assert_int_equal(code(LNT_GC, HEAD "\"cni.dev/valid-attachments\":null," IPAM "}"), 0);
}

static void bad_environment_is_refused(void **state)
{
	char long_id[140];
	const struct {
		struct lnt_env env;
		const char *named; /* variable that the text names */
	} table[] = {
		{{.ifname = "eth0", .netns = "/n"}, "CNI_CONTAINERID"},
		{{.container_id = "-c", .ifname = "eth0", .netns = "/n"}, "CNI_CONTAINERID"},
		{{.container_id = "a b", .ifname = "eth0", .netns = "/n"}, "CNI_CONTAINERID"},
		{{.container_id = "../c", .ifname = "eth0", .netns = "/n"}, "CNI_CONTAINERID"},
		{{.container_id = long_id, .ifname = "eth0", .netns = "/n"}, "CNI_CONTAINERID"},
		{{.container_id = "c", .netns = "/n"}, "CNI_IFNAME"},
		{{.container_id = "c", .netns = "/n", .ifname = "."}, "CNI_IFNAME"},
		{{.container_id = "c", .netns = "/n", .ifname = ".."}, "CNI_IFNAME"},
		{{.container_id = "c", .netns = "/n", .ifname = "a/b"}, "CNI_IFNAME"},
		{{.container_id = "c", .netns = "/n", .ifname = "a:b"}, "CNI_IFNAME"},
		{{.container_id = "c", .netns = "/n", .ifname = "a b"}, "CNI_IFNAME"},
		{{.container_id = "c", .netns = "/n", .ifname = "a%d"}, "CNI_IFNAME"},
		{{.container_id = "c", .netns = "/n", .ifname = "a\tb"}, "CNI_IFNAME"},
		{{.container_id = "c", .netns = "/n", .ifname = "sixteen-letters-"}, "CNI_IFNAME"},
		{{.container_id = "c", .ifname = "eth0"}, "CNI_NETNS"},
	};

	memset(long_id, 'a', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_request_ struct lnt_request req = {};
		struct lnt_err e = {};

		assert_int_equal(lnt_request_parse(LNT_ADD, &table[i].env, strdup(GOOD),
					 strlen(GOOD), &e, &req),
			-EINVAL);
		assert_int_equal(e.code, LNT_CNI_INVALID_ENV);
		assert_non_null(strstr(e.msg, table[i].named));
	}
}

static void longest_names_are_accepted(void **state)
{
	struct lnt_env env = good_env;
	_cleanup_request_ struct lnt_request req = {};
	char id[LNT_CONTAINER_ID_MAX + 1];

	memset(id, 'a', LNT_CONTAINER_ID_MAX);
	id[LNT_CONTAINER_ID_MAX] = '\0';
	env.container_id = id;
	env.ifname = "fifteen-letters";
	assert_int_equal(code_of(LNT_ADD, &env, GOOD, &req), 0);
}

static void unknown_command_is_refused(void **state)
{
	static const char *const bad[] = {NULL, "add", "UPDATE"};
	enum lnt_verb verb;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct lnt_env env = {.command = bad[i]};
		struct lnt_err e = {};

		assert_int_equal(lnt_env_verb(&env, &e, &verb), -EINVAL);
		assert_int_equal(e.code, LNT_CNI_INVALID_ENV);
		assert_non_null(strstr(e.msg, "CNI_COMMAND"));
	}
}

/* Code for CNI_ARGS @args, with what was understood in @req. */
static unsigned args_code(const char *args, struct lnt_request *req)
{
	struct lnt_env env = good_env;

	env.args = args;
	return code_of(LNT_ADD, &env, GOOD, req);
}

static void pod_is_read_from_the_arguments(void **state)
{
	_cleanup_request_ struct lnt_request req = {};

	assert_int_equal(args_code("IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=pod;"
				   "K8S_POD_INFRA_CONTAINER_ID=x;K8S_POD_UID=u-1;OTHER=1;",
				 &req),
		0);
	assert_string_equal(req.pod_ns, "ns");
	assert_string_equal(req.pod_name, "pod");
	assert_string_equal(req.pod_uid, "u-1");
}

static void arguments_are_checked(void **state)
{
	static const struct {
		const char *args;
		unsigned code;
	} table[] = {
		{"OTHER=1", LNT_CNI_INVALID_ENV},
		{"OTHER=1;IgnoreUnknown=0", LNT_CNI_INVALID_ENV},
		{"OTHER=1;IgnoreUnknown=true", 0},
		{"novalue", LNT_CNI_INVALID_ENV},
		{"K8S_POD_NAME=p", LNT_CNI_INVALID_ENV},
		{"K8S_POD_NAMESPACE=n", 0},
		{";;", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_request_ struct lnt_request req = {};

		assert_int_equal(args_code(table[i].args, &req), table[i].code);
	}
}

/* --- results ---------------------------------------------------------------------------------- */

static cJSON *result_of(const char *version, const char *prev)
{
	_cleanup_request_ struct lnt_request req = {};
	struct lnt_endpoint ep = {.host_ifname = "lntx", .ifname = "eth0"};
	struct lnt_ipam_result ipam = {};
	char text[1024];

	snprintf(text, sizeof(text),
		"{\"cniVersion\":\"%s\",\"name\":\"n\",\"type\":\"t\",%s%s%s" IPAM "}", version,
		prev ? "\"prevResult\":" : "", prev ? prev : "", prev ? "," : "");
	assert_int_equal(code_of(LNT_ADD, &good_env, text, &req), 0);
	assert_int_equal(lnt_addr_parse("10.0.0.2", &ipam.addrs[ipam.n_addrs++]), 0);
	assert_int_equal(lnt_addr_parse("fd00::2", &ipam.addrs[ipam.n_addrs++]), 0);
	lnt_ipam_default_routes(&ipam);
	return lnt_result_build(&req, &ep, &ipam, 1400);
}

static void result_has_the_shape_of_its_version(void **state)
{
	for (int i = 0; i < LNT_CNI_VERSIONS; i++) {
		_cleanup_json_ cJSON *res = result_of(lnt_cni_version_names[i], NULL);
		const cJSON *ip = lnt_json_get(res, "ips")->child;
		const cJSON *dev = lnt_json_get(res, "interfaces")->child;

		assert_string_equal(lnt_json_str(res, "cniVersion"), lnt_cni_version_names[i]);
		if (i < LNT_CNI_1_0_0) {
			assert_string_equal(lnt_json_str(ip, "version"), "4");
			assert_string_equal(lnt_json_str(ip->next, "version"), "6");
		} else {
			assert_null(lnt_json_get(ip, "version"));
		}
		assert_int_equal(lnt_json_get(dev, "mtu") != NULL, i >= LNT_CNI_1_1_0);
		assert_null(lnt_json_get(dev, "sandbox"));
		assert_string_equal(lnt_json_str(dev->next, "sandbox"), "/run/netns/x");
		assert_string_equal(lnt_json_str(ip, "address"), "10.0.0.2/32");
		assert_string_equal(lnt_json_str(ip->next, "address"), "fd00::2/128");
		assert_int_equal(lnt_json_get(ip, "interface")->valueint, 1);
		assert_int_equal(cJSON_GetArraySize(lnt_json_get(res, "routes")), 2);
		assert_true(cJSON_IsObject(lnt_json_get(res, "dns")));
	}
}

static void earlier_result_is_kept_in_front(void **state)
{
	_cleanup_json_ cJSON *res = result_of("1.0.0",
		"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"a\"}],"
		"\"ips\":[{\"address\":\"192.0.2.1/"
		"24\",\"interface\":0}],\"dns\":{\"domain\":\"d\"}}");
	const cJSON *ips = lnt_json_get(res, "ips"), *devices = lnt_json_get(res, "interfaces");

	assert_int_equal(cJSON_GetArraySize(devices), 3);
	assert_string_equal(lnt_json_str(cJSON_GetArrayItem(devices, 0), "name"), "a");
	assert_int_equal(cJSON_GetArraySize(ips), 3);
	assert_int_equal(lnt_json_get(cJSON_GetArrayItem(ips, 1), "interface")->valueint, 2);
	assert_string_equal(lnt_json_str(lnt_json_get(res, "dns"), "domain"), "d");
}

static void error_object_has_code_and_texts(void **state)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ cJSON *obj = NULL;
	struct lnt_err e = {};
	size_t len;
	FILE *f = open_memstream(&text, &len);

	lnt_fail(&e, LNT_CNI_TRY_AGAIN_LATER, -EAGAIN, "not \"now\"");
	lnt_fail(&e, LNT_CNI_INTERNAL, -EIO, "a later cause");
	lnt_error_print(f, "1.0.0", &e);
	fclose(f);
	obj = cJSON_Parse(text);
	assert_string_equal(lnt_json_str(obj, "cniVersion"), "1.0.0");
	assert_int_equal(lnt_json_get(obj, "code")->valueint, 11);
	assert_string_equal(lnt_json_str(obj, "msg"), "not \"now\"");
	assert_non_null(strstr(lnt_json_str(obj, "details"), "linnetd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configuration_is_read),
		cmocka_unit_test(absent_keys_have_defaults),
		cmocka_unit_test(other_ipam_is_delegated),
		cmocka_unit_test(bad_configuration_is_refused),
		cmocka_unit_test(empty_capabilities_are_accepted),
		cmocka_unit_test(del_overlooks_what_it_does_not_need),
		cmocka_unit_test(verbs_need_their_version),
		cmocka_unit_test(check_needs_a_previous_result),
		cmocka_unit_test(gc_needs_the_list),
		cmocka_unit_test(bad_environment_is_refused),
		cmocka_unit_test(longest_names_are_accepted),
		cmocka_unit_test(unknown_command_is_refused),
		cmocka_unit_test(pod_is_read_from_the_arguments),
		cmocka_unit_test(arguments_are_checked),
		cmocka_unit_test(result_has_the_shape_of_its_version),
		cmocka_unit_test(earlier_result_is_kept_in_front),
		cmocka_unit_test(error_object_has_code_and_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
