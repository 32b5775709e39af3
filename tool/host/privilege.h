/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Privileges of this process: checks its capabilities, and gives up for good those that it no longer
 * needs. All of this applies to the calling thread; the program has no other.
 */
#ifndef PRIVILEGE_H
#define PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Sets of capabilities. Before 5.8 the first two are CAP_SYS_ADMIN, which allows more. */
uint64_t privilege_bpf(void);		/* CAP_BPF: BPF programs and maps */
uint64_t privilege_perfmon(void);	/* CAP_PERFMON: reading kernel memory, perf events */
uint64_t privilege_ptrace(void);	/* CAP_SYS_PTRACE: reading namespaces of all processes in /proc */
uint64_t privilege_admin(void);		/* CAP_SYS_ADMIN */
uint64_t privilege_read(void);		/* CAP_DAC_READ_SEARCH: reading files of any user */
uint64_t privilege_write(void);		/* CAP_DAC_OVERRIDE: writing files in another user's folder */

/**
 * privilege_is_confined - true if this process is in a user namespace other than the host's: its capabilities do not count for
 * BPF, perf events and the host's other processes, whatever capget(2) returns
 * Source: capable(), kernel/capability.c; PROC_USER_INIT_INO, include/linux/proc_ns.h
 */
bool privilege_is_confined(void);

/** privilege_has - true if all of @set are effective on the host; CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON */
bool privilege_has(uint64_t set);

/** privilege_names - write the names of @set to @names: "CAP_BPF and CAP_PERFMON" */
void privilege_names(uint64_t set, char *names, size_t len);

/** Capabilities to keep if something does not work without them. */
struct privilege_fallback {
	uint64_t set;
	bool (*works)(void *cookie);
};

/**
 * privilege_drop - give up every capability except @keep, in all sets, and set no_new_privs
 * @keep:   capabilities that the process does not have are not gained
 * @spare:  @n sets, in this order: each is kept too if works() returns false without it and the sets after it
 * @cookie: argument for works()
 * Return: 0 or a negative errno; on an error some capabilities may be left.
 * Source: cap_capset(), cap_prctl_drop(), security/commoncap.c
 */
int privilege_drop(uint64_t keep, const struct privilege_fallback *spare, size_t n, void *cookie);

/**
 * privilege_trace_only - allow only the system calls of the trace loop, for good; all others fail with EPERM
 * Call privilege_drop() first. The process can still open files and write to them.
 * @journal: allow those of sd_journal_sendv() too
 * @metrics: allow those of metrics_write() too
 * @containers: allow those of containers_follow() too
 * Return: as syscalls_restrict()
 */
int privilege_trace_only(bool journal, bool metrics, bool containers);

/**
 * privilege_compile_only - restrict the process that loads libbcc: it keeps only privilege_bpf(), and cannot use the
 * network or read other processes
 * Return: as privilege_trace_only()
 */
int privilege_compile_only(void);

#endif
