/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that install what is missing, for this distribution. */
#ifndef DISTRO_H
#define DISTRO_H

#include <stddef.h>

/**
 * distro_headers_hint - write the command that installs a kernel's headers to @line
 * @release: release of the kernel, as in uname(2)
 */
void distro_headers_hint(const char *release, char *line, size_t len);

/** distro_libbcc_hint - write the command that installs libbcc to @line */
void distro_libbcc_hint(char *line, size_t len);

#endif
