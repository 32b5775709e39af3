/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles BPF C with libbcc in a child process. LLVM's memory is freed when the
 * child exits, and messages of libbcc do not reach the tool's output.
 */
#ifndef COMPILER_H
#define COMPILER_H

#include "build/object.h"

#include <stdbool.h>
#include <sys/types.h>

#define COMPILER_NONE { .result_fd = -1, .words_fd = -1 }

struct compiler {
	pid_t pid;			/* 0: not running */
	int result_fd, words_fd;	/* pipes from the child: the object, and what libbcc prints */
	char *result, *words;
	size_t result_len, words_len;
};

/**
 * compiler_start - start compiling
 * @c:       filled; finish with compiler_finish() or compiler_stop()
 * @library: path of libbcc, or a name for the dynamic linker
 * @text:    BPF C
 * @flags:   @n_flags more flags for clang
 * Return: 0 or a negative errno of pipe(2) or fork(2).
 */
int compiler_start(struct compiler *c, const char *library, const char *text,
		   const char *const flags[], size_t n_flags);

/**
 * compiler_step - read the child's output
 * @wait: wait until the child has closed it; if false, read only what is there
 * Return: true once the child has closed it.
 */
bool compiler_step(struct compiler *c, bool wait);

/**
 * compiler_finish - wait for the child to exit and get its result
 * @o: filled on 0, free with object_free()
 * Return: 0; -ENOENT: no libbcc; -ENOSYS: libbcc is older than 0.9, or not from BCC; -EINVAL: the
 *	text does not compile; -EBADMSG: the child died or sent no valid object; or another negative errno.
 *	What libbcc printed is in @c->words (NUL-terminated, may be "") until compiler_stop().
 */
int compiler_finish(struct compiler *c, struct object *o);

/** compiler_cause - copy the most useful line of @c->words, without its newline; "" if there is none */
void compiler_cause(const struct compiler *c, char *line, size_t len);

/** compiler_stop - kill the child if it still runs, and free everything */
void compiler_stop(struct compiler *c);

#endif
