/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs and offsets in a file of --save-programs. A host that has the file needs neither headers nor libbcc.
 *
 * A file is a sequence of blocks. Each block has what was saved for one kernel, so files can be joined by cat(1).
 */
#ifndef SAVED_H
#define SAVED_H

#include "build/object.h"
#include "host/host.h"

#include <stddef.h>

struct saved {
	const char *path;	/* file or folder, as the user gave it */
	char kernel[320];	/* the running kernel: release, version, machine, build ID */
	char others[320];	/* first other kernel in the files; "" if there is none */
	size_t n_others;
	char *entries;		/* of the running kernel */
	size_t len;
	char errmsg[768];	/* one line, "" if the file can be used */
};

/**
 * saved_init - begin with no entries
 * @path: only for messages
 */
void saved_init(struct saved *s, const char *path, const struct host *h);

/**
 * saved_open - read the entries of the running kernel from @path
 * @path: a file, or a folder, of which every file is read whose name does not begin with a dot. Trusted only if root owns it
 *	and its folder, and nobody else may write to them.
 * @s:    filled, on failure too; the caller calls saved_close()
 * Return: 0; or with @s->errmsg -EPERM (not trusted), -EBADMSG (damaged), -ENOENT (none for this kernel), ...
 */
int saved_open(struct saved *s, const char *path, const struct host *h);

/**
 * saved_take - take the entries of the running kernel from the contents of a file; checks everything but the objects
 * Return: 0, -EBADMSG (takes none), or -ENOMEM.
 */
int saved_take(struct saved *s, const void *bytes, size_t len);

/** saved_key - describe a text and its -D list; Return: a key for the caller to free, or NULL if there is no memory */
char *saved_key(const char *text, const char *const flags[], size_t n_flags);

/**
 * saved_find - find an entry
 * @kind: as for the cache
 * @o:    filled on 0, free with object_free()
 * @why:  one line if it fails
 * Return: 0, -ENOENT, -EBADMSG or -ENOMEM.
 */
int saved_find(const struct saved *s, const char *kind, const char *key, struct object *o, char *why, size_t len);

/** saved_add - add an entry for the running kernel; Return: 0 or -ENOMEM */
int saved_add(struct saved *s, const char *kind, const char *key, const struct object *o);

/**
 * saved_write - write the entries to file @path, which only root can write then; replaces it in one step
 * Return: 0 or a negative errno with @s->errmsg.
 */
int saved_write(struct saved *s, const char *path);

/** saved_close - free the entries */
void saved_close(struct saved *s);

#endif
