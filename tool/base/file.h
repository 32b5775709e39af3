/* SPDX-License-Identifier: Apache-2.0 */
/* Reads whole files into memory, and writes whole buffers. */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>

/**
 * file_read - read a whole small file of /proc, /sys or /etc
 * Return: its text, NUL-terminated, for the caller to free, or NULL.
 */
char *file_read(const char *path);

/** file_read_bytes - the same for binary files: @len is set to the length without the NUL */
char *file_read_bytes(const char *path, size_t *len);

/** file_write - write all @len bytes, also if signals interrupt it; Return: 0 or a negative errno */
int file_write(int fd, const void *bytes, size_t len);

#endif
