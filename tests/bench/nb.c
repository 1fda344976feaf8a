/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nb: one network measurement per call.
 *
 * A server and a client, each a process in a network namespace given by path and both on one CPU,
 * talk for a fixed time or a fixed number of transactions, and one JSON object on stdout says what
 * was seen.
 *
 * One CPU, because then a packet's whole path runs inline in the sender's softirq and a round trip
 * is the CPU cost of that path, plus two task switches. With two CPUs that sleep, a round trip is
 * mostly the wake-up interrupt, and a datapath twice as expensive looks the same.
 *
 * Modes:
 *   rr       one TCP connection, `size` bytes there and back
 *   crr      a TCP connection per transaction: connect, a byte there and back, close
 *   urr      rr over UDP; a lost datagram is counted and sent again
 *   connect  connect() alone is timed
 *   stream   one TCP connection, one way, bits per second of CPU time
 *
 * Exit status: 0 measured, 1 could not be measured, 3 the peer did not answer (so that a caller can
 * tell a policy's denial from a mistake).
 */
#include "lib/cleanup.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NSEC		  1000000000ULL
#define MSEC		  1000000ULL
#define MAX_SAMPLES	  (1U << 20)
#define MAX_SIZE	  (1U << 20)
#define EXIT_NO_ANSWER	  3
#define UDP_RESEND_USEC	  50000
#define ALARM_REPEAT_USEC 50000

/* What main() was told. Times are in milliseconds; count 0 means until the time is over. */
struct opts {
	const struct mode *mode;
	const char *server_ns, *client_ns;
	const char *server_cgroup, *client_cgroup;
	const char *target;
	struct sockaddr_storage addr;
	socklen_t addrlen;
	uint16_t port, listen_port;
	int cpu;
	unsigned int time_ms, warmup_ms, timeout_ms;
	unsigned int count;
	size_t size;
};

/* Durations in nanoseconds. A run ends early when the array is full. */
struct samples {
	uint32_t *ns;
	size_t n;
};

/* The client's side of a run. */
struct run {
	const struct opts *o;
	pid_t server;
	int fd;
	int ksoftirqd;
	char *buf;
	uint64_t bytes, lost;
	uint64_t elapsed_ns, cpu_ns;
	struct samples total, connect;
};

/*
 * serve() runs in the server until it is killed or the client is done; fd listens, or is a bound
 * UDP socket. step() is one transaction of the client: it gives the whole transaction's duration
 * and, where one is set up, the connection's.
 */
struct mode {
	const char *name;
	int type;
	bool persistent;
	size_t size;
	int (*serve)(const struct opts *o, int fd, char *buf);
	int (*step)(struct run *r, uint64_t *ret_total, uint64_t *ret_connect);
};

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void free_run(struct run *r)
{
	if (r->server > 0) {
		kill(r->server, SIGKILL);
		waitpid(r->server, NULL, 0);
	}
	lnt_closep(&r->fd);
	lnt_closep(&r->ksoftirqd);
	free(r->buf);
	free(r->total.ns);
	free(r->connect.ns);
}

static int fail(const char *what, const char *arg, int err)
{
	fprintf(stderr, "nb: %s %s: %s\n", what, arg, strerror(-err));
	return err;
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts = {0};

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Socket hooks go by the cgroup a socket was created in, so this comes before any socket(). */
static int enter_cgroup(const char *dir)
{
	char path[4096];
	_cleanup_close_ int fd = -1;

	if (!dir)
		return 0;
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return fail("join", path, -errno);
	return 0;
}

static int enter(const char *netns, const char *cgroup)
{
	_cleanup_close_ int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return fail("enter", netns, -errno);
	return enter_cgroup(cgroup);
}

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

static int new_socket(const struct opts *o)
{
	int fd = socket(o->addr.ss_family, o->mode->type | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int connect_target(const struct opts *o, int fd)
{
	return connect(fd, (const struct sockaddr *)&o->addr, o->addrlen) < 0 ? -errno : 0;
}

/* 0 when n bytes were read, -ECONNRESET at the end of the stream. */
static int read_all(int fd, char *buf, size_t n)
{
	while (n) {
		ssize_t got = read(fd, buf, n);

		if (got < 0)
			return -errno;
		if (!got)
			return -ECONNRESET;
		buf += got;
		n -= (size_t)got;
	}
	return 0;
}

static int write_all(int fd, const char *buf, size_t n)
{
	while (n) {
		ssize_t put = write(fd, buf, n);

		if (put < 0)
			return -errno;
		buf += put;
		n -= (size_t)put;
	}
	return 0;
}

static int serve_rr(const struct opts *o, int lfd, char *buf)
{
	_cleanup_close_ int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (!read_all(fd, buf, o->size)) {
		if (write_all(fd, buf, o->size))
			break;
	}
	return 0;
}

static int serve_crr(const struct opts *o, int lfd, char *buf)
{
	(void)o;
	while (1) {
		_cleanup_close_ int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return -errno;
		if (!read_all(fd, buf, 1))
			write_all(fd, buf, 1);
	}
}

/* Answers to where the datagram says it came from, as a server of many clients does. */
static int serve_urr(const struct opts *o, int fd, char *buf)
{
	struct sockaddr_storage peer;

	(void)o;
	while (1) {
		socklen_t len = sizeof(peer);
		ssize_t n = recvfrom(fd, buf, MAX_SIZE, 0, (struct sockaddr *)&peer, &len);

		if (n < 0)
			return -errno;
		sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&peer, len);
	}
}

/* The reset is what ends the client's wait, and it leaves no TIME_WAIT. Children inherit it. */
static int serve_connect(const struct opts *o, int lfd, char *buf)
{
	struct linger reset = {.l_onoff = 1};

	(void)o;
	(void)buf;
	setsockopt(lfd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	while (1) {
		_cleanup_close_ int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return -errno;
	}
}

static int serve_stream(const struct opts *o, int lfd, char *buf)
{
	_cleanup_close_ int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (read(fd, buf, o->size) > 0)
		;
	return 0;
}

static int step_rr(struct run *r, uint64_t *ret_total, uint64_t *ret_connect)
{
	uint64_t t0 = now_ns();
	int err = write_all(r->fd, r->buf, r->o->size);

	(void)ret_connect;
	if (!err)
		err = read_all(r->fd, r->buf, r->o->size);
	*ret_total = now_ns() - t0;
	return err;
}

static int step_urr(struct run *r, uint64_t *ret_total, uint64_t *ret_connect)
{
	uint64_t t0 = now_ns();
	ssize_t n;

	(void)ret_connect;
	do {
		if (send(r->fd, r->buf, r->o->size, 0) < 0)
			return -errno;
		n = recv(r->fd, r->buf, MAX_SIZE, 0);
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0)
			r->lost++;
	} while (n < 0);
	*ret_total = now_ns() - t0;
	return 0;
}

/* connect() alone is timed; a close of this socket is a reset. */
static int connect_timed(const struct opts *o, int fd, uint64_t *ret_ns)
{
	struct linger reset = {.l_onoff = 1};
	uint64_t t0;
	int err;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	t0 = now_ns();
	err = connect_target(o, fd);
	*ret_ns = now_ns() - t0;
	return err;
}

/*
 * The server closes first, as one without keep-alive does, and the client resets what is left. An
 * orderly close would leave a TIME_WAIT per transaction, and half a million of them make every
 * socket look-up of the machine slower as a benchmark goes on.
 */
static int step_crr(struct run *r, uint64_t *ret_total, uint64_t *ret_connect)
{
	uint64_t t0 = now_ns();
	int err;

	{
		_cleanup_close_ int fd = new_socket(r->o);

		if (fd < 0)
			return fd;
		err = connect_timed(r->o, fd, ret_connect);
		if (!err)
			err = write_all(fd, r->buf, 1);
		if (!err)
			err = read_all(fd, r->buf, 1);
		if (err)
			return err;
		if (read(fd, r->buf, 1) < 0)
			return -errno;
	}
	*ret_total = now_ns() - t0;
	return 0;
}

static int step_connect(struct run *r, uint64_t *ret_total, uint64_t *ret_connect)
{
	_cleanup_close_ int fd = new_socket(r->o);
	int err;

	if (fd < 0)
		return fd;
	err = connect_timed(r->o, fd, ret_connect);
	*ret_total = *ret_connect;
	if (err)
		return err;
	/* Not timed: without the wait for the server its queue of connections overflows. */
	if (read(fd, r->buf, 1) < 0 && errno != ECONNRESET)
		return -errno;
	return 0;
}

static int step_stream(struct run *r, uint64_t *ret_total, uint64_t *ret_connect)
{
	uint64_t t0 = now_ns();
	int err = write_all(r->fd, r->buf, r->o->size);

	(void)ret_connect;
	r->bytes += r->o->size;
	*ret_total = now_ns() - t0;
	return err;
}

static const struct mode modes[] = {
	{"rr", SOCK_STREAM, true, 1, serve_rr, step_rr},
	{"crr", SOCK_STREAM, false, 1, serve_crr, step_crr},
	{"urr", SOCK_DGRAM, true, 1, serve_urr, step_urr},
	{"connect", SOCK_STREAM, false, 1, serve_connect, step_connect},
	{"stream", SOCK_STREAM, true, 128 << 10, serve_stream, step_stream},
};

static int listen_any(const struct opts *o)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(o->listen_port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(o->listen_port)};
	bool v6 = o->addr.ss_family == AF_INET6;
	const struct sockaddr *addr = v6 ? (struct sockaddr *)&sin6 : (struct sockaddr *)&sin;
	socklen_t len = v6 ? sizeof(sin6) : sizeof(sin);
	int fd, err, one = 1;

	fd = new_socket(o);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, addr, len) && (o->mode->type == SOCK_DGRAM || !listen(fd, 128)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* The child. `ready` gets one byte when clients may come; its end without one means failure. */
static int server_main(const struct opts *o, int ready)
{
	_cleanup_free_ char *buf = calloc(1, MAX_SIZE);
	_cleanup_close_ int fd = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!buf || enter(o->server_ns, o->server_cgroup))
		return EXIT_FAILURE;
	fd = listen_any(o);
	if (fd < 0) {
		fail("listen in", o->server_ns, fd);
		return EXIT_FAILURE;
	}
	if (write(ready, "", 1) != 1)
		return EXIT_FAILURE;
	return o->mode->serve(o, fd, buf) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The caller owns the process: it has to kill it and wait for it, also after a failure. */
static int start_server(const struct opts *o, pid_t *ret_pid)
{
	_cleanup_close_ int rd = -1, wr = -1;
	int pipefd[2];
	char c;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return fail("make", "a pipe", -errno);
	rd = pipefd[0];
	wr = pipefd[1];
	*ret_pid = fork();
	if (*ret_pid < 0)
		return fail("start", "the server", -errno);
	if (!*ret_pid)
		_exit(server_main(o, wr));
	close(TAKE_FD(wr));
	return read(rd, &c, 1) == 1 ? 0 : -EPIPE;
}

/* Opens the connection that lasts as long as the run, where the mode has one. */
static int open_connection(struct run *r)
{
	struct timeval resend = {.tv_usec = UDP_RESEND_USEC};
	int err, one = 1;

	if (!r->o->mode->persistent)
		return 0;
	r->fd = new_socket(r->o);
	if (r->fd < 0)
		return r->fd;
	err = connect_target(r->o, r->fd);
	if (err)
		return err;
	if (r->o->mode->type == SOCK_DGRAM)
		setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &resend, sizeof(resend));
	else
		setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return 0;
}

/* Packets that softirq hands to its thread are part of the path's cost. -1 where there is none. */
static int open_ksoftirqd(int cpu)
{
	_cleanup_(close_dir) DIR *proc = opendir("/proc");
	char want[32], path[300];
	const struct dirent *e;

	snprintf(want, sizeof(want), "ksoftirqd/%d\n", cpu);
	while (proc && (e = readdir(proc))) {
		_cleanup_fclose_ FILE *f = NULL;
		char comm[32] = "";

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (!f || !fgets(comm, sizeof(comm), f) || strcmp(comm, want))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/schedstat", e->d_name);
		return open(path, O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

/* CPU time of the client, the server and the CPU's softirq thread. */
static uint64_t cpu_time_ns(const struct run *r)
{
	uint64_t ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	char text[64] = "";
	clockid_t server;

	if (!clock_getcpuclockid(r->server, &server))
		ns += clock_ns(server);
	if (r->ksoftirqd >= 0 && pread(r->ksoftirqd, text, sizeof(text) - 1, 0) > 0)
		ns += strtoull(text, NULL, 10);
	return ns;
}

static void record(struct samples *s, uint64_t ns)
{
	s->ns[s->n++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

/* What comes before `warm` is done and forgotten. */
static int transact(struct run *r)
{
	const struct opts *o = r->o;
	uint64_t warm = now_ns() + o->warmup_ms * MSEC, start, cpu, bytes;
	uint64_t total = 0, conn = 0;
	int err = 0;

	while (!err && now_ns() < warm)
		err = o->mode->step(r, &total, &conn);
	bytes = r->bytes;
	cpu = cpu_time_ns(r);
	start = now_ns();
	while (!err && r->total.n < MAX_SAMPLES) {
		err = o->mode->step(r, &total, &conn);
		if (err)
			break;
		record(&r->total, total);
		if (conn)
			record(&r->connect, conn);
		if (o->count ? r->total.n >= o->count : now_ns() - start >= o->time_ms * MSEC)
			break;
	}
	r->elapsed_ns = now_ns() - start;
	r->cpu_ns = cpu_time_ns(r) - cpu;
	r->bytes -= bytes;
	return err;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double sorted_us(const struct samples *s, size_t at)
{
	return s->ns[at] / 1e3;
}

static void print_samples(const char *name, struct samples *s)
{
	double sum = 0;

	if (!s->n)
		return;
	qsort(s->ns, s->n, sizeof(*s->ns), by_value);
	for (size_t i = 0; i < s->n; i++)
		sum += s->ns[i];
	printf(",\"%s\":{\"min\":%.3f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"mean\":%.3f}", name,
		sorted_us(s, 0), sorted_us(s, s->n / 2), sorted_us(s, s->n * 9 / 10),
		sorted_us(s, s->n * 99 / 100), sum / (double)s->n / 1e3);
}

static void print_run(struct run *r)
{
	double cpu = (double)r->cpu_ns / 1e9;

	printf("{\"mode\":\"%s\",\"count\":%zu,\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"lost\":%llu",
		r->o->mode->name, r->total.n, (double)r->elapsed_ns / 1e9, cpu,
		(unsigned long long)r->lost);
	if (r->bytes)
		printf(",\"gbit_per_cpu_s\":%.4f", cpu > 0 ? (double)r->bytes * 8 / 1e9 / cpu : 0);
	print_samples("us", &r->total);
	print_samples("connect_us", &r->connect);
	printf("}\n");
}

static volatile sig_atomic_t timed_out;

static void on_alarm(int sig)
{
	(void)sig;
	timed_out = 1;
}

/*
 * A call that hangs is ended by a signal (EINTR), which costs the measured calls nothing. The
 * signal repeats, as the first may come between two calls.
 */
static void set_timeout(const struct opts *o)
{
	uint64_t ms = (uint64_t)o->warmup_ms + o->time_ms + o->timeout_ms;
	struct sigaction act = {.sa_handler = on_alarm};
	struct itimerval timer = {
		.it_value = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000},
		.it_interval = {.tv_usec = ALARM_REPEAT_USEC},
	};

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static int open_run(struct run *r)
{
	if (!r->buf || !r->total.ns || !r->connect.ns)
		return fail("get", "memory", -ENOMEM);
	if (start_server(r->o, &r->server))
		return -EIO;
	return enter(r->o->client_ns, r->o->client_cgroup);
}

static int measure(const struct opts *o)
{
	_cleanup_(free_run) struct run r = {
		.o = o,
		.fd = -1,
		.ksoftirqd = open_ksoftirqd(o->cpu),
		.buf = calloc(1, MAX_SIZE),
		.total.ns = calloc(MAX_SAMPLES, sizeof(uint32_t)),
		.connect.ns = calloc(MAX_SAMPLES, sizeof(uint32_t)),
	};
	int err;

	if (open_run(&r))
		return EXIT_FAILURE;
	set_timeout(o);
	err = open_connection(&r);
	if (!err)
		err = transact(&r);
	if (err) {
		fprintf(stderr, "nb: %s to %s port %u: %s\n", o->mode->name, o->target, o->port,
			timed_out ? "no answer in time" : strerror(-err));
		return EXIT_NO_ANSWER;
	}
	print_run(&r);
	return EXIT_SUCCESS;
}

static int usage(void)
{
	fputs("usage: nb --mode rr|crr|urr|connect|stream --server-ns PATH --client-ns PATH\n"
	      "          --target ADDRESS --port PORT [--listen-port PORT] [--cpu N]\n"
	      "          [--time MS | --count N] [--warmup MS] [--timeout MS] [--size BYTES]\n"
	      "          [--server-cgroup DIR] [--client-cgroup DIR]\n",
		stderr);
	return EXIT_FAILURE;
}

static int set_target(struct opts *o)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&o->addr;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&o->addr;

	if (inet_pton(AF_INET, o->target, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(o->port);
		o->addrlen = sizeof(*sin);
		return 0;
	}
	if (inet_pton(AF_INET6, o->target, &sin6->sin6_addr) == 1) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(o->port);
		o->addrlen = sizeof(*sin6);
		return 0;
	}
	return -EINVAL;
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	}
	return NULL;
}

static int set_number(const char *arg, unsigned long max, unsigned long *ret_n)
{
	char *end;

	errno = 0;
	*ret_n = strtoul(arg, &end, 10);
	return errno || end == arg || *end || *ret_n > max ? -EINVAL : 0;
}

static int set_opt(struct opts *o, int key, const char *arg)
{
	unsigned long n = 0;

	switch (key) {
	case 'm':
		o->mode = find_mode(arg);
		return o->mode ? 0 : -EINVAL;
	case 's':
		o->server_ns = arg;
		return 0;
	case 'c':
		o->client_ns = arg;
		return 0;
	case 'S':
		o->server_cgroup = arg;
		return 0;
	case 'C':
		o->client_cgroup = arg;
		return 0;
	case 't':
		o->target = arg;
		return 0;
	}
	if (set_number(arg, key == 'p' || key == 'l' ? UINT16_MAX : MAX_SIZE, &n))
		return -EINVAL;
	switch (key) {
	case 'p':
		o->port = (uint16_t)n;
		return 0;
	case 'l':
		o->listen_port = (uint16_t)n;
		return 0;
	case 'u':
		o->cpu = (int)n;
		return 0;
	case 'T':
		o->time_ms = (unsigned int)n;
		return 0;
	case 'n':
		o->count = (unsigned int)n;
		return 0;
	case 'w':
		o->warmup_ms = (unsigned int)n;
		return 0;
	case 'o':
		o->timeout_ms = (unsigned int)n;
		return 0;
	case 'z':
		o->size = n;
		return 0;
	}
	return -EINVAL;
}

static int parse(struct opts *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"mode", 1, NULL, 'm'},
		{"server-ns", 1, NULL, 's'},
		{"client-ns", 1, NULL, 'c'},
		{"server-cgroup", 1, NULL, 'S'},
		{"client-cgroup", 1, NULL, 'C'},
		{"target", 1, NULL, 't'},
		{"port", 1, NULL, 'p'},
		{"listen-port", 1, NULL, 'l'},
		{"cpu", 1, NULL, 'u'},
		{"time", 1, NULL, 'T'},
		{"count", 1, NULL, 'n'},
		{"warmup", 1, NULL, 'w'},
		{"timeout", 1, NULL, 'o'},
		{"size", 1, NULL, 'z'},
		{0},
	};
	int key;

	while ((key = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (set_opt(o, key, optarg ? optarg : ""))
			return -EINVAL;
	}
	if (optind != argc || !o->mode || !o->server_ns || !o->client_ns || !o->target || !o->port)
		return -EINVAL;
	if (!o->listen_port)
		o->listen_port = o->port;
	if (!o->size)
		o->size = o->mode->size;
	return set_target(o);
}

int main(int argc, char **argv)
{
	struct opts o = {.time_ms = 300, .warmup_ms = 30, .timeout_ms = 2000};
	int err;

	if (parse(&o, argc, argv))
		return usage();
	signal(SIGPIPE, SIG_IGN);
	err = pin(o.cpu);
	if (err) {
		fprintf(stderr, "nb: pin to CPU %d: %s\n", o.cpu, strerror(-err));
		return EXIT_FAILURE;
	}
	return measure(&o);
}
