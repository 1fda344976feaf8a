/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and ending of sockdestroy.h. */
#include "datapath/sockdestroy.h"
#include "datapath/pins.h"
#include "lib/cleanup.h"
#include "lib/netns.h"

#include "sockdestroy.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

/* --- loading ---------------------------------------------------------------------------------- */

static void skel_destroyp(struct sockdestroy_bpf **skel)
{
	sockdestroy_bpf__destroy(*skel);
}

static void linkp(struct bpf_link **link)
{
	bpf_link__destroy(*link);
}

/* Opening the pin makes an iterator: in the namespace of whoever opens it (bpf_iter.rst). */
static int pin_iter(const char *bpf_root, struct bpf_program *prog, int map_fd, struct lnt_err *e)
{
	union bpf_iter_link_info info = {.map.map_fd = (__u32)map_fd};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info,
		.link_info_len = map_fd < 0 ? 0 : sizeof(info));
	const char *name = bpf_program__name(prog);
	_cleanup_(linkp) struct bpf_link *link = NULL;
	char path[PATH_MAX], tmp[PATH_MAX + 8];
	int r;

	link = bpf_program__attach_iter(prog, map_fd < 0 ? NULL : &opts);
	if (!link)
		return lnt_err_sys(e, -errno, "make iterator %s", name);
	r = lnt_pin_path(bpf_root, "iters", name, path);
	if (r)
		return lnt_err_sys(e, r, "pin path of %s", name);
	snprintf(tmp, sizeof(tmp), "%s_new", path);
	if (unlink(tmp) && errno != ENOENT)
		return lnt_err_sys(e, -errno, "unpin %s", tmp);
	r = bpf_link__pin(link, tmp);
	if (r)
		return lnt_err_sys(e, r, "pin %s", tmp);
	return rename(tmp, path) ? lnt_err_sys(e, -errno, "rename %s", tmp) : 0;
}

static int load(const char *bpf_root, int storage, bool with_end, struct lnt_err *e)
{
	_cleanup_(skel_destroyp) struct sockdestroy_bpf *skel = sockdestroy_bpf__open();
	char path[PATH_MAX];
	int r;

	if (!skel)
		return lnt_err_sys(e, -errno, "open the socket iterators");
	r = lnt_pin_path(bpf_root, "maps", "doomed", path);
	if (r || (r = bpf_map__set_pin_path(skel->maps.doomed, path)))
		return lnt_err_sys(e, r, "pin path of map doomed");
	bpf_program__set_autoload(skel->progs.sock_end_tcp, with_end);
	bpf_program__set_autoload(skel->progs.sock_end_udp, with_end);
	r = sockdestroy_bpf__load(skel);
	if (r)
		return lnt_err_sys(e, r, "load the socket iterators");
	r = pin_iter(bpf_root, skel->progs.sock_find, storage, e);
	if (!r && with_end)
		r = pin_iter(bpf_root, skel->progs.sock_end_tcp, -1, e);
	if (!r && with_end)
		r = pin_iter(bpf_root, skel->progs.sock_end_udp, -1, e);
	return r;
}

static int listen_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

int lnt_socks_load(const char *bpf_root, struct lnt_err *e)
{
	libbpf_print_fn_t print = libbpf_set_print(listen_libbpf);
	_cleanup_close_ int storage = -1;
	struct lnt_err without = {};
	char path[PATH_MAX];
	int r;

	r = lnt_pin_mkdirs(bpf_root);
	if (!r)
		r = lnt_pin_path(bpf_root, "maps", "sock_peer", path);
	if (r)
		return lnt_err_sys(e, r, "make folders below %s", bpf_root);
	storage = bpf_obj_get(path);
	if (storage < 0)
		return lnt_err_sys(e, storage, "open %s", path);
	/* Whether the kernel has bpf_sock_destroy() is found out by trying. */
	if (load(bpf_root, storage, true, &without))
		r = load(bpf_root, storage, false, e);
	libbpf_set_print(print);
	return r;
}

/* --- iterators -------------------------------------------------------------------------------- */

/* An iterator over what there is in the namespace @netns (-1: the current one). */
static int open_iter(const char *bpf_root, const char *name, int netns)
{
	_cleanup_netns_ int home = -1;
	char path[PATH_MAX];
	int fd, r;

	r = lnt_pin_path(bpf_root, "iters", name, path);
	if (!r && netns >= 0)
		r = lnt_netns_enter(netns, &home);
	if (r)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* read(2), again where an iterator asks for it: bpf_seq_read() gives up after a million objects. */
static ssize_t read_iter(int fd, void *buf, size_t size)
{
	ssize_t n;

	do
		n = read(fd, buf, size);
	while (n < 0 && (errno == EAGAIN || errno == EINTR));
	return n < 0 ? -errno : n;
}

int lnt_socks_list(
	const char *bpf_root, struct lnt_err *e, struct lnt_sock **ret_socks, size_t *ret_n)
{
	_cleanup_close_ int fd = open_iter(bpf_root, "sock_find", -1);
	_cleanup_free_ uint8_t *buf = NULL;
	size_t len = 0, room = 0;
	ssize_t n = 1;

	if (fd < 0)
		return lnt_err_sys(e, fd, "open the iterator over sockets");
	while (n > 0) {
		if (room - len < 16384) {
			void *grown = realloc(buf, room ? room * 2 : 32768);

			if (!grown)
				return lnt_err_sys(e, -ENOMEM, "list sockets");
			buf = grown;
			room = room ? room * 2 : 32768;
		}
		n = read_iter(fd, buf + len, room - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		return lnt_err_sys(e, (int)n, "list sockets");
	*ret_n = len / sizeof(struct lnt_sock);
	*ret_socks = (struct lnt_sock *)(void *)TAKE_PTR(buf);
	return 0;
}

/* --- ending by sock_diag(7) ------------------------------------------------------------------- */

static void diag_addr(__be32 ret[static 4], uint8_t family, const struct in6_addr *addr)
{
	if (family == AF_INET)
		memcpy(ret, &addr->s6_addr[12], 4);
	else
		memcpy(ret, addr, 16);
}

/* Asks for the end of one socket. 0, -ENOENT: no such socket, or -errno. */
static int diag_end(int nl, const struct lnt_sock *s)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 q;
	} req = {
		.h = {.nlmsg_len = sizeof(req),
			.nlmsg_type = SOCK_DESTROY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.q = {.sdiag_family = s->family,
			.sdiag_protocol = (uint8_t)s->proto,
			.idiag_states = ~0u,
			.id = {.idiag_sport = s->lport,
				.idiag_dport = s->rport,
				.idiag_if = s->ifindex,
				.idiag_cookie = {(uint32_t)s->cookie,
					(uint32_t)(s->cookie >> 32)}}},
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr err;
		struct nlmsghdr quoted;
		char more[256];
	} ack;
	ssize_t n;

	diag_addr(req.q.id.idiag_src, s->family, &s->laddr);
	diag_addr(req.q.id.idiag_dst, s->family, &s->raddr);
	if (send(nl, &req, sizeof(req), 0) < 0)
		return -errno;
	n = recv(nl, &ack, sizeof(ack), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(ack.h) + sizeof(ack.err) || ack.h.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return ack.err.error;
}

bool lnt_socks_has_diag(void)
{
	_cleanup_close_ int nl = lnt_netns_socket(-1, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET};
	struct lnt_sock s = {.family = AF_INET, .proto = IPPROTO_UDP};
	socklen_t len = sizeof(addr);

	s.cookie = ((uint64_t)INET_DIAG_NOCOOKIE << 32) | (uint32_t)INET_DIAG_NOCOOKIE;
	/* A socket of our own is the one thing that can be ended for a try. */
	if (nl < 0 || fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
		getsockname(fd, (struct sockaddr *)&addr, &len))
		return false;
	s.lport = addr.sin_port;
	return !diag_end(nl, &s);
}

/* Ends what it can of @socks and moves the others to the front; *@n becomes their number. */
static int diag_end_all(int netns, struct lnt_sock *socks, size_t *n)
{
	_cleanup_close_ int nl = lnt_netns_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	size_t left = 0;
	int first = 0;

	if (nl < 0)
		return nl;
	for (size_t i = 0; i < *n; i++) {
		int r = diag_end(nl, &socks[i]);

		if (!r)
			continue;
		socks[left++] = socks[i];
		first = first ? first : r;
	}
	*n = left;
	return first;
}

/* --- ending by BPF ---------------------------------------------------------------------------- */

bool lnt_socks_has_bpf(const char *bpf_root)
{
	char path[PATH_MAX];

	return !lnt_pin_path(bpf_root, "iters", "sock_end_tcp", path) && !access(path, F_OK);
}

static int run_iter(const char *bpf_root, const char *name, int netns)
{
	_cleanup_close_ int fd = open_iter(bpf_root, name, netns);
	char buf[64];
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = read_iter(fd, buf, sizeof(buf));
	while (n > 0);
	return (int)n;
}

static int bpf_end_all(const char *bpf_root, int netns, const struct lnt_sock *socks, size_t n)
{
	_cleanup_close_ int doomed = -1;
	bool tcp = false, udp = false;
	char path[PATH_MAX];
	int first, r;

	first = lnt_pin_path(bpf_root, "maps", "doomed", path);
	doomed = first ? -1 : bpf_obj_get(path);
	if (doomed < 0)
		return first ? first : doomed;
	for (size_t i = 0; i < n; i++) {
		const uint8_t yes = 1;

		r = bpf_map_update_elem(doomed, &socks[i].cookie, &yes, BPF_ANY);
		first = first ? first : r;
		tcp |= socks[i].proto == IPPROTO_TCP;
		udp |= socks[i].proto == IPPROTO_UDP;
	}
	r = tcp ? run_iter(bpf_root, "sock_end_tcp", netns) : 0;
	first = first ? first : r;
	r = udp ? run_iter(bpf_root, "sock_end_udp", netns) : 0;
	first = first ? first : r;
	for (size_t i = 0; i < n; i++)
		bpf_map_delete_elem(doomed, &socks[i].cookie);
	return first;
}

int lnt_socks_end(const char *bpf_root, enum lnt_socks_how how, int netns,
	const struct lnt_sock *socks, size_t n, struct lnt_err *e)
{
	_cleanup_free_ struct lnt_sock *left = calloc(n + 1, sizeof(*left));
	int r = -EOPNOTSUPP;

	if (!left)
		return lnt_err_sys(e, -ENOMEM, "end sockets");
	memcpy(left, socks, n * sizeof(*socks));
	if (how != LNT_SOCKS_BPF)
		r = diag_end_all(netns, left, &n);
	/* "No such socket" is also what a kernel says without the module for the protocol. */
	if (r && how != LNT_SOCKS_DIAG && (how == LNT_SOCKS_BPF || lnt_socks_has_bpf(bpf_root)))
		r = bpf_end_all(bpf_root, netns, left, n);
	if (!r || r == -ENOENT)
		return 0;
	return lnt_err_sys(e, r, "end %zu socket(s)", n);
}
