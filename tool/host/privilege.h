/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process may do: which capabilities it has, and giving up for good what is no longer
 * needed. All of it concerns the calling thread; this program has no other.
 */
#ifndef PRIVILEGE_H
#define PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Sets of capabilities; a kernel before 5.8 has the larger CAP_SYS_ADMIN in place of the first two. */
uint64_t privilege_bpf(void);		/* CAP_BPF: programs and maps */
uint64_t privilege_perfmon(void);	/* CAP_PERFMON: reading kernel memory, perf events */
uint64_t privilege_ptrace(void);	/* CAP_SYS_PTRACE: whose namespace is whose in /proc */
uint64_t privilege_admin(void);		/* CAP_SYS_ADMIN */
uint64_t privilege_write(void);		/* CAP_DAC_OVERRIDE: files in another user's folder */

/** privilege_has - whether all of @set are effective; CAP_SYS_ADMIN stands for what came out of it */
bool privilege_has(uint64_t set);

/** privilege_names - "CAP_BPF and CAP_PERFMON" */
void privilege_names(uint64_t set, char *names, size_t len);

/** What is kept as well where something does not work without it. */
struct privilege_spare {
	uint64_t set;
	bool (*works)(void *cookie);
};

/**
 * privilege_drop - give up every capability but @keep, in all sets, and set no_new_privs
 * @keep:   what the process has not is not gained
 * @spare:  @n sets; each is tried in turn, without it and those behind it
 * @cookie: for their works()
 * Return: 0 or a negative errno; then some may be left.
 * Source: cap_capset(), cap_prctl_drop(), security/commoncap.c
 */
int privilege_drop(uint64_t keep, const struct privilege_spare *spare, size_t n, void *cookie);

/**
 * privilege_trace_only - from now on only the system calls of the trace loop; others fail with EPERM
 * privilege_drop() comes before. Once for good; a file can still be opened and written to.
 * @journal: sd_journal_sendv() too
 * @metrics: metrics_write() too
 * Return: 0 or a negative errno: -ECANCELED where the kernel takes no seccomp filter (CONFIG_SECCOMP_FILTER),
 *	see seccomp_load(3)
 */
int privilege_trace_only(bool journal, bool metrics);

/**
 * privilege_compile_only - for the process that loads libbcc: no capability but privilege_bpf(), no network, no
 * look into other processes
 * Return: as privilege_trace_only()
 */
int privilege_compile_only(void);

#endif
