/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes TCP connections and prints a line for each:
 *
 *   local ADDR:PORT result ok pid N start NS end NS
 *
 * The result is that of connect(2): ok, an errno's name or gave-up. The times are CLOCK_MONOTONIC, before and after
 * connect. After a failed connect the kernel has released the port (0), unless -p selected it.
 */
#include "address.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP	/* before glibc 2.32 */
#define IPPROTO_MPTCP 262
#endif

enum { THREADS_MAX = 4096, PORT_MAX = 65535 };

struct options {
	union address to;
	int connections, port, ports, give_up_ms, hold_ms, bytes, mark;
	bool concurrently, reset, close_now, wait_first, late, mptcp, vanish, send_on;
};

static struct options options = { .connections = 1, .give_up_ms = -1 };

static void usage(FILE *to)
{
	fprintf(to, "usage: client [options] ADDR:PORT\n"
		"  -n, --connections N  how many, one after another (default 1)\n"
		"  -c, --concurrently   all at once\n"
		"  -p, --port PORT      from this port, the next ones from those after it\n"
		"  -P, --ports N        after N ports from the first one again\n"
		"  -g, --give-up MS     close if connect has not finished after MS\n"
		"  -o, --hold MS        keep each connection for MS, or until SIGUSR1 comes\n"
		"  -b, --bytes N        send N bytes\n"
		"  -l, --late           send them after holding\n"
		"  -s, --send-on        after that send a byte each millisecond until it fails\n"
		"  -m, --mark N         with this firewall mark\n"
		"  -M, --mptcp          by MPTCP\n"
		"  -r, --reset          close by reset\n"
		"  -q, --quick          close without waiting for the server to close\n"
		"  -w, --wait           close only after the server has\n"
		"  -v, --vanish         close without a packet, as a host that loses its power\n"
		"Exit status: 0 if every connect was ok, else 1\n");
}

static void die(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Same as strerrorname_np(), which some distributions do not have yet. */
static const char *error_name(int err)
{
	switch (err) {
	case ECONNREFUSED: return "ECONNREFUSED";
	case ECONNRESET: return "ECONNRESET";
	case ETIMEDOUT: return "ETIMEDOUT";
	case EHOSTUNREACH: return "EHOSTUNREACH";
	case ENETUNREACH: return "ENETUNREACH";
	case EADDRNOTAVAIL: return "EADDRNOTAVAIL";
	default: return "another-error";
	}
}

static int connect_until(int fd, const char **result)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (options.give_up_ms >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, &options.to.any, address_len(&options.to)))
		err = errno;
	if (err == EINPROGRESS) {
		if (!poll(&wait, 1, options.give_up_ms)) {
			*result = "gave-up";
			return -1;
		}
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	}
	if (options.give_up_ms >= 0)
		fcntl(fd, F_SETFL, 0);
	*result = err ? error_name(err) : "ok";
	return err ? -1 : 0;
}

static void send_bytes(int fd)
{
	static const char bytes[4096];
	int left = options.bytes;

	while (left > 0) {
		ssize_t n = write(fd, bytes, left < 4096 ? (size_t)left : 4096);

		if (n <= 0)
			return;
		left -= (int)n;
	}
}

static void wait_for_end(int fd)
{
	char bytes[4096];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void send_on(int fd)
{
	while (send(fd, "", 1, MSG_NOSIGNAL) == 1)
		poll(NULL, 0, 1);
}

static void use(int fd)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	const int one = 1;

	if (!options.late)
		send_bytes(fd);
	if (options.hold_ms)
		poll(NULL, 0, options.hold_ms);
	if (options.late)
		send_bytes(fd);
	if (options.send_on)
		send_on(fd);
	if (options.wait_first)
		wait_for_end(fd);
	if (options.vanish) {
		if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)))
			die("TCP_REPAIR");
	} else if (options.reset) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	} else if (!options.close_now && !options.wait_first) {
		shutdown(fd, SHUT_WR);
		wait_for_end(fd);
	}
}

static bool make_connection(int number)
{
	union address local = { .ip6.sin6_family = options.to.any.sa_family };	/* the largest member: clears everything */
	socklen_t len = sizeof(local);
	char text[ADDRESS_TEXT_MAX];
	int one = 1, fd = socket(local.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, options.mptcp ? IPPROTO_MPTCP : 0);
	uint64_t start_ns, end_ns;
	const char *result;
	bool ok;

	if (fd < 0)
		die("socket");
	if (options.port) {
		address_set_port(&local, (unsigned)(options.port + number % options.ports));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, &local.any, address_len(&local)))
			die("bind");
	}
	if (options.mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &options.mark, sizeof(options.mark)))
		die("SO_MARK");
	start_ns = now_ns();
	ok = !connect_until(fd, &result);
	end_ns = now_ns();
	getsockname(fd, &local.any, &len);
	address_print(&local, text);
	printf("local %s result %s pid %d start %llu end %llu\n", text, result, getpid(),
	       (unsigned long long)start_ns, (unsigned long long)end_ns);
	fflush(stdout);
	if (ok)
		use(fd);
	close(fd);
	return ok;
}

static void end_holding(int signal)
{
	(void)signal;	/* its only purpose is to end poll() */
}

static void *connect_in_thread(void *cookie)
{
	return make_connection((int)(intptr_t)cookie) ? cookie : (void *)-1;
}

static bool connect_concurrently(void)
{
	static pthread_t threads[THREADS_MAX];
	bool ok = true;
	void *result;

	for (int i = 0; i < options.connections; i++) {
		errno = pthread_create(&threads[i], NULL, connect_in_thread, (void *)(intptr_t)i);
		if (errno)
			die("cannot start a thread");
	}
	for (int i = 0; i < options.connections; i++) {
		pthread_join(threads[i], &result);
		ok &= result != (void *)-1;
	}
	return ok;
}

static int parse(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "connections", required_argument, NULL, 'n' },
		{ "concurrently", no_argument, NULL, 'c' },
		{ "port", required_argument, NULL, 'p' },
		{ "ports", required_argument, NULL, 'P' },
		{ "give-up", required_argument, NULL, 'g' },
		{ "hold", required_argument, NULL, 'o' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "late", no_argument, NULL, 'l' },
		{ "send-on", no_argument, NULL, 's' },
		{ "mark", required_argument, NULL, 'm' },
		{ "mptcp", no_argument, NULL, 'M' },
		{ "reset", no_argument, NULL, 'r' },
		{ "quick", no_argument, NULL, 'q' },
		{ "wait", no_argument, NULL, 'w' },
		{ "vanish", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "n:cp:P:g:o:b:lsm:Mrqwvh", longs, NULL)) != -1) {
		switch (c) {
		case 'n': options.connections = atoi(optarg); break;
		case 'c': options.concurrently = true; break;
		case 'p': options.port = atoi(optarg); break;
		case 'P': options.ports = atoi(optarg); break;
		case 'g': options.give_up_ms = atoi(optarg); break;
		case 'o': options.hold_ms = atoi(optarg); break;
		case 'b': options.bytes = atoi(optarg); break;
		case 'l': options.late = true; break;
		case 's': options.send_on = true; break;
		case 'm': options.mark = atoi(optarg); break;
		case 'M': options.mptcp = true; break;
		case 'r': options.reset = true; break;
		case 'q': options.close_now = true; break;
		case 'w': options.wait_first = true; break;
		case 'v': options.vanish = true; break;
		case 'h': usage(stdout); exit(0);
		default: return -EINVAL;
		}
	}
	if (optind + 1 != argc || address_parse(&options.to, argv[optind]))
		return -EINVAL;
	if (!options.ports)
		options.ports = options.connections;
	if (options.connections < 1 || options.ports < 1 || (options.concurrently && options.connections > THREADS_MAX))
		return -EINVAL;
	return !options.port || options.ports <= PORT_MAX + 1 - options.port ? 0 : -EINVAL;
}

int main(int argc, char *argv[])
{
	bool ok = true;

	if (parse(argc, argv)) {
		usage(stderr);
		return 2;
	}
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = end_holding }, NULL);
	if (options.concurrently)
		return connect_concurrently() ? 0 : 1;
	for (int i = 0; i < options.connections; i++)
		ok &= make_connection(i);
	return ok ? 0 : 1;
}
