/* SPDX-License-Identifier: Apache-2.0 */
/* What a process can still do after it has dropped its other privileges; tested in child processes. */
#include "../unit.h"

#include "base/abi.h"
#include "host/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UNKNOWN = 100, OTHER = 101 };	/* exit statuses that are not an errno */

/* Returns the errno of @try in a child that runs @confine first, or 0 if it succeeds. */
static int in_child(int (*confine)(void), long (*try)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		int err = confine();

		err = err == -EINVAL ? UNKNOWN : err ? OTHER : try() < 0 ? errno : 0;
		syscall(SYS_exit_group, err);	/* _exit() would run the leak sanitizer, which needs a thread */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == UNKNOWN)
		skip_because("no seccomp filters in this kernel");
	return WEXITSTATUS(status);
}

static int drop(void)
{
	return privilege_drop(0, NULL, 0, NULL);
}

static int trace(void)
{
	int err = drop();

	return err ? err : privilege_trace_only(false, false, false);
}

static int trace_with_journal(void)
{
	int err = drop();

	return err ? err : privilege_trace_only(true, false, false);
}

static long make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long make_local_socket(void)
{
	return socket(AF_UNIX, SOCK_DGRAM, 0);
}

static long make_process(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static long execute(void)
{
	char *const args[] = { (char *)"true", NULL };

	return execve("/bin/true", args, NULL);
}

static long send_signal(void)
{
	return kill(getpid(), 0);
}

static long look_into_parent(void)
{
	return syscall(SYS_ptrace, 0x4206, getppid(), 0, 0);	/* PTRACE_SEIZE */
}

static long bpf(int command)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)-1;
	return syscall(__NR_bpf, command, &attr, sizeof(attr));
}

static long look_up(void)
{
	return bpf(BPF_MAP_LOOKUP_ELEM);
}

static long run_program(void)
{
	return bpf(BPF_PROG_TEST_RUN);
}

static long move_to_cpu(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) || sched_setaffinity(0, sizeof(set), &set) ? -1 : 0;
}

static long load_program(void)
{
	return bpf(BPF_PROG_LOAD);
}

static long enter_user_namespace(void)
{
	return syscall(SYS_setns, -1, 0x10000000);	/* CLONE_NEWUSER */
}

static long enter_net_namespace(void)
{
	return syscall(SYS_setns, -1, 0x40000000);	/* CLONE_NEWNET */
}

static long read_a_file(void)
{
	char byte;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : read(fd, &byte, 1);
}

static long call_as_x32(void)
{
	return syscall(0x40000000 | SYS_getpid);
}

static void trace_loop_can(void **state)
{
	(void)state;
	assert_int_equal(in_child(trace, read_a_file), 0);
	assert_int_equal(in_child(trace, enter_net_namespace), EBADF);
	/* There is no map -1. Before 5.19 a kernel may check CAP_BPF first. */
	assert_int_equal(in_child(trace, look_up), in_child(drop, look_up));
}

static void trace_loop_cannot(void **state)
{
	(void)state;
	assert_int_equal(in_child(trace, make_socket), EPERM);
	assert_int_equal(in_child(trace, make_local_socket), EPERM);
	assert_int_equal(in_child(trace, make_process), EPERM);
	assert_int_equal(in_child(trace, execute), EPERM);
	assert_int_equal(in_child(trace, send_signal), EPERM);
	assert_int_equal(in_child(trace, look_into_parent), EPERM);
	assert_int_equal(in_child(trace, load_program), EPERM);
	assert_int_equal(in_child(trace, run_program), EPERM);
	assert_int_equal(in_child(trace, move_to_cpu), EPERM);
	assert_int_equal(in_child(trace, enter_user_namespace), EPERM);
#ifdef __x86_64__
	assert_int_equal(in_child(trace, call_as_x32), EPERM);
#else
	(void)call_as_x32;
#endif
}

static void journal_is_local(void **state)
{
	(void)state;
	assert_int_equal(in_child(trace_with_journal, make_local_socket), 0);
	assert_int_equal(in_child(trace_with_journal, make_socket), EPERM);
	assert_int_equal(in_child(trace_with_journal, execute), EPERM);
}

static void compiler_can(void **state)
{
	(void)state;
	assert_int_equal(in_child(privilege_compile_only, read_a_file), 0);
	assert_int_equal(in_child(privilege_compile_only, execute), 0);	/* tar, for kheaders.tar.xz */
}

static void compiler_cannot(void **state)
{
	(void)state;
	assert_int_equal(in_child(privilege_compile_only, make_socket), EPERM);
	assert_int_equal(in_child(privilege_compile_only, make_local_socket), EPERM);
	assert_int_equal(in_child(privilege_compile_only, look_into_parent), EPERM);
	assert_int_equal(in_child(privilege_compile_only, enter_net_namespace), EPERM);
}

/* ---- capabilities */

static bool asked;

static bool works(void *cookie)
{
	asked = true;
	return *(const bool *)cookie && !privilege_has(privilege_bpf());
}

static int spare_needed(void)
{
	const struct privilege_fallback spare = { privilege_bpf(), works };
	bool answer = false;

	return privilege_drop(privilege_ptrace(), &spare, 1, &answer);
}

static int spare_not_needed(void)
{
	const struct privilege_fallback spare = { privilege_bpf(), works };
	bool answer = true;

	return privilege_drop(privilege_ptrace(), &spare, 1, &answer);
}

static long has_ptrace_and_bpf(void)
{
	return asked && privilege_has(privilege_ptrace() | privilege_bpf()) &&
	       !privilege_has(1) && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -1;
}

static long has_ptrace_alone(void)
{
	return asked && privilege_has(privilege_ptrace()) && !privilege_has(privilege_bpf()) &&
	       !privilege_has(1) && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -1;
}

static void what_is_kept(void **state)
{
	(void)state;
	if (!privilege_has(privilege_ptrace() | privilege_bpf()))
		skip_because("there is no privilege to give up; run as root");
	assert_int_equal(in_child(spare_needed, has_ptrace_and_bpf), 0);
	assert_int_equal(in_child(spare_not_needed, has_ptrace_alone), 0);
}

static void names(void **state)
{
	const char *one = privilege_bpf() == privilege_perfmon() ? "CAP_SYS_ADMIN" : "CAP_BPF";
	char text[64];

	(void)state;
	privilege_names(privilege_bpf(), text, sizeof(text));
	assert_string_equal(text, one);
	privilege_names(privilege_bpf() | privilege_ptrace(), text, sizeof(text));
	assert_non_null(strstr(text, " and "));
	privilege_names(privilege_bpf() | privilege_ptrace(), text, 5);
	assert_int_equal(strlen(text), 4);
	privilege_names(0, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace_loop_can),
		cmocka_unit_test(trace_loop_cannot),
		cmocka_unit_test(journal_is_local),
		cmocka_unit_test(compiler_can),
		cmocka_unit_test(compiler_cannot),
		cmocka_unit_test(what_is_kept),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
