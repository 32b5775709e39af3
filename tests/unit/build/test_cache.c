/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs in files: stored, found again, and not trusted if anyone
* except root could have written them. */
#include "../unit.h"
#include "base/file.h"

#include "build/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RELEASE "6.1.0-unit"
#define KEY "kernel " RELEASE " #1 x86_64\nlibbcc none\n"

static char top[64];		/* removed after each test */
static char dir[80];		/* the cache, below it */
static struct host host;
static char why[256];

static struct bpf_insn insns[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 7 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static struct object sample(void)
{
	struct object o = { .kern_version = 0x60100, .n_maps = 1, .n_programs = 1, .n_insns = 2,
			    .maps = { { "socks", 1, 8, 88, 65536, 0 } },
			    .programs = { { "seven", 0, 2 } }, .insns = insns };

	return o;
}

static int setup(void **state)
{
	(void)state;
	strcpy(top, "/tmp/unit-cache-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(dir, sizeof(dir), "%s/cache", top);
	memset(&host, 0, sizeof(host));
	strcpy(host.uts.release, RELEASE);
	strcpy(host.uts.version, "#1 SMP");
	strcpy(host.uts.machine, "x86_64");
	strcpy(why, "untouched");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void need_root(void)
{
	if (geteuid())
		skip_because("only root's files are believed; run as root");
}

static int store(const char *kind, const char *key)
{
	struct object o = sample();

	return cache_store(dir, kind, key, &host, &o, why, sizeof(why));
}

static void check_found(const char *kind, const char *key)
{
	struct object o = { 0 };

	assert_int_equal(cache_load(dir, kind, key, &o, why, sizeof(why)), 0);
	assert_int_equal(o.kern_version, 0x60100);
	assert_int_equal(object_map(&o, "socks"), 0);
	assert_int_equal(o.maps[0].value_size, 88);
	assert_int_equal(object_constant(&o, "seven"), 7);
	object_free(&o);
	assert_string_equal(why, "");
}

/* Expects this error and an unchanged object; "" for @words: nothing is reported. */
static void check_not_found(const char *kind, const char *key, int err, const char *words)
{
	struct object o, before;

	memset(&o, 0x5a, sizeof(o));
	before = o;
	assert_int_equal(cache_load(dir, kind, key, &o, why, sizeof(why)), err);
	assert_memory_equal(&o, &before, sizeof(o));
	if (*words)
		assert_non_null(strstr(why, words));
	else
		assert_string_equal(why, "");
	assert_null(strchr(why, '\n'));
}

static int entries(char name[NAME_MAX + 1])
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (name)
			strcpy(name, e->d_name);
		n++;
	}
	closedir(d);
	return n;
}

/* Returns the path of the only entry. */
static const char *entry_path(void)
{
	static char path[sizeof(dir) + NAME_MAX + 2];
	char name[NAME_MAX + 1];

	assert_int_equal(entries(name), 1);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool there(const char *name)
{
	char path[sizeof(dir) + NAME_MAX + 2];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

static void put_file(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void touch(const char *name)
{
	char path[sizeof(dir) + NAME_MAX + 2];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	put_file(path, "x", 1);
}

static char *get_file(const char *path, size_t *len)
{
	char *bytes = file_read_bytes(path, len);

	assert_non_null(bytes);
	return bytes;
}

static void nothing_there(void **state)
{
	(void)state;
	check_not_found("main", KEY, -ENOENT, "");
	assert_int_equal(access(dir, F_OK), -1);	/* a lookup creates nothing */
}

static void stored_and_found(void **state)
{
	struct stat st;

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	assert_string_equal(why, "");
	check_found("main", KEY);
	check_found("main", KEY);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(lstat(entry_path(), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(S_ISREG(st.st_mode));
	assert_non_null(strstr(entry_path(), "/cache/" RELEASE ".main."));
}

static void stored_again(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	assert_int_equal(store("main", KEY), 0);
	assert_int_equal(entries(NULL), 1);	/* no temporary file is left */
	check_found("main", KEY);
}

static void kinds_are_apart(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	check_not_found("layout", KEY, -ENOENT, "");
	assert_int_equal(store("layout", KEY), 0);
	assert_int_equal(entries(NULL), 2);
	check_found("main", KEY);
	check_found("layout", KEY);
}

static void another_key(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	check_not_found("main", KEY "x", -ENOENT, "");
	check_not_found("main", "kernel 6.1.0-other #1 x86_64\nlibbcc none\n", -ENOENT, "");
	check_found("main", KEY);
}

/* Two keys have the same hash: the file contains the whole key. */
static void another_key_of_the_same_name(void **state)
{
	char path[256], *bytes, *at;
	size_t len;

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	snprintf(path, sizeof(path), "%s", entry_path());
	bytes = get_file(path, &len);
	at = strstr(bytes, "libbcc");
	assert_non_null(at);
	*at = 'L';
	put_file(path, bytes, len);
	free(bytes);
	check_not_found("main", KEY, -ENOENT, "");
}

static void truncated_at_every_length(void **state)
{
	char path[256], *bytes;
	size_t len;

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	snprintf(path, sizeof(path), "%s", entry_path());
	bytes = get_file(path, &len);
	assert_in_range(len, strlen(KEY) + 1 + 16, 1000);
	for (size_t n = 0; n < len; n++) {
		put_file(path, bytes, n);
		check_not_found("main", KEY, -EBADMSG, "is damaged; compiling again");
	}
	put_file(path, bytes, len);
	check_found("main", KEY);
	free(bytes);
}

static void every_byte_damaged(void **state)
{
	char path[256], *bytes;
	size_t len;

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	snprintf(path, sizeof(path), "%s", entry_path());
	bytes = get_file(path, &len);
	for (size_t i = 0; i < len; i++) {
		bytes[i] ^= 1;
		put_file(path, bytes, len);
		if (i < sizeof(KEY))
			check_not_found("main", KEY, -ENOENT, "");
		else
			check_not_found("main", KEY, -EBADMSG, "is damaged; compiling again");
		bytes[i] ^= 1;
	}
	free(bytes);
}

static void more_than_there_should_be(void **state)
{
	char path[256], *bytes, *more;
	size_t len;

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	snprintf(path, sizeof(path), "%s", entry_path());
	bytes = get_file(path, &len);
	more = calloc(1, len + 1);
	assert_non_null(more);
	memcpy(more, bytes, len);
	put_file(path, more, len + 1);
	check_not_found("main", KEY, -EBADMSG, "is damaged");
	assert_int_equal(truncate(path, 1L << 40), 0);	/* a sparse file, which must not be read into memory */
	check_not_found("main", KEY, -EBADMSG, "is damaged");
	free(bytes);
	free(more);
}

/* The next store replaces a damaged entry. */
static void damaged_one_is_replaced(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	put_file(entry_path(), "x", 1);
	check_not_found("main", KEY, -EBADMSG, "is damaged");
	assert_int_equal(store("main", KEY), 0);
	assert_int_equal(entries(NULL), 1);
	check_found("main", KEY);
}

static void entry_of_another_owner(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	if (chown(entry_path(), 65534, 0))
		skip_because("cannot chown here");
	check_not_found("main", KEY, -EPERM, "not root's alone (owner 65534, mode 600)");
}

static void entry_others_may_write(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	assert_int_equal(chmod(entry_path(), 0620), 0);
	check_not_found("main", KEY, -EPERM, "not root's alone (owner 0, mode 620)");
	assert_int_equal(chmod(entry_path(), 0602), 0);
	check_not_found("main", KEY, -EPERM, "not root's alone (owner 0, mode 602)");
	assert_int_equal(chmod(entry_path(), 0644), 0);	/* others may read it */
	check_found("main", KEY);
}

static void entry_is_a_symlink(void **state)
{
	char path[256], moved[100];

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	snprintf(path, sizeof(path), "%s", entry_path());
	snprintf(moved, sizeof(moved), "%s/moved", top);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(symlink(moved, path), 0);
	check_not_found("main", KEY, -ELOOP, "cannot open cache entry");
	/* Storing replaces the link, not its target. */
	assert_int_equal(truncate(moved, 0), 0);
	assert_int_equal(store("main", KEY), 0);
	check_found("main", KEY);
	{
		struct stat st;

		assert_int_equal(stat(moved, &st), 0);
		assert_int_equal(st.st_size, 0);
	}
}

static void entry_is_a_directory(void **state)
{
	char path[256];

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	snprintf(path, sizeof(path), "%s", entry_path());
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	check_not_found("main", KEY, -EBADMSG, "is damaged");
	assert_int_equal(store("main", KEY), -EISDIR);
	assert_non_null(strstr(why, "cannot write cache"));
	assert_int_equal(entries(NULL), 1);	/* no temporary file is left */
}

static void check_dir_refused(int err, const char *words)
{
	check_not_found("main", KEY, err, words);
	assert_int_equal(store("main", KEY), err);
	assert_non_null(strstr(why, words));
}

static void dir_others_may_write(void **state)
{
	static const mode_t modes[] = { 0770, 0707, 01777 };

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	for (size_t i = 0; i < N_OF(modes); i++) {
		assert_int_equal(chmod(dir, modes[i]), 0);
		check_dir_refused(-EPERM, "not root's alone");
	}
	assert_int_equal(chmod(dir, 0755), 0);
	check_found("main", KEY);
}

static void dir_of_another_owner(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	if (chown(dir, 65534, 0))
		skip_because("cannot chown here");
	check_dir_refused(-EPERM, "not root's alone (owner 65534, mode 700)");
}

static void dir_of_an_ordinary_user(void **state)
{
	(void)state;
	if (!geteuid())
		skip_because("needs another user than root");
	assert_int_equal(mkdir(dir, 0700), 0);
	check_dir_refused(-EPERM, "not root's alone");
}

static void dir_is_a_symlink(void **state)
{
	char moved[100];

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	snprintf(moved, sizeof(moved), "%s/moved", top);
	assert_int_equal(rename(dir, moved), 0);
	assert_int_equal(symlink(moved, dir), 0);
	check_dir_refused(-ENOTDIR, "cannot open cache");
}

static void dir_is_a_file(void **state)
{
	(void)state;
	put_file(dir, "", 0);
	check_dir_refused(-ENOTDIR, "cannot open cache");
}

static void dir_cannot_be_made(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/no/such", top);
	check_not_found("main", KEY, -ENOENT, "");
	assert_int_equal(store("main", KEY), -ENOENT);
	assert_non_null(strstr(why, "cannot make cache"));
}

static void old_entries_go(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	assert_int_equal(store("layout", KEY), 0);
	touch("0.0.0-gone.main.0123456789abcdef");
	touch("0.0.0-gone.layout.0123456789abcdef");
	touch(RELEASE ".main.0123456789abcdef");
	/* Another key of the same kernel: the cache keeps only the newest of a kind. */
	assert_int_equal(store("main", KEY "2"), 0);
	check_not_found("main", KEY, -ENOENT, "");
	check_found("main", KEY "2");
	check_found("layout", KEY);
	assert_int_equal(entries(NULL), 2);
}

static void entries_of_installed_kernels_stay(void **state)
{
	char name[NAME_MAX + 1] = "";
	struct dirent *e;
	DIR *modules;

	(void)state;
	need_root();
	modules = opendir("/lib/modules");
	while (modules && (e = readdir(modules)))
		if (e->d_name[0] != '.' && strlen(e->d_name) < 200)
			snprintf(name, sizeof(name), "%.200s.main.0123456789abcdef", e->d_name);
	if (modules)
		closedir(modules);
	if (!*name)
		skip_because("no kernel under /lib/modules");
	assert_int_equal(store("main", KEY), 0);
	touch(name);
	assert_int_equal(store("main", KEY), 0);
	assert_true(there(name));
}

/* --cache-dir may be a folder with other files. */
static void files_of_others_stay(void **state)
{
	static const char *const names[] = {
		"notes", "notes.txt", "a.b.c", "main", ".main.x", "app.main.js", "page.layout.html",
		"0.0.0-gone.main.", "0.0.0-gone.main.0123456789abcde", "0.0.0-gone.main.0123456789abcdeg",
		"0.0.0-gone.main.0123456789abcdef.bak",
	};

	(void)state;
	need_root();
	assert_int_equal(store("main", KEY), 0);
	for (size_t i = 0; i < N_OF(names); i++)
		touch(names[i]);
	assert_int_equal(store("main", KEY), 0);
	for (size_t i = 0; i < N_OF(names); i++) {
		if (!there(names[i]))
			print_message("# %s is gone\n", names[i]);
		assert_true(there(names[i]));
	}
	check_found("main", KEY);
}

static char *key_of(const char *text, const char *const flags[], size_t n)
{
	char *key = cache_key(&host, text, flags, n);

	assert_non_null(key);
	return key;
}

/* Checks that the key differs from @base. */
static void check_key_differs(const char *base)
{
	static const char *const flags[] = { "-DA=1", "-DB=2" };
	char *key = key_of("text", flags, 2);

	assert_string_not_equal(key, base);
	free(key);
}

static void key_of_the_same_host(void **state)
{
	static const char *const flags[] = { "-DA=1", "-DB=2" };
	char *a = key_of("text", flags, 2), *b = key_of("text", flags, 2);

	(void)state;
	assert_string_equal(a, b);
	assert_non_null(strstr(a, "kernel " RELEASE " #1 SMP x86_64\n"));
	assert_non_null(strstr(a, "\n-DA=1\n-DB=2\n"));
	free(a);
	free(b);
}

static void key_changes_with_all_that_matters(void **state)
{
	static const char *const flags[] = { "-DA=1", "-DB=2" };
	static const char *const others[] = { "-DA=1", "-DB=3" };
	static const char *const swapped[] = { "-DB=2", "-DA=1" };
	struct host before = host;
	char *base = key_of("text", flags, 2), *key;

	(void)state;
	key = key_of("texu", flags, 2);
	assert_string_not_equal(key, base);
	free(key);
	key = key_of("text", flags, 1);
	assert_string_not_equal(key, base);
	free(key);
	key = key_of("text", others, 2);
	assert_string_not_equal(key, base);
	free(key);
	key = key_of("text", swapped, 2);
	assert_string_not_equal(key, base);
	free(key);

	strcpy(host.uts.release, RELEASE "2");
	check_key_differs(base);
	host = before;
	strcpy(host.uts.version, "#2 SMP");	/* rebuilt with the same name */
	check_key_differs(base);
	host = before;
	strcpy(host.uts.machine, "aarch64");
	check_key_differs(base);
	host = before;
	strcpy(host.libbcc, "/dev/null");
	check_key_differs(base);
	host = before;
	strcpy(host.headers, "/usr");
	check_key_differs(base);
	host = before;
	setenv("BCC_KERNEL_SOURCE", "/usr/src/other", 1);
	check_key_differs(base);
	unsetenv("BCC_KERNEL_SOURCE");
	key = key_of("text", flags, 2);
	assert_string_equal(key, base);
	free(key);
	free(base);
}

/* A package that replaces libbcc or the headers keeps their file names. */
static void key_changes_with_files(void **state)
{
	static const char *const flags[] = { "-DA=1", "-DB=2" };
	const struct timespec times[2] = { { 1000000, 0 }, { 1000000, 0 } };
	char path[PATH_MAX + 64], *base, *key;

	(void)state;
	snprintf(host.libbcc, sizeof(host.libbcc), "%s/libbcc.so.0", top);
	put_file(host.libbcc, "one", 3);
	snprintf(host.headers, sizeof(host.headers), "%s/build", top);
	assert_int_equal(mkdir(host.headers, 0700), 0);
	snprintf(path, sizeof(path), "%s/include", host.headers);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/generated");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/autoconf.h");
	base = key_of("text", flags, 2);

	put_file(host.libbcc, "three", 5);
	check_key_differs(base);
	free(base);
	base = key_of("text", flags, 2);
	assert_int_equal(utimensat(AT_FDCWD, host.libbcc, times, 0), 0);
	check_key_differs(base);
	free(base);

	base = key_of("text", flags, 2);
	put_file(path, "#define CONFIG_SMP 1\n", 21);
	check_key_differs(base);
	free(base);
	base = key_of("text", flags, 2);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	check_key_differs(base);
	free(base);

	base = key_of("text", flags, 2);
	key = key_of("text", flags, 2);
	assert_string_equal(key, base);
	free(key);
	free(base);
}

static void real_key_is_stored_and_found(void **state)
{
	static const char *const flags[] = { "-DREAD_KERNEL=113" };
	char *key = key_of("text", flags, 1);

	(void)state;
	if (geteuid()) {
		free(key);
		need_root();
	}
	assert_int_equal(store("main", key), 0);
	check_found("main", key);
	free(key);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_there),
		CASE(stored_and_found),
		CASE(stored_again),
		CASE(kinds_are_apart),
		CASE(another_key),
		CASE(another_key_of_the_same_name),
		CASE(truncated_at_every_length),
		CASE(every_byte_damaged),
		CASE(more_than_there_should_be),
		CASE(damaged_one_is_replaced),
		CASE(entry_of_another_owner),
		CASE(entry_others_may_write),
		CASE(entry_is_a_symlink),
		CASE(entry_is_a_directory),
		CASE(dir_others_may_write),
		CASE(dir_of_another_owner),
		CASE(dir_of_an_ordinary_user),
		CASE(dir_is_a_symlink),
		CASE(dir_is_a_file),
		CASE(dir_cannot_be_made),
		CASE(old_entries_go),
		CASE(entries_of_installed_kernels_stay),
		CASE(files_of_others_stay),
		CASE(key_of_the_same_host),
		CASE(key_changes_with_all_that_matters),
		CASE(key_changes_with_files),
		CASE(real_key_is_stored_and_found),
	};

	umask(022);
	unsetenv("BCC_KERNEL_SOURCE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
