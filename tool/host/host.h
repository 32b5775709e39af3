/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what this host has for tracing. Does not change the host. */
#ifndef HOST_H
#define HOST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/utsname.h>

#define HOST_BUILD_ID_SIZE 65	/* hexadecimal digits and a NUL */

struct host {
	struct utsname uts;
	char build_id[HOST_BUILD_ID_SIZE];	/* of the running kernel; "" if it has none */
	char tracefs[64];		/* mount point; "" if it is not mounted or this user cannot read it */
	bool tracefs_hidden;		/* tracefs is mounted, but this user cannot read it */
	char headers[PATH_MAX];		/* build tree of the running kernel; "" if there is none */
	char headers_release[65];	/* release of the kernel that they belong to; "" if not known */
	char libbcc[PATH_MAX];		/* path, or only the name if it is not in a usual folder */
	bool libbcc_found;
	bool bpf;			/* bpf(2) loads programs */
	bool bpf_forbidden;		/* it does not, as that is not permitted here */
	bool preempt_rt;		/* a kernel for realtime processes, which must not be disturbed */
	bool lockdown;			/* "confidentiality": no BPF program may read memory */
	bool kprobes;
	const char *kprobes_off;	/* from host_kprobes_off() */
	uint64_t files, files_needed;	/* this process may open, and may need at most */
	int kprobe_pmu;			/* perf type for kprobes, -1 before 4.17 */
	bool raw_tracepoints;		/* from 4.17 */
	bool raw_may_skip;		/* the kernel may skip a program there that runs already: from 6.2 */
	bool raw_preemptible;		/* a thread may lose its CPU within a program there: from 7.0 */
	bool cgroup_ids;		/* programs can read the control group of the current process: from 4.18 */
	bool namespace_pids;		/* programs can read the PID in a namespace: from 5.7 */
	bool jiffies;			/* programs can read the kernel's jiffies: from 5.9 */
	bool lru_maps;			/* maps that drop their oldest elements if full: from 4.10 */
	bool error_tracepoint;		/* sock:inet_sk_error_report, from 5.14 */
	int read_helper;		/* BPF helper that reads kernel memory: 113 or 4 */
};

/**
 * host_probe - fill @h; never fails: members for missing things are empty or false
 * Raises this process's limit of locked memory, as else old kernels refuse BPF programs and maps, and the one of open files
 * as far as it may.
 */
void host_probe(struct host *h);

/**
 * host_can_trace - true if the host has all that tracing cannot do without
 * @compiles: it compiles programs, and so needs headers
 * @line: set if false: one line with what is missing and the remedy
 */
bool host_can_trace(const struct host *h, bool compiles, char *line, size_t len);

/** host_headers_match - true if the headers belong to the running kernel, or do not name their kernel */
bool host_headers_match(const struct host *h);

/**
 * host_format - read the format file of a tracepoint
 * Return: its text, for the caller to free, or NULL if the host has no such tracepoint.
 */
char *host_format(const struct host *h, const char *category, const char *name);

/**
 * host_kprobes_off - whether all kprobes are switched off: they can be created, but are never hit
 * There is a switch for kprobes, which only debugfs shows, and one for ftrace, by which the kernel hits kprobes at the entry
 * of a function, except on arm64.
 * Return: the command that switches them on again, or NULL if they are on.
 * Source: write_enabled_file_bool(), kernel/kprobes.c; ftrace_enable_sysctl(), kernel/trace/ftrace.c;
 *	HAVE_KPROBES_ON_FTRACE, arch/Kconfig
 */
const char *host_kprobes_off(void);

/**
 * host_build_id - find the build ID among the notes of a kernel or a module
 * The other notes are no identity: before 6.9 those for Xen have addresses, which differ from boot to boot.
 * @hex: its digits, "" if there is none
 * Source: Elf32_Nhdr, include/uapi/linux/elf.h; commit aaa8736370db, "x86, relocs: Ignore relocations in .notes section"
 */
void host_build_id(const void *notes, size_t len, char hex[HOST_BUILD_ID_SIZE]);

/** host_read_build_id - the same, from a file of /sys; Return: true if there is one */
bool host_read_build_id(const char *path, char hex[HOST_BUILD_ID_SIZE]);

/** host_ipvs - Return: 0 if the kernel has no ip_vs now, else a number that changes when ip_vs is loaded again */
uint64_t host_ipvs(void);

#endif
