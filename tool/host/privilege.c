/* SPDX-License-Identifier: Apache-2.0 */
#include "host/privilege.h"

#include "base/abi.h"
#include "host/syscalls.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SET(capability) (1ULL << (capability))
#define HOST_USER_NAMESPACE 0xeffffffdU	/* inode number, the same since 3.8 */

/* ---- capabilities */

static uint64_t or_admin(int capability)
{
	return prctl(PR_CAPBSET_READ, capability) < 0 ? SET(CAP_SYS_ADMIN) : SET(capability);
}

uint64_t privilege_bpf(void)
{
	return or_admin(CAP_BPF);
}

uint64_t privilege_perfmon(void)
{
	return or_admin(CAP_PERFMON);
}

uint64_t privilege_ptrace(void)
{
	return SET(CAP_SYS_PTRACE);
}

uint64_t privilege_admin(void)
{
	return SET(CAP_SYS_ADMIN);
}

uint64_t privilege_read(void)
{
	return SET(CAP_DAC_READ_SEARCH);
}

uint64_t privilege_write(void)
{
	return SET(CAP_DAC_OVERRIDE);
}

struct sets {
	uint64_t effective, permitted, inheritable;
};

static int get_sets(struct sets *s)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct half[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &head, half))
		return -errno;
	s->effective = half[0].effective | (uint64_t)half[1].effective << 32;
	s->permitted = half[0].permitted | (uint64_t)half[1].permitted << 32;
	s->inheritable = half[0].inheritable | (uint64_t)half[1].inheritable << 32;
	return 0;
}

static int set_sets(const struct sets *s)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct half[2] = {
		{ (uint32_t)s->effective, (uint32_t)s->permitted, (uint32_t)s->inheritable },
		{ (uint32_t)(s->effective >> 32), (uint32_t)(s->permitted >> 32),
		  (uint32_t)(s->inheritable >> 32) },
	};

	return syscall(SYS_capset, &head, half) ? -errno : 0;
}

bool privilege_is_confined(void)
{
	struct stat st;

	/* The file is missing in kernels without user namespaces. */
	return !stat("/proc/self/ns/user", &st) && st.st_ino != HOST_USER_NAMESPACE;
}

bool privilege_has(uint64_t set)
{
	const uint64_t from_admin = SET(CAP_BPF) | SET(CAP_PERFMON);
	struct sets s = { 0, 0, 0 };

	if (get_sets(&s) || privilege_is_confined())
		return false;
	if (s.effective & SET(CAP_SYS_ADMIN))
		set &= ~from_admin;
	return !(set & ~s.effective);
}

void privilege_names(uint64_t set, char *names, size_t len)
{
	static const struct {
		int capability;
		const char *name;
	} known[] = {
		{ CAP_BPF, "CAP_BPF" },
		{ CAP_PERFMON, "CAP_PERFMON" },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE" },
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
	};
	size_t used = 0;

	names[0] = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && used < len; i++)
		if (set & SET(known[i].capability))
			used += (size_t)snprintf(names + used, len - used, "%s%s", used ? " and " : "",
						 known[i].name);
}

/* Empties the bounding and ambient sets: a program that this process executes gains no capability. The loop ends
 * after the kernel's last capability. */
static void drop_bounds(void)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability);	/* fails without CAP_SETPCAP; no_new_privs is enough then */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);	/* from 4.3 on */
}

int privilege_drop(uint64_t keep, const struct privilege_fallback *spare, size_t n, void *cookie)
{
	struct sets s = { 0, 0, 0 };
	int err = get_sets(&s);

	if (err)
		return err;
	drop_bounds();
	s.inheritable = 0;
	s.effective = s.permitted & keep;
	err = set_sets(&s);	/* the permitted set still has the rest */
	for (size_t i = 0; i < n && !err; i++) {
		if (spare[i].works(cookie))
			continue;
		s.effective |= s.permitted & spare[i].set;
		err = set_sets(&s);
	}
	if (err)
		return err;
	s.permitted = s.effective;
	err = set_sets(&s);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err;
}

/* ---- system calls */

#define ANY(name) { __NR_##name, 0, 0, UINT32_MAX }

/* Calls of glibc and of this program from the first row to the end. */
static const struct call trace_calls[] = {
	/* rows, messages, the recording */
	ANY(read), ANY(write), ANY(writev), ANY(close), ANY(lseek), ANY(fcntl), ANY(fstat),
	/* perf buffers, attaching programs; reading and filling maps, but loading nothing */
	ANY(ioctl), ANY(epoll_ctl), ANY(epoll_pwait), ANY(ppoll), ANY(perf_event_open), ANY(membarrier),
	{ __NR_bpf, 0, BPF_MAP_LOOKUP_ELEM, BPF_MAP_GET_NEXT_KEY },
	{ __NR_bpf, 0, BPF_OBJ_GET_INFO_BY_FD, BPF_OBJ_GET_INFO_BY_FD },	/* about kprobes */
	{ __NR_bpf, 0, BPF_LINK_CREATE, BPF_LINK_CREATE },	/* for IPVS when it is loaded again */
	/* /proc, /sys, the time zone */
	ANY(openat), ANY(readlinkat), ANY(faccessat), ANY(getdents64), ANY(newfstatat),
	{ __NR_setns, 1, CLONE_NEWNET, CLONE_NEWNET },
	/* memory */
	ANY(brk), ANY(mmap), ANY(munmap), ANY(mprotect), ANY(mremap), ANY(madvise), ANY(getrandom),
	/* time, signals, the end */
	ANY(clock_gettime), ANY(clock_nanosleep), ANY(nanosleep), ANY(gettimeofday), ANY(futex),
	ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(restart_syscall), ANY(dup3),
	ANY(getpid), ANY(gettid), ANY(tgkill), ANY(getcpu), ANY(capget),
	ANY(exit), ANY(exit_group),
	ANY(sched_getscheduler),
	{ __NR_sched_setscheduler, 1, SCHED_OTHER | SCHED_RESET_ON_FORK, SCHED_OTHER | SCHED_RESET_ON_FORK },
	/* calls that newer architectures no longer have, or that older kernels do not have yet */
#ifdef __NR_open
	ANY(open), ANY(stat), ANY(lstat), ANY(access), ANY(readlink), ANY(epoll_wait), ANY(poll), ANY(time), ANY(dup2),
#endif
#ifdef __NR_statx
	ANY(statx),
#endif
	ANY(faccessat2),
};

/* More calls, of sd_journal_sendv(3): it sends a datagram, or the descriptor of a file if the entry is long. */
static const struct call journal_calls[] = {
	{ __NR_socket, 0, AF_UNIX, AF_UNIX }, ANY(setsockopt), ANY(getsockopt), ANY(sendmsg),
	ANY(memfd_create), ANY(getuid), ANY(geteuid), ANY(getppid),
};

/* More calls, of metrics_write(): it creates a file and replaces the last one by it. */
static const struct call metrics_calls[] = {
	ANY(fchmod), ANY(unlinkat), ANY(renameat2),
#ifdef __NR_open
	ANY(unlink), ANY(rename),
#endif
#ifdef __NR_renameat
	ANY(renameat),
#endif
};

/* More calls, of cgroups_follow(): it watches each new control group. */
static const struct call containers_calls[] = { ANY(inotify_add_watch), ANY(inotify_rm_watch) };

/* Calls that no compiler needs, whoever wrote the files that it reads. */
static const struct call refused_to_compiler[] = {
	ANY(socket), ANY(socketpair), ANY(ptrace), ANY(process_vm_readv), ANY(process_vm_writev),
	ANY(perf_event_open), ANY(setns), ANY(unshare), ANY(mount), ANY(keyctl), ANY(add_key),
	ANY(request_key),
	ANY(io_uring_setup),		/* can create sockets too */
	ANY(pidfd_getfd),
};

#define LIST(calls) { calls, sizeof(calls) / sizeof((calls)[0]) }

int privilege_trace_only(bool journal, bool metrics, bool containers)
{
	struct calls lists[] = { LIST(trace_calls), LIST(journal_calls), LIST(metrics_calls), LIST(containers_calls) };

	if (!journal)
		lists[1].n = 0;
	if (!metrics)
		lists[2].n = 0;
	if (!containers)
		lists[3].n = 0;
	return syscalls_restrict(lists, sizeof(lists) / sizeof(lists[0]), true);
}

int privilege_compile_only(void)
{
	const struct calls refused = LIST(refused_to_compiler);
	int err = privilege_drop(privilege_bpf(), NULL, 0, NULL);

	return err ? err : syscalls_restrict(&refused, 1, false);
}
