/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of FTP that a passive transfer needs, both client and server: PASV over IPv4, EPSV over IPv6. The server
 * serves one transfer. It goes to the background once it listens, and then prints its pid. There is a line for each
 * connection, the control connection first, in the form of client's and server's:
 *
 *   get:    local ADDR:PORT result ok pid N remote ADDR:PORT
 *   serve:  peer ADDR:PORT local ADDR:PORT	(to LOG)
 */
#include "address.h"

#include <fcntl.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "ftp: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Return: the listening socket; stores its address and port in @a */
static int listen_at(union address *a)
{
	socklen_t len = sizeof(*a);
	int one = 1, fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, &a->any, address_len(a)) || listen(fd, 8) || getsockname(fd, &a->any, &len))
		die("cannot listen");
	return fd;
}

static int accept_at(int listener, FILE *log)
{
	char peer_text[ADDRESS_TEXT_MAX], local_text[ADDRESS_TEXT_MAX];
	union address peer = { 0 }, local = { 0 };
	socklen_t peer_len = sizeof(peer), local_len = sizeof(local);
	int fd = accept4(listener, &peer.any, &peer_len, SOCK_CLOEXEC);

	if (fd < 0 || getsockname(fd, &local.any, &local_len))
		die("accept");
	address_print(&peer, peer_text);
	address_print(&local, local_text);
	fprintf(log, "peer %s local %s\n", peer_text, local_text);
	fflush(log);
	return fd;
}

static int connect_to(const union address *to)
{
	char local_text[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX];
	union address local = { 0 };
	socklen_t len = sizeof(local);
	int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, &to->any, address_len(to)) || getsockname(fd, &local.any, &len))
		die("connect");
	address_print(&local, local_text);
	address_print(to, text);
	printf("local %s result ok pid %d remote %s\n", local_text, getpid(), text);
	fflush(stdout);
	return fd;
}

/* IPVS searches whole packets, so text that it must change is written at once. */
static void say(int fd, const char *line)
{
	if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		die("write");
}

/* read_line - reads a line without its end */
static void read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && read(fd, &line[n], 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
}

static void read_to_end(int fd)
{
	char bytes[256];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void tell_where(int control, const union address *at)
{
	const unsigned char *ip = (const unsigned char *)&at->ip4.sin_addr;
	unsigned port = ntohs(at->ip4.sin_port);	/* IPv6 has it at the same offset */
	char line[128];

	if (at->any.sa_family == AF_INET6)
		snprintf(line, sizeof(line), "229 Entering Extended Passive Mode (|||%u|)\r\n", port);
	else
		snprintf(line, sizeof(line), "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u)\r\n",
			 ip[0], ip[1], ip[2], ip[3], port >> 8, port & 255);
	say(control, line);
}

static void serve(int listener, const union address *at, FILE *log)
{
	union address where = *at;
	char line[128];
	int control = accept_at(listener, log), data;

	read_line(control, line, sizeof(line));
	address_set_port(&where, 0);
	listener = listen_at(&where);
	tell_where(control, &where);
	data = accept_at(listener, log);
	say(data, "what was asked for\n");
	close(data);
	read_to_end(control);
}

static void learn_where(const char *line, union address *where)
{
	unsigned ip[4], high, low;
	const char *list = strchr(line, '(');

	if (!list)
		die(line);
	if (where->any.sa_family == AF_INET6 && sscanf(list, "(|||%u|)", &low) == 1) {
		address_set_port(where, low);
	} else if (where->any.sa_family == AF_INET &&
		   sscanf(list, "(%u,%u,%u,%u,%u,%u)", &ip[0], &ip[1], &ip[2], &ip[3], &high, &low) == 6) {
		where->ip4.sin_addr.s_addr = htonl(ip[0] << 24 | ip[1] << 16 | ip[2] << 8 | ip[3]);
		address_set_port(where, high << 8 | low);
	} else {
		die(line);
	}
}

static void get(const union address *from)
{
	union address where = *from;
	int control = connect_to(from), data;
	char line[128];

	say(control, from->any.sa_family == AF_INET6 ? "EPSV\r\n" : "PASV\r\n");
	read_line(control, line, sizeof(line));
	learn_where(line, &where);
	data = connect_to(&where);
	read_to_end(data);
	close(data);
	shutdown(control, SHUT_WR);
	read_to_end(control);
	close(control);
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
	dup2(null_fd, 1);
	close(null_fd);
}

int main(int argc, char *argv[])
{
	union address a;
	FILE *log;
	int listener;

	alarm(60);	/* if the other side does not close */
	if (argc == 3 && !strcmp(argv[1], "get") && !address_parse(&a, argv[2])) {
		get(&a);
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "serve") || address_parse(&a, argv[3])) {
		fprintf(stderr, "usage: ftp get ADDR:PORT\n       ftp serve LOG ADDR:PORT\n");
		return 2;
	}
	log = fopen(argv[2], "ae");
	if (!log)
		die(argv[2]);
	listener = listen_at(&a);
	go_to_background();
	alarm(60);
	serve(listener, &a, log);
	return 0;
}
