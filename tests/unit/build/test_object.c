/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs to bytes and back; bytes that are invalid. */
#include "../unit.h"

#include "build/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOV_R0(value) { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = (value) }
#define MOV32_R0(value) { .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = (value) }
#define EXIT { .code = BPF_JMP | BPF_EXIT }
#define LOAD_MAP(index) { .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = BPF_REG_1, \
			  .src_reg = BPF_PSEUDO_MAP_FD, .imm = (index) }

/* Two maps, three programs: one returns 7; one returns 9 with a 32-bit move; one loads the second map. */
static struct bpf_insn insns[] = {
	MOV_R0(7), EXIT, MOV32_R0(9), EXIT, LOAD_MAP(1), { 0 }, MOV_R0(0), EXIT,
};

static const struct object sample = {
	.kern_version = 0x060123,
	.n_maps = 2,
	.n_programs = 3,
	.n_insns = N_OF(insns),
	.maps = { { "socks", BPF_MAP_TYPE_HASH, 8, 88, 65536, 1 },
		  { "events", BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 0, 0 } },
	.programs = { { "seven", 0, 2 }, { "nine", 2, 2 }, { "reads_map", 4, 4 } },
	.insns = insns,
};

static void *encode(const struct object *o, size_t *len)
{
	void *bytes = NULL;

	assert_int_equal(object_encode(o, &bytes, len), 0);
	assert_non_null(bytes);
	return bytes;
}

static void check_same(const struct object *a, const struct object *b)
{
	assert_int_equal(a->kern_version, b->kern_version);
	assert_int_equal(a->n_maps, b->n_maps);
	assert_int_equal(a->n_programs, b->n_programs);
	assert_int_equal(a->n_insns, b->n_insns);
	assert_memory_equal(a->maps, b->maps, sizeof(a->maps));
	assert_memory_equal(a->programs, b->programs, sizeof(a->programs));
	if (a->n_insns)
		assert_memory_equal(a->insns, b->insns, a->n_insns * sizeof(*a->insns));
}

/* Checks that the bytes are refused, and that the caller's object is unchanged. */
static void check_refused(const void *bytes, size_t len)
{
	struct object o, before;

	memset(&o, 0x5a, sizeof(o));
	before = o;
	assert_int_equal(object_decode(&o, bytes, len), -EBADMSG);
	assert_memory_equal(&o, &before, sizeof(o));
}

static void there_and_back(void **state)
{
	struct object o;
	size_t len;
	void *bytes = encode(&sample, &len);

	(void)state;
	assert_int_equal(object_decode(&o, bytes, len), 0);
	free(bytes);
	check_same(&o, &sample);
	object_free(&o);
	assert_null(o.insns);
	assert_int_equal(o.n_programs, 0);
	object_free(&o);
	object_free(NULL);
}

static void empty_object(void **state)
{
	static const struct object empty = { .kern_version = 3 };
	struct object o;
	size_t len;
	void *bytes = encode(&empty, &len);

	(void)state;
	assert_int_equal(object_decode(&o, bytes, len), 0);
	check_same(&o, &empty);
	object_free(&o);
	free(bytes);
}

static void as_large_as_allowed(void **state)
{
	struct object full = { .n_maps = OBJECT_MAPS_MAX, .n_programs = OBJECT_PROGRAMS_MAX,
			       .n_insns = OBJECT_INSNS_MAX };
	struct object o;
	size_t len;
	void *bytes;

	(void)state;
	full.insns = calloc(OBJECT_INSNS_MAX, sizeof(*full.insns));
	assert_non_null(full.insns);
	for (uint32_t i = 0; i < OBJECT_PROGRAMS_MAX; i++) {
		full.programs[i].first = i;
		full.programs[i].n_insns = OBJECT_INSNS_MAX - i;
	}
	bytes = encode(&full, &len);
	assert_int_equal(object_decode(&o, bytes, len), 0);
	check_same(&o, &full);
	object_free(&o);
	object_free(&full);
	free(bytes);
}

static void any_alignment(void **state)
{
	size_t len;
	char *bytes = encode(&sample, &len), *moved = malloc(len + 8);

	(void)state;
	assert_non_null(moved);
	for (size_t shift = 0; shift < 8; shift++) {
		struct object o;

		memcpy(moved + shift, bytes, len);
		assert_int_equal(object_decode(&o, moved + shift, len), 0);
		check_same(&o, &sample);
		object_free(&o);
	}
	free(moved);
	free(bytes);
}

static void truncated_at_every_length(void **state)
{
	size_t len;
	char *bytes = encode(&sample, &len);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		char *part = malloc(n ? n : 1);	/* the sanitizer watches its end */

		assert_non_null(part);
		memcpy(part, bytes, n);
		check_refused(part, n);
		free(part);
	}
	free(bytes);
}

static void trailing_bytes(void **state)
{
	size_t len;
	char *bytes = encode(&sample, &len), *more = calloc(1, len + 64);

	(void)state;
	assert_non_null(more);
	memcpy(more, bytes, len);
	for (size_t extra = 1; extra <= 64; extra++)
		check_refused(more, len + extra);
	free(more);
	free(bytes);
}

static void every_flipped_bit_is_noticed(void **state)
{
	size_t len;
	unsigned char *bytes = encode(&sample, &len);

	(void)state;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		check_refused(bytes, len);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	free(bytes);
}

/* An object that is encoded completely, with a correct checksum, but makes no sense. */
static void check_unsound(const struct object *o)
{
	size_t len;
	void *bytes = encode(o, &len);

	check_refused(bytes, len);
	free(bytes);
}

static void unsound_programs(void **state)
{
	struct object o = sample;

	(void)state;
	o.programs[1].first = 7;
	check_unsound(&o);
	o.programs[1].first = 9;
	check_unsound(&o);
	o.programs[1].first = UINT32_MAX;
	check_unsound(&o);
	o = sample;
	o.programs[2].n_insns = 5;
	check_unsound(&o);
	o.programs[2].n_insns = UINT32_MAX;
	check_unsound(&o);
	o.programs[2].n_insns = 0;
	check_unsound(&o);
	o = sample;
	memset(o.programs[0].name, 'x', sizeof(o.programs[0].name));
	check_unsound(&o);
	o = sample;
	o.programs[2].first = 6;
	o.programs[2].n_insns = 2;
	o.maps[1].flags = 5;
	{
		struct object back;
		size_t len;
		void *bytes = encode(&o, &len);

		assert_int_equal(object_decode(&back, bytes, len), 0);
		check_same(&back, &o);
		object_free(&back);
		free(bytes);
	}
}

static void unsound_maps(void **state)
{
	struct object o = sample;

	(void)state;
	memset(o.maps[1].name, 'x', sizeof(o.maps[1].name));
	check_unsound(&o);
	o = sample;
	o.n_maps = 1;	/* but the instruction loads map 1 */
	check_unsound(&o);
	o.n_maps = 0;
	check_unsound(&o);
}

static void unsound_map_index(void **state)
{
	static const int indexes[] = { 2, 16, INT32_MAX, -1, INT32_MIN };

	(void)state;
	for (size_t i = 0; i < N_OF(indexes); i++) {
		struct bpf_insn copy[N_OF(insns)];
		struct object o = sample;

		memcpy(copy, insns, sizeof(copy));
		copy[4].imm = indexes[i];
		o.insns = copy;
		check_unsound(&o);
	}
}

static void lookup_by_name(void **state)
{
	struct object o = sample;

	(void)state;
	assert_ptr_equal(object_program(&o, "nine"), &o.programs[1]);
	assert_null(object_program(&o, "nin"));
	assert_null(object_program(&o, "nine2"));
	assert_null(object_program(&o, ""));
	assert_int_equal(object_map(&o, "socks"), 0);
	assert_int_equal(object_map(&o, "events"), 1);
	assert_int_equal(object_map(&o, "event"), -ENOENT);
	o.n_maps = 1;
	o.n_programs = 1;
	assert_int_equal(object_map(&o, "events"), -ENOENT);
	assert_null(object_program(&o, "nine"));
}

static void constants(void **state)
{
	(void)state;
	assert_int_equal(object_constant(&sample, "seven"), 7);
	assert_int_equal(object_constant(&sample, "nine"), 9);
	assert_int_equal(object_constant(&sample, "reads_map"), -ENOENT);
	assert_int_equal(object_constant(&sample, "none"), -ENOENT);
}

static int constant_of(struct bpf_insn first, struct bpf_insn second)
{
	struct bpf_insn two[] = { first, second };
	struct object o = { .n_programs = 1, .n_insns = 2, .insns = two,
			    .programs = { { "f", 0, 2 } } };

	return object_constant(&o, "f");
}

static void no_constants(void **state)
{
	static const struct bpf_insn mov = MOV_R0(8), end = EXIT, zero = MOV_R0(0),
				     most = MOV_R0(INT32_MAX), below = MOV_R0(-1);
	struct bpf_insn other;

	(void)state;
	assert_int_equal(constant_of(mov, end), 8);
	assert_int_equal(constant_of(zero, end), 0);
	assert_int_equal(constant_of(most, end), INT32_MAX);
	assert_int_equal(constant_of(below, end), -ENOENT);
	assert_int_equal(constant_of(mov, mov), -ENOENT);
	assert_int_equal(constant_of(end, end), -ENOENT);
	other = mov;
	other.dst_reg = BPF_REG_1;
	assert_int_equal(constant_of(other, end), -ENOENT);
	other = mov;
	other.code = BPF_ALU64 | BPF_MOV | BPF_X;
	assert_int_equal(constant_of(other, end), -ENOENT);
	other.code = BPF_ALU64 | BPF_ADD | BPF_K;
	assert_int_equal(constant_of(other, end), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(empty_object),
		cmocka_unit_test(as_large_as_allowed),
		cmocka_unit_test(any_alignment),
		cmocka_unit_test(truncated_at_every_length),
		cmocka_unit_test(trailing_bytes),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(unsound_programs),
		cmocka_unit_test(unsound_maps),
		cmocka_unit_test(unsound_map_index),
		cmocka_unit_test(lookup_by_name),
		cmocka_unit_test(constants),
		cmocka_unit_test(no_constants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
