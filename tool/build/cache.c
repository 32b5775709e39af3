/* SPDX-License-Identifier: Apache-2.0 */
#include "build/cache.h"

#include "base/file.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (4 * 1024 * 1024)

/* Identifies a file by properties that change when a package replaces it. */
static void put_identity(FILE *to, const char *what, const char *path)
{
	struct stat st = { 0 };
	char real[PATH_MAX];

	if (!realpath(path, real) || stat(real, &st)) {
		fprintf(to, "%s %s: none\n", what, path);
		return;
	}
	fprintf(to, "%s %s %llu %lld %lld.%09ld\n", what, real, (unsigned long long)st.st_ino,
		(long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

char *cache_key(const struct host *h, const char *text, const char *const flags[], size_t n_flags)
{
	char *key = NULL, path[PATH_MAX + 64];
	const char *source = getenv("BCC_KERNEL_SOURCE");
	size_t len;
	FILE *to = open_memstream(&key, &len);

	if (!to)
		return NULL;
	fprintf(to, "kernel %s %s %s\n", h->uts.release, h->uts.version, h->uts.machine);
	put_identity(to, "libbcc", h->libbcc);
	put_identity(to, "headers", h->headers);
	snprintf(path, sizeof(path), "%s/include/generated/autoconf.h", h->headers);
	put_identity(to, "config", path);
	snprintf(path, sizeof(path), "/lib/modules/%s/source", h->uts.release);
	put_identity(to, "source", path);
	fprintf(to, "BCC_KERNEL_SOURCE %s\n", source ? source : "");
	for (size_t i = 0; i < n_flags; i++)
		fprintf(to, "%s\n", flags[i]);
	fprintf(to, "text %zu %016llx\n", strlen(text), (unsigned long long)hash_bytes(HASH_BEGIN, text, strlen(text)));
	if (fclose(to)) {
		free(key);
		return NULL;
	}
	return key;
}

__attribute__((format(printf, 4, 5)))
static int cache_failed(int err, char *why, size_t len, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, len, fmt, args);
	va_end(args);
	return err;
}

/* Returns 0 if only root can write the file: programs from the cache run in the kernel. */
static int check_owner(int fd, const char *path, char *why, size_t len)
{
	struct stat st;

	if (fstat(fd, &st))
		return cache_failed(-errno, why, len, "cache %s: %s", path, strerror(errno));
	if (!file_is_roots(&st))
		return cache_failed(-EPERM, why, len, "cache %s not used: not root's alone (owner %u, mode %03o)",
			    path, st.st_uid, st.st_mode & 0777);
	return 0;
}

static int open_dir(const char *dir, bool make, char *why, size_t len)
{
	int fd, err;

	if (make && mkdir(dir, 0700) && errno != EEXIST)
		return cache_failed(-errno, why, len, "cannot make cache %s: %s", dir, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		if (err == -ENOENT)
			return err;
		return cache_failed(err, why, len, "cannot open cache %s: %s", dir, strerror(-err));
	}
	err = check_owner(fd, dir, why, len);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static void file_name(char *name, size_t size, const char *kind, const char *key)
{
	const char *release = strchr(key, ' ') + 1;

	/* The release is part of the name so that old ones can be found and removed. */
	snprintf(name, size, "%.*s.%s.%016llx", (int)strcspn(release, " \n/"), release, kind,
		 (unsigned long long)hash_bytes(HASH_BEGIN, key, strlen(key)));
}

/* Reads a whole file. Returns NULL if that fails or the file is larger than any that the tool writes. */
static char *read_entry(int fd, size_t *len)
{
	struct stat st;
	char *bytes;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return NULL;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return NULL;
	if (read(fd, bytes, (size_t)st.st_size) != st.st_size) {
		free(bytes);
		return NULL;
	}
	bytes[st.st_size] = '\0';
	*len = (size_t)st.st_size;
	return bytes;
}

/* Decodes a cache file: the key with its NUL, then the object. */
static int decode_entry(const char *bytes, size_t len, const char *key, struct object *o)
{
	size_t key_size = strnlen(bytes, len) + 1;

	if (key_size > len)
		return -EBADMSG;
	if (strcmp(bytes, key))
		return -ENOENT;
	return object_decode(o, bytes + key_size, len - key_size);
}

/* True for a kind that plan.c uses, and for "main", which earlier versions of the tool used. */
static bool is_kind(const char *name)
{
	static const char *const kinds[] = { "rows", "counts", "both", "layout", "btf", "btf-ipvs", "main" };

	if (!strncmp(name, "director", 8) || !strncmp(name, "server", 6))
		return true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(name, kinds[i]))
			return true;
	return false;
}

/* True if @name is ".RELEASE.KIND.HASH.PID" with a known kind; @pid: its last dot */
static bool has_kind(const char *name, const char *pid)
{
	char text[256], *dot;

	snprintf(text, sizeof(text), "%.*s", (int)(pid - name), name);
	dot = strrchr(text, '.');
	if (!dot)
		return false;
	*dot = '\0';
	dot = strrchr(text, '.');
	return dot && is_kind(dot + 1);
}

/* Removes files ".NAME.PID" of cache_store() whose process was killed. */
static void remove_leftovers(int dir_fd)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name, *dot = strrchr(name, '.');
		char *end;
		long pid;

		if (*name != '.' || dot == name || !dot || !has_kind(name, dot))
			continue;
		pid = strtol(dot + 1, &end, 10);
		if (*end || pid <= 0 || pid > INT_MAX || !kill((pid_t)pid, 0) || errno != ESRCH)
			continue;
		unlinkat(dir_fd, name, 0);
	}
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
}

int cache_load(const char *dir, const char *kind, const char *key, struct object *o, char *why,
	       size_t len)
{
	int dir_fd, fd = -1, err;
	char *bytes = NULL;
	char name[256];
	size_t size;

	why[0] = '\0';
	dir_fd = open_dir(dir, false, why, len);
	if (dir_fd < 0)
		return dir_fd;
	remove_leftovers(dir_fd);
	file_name(name, sizeof(name), kind, key);
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		err = errno == ENOENT ? -ENOENT
				      : cache_failed(-errno, why, len, "cannot open cache entry %s/%s: %s", dir,
					     name, strerror(errno));
		goto out;
	}
	err = check_owner(fd, name, why, len);
	if (err)
		goto out;
	bytes = read_entry(fd, &size);
	err = bytes ? decode_entry(bytes, size, key, o) : -EBADMSG;
	if (err == -EBADMSG)
		cache_failed(err, why, len, "cache entry %s/%s is damaged; compiling again", dir, name);
out:
	free(bytes);
	if (fd >= 0)
		close(fd);
	close(dir_fd);
	return err;
}

/* Removes older entries of this kernel, and those of kernels that are not installed any more and so will not run again. */
static void prune(int dir_fd, const struct host *h, const char *kind, const char *keep)
{
	DIR *dir = fdopendir(dup(dir_fd));
	struct dirent *entry;

	if (!dir)
		return;
	rewinddir(dir);
	while ((entry = readdir(dir))) {
		char release[256], modules[512], part[64];
		char *dot;

		snprintf(release, sizeof(release), "%s", entry->d_name);
		dot = strrchr(release, '.');
		/* Only names that file_name() makes: a user's --cache-dir may hold other files. */
		if (!dot || strlen(dot + 1) != 16 || dot[1 + strspn(dot + 1, "0123456789abcdef")] ||
		    !strcmp(entry->d_name, keep))
			continue;
		*dot = '\0';
		dot = strrchr(release, '.');
		if (!dot || !is_kind(dot + 1))
			continue;
		snprintf(part, sizeof(part), "%s", dot + 1);
		*dot = '\0';
		snprintf(modules, sizeof(modules), "/lib/modules/%s", release);
		/* Keeps the newest entry of each kind for this kernel, and every entry of an installed other kernel. */
		if (strcmp(release, h->uts.release) ? access(modules, F_OK) != 0
						    : !strcmp(part, kind))
			unlinkat(dir_fd, entry->d_name, 0);
	}
	closedir(dir);
}

static int write_entry(int fd, const char *key, const struct object *o)
{
	void *bytes;
	size_t len;
	int err = object_encode(o, &bytes, &len);

	if (err)
		return err;
	errno = ENOSPC;	/* the cause of a short write */
	if (write(fd, key, strlen(key) + 1) != (ssize_t)strlen(key) + 1 ||
	    write(fd, bytes, len) != (ssize_t)len)
		err = -errno;
	free(bytes);
	return err;
}

int cache_store(const char *dir, const char *kind, const char *key, const struct host *h,
		const struct object *o, char *why, size_t len)
{
	int dir_fd, fd, err;
	char name[256], temporary[300];

	why[0] = '\0';
	dir_fd = open_dir(dir, true, why, len);
	if (dir_fd < 0)
		return dir_fd;
	file_name(name, sizeof(name), kind, key);
	snprintf(temporary, sizeof(temporary), ".%s.%d", name, getpid());
	unlinkat(dir_fd, temporary, 0);	/* left by a killed process with the same PID */
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = cache_failed(-errno, why, len, "cannot write cache %s: %s", dir, strerror(errno));
		goto out;
	}
	err = write_entry(fd, key, o);
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(dir_fd, temporary, dir_fd, name))
		err = -errno;
	if (err) {
		unlinkat(dir_fd, temporary, 0);
		cache_failed(err, why, len, "cannot write cache %s: %s", dir, strerror(-err));
		goto out;
	}
	prune(dir_fd, h, kind, name);
out:
	close(dir_fd);
	return err;
}
