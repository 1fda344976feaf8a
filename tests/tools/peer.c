/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of a conversation, for the demo and the tests. The server says its name to whoever
 *asks, over TCP and UDP of both families, and over SCTP where the kernel has it; the client asks
 *once, until something changes, or for as long as it lives. One line of text each way.
 *
 *   peer serve NAME PORT...
 *   peer probe tcp|udp|udp-unconnected|sctp ADDR PORT [MS]
 *	prints "NAME CLIENT ADDR PORT": who answered, whom it saw, and from where the socket says
 *	the answer came. Exit 0; 1: refused; 2: no answer within MS (1000); 3: another error.
 *   peer until ok|blocked tcp|udp|sctp ADDR PORT [MS]
 *	asks until there is an answer, or none; prints the moment, in microseconds of the epoch.
 *	Exit 2: not within MS (10000).
 *   peer stream ADDR PORT
 *	keeps one TCP connection busy until SIGTERM, and the start of its standard output, a file,
 *	saying "answered N longest_ms N". Exit 1: the connection broke.
 */
#include "lib/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum result {
	ANSWERED = 0,
	REFUSED = 1,
	SILENT = 2,
	FAILED = 3
};

enum kind {
	KIND_LISTENER,
	KIND_UDP,
	KIND_CONNECTION
};

/* What epoll says of a socket of the server. */
struct event_id {
	uint32_t fd;
	uint32_t kind;
};

/* A question: to whom, how, and the answer. */
struct probe {
	int type;  /* SOCK_STREAM or SOCK_DGRAM */
	int proto; /* IPPROTO_SCTP, or 0 for the type's own */
	bool connected;
	struct sockaddr_storage to;
	socklen_t to_len;
	char answer[192];
	struct sockaddr_storage from;
};

static volatile sig_atomic_t stopped;

static void on_term(int sig)
{
	stopped = 1;
}

static int64_t now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* --- server ----------------------------------------------------------------------------------- */

static int listen_on(int ep, int type, int proto, uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct event_id id = {.kind = type == SOCK_STREAM ? KIND_LISTENER : KIND_UDP};
	struct epoll_event event = {.events = EPOLLIN};
	int one = 1, zero = 0;
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, proto);

	if (fd < 0)
		return proto && errno == EPROTONOSUPPORT ? 0 : -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		return -errno;
	if (type == SOCK_STREAM && listen(fd, 1024))
		return -errno;
	id.fd = (uint32_t)fd;
	memcpy(&event.data, &id, sizeof(id));
	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void accept_one(int ep, int listener)
{
	struct event_id id = {.kind = KIND_CONNECTION};
	struct epoll_event event = {.events = EPOLLIN};
	int one = 1;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	id.fd = (uint32_t)fd;
	memcpy(&event.data, &id, sizeof(id));
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
}

/* "NAME CLIENT\n", the client's address without the mapping of IPv4. */
static void answer_line(
	const char *name, const struct sockaddr_in6 *client, char ret_line[static 192])
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &client->sin6_addr, addr, sizeof(addr));
	snprintf(ret_line, 192, "%s %s\n", name,
		IN6_IS_ADDR_V4MAPPED(&client->sin6_addr) ? addr + strlen("::ffff:") : addr);
}

/* One answer for each line asked. */
static void answer_tcp(int fd, const char *name)
{
	struct sockaddr_in6 client = {0};
	socklen_t len = sizeof(client);
	char buf[4096], line[192];
	ssize_t n = read(fd, buf, sizeof(buf));

	getpeername(fd, (struct sockaddr *)&client, &len);
	answer_line(name, &client, line);
	if (n <= 0) {
		close(fd);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n' && send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
			break;
	}
}

/* The answer leaves from the address that was asked, which the control message says. */
static void answer_udp(int fd, const char *name)
{
	union {
		char buf[256];
		struct cmsghdr align;
	} control;
	struct sockaddr_in6 from;
	char buf[2048], line[192];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr msg = {.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c;

	if (recvmsg(fd, &msg, 0) < 0)
		return;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
	}
	answer_line(name, &from, line);
	iov.iov_base = line;
	iov.iov_len = strlen(line);
	sendmsg(fd, &msg, 0);
}

static int serve(const char *name, char **ports)
{
	_cleanup_close_ int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[64];
	int r = 0;

	for (; *ports && !r; ports++) {
		uint16_t port = (uint16_t)atoi(*ports);

		r = listen_on(ep, SOCK_STREAM, 0, port);
		if (!r)
			r = listen_on(ep, SOCK_DGRAM, 0, port);
		if (!r)
			r = listen_on(ep, SOCK_STREAM, IPPROTO_SCTP, port);
		if (r)
			fprintf(stderr, "peer: port %s: %s\n", *ports, strerror(-r));
	}
	while (!r && !stopped) {
		int n = epoll_wait(ep, events, ARRAY_SIZE(events), -1);

		for (int i = 0; i < n; i++) {
			struct event_id id;

			memcpy(&id, &events[i].data, sizeof(id));
			if (id.kind == KIND_LISTENER)
				accept_one(ep, (int)id.fd);
			else if (id.kind == KIND_UDP)
				answer_udp((int)id.fd, name);
			else
				answer_tcp((int)id.fd, name);
		}
	}
	return r ? FAILED : 0;
}

/* --- client ----------------------------------------------------------------------------------- */

static enum result failure(int err)
{
	if (err == ECONNREFUSED)
		return REFUSED;
	if (err == EINPROGRESS || err == EAGAIN || err == ETIMEDOUT)
		return SILENT;
	errno = err;
	return FAILED;
}

/* Waits until @fd is ready or @end has come. Returns 0, or the socket's error, or ETIMEDOUT. */
static int wait_ready(int fd, short events, int64_t end)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left = (end - now_us(CLOCK_MONOTONIC) + 999) / 1000;
	int err = 0;
	socklen_t len = sizeof(err);

	if (left <= 0 || poll(&p, 1, (int)left) == 0)
		return ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

static int connect_by(int fd, const struct probe *p, int64_t end)
{
	if (!connect(fd, (const struct sockaddr *)&p->to, p->to_len))
		return 0;
	return errno == EINPROGRESS ? wait_ready(fd, POLLOUT, end) : errno;
}

static int ask(int fd, const struct probe *p)
{
	const struct sockaddr *to = p->connected ? NULL : (const struct sockaddr *)&p->to;

	return sendto(fd, "?\n", 2, MSG_NOSIGNAL, to, p->connected ? 0 : p->to_len) < 0 ? errno : 0;
}

static int hear(int fd, struct probe *p, int64_t end)
{
	socklen_t len = sizeof(p->from);
	int err = wait_ready(fd, POLLIN, end);
	ssize_t n;

	if (err)
		return err;
	n = recvfrom(fd, p->answer, sizeof(p->answer) - 1, 0,
		p->connected ? NULL : (struct sockaddr *)&p->from, p->connected ? NULL : &len);
	if (n < 0)
		return errno;
	if (n == 0)
		return ECONNRESET;
	p->answer[n] = '\0';
	p->answer[strcspn(p->answer, "\n")] = '\0';
	if (p->connected && getpeername(fd, (struct sockaddr *)&p->from, &len))
		return errno;
	return 0;
}

static enum result probe_once(struct probe *p, long ms)
{
	int64_t end = now_us(CLOCK_MONOTONIC) + ms * 1000;
	_cleanup_close_ int fd =
		socket(p->to.ss_family, p->type | SOCK_CLOEXEC | SOCK_NONBLOCK, p->proto);
	int err = 0;

	if (fd < 0)
		return failure(errno);
	if (p->connected)
		err = connect_by(fd, p, end);
	if (!err)
		err = ask(fd, p);
	if (!err)
		err = hear(fd, p, end);
	return err ? failure(err) : ANSWERED;
}

static int probe(struct probe *p, long ms)
{
	char addr[INET6_ADDRSTRLEN];
	enum result r = probe_once(p, ms);
	bool v4 = p->from.ss_family == AF_INET;
	const struct sockaddr_in *in = (struct sockaddr_in *)&p->from;
	const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&p->from;

	if (r == FAILED)
		fprintf(stderr, "peer: %s\n", strerror(errno));
	if (r != ANSWERED)
		return r;
	inet_ntop(p->from.ss_family, v4 ? (void *)&in->sin_addr : (void *)&in6->sin6_addr, addr,
		sizeof(addr));
	printf("%s %s %u\n", p->answer, addr, ntohs(v4 ? in->sin_port : in6->sin6_port));
	return ANSWERED;
}

/* A block counts from the start of the first of two questions that stay without an answer. */
static int until(bool want_ok, struct probe *p, long ms)
{
	int64_t end = now_us(CLOCK_MONOTONIC) + ms * 1000;
	int64_t first = 0;

	while (now_us(CLOCK_MONOTONIC) < end) {
		int64_t start = now_us(CLOCK_REALTIME);
		bool ok = probe_once(p, 200) == ANSWERED;

		if (ok && want_ok) {
			printf("%lld\n", (long long)now_us(CLOCK_REALTIME));
			return ANSWERED;
		}
		if (!ok && !want_ok && first) {
			printf("%lld\n", (long long)first);
			return ANSWERED;
		}
		first = ok ? 0 : start;
		pause_us(1000);
	}
	return SILENT;
}

static int stream(struct probe *p)
{
	int64_t longest = 0;
	unsigned long answered = 0;
	int one = 1;
	_cleanup_close_ int fd = socket(p->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&p->to, p->to_len)) {
		perror("peer: connect");
		return 1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A file opened for appending takes no notice of where one writes. */
	fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) & ~O_APPEND);
	while (!stopped) {
		int64_t start = now_us(CLOCK_MONOTONIC), took;
		char line[64];
		int n;

		if (ask(fd, p) || hear(fd, p, start + INT64_C(60000000))) {
			if (stopped)
				break;
			fprintf(stderr, "peer: the connection broke\n");
			return 1;
		}
		took = now_us(CLOCK_MONOTONIC) - start;
		longest = took > longest ? took : longest;
		n = snprintf(line, sizeof(line), "answered %lu longest_ms %lld\n", ++answered,
			(long long)(longest / 1000));
		if (pwrite(STDOUT_FILENO, line, (size_t)n, 0) < 0)
			return 1;
		pause_us(5000);
	}
	return 0;
}

/* --- command line ----------------------------------------------------------------------------- */

static int parse_target(const char *proto, const char *addr, const char *port, struct probe *ret_p)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret_p->to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret_p->to;

	memset(ret_p, 0, sizeof(*ret_p));
	ret_p->type = strncmp(proto, "udp", 3) ? SOCK_STREAM : SOCK_DGRAM;
	ret_p->proto = strcmp(proto, "sctp") ? 0 : IPPROTO_SCTP;
	ret_p->connected = strcmp(proto, "udp-unconnected") != 0;
	if (inet_pton(AF_INET, addr, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		ret_p->to_len = sizeof(*in);
	} else if (inet_pton(AF_INET6, addr, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)atoi(port));
		ret_p->to_len = sizeof(*in6);
	} else {
		fprintf(stderr, "peer: %s is no address\n", addr);
		return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction term = {.sa_handler = on_term};
	struct probe p;

	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGINT, &term, NULL);
	if (argc >= 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv + 3);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "probe")) {
		if (parse_target(argv[2], argv[3], argv[4], &p))
			return FAILED;
		return probe(&p, argc == 6 ? atol(argv[5]) : 1000);
	}
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "until")) {
		if (parse_target(argv[3], argv[4], argv[5], &p))
			return FAILED;
		return until(!strcmp(argv[2], "ok"), &p, argc == 7 ? atol(argv[6]) : 10000);
	}
	if (argc == 4 && !strcmp(argv[1], "stream")) {
		if (parse_target("tcp", argv[2], argv[3], &p))
			return FAILED;
		return stream(&p);
	}
	fprintf(stderr, "usage: peer serve|probe|until|stream ..., see tests/tools/peer.c\n");
	return FAILED;
}
