/* SPDX-License-Identifier: Apache-2.0 */
/* Gets compiled programs from a file of --save-programs, or from the cache if it has them, else from the compiler, which
 * runs in the background. */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include "build/compiler.h"
#include "build/object.h"
#include "build/saved.h"
#include "host/host.h"

struct programs_text {
	const char *kind;		/* name of this text in the cache */
	const char *text;
	const char *const *flags;
	size_t n_flags;
	const char *fallback;		/* one more flag for a second try if the text does not compile, or NULL */
	bool optional;			/* if it does not compile: use and cache an empty object */
	const struct saved *saved;	/* the only source, if it is set */
};

struct programs {
	struct programs_text text;
	const struct host *host;
	const char *cache_dir;		/* NULL: no cache */
	char *key;
	struct compiler compiler;
	bool ready;			/* true if object is set */
	struct object object;
	char errmsg[768];		/* one line, set if it failed */
};

#define PROGRAMS_NONE { .compiler = COMPILER_NONE }

/**
 * programs_start - load from the file or the cache, or start compiling
 * @p:         PROGRAMS_NONE at first; close it with programs_close()
 * @cache_dir: folder of the cache; NULL: neither read nor write one
 * Return: 0 (check @p->ready), or a negative errno with @p->errmsg.
 */
int programs_start(struct programs *p, const struct host *h, const struct programs_text *text,
		   const char *cache_dir);

/**
 * programs_step - check if the compiler is done, and store its result
 * @wait: wait until it is done
 * Return: 0 (check @p->ready); -EINTR: a signal ended the wait; another negative errno with
 *	@p->errmsg: -ENOENT (no libbcc), -EINVAL (does not compile), ...
 */
int programs_step(struct programs *p, bool wait);

void programs_close(struct programs *p);

#endif
