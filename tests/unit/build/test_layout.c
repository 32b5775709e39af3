/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets from the compiled layout text; test_btf.c has those from BTF. */
#include "../unit.h"

#include "build/layout.h"

#include <string.h>

struct constant {
	const char *name;
	int value;
};

/* Makes an object whose programs return the constants. */
static void make_object(struct object *o, struct bpf_insn *insns, const struct constant *c,
			size_t n)
{
	memset(o, 0, sizeof(*o));
	memset(insns, 0, 2 * n * sizeof(*insns));
	o->insns = insns;
	for (size_t i = 0; i < n; i++) {
		struct object_program *p = &o->programs[o->n_programs++];

		strcpy(p->name, c[i].name);
		p->first = o->n_insns;
		p->n_insns = 2;
		insns[o->n_insns].code = BPF_ALU64 | BPF_MOV | BPF_K;
		insns[o->n_insns++].imm = c[i].value;
		insns[o->n_insns++].code = BPF_JMP | BPF_EXIT;
	}
}

static const struct constant all[] = {
	{ "sk_err", 560 },	 { "sk_protocol", 534 },      { "protocol_size", 2 },
	{ "inet_sport", 798 },	 { "inet_saddr", 792 },	      { "skc_net", 48 },
	{ "skc_v6_daddr", 56 },	 { "skc_v6_rcv_saddr", 72 },  { "net_inum", 152 },
	{ "ipvs_net", 3312 },	 { "dest_conn_flags", 68 },   { "cp_timer", 88 },
	{ "cp_timeout", 136 }, { "timer_expires", 16 },
};

static void every_offset(void **state)
{
	struct bpf_insn insns[2 * N_OF(all)];
	struct layout l;
	struct object o;

	(void)state;
	make_object(&o, insns, all, N_OF(all));
	memset(&l, 0x5a, sizeof(l));
	layout_from_object(&l, &o);
	assert_int_equal(l.sk_err, 560);
	assert_int_equal(l.sk_protocol, 534);
	assert_int_equal(l.protocol_size, 2);
	assert_int_equal(l.inet_sport, 798);
	assert_int_equal(l.inet_saddr, 792);
	assert_int_equal(l.skc_net, 48);
	assert_int_equal(l.skc_v6_daddr, 56);
	assert_int_equal(l.skc_v6_rcv_saddr, 72);
	assert_int_equal(l.net_inum, 152);
	assert_int_equal(l.ipvs_net, 3312);
	assert_int_equal(l.dest_conn_flags, 68);
	assert_int_equal(l.cp_timer, 88);
	assert_int_equal(l.cp_timeout, 136);
	assert_int_equal(l.timer_expires, 16);
	assert_true(layout_knows_sockets(&l));
}

static void one_is_missing(void **state)
{
	(void)state;
	for (size_t without = 0; without < N_OF(all); without++) {
		struct bpf_insn insns[2 * N_OF(all)];
		struct constant some[N_OF(all)];
		struct layout l;
		struct object o;
		uint16_t got[N_OF(all)];
		size_t n = 0;

		for (size_t i = 0; i < N_OF(all); i++)
			if (i != without)
				some[n++] = all[i];
		make_object(&o, insns, some, n);
		memset(&l, 0x5a, sizeof(l));
		layout_from_object(&l, &o);
		memcpy(got, (uint16_t[]){ l.sk_err, l.sk_protocol, l.protocol_size, l.inet_sport,
					  l.inet_saddr, l.skc_net, l.skc_v6_daddr,
					  l.skc_v6_rcv_saddr, l.net_inum, l.ipvs_net,
					  l.dest_conn_flags, l.cp_timer, l.cp_timeout, l.timer_expires }, sizeof(got));
		for (size_t i = 0; i < N_OF(all); i++)
			assert_int_equal(got[i], i == without ? 0 : all[i].value);
		/* The last ones are not needed to know sockets. */
		assert_int_equal(layout_knows_sockets(&l), without >= N_OF(all) - 5);
	}
}

static void nothing_is_known(void **state)
{
	static const struct object empty;
	static const struct layout zero;
	struct layout l;

	(void)state;
	memset(&l, 0x5a, sizeof(l));
	layout_from_object(&l, &empty);
	assert_memory_equal(&l, &zero, sizeof(l));
	assert_false(layout_knows_sockets(&l));
}

static void values_that_are_no_offsets(void **state)
{
	static const struct constant odd[] = {
		{ "sk_err", 65535 }, { "sk_protocol", 65536 }, { "inet_sport", -1 },
		{ "inet_saddr", INT32_MAX }, { "skc_net", 0 },
	};
	struct bpf_insn insns[2 * N_OF(odd)];
	struct layout l;
	struct object o;

	(void)state;
	make_object(&o, insns, odd, N_OF(odd));
	layout_from_object(&l, &o);
	assert_int_equal(l.sk_err, 65535);
	assert_int_equal(l.sk_protocol, 0);
	assert_int_equal(l.inet_sport, 0);
	assert_int_equal(l.inet_saddr, 0);
	assert_int_equal(l.skc_net, 0);
}

/* An object made of a layout gives the same layout, also when some offsets are not known. */
static void there_and_back(void **state)
{
	enum { N = sizeof(struct layout) / sizeof(uint16_t) };
	uint16_t values[N];
	struct layout l, again;

	(void)state;
	for (int without = -1; without < N; without++) {
		struct object o;

		for (int i = 0; i < N; i++)
			values[i] = i == without ? 0 : (uint16_t)(65535 - i);
		memcpy(&l, values, sizeof(l));
		memset(&again, 0x5a, sizeof(again));
		assert_int_equal(layout_to_object(&l, &o), 0);
		layout_from_object(&again, &o);
		assert_memory_equal(&l, &again, sizeof(l));
		object_free(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_offset),
		cmocka_unit_test(one_is_missing),
		cmocka_unit_test(nothing_is_known),
		cmocka_unit_test(values_that_are_no_offsets),
		cmocka_unit_test(there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
