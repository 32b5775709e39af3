/* SPDX-License-Identifier: Apache-2.0 */
/* Programs put together by hand, and the kernel's memory that one of them reads: what is known to be there. */
#include "unit.h"

#include "bpf.h"
#include "insn.h"
#include "peek.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MISSING "bpf(2) is not for this process"
#define TOO_OLD "before 5.10 no program runs when it is told to"

#define BOTH_WAYS(name)						\
	static void name##_now(void **state)			\
	{							\
		(void)state;					\
		name(PEEK_NOW);					\
	}							\
								\
	static void name##_timer(void **state)			\
	{							\
		(void)state;					\
		name(PEEK_TIMER);				\
	}

enum { NOT_SUPPORTED = 524 };	/* ENOTSUPP, include/linux/errno.h */

static bool is_before_5_10(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname host;

	assert_int_equal(uname(&host), 0);
	assert_int_equal(sscanf(host.release, "%u.%u", &major, &minor), 2);
	return major < 5 || (major == 5 && minor < 10);
}

static void open_or_skip(struct peek *p, enum peek_way way)
{
	int err = peek_open_by(p, way, BPF_FUNC_probe_read_kernel);

	if (err == -EINVAL) {	/* before 5.5 */
		peek_close(p);
		err = peek_open_by(p, way, BPF_FUNC_probe_read);
	}
	if (!err)
		return;
	peek_close(p);
	if (way == PEEK_NOW && err == -NOT_SUPPORTED && is_before_5_10())
		skip_because(TOO_OLD);
	if (err != -EPERM && err != -EACCES && err != -ENOSYS)
		fail_msg("peek_open: %s", strerror(-err));
	skip_because(MISSING);
}

/* Of its own map the tool knows both sides. */
static void own_words(enum peek_way way)
{
	uint64_t addr[PEEK_WORDS], word[PEEK_WORDS];
	struct peek p;

	open_or_skip(&p, way);
	for (size_t i = 0; i < N_OF(addr); i++)
		addr[i] = p.value.value + offsetof(struct peek_value, addr) + i * sizeof(uint64_t);
	memset(word, 0, sizeof(word));
	assert_int_equal(peek_words(&p, addr, word, 1), 0);
	assert_true(word[0] == addr[0]);
	assert_true(word[1] == 0);	/* not asked for */
	for (uint64_t round = 1; round < 100; round++) {
		assert_int_equal(peek_words(&p, addr, word, N_OF(addr)), 0);
		assert_memory_equal(word, addr, sizeof(addr));
	}
	peek_close(&p);
}

static void nothing_there(enum peek_way way)
{
	uint64_t addr[3] = { 0, 1, 0 }, word[3] = { 7, 7, 7 };
	struct peek p;

	open_or_skip(&p, way);
	addr[2] = p.value.value + offsetof(struct peek_value, map);
	assert_int_equal(peek_words(&p, addr, word, 3), -EFAULT);
	assert_true(word[0] == 7);	/* as it was */
	assert_int_equal(peek_words(&p, &addr[2], word, 1), 0);
	assert_true(word[0] == p.value.map && word[0] != 7);
	peek_close(&p);
}

/* Values that the tool has given each CPU are where the offset says. */
static void each_cpu(enum peek_way way)
{
	const int zero = 0;
	size_t cpus = (size_t)sysconf(_SC_NPROCESSORS_CONF), tried = 0;
	uint64_t *of_cpu;
	struct peek p;

	open_or_skip(&p, way);
	of_cpu = calloc(cpus, sizeof(*of_cpu));
	assert_non_null(of_cpu);
	for (size_t cpu = 0; cpu < cpus; cpu++)
		of_cpu[cpu] = 1000 + cpu;
	assert_int_equal(bpf_update(p.spot_fd, &zero, of_cpu, BPF_ANY), 0);
	for (size_t cpu = 0; cpu < cpus; cpu++) {
		uint64_t offset, at = p.value.spot_map + (p.value.value - p.value.map), word;

		if (peek_cpu_offset(&p, (int)cpu, &offset) == -ENODEV)
			continue;	/* not online */
		assert_int_equal(peek_cpu_offset(&p, (int)cpu, &offset), 0);
		assert_int_equal(peek_words(&p, &at, &word, 1), 0);
		at = word + offset;
		assert_int_equal(peek_words(&p, &at, &word, 1), 0);
		assert_true(word == 1000 + cpu);
		tried++;
	}
	assert_true(tried > 0);
	assert_true(peek_cpu_offset(&p, 1 << 20, of_cpu) < 0);
	peek_close(&p);
	free(of_cpu);
}

/* Old kernels that have it all the same are served by it, too. */
static void best_way(void **state)
{
	struct peek best, now;
	bool is_now;

	(void)state;
	open_or_skip(&now, PEEK_TIMER);
	peek_close(&now);
	is_now = !peek_open_by(&now, PEEK_NOW, BPF_FUNC_probe_read);
	peek_close(&now);
	assert_int_equal(peek_open(&best, BPF_FUNC_probe_read), 0);
	assert_int_equal(best.way, is_now ? PEEK_NOW : PEEK_TIMER);
	assert_true(is_now || is_before_5_10());
	peek_close(&best);
}

BOTH_WAYS(own_words)
BOTH_WAYS(nothing_there)
BOTH_WAYS(each_cpu)

static void too_long(void **state)
{
	struct insns program = { .n = 0 };

	(void)state;
	for (int i = 0; i < INSNS_MAX - 1; i++)
		insn_add(&program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, i);
	assert_int_equal(insn_load(&program, BPF_PROG_TYPE_KPROBE, 0), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_words_now),
		cmocka_unit_test(own_words_timer),
		cmocka_unit_test(nothing_there_now),
		cmocka_unit_test(nothing_there_timer),
		cmocka_unit_test(each_cpu_now),
		cmocka_unit_test(each_cpu_timer),
		cmocka_unit_test(best_way),
		cmocka_unit_test(too_long),
	};
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &unlimited);	/* maps count there until 5.11; who may not raise it may do no bpf(2) either */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
