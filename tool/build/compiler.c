/* SPDX-License-Identifier: Apache-2.0 */
#include "build/compiler.h"

#include "base/file.h"
#include "host/privilege.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX (256 * 1024)
#define RESULT_MAX (1024 * 1024)
#define ALL_FLAGS_MAX 80

/* The functions of libbcc that the tool calls, with the arguments of the newest release. New releases have only appended
 * arguments, and the calling conventions of the machines that the tool runs on let an older function ignore them. The tool
 * does not include libbcc's header: in an older release it has another name and fewer arguments.
 * Source: bcc_common.h, the same from 0.25 to 0.37; before 0.9 bpf_common.h */
struct libbcc {
	void *(*create)(const char *text, unsigned flags, const char *cflags[], int n_cflags, bool allow_rlimit,
			const char *device);
	unsigned (*kern_version)(void *module);
	size_t (*num_functions)(void *module);
	const char *(*function_name)(void *module, size_t id);
	void *(*function_start)(void *module, size_t id);
	size_t (*function_size)(void *module, size_t id);
	size_t (*num_tables)(void *module);
	const char *(*table_name)(void *module, size_t id);
	int (*table_fd)(void *module, size_t id);
	int (*table_type)(void *module, size_t id);
	int (*table_flags)(void *module, size_t id);
	size_t (*table_max_entries)(void *module, size_t id);
	size_t (*table_key_size)(void *module, size_t id);
	size_t (*table_leaf_size)(void *module, size_t id);
};

static int open_libbcc(struct libbcc *l, const char *library)
{
	const struct {
		void *pointer;
		const char *name;
	} calls[] = {
		{ &l->create, "bpf_module_create_c_from_string" },
		{ &l->kern_version, "bpf_module_kern_version" },
		{ &l->num_functions, "bpf_num_functions" },
		{ &l->function_name, "bpf_function_name" },
		{ &l->function_start, "bpf_function_start_id" },
		{ &l->function_size, "bpf_function_size_id" },
		{ &l->num_tables, "bpf_num_tables" },
		{ &l->table_name, "bpf_table_name" },
		{ &l->table_fd, "bpf_table_fd_id" },
		{ &l->table_type, "bpf_table_type_id" },
		{ &l->table_flags, "bpf_table_flags_id" },
		{ &l->table_max_entries, "bpf_table_max_entries_id" },
		{ &l->table_key_size, "bpf_table_key_size_id" },
		{ &l->table_leaf_size, "bpf_table_leaf_size_id" },
	};
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return -ENOENT;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		void *symbol = dlsym(handle, calls[i].name);

		if (!symbol) {
			fprintf(stderr, "%s lacks %s\n", library, calls[i].name);
			return -ENOSYS;
		}
		memcpy(calls[i].pointer, &symbol, sizeof(symbol));
	}
	return 0;
}

static int copy_name(char *to, size_t size, const char *name)
{
	if (!name || strlen(name) >= size)
		return -E2BIG;
	memset(to, 0, size);
	snprintf(to, size, "%s", name);
	return 0;
}

static int copy_maps(const struct libbcc *l, void *module, struct object *o)
{
	size_t n = l->num_tables(module);

	if (n > OBJECT_MAPS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		struct object_map *m = &o->maps[i];

		if (copy_name(m->name, sizeof(m->name), l->table_name(module, i)))
			return -E2BIG;
		m->type = (uint32_t)l->table_type(module, i);
		m->flags = (uint32_t)l->table_flags(module, i);
		m->key_size = (uint32_t)l->table_key_size(module, i);
		m->value_size = (uint32_t)l->table_leaf_size(module, i);
		m->max_entries = (uint32_t)l->table_max_entries(module, i);
	}
	o->n_maps = (uint32_t)n;
	return 0;
}

/* Replaces map descriptors in the programs by map indices. The descriptors are of
 * maps that libbcc created; the tool creates its own maps later. */
static int replace_map_fds(const struct libbcc *l, void *module, const struct object *o,
			   struct bpf_insn *insns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t map = 0;

		if (insns[i].code != (BPF_LD | BPF_IMM | BPF_DW) ||
		    insns[i].src_reg != BPF_PSEUDO_MAP_FD)
			continue;
		while (map < o->n_maps && l->table_fd(module, map) != insns[i].imm)
			map++;
		if (map == o->n_maps)
			return -EBADMSG;
		insns[i].imm = (int)map;
	}
	return 0;
}

static int copy_programs(const struct libbcc *l, void *module, struct object *o)
{
	size_t n = l->num_functions(module);

	if (n > OBJECT_PROGRAMS_MAX)
		return -E2BIG;
	o->insns = calloc(OBJECT_INSNS_MAX, sizeof(*o->insns));
	if (!o->insns)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct object_program *p = &o->programs[i];
		size_t bytes = l->function_size(module, i);

		p->first = o->n_insns;
		p->n_insns = (uint32_t)(bytes / sizeof(struct bpf_insn));
		if (copy_name(p->name, sizeof(p->name), l->function_name(module, i)) ||
		    p->n_insns > OBJECT_INSNS_MAX - p->first)
			return -E2BIG;
		memcpy(o->insns + p->first, l->function_start(module, i), bytes);
		if (replace_map_fds(l, module, o, o->insns + p->first, p->n_insns))
			return -EBADMSG;
		o->n_insns += p->n_insns;
	}
	o->n_programs = (uint32_t)n;
	return 0;
}

/* libbcc optimizes what clang makes of the text (BPFModule::run_pass_manager()), so clang does not have to do the same, and
 * nobody reads debug information. Without both, a compile takes two thirds of the time.
 */
static const char *const quick_flags[] = { "-g0", "-Xclang", "-disable-llvm-passes" };

static int compile_text(const char *library, const char *text, const char *const flags[],
		   size_t n_flags, struct object *o)
{
	const char *all[ALL_FLAGS_MAX] = { NULL };
	struct libbcc l = { 0 };
	size_t n = sizeof(quick_flags) / sizeof(quick_flags[0]);
	void *module;
	int err;

	if (n_flags > ALL_FLAGS_MAX - n)
		return -E2BIG;
	err = open_libbcc(&l, library);
	if (err)
		return err;
	memcpy(all, quick_flags, sizeof(quick_flags));
	for (size_t i = 0; i < n_flags; i++)
		all[n++] = flags[i];
	module = l.create(text, 0, all, (int)n, true, NULL);
	if (!module)
		return -EINVAL;
	o->kern_version = l.kern_version(module);
	err = copy_maps(&l, module, o);
	if (!err)
		err = copy_programs(&l, module, o);
	return err;	/* the module is freed when this process exits */
}

/* Runs in the child. Writes an int (0 or a negative errno) to @result_fd, then the object. */
static void child(pid_t parent, int result_fd, int words_fd, const char *library, const char *text,
		  const char *const flags[], size_t n_flags)
{
	struct object o = { 0 };
	void *bytes = NULL;
	size_t len = 0;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);	/* the parent was killed before prctl() */
	privilege_compile_only();	/* as far as the kernel allows; a failure does not stop the child */
	setpgid(0, 0);	/* Ctrl-C reaches only the parent, which then stops this child */
	signal(SIGPIPE, SIG_DFL);
	dup2(words_fd, STDOUT_FILENO);
	dup2(words_fd, STDERR_FILENO);
	err = compile_text(library, text, flags, n_flags, &o);
	if (!err)
		err = object_encode(&o, &bytes, &len);
	if (!file_write(result_fd, &err, sizeof(err)) && !err)
		file_write(result_fd, bytes, len);
	fflush(stdout);
	_exit(0);
}

int compiler_start(struct compiler *c, const char *library, const char *text,
		   const char *const flags[], size_t n_flags)
{
	const pid_t parent = getpid();
	int result[2], words[2];
	int err;

	memset(c, 0, sizeof(*c));
	c->result_fd = c->words_fd = -1;
	if (pipe2(result, O_CLOEXEC))
		return -errno;
	if (pipe2(words, O_CLOEXEC)) {
		err = -errno;
		goto close_result;
	}
	c->pid = fork();
	if (c->pid < 0) {
		err = -errno;
		c->pid = 0;
		goto close_words;
	}
	if (!c->pid)
		child(parent, result[1], words[1], library, text, flags, n_flags);
	close(result[1]);
	close(words[1]);
	c->result_fd = result[0];
	c->words_fd = words[0];
	return 0;

close_words:
	close(words[0]);
	close(words[1]);
close_result:
	close(result[0]);
	close(result[1]);
	return err;
}

/* Reads one chunk and appends it to @bytes. Drops a chunk that exceeds @max bytes. Closes @fd at its end. */
static void read_chunk(int *fd, char **bytes, size_t *len, size_t max)
{
	char chunk[16384];
	ssize_t n = read(*fd, chunk, sizeof(chunk));
	char *more;

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
		return;
	}
	if (*len + (size_t)n > max)
		return;
	more = realloc(*bytes, *len + (size_t)n + 1);
	if (!more)
		return;
	memcpy(more + *len, chunk, (size_t)n);
	*len += (size_t)n;
	more[*len] = '\0';
	*bytes = more;
}

bool compiler_step(struct compiler *c, bool wait)
{
	while (c->result_fd >= 0 || c->words_fd >= 0) {
		struct pollfd fds[2] = {
			{ .fd = c->result_fd, .events = POLLIN },
			{ .fd = c->words_fd, .events = POLLIN },
		};
		int ready = poll(fds, 2, wait ? -1 : 0);

		if (ready == 0 || (ready < 0 && !wait))
			return false;
		if (ready < 0)
			return false;	/* interrupted by a signal: the caller decides */
		if (fds[0].revents)
			read_chunk(&c->result_fd, &c->result, &c->result_len, RESULT_MAX);
		if (fds[1].revents)
			read_chunk(&c->words_fd, &c->words, &c->words_len, WORDS_MAX);
	}
	return true;
}

int compiler_finish(struct compiler *c, struct object *o)
{
	int err, status;

	if (!compiler_step(c, true))
		return -EINTR;
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
	if (c->result_len < sizeof(err))
		return -EBADMSG;
	memcpy(&err, c->result, sizeof(err));
	if (err)
		return err < 0 ? err : -EBADMSG;
	return object_decode(o, c->result + sizeof(err), c->result_len - sizeof(err));
}

void compiler_cause(const struct compiler *c, char *line, size_t len)
{
	static const char *const marks[] = { "error: ", "" };
	const char *at = NULL;

	line[0] = '\0';
	if (!c->words)
		return;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]) && !at; i++)
		at = strstr(c->words, marks[i]);
	if (at)
		snprintf(line, len, "%.*s", (int)strcspn(at, "\n"), at);
}

void compiler_stop(struct compiler *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (c->result_fd >= 0)
		close(c->result_fd);
	if (c->words_fd >= 0)
		close(c->words_fd);
	free(c->result);
	free(c->words);
	memset(c, 0, sizeof(*c));
	c->result_fd = c->words_fd = -1;
}
