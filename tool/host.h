/* SPDX-License-Identifier: Apache-2.0 */
/* What this host has that tracing needs. Changes nothing of it. */
#ifndef HOST_H
#define HOST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/utsname.h>

#define HOST_KPROBES_SWITCH "/sys/kernel/debug/kprobes/enabled"

struct host {
	struct utsname uts;
	char tracefs[64];		/* "" where none is mounted, or none that this user can read */
	bool tracefs_hidden;		/* there is one, not for this user */
	char headers[PATH_MAX];		/* build tree of the running kernel; "" where none */
	char headers_release[65];	/* the kernel they are of; "" where they do not say */
	char libbcc[PATH_MAX];		/* file, or the bare name where it is not in a usual place */
	bool libbcc_found;
	bool bpf;			/* bpf(2) loads programs */
	bool lockdown;			/* "confidentiality": no BPF program may read memory */
	bool kprobes;
	bool kprobes_off;		/* all are switched off now, see host_kprobes_off() */
	int kprobe_pmu;			/* perf type for kprobes, -1 before 4.17 */
	bool raw_tracepoints;		/* from 4.17 */
	bool raw_skipped;		/* a program on one may be skipped where it runs already: from 6.2 */
	bool raw_preemptible;		/* a thread may lose its CPU within a program on one: from 7.0 */
	bool lru_maps;			/* maps that drop their oldest elements: from 4.10 */
	bool error_tracepoint;		/* sock:inet_sk_error_report, from 5.14 */
	int read_helper;		/* BPF helper that reads kernel memory: 113 or 4 */
};

/**
 * host_probe - look at the host; never fails, what is missing is empty or false
 * Lifts this process's limit of locked memory, without which old kernels refuse programs and maps.
 */
void host_probe(struct host *h);

/**
 * host_can_trace - whether nothing is missing for good
 * @line: one line: what is missing and what to do about it, set where false is returned
 */
bool host_can_trace(const struct host *h, char *line, size_t len);

/** host_headers_match - whether the headers are of the running kernel, as far as they say */
bool host_headers_match(const struct host *h);

/** host_headers_hint - the command that installs this kernel's headers on this distribution */
void host_headers_hint(const struct host *h, char *line, size_t len);

/** host_libbcc_hint - the command that installs libbcc on this distribution */
void host_libbcc_hint(char *line, size_t len);

/**
 * host_format - format file of a tracepoint
 * Return: its text, for the caller to free, or NULL where the host has no such tracepoint.
 */
char *host_format(const struct host *h, const char *category, const char *name);

/**
 * host_kprobes_off - whether somebody has switched off all kprobes: they can be made, and are never hit
 * Source: write_enabled_file_bool(), kernel/kprobes.c; it shows in debugfs alone
 */
bool host_kprobes_off(void);

/** host_ipvs - 0: ip_vs is not in the kernel now; else a number that changes when it is loaded anew */
uint64_t host_ipvs(void);

/**
 * host_read_file - read a whole small file of /proc, /sys or /etc
 * Return: its text, NUL-terminated, for the caller to free, or NULL.
 */
char *host_read_file(const char *path);

/** host_read_bytes - the same for binary files: @len is set to the length without the NUL */
char *host_read_bytes(const char *path, size_t *len);

#endif
