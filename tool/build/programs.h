/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs: from the cache where it has them, else from the compiler,
 * which works while the caller goes on. */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include "build/compiler.h"
#include "host/host.h"
#include "build/object.h"

struct programs_text {
	const char *kind;		/* name in the cache */
	const char *text;
	const char *const *flags;
	size_t n_flags;
	const char *fallback;		/* flag to try with where the text does not compile, or NULL */
	bool optional;			/* does not compile: an empty object, and so it is cached */
};

struct programs {
	struct programs_text text;
	const struct host *host;
	const char *cache_dir;		/* NULL: no cache */
	char *key;
	struct compiler compiler;
	bool ready;			/* object is there */
	struct object object;
	char cause[768];		/* one line, where it failed */
};

#define PROGRAMS_NONE { .compiler = COMPILER_NONE }

/**
 * programs_start - look into the cache, else begin to compile
 * @p:         starts as PROGRAMS_NONE; programs_close() it
 * @cache_dir: NULL: neither read nor write it
 * Return: 0 (look at @p->ready), or a negative errno with @p->cause.
 */
int programs_start(struct programs *p, const struct host *h, const struct programs_text *text,
		   const char *cache_dir);

/**
 * programs_step - see whether the compiler is done, and keep what it made
 * @wait: until it is
 * Return: 0 (look at @p->ready); -EINTR: a signal ended the wait; another negative errno with
 *	@p->cause: -ENOENT (no libbcc), -EINVAL (does not compile), ...
 */
int programs_step(struct programs *p, bool wait);

void programs_close(struct programs *p);

#endif
