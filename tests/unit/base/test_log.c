/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on stderr: their prefix, their level, and messages of any length. */
#include "../unit.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns what log_write() writes; the caller frees it. */
static char *written(enum log_level level, const char *text)
{
	char *all = calloc(1, 65536);
	int fd[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_non_null(all);
	assert_int_equal(pipe(fd), 0);
	dup2(fd[1], STDERR_FILENO);
	close(fd[1]);
	log_write(level, "%s|", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(fd[0], all, 65535);
	close(fd[0]);
	assert_true(n >= 0);
	return all;
}

static void a_line(void **state)
{
	char *line;

	(void)state;
	log_init("ours", LOG_INFO);
	line = written(LOG_WARNING, "two words");
	assert_string_equal(line, "ours: two words|\n");
	free(line);
	line = written(LOG_DEBUG, "not wanted");
	assert_string_equal(line, "");
	free(line);
	assert_string_equal(log_name(), "ours");
}

/* A compiler's message may be longer than our own lines. */
static void of_any_length(void **state)
{
	static const size_t lengths[] = { 1021, 1022, 1023, 1024, 1025, 5000, 40000 };

	(void)state;
	log_init("ours", LOG_DEBUG);
	for (size_t i = 0; i < N_OF(lengths); i++) {
		char *text = calloc(1, lengths[i] + 1), *line;

		assert_non_null(text);
		memset(text, 'x', lengths[i]);
		line = written(LOG_DEBUG, text);
		assert_int_equal(strlen(line), strlen("ours: ") + lengths[i] + strlen("|\n"));
		assert_int_equal(strspn(line + strlen("ours: "), "x"), lengths[i]);
		free(line);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line),
		cmocka_unit_test(of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
