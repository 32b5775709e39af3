/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs in a file, so that a host compiles once. */
#ifndef CACHE_H
#define CACHE_H

#include "host/host.h"
#include "build/object.h"

#define CACHE_DIR "/var/cache/ipvs-tcpstate"

/**
 * cache_key - everything that can change what the compiler makes
 * @flags: the -D list, @n_flags of them
 * Return: text for the caller to free, or NULL without memory.
 */
char *cache_key(const struct host *h, const char *text, const char *const flags[], size_t n_flags);

/**
 * cache_load - find the object compiled for @key; removes what killed processes have left half written
 * @dir:  trusted only where root owns it and nobody else may write to it
 * @kind: "rows", "counts", "both", "layout"
 * @o:    filled on 0, free with object_free()
 * @why:  one line, set where it fails for another reason than that there is none
 * Return: 0, -ENOENT (none, or for another key), -EPERM (not trusted), -EBADMSG (damaged), ...
 */
int cache_load(const char *dir, const char *kind, const char *key, struct object *o, char *why,
	       size_t len);

/**
 * cache_store - keep an object; replaces the file in one step, so that no reader sees half of it,
 * and removes those of kernels that this host no longer has
 * Return: 0 or a negative errno with @why.
 */
int cache_store(const char *dir, const char *kind, const char *key, const struct host *h,
		const struct object *o, char *why, size_t len);

#endif
