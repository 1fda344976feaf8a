/* SPDX-License-Identifier: Apache-2.0 */
/* Port mappings: what is read, who has which address and port, and whose sockets are left alone. */
#include "agent/compile/compile.h"
#include "tests/unit/build.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- reading ---------------------------------------------------------------------------------- */

/* The mappings in @text as " 192.0.2.1:80/TCP>8080", or what is wrong with them. */
static const char *read_maps(const char *text)
{
	static char said[4096];
	struct lnt_portmap maps[LNT_PORTMAPS_MAX];
	char map[LNT_PORTMAP_STRLEN];
	_cleanup_json_ cJSON *list = cJSON_Parse(text);
	struct lnt_err e = {};
	unsigned n = 0;
	size_t len = 0;

	said[0] = '\0';
	if (lnt_portmaps_parse(list, &e, maps, &n)) {
		assert_int_equal(e.err, -EINVAL);
		snprintf(said, sizeof(said), "%s", e.msg);
		return said;
	}
	for (unsigned i = 0; i < n; i++)
		len += (size_t)snprintf(said + len, sizeof(said) - len, " %s>%u",
			lnt_portmap_str(&maps[i], map), maps[i].container_port);
	return said;
}

static void mappings_are_read(void **state)
{
	assert_string_equal(read_maps("[]"), "");
	assert_string_equal(read_maps("null"), "");
	assert_string_equal(
		read_maps("[{\"hostPort\":80,\"containerPort\":8080}]"), " *:80/TCP>8080");
	assert_string_equal(
		read_maps("[{\"hostPort\":65535,\"containerPort\":1,\"protocol\":\"UDP\","
			  "\"hostIP\":\"192.0.2.1\"},{\"hostPort\":80,"
			  "\"containerPort\":80,\"protocol\":\"sctp\",\"hostIP\":"
			  "\"2001:db8::1\"}]"),
		" 192.0.2.1:65535/UDP>1 [2001:db8::1]:80/SCTP>80");
	assert_string_equal(read_maps("[{\"hostPort\":80,\"containerPort\":80,\"hostIP\":"
				      "\"0.0.0.0\"},{\"hostPort\":80,\"containerPort\":81,"
				      "\"hostIP\":\"::\",\"protocol\":\"\"}]"),
		" 0.0.0.0:80/TCP>80 [::]:80/TCP>81");
	/* As containerd 2.1 spells it. */
	assert_string_equal(read_maps("[{\"HostPort\":8088,\"ContainerPort\":8080,\"Protocol\":"
				      "\"udp\",\"HostIP\":\"\"}]"),
		" *:8088/UDP>8080");
}

static void mistakes_are_said(void **state)
{
	static const struct {
		const char *map, *said;
	} table[] = {
		{"{\"containerPort\":80}", "hostPort is not"},
		{"{\"hostPort\":0,\"containerPort\":80}", "hostPort is not"},
		{"{\"hostPort\":80.5,\"containerPort\":80}", "hostPort is not"},
		{"{\"hostPort\":-1,\"containerPort\":80}", "hostPort is not"},
		{"{\"hostPort\":80,\"containerPort\":70000}", "containerPort is not"},
		{"{\"hostPort\":80,\"containerPort\":80,\"protocol\":\"tcp6\"}", "'tcp6'"},
		{"{\"hostPort\":80,\"containerPort\":80,\"protocol\":6}", "none of tcp"},
		{"{\"hostPort\":80,\"containerPort\":80,\"hostIP\":\"10.0.0\"}", "'10.0.0'"},
		{"{\"hostPort\":80,\"containerPort\":80,\"hostIP\":7}", "not an address"},
		{"{\"hostPort\":80,\"containerPort\":80,\"hostIP\":\"255.255.255.255\"}",
			"multicast"},
		{"{\"hostPort\":80,\"containerPort\":80,\"hostIP\":\"ff02::1\"}", "multicast"},
		{"{\"hostPort\":80,\"containerPort\":80,\"hostIP\":\"fe80::1\"}", "link-local"},
		{"80", "is not an object"},
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const char *said;

		snprintf(text, sizeof(text), "[{\"hostPort\":1,\"containerPort\":1},%s]",
			table[i].map);
		said = read_maps(text);
		if (strncmp(said, "portMappings[1]: ", 17) != 0 || !strstr(said, table[i].said))
			fail_msg("%s: %s", text, said);
	}
	assert_string_equal(read_maps("7"), "portMappings is not a list");
}

static void more_than_fit_are_refused(void **state)
{
	static char text[LNT_PORTMAPS_MAX * 64];
	size_t len = 0;

	for (unsigned i = 0; i <= LNT_PORTMAPS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"%c{\"hostPort\":%u,\"containerPort\":1}", i ? ',' : '[', i + 1);
	strcpy(text + len, "]");
	assert_string_equal(read_maps(text), "portMappings[128]: is one of more than 128");
}

/* --- compiling -------------------------------------------------------------------------------- */

#define NODE4 "192.0.2.101"
#define NODE6 "2001:db8::101"
#define OTHER "198.51.100.1" /* on a device that is not the node's own */

struct fixture {
	struct lnt_store *st;
	struct lnt_services *t;
	struct lnt_endpoint eps[4];
	size_t n_eps;
	char said[1024];
};

static void on_say(void *ctx, const struct lnt_notice *n, bool gone)
{
	struct fixture *f = ctx;
	size_t len = strlen(f->said);

	snprintf(f->said + len, sizeof(f->said) - len, "%c%s %s/%s: %s|", gone ? '-' : '+',
		lnt_notice_kind_text(n->kind), n->ns, n->name, n->text);
}

static void on_change(void *ctx, const struct lnt_meta *obj, bool removed)
{
	struct fixture *f = ctx;

	if (obj->kind == LNT_KIND_SERVICE)
		lnt_services_touch(f->t, obj->ns, obj->name);
	else if (obj->kind == LNT_KIND_ENDPOINTSLICE)
		lnt_services_touch(f->t, obj->ns, ((const struct lnt_endpointslice *)obj)->service);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->t = lnt_services_new(on_say, f);
	f->st = lnt_store_new(on_change, f);
	*state = f;
	return f->st && f->t ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lnt_services_free(f->t);
	lnt_store_free(f->st);
	free(f);
	return lnt_intern_count() ? -1 : 0;
}

static size_t compile(struct fixture *f)
{
	const struct lnt_nodeport_addr addrs[] = {{.addr = build_addr(NODE4)}};
	const struct lnt_hostport_addr host_addrs[] = {{build_addr("127.0.0.1"), true, true},
		{build_addr("::1"), true, true}, {build_addr(NODE4), true, false},
		{build_addr(NODE6), true, false}, {build_addr(OTHER), false, false}};
	const struct lnt_service_params params = {.node_name = "n1",
		.addrs = addrs,
		.n_addrs = ARRAY_SIZE(addrs),
		.host_addrs = host_addrs,
		.n_host_addrs = ARRAY_SIZE(host_addrs),
		.eps = f->eps,
		.n_eps = f->n_eps};
	struct lnt_service_change *changes;
	struct lnt_err e = {};
	bool whole;
	size_t n;

	f->said[0] = '\0';
	assert_int_equal(lnt_services_update(f->t, f->st, &params, &e), 0);
	assert_int_equal(lnt_services_changes(f->t, &changes, &n, &whole), 0);
	lnt_services_settle(f->t);
	free(changes);
	return n;
}

/* An endpoint of pod a/@name with @maps. */
static struct lnt_endpoint *add(
	struct fixture *f, const char *name, const char *addrs, const char *maps)
{
	struct lnt_endpoint *ep = &f->eps[f->n_eps++];
	_cleanup_json_ cJSON *list = cJSON_Parse(maps);

	*ep = build_endpoint("a", name, addrs);
	assert_int_equal(lnt_portmaps_parse(list, NULL, ep->portmaps, &ep->n_portmaps), 0);
	assert_true(ep->n_portmaps);
	return ep;
}

#define MAP(rest) "{\"hostPort\":80,\"containerPort\":8080" rest "}"

/* "10.0.0.1:8080", with "!" for the node's own sockets; "none". */
static const char *served(const struct fixture *f, const char *ip, uint8_t proto, uint16_t port)
{
	const struct lnt_service_key key = {
		.addr = build_addr(ip), .port = htons(port), .proto = proto};
	const struct lnt_frontend *fe = lnt_services_find(f->t, &key);
	static char texts[4][80];
	static unsigned turn;
	char *text = texts[turn++ % 4], addr[LNT_ADDRSTRLEN];

	if (!fe)
		return "none";
	assert_int_equal(fe->set->n, 1);
	if (fe->flags == LNT_SVC_HOST_ONLY)
		assert_null(fe->ext_set);
	else
		assert_ptr_equal(fe->ext_set, fe->set);
	snprintf(text, sizeof(texts[0]), "%s%s:%u", fe->flags & LNT_SVC_HOST_ONLY ? "!" : "",
		lnt_addr_str(&fe->set->backends->addr, addr), ntohs(fe->set->backends->port));
	return text;
}

#define ASSERT_SERVED(f, ip, proto, port, want) \
	assert_string_equal(served(f, ip, IPPROTO_##proto, port), want)

static void every_address(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "10.0.0.1,fd00::1", "[" MAP("") "," MAP(",\"protocol\":\"sctp\"") "]");
	compile(f);
	ASSERT_SERVED(f, NODE4, TCP, 80, "10.0.0.1:8080");
	ASSERT_SERVED(f, NODE6, TCP, 80, "fd00::1:8080");
	ASSERT_SERVED(f, NODE4, SCTP, 80, "10.0.0.1:8080");
	ASSERT_SERVED(f, "127.0.0.1", TCP, 80, "!10.0.0.1:8080");
	ASSERT_SERVED(f, "::1", SCTP, 80, "!fd00::1:8080");
	ASSERT_SERVED(f, NODE4, UDP, 80, "none");
	ASSERT_SERVED(f, NODE4, TCP, 8080, "none");
	ASSERT_SERVED(f, OTHER, TCP, 80, "none");
	/* The same again is no change. */
	assert_int_equal(compile(f), 0);
	f->n_eps = 0;
	assert_int_equal(compile(f), 8);
	ASSERT_SERVED(f, NODE4, TCP, 80, "none");
}

static void host_ip(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "10.0.0.1,fd00::1",
		"[" MAP(",\"hostIP\":\"" OTHER
			"\"") ",{\"hostPort\":81,\"containerPort\":1,"
			      "\"hostIP\":\"127.0.0.7\"},{\"hostPort\":82,\"containerPort\":2,"
			      "\"hostIP\":\"::\"},"
			      "{\"hostPort\":83,\"containerPort\":3,\"hostIP\":\"203.0.113.9\"}]");
	compile(f);
	ASSERT_SERVED(f, OTHER, TCP, 80, "10.0.0.1:8080");
	ASSERT_SERVED(f, NODE4, TCP, 80, "none");
	ASSERT_SERVED(f, "127.0.0.7", TCP, 81, "!10.0.0.1:1");
	ASSERT_SERVED(f, "127.0.0.1", TCP, 81, "none");
	ASSERT_SERVED(f, NODE6, TCP, 82, "fd00::1:2");
	ASSERT_SERVED(f, NODE4, TCP, 82, "none");
	/* What is nobody's on this node is not taken from those who have it. */
	ASSERT_SERVED(f, "203.0.113.9", TCP, 83, "none");
	assert_string_equal(f->said,
		"+Pod a/web: hostPort 203.0.113.9:83/TCP is not served: this node has no such "
		"address|");
}

static void one_family(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "fd00::1", "[" MAP("") "]");
	compile(f);
	ASSERT_SERVED(f, NODE6, TCP, 80, "fd00::1:8080");
	ASSERT_SERVED(f, NODE4, TCP, 80, "none");
}

static void named_address_goes_first(void **state)
{
	struct fixture *f = *state;

	add(f, "any", "10.0.0.1", "[" MAP("") "]");
	add(f, "named", "10.0.0.2", "[" MAP(",\"hostIP\":\"" NODE4 "\"") "]");
	compile(f);
	ASSERT_SERVED(f, NODE4, TCP, 80, "10.0.0.2:8080");
	ASSERT_SERVED(f, "127.0.0.1", TCP, 80, "!10.0.0.1:8080");
	assert_string_equal(f->said,
		"+Pod a/any: " NODE4 " port 80 belongs to Pod a/named already; not served|");
	f->n_eps--;
	compile(f);
	ASSERT_SERVED(f, NODE4, TCP, 80, "10.0.0.1:8080");
	assert_int_equal(f->said[0], '-');
}

static void service_goes_first(void **state)
{
	struct fixture *f = *state;
	const struct lnt_frontend **list;
	struct lnt_service *svc = build_service_new("a", "web", "10.96.0.1", "http:tcp/80");
	struct lnt_endpoint *ep = add(f, "pod", "10.0.0.1", "[" MAP("") "]");
	size_t n;

	compile(f);
	assert_int_equal(lnt_services_host_ports(f->t, ep, &list, &n), 0);
	assert_int_equal(n, 2);
	free(list);
	build_external_ips(svc, NODE4);
	build_put(f->st, svc);
	build_slice(f->st, "a", "web-1", "web", "http:tcp/9", "10.0.0.9", "");
	compile(f);
	ASSERT_SERVED(f, NODE4, TCP, 80, "10.0.0.9:9");
	ASSERT_SERVED(f, "127.0.0.1", TCP, 80, "!10.0.0.1:8080");
	assert_string_equal(f->said,
		"+Pod a/pod: " NODE4 " port 80 belongs to Service a/web already; not served|");
	/* Only what it has is asked for. */
	assert_int_equal(lnt_services_host_ports(f->t, ep, &list, &n), 0);
	assert_int_equal(n, 1);
	free(list);
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "web");
	compile(f);
	ASSERT_SERVED(f, NODE4, TCP, 80, "10.0.0.1:8080");
	f->n_eps = 0;
	compile(f);
	assert_int_equal(lnt_services_host_ports(f->t, ep, &list, &n), -ENOENT);
}

static void who_gets_along(void **state)
{
	static const char *const maps[] = {MAP(""), MAP(",\"hostIP\":\"0.0.0.0\""),
		MAP(",\"hostIP\":\"::\""), MAP(",\"hostIP\":\"" NODE4 "\""),
		MAP(",\"protocol\":\"udp\""), "{\"hostPort\":81,\"containerPort\":8080}"};
	static const char conflicts[6][7] = {
		"xxx...", "xx....", "x.x...", "...x..", "....x.", ".....x"};

	for (size_t i = 0; i < 6; i++) {
		for (size_t k = 0; k < 6; k++) {
			struct lnt_portmap a[LNT_PORTMAPS_MAX], b[LNT_PORTMAPS_MAX];
			_cleanup_json_ cJSON *x = cJSON_CreateArray(), *y = cJSON_CreateArray();
			unsigned n;

			cJSON_AddItemToArray(x, cJSON_Parse(maps[i]));
			cJSON_AddItemToArray(y, cJSON_Parse(maps[k]));
			assert_int_equal(lnt_portmaps_parse(x, NULL, a, &n), 0);
			assert_int_equal(lnt_portmaps_parse(y, NULL, b, &n), 0);
			assert_int_equal(lnt_portmap_conflicts(a, b), conflicts[i][k] == 'x');
		}
	}
}

/* --- namespaces ------------------------------------------------------------------------------- */

static void namespaces(void **state)
{
	struct fixture *f = *state;
	struct lnt_netns_entry *entries;
	struct lnt_pod *pod;
	size_t n;

	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"opted", "plain", "unknown"};

		f->eps[i] = build_endpoint("a", names[i], "10.0.0.1");
		f->eps[i].netns_cookie = 100 + i;
		pod = build_pod("a", names[i], "", "10.0.0.1");
		pod->per_packet = i != 1;
		build_put(f->st, pod);
	}
	lnt_store_remove(f->st, LNT_KIND_POD, "a", "unknown");
	assert_int_equal(lnt_compile_netns(f->st, "n1", 7, f->eps, 3, &entries, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(entries[0].cookie, 7);
	assert_int_equal(entries[0].value.flags, LNT_NETNS_HOST);
	assert_int_equal(entries[1].cookie, 101);
	assert_int_equal(entries[1].value.flags, 0);
	assert_int_equal(entries[2].cookie, 102);
	free(entries);
	/* Nothing is known, nothing is listed. */
	f->eps[1].netns_cookie = f->eps[2].netns_cookie = 0;
	assert_int_equal(lnt_compile_netns(f->st, "n1", 0, f->eps, 3, &entries, &n), 0);
	assert_int_equal(n, 0);
	free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_are_read),
		cmocka_unit_test(mistakes_are_said),
		cmocka_unit_test(more_than_fit_are_refused),
		cmocka_unit_test(who_gets_along),
		cmocka_unit_test_setup_teardown(every_address, setup, teardown),
		cmocka_unit_test_setup_teardown(host_ip, setup, teardown),
		cmocka_unit_test_setup_teardown(one_family, setup, teardown),
		cmocka_unit_test_setup_teardown(named_address_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(service_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(namespaces, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
