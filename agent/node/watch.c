/* SPDX-License-Identifier: Apache-2.0 */
/* An rtnetlink subscription whose messages are thrown away (watch.h). */
#include "agent/node/watch.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#define QUIET_MS 100

struct lnt_node_watch {
	uv_poll_t poll;
	uv_timer_t timer;
	int fd;
	int open_handles;
	void (*changed)(void *ctx);
	void *ctx;
};

static void fire(uv_timer_t *timer)
{
	struct lnt_node_watch *w = timer->data;

	w->changed(w->ctx);
}

static void readable(uv_poll_t *poll, int status, int events)
{
	struct lnt_node_watch *w = poll->data;
	char buf[8192];

	/* ENOBUFS is a change as well: something was said that did not fit. */
	while (recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		errno = 0;
	if (!uv_is_active((uv_handle_t *)&w->timer))
		uv_timer_start(&w->timer, fire, QUIET_MS, 0);
}

int lnt_node_watch_new(uv_loop_t *loop, void (*changed)(void *ctx), void *ctx, struct lnt_err *e,
	struct lnt_node_watch **ret_watch)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct lnt_node_watch *w;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return lnt_err_sys(e, -errno, "subscribe to rtnetlink");
	w = calloc(1, sizeof(*w));
	if (!w)
		return lnt_err_sys(e, -ENOMEM, "subscribe to rtnetlink");
	w->fd = TAKE_FD(fd);
	w->changed = changed;
	w->ctx = ctx;
	uv_poll_init(loop, &w->poll, w->fd);
	uv_timer_init(loop, &w->timer);
	w->poll.data = w->timer.data = w;
	w->open_handles = 2;
	uv_poll_start(&w->poll, UV_READABLE, readable);
	*ret_watch = w;
	return 0;
}

static void closed(uv_handle_t *h)
{
	struct lnt_node_watch *w = h->data;

	if (--w->open_handles)
		return;
	close(w->fd);
	free(w);
}

void lnt_node_watch_close(struct lnt_node_watch *w)
{
	if (!w)
		return;
	uv_close((uv_handle_t *)&w->poll, closed);
	uv_close((uv_handle_t *)&w->timer, closed);
}
