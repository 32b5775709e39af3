/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets from type information: made by hand, damaged, and the running kernel's. */
#include "../unit.h"
#include "base/file.h"

#include "build/btf.h"
#include "host/host.h"
#include "build/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Builds type information; ids and most contents do not matter to the reader. */
struct maker {
	uint32_t types[256];
	size_t n_words;
	char strings[512];
	size_t strings_len;
	uint32_t base_strings_len;	/* of the kernel's strings, if this is a module's information */
};

enum { INT = 1, PTR = 2, ARRAY = 3, STRUCT = 4, ENUM = 6, FUNC_PROTO = 13, VAR = 14, DATASEC = 15,
       FLOAT = 16, DECL_TAG = 17, TYPE_TAG = 18, ENUM64 = 19 };

static void make_begin(struct maker *m, const struct maker *base)
{
	memset(m, 0, sizeof(*m));
	if (base)
		m->base_strings_len = (uint32_t)base->strings_len;
	m->strings_len = 1;
}

static uint32_t make_string(struct maker *m, const char *text)
{
	uint32_t at = m->base_strings_len + (uint32_t)m->strings_len;

	assert_true(m->strings_len + strlen(text) < sizeof(m->strings));
	strcpy(m->strings + m->strings_len, text);
	m->strings_len += strlen(text) + 1;
	return at;
}

static void make_word(struct maker *m, uint32_t word)
{
	assert_true(m->n_words < N_OF(m->types));
	m->types[m->n_words++] = word;
}

/* Adds a type with @n_tail words that the reader must skip. */
static void make_type(struct maker *m, uint32_t name, uint32_t kind, uint32_t vlen, int n_tail)
{
	make_word(m, name);
	make_word(m, kind << 24 | vlen);
	make_word(m, 4);
	while (n_tail--)
		make_word(m, 0xffffffff);
}

static void make_struct(struct maker *m, const char *name, uint32_t kind_flag, uint32_t vlen)
{
	make_word(m, make_string(m, name));
	make_word(m, kind_flag << 31 | STRUCT << 24 | vlen);
	make_word(m, 64);
}

/* @type: number of its type */
static void make_member_of(struct maker *m, const char *name, uint32_t offset_bits, uint32_t type)
{
	make_word(m, make_string(m, name));
	make_word(m, type);
	make_word(m, offset_bits);
}

static void make_member(struct maker *m, const char *name, uint32_t offset_bits)
{
	make_member_of(m, name, offset_bits, 1);
}

static void *make_end(const struct maker *m, size_t *len)
{
	const uint32_t types_len = (uint32_t)(4 * m->n_words);
	const uint32_t head[] = { 1 << 16 | 0xeb9f, 24, 0, types_len, types_len,
				  (uint32_t)m->strings_len };
	char *btf = malloc(sizeof(head) + types_len + m->strings_len);

	assert_non_null(btf);
	memcpy(btf, head, sizeof(head));
	memcpy(btf + sizeof(head), m->types, types_len);
	memcpy(btf + sizeof(head) + types_len, m->strings, m->strings_len);
	*len = sizeof(head) + types_len + m->strings_len;
	return btf;
}

static void make_kernel(struct maker *m)
{
	make_begin(m, NULL);
	make_struct(m, "first", 0, 2);
	make_member(m, "a", 0);
	make_member(m, "b", 32);
	make_struct(m, "flags", 1, 2);
	make_member(m, "plain", 8 * 100);
	make_member(m, "bits", 8U << 24 | (8 * 200 + 8));
}

static void check_member(const struct btf_member *m, uint32_t offset, bool bitfield)
{
	assert_true(m->found);
	assert_int_equal(m->offset, offset);
	assert_int_equal(m->bitfield, bitfield);
}

static void members(void **state)
{
	struct btf_member m[] = {
		{ "first", "b", false, 7, true, 0 },	 { "flags", "bits", false, 7, false, 0 },
		{ "flags", "plain", false, 7, true, 0 }, { "first", "plain", false, 7, true, 0 },
		{ "none", "a", false, 7, true, 0 },	 { "first", "a", false, 7, true, 0 },
	};
	struct maker maker;
	size_t len;
	void *btf;

	(void)state;
	make_kernel(&maker);
	btf = make_end(&maker, &len);
	assert_int_equal(btf_find(btf, len, NULL, 0, m, N_OF(m)), 0);
	free(btf);
	check_member(&m[0], 4, false);
	check_member(&m[1], 201, true);
	check_member(&m[2], 100, false);
	check_member(&m[5], 0, false);
	for (int i = 3; i < 5; i++) {	/* not changed */
		assert_false(m[i].found);
		assert_int_equal(m[i].offset, 7);
		assert_true(m[i].bitfield);
	}
}

static void steps_over_all_kinds(void **state)
{
	static const struct {
		uint32_t kind, vlen;
		int n_tail;
	} kinds[] = {
		{ INT, 0, 1 },	 { PTR, 0, 0 },	     { ARRAY, 0, 3 }, { 5, 2, 6 },
		{ ENUM, 3, 6 },	 { 7, 0, 0 },	     { 8, 0, 0 },     { 9, 0, 0 },
		{ 10, 0, 0 },	 { 11, 0, 0 },	     { 12, 1, 0 },    { FUNC_PROTO, 2, 4 },
		{ VAR, 0, 1 },	 { DATASEC, 2, 6 },  { FLOAT, 0, 0 }, { DECL_TAG, 0, 1 },
		{ TYPE_TAG, 0, 0 }, { ENUM64, 2, 6 },
	};
	struct btf_member m = { "last", "x", false, 0, false, 0 };
	struct maker maker;
	size_t len;
	void *btf;

	(void)state;
	make_begin(&maker, NULL);
	for (size_t i = 0; i < N_OF(kinds); i++)
		make_type(&maker, 0, kinds[i].kind, kinds[i].vlen, kinds[i].n_tail);
	make_struct(&maker, "last", 0, 1);
	make_member(&maker, "x", 8 * 1234);
	btf = make_end(&maker, &len);
	assert_int_equal(btf_find(btf, len, NULL, 0, &m, 1), 0);
	check_member(&m, 1234, false);
	free(btf);
}

static void unknown_kinds(void **state)
{
	static const uint32_t kinds[] = { 0, 20, 31 };

	(void)state;
	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct btf_member m = { "last", "x", false, 0, false, 0 };
		struct maker maker;
		size_t len;
		void *btf;

		make_begin(&maker, NULL);
		make_type(&maker, 0, kinds[i], 0, 0);
		btf = make_end(&maker, &len);
		assert_int_equal(btf_find(btf, len, NULL, 0, &m, 1), -EBADMSG);
		assert_false(m.found);
		free(btf);
	}
}

/* A module's string offsets continue after the kernel's. */
static void module_on_its_kernel(void **state)
{
	struct btf_member m[] = { { "ip_vs_dest", "conn_flags", false, 0, false, 0 },
				  { "first", "b", false, 0, false, 0 } };
	struct maker kernel, module;
	size_t kernel_len, module_len;
	void *base, *btf;

	(void)state;
	make_kernel(&kernel);
	make_begin(&module, &kernel);
	make_struct(&module, "ip_vs_dest", 0, 1);
	make_member(&module, "conn_flags", 8 * 68);
	base = make_end(&kernel, &kernel_len);
	btf = make_end(&module, &module_len);
	assert_int_equal(btf_find(btf, module_len, base, kernel_len, m, N_OF(m)), 0);
	check_member(&m[0], 68, false);
	assert_false(m[1].found);
	/* Without the kernel's information the names are different. */
	m[0].found = false;
	btf_find(btf, module_len, NULL, 0, m, 1);
	assert_false(m[0].found);
	assert_int_equal(btf_find(btf, module_len, base, 10, m, 1), -EBADMSG);
	free(base);
	free(btf);
}

/* A function with five parameters, behind a pointer, which is a member: alone, and in a module. */
static void parameters_of_a_function(void **state)
{
	struct btf_member m = { "ip_vs_protocol", "state_transition", false, 0, false, 0 };
	struct maker kernel, module;
	size_t kernel_len, len;
	void *base, *btf;

	(void)state;
	make_kernel(&kernel);
	base = make_end(&kernel, &kernel_len);
	for (uint32_t first = 1; first <= 3; first += 2) {	/* the kernel has two types */
		const void *below = first == 1 ? NULL : base;
		size_t below_len = below ? kernel_len : 0;

		make_begin(&module, below ? &kernel : NULL);
		make_type(&module, 0, FUNC_PROTO, 5, 10);
		make_type(&module, 0, PTR, 0, 0);
		module.types[module.n_words - 1] = first;
		make_struct(&module, "ip_vs_protocol", 0, 1);
		make_member_of(&module, "state_transition", 8 * 80, first + 1);
		btf = make_end(&module, &len);
		m.found = false;
		assert_int_equal(btf_find(btf, len, below, below_len, &m, 1), 0);
		assert_true(m.found);
		assert_int_equal(m.offset, 80);
		assert_int_equal(m.number, first + 1);
		assert_int_equal(btf_params(btf, len, below, below_len, m.number), 5);
		assert_int_equal(btf_params(btf, len, below, below_len, first), 0);	/* no pointer */
		assert_int_equal(btf_params(btf, len, below, below_len, first + 2), 0);
		assert_int_equal(btf_params(btf, len, below, below_len, first + 3), 0);	/* no such type */
		assert_int_equal(btf_params(btf, len, below, below_len, 0), 0);
		assert_int_equal(btf_params(btf, len - 1, below, below_len, m.number), 0);
		free(btf);
	}
	free(base);
}

static void truncated_at_every_length(void **state)
{
	struct maker maker;
	size_t len;
	char *btf;

	(void)state;
	make_kernel(&maker);
	btf = make_end(&maker, &len);
	for (size_t n = 0; n < len; n++) {
		struct btf_member m = { "first", "b", false, 0, false, 0 };
		char *part = malloc(n ? n : 1);	/* the sanitizer watches its end */

		assert_non_null(part);
		memcpy(part, btf, n);
		assert_int_equal(btf_find(part, n, NULL, 0, &m, 1), -EBADMSG);
		assert_false(m.found);
		free(part);
	}
	free(btf);
}

/* Damage must never lead to a read outside the bytes; the sanitizer watches. */
static void every_byte_damaged(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff };
	struct maker maker;
	size_t len;
	unsigned char *btf;

	(void)state;
	make_kernel(&maker);
	btf = make_end(&maker, &len);
	for (size_t i = 0; i < len * N_OF(masks); i++) {
		struct btf_member m[] = { { "flags", "bits", false, 0, false, 0 },
					  { "first", "b", false, 0, false, 0 } };
		int err;

		btf[i / N_OF(masks)] ^= masks[i % N_OF(masks)];
		err = btf_find(btf, len, NULL, 0, m, N_OF(m));
		assert_true(err == 0 || err == -EBADMSG);
		btf[i / N_OF(masks)] ^= masks[i % N_OF(masks)];
	}
	free(btf);
}

/* The start of sock_common has been the same since 3.x; its users rely on it too. */
static void this_kernel(void **state)
{
	struct btf_member m[] = {
		{ "sock_common", "skc_family", false, 0, false, 0 },
		{ "sock_common", "skc_state", false, 0, false, 0 },
		{ "sock", "__sk_common", false, 0, false, 0 },
		{ "no_such_struct_here", "x", false, 0, false, 0 },
	};
	struct layout l = { 0 };
	size_t len;
	char *btf = file_read_bytes("/sys/kernel/btf/vmlinux", &len);

	(void)state;
	if (!btf)
		skip_because("this kernel has no /sys/kernel/btf/vmlinux");
	assert_int_equal(btf_find(btf, len, NULL, 0, m, N_OF(m)), 0);
	check_member(&m[0], 16, false);
	check_member(&m[1], 18, false);
	check_member(&m[2], 0, false);
	assert_false(m[3].found);
	assert_true(layout_from_btf(&l, btf, len, NULL, 0));
	assert_true(layout_knows_sockets(&l));
	assert_int_equal(l.skc_v6_rcv_saddr, l.skc_v6_daddr + 16);
	assert_true(l.sk_err > l.skc_v6_rcv_saddr);
	assert_true(l.inet_sport > l.sk_err);
	assert_in_range(l.protocol_size, 1, 2);
	assert_int_equal(l.timer_expires, 16);
	free(btf);
}

static void layout_of_a_kernel(void **state)
{
	static const struct layout zero;
	struct layout l = { 0 };
	struct maker k;
	size_t len;
	void *btf;

	(void)state;
	make_begin(&k, NULL);
	make_struct(&k, "sock", 1, 2);
	make_member(&k, "sk_err", 8 * 560);
	make_member(&k, "sk_protocol", 8U << 24 | 8 * 533);	/* before 5.6 */
	make_struct(&k, "inet_sock", 0, 2);
	make_member(&k, "inet_sport", 8 * 798);
	make_member(&k, "inet_saddr", 8 * 792);
	make_struct(&k, "sock_common", 0, 3);
	make_member(&k, "skc_net", 8 * 48);
	make_member(&k, "skc_v6_daddr", 8 * 56);
	make_member(&k, "skc_v6_rcv_saddr", 8 * 72);
	make_struct(&k, "net", 0, 1);
	make_member(&k, "ns", 8 * 120);
	btf = make_end(&k, &len);
	assert_false(layout_from_btf(&l, btf, len, NULL, 0));	/* the offset of inum is not known */
	assert_int_equal(l.net_inum, 0);
	free(btf);
	make_struct(&k, "ns_common", 0, 1);
	make_member(&k, "inum", 8 * 16);
	make_struct(&k, "ip_vs_dest", 0, 1);
	make_member(&k, "conn_flags", 8 * 68);
	btf = make_end(&k, &len);
	assert_true(layout_from_btf(&l, btf, len, NULL, 0));
	assert_int_equal(l.sk_err, 560);
	assert_int_equal(l.sk_protocol, 533);
	assert_int_equal(l.protocol_size, 1);
	assert_int_equal(l.inet_sport, 798);
	assert_int_equal(l.inet_saddr, 792);
	assert_int_equal(l.skc_net, 48);
	assert_int_equal(l.skc_v6_daddr, 56);
	assert_int_equal(l.skc_v6_rcv_saddr, 72);
	assert_int_equal(l.net_inum, 136);
	assert_int_equal(l.ipvs_net, 0);
	assert_int_equal(l.dest_conn_flags, 68);
	memset(&l, 0, sizeof(l));
	assert_false(layout_from_btf(&l, btf, len - 1, NULL, 0));
	assert_memory_equal(&l, &zero, sizeof(l));
	free(btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members),
		cmocka_unit_test(steps_over_all_kinds),
		cmocka_unit_test(unknown_kinds),
		cmocka_unit_test(module_on_its_kernel),
		cmocka_unit_test(parameters_of_a_function),
		cmocka_unit_test(truncated_at_every_length),
		cmocka_unit_test(every_byte_damaged),
		cmocka_unit_test(this_kernel),
		cmocka_unit_test(layout_of_a_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
