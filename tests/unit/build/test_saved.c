/* SPDX-License-Identifier: Apache-2.0 */
/* Files of --save-programs: what was saved for a kernel is found there, and nothing else is. */
#include "../unit.h"
#include "base/file.h"
#include "base/hash.h"

#include "build/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KERNEL "6.1.0-unit #1 SMP x86_64, build ID 0123abcd"

static char top[64];		/* removed after each test */
static char path[80];		/* a file in it */
static struct host host;
static struct saved saved;

static struct bpf_insn insns[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 7 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static struct object sample(int value)
{
	struct object o = { .kern_version = 0x60100, .n_programs = 1, .n_insns = 2,
			    .programs = { { "constant", 0, 2 } }, .insns = insns };

	insns[0].imm = value;
	return o;
}

static int setup(void **state)
{
	(void)state;
	strcpy(top, "/tmp/unit-saved-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(path, sizeof(path), "%s/kernel.programs", top);
	memset(&host, 0, sizeof(host));
	strcpy(host.uts.release, "6.1.0-unit");
	strcpy(host.uts.version, "#1 SMP");
	strcpy(host.uts.machine, "x86_64");
	strcpy(host.build_id, "0123abcd");
	memset(&saved, 0, sizeof(saved));
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(name);
}

static int teardown(void **state)
{
	(void)state;
	saved_close(&saved);
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void add(struct saved *s, const char *kind, const char *key, int value)
{
	const struct object o = sample(value);

	assert_int_equal(saved_add(s, kind, key, &o), 0);
}

/* Writes a file with one entry, whose value tells it from others. */
static void write_one(const char *to, const char *kind, const char *key, int value)
{
	struct saved s;

	saved_init(&s, to, &host);
	add(&s, kind, key, value);
	assert_int_equal(saved_write(&s, to), 0);
	assert_string_equal(s.errmsg, "");
	saved_close(&s);
}

static void check_value(const char *kind, const char *key, int value)
{
	char why[256] = "untouched";
	struct object o;

	assert_int_equal(saved_find(&saved, kind, key, &o, why, sizeof(why)), 0);
	assert_int_equal(object_constant(&o, "constant"), value);
	assert_int_equal(o.kern_version, 0x60100);
	assert_string_equal(why, "untouched");
	object_free(&o);
}

static void check_none(const char *kind, const char *key, const char *words)
{
	char why[512], expected[600];
	struct object o, before;

	memset(&o, 0x5a, sizeof(o));
	before = o;
	assert_int_equal(saved_find(&saved, kind, key, &o, why, sizeof(why)), -ENOENT);
	assert_memory_equal(&o, &before, sizeof(o));
	snprintf(expected, sizeof(expected), "%s lacks the programs \"%s\": %s; save them again by --save-programs", path, kind, words);
	assert_string_equal(why, expected);
}

/* Expects that nothing is taken from the file or folder, and one line that has @words. */
static void check_refused(const char *from, int err, const char *words)
{
	assert_int_equal(saved_open(&saved, from, &host), err);
	if (!strstr(saved.errmsg, words))
		assert_string_equal(saved.errmsg, words);
	assert_null(strchr(saved.errmsg, '\n'));
	assert_null(saved.entries);
	saved_close(&saved);
}

static void open_it(const char *from)
{
	if (saved_open(&saved, from, &host))
		assert_string_equal(saved.errmsg, "");
}

static void need_root(void)
{
	if (geteuid())
		skip_because("only root's files are believed; run as root");
}

static void found_again(void **state)
{
	static const char *const flags[] = { "-DA=1", "-DB=2" };
	char *key = saved_key("text", flags, 2), *other = saved_key("text", flags, 1), *newer = saved_key("texts", flags, 2);
	struct stat st;

	(void)state;
	need_root();
	assert_string_equal(strchr(key, '\n'), "\n-DA=1\n-DB=2\n");
	saved_init(&saved, path, &host);
	assert_string_equal(saved.kernel, KERNEL);
	add(&saved, "rows", key, 1);
	add(&saved, "counts", key, 2);
	add(&saved, "layout", "x\n", 3);
	umask(0);
	assert_int_equal(saved_write(&saved, path), 0);
	umask(022);
	saved_close(&saved);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	open_it(path);
	check_value("rows", key, 1);
	check_value("counts", key, 2);
	check_value("layout", "x\n", 3);
	check_none("both", key, "they did not compile where it was saved");
	check_none("row", key, "they did not compile where it was saved");
	check_none("rows", newer, "those that it has are of another version of the tool");
	check_none("rows", other, "those that it has are for other --hooks, or other switches of this kernel");
	free(key);
	free(other);
	free(newer);
}

static void other_kernels(void **state)
{
	char cat[400];

	(void)state;
	need_root();
	write_one(path, "rows", "k\n", 1);
	strcpy(host.build_id, "0123abce");
	check_refused(path, -ENOENT, "has no programs for kernel 6.1.0-unit #1 SMP x86_64, build ID 0123abce, but for " KERNEL
		      "; save them on this kernel by --save-programs");
	strcpy(host.build_id, "0123abcd");
	strcpy(host.uts.version, "#2 SMP");
	check_refused(path, -ENOENT, ", but for " KERNEL ";");
	strcpy(host.uts.machine, "aarch64");
	check_refused(path, -ENOENT, "no programs for kernel 6.1.0-unit #2 SMP aarch64, build ID 0123abcd, but for " KERNEL ";");
	strcpy(host.uts.machine, "x86_64");
	strcpy(host.uts.release, "6.1.0-other");
	snprintf(cat, sizeof(cat), "%s/other", top);
	write_one(cat, "rows", "k\n", 2);
	snprintf(cat, sizeof(cat), "cat %s %s/other >%s/both", path, top, top);
	assert_int_equal(system(cat), 0);	/* NOLINT(cert-env33-c): cat(1) is what users have */
	snprintf(cat, sizeof(cat), "%s/both", top);
	open_it(cat);
	check_value("rows", "k\n", 2);
	assert_int_equal(saved.n_others, 1);
	saved_close(&saved);
	strcpy(host.uts.release, "6.1.0-unit");
	strcpy(host.uts.version, "#1 SMP");
	open_it(cat);
	check_value("rows", "k\n", 1);
	saved_close(&saved);
	*host.build_id = '\0';
	check_refused(cat, -ENOENT, "build ID none, but for " KERNEL " and others;");
}

static void folders(void **state)
{
	char file[128];

	(void)state;
	need_root();
	check_refused(top, -ENOENT, "has no programs for kernel " KERNEL "; save");
	write_one(path, "rows", "k\n", 1);
	snprintf(file, sizeof(file), "%s/README", top);
	assert_int_equal(close(creat(file, 0644)), 0);
	snprintf(file, sizeof(file), "%s/.kernel.programs.rsync", top);
	write_one(file, "counts", "k\n", 5);
	snprintf(file, sizeof(file), "%s/newer", top);
	write_one(file, "rows", "of a newer version\n", 2);
	snprintf(file, sizeof(file), "%s/folder", top);
	assert_int_equal(mkdir(file, 0755), 0);
	open_it(top);
	check_value("rows", "k\n", 1);
	check_value("rows", "of a newer version\n", 2);
	assert_int_not_equal(saved_find(&saved, "counts", "k\n", &(struct object){ 0 }, file, sizeof(file)), 0);
	saved_close(&saved);
	snprintf(file, sizeof(file), "%s/README", top);
	check_refused(file, -EBADMSG, "README is no file of --save-programs");
	check_refused("/nowhere/programs", -ENOENT, "cannot open /nowhere/programs: No such file");
}

/* As Kubernetes mounts a ConfigMap: into a folder that anybody can write to, but the link leads elsewhere. */
static void links(void **state)
{
	char file[128], link[160];

	(void)state;
	need_root();
	write_one(path, "rows", "k\n", 1);
	snprintf(file, sizeof(file), "%s/mount", top);
	assert_int_equal(mkdir(file, 0755), 0);
	assert_int_equal(chmod(file, 0777), 0);
	snprintf(link, sizeof(link), "%s/link", file);
	assert_int_equal(symlink(path, link), 0);
	open_it(link);
	check_value("rows", "k\n", 1);
}

static void not_trusted(void **state)
{
	char words[400];

	(void)state;
	need_root();
	write_one(path, "rows", "k\n", 1);
	assert_int_equal(chmod(path, 0664), 0);
	snprintf(words, sizeof(words), "%s not used: not root's alone (owner 0, mode 664); run: chown root %s; chmod go-w %s", path, path, path);
	check_refused(path, -EPERM, words);
	check_refused(top, -EPERM, words);
	assert_int_equal(chmod(path, 0646), 0);
	check_refused(path, -EPERM, "(owner 0, mode 646)");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chown(path, 1000, 0), 0);
	check_refused(path, -EPERM, "(owner 1000, mode 644)");
	assert_int_equal(chown(path, 0, 1000), 0);
	open_it(path);
	saved_close(&saved);
	assert_int_equal(chmod(top, 01777), 0);
	check_refused(path, -EPERM, "not used: not root's alone (owner 0, mode 1777); keep them in a folder that only root can write to");
	check_refused(top, -EPERM, "(owner 0, mode 1777)");
	assert_int_equal(chmod(top, 0755), 0);
	assert_int_equal(chown(top, 1000, 0), 0);
	check_refused(path, -EPERM, "(owner 1000, mode 755)");
}

/* Each byte of a file counts, and each that is missing or too much. */
static void damaged(void **state)
{
	size_t len = 0;
	char *bytes;

	(void)state;
	need_root();
	write_one(path, "rows", "k\n", 1);
	bytes = file_read_bytes(path, &len);
	assert_int_equal(len, 172);
	saved_init(&saved, path, &host);
	for (size_t i = 0; i < len; i++) {
		bytes[i] ^= 1;
		assert_int_equal(saved_take(&saved, bytes, len), -EBADMSG);
		bytes[i] ^= 1;
		assert_int_equal(saved_take(&saved, bytes, i), i ? -EBADMSG : 0);
		assert_int_equal(saved.len, 0);
	}
	assert_int_equal(saved_take(&saved, bytes, len), 0);
	assert_true(saved.len > 0);
	saved_close(&saved);
	assert_int_equal(truncate(path, (off_t)len - 1), 0);
	check_refused(path, -EBADMSG, "kernel.programs is damaged; copy it again, or save it again by --save-programs");
	check_refused(top, -EBADMSG, "kernel.programs is damaged;");
	assert_int_equal(truncate(path, 0), 0);
	check_refused(path, -EBADMSG, "kernel.programs is no file of --save-programs");
	free(bytes);
}

/* The checksum of a file may be right although a program in it is not. */
static void wrong_object(void **state)
{
	struct object o = sample(1);
	char why[256];

	(void)state;
	saved_init(&saved, "x", &host);
	o.programs[0].n_insns = 3;
	assert_int_equal(saved_add(&saved, "rows", "k\n", &o), 0);
	assert_int_equal(saved_find(&saved, "rows", "k\n", &o, why, sizeof(why)), -EBADMSG);
	assert_string_equal(why, "x: the programs \"rows\" are damaged; save them again by --save-programs");
}

static void not_written(void **state)
{
	(void)state;
	saved_init(&saved, "x", &host);
	add(&saved, "rows", "k\n", 1);
	assert_int_equal(saved_write(&saved, "/nowhere/programs"), -ENOENT);
	assert_string_equal(saved.errmsg, "cannot write /nowhere/programs: No such file or directory");
	assert_int_equal(saved_write(&saved, top), -EISDIR);
	assert_non_null(strstr(saved.errmsg, ": Is a directory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(other_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(folders, setup, teardown),
		cmocka_unit_test_setup_teardown(links, setup, teardown),
		cmocka_unit_test_setup_teardown(not_trusted, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_object, setup, teardown),
		cmocka_unit_test_setup_teardown(not_written, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
