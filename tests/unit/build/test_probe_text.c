/* SPDX-License-Identifier: Apache-2.0 */
/* The -D list for each kernel's tracepoints, and the text that --ebpf prints. */
#include "../unit.h"
#include "base/file.h"

#include "bpf/hooks.h"
#include "host/host.h"
#include "build/probe_text.h"

#include <stdlib.h>
#include <string.h>

#define FORMATS "tests/unit/formats/"

static void check_flags(const struct probe_defines *d, const char *const flags[], size_t n)
{
	for (size_t i = 0; i < n && i < d->n; i++)
		assert_string_equal(d->flags[i], flags[i]);
	assert_int_equal(d->n, n);
}

static void make(struct probe_defines *d, int helper, const char *state, const char *retransmit)
{
	char *a = state ? file_read(state) : NULL;
	char *b = retransmit ? file_read(retransmit) : NULL;

	assert_int_equal(a != NULL, state != NULL);
	assert_int_equal(b != NULL, retransmit != NULL);
	probe_text_defines(d, helper, a, b);
	free(a);
	free(b);
}

static void kernel_4_4(void **state)
{
	static const char *const flags[] = { "-DREAD_KERNEL=4" };
	struct probe_defines d;

	(void)state;
	make(&d, 4, NULL, NULL);
	check_flags(&d, flags, N_OF(flags));
	assert_false(d.state_tracepoint);
	assert_false(d.retransmit_tracepoint);
}

static void kernel_4_15(void **state)
{
	static const char *const flags[] = { "-DREAD_KERNEL=4", "-DRETRANSMIT_SKADDR=16" };
	struct probe_defines d;

	(void)state;
	make(&d, 4, NULL, FORMATS "tcp_retransmit_skb-4.15.0");
	check_flags(&d, flags, N_OF(flags));
	assert_false(d.state_tracepoint);
	assert_true(d.retransmit_tracepoint);
}

static void kernel_5_4(void **state)
{
	static const char *const flags[] = {
		"-DREAD_KERNEL=4",	"-DSTATE_SKADDR=8",	"-DSTATE_OLDSTATE=16",
		"-DSTATE_NEWSTATE=20",	"-DSTATE_SPORT=24",	"-DSTATE_DPORT=26",
		"-DSTATE_PROTOCOL=30",	"-DSTATE_SADDR=31",	"-DSTATE_DADDR=35",
		"-DSTATE_SADDR_V6=39",	"-DSTATE_DADDR_V6=55",	"-DSTATE_PROTOCOL_TYPE=u8",
		"-DRETRANSMIT_SKADDR=16",
	};
	struct probe_defines d;

	(void)state;
	make(&d, 4, FORMATS "inet_sock_set_state-5.4.59", FORMATS "tcp_retransmit_skb-5.4.59");
	check_flags(&d, flags, N_OF(flags));
	assert_true(d.state_tracepoint);
	assert_true(d.retransmit_tracepoint);
}

static void kernel_6_18(void **state)
{
	static const char *const flags[] = {
		"-DREAD_KERNEL=113",	"-DSTATE_SKADDR=8",	"-DSTATE_OLDSTATE=16",
		"-DSTATE_NEWSTATE=20",	"-DSTATE_SPORT=24",	"-DSTATE_DPORT=26",
		"-DSTATE_PROTOCOL=30",	"-DSTATE_SADDR=32",	"-DSTATE_DADDR=36",
		"-DSTATE_SADDR_V6=40",	"-DSTATE_DADDR_V6=56",	"-DSTATE_PROTOCOL_TYPE=u16",
		"-DRETRANSMIT_SKADDR=16", "-DRETRANSMIT_ERR=76",
	};
	struct probe_defines d;

	(void)state;
	make(&d, 113, FORMATS "inet_sock_set_state-6.18", FORMATS "tcp_retransmit_skb-6.18");
	check_flags(&d, flags, N_OF(flags));
	assert_true(d.state_tracepoint);
	assert_true(d.retransmit_tracepoint);
}

/* If a tracepoint lacks a field, its program is omitted completely: the -D list has all or nothing. */
static void field_missing(void **state)
{
	static const char *const flags[] = { "-DREAD_KERNEL=113", "-DRETRANSMIT_SKADDR=8" };
	char *format = file_read(FORMATS "inet_sock_set_state-6.18");
	struct probe_defines d;
	char *last;

	(void)state;
	assert_non_null(format);
	last = strstr(format, "daddr_v6");
	assert_non_null(last);
	*last = 'x';
	probe_text_defines(&d, 113, format,
			   "\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n");
	free(format);
	check_flags(&d, flags, N_OF(flags));
	assert_false(d.state_tracepoint);
	assert_true(d.retransmit_tracepoint);

	probe_text_defines(&d, 113, "", "\tfield:int err;\toffset:8;\tsize:4;\tsigned:1;\n");
	check_flags(&d, flags, 1);
	assert_false(d.state_tracepoint);
	assert_false(d.retransmit_tracepoint);
}

static size_t times(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
		n++;
	return n;
}

static void main_text_is_whole(void **state)
{
	const char *text = probe_text_main();

	(void)state;
	for (const struct hook *hook = hooks_next(NULL); hook; hook = hooks_next(hook))
		if (!times(text, hook->program))
			fail_msg("no program %s", hook->program);
	assert_int_equal(times(text, "struct event {"), 1);
	/* The compiler gets one text: it must not search the disk for files of probes/. */
	assert_int_equal(times(text, "#include \""), 0);
	/* The lean text includes none of the kernel's network headers. */
	assert_int_equal(times(text, "#include <net/"), 0);
}

static void layout_text_is_whole(void **state)
{
	static const char *const programs[] = {
		"OFFSET(sk_err,", "OFFSET(sk_protocol,", "OFFSET(inet_sport,", "OFFSET(inet_saddr,",
		"OFFSET(skc_net,", "OFFSET(skc_v6_daddr,", "OFFSET(skc_v6_rcv_saddr,",
		"OFFSET(net_inum,", "OFFSET(ipvs_net,", "OFFSET(dest_conn_flags,",
		"OFFSET(iph_len,", "int cp_timer(",
	};

	(void)state;
	for (size_t i = 0; i < N_OF(programs); i++)
		assert_int_equal(times(probe_text_layout(), programs[i]), 1);
	assert_int_equal(times(probe_text_layout(), "#include <net/sock.h>"), 1);
}

static void printed_text_begins_with_defines(void **state)
{
	static const char head[] = "#define READ_KERNEL 4\n#define RETRANSMIT_SKADDR 16\n";
	struct probe_defines d;
	char *printed = NULL;
	size_t len;
	FILE *to = open_memstream(&printed, &len);

	(void)state;
	assert_non_null(to);
	make(&d, 4, NULL, FORMATS "tcp_retransmit_skb-4.15.0");
	probe_text_print(to, probe_text_main(), &d);
	fclose(to);
	assert_int_equal(strncmp(printed, head, strlen(head)), 0);
	assert_string_equal(printed + strlen(head), probe_text_main());
	free(printed);
}

static void what_programs_are_for(void **state)
{
	static const char *const flags[] = { "-DREAD_KERNEL=4", "-DREPORT_ROWS=1", "-DREPORT_COUNTS=0" };
	static const char *const other[] = { "-DREAD_KERNEL=4", "-DREPORT_ROWS=0", "-DREPORT_COUNTS=1" };
	struct probe_defines d;

	(void)state;
	make(&d, 4, NULL, NULL);
	probe_text_report(&d, true, false);
	check_flags(&d, flags, N_OF(flags));
	make(&d, 4, NULL, NULL);
	probe_text_report(&d, false, true);
	check_flags(&d, other, N_OF(other));
}

static void named(void **state)
{
	static const char *const flags[] = { "-DREAD_KERNEL=4", "-DNAMED_KPROBES=1" };
	struct probe_defines d;

	(void)state;
	make(&d, 4, NULL, NULL);
	probe_text_add(&d, "NAMED_KPROBES");
	check_flags(&d, flags, N_OF(flags));
}

static void left_out(void **state)
{
	static const char *const flags[] = { "-DREAD_KERNEL=4", "-DWITHOUT_state_kprobe=1", "-DWITHOUT_retransmit_raw=1" };
	struct probe_defines d;

	(void)state;
	make(&d, 4, NULL, NULL);
	probe_text_omit(&d, "state_kprobe");
	probe_text_omit(&d, "retransmit_raw");
	check_flags(&d, flags, N_OF(flags));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_4_4),
		cmocka_unit_test(kernel_4_15),
		cmocka_unit_test(kernel_5_4),
		cmocka_unit_test(kernel_6_18),
		cmocka_unit_test(field_missing),
		cmocka_unit_test(main_text_is_whole),
		cmocka_unit_test(layout_text_is_whole),
		cmocka_unit_test(printed_text_begins_with_defines),
		cmocka_unit_test(what_programs_are_for),
		cmocka_unit_test(named),
		cmocka_unit_test(left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
