/* SPDX-License-Identifier: Apache-2.0 */
/* This module finds the headers of the running kernel, or says why there are none. */
#ifndef HEADERS_H
#define HEADERS_H

#include "host/view.h"

#include <limits.h>

#define HEADERS_RELEASE_SIZE 65

/**
 * headers_find - find the headers of the running kernel, whose release is @release
 * @path: their build tree or archive; untouched if there is none
 * @of:   the release of the kernel that they belong to; untouched if it is not known
 */
void headers_find(const char *release, char path[PATH_MAX], char of[HEADERS_RELEASE_SIZE]);

/**
 * headers_missing - say why there are none, and what to do about it
 * @why:  what is missing, without a full stop
 * @mend: a command, or settings of a container
 * Return: as view_remedy()
 */
bool headers_missing(const char *release, const struct view *v, char *why, size_t why_len, char *mend, size_t mend_len);

#endif
