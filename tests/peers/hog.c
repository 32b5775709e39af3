/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hog FUNCTION: attaches a kprobe with a slow program, as another process may do. FUNCTION is the kernel's function for
 * getppid(2). The program calls getppid(2) until a signal arrives, so this CPU is mostly in that BPF program, and interrupts
 * come during it.
 * hog ID: the same with perf's tracepoint that getppid(2) passes.
 * Prints "ready" on stdout as soon as it runs.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CALLS 4000	/* 4,096 instructions before 5.2 */

static int fail(const char *what)
{
	fprintf(stderr, "hog: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Returns LINUX_VERSION_CODE; before 5.0, programs on kprobes must have it. */
static unsigned int version(void)
{
	unsigned int major = 0, minor = 0, patch = 0;
	struct utsname uts;

	uname(&uts);
	sscanf(uts.release, "%u.%u.%u", &major, &minor, &patch);
	return major << 16 | minor << 8 | (patch < 255 ? patch : 255);
}

static int load(int kprobe)
{
	static struct bpf_insn insns[CALLS + 2];
	union bpf_attr attr;

	for (int i = 0; i < CALLS; i++)
		insns[i] = (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns };
	insns[CALLS] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 };
	insns[CALLS + 1] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = kprobe ? BPF_PROG_TYPE_KPROBE : BPF_PROG_TYPE_TRACEPOINT;
	attr.insn_cnt = CALLS + 2;
	attr.insns = (uintptr_t)insns;
	attr.license = (uintptr_t)"GPL";
	attr.kern_version = version();
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int probe(const char *function, unsigned long tracepoint)
{
	struct perf_event_attr attr = { .size = sizeof(attr), .type = PERF_TYPE_TRACEPOINT, .sample_period = 1, .disabled = 1 };

	if (tracepoint) {
		attr.config = tracepoint;
	} else {
		FILE *type = fopen("/sys/bus/event_source/devices/kprobe/type", "re");

		if (!type || fscanf(type, "%u", &attr.type) != 1)
			return -1;
		fclose(type);
		attr.kprobe_func = (uintptr_t)function;
	}
	return (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
}

int main(int argc, char *argv[])
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned long tracepoint;
	int program, event;

	if (argc != 2) {
		fprintf(stderr, "Usage: hog FUNCTION|ID\n");
		return 2;
	}
	tracepoint = strtoul(argv[1], NULL, 10);
	setrlimit(RLIMIT_MEMLOCK, &all);	/* before 5.11 programs count as locked memory */
	program = load(!tracepoint);
	if (program < 0)
		return fail("bpf");
	event = probe(argv[1], tracepoint);
	if (event < 0 || ioctl(event, PERF_EVENT_IOC_SET_BPF, program) || ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
		return fail(argv[1]);
	syscall(SYS_getppid);
	puts("ready");
	fflush(stdout);
	for (;;)
		syscall(SYS_getppid);
}
