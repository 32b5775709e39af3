/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts TCP connections and logs them. Goes to the background as soon as it listens, and then prints its pid: whoever
 * reads it may connect.
 */
#include "address.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

enum manner {
	ANSWER,		/* wait until the peer closes, then close */
	RESET,		/* by reset, at the peer's first bytes: then its connect() has returned */
	CLOSE_FIRST,	/* at once */
	HOLD,		/* never */
	VANISH,		/* at once, without a packet, like a host that loses its power */
	DEAF,		/* never accept */
};

enum { LISTENERS_MAX = 16 };

static void usage(FILE *to)
{
	fprintf(to, "usage: server [options] ADDR:PORT...\n"
		"  -l, --log FILE     a line \"peer ADDR:PORT local ADDR:PORT\" for each connection\n"
		"  -r, --reset        reset each connection when its first bytes come\n"
		"  -f, --close-first  close each connection when it is accepted\n"
		"  -k, --hold         never close\n"
		"  -v, --vanish       close each at once, without a packet\n"
		"  -d, --deaf N       accept none: N wait in the queue, which is then full\n"
		"Prints its pid when it listens and stays in the background.\n");
}

static void die(const char *what)
{
	fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_listener(const char *text, int backlog)
{
	union address a;
	int one = 1, fd;

	if (address_parse(&a, text)) {
		fprintf(stderr, "server: '%s': give ADDR:PORT\n", text);
		exit(2);
	}
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, &a.any, address_len(&a)) || listen(fd, backlog))
		die(text);
	return fd;
}

static void watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void accept_one(int epoll_fd, int listener, FILE *log, enum manner manner)
{
	const int one = 1;
	char peer_text[ADDRESS_TEXT_MAX], local_text[ADDRESS_TEXT_MAX];
	union address peer = { 0 }, local = { 0 };
	socklen_t peer_len = sizeof(peer), local_len = sizeof(local);
	int fd = accept4(listener, &peer.any, &peer_len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	getsockname(fd, &local.any, &local_len);
	address_print(&peer, peer_text);
	address_print(&local, local_text);
	fprintf(log, "peer %s local %s\n", peer_text, local_text);
	fflush(log);
	switch (manner) {
	case CLOSE_FIRST:
		close(fd);
		break;
	case HOLD:
		break;
	case VANISH:
		if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)))
			die("TCP_REPAIR");
		close(fd);
		break;
	case ANSWER:
	case RESET:
	case DEAF:
		watch(epoll_fd, fd);
	}
}

static void reset_one(int fd)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static void read_one(int fd)
{
	char bytes[4096];
	ssize_t n;

	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n == 0 || errno != EAGAIN)
		close(fd);
}

static void serve(int epoll_fd, const int *listeners, int n, FILE *log, enum manner manner)
{
	struct epoll_event event;

	for (;;) {
		bool listening = false;

		if (epoll_wait(epoll_fd, &event, 1, -1) != 1)
			continue;
		for (int i = 0; i < n; i++)
			listening |= event.data.fd == listeners[i];
		if (listening)
			accept_one(epoll_fd, event.data.fd, log, manner);
		else if (manner == RESET)
			reset_one(event.data.fd);
		else
			read_one(event.data.fd);
	}
}

static void go_to_background(void)
{
	pid_t pid = fork();
	int null_fd;

	if (pid < 0)
		die("fork");
	if (pid) {
		printf("%d\n", pid);
		fflush(stdout);
		_exit(0);
	}
	null_fd = open("/dev/null", O_RDWR);
	dup2(null_fd, 0);
	dup2(null_fd, 1);
	close(null_fd);
}

int main(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "log", required_argument, NULL, 'l' }, { "reset", no_argument, NULL, 'r' },
		{ "close-first", no_argument, NULL, 'f' }, { "hold", no_argument, NULL, 'k' },
		{ "vanish", no_argument, NULL, 'v' },	 { "deaf", required_argument, NULL, 'd' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int listeners[LISTENERS_MAX], n = 0, backlog = 1024, c, epoll_fd;
	const char *log_path = "/dev/null";
	enum manner manner = ANSWER;
	FILE *log;

	while ((c = getopt_long(argc, argv, "l:rfkvd:h", longs, NULL)) != -1) {
		switch (c) {
		case 'l': log_path = optarg; break;
		case 'r': manner = RESET; break;
		case 'f': manner = CLOSE_FIRST; break;
		case 'k': manner = HOLD; break;
		case 'v': manner = VANISH; break;
		case 'd': manner = DEAF; backlog = atoi(optarg) - 1; break;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return 2;
		}
	}
	if (optind == argc || argc - optind > LISTENERS_MAX) {
		usage(stderr);
		return 2;
	}
	log = fopen(log_path, "ae");
	if (!log)
		die(log_path);
	for (; optind < argc; optind++)
		listeners[n++] = open_listener(argv[optind], backlog);
	go_to_background();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll_create1");
	for (int i = 0; i < n && manner != DEAF; i++)
		watch(epoll_fd, listeners[i]);
	serve(epoll_fd, listeners, n, log, manner);
}
