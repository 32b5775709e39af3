/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BPF C to programs, by libbcc in a child process: LLVM's memory ends with the
 * child, and what libbcc prints never reaches our output.
 */
#ifndef COMPILER_H
#define COMPILER_H

#include "build/object.h"

#include <stdbool.h>
#include <sys/types.h>

#define COMPILER_NONE { .result_fd = -1, .words_fd = -1 }

struct compiler {
	pid_t pid;			/* 0: not running */
	int result_fd, words_fd;
	char *result, *words;
	size_t result_len, words_len;
};

/**
 * compiler_start - begin to compile
 * @c:       filled; finish with compiler_finish() or compiler_stop()
 * @library: path of libbcc, or a name for the dynamic linker
 * @text:    BPF C
 * @flags:   @n_flags further flags for clang
 * Return: 0 or a negative errno of pipe(2) or fork(2).
 */
int compiler_start(struct compiler *c, const char *library, const char *text,
		   const char *const flags[], size_t n_flags);

/**
 * compiler_step - take in what the child wrote
 * @wait: until it ends; else only what is there
 * Return: true once the child has ended.
 */
bool compiler_step(struct compiler *c, bool wait);

/**
 * compiler_finish - wait for the end and take the result
 * @o: filled on 0, free with object_free()
 * Return: 0; -ENOENT: no libbcc; -ENOSYS: a libbcc older than 0.9 or foreign; -EINVAL: the text does
 *	not compile; -EBADMSG: the child died or sent no sound object; or another negative errno.
 *	What libbcc printed is in @c->words (NUL-terminated, may be "") until compiler_stop().
 */
int compiler_finish(struct compiler *c, struct object *o);

/** compiler_cause - the line of @c->words that tells most, without its newline; "" if none */
void compiler_cause(const struct compiler *c, char *line, size_t len);

/** compiler_stop - end the child if it still runs and free everything */
void compiler_stop(struct compiler *c);

#endif
