/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCHES_MAX 65536
#define DEPTH_MAX 24	/* each level has an open folder while it is read */

/* A line is: 31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw
 * In a control group namespace the host's hierarchy has a root above the namespace's, such as /../.. */
bool cgroups_find(char found[PATH_MAX])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, root[PATH_MAX], mount[PATH_MAX];
	size_t size = 0;
	struct stat st;

	found[0] = '\0';
	while (file && getline(&line, &size, file) > 0)
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount) == 2 &&
		    (!*found || !strncmp(root, "/..", 3)))
			snprintf(found, PATH_MAX, "%s", mount);
	free(line);
	if (file)
		fclose(file);
	return *found && !stat(found, &st) && st.st_ino == 1;
}

/* Keeps the path of a watch. A group that is there already has the same watch again. */
static bool keep_path(struct cgroups *g, size_t watch, const char *path)
{
	if (!g->path || watch >= WATCHES_MAX)
		return false;
	free(g->path[watch]);
	if (asprintf(&g->path[watch], "%s", path) < 0) {
		g->path[watch] = NULL;
		return false;
	}
	if (watch >= g->n)
		g->n = watch + 1;
	return true;
}

static void watch_group(struct cgroups *g, const char *path)
{
	int watch = g->fd < 0 ? -1 : inotify_add_watch(g->fd, path, IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW);

	if (watch < 0 && g->fd >= 0 && errno != ENOENT && !g->err)
		g->err = -errno;
	if (watch >= 0 && !keep_path(g, (size_t)watch, path)) {
		inotify_rm_watch(g->fd, watch);
		g->err = g->err ? g->err : -ENOMEM;
	}
}

/* Adds a group and those below it. It is watched before it is read, so that no child is missed.
 * @path: has PATH_MAX bytes; changed and restored */
static void add_tree(struct cgroups *g, char *path, const struct container *inside, int depth)
{
	size_t len = strlen(path);
	struct dirent *child;
	struct stat st;
	DIR *dir;

	watch_group(g, path);
	dir = opendir(path);
	if (!dir)
		return;
	if (!fstat(dirfd(dir), &st))
		g->seen(g->cookie, (uint32_t)st.st_ino, inside);
	while (depth < DEPTH_MAX && (child = readdir(dir))) {
		size_t more = strlen(child->d_name);
		struct container in = *inside;

		if (child->d_type != DT_DIR || child->d_name[0] == '.' || len + 1 + more >= PATH_MAX)
			continue;
		path[len] = '/';
		memcpy(path + len + 1, child->d_name, more + 1);
		container_enter(&in, child->d_name, more);
		add_tree(g, path, &in, depth + 1);
		path[len] = '\0';
	}
	closedir(dir);
}

static void add_all(struct cgroups *g)
{
	const struct container none = { "", "" };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", g->mount);
	add_tree(g, path, &none, 0);
}

void cgroups_open(struct cgroups *g, cgroups_seen seen, void *cookie)
{
	memset(g, 0, sizeof(*g));
	g->seen = seen;
	g->cookie = cookie;
	g->fd = -1;
	cgroups_find(g->mount);
	if (!*g->mount)
		return;
	g->path = calloc(WATCHES_MAX, sizeof(*g->path));
	g->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (g->fd < 0)
		g->err = -errno;
	add_all(g);
}

static void drop_watch(struct cgroups *g, size_t watch)
{
	if (watch >= g->n)
		return;
	free(g->path[watch]);
	g->path[watch] = NULL;
}

/* The watch keeps a group's inode in memory after the group is gone. */
static void drop_group(struct cgroups *g, const char *path)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->path[i] && !strcmp(g->path[i], path)) {
			inotify_rm_watch(g->fd, (int)i);
			drop_watch(g, i);
		}
}

static void handle_change(struct cgroups *g, const struct inotify_event *ev)
{
	struct container inside;
	char path[PATH_MAX];
	size_t watch = (size_t)ev->wd;

	if (ev->mask & IN_Q_OVERFLOW) {
		add_all(g);
		return;
	}
	if (ev->mask & IN_IGNORED)
		drop_watch(g, watch);
	if (!(ev->mask & IN_ISDIR) || !ev->len || watch >= g->n || !g->path[watch] ||
	    snprintf(path, sizeof(path), "%s/%s", g->path[watch], ev->name) >= (int)sizeof(path))
		return;
	if (ev->mask & IN_DELETE) {
		drop_group(g, path);
	} else if (ev->mask & IN_CREATE) {
		inside = container_from_path(path, strlen(path));
		add_tree(g, path, &inside, 0);
	}
}

void cgroups_follow(struct cgroups *g)
{
	_Alignas(struct inotify_event) char buffer[8192];
	ssize_t n;

	while (g->fd >= 0 && (n = read(g->fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *ev = (const void *)(buffer + at);

			handle_change(g, ev);
			at += (ssize_t)(sizeof(*ev) + ev->len);
		}
}

uint32_t cgroups_id(const struct cgroups *g, const char *path, size_t len)
{
	char whole[2 * PATH_MAX];
	struct stat st;

	snprintf(whole, sizeof(whole), "%s%.*s", g->mount, (int)len, path);
	return *g->mount && !stat(whole, &st) ? (uint32_t)st.st_ino : 0;
}

void cgroups_close(struct cgroups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->path[i]);
	free(g->path);
	if (g->mount[0] && g->fd >= 0)
		close(g->fd);
	memset(g, 0, sizeof(*g));
}
