/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs fitted to a run: what is decided, what is taken out, and where jumps lead then. */
#include "unit.h"

#include "specialize.h"

#include <stdlib.h>
#include <string.h>

#define MARK 0x7b1c5e01
#define OTHER 0x7b1c5e02

#define MOVE(reg, value) { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value) }
#define MOVE_HALF(reg, value) { .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value) }
#define ADD(reg, value) { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (reg), .imm = (value) }
#define IF_ZERO(reg, by) { .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = (reg), .off = (by) }
#define IF_SET(reg, by) { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = (reg), .off = (by) }
#define GO(by) { .code = BPF_JMP | BPF_JA, .off = (by) }
#define STORE(reg) { .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .src_reg = (reg), .off = -8 }
#define CALL { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns }
#define WIDE(reg, value) { .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = (reg), .imm = (value) }, { .code = 0 }
#define END { .code = BPF_JMP | BPF_EXIT }

/* One program of @n instructions is to become @wanted. */
static void check(const struct bpf_insn *given, size_t n, int32_t value, const struct bpf_insn *wanted, size_t n_wanted)
{
	const struct specialize_choice choices[] = { { OTHER, 1 }, { MARK, value } };
	struct object o = { .n_programs = 1, .n_insns = (uint32_t)n, .programs = { { "one", 0, (uint32_t)n } } };

	o.insns = malloc(n * sizeof(*given));
	assert_non_null(o.insns);
	memcpy(o.insns, given, n * sizeof(*given));
	assert_int_equal(specialize(&o, choices, N_OF(choices)), 0);
	assert_int_equal(o.programs[0].n_insns, n_wanted);
	assert_memory_equal(o.insns, wanted, n_wanted * sizeof(*wanted));
	free(o.insns);
}

#define CHECK(given, value, wanted) check(given, N_OF(given), value, wanted, N_OF(wanted))

static void branch_is_taken_or_not(void **state)
{
	static const struct bpf_insn zero[] = { MOVE(1, MARK), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn set[] = { MOVE(1, MARK), IF_SET(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn without_0[] = { MOVE(1, 0), MOVE(0, 0), END };
	static const struct bpf_insn with_1[] = { MOVE(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn with_0[] = { MOVE(1, 0), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn without_1[] = { MOVE(1, 1), MOVE(0, 0), END };

	(void)state;
	CHECK(zero, 0, without_0);
	CHECK(zero, 1, with_1);
	CHECK(set, 0, with_0);
	CHECK(set, 1, without_1);
}

static void what_does_not_touch_the_register_may_be_between(void **state)
{
	static const struct bpf_insn given[] = { MOVE_HALF(6, MARK), STORE(6), MOVE(1, 3), WIDE(2, MARK), IF_ZERO(6, 1),
						 MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn wanted[] = { MOVE_HALF(6, 0), STORE(6), MOVE(1, 3), WIDE(2, MARK), MOVE(0, 0), END };

	(void)state;
	CHECK(given, 0, wanted);
}

/* The value is right in all of these; which way is left to the kernel. */
static void not_decided(void **state)
{
	static const struct bpf_insn changed[] = { MOVE(1, MARK), ADD(1, 1), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn changed_0[] = { MOVE(1, 0), ADD(1, 1), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn call[] = { MOVE(1, MARK), CALL, IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn call_0[] = { MOVE(1, 0), CALL, IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	/* Whoever jumps to the branch has another value there. */
	static const struct bpf_insn joined[] = { IF_ZERO(2, 1), MOVE(1, MARK), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn joined_0[] = { IF_ZERO(2, 1), MOVE(1, 0), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn other[] = { MOVE(1, MARK), GO(0), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn other_0[] = { MOVE(1, 0), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };

	(void)state;
	CHECK(changed, 0, changed_0);
	CHECK(call, 0, call_0);
	CHECK(joined, 0, joined_0);
	CHECK(other, 0, other_0);
}

static void another_branch_may_be_between(void **state)
{
	static const struct bpf_insn given[] = { MOVE(1, MARK), IF_SET(7, 2), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END };
	static const struct bpf_insn no[] = { MOVE(1, 0), IF_SET(7, 0), MOVE(0, 0), END };
	static const struct bpf_insn yes[] = { MOVE(1, 1), IF_SET(7, 1), MOVE(2, 5), MOVE(0, 0), END };

	(void)state;
	CHECK(given, 0, no);
	CHECK(given, 1, yes);
}

static void jumps_lead_where_they_did(void **state)
{
	static const struct bpf_insn given[] = {
		IF_ZERO(3, 6),		/* to IF_SET */
		MOVE(1, MARK),
		IF_ZERO(1, 3),
		MOVE(2, 5), WIDE(2, 7),
		ADD(4, -1),
		IF_SET(4, -7),		/* back to the move */
		MOVE(0, 0), END,
	};
	static const struct bpf_insn wanted[] = {
		IF_ZERO(3, 2), MOVE(1, 0), ADD(4, -1), IF_SET(4, -3), MOVE(0, 0), END,
	};

	(void)state;
	CHECK(given, 0, wanted);
}

static void both_ways_meet(void **state)
{
	static const struct bpf_insn given[] = { MOVE(1, MARK), IF_ZERO(1, 2), MOVE(2, 1), GO(1), MOVE(2, 2), MOVE(0, 0), END };
	static const struct bpf_insn yes[] = { MOVE(1, 1), MOVE(2, 1), MOVE(0, 0), END };
	static const struct bpf_insn no[] = { MOVE(1, 0), MOVE(2, 2), MOVE(0, 0), END };

	(void)state;
	CHECK(given, 1, yes);
	CHECK(given, 0, no);
}

static void two_ends(void **state)
{
	static const struct bpf_insn given[] = { MOVE(1, MARK), IF_SET(1, 2), MOVE(0, 1), END, MOVE(0, 2), END };
	static const struct bpf_insn yes[] = { MOVE(1, 1), MOVE(0, 2), END };
	static const struct bpf_insn no[] = { MOVE(1, 0), MOVE(0, 1), END };

	(void)state;
	CHECK(given, 1, yes);
	CHECK(given, 0, no);
}

/* The kernel is to say what is wrong with it. */
static void unsound_is_left_alone(void **state)
{
	static const struct bpf_insn out[] = { MOVE(1, MARK), IF_ZERO(1, 9), END };
	static const struct bpf_insn before[] = { MOVE(1, MARK), GO(-3), END };
	static const struct bpf_insn half[] = { MOVE(1, MARK), { .code = BPF_LD | BPF_IMM | BPF_DW } };
	static const struct bpf_insn into_half[] = { MOVE(1, MARK), GO(1), WIDE(2, 7), END };
	static const struct bpf_insn endless[] = { MOVE(1, MARK), MOVE(0, 0) };

	(void)state;
	CHECK(out, 0, out);
	CHECK(before, 0, before);
	CHECK(half, 0, half);
	CHECK(into_half, 0, into_half);
	CHECK(endless, 0, endless);
}

static void each_program_for_itself(void **state)
{
	static const struct bpf_insn given[] = {
		MOVE(0, 3), END,
		MOVE(1, MARK), IF_ZERO(1, 1), MOVE(2, 5), MOVE(0, 0), END,
		MOVE(1, OTHER), IF_SET(1, 1), MOVE(2, 6), MOVE(0, 0), END,
	};
	static const struct bpf_insn second[] = { MOVE(1, 0), MOVE(0, 0), END };
	static const struct bpf_insn third[] = { MOVE(1, 1), MOVE(0, 0), END };
	const struct specialize_choice choices[] = { { MARK, 0 }, { OTHER, 1 } };
	struct object o = { .n_programs = 3, .n_insns = N_OF(given),
			    .programs = { { "a", 0, 2 }, { "b", 2, 5 }, { "c", 7, 5 } } };
	struct bpf_insn insns[N_OF(given)];

	(void)state;
	memcpy(insns, given, sizeof(given));
	o.insns = insns;
	assert_int_equal(specialize(&o, choices, N_OF(choices)), 0);
	assert_memory_equal(insns, given, 2 * sizeof(*given));
	assert_int_equal(o.programs[0].n_insns, 2);
	assert_int_equal(o.programs[1].n_insns, 3);
	assert_memory_equal(insns + 2, second, sizeof(second));
	assert_int_equal(o.programs[2].n_insns, 3);
	assert_memory_equal(insns + 7, third, sizeof(third));
	assert_int_equal(o.n_insns, N_OF(given));
}

static void nothing(void **state)
{
	struct object o = { 0 };

	(void)state;
	assert_int_equal(specialize(&o, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(branch_is_taken_or_not),
		cmocka_unit_test(what_does_not_touch_the_register_may_be_between),
		cmocka_unit_test(not_decided),
		cmocka_unit_test(another_branch_may_be_between),
		cmocka_unit_test(jumps_lead_where_they_did),
		cmocka_unit_test(both_ways_meet),
		cmocka_unit_test(two_ends),
		cmocka_unit_test(unsound_is_left_alone),
		cmocka_unit_test(each_program_for_itself),
		cmocka_unit_test(nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
