/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stop.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

/* Signals closer together than this are one: timeout(1) sends two, to its child and to the child's group. */
#define SAME_SIGNAL_NS 200000000

static volatile sig_atomic_t stop;

/* For the handler. */
static struct {
	volatile sig_atomic_t last;	/* the signal that made the tool end; 0: none */
	uint64_t at_ns;			/* CLOCK_MONOTONIC */
	int sink[3];			/* descriptors whose readers may stand still */
	int n;
} ending;

static void on_signal(int number)
{
	uint64_t now_ns = clock_now_ns();
	int err = errno;

	if (stop && now_ns - ending.at_ns < SAME_SIGNAL_NS)
		return;
	ending.at_ns = now_ns;
	stop++;
	if (stop == 2) {
		int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

		ending.last = number;
		for (int i = 0; i < ending.n && nowhere >= 0; i++)
			dup2(nowhere, ending.sink[i]);
	} else if (stop > 2) {
		signal(number, SIG_DFL);
		raise(number);
	}
	errno = err;
}

static volatile sig_atomic_t hangups;

/* The terminal is gone if there is none any more: a shell that lost its terminal sends SIGHUP too. */
static void on_hangup_of_terminal(int number)
{
	int err = errno, terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (terminal >= 0) {
		close(terminal);
		hangups++;
	} else {
		on_signal(number);
	}
	errno = err;
}

static void on_hangup(int number)
{
	(void)number;
	hangups++;
}

const volatile sig_atomic_t *stop_not_by_hangup(void)
{
	struct sigaction action = { .sa_handler = on_hangup, .sa_flags = SA_RESTART }, before;
	int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	if (terminal >= 0)
		close(terminal);
	if (terminal >= 0 && !sigaction(SIGHUP, NULL, &before) && before.sa_handler != SIG_IGN)
		action.sa_handler = on_hangup_of_terminal;
	sigaction(SIGHUP, &action, NULL);
	return &hangups;
}

static void catch_signal(int number)
{
	struct sigaction action = { .sa_handler = on_signal }, before;

	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	sigaddset(&action.sa_mask, SIGHUP);
	/* nohup(1) and shells that start a job in the background ignore signals for their children. */
	if (!sigaction(number, NULL, &before) && before.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

void stop_add_sink(int fd)
{
	struct stat st;

	if (!fstat(fd, &st) && !S_ISREG(st.st_mode) && ending.n < (int)(sizeof(ending.sink) / sizeof(ending.sink[0])))
		ending.sink[ending.n++] = fd;
}

const volatile sig_atomic_t *stop_catch_signals(void)
{
	stop_add_sink(STDOUT_FILENO);
	stop_add_sink(STDERR_FILENO);
	catch_signal(SIGINT);
	catch_signal(SIGTERM);
	catch_signal(SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return &stop;
}

void stop_end(void)
{
	if (ending.last) {
		signal(ending.last, SIG_DFL);
		raise(ending.last);
	}
}
