/* SPDX-License-Identifier: Apache-2.0 */
/* What linnetctl shows: tables, ages and sizes, and what of a status is a problem. */
#include "agent/ctl/ctl.h"
#include "agent/ctl/status.h"
#include "agent/ctl/table.h"
#include "datapath/abi.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void columns_line_up(void **state)
{
	static const char *const head[] = {"NAME", "A", "LAST", NULL};
	_cleanup_(ctl_table_clear) struct ctl_table t = {};
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ctl_table_head(&t, head);
	ctl_table_row(&t, (const char *const[]){"longer-than-head", "1", "x", NULL});
	ctl_table_row(&t, (const char *const[]){"", "22", NULL});
	ctl_table_row(&t, (const char *const[]){"a\nb\x1b[31m", "3", "y", NULL});
	ctl_table_print(&t, f);
	fclose(f);
	assert_string_equal(text,
		"NAME               A    LAST\n"
		"longer-than-head   1    x\n"
		"<none>             22   <none>\n"
		"a?b?[31m           3    y\n");
}

static void ages_have_two_units(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{-1, "0s"},
		{0.9, "0s"},
		{59, "59s"},
		{60, "1m"},
		{61, "1m1s"},
		{3600, "1h"},
		{3661, "1h1m"},
		{86400 * 12 + 59, "12d"},
		{86400 * 400.0 + 3600 * 23, "400d23h"},
	};
	char buf[CTL_AGE_STRLEN];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(ctl_age(cases[i].seconds, buf), cases[i].text);
}

static void sizes_have_a_unit(void **state)
{
	char buf[CTL_SIZE_STRLEN];

	assert_string_equal(ctl_size(0, buf), "0");
	assert_string_equal(ctl_size(1023, buf), "1023");
	assert_string_equal(ctl_size(1536, buf), "1.5Ki");
	assert_string_equal(ctl_size(12.0 * 1024 * 1024, buf), "12.0Mi");
	assert_string_equal(ctl_size(1e18, buf), "909494.7Ti");
}

/* --- status ----------------------------------------------------------------------------------- */

#define TEXT(x)	   #x
#define TEXT_OF(x) TEXT(x)
#define ABI	   TEXT_OF(LNT_ABI_VERSION)
#define WELL                                                                         \
	"\"ready\":true,\"failing\":\"\",\"abi\":" ABI ",\"maglevTablesMissing\":0," \
	"\"devices\":[\"eth0\"],\"toNode\":false,\"xdp\":[{\"device\":\"eth0\","     \
	"\"mode\":\"native\"}],"
#define WATCH(state, age) \
	"\"watches\":[{\"resource\":\"pods\",\"state\":\"" state "\",\"ageSeconds\":" age "}]"

static struct ctl_attachment attachments[] = {
	{.prog = "from_node",
		.hook = "tcx ingress",
		.device = "eth0",
		.attached = true,
		.current = true},
	{.prog = "xdp_node",
		.hook = "xdp native",
		.device = "eth0",
		.attached = true,
		.current = true},
	{.prog = "connect4", .hook = "cgroup", .attached = true, .current = true},
};
static struct ctl_prog progs[] = {{.name = "connect4", .cgroup = true}, {.name = "from_node"}};

/* The words of the problems, one after the other. Maps are not looked at: there is no kernel. */
static void assert_problems(
	const char *agent, struct ctl_map *maps, size_t n_maps, const char *words)
{
	_cleanup_json_ cJSON *json = agent ? cJSON_Parse(agent) : NULL;
	struct ctl_found f = {
		.agent = json,
		.bpf_root = "/nowhere",
		.problems = cJSON_CreateArray(),
		.kernel = {.progs = progs,
			.n_progs = ARRAY_SIZE(progs),
			.attachments = attachments,
			.n_attachments = ARRAY_SIZE(attachments),
			.maps = maps,
			.n_maps = n_maps},
	};
	char got[1024] = "";
	const cJSON *p;

	assert_true(!agent || json);
	ctl_status_judge(&f);
	cJSON_ArrayForEach (p, f.problems) {
		/* That there is none says it, too. */
		if (strcmp(ctl_text(p, "problem"), "kernel-unreadable") != 0) {
			strcat(got, " ");
			strcat(got, ctl_text(p, "problem"));
		}
	}
	assert_string_equal(got, words);
	cJSON_Delete(f.problems);
}

static void problems_are_found(void **state)
{
	static struct ctl_map maps[] = {
		{.name = "flows", .max = 10, .entries = 8, .counted = true},
		{.name = "peers", .max = 10, .entries = 9, .counted = true},
		{.name = "pending", .max = 10, .entries = 10, .counted = true, .lru = true},
		{.name = "drops", .max = 10, .entries = 10},
	};

	assert_problems("{" WELL WATCH("open", "10") "}", NULL, 0, "");
	assert_problems("{" WELL WATCH("absent", "0") "}", maps, 1, "");
	assert_problems("{" WELL WATCH("open", "10") "}", maps, 4, " map-full");
	assert_problems("{" WELL WATCH("open", "301") "}", NULL, 0, " watch-silent");
	assert_problems("{" WELL WATCH("broken", "1") "}", NULL, 0, "");
	assert_problems("{" WELL WATCH("broken", "301") "}", NULL, 0, " watch-broken");
	assert_problems(
		"{" WELL WATCH("broken\",\"lastError\":\"x", "1") "}", NULL, 0, " watch-broken");
	assert_problems(NULL, NULL, 0, " no-agent");
	assert_problems("{" WELL "\"notices\":[{\"reason\":\"NotProgrammed\"},"
			"{\"reason\":\"Unsupported\"}]}",
		NULL, 0, " not-served");
	assert_problems("{\"ready\":false,\"whyNotReady\":\"x\",\"failing\":\"y\",\"abi\":0,"
			"\"maglevTablesMissing\":1}",
		NULL, 0, " not-ready failing other-abi maglev-missing");
}

static void attachments_are_missed(void **state)
{
	const char *agent = "{" WELL "\"x\":0}";

	assert_problems("{" WELL "\"toNode\":false}", NULL, 0, "");
	attachments[0].attached = false;
	assert_problems(agent, NULL, 0, " not-attached");
	attachments[0].attached = true;
	attachments[1].current = false;
	assert_problems(agent, NULL, 0, " old-program");
	attachments[1].current = true;
	attachments[2].prog[0] = 'd';
	assert_problems(agent, NULL, 0, " not-attached");
	attachments[2].prog[0] = 'c';
	assert_problems(agent, NULL, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_line_up),
		cmocka_unit_test(ages_have_two_units),
		cmocka_unit_test(sizes_have_a_unit),
		cmocka_unit_test(problems_are_found),
		cmocka_unit_test(attachments_are_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
