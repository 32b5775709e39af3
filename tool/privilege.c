/* SPDX-License-Identifier: Apache-2.0 */
#include "privilege.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than some headers. */
enum { PERFMON = 38, BPF = 39 };

#define SET(capability) (1ULL << (capability))

/* ---- capabilities */

static uint64_t or_admin(int capability)
{
	return prctl(PR_CAPBSET_READ, capability) < 0 ? SET(CAP_SYS_ADMIN) : SET(capability);
}

uint64_t privilege_bpf(void)
{
	return or_admin(BPF);
}

uint64_t privilege_perfmon(void)
{
	return or_admin(PERFMON);
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
	const uint64_t of_admin = SET(BPF) | SET(PERFMON);
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
		{ BPF, "CAP_BPF" },
		{ PERFMON, "CAP_PERFMON" },
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
#ifdef PR_CAP_AMBIENT
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);	/* from 4.3 on */
#endif
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
	{ __NR_bpf, 0, 1, 4 },			/* BPF_MAP_LOOKUP_ELEM to BPF_MAP_GET_NEXT_KEY */
	/* /proc, /sys, the time zone */
	ANY(openat), ANY(readlinkat), ANY(faccessat), ANY(getdents64), ANY(newfstatat),
	{ __NR_setns, 1, CLONE_NEWNET, CLONE_NEWNET },
	/* memory */
	ANY(brk), ANY(mmap), ANY(munmap), ANY(mprotect), ANY(mremap), ANY(madvise), ANY(getrandom),
	/* time, signals, the end */
	ANY(clock_gettime), ANY(clock_nanosleep), ANY(nanosleep), ANY(gettimeofday), ANY(futex),
	ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(restart_syscall),
	ANY(getpid), ANY(gettid), ANY(tgkill), ANY(sched_getaffinity), ANY(exit), ANY(exit_group),
	/* those that newer machines have no more, and older ones not yet */
#ifdef __NR_open
	ANY(open), ANY(stat), ANY(lstat), ANY(access), ANY(readlink), ANY(epoll_wait), ANY(poll), ANY(time),
#endif
#ifdef __NR_statx
	ANY(statx),
#endif
#ifdef __NR_faccessat2
	ANY(faccessat2),
#endif
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
#ifdef __NR_io_uring_setup
	ANY(io_uring_setup),		/* makes sockets too */
#endif
#ifdef __NR_pidfd_getfd
	ANY(pidfd_getfd),
#endif
};

#define COUNT(calls) (sizeof(calls) / sizeof((calls)[0]))

enum { PER_CALL = 6, FRAME = 7, X32 = 0x40000000, MOST = FRAME + PER_CALL * (COUNT(of_trace) + COUNT(of_journal) + COUNT(of_metrics)) };

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

struct program {
	struct sock_filter insn[MOST];
	unsigned short n;
};

static void add(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	p->insn[p->n++] = (struct sock_filter){ code, jt, jf, k };
}

/* The lower half of an argument: those that are compared are ints. Both machines have it first. */
static uint32_t offset_of_arg(uint32_t arg)
{
	return (uint32_t)offsetof(struct seccomp_data, args) + arg * 8;
}

static void add_calls(struct program *p, const struct call *calls, size_t n, uint32_t then, uint32_t otherwise)
{
	for (size_t i = 0; i < n; i++) {
		const struct call *c = &calls[i];
		bool any = c->high == UINT32_MAX;

		add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)c->number, 0, any ? 1 : 5);
		if (!any) {
			add(p, BPF_LD | BPF_W | BPF_ABS, offset_of_arg(c->arg), 0, 0);
			add(p, BPF_JMP | BPF_JGE | BPF_K, c->low, 0, 1);
			add(p, BPF_JMP | BPF_JGT | BPF_K, c->high, 0, 1);
			add(p, BPF_RET | BPF_K, otherwise, 0, 0);
		}
		add(p, BPF_RET | BPF_K, then, 0, 0);
	}
}

/* Calls by another architecture's numbers, as 32-bit ones and those of x32, are refused. */
static void begin(struct program *p, uint32_t refuse)
{
#ifdef ARCH
	add(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	add(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
#endif
	add(p, BPF_RET | BPF_K, refuse, 0, 0);
	add(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
#ifdef __x86_64__
	add(p, BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1);
	add(p, BPF_RET | BPF_K, refuse, 0, 0);
#endif
}

static int install(struct program *p)
{
	const struct sock_fprog filter = { p->n, p->insn };

#ifndef ARCH
	return -ENOSYS;
#endif
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) ? -errno : 0;
}

enum { ALLOW = SECCOMP_RET_ALLOW, REFUSE = SECCOMP_RET_ERRNO | EPERM };

int privilege_trace_only(bool journal, bool metrics)
{
	struct program p = { .n = 0 };

	begin(&p, REFUSE);
	add_calls(&p, of_trace, COUNT(of_trace), ALLOW, REFUSE);
	if (journal)
		add_calls(&p, of_journal, COUNT(of_journal), ALLOW, REFUSE);
	if (metrics)
		add_calls(&p, of_metrics, COUNT(of_metrics), ALLOW, REFUSE);
	add(&p, BPF_RET | BPF_K, REFUSE, 0, 0);
	return install(&p);
}

int privilege_compile_only(void)
{
	struct program p = { .n = 0 };
	int err = privilege_drop(privilege_bpf(), NULL, 0, NULL);

	if (err)
		return err;
	begin(&p, REFUSE);
	add_calls(&p, not_of_compiler, COUNT(not_of_compiler), REFUSE, ALLOW);
	add(&p, BPF_RET | BPF_K, ALLOW, 0, 0);
	return install(&p);
}
