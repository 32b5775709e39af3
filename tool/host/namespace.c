/* SPDX-License-Identifier: Apache-2.0 */
#include "host/namespace.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FIRST_NAMESPACE 0xeffffff0U
#define HOST_PID_NAMESPACE 0xeffffffcU	/* inode number */
#define OTHER_WAYS "give the PID of a process in it, its inode number, or a path, as /run/netns/NAME"

/* The name of an open file is its namespace, net:[4026531833], also if it was opened at the place where it is mounted. */
static bool is_net(int fd)
{
	char path[64], name[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	if (n > 0 && !strncmp(name, "net:[", strlen("net:[")))
		return true;
	/* A mounted one has the name of the place; only namespaces have such numbers: include/linux/proc_ns.h */
	return n > 0 && name[0] == '/' && st.st_ino >= FIRST_NAMESPACE;
}

int namespace_net(const char *name, const char *proc_root, uint32_t *inum, char *errmsg, size_t len)
{
	bool process = !strchr(name, '/');
	char path[PATH_MAX];
	struct stat st;
	int fd, err = 0;

	if (process)
		snprintf(path, sizeof(path), "%s/%s/ns/net", proc_root, name);
	else
		snprintf(path, sizeof(path), "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		err = -errno;
		snprintf(errmsg, len, "--netns %.64s: %s; " OTHER_WAYS, name,
			 process && err == -ENOENT ? "no such process" : strerror(-err));
		return err;
	}
	if (!is_net(fd) || fstat(fd, &st)) {
		snprintf(errmsg, len, "--netns %.64s: not a network namespace; " OTHER_WAYS, name);
		err = -EINVAL;
	} else {
		*inum = (uint32_t)st.st_ino;
	}
	close(fd);
	return err;
}

struct namespace_pid namespace_own_pid(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == HOST_PID_NAMESPACE)
		return (struct namespace_pid){ 0, 0 };
	return (struct namespace_pid){ (uint32_t)st.st_ino, major(st.st_dev) << 20 | minor(st.st_dev) };
}

/* NSpid has this process's PID in each namespace from that of /proc down to its own: task_state(), fs/proc/array.c, from 4.1. */
bool namespace_host_proc(void)
{
	char *text, *line;
	bool several;

	if (!namespace_own_pid().inum)
		return true;
	text = file_read("/proc/self/status");
	line = text ? strstr(text, "\nNSpid:\t") : NULL;
	several = line && strcspn(line + strlen("\nNSpid:\t"), "\t\n") < strcspn(line + 1, "\n") - strlen("NSpid:\t");
	free(text);
	return several;
}
