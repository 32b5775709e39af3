/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a load of short TCP connections on loopback: each thread connects, closes its half, waits until the server closes
 * the other half, and starts again. Such a connection has ten state changes on kernels from 4.16 on:
 *
 *   client: CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE
 *   server: LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE
 *
 * A client port in TIME_WAIT is not free for the same destination. So each connection has a new destination: a new
 * address (127.1.0.0/16), or with IPv6 a new port.
 */
#include "address.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 64, PORTS_IPV6 = 8 };

struct options {
	uint64_t connections;
	unsigned threads, port, ports;	/* ports: for each thread */
	double seconds;
	bool ipv6, reset;
	bool sent_to;			/* to the given address instead of our own servers */
	union address to;
};

struct load {
	struct options options;
	double deadline;
	_Atomic uint64_t begun, done, errors;
	atomic_int last_errno;
};

struct listener {
	pthread_t thread;
	int fd;
};

struct client {
	pthread_t thread;
	struct load *load;
	unsigned number;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(FILE *to)
{
	fprintf(to, "usage: load CONNECTIONS [options]\n"
		"  -t, --threads N      clients at a time (default 1)\n"
		"  -p, --port P         first port of the servers (default 20000)\n"
		"  -6                   IPv6 (::1) in place of IPv4 (127.1.0.0/16)\n"
		"  -s, --seconds S      stop after S seconds at the latest (default 60)\n"
		"  -c, --to ADDR:PORT   connect there, for example to a virtual service whose real\n"
		"                       servers are ours; then mind that ports in TIME_WAIT run out\n"
		"  -r, --reset          close by reset (SO_LINGER 0)\n"
		"Prints connections, errors, seconds and per_second, as key=value.\n");
}

static int parse(struct options *o, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "threads", required_argument, NULL, 't' }, { "port", required_argument, NULL, 'p' },
		{ "seconds", required_argument, NULL, 's' }, { "to", required_argument, NULL, 'c' },
		{ "reset", no_argument, NULL, 'r' },	     { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .threads = 1, .port = 20000, .seconds = 60 };
	while ((c = getopt_long(argc, argv, "t:p:6s:c:rh", longs, NULL)) != -1) {
		switch (c) {
		case 't': o->threads = (unsigned)atoi(optarg); break;
		case 'p': o->port = (unsigned)atoi(optarg); break;
		case '6': o->ipv6 = true; break;
		case 's': o->seconds = atof(optarg); break;
		case 'r': o->reset = true; break;
		case 'c':
			o->sent_to = true;
			if (address_parse(&o->to, optarg))
				return -EINVAL;
			o->ipv6 = o->to.any.sa_family == AF_INET6;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return -EINVAL;
		}
	}
	if (optind + 1 != argc)
		return -EINVAL;
	o->connections = strtoull(argv[optind], NULL, 10);
	o->ports = o->ipv6 && !o->sent_to ? PORTS_IPV6 : 1;
	if (!o->connections || !o->threads || o->threads > THREADS_MAX || o->seconds <= 0)
		return -EINVAL;
	return o->port && o->port + o->threads * o->ports <= 65536 ? 0 : -EINVAL;
}

static int open_listener(bool ipv6, unsigned port)
{
	union address a = { .ip6.sin6_family = ipv6 ? AF_INET6 : AF_INET };
	int one = 1, fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address_set_port(&a, port);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, &a.any, address_len(&a)) || listen(fd, 4096))
		die("cannot listen");
	return fd;
}

/* Runs until shutdown(2) of the listening socket ends it. */
static void *serve(void *cookie)
{
	struct listener *l = cookie;
	char bytes[256];
	int fd;

	while ((fd = accept(l->fd, NULL, NULL)) >= 0 || errno == ECONNABORTED || errno == EINTR) {
		if (fd < 0)
			continue;
		while (read(fd, bytes, sizeof(bytes)) > 0)
			;
		close(fd);
	}
	return NULL;
}

static void set_destination(const struct client *c, uint64_t n, union address *a)
{
	const struct options *o = &c->load->options;
	unsigned port = o->port + c->number * o->ports + (unsigned)(n % o->ports);

	if (o->sent_to) {
		*a = o->to;
		return;
	}
	memset(a, 0, sizeof(*a));
	if (o->ipv6) {
		a->ip6.sin6_family = AF_INET6;
		a->ip6.sin6_addr = in6addr_loopback;
	} else {
		a->ip4.sin_family = AF_INET;
		/* 127.1.0.1 to 127.1.249.250 */
		a->ip4.sin_addr.s_addr = htonl((127u << 24) | (1 << 16) |
					       ((uint32_t)(n / 250 % 250) << 8) |
					       ((uint32_t)(n % 250) + 1));
	}
	address_set_port(a, port);
}

static int make_connection(const struct client *c, uint64_t n)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	union address to;
	int fd, err = 0;
	char byte;

	set_destination(c, n, &to);
	fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &to.any, address_len(&to)))
		err = -errno;
	else if (c->load->options.reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	else if (shutdown(fd, SHUT_WR) || read(fd, &byte, 1))
		err = -errno;
	close(fd);
	return err;
}

static void *connect_all(void *cookie)
{
	struct client *c = cookie;
	struct load *l = c->load;
	uint64_t n;

	while ((n = atomic_fetch_add(&l->begun, 1)) < l->options.connections && now_s() < l->deadline) {
		int err = make_connection(c, n);

		if (err) {
			atomic_store(&l->last_errno, -err);
			atomic_fetch_add(&l->errors, 1);
		} else {
			atomic_fetch_add(&l->done, 1);
		}
	}
	return NULL;
}

static double run_clients(struct load *l)
{
	struct client clients[THREADS_MAX];
	double began = now_s();

	l->deadline = began + l->options.seconds;
	for (unsigned i = 0; i < l->options.threads; i++) {
		clients[i] = (struct client){ .load = l, .number = i };
		errno = pthread_create(&clients[i].thread, NULL, connect_all, &clients[i]);
		if (errno)
			die("cannot start a thread");
	}
	for (unsigned i = 0; i < l->options.threads; i++)
		pthread_join(clients[i].thread, NULL);
	return now_s() - began;
}

int main(int argc, char *argv[])
{
	static struct listener listeners[THREADS_MAX * PORTS_IPV6];
	static struct load load;
	unsigned n;
	double seconds;

	if (parse(&load.options, argc, argv)) {
		usage(stderr);
		return 2;
	}
	alarm((unsigned)load.options.seconds + 10);	/* if a connection hangs */
	n = load.options.threads * load.options.ports;
	for (unsigned i = 0; i < n; i++) {
		listeners[i].fd = open_listener(load.options.ipv6, load.options.port + i);
		errno = pthread_create(&listeners[i].thread, NULL, serve, &listeners[i]);
		if (errno)
			die("cannot start a thread");
	}
	seconds = run_clients(&load);
	for (unsigned i = 0; i < n; i++) {
		shutdown(listeners[i].fd, SHUT_RDWR);
		pthread_join(listeners[i].thread, NULL);
		close(listeners[i].fd);
	}
	printf("connections=%llu\nerrors=%llu\nseconds=%.3f\nper_second=%.0f\n",
	       (unsigned long long)load.done, (unsigned long long)load.errors, seconds,
	       (double)load.done / seconds);
	if (load.errors)
		fprintf(stderr, "load: last error: %s\n", strerror(load.last_errno));
	return load.errors ? 1 : 0;
}
