/* SPDX-License-Identifier: Apache-2.0 */
#include "build/saved.h"

#include "base/file.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "IVSPROG1"	/* a new format needs a new number */
#define FILE_MAX (64 * 1024 * 1024)

struct block {
	char magic[8];
	uint64_t checksum;	/* of the whole block, with this member as 0 */
	uint32_t size;		/* of the whole block, bytes */
	uint32_t kernel_size;	/* the kernel, as in struct saved, and a NUL; the entries follow */
};

struct entry {
	uint32_t key_size;	/* the kind, a blank, the key, a NUL */
	uint32_t object_size;
};

__attribute__((format(printf, 3, 4)))
static int saved_failed(struct saved *s, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->errmsg, sizeof(s->errmsg), fmt, args);
	va_end(args);
	return err;
}

void saved_init(struct saved *s, const char *path, const struct host *h)
{
	memset(s, 0, sizeof(*s));
	s->path = path;
	snprintf(s->kernel, sizeof(s->kernel), "%s %s %s, build ID %s", h->uts.release, h->uts.version, h->uts.machine,
		 *h->build_id ? h->build_id : "none");
}

void saved_close(struct saved *s)
{
	free(s->entries);
	s->entries = NULL;
	s->len = 0;
}

/* ---- reading */

static uint64_t block_checksum(struct block b, const char *rest)
{
	b.checksum = 0;
	return hash_bytes(hash_bytes(HASH_BEGIN, &b, sizeof(b)), rest, b.size - sizeof(b));
}

static bool is_text(const char *bytes, size_t size, size_t len)
{
	return size && size <= len && strnlen(bytes, size) == size - 1;
}

/* Reads the head of the entry at @*at and moves there behind it. Returns its key, or NULL if the entry is not whole. */
static const char *next_saved(const char **at, const char *end, struct entry *e)
{
	const char *key;

	if ((size_t)(end - *at) < sizeof(*e))
		return NULL;
	memcpy(e, *at, sizeof(*e));
	key = *at + sizeof(*e);
	if (!is_text(key, e->key_size, (size_t)(end - key)) || e->object_size > (size_t)(end - key) - e->key_size)
		return NULL;
	*at = key + e->key_size + e->object_size;
	return key;
}

static bool parse_block(struct block *b, const char *bytes, size_t len)
{
	const char *at = bytes + sizeof(*b), *end;
	struct entry e;

	if (len < sizeof(*b))
		return false;
	memcpy(b, bytes, sizeof(*b));
	if (memcmp(b->magic, MAGIC, sizeof(b->magic)) != 0 || b->size < sizeof(*b) || b->size > len ||
	    block_checksum(*b, at) != b->checksum || !is_text(at, b->kernel_size, b->size - sizeof(*b)))
		return false;
	end = bytes + b->size;
	at += b->kernel_size;
	while (at < end)
		if (!next_saved(&at, end, &e))
			return false;
	return true;
}

static int append_bytes(struct saved *s, const void *bytes, size_t len)
{
	char *more = realloc(s->entries, s->len + len + 1);	/* never 0 bytes */

	if (!more)
		return -ENOMEM;
	s->entries = more;
	memcpy(more + s->len, bytes, len);
	s->len += len;
	return 0;
}

static int take_block(struct saved *s, const char *bytes, const struct block *b)
{
	const char *kernel = bytes + sizeof(*b);

	if (!strcmp(kernel, s->kernel))
		return append_bytes(s, kernel + b->kernel_size, b->size - sizeof(*b) - b->kernel_size);
	if (!s->n_others++)
		snprintf(s->others, sizeof(s->others), "%s", kernel);
	return 0;
}

int saved_take(struct saved *s, const void *bytes, size_t len)
{
	const size_t before = s->len;
	const char *at = bytes;
	int err = 0;

	while (len && !err) {
		struct block b;

		err = parse_block(&b, at, len) ? take_block(s, at, &b) : -EBADMSG;
		if (err)
			break;
		at += b.size;
		len -= b.size;
	}
	if (err)
		s->len = before;
	return err;
}

/* Returns 0 if only root can write to the open file or folder: what it has runs in the kernel. */
static int check_trust(struct saved *s, int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st))
		return saved_failed(s, -errno, "cannot use %.512s: %s", path, strerror(errno));
	if (file_is_roots(&st))
		return 0;
	if (S_ISDIR(st.st_mode))
		return saved_failed(s, -EPERM, "programs in folder %.512s not used: not root's alone (owner %u, mode %03o); keep them in a "
				    "folder that only root can write to", path, st.st_uid, st.st_mode & 07777);
	return saved_failed(s, -EPERM, "%.256s not used: not root's alone (owner %u, mode %03o); run: chown root %.128s; chmod go-w %.128s",
			    path, st.st_uid, st.st_mode & 07777, path, path);
}

/* @explicit: the user named this file; else it is one of a folder, and files of other kinds are ignored */
static int read_saved_file(struct saved *s, int dir_fd, const char *name, const char *path, bool explicit)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err;
	char *bytes = NULL;
	struct stat st;

	if (fd < 0)
		return saved_failed(s, -errno, "cannot open %.512s: %s", path, strerror(errno));
	err = check_trust(s, fd, path);
	if (err)
		goto out;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		err = saved_failed(s, -EBADMSG, "%.512s is no file of --save-programs", path);
		goto out;
	}
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes || read(fd, bytes, (size_t)st.st_size) != st.st_size) {
		err = saved_failed(s, -EIO, "cannot read %.512s: %s", path, bytes ? "an error of its disk?" : "out of memory");
		goto out;
	}
	if ((size_t)st.st_size < strlen(MAGIC) || memcmp(bytes, MAGIC, strlen(MAGIC)) != 0) {
		if (explicit)
			err = saved_failed(s, -EBADMSG, "%.512s is no file of --save-programs", path);
		goto out;
	}
	err = saved_take(s, bytes, (size_t)st.st_size);
	if (err == -EBADMSG)
		saved_failed(s, err, "%.512s is damaged; copy it again, or save it again by --save-programs", path);
	else if (err)
		saved_failed(s, err, "%.512s: out of memory", path);
out:
	free(bytes);
	close(fd);
	return err;
}

static int read_folder(struct saved *s, int dir_fd, const char *path)
{
	DIR *dir = fdopendir(dup(dir_fd));
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return saved_failed(s, -errno, "cannot read %.512s: %s", path, strerror(errno));
	while (!err && (entry = readdir(dir))) {
		char file[PATH_MAX + 256];
		struct stat st;

		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.' && !fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			err = read_saved_file(s, dir_fd, entry->d_name, file, false);
	}
	closedir(dir);
	return err;
}

/* Follows links first: Kubernetes mounts files as links into a folder of its own. */
static int read_path(struct saved *s, const char *path)
{
	char real[PATH_MAX], *name;
	struct stat st;
	int dir_fd, err;

	if (!realpath(path, real) || stat(real, &st))
		return saved_failed(s, -errno, "cannot open %.512s: %s", path, strerror(errno));
	name = S_ISDIR(st.st_mode) ? NULL : strrchr(real, '/');
	if (name)
		*name++ = '\0';
	dir_fd = open(*real ? real : "/", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return saved_failed(s, -errno, "cannot open folder %.512s: %s", real, strerror(errno));
	err = check_trust(s, dir_fd, *real ? real : "/");
	if (!err)
		err = name ? read_saved_file(s, dir_fd, name, path, true) : read_folder(s, dir_fd, path);
	close(dir_fd);
	return err;
}

int saved_open(struct saved *s, const char *path, const struct host *h)
{
	int err;

	saved_init(s, path, h);
	err = read_path(s, path);
	if (err)
		saved_close(s);
	else if (!s->len)
		err = saved_failed(s, -ENOENT, "%.128s has no programs for kernel %s%s%s%s; save them on this kernel by --save-programs",
				   path, s->kernel, s->n_others ? ", but for " : "", s->others, s->n_others > 1 ? " and others" : "");
	return err;
}

char *saved_key(const char *text, const char *const flags[], size_t n_flags)
{
	char *key = NULL;
	size_t len;
	FILE *to = open_memstream(&key, &len);

	if (!to)
		return NULL;
	fprintf(to, "%016llx\n", (unsigned long long)hash_bytes(HASH_BEGIN, text, strlen(text)));
	for (size_t i = 0; i < n_flags; i++)
		fprintf(to, "%s\n", flags[i]);
	if (fclose(to)) {
		free(key);
		return NULL;
	}
	return key;
}

/* Returns how much of the wanted key the entry's key has: 0 nothing, 1 the kind, 2 the text too, 3 all. */
static int match(const char *has, const char *kind, const char *key)
{
	size_t len = strlen(kind);

	if (strncmp(has, kind, len) != 0 || has[len] != ' ')
		return 0;
	has += len + 1;
	if (!strcmp(has, key))
		return 3;
	return strncmp(has, key, strcspn(key, "\n") + 1) ? 1 : 2;
}

int saved_find(const struct saved *s, const char *kind, const char *key, struct object *o, char *why, size_t len)
{
	static const char *const causes[] = {
		"they did not compile where it was saved",
		"those that it has are of another version of the tool",
		"those that it has are for other --hooks, or other switches of this kernel",
	};
	const char *at = s->entries ? s->entries : "", *end = at + s->len, *has;
	struct entry e;
	int best = 0, err;

	while (at < end && (has = next_saved(&at, end, &e))) {
		int found = match(has, kind, key);

		if (found > best)
			best = found;
		if (found < 3)
			continue;
		err = object_decode(o, has + e.key_size, e.object_size);
		if (err)
			snprintf(why, len, "%.256s: the programs \"%s\" are damaged; save them again by --save-programs", s->path, kind);
		return err;
	}
	snprintf(why, len, "%.256s lacks the programs \"%s\": %s; save them again by --save-programs", s->path, kind, causes[best]);
	return -ENOENT;
}

/* ---- writing */

int saved_add(struct saved *s, const char *kind, const char *key, const struct object *o)
{
	struct entry e;
	void *bytes;
	size_t len;
	int err = object_encode(o, &bytes, &len);

	if (err)
		return err;
	e.key_size = (uint32_t)(strlen(kind) + 1 + strlen(key) + 1);
	e.object_size = (uint32_t)len;
	err = append_bytes(s, &e, sizeof(e));
	if (!err)
		err = append_bytes(s, kind, strlen(kind));
	if (!err)
		err = append_bytes(s, " ", 1);
	if (!err)
		err = append_bytes(s, key, strlen(key) + 1);
	if (!err)
		err = append_bytes(s, bytes, len);
	free(bytes);
	return err;
}

static int write_block(const struct saved *s, int fd)
{
	struct block b = { .kernel_size = (uint32_t)strlen(s->kernel) + 1 };
	size_t size = sizeof(b) + b.kernel_size + s->len;
	char *bytes = malloc(size);
	int err;

	if (!bytes)
		return -ENOMEM;
	memcpy(b.magic, MAGIC, sizeof(b.magic));
	b.size = (uint32_t)size;
	memcpy(bytes + sizeof(b), s->kernel, b.kernel_size);
	memcpy(bytes + sizeof(b) + b.kernel_size, s->entries, s->len);
	b.checksum = block_checksum(b, bytes + sizeof(b));
	memcpy(bytes, &b, sizeof(b));
	err = file_write(fd, bytes, size);
	free(bytes);
	return err;
}

int saved_write(struct saved *s, const char *path)
{
	char temporary[PATH_MAX];
	int fd, err;

	snprintf(temporary, sizeof(temporary), "%.*s.%d", PATH_MAX - 16, path, getpid());
	unlink(temporary);	/* left by a killed process with the same PID */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return saved_failed(s, -errno, "cannot write %.512s: %s", path, strerror(errno));
	err = write_block(s, fd);
	if (!err && (fchmod(fd, 0644) || fsync(fd)))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(temporary, path))
		err = -errno;
	if (err) {
		unlink(temporary);
		saved_failed(s, err, "cannot write %.512s: %s", path, strerror(-err));
	}
	return err;
}
