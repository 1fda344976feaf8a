/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of netlink.h. Each is a direct-action one of fixed handle and priority, so that a later
 * one finds and replaces it.
 */
#include "lib/netlink_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#define HANDLE	 1
#define PRIORITY 1

static struct nlmsghdr *request(
	struct lnt_nl *nl, uint16_t type, uint16_t flags, uint32_t ifindex, bool egress)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, type, flags);
	struct tcmsg *tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));

	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_handle = HANDLE;
	tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	tcm->tcm_info = TC_H_MAKE((uint32_t)PRIORITY << 16, htons(ETH_P_ALL));
	return nlh;
}

int lnt_clsact_add(struct lnt_nl *nl, uint32_t ifindex, struct lnt_err *e)
{
	struct nlmsghdr *nlh = lnt_nl_request(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
	struct tcmsg *tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));

	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	tcm->tcm_parent = TC_H_CLSACT;
	mnl_attr_put_strz(nlh, TCA_KIND, "clsact");
	return lnt_nl_submit_optional(nl, nlh, e);
}

int lnt_filter_replace(struct lnt_nl *nl, uint32_t ifindex, bool egress, int prog_fd,
	const char *name, struct lnt_err *e)
{
	struct nlmsghdr *nlh =
		request(nl, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, ifindex, egress);
	struct nlattr *opts;

	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	opts = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	mnl_attr_put_u32(nlh, TCA_BPF_FD, (uint32_t)prog_fd);
	mnl_attr_put_strz(nlh, TCA_BPF_NAME, name);
	mnl_attr_put_u32(nlh, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(nlh, opts);
	return lnt_nl_submit(nl, nlh, e);
}

int lnt_filter_del(struct lnt_nl *nl, uint32_t ifindex, bool egress, struct lnt_err *e)
{
	struct nlmsghdr *nlh = request(nl, RTM_DELTFILTER, 0, ifindex, egress);

	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	return lnt_nl_submit(nl, nlh, e);
}

static int take_prog_id(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *opt;

	if (nlh->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct tcmsg))
	{
		if (mnl_attr_get_type(attr) != TCA_OPTIONS)
			continue;
		mnl_attr_for_each_nested(opt, attr)
		{
			if (mnl_attr_get_type(opt) == TCA_BPF_ID)
				*(uint32_t *)arg = mnl_attr_get_u32(opt);
		}
	}
	return 0;
}

int lnt_filter_get(
	struct lnt_nl *nl, uint32_t ifindex, bool egress, struct lnt_err *e, uint32_t *ret_prog_id)
{
	struct nlmsghdr *nlh = request(nl, RTM_GETTFILTER, 0, ifindex, egress);
	uint32_t id = 0;
	int r;

	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	lnt_nl_queue(nl, nlh);
	r = lnt_nl_ask(nl, e, take_prog_id, &id);
	if (r)
		return r;
	*ret_prog_id = id;
	return 0;
}
