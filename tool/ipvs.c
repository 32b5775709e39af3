/* SPDX-License-Identifier: Apache-2.0 */
#include "ipvs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536

/* The namespaces that have been read. */
struct namespaces {
	uint32_t *inum;
	size_t n, size;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static const char *skip_spaces(const char *at, const char *end)
{
	while (at < end && *at == ' ')
		at++;
	return at;
}

/* Two hexadecimal digits; NULL where they are not there. */
static const char *read_byte(const char *at, const char *end, uint8_t *to)
{
	int high, low;

	if (end - at < 2)
		return NULL;
	high = digit(at[0]);
	low = digit(at[1]);
	if (high < 0 || low < 0)
		return NULL;
	*to = (uint8_t)(high << 4 | low);
	return at + 2;
}

/* C0A80001, or fd00:0000:0000:0000:0000:0000:0000:0001, maybe in brackets. */
static const char *read_addr(const char *at, const char *end, uint8_t addr[16], uint8_t *family)
{
	uint8_t bytes[16];
	size_t n = 0;

	at = skip_spaces(at, end);
	if (at < end && *at == '[')
		at++;
	while (n < 16 && at && at < end && *at != ' ' && *at != ']') {
		if (*at == ':')
			at++;
		else
			at = read_byte(at, end, &bytes[n++]);
	}
	if (!at || (n != 4 && n != 16))
		return NULL;
	memset(addr, 0, 10);
	memset(addr + 10, 0xff, 2);
	memcpy(addr + 16 - n, bytes, n);
	*family = n == 4 ? AF_INET : AF_INET6;
	return at < end && *at == ']' ? at + 1 : at;
}

static const char *read_port(const char *at, const char *end, uint16_t *port)
{
	uint8_t high, low;

	at = read_byte(skip_spaces(at, end), end, &high);
	if (at)
		at = read_byte(at, end, &low);
	if (at)
		*port = (uint16_t)(high << 8 | low);
	return at;
}

int ipvs_parse(const char *line, size_t len, struct ipvs_entry *e)
{
	const char *end = line + len, *at = line + 3;
	uint8_t family;

	if (len < 4 || memcmp(line, "TCP", 3))
		return -EINVAL;
	at = read_addr(at, end, e->caddr, &family);
	if (at)
		at = read_port(at, end, &e->cport);
	if (at)
		at = read_addr(at, end, e->vaddr, &family);
	if (at)
		at = read_port(at, end, &e->vport);
	if (at)
		at = read_addr(at, end, e->daddr, &e->dest_family);
	if (at)
		at = read_port(at, end, &e->dport);
	return at && e->cport ? 0 : -EINVAL;
}

/* All lines of an open file. */
static int read_lines(int fd, uint32_t netns, ipvs_entry_seen seen, void *cookie)
{
	char *buffer = malloc(CHUNK);
	size_t held = 0;
	ssize_t n;

	if (!buffer)
		return -ENOMEM;
	while ((n = read(fd, buffer + held, CHUNK - held)) > 0) {
		char *line = buffer, *stop = buffer + held + n, *newline;

		while ((newline = memchr(line, '\n', (size_t)(stop - line)))) {
			struct ipvs_entry e;

			if (!ipvs_parse(line, (size_t)(newline - line), &e)) {
				e.netns = netns;
				seen(cookie, &e);
			}
			line = newline + 1;
		}
		held = (size_t)(stop - line);
		if (held == CHUNK)
			held = 0;	/* no line is as long as this */
		memmove(buffer, line, held);
	}
	n = n < 0 ? -errno : 0;
	free(buffer);
	return (int)n;
}

static int read_file(const char *path, uint32_t netns, ipvs_entry_seen seen, void *cookie)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return errno == ENOENT || errno == ESRCH || errno == EINVAL ? 0 : -errno;
	err = read_lines(fd, netns, seen, cookie);
	close(fd);
	return err;
}

/* Whether the namespace is a new one. */
static bool add(struct namespaces *all, uint32_t inum)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->inum[i] == inum)
			return false;
	if (all->n == all->size) {
		size_t size = all->size ? 2 * all->size : 64;
		uint32_t *more = realloc(all->inum, size * sizeof(*more));

		if (!more)
			return true;	/* read twice, at worst */
		all->inum = more;
		all->size = size;
	}
	all->inum[all->n++] = inum;
	return true;
}

/* net:[4026531840]; 0: it is something else */
static uint32_t parse_inum(const char *text)
{
	return strncmp(text, "net:[", 5) ? 0 : (uint32_t)strtoul(text + 5, NULL, 10);
}

static int read_processes(const char *proc_root, struct namespaces *all, ipvs_entry_seen seen,
			  void *cookie)
{
	DIR *proc = opendir(proc_root);
	struct dirent *process;
	int err = proc ? 0 : -errno;

	while (proc && (process = readdir(proc))) {
		char path[PATH_MAX], link[64];
		uint32_t inum;
		ssize_t n;
		int now;

		if (process->d_name[0] < '1' || process->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/%s/ns/net", proc_root, process->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n <= 0) {	/* it has ended, or is none of our business */
			if (n < 0 && errno == EACCES && !err)
				err = -EACCES;
			continue;
		}
		link[n] = '\0';
		inum = parse_inum(link);
		if (!inum || !add(all, inum))
			continue;
		snprintf(path, sizeof(path), "%s/%s/net/ip_vs_conn", proc_root, process->d_name);
		now = read_file(path, inum, seen, cookie);
		if (!err)
			err = now;
	}
	if (proc)
		closedir(proc);
	return err;
}

/* From within: a namespace without processes has no other file. */
static int read_mounted(const char *mount, const char *proc_root, uint32_t inum, int home,
			ipvs_entry_seen seen, void *cookie)
{
	int fd = open(mount, O_RDONLY | O_CLOEXEC), err = 0;
	char path[PATH_MAX];

	if (fd < 0)
		return 0;	/* unmounted meanwhile, or hidden by another mount */
	if (setns(fd, CLONE_NEWNET)) {
		err = -errno;
	} else {
		snprintf(path, sizeof(path), "%s/thread-self/net/ip_vs_conn", proc_root);
		err = read_file(path, inum, seen, cookie);
		if (setns(home, CLONE_NEWNET))
			err = -errno;
	}
	close(fd);
	return err;
}

/* 54 28 0:4 net:[4026532177] /run/netns/pod rw shared:9 - nsfs nsfs rw */
static int read_mounts(const char *proc_root, struct namespaces *all, ipvs_entry_seen seen,
		       void *cookie)
{
	char path[PATH_MAX], root[64], mount[PATH_MAX], *line = NULL;
	int home, err = 0, now;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/self/mountinfo", proc_root);
	file = fopen(path, "re");
	snprintf(path, sizeof(path), "%s/self/ns/net", proc_root);
	home = open(path, O_RDONLY | O_CLOEXEC);
	while (file && home >= 0 && getline(&line, &size, file) > 0) {
		uint32_t inum;

		if (sscanf(line, "%*s %*s %*s %63s %4095s", root, mount) != 2)
			continue;
		inum = parse_inum(root);
		if (!inum || !add(all, inum))
			continue;
		now = read_mounted(mount, proc_root, inum, home, seen, cookie);
		if (!err)
			err = now;
	}
	free(line);
	if (file)
		fclose(file);
	if (home >= 0)
		close(home);
	return err;
}

int ipvs_read(const char *proc_root, ipvs_entry_seen seen, void *cookie)
{
	struct namespaces all = { 0 };
	int err = read_processes(proc_root, &all, seen, cookie), mounted;

	mounted = read_mounts(proc_root, &all, seen, cookie);
	free(all.inum);
	return err ? err : mounted;
}
