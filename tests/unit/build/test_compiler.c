/* SPDX-License-Identifier: Apache-2.0 */
/* The child process that compiles, with the real libbcc if it is installed. */
#include "../unit.h"
#include "base/file.h"

#include "build/compiler.h"
#include "host/host.h"
#include "build/layout.h"
#include "bpf/loader.h"
#include "build/probe_text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct host host;

static void need_libbcc(void)
{
	if (!host.libbcc_found)
		skip_because("no libbcc.so.0");
	if (!*host.headers)
		skip_because("no headers for kernel %s", host.uts.release);
	/* libbcc creates the maps of a text while it compiles. */
	if (geteuid())
		skip_because("libbcc needs root");
}

static int compile(struct compiler *c, const char *text, const char *const flags[], size_t n,
		   struct object *o)
{
	assert_int_equal(compiler_start(c, host.libbcc, text, flags, n), 0);
	return compiler_finish(c, o);
}

/* Starts to compile a text that takes a while. */
static int start_layout(struct compiler *c)
{
	return compiler_start(c, host.libbcc, probe_text_layout(), probe_text_layout_flags, PROBE_TEXT_LAYOUT_FLAGS);
}

/* Same as compile(), for texts that must succeed. */
static void compile_well(const char *text, const char *const flags[], size_t n, struct object *o)
{
	struct compiler c = COMPILER_NONE;
	int err = compile(&c, text, flags, n, o);

	if (err)
		print_message("# %s\n", c.words ? c.words : "no words");
	compiler_stop(&c);
	assert_int_equal(err, 0);
}

/* Checks that the child has ended, and that everything of ours is closed and freed. */
static void check_stopped(const struct compiler *c)
{
	assert_int_equal(c->pid, 0);
	assert_int_equal(c->result_fd, -1);
	assert_int_equal(c->words_fd, -1);
	assert_null(c->result);
	assert_null(c->words);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void no_library(void **state)
{
	struct compiler c = COMPILER_NONE;
	struct object o, before;
	char errmsg[256];

	(void)state;
	memset(&o, 0x5a, sizeof(o));
	before = o;
	assert_int_equal(compiler_start(&c, "/no/such/libbcc.so.0", "", NULL, 0), 0);
	assert_int_equal(compiler_finish(&c, &o), -ENOENT);
	assert_memory_equal(&o, &before, sizeof(o));
	compiler_cause(&c, errmsg, sizeof(errmsg));
	assert_string_equal(errmsg, "/no/such/libbcc.so.0: cannot open shared object file: "
				   "No such file or directory");
	compiler_stop(&c);
	check_stopped(&c);
}

static void foreign_library(void **state)
{
	struct compiler c = COMPILER_NONE;
	struct object o;
	char errmsg[256];

	(void)state;
	assert_int_equal(compiler_start(&c, "libm.so.6", "", NULL, 0), 0);
	assert_int_equal(compiler_finish(&c, &o), -ENOSYS);
	compiler_cause(&c, errmsg, sizeof(errmsg));
	assert_string_equal(errmsg, "libm.so.6 lacks bpf_module_create_c_from_string");
	compiler_stop(&c);
	check_stopped(&c);
}

static void stop_before_start(void **state)
{
	struct compiler c = COMPILER_NONE;
	char errmsg[16] = "untouched";

	(void)state;
	assert_true(compiler_step(&c, true));
	compiler_cause(&c, errmsg, sizeof(errmsg));
	assert_string_equal(errmsg, "");
	compiler_stop(&c);
	compiler_stop(&c);
	check_stopped(&c);
}

static void tiny_text(void **state)
{
	static const char *const flags[] = { "-DVALUE=42" };
	struct object o;

	(void)state;
	need_libbcc();
	compile_well("int three(void *ctx) { return 3; }\nint value(void *ctx) { return VALUE; }\n",
		     flags, 1, &o);
	assert_int_equal(o.n_maps, 0);
	assert_int_equal(o.n_programs, 2);
	assert_int_equal(object_constant(&o, "three"), 3);
	assert_int_equal(object_constant(&o, "value"), 42);
	assert_int_equal(object_constant(&o, "four"), -ENOENT);
	assert_true(o.kern_version >= 0x40000);
	object_free(&o);
}

static void text_with_maps(void **state)
{
	static const char text[] =
		"BPF_TABLE(\"hash\", u32, u64, first, 16);\n"
		"BPF_TABLE(\"array\", int, u64, second, 3);\n"
		"int both(void *ctx) { u32 k = 1; int i = 2; u64 *v = first.lookup(&k);\n"
		"	u64 *w = second.lookup(&i); return v && w; }\n";
	struct object o;
	int first, second, loads[2] = { 0, 0 };

	(void)state;
	need_libbcc();
	compile_well(text, NULL, 0, &o);
	assert_int_equal(o.n_maps, 2);
	first = object_map(&o, "first");
	second = object_map(&o, "second");
	assert_in_range(first, 0, 1);
	assert_int_equal(second, 1 - first);
	assert_int_equal(o.maps[first].type, BPF_MAP_TYPE_HASH);
	assert_int_equal(o.maps[first].key_size, 4);
	assert_int_equal(o.maps[first].value_size, 8);
	assert_int_equal(o.maps[first].max_entries, 16);
	assert_int_equal(o.maps[second].type, BPF_MAP_TYPE_ARRAY);
	assert_int_equal(o.maps[second].max_entries, 3);
	/* A program refers to its maps by their index here, not by a file descriptor of the child. */
	for (uint32_t i = 0; i < o.n_insns; i++)
		if (o.insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    o.insns[i].src_reg == BPF_PSEUDO_MAP_FD) {
			assert_in_range(o.insns[i].imm, 0, 1);
			loads[o.insns[i].imm]++;
		}
	assert_int_equal(loads[0], 1);
	assert_int_equal(loads[1], 1);
	object_free(&o);
}

static void text_that_does_not_compile(void **state)
{
	struct compiler c = COMPILER_NONE;
	struct object o, before;
	char errmsg[256], small[8];

	(void)state;
	need_libbcc();
	memset(&o, 0x5a, sizeof(o));
	before = o;
	assert_int_equal(compile(&c, "int f(void *ctx) { return nothing; }\n", NULL, 0, &o), -EINVAL);
	assert_memory_equal(&o, &before, sizeof(o));
	assert_non_null(c.words);
	assert_non_null(strstr(c.words, "error: use of undeclared identifier 'nothing'"));
	compiler_cause(&c, errmsg, sizeof(errmsg));
	assert_non_null(strstr(errmsg, "error: use of undeclared identifier 'nothing'"));
	assert_null(strchr(errmsg, '\n'));
	compiler_cause(&c, small, sizeof(small));
	assert_in_range(strlen(small), 1, sizeof(small) - 1);
	compiler_stop(&c);
	check_stopped(&c);
}

/* The message must name the missing header, not the errors that follow from it. */
static void missing_header_is_the_cause(void **state)
{
	struct compiler c = COMPILER_NONE;
	struct object o;
	char errmsg[256];

	(void)state;
	need_libbcc();
	assert_int_equal(compile(&c, "#include <net/no_such.h>\nint f(void *ctx) { return a; }\n",
				 NULL, 0, &o), -EINVAL);
	compiler_cause(&c, errmsg, sizeof(errmsg));
	assert_non_null(strstr(errmsg, "'net/no_such.h' file not found"));
	compiler_stop(&c);
}

/* libbcc's own output must not appear between our rows. */
static void words_do_not_leak(void **state)
{
	struct compiler c = COMPILER_NONE;
	struct object o;
	int saved, fd[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	fflush(NULL);
	saved = dup(STDERR_FILENO);
	dup2(fd[1], STDERR_FILENO);
	close(fd[1]);
	assert_int_equal(compiler_start(&c, "/no/such/libbcc.so.0", "", NULL, 0), 0);
	compiler_finish(&c, &o);
	compiler_stop(&c);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(read(fd[0], &byte, 1), 0);
	close(fd[0]);
}

static void child_is_killed(void **state)
{
	struct compiler c = COMPILER_NONE;
	struct object o, before;

	(void)state;
	need_libbcc();
	memset(&o, 0x5a, sizeof(o));
	before = o;
	assert_int_equal(start_layout(&c), 0);
	assert_true(c.pid > 0);
	assert_int_equal(kill(c.pid, SIGKILL), 0);
	assert_int_equal(compiler_finish(&c, &o), -EBADMSG);
	assert_memory_equal(&o, &before, sizeof(o));
	compiler_stop(&c);
	check_stopped(&c);
}

static void stopped_on_the_way(void **state)
{
	struct compiler c = COMPILER_NONE;
	pid_t pid;

	(void)state;
	need_libbcc();
	assert_int_equal(start_layout(&c), 0);
	assert_false(compiler_step(&c, false));	/* it takes longer than that */
	pid = c.pid;
	compiler_stop(&c);
	check_stopped(&c);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void on_alarm(int signo)
{
	(void)signo;
}

/* Ctrl-C must not wait for LLVM. */
static void signal_ends_the_wait(void **state)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	struct compiler c = COMPILER_NONE;

	(void)state;
	need_libbcc();
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(start_layout(&c), 0);
	ualarm(20000, 20000);
	assert_false(compiler_step(&c, true));
	ualarm(0, 0);
	compiler_stop(&c);
	check_stopped(&c);
	signal(SIGALRM, SIG_DFL);
}

static void two_at_once(void **state)
{
	static const char *const one[] = { "-DVALUE=1" }, *const two[] = { "-DVALUE=2" };
	static const char text[] = "int f(void *ctx) { return VALUE; }\n";
	struct compiler a = COMPILER_NONE, b = COMPILER_NONE;
	struct object o;

	(void)state;
	need_libbcc();
	assert_int_equal(compiler_start(&a, host.libbcc, text, one, 1), 0);
	assert_int_equal(compiler_start(&b, host.libbcc, text, two, 1), 0);
	assert_int_equal(compiler_finish(&b, &o), 0);
	assert_int_equal(object_constant(&o, "f"), 2);
	object_free(&o);
	assert_int_equal(compiler_finish(&a, &o), 0);
	assert_int_equal(object_constant(&o, "f"), 1);
	object_free(&o);
	compiler_stop(&a);
	compiler_stop(&b);
}

static void layout_text(void **state)
{
	uint32_t kern_version;
	struct layout l;
	struct object o;

	(void)state;
	need_libbcc();
	compile_well(probe_text_layout(), probe_text_layout_flags, PROBE_TEXT_LAYOUT_FLAGS, &o);
	layout_from_object(&l, &o);
	object_free(&o);
	assert_true(layout_knows_sockets(&l));
	assert_int_equal(l.skc_v6_rcv_saddr, l.skc_v6_daddr + 16);
	assert_true(l.sk_err > l.skc_v6_rcv_saddr);
	assert_true(l.inet_sport > l.sk_err);
	assert_in_range(l.protocol_size, 1, 2);
	assert_true(l.ipvs_net);
	assert_true(l.dest_conn_flags);
	/* Depends on these headers, which may be of another kernel than the running one. This text has no version. */
	compile_well("int f(void *ctx) { return 0; }\n", NULL, 0, &o);
	kern_version = o.kern_version;
	object_free(&o);
	assert_int_equal(l.cp_timer != 0, kern_version >= 0x40f00);
	assert_int_equal(l.ipvs_net == NET_ITSELF, kern_version < 0x40400);
	assert_int_equal(l.iph_len, kern_version < 0x40300 ? 4 : 8);
	assert_true(l.cp_timeout);
	assert_int_equal(l.timer_expires, 16);
}

static void layout_text_without_ipvs(void **state)
{
	const char *flags[PROBE_TEXT_LAYOUT_FLAGS + 1] = { "-DWITHOUT_IPVS" };
	struct layout l;
	struct object o;

	(void)state;
	need_libbcc();
	memcpy(flags + 1, probe_text_layout_flags, sizeof(probe_text_layout_flags));
	compile_well(probe_text_layout(), flags, N_OF(flags), &o);
	layout_from_object(&l, &o);
	object_free(&o);
	assert_true(layout_knows_sockets(&l));
	assert_int_equal(l.ipvs_net, 0);
	assert_int_equal(l.dest_conn_flags, 0);
	assert_int_equal(l.cp_timer, 0);
}

static bool is_lookup(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->imm == BPF_FUNC_map_lookup_elem;
}

static bool sets_register(const struct bpf_insn *insn)
{
	int class = BPF_CLASS(insn->code);

	return class == BPF_ALU64 || class == BPF_ALU || class == BPF_LDX || class == BPF_LD;
}

/* After a lookup, up to the first branch: checks that the branch compares the lookup's result with NULL. */
static void check_result(const struct object_program *p, const struct bpf_insn *insn, const struct bpf_insn *end)
{
	bool holds[16] = { [BPF_REG_0] = true }, spilled = false;

	for (; insn < end && (BPF_CLASS(insn->code) != BPF_JMP || insn->code == (BPF_JMP | BPF_CALL)); insn++) {
		if (insn->code == (BPF_JMP | BPF_CALL))
			holds[BPF_REG_0] = false;
		else if (insn->code == (BPF_STX | BPF_MEM | BPF_DW))
			spilled |= holds[insn->src_reg];
		else if (sets_register(insn))
			holds[insn->dst_reg] = insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && holds[insn->src_reg];
	}
	for (int i = BPF_REG_6; i <= BPF_REG_9; i++)
		if (i != insn->dst_reg)
			spilled |= holds[i];
	if (spilled && holds[insn->dst_reg])
		fail_msg("%s holds a value of a map in two places before it knows that it is there", p->name);
}

/* Before 4.10 the verifier learns "not NULL" only for the register that is compared, not for its copies. */
static void check_results(const struct object *o, const char *program)
{
	const struct object_program *p = object_program(o, program);
	const struct bpf_insn *insn = o->insns + p->first, *end = insn + p->n_insns;

	for (; insn < end; insn++)
		if (is_lookup(insn))
			check_result(p, insn + 1, end);
}

static bool uses_map(const struct object *o, const struct object_program *p, const char *name)
{
	int map = object_map(o, name);

	assert_true(map >= 0);
	for (uint32_t i = p->first; i < p->first + p->n_insns; i++)
		if (o->insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) && o->insns[i].src_reg == BPF_PSEUDO_MAP_FD &&
		    o->insns[i].imm == map)
			return true;
	return false;
}

/* Programs for one purpose contain nothing for another one. */
static void check_purpose(struct probe_defines *d, bool rows, bool counts)
{
	static const char *const kprobes[] = { "state_kprobe", "retransmit_kprobe", "error_kprobe", "connect_kprobe",
					       "connect_return", "ipvs_kprobe", "client_port_kprobe", "leave_kprobe",
					       "expire_kprobe", "expire_now_kprobe", "free_kprobe" };
	static const char *const telling[] = { "state_kprobe", "retransmit_kprobe", "connect_return", "ipvs_kprobe" };
	struct object o;
	size_t n = d->n;

	probe_text_report(d, rows, counts);
	compile_well(probe_text_main(), d->flags, d->n, &o);
	d->n = n;
	assert_int_equal(object_program(&o, "state_tracepoint") != NULL, d->state_tracepoint);
	assert_int_equal(object_program(&o, "retransmit_tracepoint") != NULL, d->retransmit_tracepoint);
	assert_true(object_map(&o, "settings") >= 0);
	/* Kernels before 5.2 accept 4096 instructions a program. */
	for (uint32_t i = 0; i < o.n_programs; i++)
		assert_in_range(o.programs[i].n_insns, 2, 4096);
	for (size_t i = 0; i < N_OF(kprobes); i++) {
		assert_non_null(object_program(&o, kprobes[i]));
		check_results(&o, kprobes[i]);
	}
	for (size_t i = 0; i < N_OF(telling); i++) {
		assert_int_equal(uses_map(&o, object_program(&o, telling[i]), "events"), rows);
		assert_int_equal(uses_map(&o, object_program(&o, telling[i]), "tallies"), counts);
	}
	object_free(&o);
}

static void check_text(struct probe_defines *d)
{
	check_purpose(d, true, false);
	check_purpose(d, false, true);
	check_purpose(d, true, true);
}

/* Compiles the main text for kernels of each age, as far as tracepoint formats differ. */
static void check_main_text(int helper, const char *state_format, const char *retransmit_format,
			    bool state_tracepoint, bool retransmit_tracepoint)
{
	char *a = state_format ? file_read(state_format) : NULL;
	char *b = retransmit_format ? file_read(retransmit_format) : NULL;
	struct probe_defines d;

	probe_text_defines(&d, helper, a, b);
	free(a);
	free(b);
	assert_int_equal(d.state_tracepoint, state_tracepoint);
	assert_int_equal(d.retransmit_tracepoint, retransmit_tracepoint);
	if (!state_tracepoint)
		probe_text_add(&d, "NAMED_KPROBES");
	else
		probe_text_add(&d, "LRU_MAPS");
	check_text(&d);
}

static void main_text_for_4_4(void **state)
{
	(void)state;
	need_libbcc();
	check_main_text(4, NULL, NULL, false, false);
}

static void main_text_for_6_18(void **state)
{
	(void)state;
	need_libbcc();
	check_main_text(113, "tests/unit/formats/inet_sock_set_state-6.18",
			"tests/unit/formats/tcp_retransmit_skb-6.18", true, true);
}

/* The text has raw tracepoints, and the second program for state changes, if the host has them. */
static void main_text_with_second_program(void **state)
{
	struct probe_defines d;
	struct object o;
	char *a;

	(void)state;
	need_libbcc();	/* may leave this function */
	a = file_read("tests/unit/formats/inet_sock_set_state-6.18");
	probe_text_defines(&d, 113, a, NULL);
	free(a);
	probe_text_report(&d, true, false);
	probe_text_add(&d, "RAW_TRACEPOINTS");
	compile_well(probe_text_main(), d.flags, d.n, &o);
	assert_non_null(object_program(&o, "state_raw"));
	assert_non_null(object_program(&o, "retransmit_raw"));
	assert_non_null(object_program(&o, "error_raw"));
	assert_null(object_program(&o, "state_second"));
	assert_true(object_map(&o, "notes") < 0);
	object_free(&o);
	probe_text_add(&d, "SECOND_PROGRAM");
	compile_well(probe_text_main(), d.flags, d.n, &o);
	assert_true(uses_map(&o, object_program(&o, "state_raw"), "notes"));
	assert_true(uses_map(&o, object_program(&o, "state_tracepoint"), "notes"));
	assert_true(uses_map(&o, object_program(&o, "state_second"), "notes"));
	for (uint32_t i = 0; i < o.n_programs; i++)
		assert_in_range(o.programs[i].n_insns, 2, 4096);
	object_free(&o);
}

/* Programs on kprobes from kprobe_events count their runs, others do not. */
static void main_text_with_named_kprobes(void **state)
{
	static const char *const programs[] = { "state_kprobe", "retransmit_kprobe", "error_kprobe", "connect_kprobe",
						"ipvs_kprobe", "client_port_kprobe", "leave_kprobe", "expire_kprobe",
						"expire_now_kprobe", "free_kprobe" };
	struct probe_defines d;
	struct object o;

	(void)state;
	need_libbcc();
	probe_text_defines(&d, 4, NULL, NULL);
	probe_text_report(&d, true, false);
	compile_well(probe_text_main(), d.flags, d.n, &o);
	assert_true(object_map(&o, "runs") < 0);
	object_free(&o);
	probe_text_add(&d, "NAMED_KPROBES");
	compile_well(probe_text_main(), d.flags, d.n, &o);
	for (size_t i = 0; i < N_OF(programs); i++)
		assert_true(uses_map(&o, object_program(&o, programs[i]), "runs"));
	object_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_library),
		cmocka_unit_test(foreign_library),
		cmocka_unit_test(stop_before_start),
		cmocka_unit_test(tiny_text),
		cmocka_unit_test(text_with_maps),
		cmocka_unit_test(text_that_does_not_compile),
		cmocka_unit_test(missing_header_is_the_cause),
		cmocka_unit_test(words_do_not_leak),
		cmocka_unit_test(child_is_killed),
		cmocka_unit_test(stopped_on_the_way),
		cmocka_unit_test(signal_ends_the_wait),
		cmocka_unit_test(two_at_once),
		cmocka_unit_test(layout_text),
		cmocka_unit_test(layout_text_without_ipvs),
		cmocka_unit_test(main_text_for_4_4),
		cmocka_unit_test(main_text_for_6_18),
		cmocka_unit_test(main_text_with_second_program),
		cmocka_unit_test(main_text_with_named_kprobes),
	};

	host_probe(&host);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
