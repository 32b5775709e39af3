/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts non-blocking TCP connects and closes each socket after 0 to 400 us, whatever its state. Each connection has its
 * own port, so that all that others see of a port belongs to one connection. Prints a line for each:
 *
 *   port N to ADDR:PORT start NS end NS
 *
 * The times are CLOCK_MONOTONIC, before connect(2) and after close(2).
 */
#include "address.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3, CONNECTIONS_MAX = 45000, SERVERS_MAX = 8, WAIT_NS = 400000 };

struct connection {
	uint64_t start_ns, end_ns;
};

static struct connection connections[CONNECTIONS_MAX];
static union address servers[SERVERS_MAX];
static int count, first_port, server_count;
static atomic_int begun;

static void die(const char *what)
{
	fprintf(stderr, "hasty: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void connect_and_close(int i, unsigned *seed)
{
	const union address *to = &servers[i % server_count];
	union address local = { .ip6.sin6_family = to->any.sa_family };
	int one = 1, fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct connection *c = &connections[i];
	uint64_t until_ns;

	if (fd < 0)
		die("socket");
	address_set_port(&local, (unsigned)(first_port + i));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &local.any, address_len(&local)))
		die("bind");
	c->start_ns = now_ns();
	if (connect(fd, &to->any, address_len(to)) && errno != EINPROGRESS)
		die("connect");
	until_ns = now_ns() + (uint64_t)(rand_r(seed) % WAIT_NS);
	while (now_ns() < until_ns)
		;	/* no timer is so precise */
	close(fd);
	c->end_ns = now_ns();
}

static void *connect_all(void *cookie)
{
	unsigned seed = (unsigned)(uintptr_t)cookie;
	int i;

	while ((i = atomic_fetch_add(&begun, 1)) < count)
		connect_and_close(i, &seed);
	return NULL;
}

int main(int argc, char *argv[])
{
	pthread_t threads[THREADS];
	char text[ADDRESS_TEXT_MAX];

	count = argc > 1 ? atoi(argv[1]) : 0;
	first_port = argc > 2 ? atoi(argv[2]) : 0;
	server_count = argc - 3;
	if (server_count < 1 || server_count > SERVERS_MAX || count < 1 || count > CONNECTIONS_MAX ||
	    first_port < 1 || first_port + count > 65536) {
		fprintf(stderr, "usage: hasty CONNECTIONS FIRST_PORT ADDR:PORT...\n");
		return 2;
	}
	for (int i = 0; i < server_count; i++) {
		if (address_parse(&servers[i], argv[3 + i])) {
			fprintf(stderr, "hasty: '%s': give ADDR:PORT\n", argv[3 + i]);
			return 2;
		}
	}
	for (int i = 0; i < THREADS; i++) {
		errno = pthread_create(&threads[i], NULL, connect_all, (void *)(uintptr_t)(i + 1));
		if (errno)
			die("cannot start a thread");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < count; i++) {
		address_print(&servers[i % server_count], text);
		printf("port %d to %s start %llu end %llu\n", first_port + i, text,
		       (unsigned long long)connections[i].start_ns, (unsigned long long)connections[i].end_ns);
	}
	return 0;
}
