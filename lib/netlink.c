/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport and links of netlink.h. Requests are built in one buffer; only the last one asks for an
 * acknowledgement, since errors are always reported: a batch costs one send and few receives.
 */
#include "lib/netlink.h"

#include "lib/netlink_msg.h"
#include "lib/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_BATCH   64
#define MAX_REQUEST 512 /* the largest that is built here */
#define MAX_DUMPS   10	/* interrupted ones in a row before giving up */

struct lnt_nl {
	int fd;
	bool batching;
	bool strict; /* the kernel filters dumps (4.20); the results are filtered here too */
	bool optional[MAX_BATCH];
	unsigned n;
	uint32_t seq; /* of the next request */
	size_t len;
	struct lnt_err failed; /* the first failure of this batch */
	struct nlmsghdr *last;
	char out[16384];
	char in[65536];
};

/* Takes the data messages of an answer. Returns 0 or -errno, which ends the transaction. */
typedef int (*data_cb)(const struct nlmsghdr *nlh, void *arg);

int lnt_nl_open(int netns_fd, struct lnt_err *e, struct lnt_nl **ret_nl)
{
	_cleanup_nl_ struct lnt_nl *nl = malloc(sizeof(*nl));
	int one = 1;

	if (!nl)
		return lnt_err_sys(e, -ENOMEM, "open netlink socket");
	memset(nl, 0, offsetof(struct lnt_nl, out));
	nl->seq = 1;
	nl->fd = lnt_netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (nl->fd < 0)
		return lnt_err_sys(e, nl->fd, "open netlink socket");
	/* Best effort: they only make error texts better. */
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	nl->strict = !setsockopt(nl->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	*ret_nl = TAKE_PTR(nl);
	return 0;
}

void lnt_nl_close(struct lnt_nl *nl)
{
	if (!nl)
		return;
	if (nl->fd >= 0)
		close(nl->fd);
	free(nl);
}

/* --- transport -------------------------------------------------------------------------------- */

/* The request in words, for an error: "add route 10.0.0.0/24 of device 7". */
static void describe(const struct nlmsghdr *nlh, char *buf, size_t size)
{
	static const struct {
		uint16_t type, attr, hdrlen;
		const char *what;
	} kinds[] = {
		{RTM_NEWLINK, IFLA_IFNAME, sizeof(struct ifinfomsg), "set up link"},
		{RTM_DELLINK, IFLA_IFNAME, sizeof(struct ifinfomsg), "delete link"},
		{RTM_GETLINK, IFLA_IFNAME, sizeof(struct ifinfomsg), "look up link"},
		{RTM_NEWADDR, IFA_LOCAL, sizeof(struct ifaddrmsg), "add address"},
		{RTM_GETADDR, IFA_LOCAL, sizeof(struct ifaddrmsg), "list addresses"},
		{RTM_NEWROUTE, RTA_DST, sizeof(struct rtmsg), "add route to"},
		{RTM_DELROUTE, RTA_DST, sizeof(struct rtmsg), "delete route to"},
		{RTM_GETROUTE, RTA_DST, sizeof(struct rtmsg), "list routes"},
		{RTM_NEWNEIGH, NDA_DST, sizeof(struct ndmsg), "add neighbour"},
		{RTM_NEWTFILTER, TCA_UNSPEC, sizeof(struct tcmsg), "add filter"},
		{RTM_DELTFILTER, TCA_UNSPEC, sizeof(struct tcmsg), "delete filter"},
		{RTM_GETTFILTER, TCA_UNSPEC, sizeof(struct tcmsg), "look up filter"},
	};
	const struct nlattr *attr;
	char text[LNT_ADDRSTRLEN];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].type != nlh->nlmsg_type)
			continue;
		snprintf(buf, size, "%s", kinds[i].what);
		mnl_attr_for_each(attr, nlh, kinds[i].hdrlen)
		{
			uint16_t len = mnl_attr_get_payload_len(attr);

			if (mnl_attr_get_type(attr) != kinds[i].attr)
				continue;
			if (kinds[i].attr == IFLA_IFNAME)
				snprintf(text, sizeof(text), "%s", mnl_attr_get_str(attr));
			else
				inet_ntop(len == 4 ? AF_INET : AF_INET6, mnl_attr_get_payload(attr),
					text, sizeof(text));
			snprintf(buf, size, "%s %s", kinds[i].what, text);
			return;
		}
		return;
	}
	snprintf(buf, size, "netlink request %u", nlh->nlmsg_type);
}

/* The kernel's explanation inside an error message, or NULL. */
static const char *explanation(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*err);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - sizeof(err->msg);
	mnl_attr_for_each(attr, nlh, skip)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			return mnl_attr_get_str(attr);
	}
	return NULL;
}

/* Records what an error message says about the request that it answers. */
static void note_error(struct lnt_nl *nl, const struct nlmsghdr *nlh, uint32_t first_seq)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	const struct nlmsghdr *req = (const struct nlmsghdr *)nl->out;
	const char *why = explanation(nlh);
	uint32_t i = nlh->nlmsg_seq - first_seq;
	int left = (int)nl->len;
	char what[128];

	if (!err->error || (i < nl->n && nl->optional[i]))
		return;
	while (mnl_nlmsg_ok(req, left) && req->nlmsg_seq != nlh->nlmsg_seq)
		req = mnl_nlmsg_next(req, &left);
	describe(req, what, sizeof(what));
	if (why)
		lnt_err_sys(&nl->failed, err->error, "%s: %s", what, why);
	else
		lnt_err_sys(&nl->failed, err->error, "%s", what);
}

/* Each of its bits means something else in a request that changes things. */
static bool is_dump(const struct nlmsghdr *nlh)
{
	return (nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

/* Receives until the request with sequence number @last is answered. */
static int receive(struct lnt_nl *nl, uint32_t first, uint32_t last, data_cb cb, void *arg)
{
	bool interrupted = false;
	int cb_err = 0;

	for (;;) {
		ssize_t n = recv(nl->fd, nl->in, sizeof(nl->in), 0);
		const struct nlmsghdr *nlh = (struct nlmsghdr *)nl->in;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			/* Something was lost: never the end of a dump, but maybe our answer. */
			interrupted = true;
			if (!is_dump(nl->last))
				return -EINTR;
			continue;
		}
		if (n < 0)
			return -errno;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq - first > last - first)
				continue;
			interrupted |= !!(nlh->nlmsg_flags & NLM_F_DUMP_INTR);
			if (nlh->nlmsg_type == NLMSG_ERROR)
				note_error(nl, nlh, first);
			else if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && cb && !cb_err)
				cb_err = cb(nlh, arg);
			if (nlh->nlmsg_seq == last &&
				(nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE))
				return interrupted ? -EINTR : cb_err;
		}
	}
}

/* Sends what is in the buffer and waits for the answers. Returns -EINTR to have it repeated. */
static int transact(struct lnt_nl *nl, data_cb cb, void *arg)
{
	static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	uint32_t first = nl->seq - nl->n, last = nl->seq - 1;
	ssize_t sent;
	int r;

	if (!nl->n)
		return nl->failed.err;
	if (!is_dump(nl->last))
		nl->last->nlmsg_flags |= NLM_F_ACK;
	do
		sent = sendto(nl->fd, nl->out, nl->len, 0, (const struct sockaddr *)&kernel,
			sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	r = sent < 0 ? -errno : receive(nl, first, last, cb, arg);
	if (r && r != -EINTR)
		lnt_err_sys(&nl->failed, r, "netlink socket");
	nl->n = 0;
	nl->len = 0;
	return r == -EINTR ? r : nl->failed.err;
}

int lnt_nl_ask(struct lnt_nl *nl, struct lnt_err *e, data_cb cb, void *arg)
{
	int r = transact(nl, cb, arg);

	nl->batching = false;
	if (r == -EINTR) /* an answer to a request that is no dump was lost */
		r = lnt_err_sys(&nl->failed, -EIO, "netlink socket");
	if (r)
		lnt_err_set(e, r, "%s", nl->failed.msg);
	nl->failed = (struct lnt_err){};
	return r;
}

struct nlmsghdr *lnt_nl_request(struct lnt_nl *nl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	if (nl->n == MAX_BATCH || nl->len + MAX_REQUEST > sizeof(nl->out))
		transact(nl, NULL, NULL); /* what fails is kept for lnt_nl_flush() */
	memset(nl->out + nl->len, 0, MAX_REQUEST);
	nlh = mnl_nlmsg_put_header(nl->out + nl->len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = nl->seq;
	return nlh;
}

void lnt_nl_queue(struct lnt_nl *nl, struct nlmsghdr *nlh)
{
	nl->len += MNL_ALIGN(nlh->nlmsg_len);
	nl->optional[nl->n++] = false;
	nl->seq++;
	nl->last = nlh;
}

int lnt_nl_submit(struct lnt_nl *nl, struct nlmsghdr *nlh, struct lnt_err *e)
{
	lnt_nl_queue(nl, nlh);
	return nl->batching ? 0 : lnt_nl_ask(nl, e, NULL, NULL);
}

int lnt_nl_submit_optional(struct lnt_nl *nl, struct nlmsghdr *nlh, struct lnt_err *e)
{
	lnt_nl_queue(nl, nlh);
	nl->optional[nl->n - 1] = true;
	return nl->batching ? 0 : lnt_nl_ask(nl, e, NULL, NULL);
}

void lnt_nl_batch(struct lnt_nl *nl)
{
	nl->batching = true;
}

int lnt_nl_flush(struct lnt_nl *nl, struct lnt_err *e)
{
	return lnt_nl_ask(nl, e, NULL, NULL);
}

bool lnt_nl_filters(const struct lnt_nl *nl)
{
	return nl->strict;
}

/* --- dumps ------------------------------------------------------------------------------------ */

static int collect(const struct nlmsghdr *nlh, void *arg)
{
	struct lnt_nl_list *l = arg;
	int r;

	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		void *items = realloc(l->items, room * l->size);

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->room = room;
	}
	memset((char *)l->items + l->n * l->size, 0, l->size);
	r = l->parse(nlh, l, (char *)l->items + l->n * l->size);
	if (!r)
		l->n++;
	return r < 0 ? r : 0;
}

int lnt_nl_dump(struct lnt_nl *nl, void (*build)(struct lnt_nl *nl, const struct lnt_nl_list *l),
	struct lnt_nl_list *l, struct lnt_err *e)
{
	int r = -EINTR;

	for (unsigned i = 0; r == -EINTR && i < MAX_DUMPS; i++) {
		l->n = 0;
		build(nl, l);
		r = transact(nl, collect, l);
	}
	if (r == -EINTR)
		lnt_err_sys(&nl->failed, r, "netlink dump was interrupted %u times", MAX_DUMPS);
	if (r) {
		lnt_err_set(e, r, "%s", nl->failed.msg);
		free(l->items);
		l->items = NULL;
		l->n = 0;
	}
	nl->failed = (struct lnt_err){};
	return r;
}

/* --- links ------------------------------------------------------------------------------------ */

static void parse_linkinfo(const struct nlattr *nest, struct lnt_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			snprintf(link->kind, sizeof(link->kind), "%s", mnl_attr_get_str(attr));
	}
}

static void parse_link_attr(const struct nlattr *attr, struct lnt_link *link)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_LINK:
		link->peer_ifindex = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK_NETNSID:
		link->peer_netnsid = (int32_t)mnl_attr_get_u32(attr);
		break;
	case IFLA_MASTER:
		link->master = mnl_attr_get_u32(attr);
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_ADDRESS:
		link->has_mac = mnl_attr_get_payload_len(attr) == sizeof(link->mac);
		if (link->has_mac)
			memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
		break;
	case IFLA_LINKINFO:
		parse_linkinfo(attr, link);
		break;
	}
}

static int parse_link(const struct nlmsghdr *nlh, const struct lnt_nl_list *l, void *ret_item)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct lnt_link *link = ret_item;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK || ifi->ifi_family != AF_UNSPEC)
		return 1;
	link->ifindex = (uint32_t)ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	link->type = ifi->ifi_type;
	link->peer_netnsid = -1;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) parse_link_attr(attr, link);
	return 0;
}

static int take_link(const struct nlmsghdr *nlh, void *arg)
{
	struct lnt_link link = {};

	if (!parse_link(nlh, NULL, &link))
		*(struct lnt_link *)arg = link;
	return 0;
}

static struct nlmsghdr *link_request(
	struct lnt_nl *nl, uint16_t type, uint16_t flags, const char *name, uint32_t ifindex)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, type, flags);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = (int)ifindex;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return nlh;
}

static void queue_link_get(struct lnt_nl *nl, const char *name, uint32_t ifindex)
{
	struct nlmsghdr *nlh = link_request(nl, RTM_GETLINK, 0, name, name ? 0 : ifindex);

	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	lnt_nl_queue(nl, nlh);
}

int lnt_veth_create(struct lnt_nl *nl, const struct lnt_veth *veth, struct lnt_err *e,
	struct lnt_link *ret_link)
{
	struct nlmsghdr *nlh =
		link_request(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, veth->name, 0);
	struct nlattr *info, *data, *peer;
	struct lnt_link link = {};
	int r;

	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(veth->mac), veth->mac);
	mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, 1);
	if (veth->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, veth->mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, veth->peer_name);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(veth->peer_mac), veth->peer_mac);
	mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, 1);
	if (veth->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, veth->mtu);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	lnt_nl_queue(nl, nlh);
	queue_link_get(nl, veth->name, 0);
	r = lnt_nl_ask(nl, e, take_link, &link);
	if (r)
		return r;
	*ret_link = link;
	return 0;
}

int lnt_link_get(struct lnt_nl *nl, const char *name, uint32_t ifindex, struct lnt_err *e,
	struct lnt_link *ret_link)
{
	struct lnt_link link = {};
	int r;

	queue_link_get(nl, name, ifindex);
	r = lnt_nl_ask(nl, e, take_link, &link);
	if (r)
		return r;
	*ret_link = link;
	return 0;
}

static void build_link_dump(struct lnt_nl *nl, const struct lnt_nl_list *wanted)
{
	struct nlmsghdr *nlh = link_request(nl, RTM_GETLINK, NLM_F_DUMP, NULL, 0);

	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	lnt_nl_queue(nl, nlh);
}

int lnt_link_dump(struct lnt_nl *nl, struct lnt_err *e, struct lnt_link **ret_links, size_t *ret_n)
{
	struct lnt_nl_list l = {.size = sizeof(struct lnt_link), .parse = parse_link};
	int r = lnt_nl_dump(nl, build_link_dump, &l, e);

	if (r)
		return r;
	*ret_links = l.items;
	*ret_n = l.n;
	return 0;
}

static int link_set_flags(struct lnt_nl *nl, uint32_t ifindex, unsigned flags, struct lnt_err *e)
{
	struct nlmsghdr *nlh = link_request(nl, RTM_NEWLINK, 0, NULL, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	ifi->ifi_flags = flags;
	ifi->ifi_change = IFF_UP;
	return lnt_nl_submit(nl, nlh, e);
}

int lnt_link_set_up(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e)
{
	return link_set_flags(nl, ifindex, IFF_UP, e);
}

int lnt_link_set_down(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e)
{
	return link_set_flags(nl, ifindex, 0, e);
}

int lnt_link_del(struct lnt_nl *nl, const char *name, struct lnt_err *e)
{
	return lnt_nl_submit(nl, link_request(nl, RTM_DELLINK, 0, name, 0), e);
}

int lnt_link_set_routed(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e)
{
	struct nlattr *spec, *af, *conf;
	struct nlmsghdr *nlh;

	nlh = link_request(nl, RTM_NEWLINK, 0, NULL, ifindex);
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	af = mnl_attr_nest_start(nlh, AF_INET);
	conf = mnl_attr_nest_start(nlh, IFLA_INET_CONF);
	mnl_attr_put_u32(nlh, IPV4_DEVCONF_FORWARDING, 1);
	mnl_attr_put_u32(nlh, IPV4_DEVCONF_RP_FILTER, 0);
	mnl_attr_nest_end(nlh, conf);
	mnl_attr_nest_end(nlh, af);
	mnl_attr_nest_end(nlh, spec);
	lnt_nl_queue(nl, nlh);

	nlh = link_request(nl, RTM_NEWLINK, 0, NULL, ifindex);
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	af = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, af);
	mnl_attr_nest_end(nlh, spec);
	return lnt_nl_submit_optional(nl, nlh, e); /* no IPv6 here */
}
