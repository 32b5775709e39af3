/* SPDX-License-Identifier: Apache-2.0 */
#include "ipvs/namespaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536

struct namespaces {
	const char *proc_root, *name;
	namespaces_line seen;
	namespaces_go_on go_on;
	void *cookie;
	uint32_t *inum;			/* the namespaces that were read already */
	size_t n, size;
};

static bool goes_on(const struct namespaces *all)
{
	return !all->go_on || all->go_on(all->cookie);
}

/* Reads all lines of an open file. */
static int read_lines(const struct namespaces *all, int fd, uint32_t netns)
{
	char *buffer = malloc(CHUNK);
	size_t held = 0;
	ssize_t n = 0;

	if (!buffer)
		return -ENOMEM;
	while (goes_on(all) && (n = read(fd, buffer + held, CHUNK - held)) > 0) {
		char *line = buffer, *stop = buffer + held + n, *newline;

		while ((newline = memchr(line, '\n', (size_t)(stop - line)))) {
			all->seen(all->cookie, line, (size_t)(newline - line), netns);
			line = newline + 1;
		}
		held = (size_t)(stop - line);
		if (held == CHUNK)
			held = 0;	/* no line is that long */
		memmove(buffer, line, held);
	}
	n = n < 0 ? -errno : 0;
	free(buffer);
	return (int)n;
}

static int read_ipvs_file(const struct namespaces *all, const char *path, uint32_t netns)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return errno == ENOENT || errno == ESRCH || errno == EINVAL ? 0 : -errno;
	err = read_lines(all, fd, netns);
	close(fd);
	return err;
}

/* True if the namespace was not read yet. Adds it. */
static bool add_namespace(struct namespaces *all, uint32_t inum)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->inum[i] == inum)
			return false;
	if (all->n == all->size) {
		size_t size = all->size ? 2 * all->size : 64;
		uint32_t *more = realloc(all->inum, size * sizeof(*more));

		if (!more)
			return true;	/* at worst it is read twice */
		all->inum = more;
		all->size = size;
	}
	all->inum[all->n++] = inum;
	return true;
}

/* Parses net:[4026531840]. Returns 0 for anything else. */
static uint32_t parse_inum(const char *text)
{
	return strncmp(text, "net:[", 5) ? 0 : (uint32_t)strtoul(text + 5, NULL, 10);
}

static int read_processes(struct namespaces *all)
{
	DIR *proc = opendir(all->proc_root);
	struct dirent *process;
	int err = proc ? 0 : -errno;

	while (proc && (process = readdir(proc))) {
		char path[PATH_MAX], link[64];
		uint32_t inum;
		ssize_t n;
		int ret;

		if (process->d_name[0] < '1' || process->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/%s/ns/net", all->proc_root, process->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n <= 0)
			continue;	/* the process has ended, or we may not look into it */
		link[n] = '\0';
		inum = parse_inum(link);
		if (!inum || !add_namespace(all, inum))
			continue;
		snprintf(path, sizeof(path), "%s/%s/net/%s", all->proc_root, process->d_name, all->name);
		ret = read_ipvs_file(all, path, inum);
		if (!err)
			err = ret;
	}
	if (proc)
		closedir(proc);
	return err;
}

/* Enters the namespace: one without processes has its files nowhere else. */
static int read_mounted(const struct namespaces *all, const char *mount, uint32_t inum, int home)
{
	int fd = open(mount, O_RDONLY | O_CLOEXEC), err = 0;
	char path[PATH_MAX];

	if (fd < 0)
		return 0;	/* unmounted meanwhile, or hidden by another mount */
	if (setns(fd, CLONE_NEWNET)) {
		err = errno == EINVAL ? 0 : -errno;	/* see procfs_inum(): of another kind */
	} else {
		snprintf(path, sizeof(path), "%s/self/net/%s", all->proc_root, all->name);
		err = read_ipvs_file(all, path, inum);
		if (setns(home, CLONE_NEWNET))
			err = -errno;
	}
	close(fd);
	return err;
}

/* Before 3.19 namespaces are files of procfs, and a line does not tell their kind: 54 28 0:3 / /run/netns/pod rw - proc proc rw */
static uint32_t procfs_inum(const char *line, const char *root, const char *mount)
{
	struct stat st;

	if (strcmp(root, "/") || !strstr(line, " - proc ") || stat(mount, &st) || !S_ISREG(st.st_mode))
		return 0;
	return (uint32_t)st.st_ino;
}

/* A line is: 54 28 0:4 net:[4026532177] /run/netns/pod rw shared:9 - nsfs nsfs rw */
static int read_mounts(struct namespaces *all)
{
	char path[PATH_MAX], root[64], mount[PATH_MAX], *line = NULL;
	int home, err = 0, ret;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/self/mountinfo", all->proc_root);
	file = fopen(path, "re");
	snprintf(path, sizeof(path), "%s/self/ns/net", all->proc_root);
	home = open(path, O_RDONLY | O_CLOEXEC);
	while (file && home >= 0 && getline(&line, &size, file) > 0) {
		uint32_t inum;

		if (sscanf(line, "%*s %*s %*s %63s %4095s", root, mount) != 2)
			continue;
		inum = parse_inum(root);
		if (!inum)
			inum = procfs_inum(line, root, mount);
		if (!inum || !add_namespace(all, inum))
			continue;
		ret = read_mounted(all, mount, inum, home);
		if (!err)
			err = ret;
	}
	free(line);
	if (file)
		fclose(file);
	if (home >= 0)
		close(home);
	return err;
}

int namespaces_read(const char *proc_root, const char *name, namespaces_line seen, namespaces_go_on go_on, void *cookie)
{
	struct namespaces all = { .proc_root = proc_root, .name = name, .seen = seen, .go_on = go_on, .cookie = cookie };
	int err = read_processes(&all), mounted;

	mounted = read_mounts(&all);
	free(all.inum);
	return err ? err : mounted;
}
