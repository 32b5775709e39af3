/* SPDX-License-Identifier: Apache-2.0 */
#include "host/privilege.h"

#include "base/abi.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SET(capability) (1ULL << (capability))

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

bool privilege_has(uint64_t set)
{
	const uint64_t of_admin = SET(CAP_BPF) | SET(CAP_PERFMON);
	struct sets s = { 0, 0, 0 };

	if (get_sets(&s))
		return false;
	if (s.effective & SET(CAP_SYS_ADMIN))
		set &= ~of_admin;
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

/* What no program that this one might execute may have; the kernel tells where its list ends. */
static void drop_bounds(void)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability);	/* refused without CAP_SETPCAP: no_new_privs does */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);	/* from 4.3 on */
}

int privilege_drop(uint64_t keep, const struct privilege_spare *spare, size_t n, void *cookie)
{
	struct sets s = { 0, 0, 0 };
	int err = get_sets(&s);

	if (err)
		return err;
	drop_bounds();
	s.inheritable = 0;
	s.effective = s.permitted & keep;
	err = set_sets(&s);	/* the rest can still be had back */
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

/* One of them, and the values that its argument @arg may have. */
struct call {
	int number;
	uint32_t arg, low, high;
};

#define ANY(name) { __NR_##name, 0, 0, UINT32_MAX }

/* What glibc and this program call from the first row to the end. */
static const struct call of_trace[] = {
	/* rows, messages, the recording */
	ANY(read), ANY(write), ANY(writev), ANY(close), ANY(lseek), ANY(fcntl), ANY(fstat),
	/* perf buffers, programs on their hooks; maps are read and filled, nothing is loaded */
	ANY(ioctl), ANY(epoll_ctl), ANY(epoll_pwait), ANY(ppoll), ANY(perf_event_open),
	{ __NR_bpf, 0, BPF_MAP_LOOKUP_ELEM, BPF_MAP_GET_NEXT_KEY },
	{ __NR_bpf, 0, BPF_OBJ_GET_INFO_BY_FD, BPF_OBJ_GET_INFO_BY_FD },	/* of kprobes */
	{ __NR_bpf, 0, BPF_LINK_CREATE, BPF_LINK_CREATE },	/* programs of IPVS when it comes again */
	/* /proc, /sys, the time zone */
	ANY(openat), ANY(readlinkat), ANY(faccessat), ANY(getdents64), ANY(newfstatat),
	{ __NR_setns, 1, CLONE_NEWNET, CLONE_NEWNET },
	/* memory */
	ANY(brk), ANY(mmap), ANY(munmap), ANY(mprotect), ANY(mremap), ANY(madvise), ANY(getrandom),
	/* time, signals, the end */
	ANY(clock_gettime), ANY(clock_nanosleep), ANY(nanosleep), ANY(gettimeofday), ANY(futex),
	ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(restart_syscall),
	ANY(getpid), ANY(gettid), ANY(tgkill), ANY(getcpu),
	ANY(exit), ANY(exit_group),
	{ __NR_sched_setscheduler, 1, SCHED_OTHER | SCHED_RESET_ON_FORK, SCHED_OTHER | SCHED_RESET_ON_FORK },
	/* those that newer machines have no more, and older ones not yet */
#ifdef __NR_open
	ANY(open), ANY(stat), ANY(lstat), ANY(access), ANY(readlink), ANY(epoll_wait), ANY(poll), ANY(time),
#endif
#ifdef __NR_statx
	ANY(statx),
#endif
	ANY(faccessat2),
};

/* sd_journal_sendv(3) beside that: a datagram, or a file's descriptor where it is long. */
static const struct call of_journal[] = {
	{ __NR_socket, 0, AF_UNIX, AF_UNIX }, ANY(setsockopt), ANY(getsockopt), ANY(sendmsg),
	ANY(memfd_create), ANY(getuid), ANY(geteuid), ANY(getppid),
};

/* metrics_write() makes a file, and puts it in place of the last one. */
static const struct call of_metrics[] = {
	ANY(fchmod), ANY(unlinkat), ANY(renameat2),
#ifdef __NR_open
	ANY(unlink), ANY(rename),
#endif
#ifdef __NR_renameat
	ANY(renameat),
#endif
};

/* A compiler needs none of these, whoever has written what it reads. */
static const struct call not_of_compiler[] = {
	ANY(socket), ANY(socketpair), ANY(ptrace), ANY(process_vm_readv), ANY(process_vm_writev),
	ANY(perf_event_open), ANY(setns), ANY(unshare), ANY(mount), ANY(keyctl), ANY(add_key),
	ANY(request_key),
	ANY(io_uring_setup),		/* makes sockets too */
	ANY(pidfd_getfd),
};

#define COUNT(calls) (sizeof(calls) / sizeof((calls)[0]))

static int add_call(scmp_filter_ctx filter, uint32_t action, const struct call *c)
{
	int err = 0;

	if (c->high == UINT32_MAX)
		return seccomp_rule_add(filter, action, c->number, 0);
	/* The lower half of the argument: those that are compared are ints. */
	for (uint32_t value = c->low; value <= c->high && !err; value++)
		err = seccomp_rule_add(filter, action, c->number, 1,
				       SCMP_CMP(c->arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, value));
	return err;
}

static int add_calls(scmp_filter_ctx filter, uint32_t action, const struct call *calls, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = add_call(filter, action, &calls[i]);
	return err;
}

static const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);

/* @action for all that no rule is added for; calls by another architecture's numbers, as 32-bit ones and those of x32, are
 * refused. */
static scmp_filter_ctx begin(uint32_t action)
{
	scmp_filter_ctx filter = seccomp_init(action);

	if (filter)
		seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, refuse);
	return filter;
}

static int install(scmp_filter_ctx filter, int err)
{
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int privilege_trace_only(bool journal, bool metrics)
{
	scmp_filter_ctx filter = begin(refuse);
	int err = filter ? 0 : -ENOMEM;

	if (!err)
		err = add_calls(filter, SCMP_ACT_ALLOW, of_trace, COUNT(of_trace));
	if (!err && journal)
		err = add_calls(filter, SCMP_ACT_ALLOW, of_journal, COUNT(of_journal));
	if (!err && metrics)
		err = add_calls(filter, SCMP_ACT_ALLOW, of_metrics, COUNT(of_metrics));
	return install(filter, err);
}

int privilege_compile_only(void)
{
	int err = privilege_drop(privilege_bpf(), NULL, 0, NULL);
	scmp_filter_ctx filter;

	if (err)
		return err;
	filter = begin(SCMP_ACT_ALLOW);
	if (!filter)
		return -ENOMEM;
	return install(filter, add_calls(filter, refuse, not_of_compiler, COUNT(not_of_compiler)));
}
