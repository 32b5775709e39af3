/* SPDX-License-Identifier: Apache-2.0 */
#include "peek.h"

#include "bpf.h"
#include "insn.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 100000
#define PATIENCE_NS 300000000	/* a busy virtual machine lets a timer wait */

static int make_map(uint32_t type, uint32_t value_size)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = value_size;
	attr.max_entries = 1;
	return bpf_call(BPF_MAP_CREATE, &attr);
}

#define VALUE(member) ((int16_t)offsetof(struct peek_value, member))

/* r6 is the value of the map, as insn_begin() leaves it. */
static void store(struct insns *to, int16_t at, uint8_t reg)
{
	insn_add(to, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_6, reg, at, 0);
}

static void emit_addresses(struct insns *to, const struct peek *p)
{
	insn_map(to, BPF_REG_1, p->map_fd);
	store(to, VALUE(map), BPF_REG_1);
	store(to, VALUE(value), BPF_REG_6);
	insn_map(to, BPF_REG_1, p->spot_fd);
	store(to, VALUE(spot_map), BPF_REG_1);
	insn_lookup(to, p->spot_fd);
	store(to, VALUE(spot_value), BPF_REG_0);
}

static void emit_words(struct insns *to, int read_helper)
{
	insn_add(to, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_7, 0, 0, 0);
	for (size_t i = 0; i < PEEK_WORDS; i++) {
		insn_add(to, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_3, BPF_REG_6, (int16_t)(VALUE(addr) + 8 * i), 0);
		insn_add(to, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 8);
		insn_add(to, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0);
		insn_add(to, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, (int32_t)(VALUE(word) + 8 * i));
		insn_add(to, BPF_JMP | BPF_CALL, 0, 0, 0, read_helper);
		insn_add(to, BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_7, BPF_REG_0, 0, 0);
	}
	store(to, VALUE(failed), BPF_REG_7);
}

static int load(const struct peek *p, int read_helper)
{
	struct insns program;

	insn_begin(&program, p->map_fd);
	emit_addresses(&program, p);
	emit_words(&program, read_helper);
	insn_add(&program, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_6, VALUE(runs), 0);
	insn_add(&program, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, 1);
	store(&program, VALUE(runs), BPF_REG_1);
	return insn_load(&program, p->way == PEEK_NOW ? BPF_PROG_TYPE_RAW_TRACEPOINT : BPF_PROG_TYPE_PERF_EVENT, 0);
}

/* A timer of that CPU: others do nothing that would be counted by it. */
static int open_event(int cpu)
{
	struct perf_event_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_SOFTWARE;
	attr.config = PERF_COUNT_SW_CPU_CLOCK;
	attr.sample_period = PERIOD_NS;
	attr.disabled = 1;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Return: as peek_words(); -EAGAIN where it did not run since there were so many @runs. */
static int look(struct peek *p, uint64_t runs)
{
	const int zero = 0;
	int err = bpf_lookup(p->map_fd, &zero, &p->value);

	if (err)
		return err;
	return p->value.runs == runs ? -EAGAIN : p->value.failed ? -EFAULT : 0;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Awake, as some kernels run no program at a timer of a CPU that is idle; and not in bpf(2), where none runs either. */
static int wait_for_run(struct peek *p)
{
	const uint64_t runs = p->value.runs;
	int err = -EAGAIN;

	for (int64_t now = now_ns(), end = now + PATIENCE_NS; now < end && err == -EAGAIN; err = look(p, runs)) {
		int64_t next = now + 2 * PERIOD_NS;

		while (now < next)
			now = now_ns();
	}
	return err;
}

/* Once or more. Where another program is running on that CPU, this one is not: the next time it is. */
static int run_on_event(struct peek *p, int cpu)
{
	int fd = open_event(cpu), err = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, p->program_fd) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		err = -errno;
	if (!err)
		err = wait_for_run(p);
	close(fd);
	return err;
}

/* As many CPUs as any kernel is built for. */
struct cpus {
	cpu_set_t set[8];
};

/* Where this thread may not be on that CPU, the program runs there all the same, sooner or later. */
static int run_on_timer(struct peek *p, int cpu)
{
	struct cpus before, one;
	bool moved;
	int err;

	memset(&one, 0, sizeof(one));
	CPU_SET_S((size_t)cpu, sizeof(one), one.set);
	moved = !sched_getaffinity(0, sizeof(before), before.set) && !sched_setaffinity(0, sizeof(one), one.set);
	err = run_on_event(p, cpu);
	if (moved)
		sched_setaffinity(0, sizeof(before), before.set);
	return err;
}

/* @cpu: -1: whichever */
static int run(struct peek *p, int cpu)
{
	const uint64_t runs = p->value.runs;
	int err;

	if (p->way == PEEK_TIMER)
		return run_on_timer(p, cpu < 0 ? sched_getcpu() : cpu);
	err = bpf_run(p->program_fd, cpu);
	return err ? err : look(p, runs);
}

int peek_open_by(struct peek *p, enum peek_way way, int read_helper)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->way = way;
	p->map_fd = make_map(BPF_MAP_TYPE_ARRAY, sizeof(p->value));
	p->spot_fd = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint64_t));
	p->program_fd = p->map_fd < 0 || p->spot_fd < 0 ? -EBADF : load(p, read_helper);
	if (p->map_fd < 0)
		return p->map_fd;
	if (p->spot_fd < 0)
		return p->spot_fd;
	if (p->program_fd < 0)
		return p->program_fd;
	err = run(p, -1);	/* to know the addresses; there are no words at 0 */
	return err == -EFAULT ? 0 : err ? err : -EAGAIN;
}

int peek_open(struct peek *p, int read_helper)
{
	if (!peek_open_by(p, PEEK_NOW, read_helper))
		return 0;
	peek_close(p);
	return peek_open_by(p, PEEK_TIMER, read_helper);
}

static int words_on(struct peek *p, int cpu, const uint64_t *addr, uint64_t *word, size_t n)
{
	const int zero = 0;
	int err;

	for (size_t i = 0; i < PEEK_WORDS; i++)
		p->value.addr[i] = i < n ? addr[i] : p->value.value;
	err = bpf_update(p->map_fd, &zero, &p->value, BPF_EXIST);
	if (!err)
		err = run(p, cpu);
	if (!err)
		memcpy(word, p->value.word, n * sizeof(*word));
	return err;
}

int peek_words(struct peek *p, const uint64_t *addr, uint64_t *word, size_t n)
{
	return words_on(p, -1, addr, word, n);
}

int peek_cpu_offset(struct peek *p, int cpu, uint64_t *offset)
{
	uint64_t addr = p->value.spot_map + (p->value.value - p->value.map), pointer;
	int err = words_on(p, cpu, &addr, &pointer, 1);

	if (!err)
		*offset = p->value.spot_value - pointer;
	return err;
}

void peek_close(struct peek *p)
{
	const int fds[] = { p->program_fd, p->spot_fd, p->map_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	p->program_fd = p->spot_fd = p->map_fd = -1;
}
