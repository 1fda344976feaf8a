/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of modes of xdp.h. */
#define LNT_LOG "xdp"
#include "agent/node/xdp.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void lnt_xdp_note(struct lnt_xdp *x, const struct lnt_service_change *changes, size_t n)
{
	for (size_t i = 0; i < n && !x->wanted; i++) {
		const struct lnt_frontend *f = changes[i].want;

		/* With a Local policy nothing leaves the node again. */
		if (!f || !(f->flags & LNT_SVC_EXTERNAL) || f->flags & LNT_SVC_LOCAL)
			continue;
		x->wanted = true;
		x->done = false;
	}
}

__attribute__((format(printf, 2, 3))) static void off(
	struct lnt_xdp_device *d, const char *fmt, ...)
{
	va_list ap;

	d->mode = LNT_XDP_OFF;
	va_start(ap, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
}

static bool is_kind(const struct lnt_link *link, const char *kind)
{
	return !strcmp(link->kind, kind);
}

/* VLAN devices on top: a card may take their tags off before XDP sees the packets. */
static bool has_vlans(struct lnt_nl *nl, uint32_t ifindex)
{
	_cleanup_free_ struct lnt_link *links = NULL;
	size_t n = 0;

	if (lnt_link_dump(nl, NULL, &links, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (is_kind(&links[i], "vlan") && links[i].peer_ifindex == ifindex)
			return true;
	return false;
}

/* Whether the device is to run XDP at all; if not, why not is in @d. */
static bool is_for(const struct lnt_xdp *x, struct lnt_nl *nl, const struct lnt_options *opt,
	const struct lnt_link *link, struct lnt_xdp_device *d)
{
	if (opt->xdp == LNT_OPT_XDP_OFF) {
		off(d, "--xdp off");
		return false;
	}
	if (opt->xdp != LNT_OPT_XDP_AUTO)
		return true;
	if (!x->wanted)
		off(d, "no service for clients from outside has needed it");
	else if (is_kind(link, "veth"))
		off(d, "a veth copies packets for it; --xdp native has it all the same");
	else if (has_vlans(nl, link->ifindex))
		off(d, "VLAN devices are on it; --xdp native has it all the same");
	else
		return true;
	return false;
}

/*
 * What a veth is told to send from XDP reaches the other side if that polls, and is lost if not. A
 * driver of a card sends always.
 */
static bool is_lost(const struct lnt_link *link)
{
	bool known, sends = lnt_xdp_sends(link->ifindex, &known);

	return is_kind(link, "veth") && known && !sends;
}

static void attach(
	const struct lnt_options *opt, const struct lnt_link *link, struct lnt_xdp_device *d)
{
	enum lnt_xdp_mode mode = opt->xdp == LNT_OPT_XDP_GENERIC ? LNT_XDP_GENERIC : LNT_XDP_NATIVE;
	struct lnt_err e = {};
	int r;

	if (mode == LNT_XDP_NATIVE && is_lost(link)) {
		off(d, "the other side of this veth does not poll: turn its GRO on");
		return;
	}
	r = lnt_xdp_attach(opt->bpf_root, link->name, link->ifindex, mode, &e);
	if (r == -EOPNOTSUPP)
		off(d, "its driver has none");
	else if (r)
		off(d, "%s", e.msg);
	else
		d->mode = mode;
}

static int apply_one(const struct lnt_xdp *x, struct lnt_nl *nl, const struct lnt_options *opt,
	const struct lnt_link *link, struct lnt_err *e, struct lnt_xdp_device *d)
{
	bool known, out;
	int r;

	snprintf(d->name, sizeof(d->name), "%s", link->name);
	if (is_for(x, nl, opt, link, d))
		attach(opt, link, d);
	r = d->mode == LNT_XDP_OFF ? lnt_xdp_detach(opt->bpf_root, link->name, e) : 0;
	out = d->mode != LNT_XDP_OFF && lnt_xdp_sends(link->ifindex, &known);
	return r ? r : lnt_xdp_out_set(opt->bpf_root, link->ifindex, out, e);
}

/* Once, and again when it has changed. What was asked for by name and cannot be is a warning. */
static void say(
	const struct lnt_xdp *x, const struct lnt_options *opt, const struct lnt_xdp_device *d)
{
	bool asked = opt->xdp == LNT_OPT_XDP_NATIVE || opt->xdp == LNT_OPT_XDP_GENERIC;

	for (size_t i = 0; i < x->n; i++)
		if (!strcmp(x->devices[i].name, d->name) && x->devices[i].mode == d->mode &&
			!strcmp(x->devices[i].why, d->why))
			return;
	if (d->mode != LNT_XDP_OFF)
		log_info("%s: XDP %s", d->name, lnt_xdp_mode_name(d->mode));
	else if (asked)
		log_warn("%s: no XDP: %s", d->name, d->why);
	else
		log_info("%s: no XDP: %s", d->name, d->why);
}

static bool is_device(const void *ctx, const char *ifname)
{
	const struct lnt_node_devices *devices = ctx;

	for (size_t i = 0; i < devices->n; i++)
		if (!strcmp(devices->links[i].name, ifname))
			return true;
	return false;
}

int lnt_xdp_apply(struct lnt_xdp *x, struct lnt_nl *nl, const struct lnt_options *opt,
	const struct lnt_node_devices *devices, struct lnt_err *e)
{
	struct lnt_xdp next = {.wanted = x->wanted, .n = devices->n};
	int first, r;

	if (x->done)
		return 0;
	first = lnt_xdp_detach_others(opt->bpf_root, is_device, devices, e);
	for (size_t i = 0; i < devices->n; i++) {
		r = apply_one(x, nl, opt, &devices->links[i], e, &next.devices[i]);
		first = first ? first : r;
		say(x, opt, &next.devices[i]);
	}
	next.done = !first;
	*x = next;
	return first;
}
