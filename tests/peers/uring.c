/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one TCP connection with io_uring and prints the line that client prints, without the times. Closes its half and
 * waits until the server closes the other half.
 *
 * Exit status: 0; 1 if the connect failed; 4 if this kernel has no such io_uring (one line explains it).
 */
#include "address.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	struct io_uring_params params;
	int fd;
	char *sq, *cq;		/* the shared rings */
	struct io_uring_sqe *sqes;
};

static void cannot(const char *what, int err)
{
	printf("no io_uring for this: %s: %s\n", what, strerror(err));
	exit(4);
}

static void *map(const struct ring *r, size_t size, uint64_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
			(off_t)offset);

	if (at == MAP_FAILED)
		cannot("mmap", errno);
	return at;
}

static void open_ring(struct ring *r, unsigned flags)
{
	struct io_uring_params *p = &r->params;

	p->flags = flags;
	p->sq_thread_idle = 1000;
	r->fd = (int)syscall(__NR_io_uring_setup, 1, p);
	if (r->fd < 0)
		cannot("io_uring_setup", errno);
	r->sq = map(r, p->sq_off.array + p->sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
	r->cq = map(r, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	r->sqes = map(r, p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

/* Return: what connect(2) returns, or a negative errno */
static int connect_by(struct ring *r, int fd, const union address *to, bool async)
{
	const struct io_uring_params *p = &r->params;
	uint32_t *tail = (uint32_t *)(void *)(r->sq + p->sq_off.tail);
	unsigned flags = IORING_ENTER_GETEVENTS;

	*r->sqes = (struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT,
		.flags = async ? IOSQE_ASYNC : 0,
		.fd = fd,
		.addr = (uintptr_t)to,
		.off = address_len(to),
	};
	*(uint32_t *)(void *)(r->sq + p->sq_off.array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (p->flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	if (syscall(__NR_io_uring_enter, r->fd, 1, 1, flags, NULL, 0) < 0)
		cannot("io_uring_enter", errno);
	return ((struct io_uring_cqe *)(void *)(r->cq + p->cq_off.cqes))->res;
}

int main(int argc, char *argv[])
{
	bool async = argc == 3 && !strcmp(argv[1], "--async");
	bool polled = argc == 3 && !strcmp(argv[1], "--sqpoll");
	struct ring ring = { .fd = -1 };
	char text[ADDRESS_TEXT_MAX], byte;
	union address to, local = { 0 };
	socklen_t len = sizeof(local);
	int fd, result;

	if (argc != 2 + (async || polled) || address_parse(&to, argv[argc - 1])) {
		fprintf(stderr, "usage: uring [--async | --sqpoll] ADDR:PORT\n");
		return 2;
	}
	open_ring(&ring, polled ? IORING_SETUP_SQPOLL : 0);
	fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		perror("uring: socket");
		return 1;
	}
	result = connect_by(&ring, fd, &to, async);
	if (result == -EINVAL)
		cannot("IORING_OP_CONNECT", EINVAL);
	if (result == -EBADF && polled)
		cannot("IORING_SETUP_SQPOLL with a file that is not registered", EBADF);
	getsockname(fd, &local.any, &len);
	address_print(&local, text);
	printf("local %s result %s pid %d\n", text, result ? strerror(-result) : "ok", getpid());
	if (result)
		return 1;
	shutdown(fd, SHUT_WR);
	while (read(fd, &byte, 1) > 0)
		;
	return 0;
}
