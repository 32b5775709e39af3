/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process opens a TCP connection; another process, named heir, ends it after the first has exited. Prints the line
 * that client prints, without the times, with the pid of the process that called connect.
 */
#include "address.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void open_connection(int fd, const union address *to)
{
	union address local = { 0 };
	socklen_t len = sizeof(local);
	char text[ADDRESS_TEXT_MAX];

	if (connect(fd, &to->any, address_len(to)))
		die("pass: connect");
	getsockname(fd, &local.any, &len);
	address_print(&local, text);
	printf("local %s result ok pid %d\n", text, getpid());
	fflush(stdout);
}

static void end_connection(int fd)
{
	char byte;

	poll(NULL, 0, 300);	/* until the opener has exited */
	shutdown(fd, SHUT_WR);
	while (read(fd, &byte, 1) > 0)
		;
	close(fd);
}

static void send_fd(int over, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec byte = { .iov_base = (char[]){ 0 }, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (sendmsg(over, &message, 0) != 1)
		die("pass: sendmsg");
}

static int receive_fd(int over)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(over, &message, 0) != 1)
		die("pass: recvmsg");
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* Return: true if this is the heir */
static bool split(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("pass: fork");
	if (!pid)
		prctl(PR_SET_NAME, "heir");
	return !pid;
}

int main(int argc, char *argv[])
{
	const char *how = argc == 3 ? argv[1] : "";
	int pair[2], fd = -1;
	union address to;

	if ((strcmp(how, "fork") && strcmp(how, "message") && strcmp(how, "socket")) ||
	    address_parse(&to, argv[2])) {
		fprintf(stderr, "usage: pass fork|message|socket ADDR:PORT\n"
			"  fork     the heir inherits the connection\n"
			"  message  it gets the connection by SCM_RIGHTS\n"
			"  socket   it inherits a socket and connects that itself\n");
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		die("pass: socketpair");
	if (!strcmp(how, "message") && split()) {
		end_connection(receive_fd(pair[1]));
		return 0;
	}
	fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("pass: socket");
	if (strcmp(how, "socket"))
		open_connection(fd, &to);
	if (!strcmp(how, "message")) {
		send_fd(pair[0], fd);
	} else if (split()) {
		if (!strcmp(how, "socket"))
			open_connection(fd, &to);
		end_connection(fd);
	}
	return 0;
}
