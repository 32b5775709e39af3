/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include "base/bpf.h"
#include "base/cpus.h"
#include "base/file.h"
#include "host/distro.h"

#include "host/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* True if @path exists. Not access(2): for a user other than root, it ignores capabilities. */
static bool exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static void find_tracefs(struct host *h)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

	for (size_t i = 0; i < 2; i++) {
		char path[96];

		snprintf(path, sizeof(path), "%s/events", places[i]);
		if (exists(path)) {
			snprintf(h->tracefs, sizeof(h->tracefs), "%s", places[i]);
			h->tracefs_hidden = false;
			return;
		}
		if (errno == EACCES)
			h->tracefs_hidden = true;
	}
}

/* Reads the release from: #define UTS_RELEASE "6.1.0-56-amd64" */
static void read_headers_release(struct host *h)
{
	char path[PATH_MAX + 64], *text, *quote;

	snprintf(path, sizeof(path), "%s/include/generated/utsrelease.h", h->headers);
	text = file_read(path);
	quote = text ? strchr(text, '"') : NULL;
	if (quote)
		snprintf(h->headers_release, sizeof(h->headers_release), "%.*s",
			 (int)strcspn(quote + 1, "\"\n"), quote + 1);
	free(text);
}

bool host_headers_match(const struct host *h)
{
	return !*h->headers_release || !strcmp(h->headers_release, h->uts.release);
}

/* libbcc needs the link "build"; Debian keeps half of the headers under "source". */
static void find_headers(struct host *h)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/lib/modules/%s/build/include", h->uts.release);
	if (exists(path)) {
		snprintf(h->headers, sizeof(h->headers), "/lib/modules/%s/build", h->uts.release);
		read_headers_release(h);
		return;
	}
	if (exists("/sys/kernel/kheaders.tar.xz"))
		strcpy(h->headers, "/sys/kernel/kheaders.tar.xz");
}

static bool file_in(const char *dir, size_t len, const char *name, char *path, size_t size)
{
	return len && (size_t)snprintf(path, size, "%.*s/%s", (int)len, dir, name) < size &&
	       exists(path);
}

/* Looks where the dynamic linkers of known distributions look. Only the child
 * calls the dynamic linker itself: here that would map LLVM into this process. */
static void find_libbcc(struct host *h)
{
	static const char name[] = "libbcc.so.0";
	static const char *const places[] = {
		"/usr/local/lib64", "/usr/local/lib",
#if defined(__x86_64__)
		"/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
		"/usr/lib/aarch64-linux-gnu", "/lib/aarch64-linux-gnu",
#endif
		"/usr/lib64", "/lib64", "/usr/lib", "/lib",
	};
	const char *at = getenv("LD_LIBRARY_PATH");

	while (at && *at) {
		size_t len = strcspn(at, ":;");

		if (file_in(at, len, name, h->libbcc, sizeof(h->libbcc)))
			goto found;
		at += len + (at[len] != '\0');
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (file_in(places[i], strlen(places[i]), name, h->libbcc, sizeof(h->libbcc)))
			goto found;
	snprintf(h->libbcc, sizeof(h->libbcc), "%s", name);
	return;
found:
	h->libbcc_found = true;
}

static int load_insns(enum bpf_prog_type type, const struct bpf_insn *insns, uint32_t n)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));	/* an initializer clears one member only, from gcc 15 on */
	attr.prog_type = type;
	attr.insn_cnt = n;
	attr.insns = (uintptr_t)insns;
	attr.license = (uintptr_t)"GPL";
	return bpf_call(BPF_PROG_LOAD, &attr);
}

/* Loads "read 8 bytes of kernel memory; exit" with this helper. Returns the program's descriptor or a negative errno. */
static int try_load(enum bpf_prog_type type, int helper)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = helper },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	return load_insns(type, program, sizeof(program) / sizeof(program[0]));
}

/* Loads "ask for the PID in a namespace; exit". */
static bool has_namespace_pids(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_3, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = 8 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_ns_current_pid_tgid },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = load_insns(BPF_PROG_TYPE_TRACEPOINT, program, sizeof(program) / sizeof(program[0]));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool can_load(enum bpf_prog_type type, int helper)
{
	int fd = try_load(type, helper);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* True if the kernel counts how often it skipped a program (from 5.12). Such a kernel may skip programs on raw tracepoints,
 * which it does from 6.2 on: bpf_prog_show_fdinfo(), kernel/bpf/syscall.c; __bpf_trace_run(), kernel/trace/bpf_trace.c */
static bool counts_skips(int program_fd)
{
	char path[64], *text;
	bool counts;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", program_fd);
	text = file_read(path);
	counts = text && strstr(text, "recursion_misses:");
	free(text);
	return counts;
}

static bool has_lru_maps(void)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_LRU_HASH;
	attr.key_size = 8;
	attr.value_size = 8;
	attr.max_entries = 1;
	fd = bpf_call(BPF_MAP_CREATE, &attr);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void probe_bpf(struct host *h)
{
	bool newer = can_load(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_probe_read_kernel);
	int fd;

	h->read_helper = newer ? BPF_FUNC_probe_read_kernel : BPF_FUNC_probe_read;
	fd = try_load(BPF_PROG_TYPE_TRACEPOINT, h->read_helper);
	/* -EINVAL before 4.7: bpf(2) works, but has no tracepoint programs. */
	h->bpf = fd >= 0 || fd == -EINVAL;
	h->bpf_forbidden = fd == -EPERM || fd == -EACCES;
	if (fd >= 0)
		close(fd);
	fd = try_load(BPF_PROG_TYPE_RAW_TRACEPOINT, h->read_helper);
	h->raw_tracepoints = fd >= 0;
	h->raw_may_skip = fd >= 0 && counts_skips(fd);
	if (fd >= 0)
		close(fd);
	/* The callers of raw tracepoints are in an SRCU section since then, include/linux/tracepoint.h:
	 * nothing on the host shows it. Perf's tracepoints still hold their CPU. */
	h->raw_preemptible = strtoul(h->uts.release, NULL, 10) >= 7;
	h->lru_maps = has_lru_maps();
	h->cgroup_ids = can_load(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_get_current_cgroup_id);
	h->namespace_pids = has_namespace_pids();
	h->jiffies = can_load(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_jiffies64);
}

static bool is_off(const char *path)
{
	char *text = file_read(path);
	bool off = text && *text == '0';

	free(text);
	return off;
}

const char *host_kprobes_off(void)
{
	if (is_off("/sys/kernel/debug/kprobes/enabled"))
		return "echo 1 >/sys/kernel/debug/kprobes/enabled";
#ifndef __aarch64__
	if (is_off("/proc/sys/kernel/ftrace_enabled"))
		return "sysctl kernel.ftrace_enabled=1";
#endif
	return NULL;
}

static void probe_kprobes(struct host *h)
{
	char path[96], *type;

	h->kprobe_pmu = -1;
	type = file_read("/sys/bus/event_source/devices/kprobe/type");
	if (type && *type)
		h->kprobe_pmu = (int)strtol(type, NULL, 10);
	free(type);
	snprintf(path, sizeof(path), "%s/kprobe_events", h->tracefs);
	h->kprobes = h->kprobe_pmu >= 0 || exists(path);
	h->kprobes_off = host_kprobes_off();
}

/* Only patched kernels have the file. In the version the word stands since 5.x; before, it had a space. */
static bool is_preempt_rt(const struct host *h)
{
	char *text = file_read("/sys/kernel/realtime");
	bool is = (text && *text == '1') || strstr(h->uts.version, "PREEMPT_RT") || strstr(h->uts.version, "PREEMPT RT");

	free(text);
	return is;
}

static void probe_lockdown(struct host *h)
{
	char *text = file_read("/sys/kernel/security/lockdown");

	h->lockdown = text && strstr(text, "[confidentiality]");
	free(text);
}

/* A buffer for each CPU; programs, hooks, maps; outputs, and what is read meanwhile. */
#define FILES_NEEDED 96

static void probe_files(struct host *h)
{
	struct rlimit files;

	h->files_needed = FILES_NEEDED + cpus_possible();
	h->files = UINT64_MAX;
	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	if (files.rlim_cur < h->files_needed && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
		getrlimit(RLIMIT_NOFILE, &files);
	}
	h->files = files.rlim_cur;
}

#define NT_GNU_BUILD_ID 3

void host_build_id(const void *notes, size_t len, char hex[HOST_BUILD_ID_SIZE])
{
	const unsigned char *at = notes;
	struct {
		uint32_t name_size, size, type;	/* bytes; name and contents are padded to multiples of 4 */
	} head;

	hex[0] = '\0';
	while (len >= sizeof(head)) {
		size_t name_size, size;

		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		len -= sizeof(head);
		name_size = ((size_t)head.name_size + 3) & ~(size_t)3;
		size = ((size_t)head.size + 3) & ~(size_t)3;
		if (name_size > len || size > len - name_size)
			return;
		if (head.type == NT_GNU_BUILD_ID && head.name_size == 4 && !memcmp(at, "GNU", 4) &&
		    head.size <= (HOST_BUILD_ID_SIZE - 1) / 2) {
			for (size_t i = 0; i < head.size; i++)
				snprintf(hex + 2 * i, 3, "%02x", at[name_size + i]);
			return;
		}
		at += name_size + size;
		len -= name_size + size;
	}
}

bool host_read_build_id(const char *path, char hex[HOST_BUILD_ID_SIZE])
{
	size_t len = 0;
	char *notes = file_read_bytes(path, &len);

	host_build_id(notes, notes ? len : 0, hex);
	free(notes);
	return *hex;
}

void host_probe(struct host *h)
{
	/* Before 5.11 the kernel charges BPF programs and maps to this limit, also those of other processes. */
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char *format;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	memset(h, 0, sizeof(*h));
	uname(&h->uts);
	host_read_build_id("/sys/kernel/notes", h->build_id);
	probe_files(h);
	find_tracefs(h);
	format = host_format(h, "sock", "inet_sk_error_report");
	h->error_tracepoint = format != NULL;
	free(format);
	find_headers(h);
	find_libbcc(h);
	probe_bpf(h);
	probe_kprobes(h);
	h->preempt_rt = is_preempt_rt(h);
	probe_lockdown(h);
}

bool host_can_trace(const struct host *h, bool compiles, char *line, size_t len)
{
	const uint64_t needed = privilege_bpf() | privilege_perfmon();
	char hint[256], names[64];

	privilege_names(needed, names, sizeof(names));
	if (privilege_is_confined())
		snprintf(line, len, "user %u of a user namespace cannot load BPF programs: %s count only if they are the "
			 "host's; run it as root outside of containers", geteuid(), names);
	else if (!privilege_has(needed))
		snprintf(line, len, "cannot load BPF programs as user %u without %s; run as root (sudo)",
			 geteuid(), names);
	else if (h->lockdown)
		snprintf(line, len, "kernel lockdown is \"confidentiality\", which forbids every BPF "
			 "program that reads memory; boot without lockdown=confidentiality");
	else if (h->files < h->files_needed)
		snprintf(line, len, "this process may open %" PRIu64 " files, and needs up to %" PRIu64 ", one of them for each "
			 "CPU; run: ulimit -n %" PRIu64, h->files, h->files_needed, h->files_needed);
	else if (h->bpf_forbidden)
		snprintf(line, len, "loading BPF programs is not permitted here, by a seccomp filter of a container or a "
			 "security module; permit bpf(2) and perf_event_open(2), or run it outside of containers");
	else if (!h->bpf)
		snprintf(line, len, "kernel %s refuses BPF tracing programs; it needs "
			 "CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS",
			 h->uts.release);
	else if (h->tracefs_hidden)
		snprintf(line, len, "cannot read tracefs as user %u without CAP_DAC_READ_SEARCH; run as "
			 "root (sudo)", geteuid());
	else if (!*h->tracefs)
		snprintf(line, len, "no tracefs; run: mount -t tracefs nodev /sys/kernel/tracing");
	else if (compiles && !*h->headers) {
		distro_headers_hint(h->uts.release, hint, sizeof(hint));
		snprintf(line, len, "no headers of the running kernel under /lib/modules/%s/build; "
			 "run: %s; or bring the programs: --programs FILE", h->uts.release, hint);
	} else {
		return true;
	}
	return false;
}

char *host_format(const struct host *h, const char *category, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/events/%s/%s/format", h->tracefs, category, name);
	return file_read(path);
}

uint64_t host_ipvs(void)
{
	struct stat st;

	return stat("/sys/module/ip_vs", &st) ? 0 : st.st_ino;
}
