/* SPDX-License-Identifier: Apache-2.0 */
/* Reads whole files into memory, and writes whole buffers. */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/**
 * file_read - read a whole small file of /proc, /sys or /etc
 * Return: its text, NUL-terminated, for the caller to free, or NULL.
 */
char *file_read(const char *path);

/** file_read_bytes - the same for binary files: @len is set to the length without the NUL */
char *file_read_bytes(const char *path, size_t *len);

/** file_is_roots - true if nobody but root can write to a file or folder: root owns it, and no mode permits others to */
static inline bool file_is_roots(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/**
 * file_write - write all @len bytes, also if signals interrupt it; waits for a slow reader, also if @fd does not block
 * Return: 0 or a negative errno
 */
int file_write(int fd, const void *bytes, size_t len);

/**
 * file_wait - wait until @fd can be read or written
 * @events: POLLIN or POLLOUT, see poll(2)
 * Return: 0, or -EINTR after a signal. An error of @fd is no error here: the next read(2) or write(2) returns it.
 */
int file_wait(int fd, short events);

#endif
