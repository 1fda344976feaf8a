/* SPDX-License-Identifier: Apache-2.0 */
/* A dump for each family. */
#include "lib/sock_dump.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#define DUMP_SIZE 32768

struct dump {
	lnt_sock_fn take;
	void *ctx;
};

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
	const struct dump *d = ctx;
	struct lnt_sock s = {};

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*m))
		return MNL_CB_OK;
	s.local_port = m->id.idiag_sport;
	s.remote_port = m->id.idiag_dport;
	s.inode = m->idiag_inode;
	if (m->idiag_family == AF_INET) {
		s.local = lnt_addr_from4(m->id.idiag_src[0]);
		s.remote = lnt_addr_from4(m->id.idiag_dst[0]);
	} else {
		memcpy(&s.local, m->id.idiag_src, sizeof(s.local));
		memcpy(&s.remote, m->id.idiag_dst, sizeof(s.remote));
		mnl_attr_parse(nlh, sizeof(*m), take_attr, &s.dual);
	}
	d->take(&s, d->ctx);
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *nl, char *buf, uint8_t family, uint8_t proto, uint32_t states)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *q;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	q = mnl_nlmsg_put_extra_header(nlh, sizeof(*q));
	q->sdiag_family = family;
	q->sdiag_protocol = proto;
	q->idiag_states = states;
	return mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

static int receive(struct mnl_socket *nl, char *buf, struct dump *d)
{
	ssize_t n;
	int r;

	do {
		n = mnl_socket_recvfrom(nl, buf, DUMP_SIZE);
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buf, (size_t)n, 0, 0, take_socket, d);
		if (r < 0)
			return -errno;
	} while (r == MNL_CB_OK);
	return 0;
}

int lnt_sock_dump(uint8_t proto, uint32_t states, lnt_sock_fn take, void *ctx)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	_cleanup_free_ char *buf = malloc(DUMP_SIZE);
	struct dump d = {take, ctx};
	int r = !nl ? -errno : buf ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < ARRAY_SIZE(families); i++) {
		r = ask(nl, buf, families[i], proto, states);
		r = r ? r : receive(nl, buf, &d);
	}
	if (nl)
		mnl_socket_close(nl);
	return r;
}
