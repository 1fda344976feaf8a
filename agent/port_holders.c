/* SPDX-License-Identifier: Apache-2.0 */
/* Listening and bound sockets by sock_diag(7), against the services' reservations. */
#include "agent/port_holders.h"
#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#define DUMP_SIZE 32768

/* A socket that may hold a NodePort. */
struct holder {
	struct in6_addr addr;
	__be16 port;
	uint8_t proto;
	bool dual; /* an IPv6 socket that takes IPv4 as well */
	uint32_t inode;
};

struct look {
	struct lnt_port_holders *h;
	const struct lnt_services *services;
	uint8_t proto; /* of the dump at hand */
};

static bool is_any(const struct in6_addr *a)
{
	return IN6_IS_ADDR_UNSPECIFIED(a) || (lnt_addr_is4(a) && !a->s6_addr32[3]);
}

bool lnt_port_holders_concern(const struct lnt_service_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (changes[i].key.kind == LNT_FRONTEND_RESERVED)
			return true;
	return false;
}

bool lnt_port_holders_any(const struct lnt_port_holders *h)
{
	return h->notices.n_last;
}

void lnt_port_holders_clear(struct lnt_port_holders *h)
{
	lnt_notices_clear(&h->notices);
}

/* --- who it is -------------------------------------------------------------------------------- */

/* Whether process @pid has the socket; its command line's name then is in @ret_name. */
static bool has_socket(const char *pid, uint32_t inode, char ret_name[static 32])
{
	char path[300], want[32], link[32];
	_cleanup_fclose_ FILE *comm = NULL;
	struct dirent *d;
	bool found = false;
	DIR *dir;

	snprintf(want, sizeof(want), "socket:[%u]", inode);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		link[n < 0 ? 0 : n] = '\0';
		found = !strcmp(link, want);
	}
	if (dir)
		closedir(dir);
	if (!found)
		return false;
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	comm = fopen(path, "re");
	if (!comm || !fgets(ret_name, 32, comm))
		snprintf(ret_name, 32, "?");
	ret_name[strcspn(ret_name, "\n")] = '\0';
	return true;
}

/* "process 12 (name)", or the inode where the process is not to be seen from here. */
static const char *describe(uint32_t inode, char buf[static 80])
{
	DIR *proc = opendir("/proc");
	char name[32];
	struct dirent *d;

	snprintf(buf, 80, "a process (socket inode %u)", inode);
	while (proc && (d = readdir(proc))) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9' || strlen(d->d_name) > 10 ||
			!has_socket(d->d_name, inode, name))
			continue;
		snprintf(buf, 80, "process %.10s (%s)", d->d_name, name);
		break;
	}
	if (proc)
		closedir(proc);
	return buf;
}

/* --- what it holds ---------------------------------------------------------------------------- */

/* The reservation that @s stands in the way of, in the family of @any. NULL: none. */
static const struct lnt_frontend *held(
	const struct lnt_services *services, const struct holder *s, const struct in6_addr *any)
{
	struct lnt_service_key key = {
		.addr = *any, .port = s->port, .proto = s->proto, .kind = LNT_FRONTEND_RESERVED};
	const struct lnt_frontend *f = lnt_services_find(services, &key);

	if (!f || is_any(&s->addr))
		return f;
	key.addr = s->addr;
	key.kind = LNT_FRONTEND_ASKED;
	return lnt_services_find(services, &key);
}

static void check(struct look *l, const struct holder *s)
{
	const struct in6_addr any4 = lnt_addr_from4(0);
	const struct lnt_frontend *f = NULL;
	char addr[LNT_ADDRSTRLEN], who[80], text[256];

	if (!lnt_addr_is4(&s->addr))
		f = held(l->services, s, &in6addr_any);
	if (!f && (lnt_addr_is4(&s->addr) || (s->dual && is_any(&s->addr))))
		f = held(l->services, s, &any4);
	if (!f)
		return;
	snprintf(text, sizeof(text),
		"%s has bound nodePort %u/%s at %s; from outside the service answers, not that "
		"process",
		describe(s->inode, who), ntohs(s->port), s->proto == IPPROTO_TCP ? "TCP" : "UDP",
		lnt_addr_str(&s->addr, addr));
	lnt_notices_add(&l->h->notices,
		&(struct lnt_notice){LNT_KIND_SERVICE, lnt_frontend_ns(f), lnt_frontend_name(f),
			LNT_NOTICE_NODE_PORT_TAKEN, text});
}

static int take_attr(const struct nlattr *attr, void *dual)
{
	if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY &&
		mnl_attr_get_payload_len(attr) == sizeof(uint8_t))
		*(bool *)dual = !mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

static int take_socket(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	struct look *l = ctx;
	struct holder s = {.proto = l->proto};

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*m))
		return MNL_CB_OK;
	s.port = m->id.idiag_sport;
	s.inode = m->idiag_inode;
	if (m->idiag_family == AF_INET) {
		s.addr = lnt_addr_from4(m->id.idiag_src[0]);
	} else {
		memcpy(&s.addr, m->id.idiag_src, sizeof(s.addr));
		mnl_attr_parse(nlh, sizeof(*m), take_attr, &s.dual);
	}
	if (s.port)
		check(l, &s);
	return MNL_CB_OK;
}

/* --- looking ---------------------------------------------------------------------------------- */

static int dump(struct look *l, struct mnl_socket *nl, uint8_t family, uint32_t states)
{
	_cleanup_free_ char *buf = malloc(DUMP_SIZE);
	struct inet_diag_req_v2 *q;
	struct nlmsghdr *nlh;
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	q = mnl_nlmsg_put_extra_header(nlh, sizeof(*q));
	q->sdiag_family = family;
	q->sdiag_protocol = l->proto;
	q->idiag_states = states;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, DUMP_SIZE);
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buf, (size_t)n, 0, 0, take_socket, l);
		if (r < 0)
			return -errno;
	} while (r == MNL_CB_OK);
	return 0;
}

/* A socket of a protocol that has no diag module is not found; that is said as an error. */
static int dump_all(struct look *l, struct mnl_socket *nl)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	static const struct {
		uint8_t proto;
		uint32_t states;
	} kinds[] = {
		{IPPROTO_TCP, 1u << TCP_LISTEN},
		{IPPROTO_UDP, 1u << TCP_CLOSE},
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(families) * ARRAY_SIZE(kinds); i++) {
		l->proto = kinds[i / 2].proto;
		r = dump(l, nl, families[i % 2], kinds[i / 2].states);
	}
	return r;
}

int lnt_port_holders_look(
	struct lnt_port_holders *h, const struct lnt_services *services, struct lnt_err *e)
{
	struct look l = {.h = h, .services = services};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int r = nl ? 0 : -errno;

	if (!r)
		r = dump_all(&l, nl);
	if (nl)
		mnl_socket_close(nl);
	lnt_notices_end(&h->notices);
	return r ? lnt_err_sys(e, r, "look for processes that hold NodePorts") : 0;
}
