/* SPDX-License-Identifier: Apache-2.0 */
/* The child of child.h: its result comes back through a pipe. */
#include "lib/child.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

int lnt_child_run(int (*fn)(void *arg, struct lnt_err *e), void *arg, struct lnt_err *e)
{
	struct lnt_err result = {};
	int pipefd[2], status;
	pid_t pid;
	ssize_t n;

	if (pipe2(pipefd, O_CLOEXEC))
		return lnt_err_sys(e, -errno, "pipe");
	pid = fork();
	if (pid < 0) {
		close(pipefd[0]);
		close(pipefd[1]);
		return lnt_err_sys(e, -errno, "fork");
	}
	if (!pid) {
		fn(arg, &result);
		n = write(pipefd[1], &result, sizeof(result));
		_exit(n != sizeof(result));
	}
	close(pipefd[1]);
	n = read(pipefd[0], &result, sizeof(result));
	close(pipefd[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(result))
		return lnt_err_set(e, -EIO, "the child process died");
	return result.err ? lnt_err_set(e, result.err, "%s", result.msg) : 0;
}
