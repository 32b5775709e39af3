/* SPDX-License-Identifier: Apache-2.0 */
/* Realtime priority, as long as it costs other processes little; tested in child processes. */
#include "../unit.h"

#include "base/log.h"
#include "host/priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REFUSED = 100 };	/* exit status */

static int in_child(int (*try)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child)
		syscall(SYS_exit_group, try());	/* _exit() would run the leak sanitizer, which needs a thread */
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == REFUSED)
		skip_because("this process may not run at a realtime priority");
	return WEXITSTATUS(status);
}

static void spin(clock_t ms)
{
	clock_t end = clock() + ms * (CLOCKS_PER_SEC / 1000);

	while (clock() < end)
		;
}

static bool runs_at(int policy)
{
	return sched_getscheduler(0) == (policy | SCHED_RESET_ON_FORK) && getpriority(PRIO_PROCESS, 0) == -20;
}

static int takes_little(void)
{
	struct priority p;

	priority_raise(&p, true);
	if (!p.realtime)
		return REFUSED;
	if (!runs_at(SCHED_RR))
		return 1;
	for (int i = 0; i < 3; i++) {
		spin(20);
		usleep(80000);
		priority_check(&p);
		if (!runs_at(SCHED_RR))
			return 2;
	}
	return 0;
}

/* 60 % of a CPU. */
static int takes_much(void)
{
	struct priority p;

	priority_raise(&p, true);
	if (!p.realtime)
		return REFUSED;
	for (int i = 0; i < 20 && p.realtime; i++) {
		spin(60);
		usleep(40000);
		priority_check(&p);
		if (i < 5 && !p.realtime)
			return 2;
	}
	return runs_at(SCHED_OTHER) && !p.realtime ? 0 : 1;
}

/* Nothing calls priority_check() for long: the kernel sends SIGXCPU. */
static int takes_all(void)
{
	struct priority p;

	priority_raise(&p, true);
	if (!p.realtime)
		return REFUSED;
	spin(250);
	if (!runs_at(SCHED_RR))
		return 2;
	spin(400);
	if (!runs_at(SCHED_OTHER))
		return 3;
	priority_check(&p);
	return !p.realtime ? 0 : 1;
}

static int not_wished(void)
{
	struct priority p;

	priority_raise(&p, false);
	if (getpriority(PRIO_PROCESS, 0) != -20)
		return REFUSED;
	spin(20);
	priority_check(&p);
	return !p.realtime && sched_getscheduler(0) == SCHED_OTHER ? 0 : 1;
}

static void stays_while_it_takes_little(void **state)
{
	(void)state;
	assert_int_equal(in_child(takes_little), 0);
}

static void is_given_up_where_it_takes_much(void **state)
{
	(void)state;
	assert_int_equal(in_child(takes_much), 0);
}

static void is_given_up_without_a_check(void **state)
{
	(void)state;
	assert_int_equal(in_child(takes_all), 0);
}

/* Whatever the pattern: until it is given up, no second has more than 0.95 seconds of CPU time. Steps of 10 ms; the process uses
 * all of some, and looks after each, or after 0.4 seconds. */
static void never_throttled(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15;

	(void)state;
	for (int pattern = 0; pattern < 3000; pattern++) {
		struct priority p = { .realtime = true };
		bool used[1000] = { false };
		uint64_t cpu = 0;
		int most = 0, at = 0;
		bool exceeded = false;

		while (at < 1000 && !exceeded) {
			int busy, idle;

			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			busy = (int)(seed % 40);
			idle = (int)(seed / 64 % (pattern % 3 ? 3 : 80));
			for (int i = 0; i < busy && at < 1000; i++, at++) {
				used[at] = true;
				cpu += 10000000;
			}
			exceeded = priority_is_exceeded(&p, (uint64_t)at * 10000000, cpu);
			at += exceeded ? 0 : idle;
		}
		for (int from = 0; from < 1000; from++) {
			int sum = 0;

			for (int i = from; i < from + 100 && i < 1000; i++)
				sum += used[i];
			most = sum > most ? sum : most;
		}
		assert_in_range(most, 0, 95);
	}
}

static void only_where_it_is_wished(void **state)
{
	(void)state;
	assert_int_equal(in_child(not_wished), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_while_it_takes_little),
		cmocka_unit_test(is_given_up_where_it_takes_much),
		cmocka_unit_test(is_given_up_without_a_check),
		cmocka_unit_test(never_throttled),
		cmocka_unit_test(only_where_it_is_wished),
	};

	log_init("test", LOG_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
