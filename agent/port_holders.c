/* SPDX-License-Identifier: Apache-2.0 */
/* Listening and bound sockets by sock_diag(7), against the services' reservations. */
#include "agent/port_holders.h"
#include "lib/cleanup.h"
#include "lib/sock_dump.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

struct look {
	struct lnt_port_holders *h;
	const struct lnt_services *services;
	uint8_t proto; /* of the sockets at hand */
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
	const struct look *l, const struct lnt_sock *s, const struct in6_addr *any)
{
	struct lnt_service_key key = {.addr = *any,
		.port = s->local_port,
		.proto = l->proto,
		.kind = LNT_FRONTEND_RESERVED};
	const struct lnt_frontend *f = lnt_services_find(l->services, &key);

	if (!f || is_any(&s->local))
		return f;
	key.addr = s->local;
	key.kind = LNT_FRONTEND_ASKED;
	return lnt_services_find(l->services, &key);
}

static void check(struct look *l, const struct lnt_sock *s)
{
	const struct in6_addr any4 = lnt_addr_from4(0);
	const struct lnt_frontend *f = NULL;
	char addr[LNT_ADDRSTRLEN], who[80], text[256];

	if (!lnt_addr_is4(&s->local))
		f = held(l, s, &in6addr_any);
	if (!f && (lnt_addr_is4(&s->local) || (s->dual && is_any(&s->local))))
		f = held(l, s, &any4);
	if (!f)
		return;
	snprintf(text, sizeof(text),
		"%s has bound nodePort %u/%s at %s; from outside the service answers, not that "
		"process",
		describe(s->inode, who), ntohs(s->local_port),
		l->proto == IPPROTO_TCP ? "TCP" : "UDP", lnt_addr_str(&s->local, addr));
	lnt_notices_add(&l->h->notices,
		&(struct lnt_notice){LNT_KIND_SERVICE, lnt_frontend_ns(f), lnt_frontend_name(f),
			LNT_NOTICE_NODE_PORT_TAKEN, text});
}

static void take_socket(const struct lnt_sock *s, void *ctx)
{
	if (s->local_port)
		check(ctx, s);
}

/* --- looking ---------------------------------------------------------------------------------- */

int lnt_port_holders_look(
	struct lnt_port_holders *h, const struct lnt_services *services, struct lnt_err *e)
{
	static const struct {
		uint8_t proto;
		uint32_t states;
	} kinds[] = {
		{IPPROTO_TCP, 1u << TCP_LISTEN},
		{IPPROTO_UDP, 1u << TCP_CLOSE},
	};
	struct look l = {.h = h, .services = services};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(kinds); i++) {
		l.proto = kinds[i].proto;
		r = lnt_sock_dump(l.proto, kinds[i].states, take_socket, &l);
	}
	lnt_notices_end(&h->notices);
	return r ? lnt_err_sys(e, r, "look for processes that hold NodePorts") : 0;
}
