/* SPDX-License-Identifier: Apache-2.0 */
/* Writing all to a slow reader: a pipe that blocks, and one that does not. */
#include "../unit.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEN = 300000 };

/* Starts a process that calls @write_all with the pipe's end, and ends with status 0 if that returns 0. */
static pid_t writer(int flags, int (*write_all)(int fd), int *from)
{
	int fd[2];
	pid_t child;

	assert_int_equal(pipe2(fd, flags), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(fd[0]);
		_exit(write_all(fd[1]) ? 1 : 0);
	}
	close(fd[1]);
	fcntl(fd[0], F_SETFL, 0);
	*from = fd[0];
	return child;
}

/* Reads all, late and in small pieces. Returns how much it was. */
static size_t read_slowly(int fd, char *to, size_t size)
{
	size_t len = 0;
	ssize_t n;

	usleep(200000);
	while ((n = read(fd, to + len, size - len < 5000 ? size - len : 5000)) > 0)
		len += (size_t)n;
	assert_int_equal(n, 0);
	close(fd);
	return len;
}

static int write_numbers(int fd)
{
	char bytes[LEN];

	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	return file_write(fd, bytes, LEN);
}

static void all_is_written(void **state)
{
	static const int flags[] = { 0, O_NONBLOCK };
	char *bytes = malloc(LEN + 1);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < N_OF(flags); i++) {
		int fd, status;
		pid_t child = writer(flags[i], write_numbers, &fd);

		assert_int_equal(read_slowly(fd, bytes, LEN + 1), LEN);
		for (size_t at = 0; at < LEN; at++)
			if (bytes[at] != (char)(at * 7 + at / 256))
				fail_msg("byte %zu differs", at);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	free(bytes);
}

static int log_lines(int fd)
{
	dup2(fd, STDERR_FILENO);
	for (int i = 0; i < 4000; i++)
		log_write(LOG_INFO, "line %04d of 4000, which is as long as messages usually are", i);
	return 0;
}

/* More messages than a pipe holds. */
static void all_is_said(void **state)
{
	char *text = calloc(1, 400000);
	int fd, status;
	pid_t child;

	(void)state;
	assert_non_null(text);
	log_init("ours", LOG_INFO);
	child = writer(O_NONBLOCK, log_lines, &fd);
	assert_int_equal(read_slowly(fd, text, 400000), 4000 * strlen("ours: line 0000 of 4000, which is as long as messages usually are\n"));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	free(text);
}

static void reader_is_gone(void **state)
{
	int fd[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	close(fd[0]);
	assert_int_equal(file_write(fd[1], "text", 4), -EPIPE);
	close(fd[1]);
	assert_int_equal(file_write(fd[1], "text", 4), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_written),
		cmocka_unit_test(all_is_said),
		cmocka_unit_test(reader_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
