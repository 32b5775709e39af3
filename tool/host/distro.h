/* SPDX-License-Identifier: Apache-2.0 */
/* What a user of this distribution can install. */
#ifndef DISTRO_H
#define DISTRO_H

#include <stddef.h>

/**
 * distro_headers_hint - the command that installs a kernel's headers
 * @release: of the kernel, as uname(2) has it
 */
void distro_headers_hint(const char *release, char *line, size_t len);

/** distro_libbcc_hint - the command that installs libbcc */
void distro_libbcc_hint(char *line, size_t len);

#endif
