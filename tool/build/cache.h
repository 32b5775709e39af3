/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps compiled programs in files, so that a host compiles them once. */
#ifndef CACHE_H
#define CACHE_H

#include "host/host.h"
#include "build/object.h"

#define CACHE_DIR "/var/cache/ipvs-tcpstate"

/**
 * cache_key - describe everything that can change the compiler's result
 * @flags: the -D list, @n_flags strings
 * Return: text for the caller to free, or NULL if there is no memory.
 */
char *cache_key(const struct host *h, const char *text, const char *const flags[], size_t n_flags);

/**
 * cache_load - load the object compiled for @key; also removes half-written files of killed processes
 * @dir:  trusted only if root owns it and nobody else may write to it
 * @kind: of programs as plan_main_text() names them, "layout", "btf", "btf-ipvs"
 * @o:    filled on 0, free with object_free()
 * @why:  one line, "" unless it fails for a reason other than a missing entry
 * Return: 0, -ENOENT (no entry, or one for another key), -EPERM (not trusted), -EBADMSG (damaged), ...
 */
int cache_load(const char *dir, const char *kind, const char *key, struct object *o, char *why,
	       size_t len);

/**
 * cache_store - save an object; replaces the file in one step, so that no reader sees half of it,
 * and removes the files of kernels that are no longer installed
 * Return: 0 or a negative errno with @why.
 */
int cache_store(const char *dir, const char *kind, const char *key, const struct host *h,
		const struct object *o, char *why, size_t len);

#endif
