/* SPDX-License-Identifier: Apache-2.0 */
/* What is compiled for a command line and a host, and which hooks are chosen. */
#include "../unit.h"

#include "trace/plan.h"

#include <stdio.h>
#include <string.h>

static const struct host modern = {
	.kprobes = true, .raw_tracepoints = true, .raw_may_skip = true, .lru_maps = true, .error_tracepoint = true,
};

static void kind_is(const struct options *o, const char *kind)
{
	struct plan p = { .options = o, .host = &modern };

	assert_string_equal(plan_main_text(&p).kind, kind);
}

/* The cache holds texts for different purposes in parallel: none replaces another. */
static void kinds_in_the_cache(void **state)
{
	const struct plan p = { .host = &modern };

	(void)state;
	kind_is(&(struct options){ 0 }, "rows");
	kind_is(&(struct options){ .all = true, .record = "x" }, "rows");
	kind_is(&(struct options){ .summary = true }, "counts");
	kind_is(&(struct options){ .histogram = true }, "counts");
	kind_is(&(struct options){ .metrics = "x" }, "counts");
	kind_is(&(struct options){ .metrics = "x", .record = "x" }, "both");
	kind_is(&(struct options){ .director = DIRECTOR_STATES }, "director");
	kind_is(&(struct options){ .director = DIRECTOR_ENDS, .record = "x" }, "director");
	kind_is(&(struct options){ .director = DIRECTOR_STATES, .all = true }, "director-all");
	kind_is(&(struct options){ .director = DIRECTOR_STATES, .summary = true }, "director-counts");
	kind_is(&(struct options){ .director = DIRECTOR_STATES, .summary = true, .record = "x" }, "director-both");
	kind_is(&(struct options){ .director = DIRECTOR_STATES, .all = true, .metrics = "x" }, "director-all-counts");
	kind_is(&(struct options){ .director = DIRECTOR_STATES, .all = true, .metrics = "x", .record = "x" }, "director-all-both");
	kind_is(&(struct options){ .server = true, .record = "x" }, "server");
	kind_is(&(struct options){ .server = true, .all = true }, "server-all");
	assert_string_equal(plan_layout_text(&p).kind, "layout");
	assert_true(plan_layout_text(&p).optional);
}

static void check_defines(const struct host *host, const struct options *o, bool rows, bool counts,
			  const char *const flags[], size_t n)
{
	struct plan p = { .host = host, .options = o };

	plan_add_defines(&p, rows, counts);
	assert_int_equal(p.defines.n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(p.defines.flags[i], flags[i]);
}

static void defines_of_hosts(void **state)
{
	static const char *const none[] = { "-DREPORT_ROWS=1", "-DREPORT_COUNTS=0" };
	static const char *const all[] = { "-DREPORT_ROWS=0", "-DREPORT_COUNTS=1", "-DLRU_MAPS=1", "-DRAW_TRACEPOINTS=1",
					   "-DSECOND_PROGRAM=1" };
	static const char *const some[] = { "-DREPORT_ROWS=1", "-DREPORT_COUNTS=1", "-DLRU_MAPS=1" };
	static const char *const director[] = { "-DREPORT_ROWS=1", "-DREPORT_COUNTS=0", "-DLRU_MAPS=1", "-DDIRECTOR=1" };
	static const struct options plain = { 0 }, directs = { .director = DIRECTOR_ENDS };
	static const struct host old = { .kprobes = true }, middle = { .kprobes = true, .lru_maps = true };

	(void)state;
	check_defines(&old, &plain, true, false, none, N_OF(none));
	check_defines(&modern, &plain, false, true, all, N_OF(all));
	check_defines(&middle, &plain, true, true, some, N_OF(some));
	check_defines(&middle, &directs, true, false, director, N_OF(director));
}

/* Chooses hooks on a host whose tracepoints have all fields and whose offsets are known. */
static void choose(const struct hook *chosen[HOOK_EVENTS], const struct options *o, const struct host *host)
{
	const struct plan p = {
		.options = o, .host = host, .defines = { .state_tracepoint = true, .retransmit_tracepoint = true },
	};
	struct layout layout;

	memset(&layout, 1, sizeof(layout));
	plan_choose(&p, &layout, chosen);
}

static bool possible(const struct hook *const chosen[HOOK_EVENTS], const struct options *o, const struct host *host,
		     char line[256])
{
	const struct plan p = { .options = o, .host = host };

	return plan_possible(&p, chosen, line, 256);
}

/* The second program sees the events that the kernel skips for the first one; only with raw tracepoints. */
static void second_program(void **state)
{
	static const struct options any = { 0 }, kprobe = { .hooks = HOOK_CHOICE_KPROBE },
				    raw = { .hooks = HOOK_CHOICE_RAW }, tracepoint = { .hooks = HOOK_CHOICE_TRACEPOINT };
	struct host host = modern;
	const struct hook *chosen[HOOK_EVENTS];

	(void)state;
	choose(chosen, &any, &host);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_raw");
	assert_string_equal(chosen[HOOK_STATE_SECOND]->program, "state_second");
	choose(chosen, &kprobe, &host);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_kprobe");
	assert_null(chosen[HOOK_STATE_SECOND]);
	choose(chosen, &tracepoint, &host);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_tracepoint");
	assert_null(chosen[HOOK_STATE_SECOND]);

	/* If a thread may lose its CPU within the program, the tracepoint is better, unless a raw one is requested. */
	host.raw_preemptible = true;
	choose(chosen, &any, &host);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_tracepoint");
	assert_string_equal(chosen[HOOK_STATE_SECOND]->program, "state_second");
	choose(chosen, &raw, &host);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_raw");
	assert_string_equal(chosen[HOOK_STATE_SECOND]->program, "state_second");

	host.raw_preemptible = host.raw_may_skip = false;
	choose(chosen, &any, &host);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_raw");
	assert_null(chosen[HOOK_STATE_SECOND]);
}

/* The kprobes on IPVS, and on the return of connect(), which is for sockets that IPVS does not take. */
static void hooks_of_connects(void **state)
{
	static const struct options ipvs = { 0 }, every = { .all = true };
	struct host host = modern;
	const struct hook *chosen[HOOK_EVENTS];
	char line[256];

	(void)state;
	choose(chosen, &ipvs, &host);
	for (int i = HOOK_IPVS; i <= HOOK_FREE; i++)
		assert_int_equal(chosen[i]->kind, HOOK_KPROBE);
	assert_null(chosen[HOOK_CONNECT_RETURN]);
	assert_true(possible(chosen, &ipvs, &host, line));
	choose(chosen, &every, &host);
	assert_string_equal(chosen[HOOK_CONNECT_RETURN]->program, "connect_return");

	host.kprobes_off = "switch them on";
	choose(chosen, &ipvs, &host);
	assert_null(chosen[HOOK_IPVS]);
	assert_false(possible(chosen, &ipvs, &host, line));
	assert_non_null(strstr(line, "kprobes are switched off on this host"));
	host.kprobes = false;
	choose(chosen, &ipvs, &host);
	assert_false(possible(chosen, &ipvs, &host, line));
	assert_non_null(strstr(line, "has no kprobes"));
	choose(chosen, &every, &host);
	assert_true(possible(chosen, &every, &host, line));
}

/* With --director only IPVS's own functions are traced, with -a sockets too. */
static void hooks_of_a_director(void **state)
{
	static const struct options states = { .director = DIRECTOR_STATES }, ends = { .director = DIRECTOR_ENDS },
				    both = { .director = DIRECTOR_STATES, .all = true }, plain = { 0 };
	const struct hook *chosen[HOOK_EVENTS];
	struct host host = modern;
	char line[256];

	(void)state;
	choose(chosen, &states, &host);
	for (int i = 0; i < HOOK_EVENTS; i++)
		assert_int_equal(chosen[i] != NULL, i >= HOOK_FORWARD && i <= HOOK_FORWARD_FREE);
	assert_string_equal(chosen[HOOK_FORWARD]->target, "tcp_state_transition");
	assert_true(possible(chosen, &states, &host, line));
	choose(chosen, &ends, &host);
	for (int i = 0; i < HOOK_EVENTS; i++)
		assert_int_equal(chosen[i] != NULL, i > HOOK_FORWARD && i <= HOOK_FORWARD_FREE);
	assert_true(possible(chosen, &ends, &host, line));
	choose(chosen, &both, &host);
	for (int i = 0; i <= HOOK_FORWARD_FREE; i++)
		assert_non_null(chosen[i]);
	assert_true(possible(chosen, &both, &host, line));
	choose(chosen, &plain, &host);
	for (int i = HOOK_FORWARD; i < HOOK_EVENTS; i++)
		assert_null(chosen[i]);

	host.kprobes = false;
	choose(chosen, &states, &host);
	assert_false(possible(chosen, &states, &host, line));
	assert_non_null(strstr(line, "--director needs them"));
	choose(chosen, &both, &host);
	assert_false(possible(chosen, &both, &host, line));
	assert_non_null(strstr(line, "--director needs them"));
}

/* With --server nothing of IPVS is traced, and no socket without -a. A kprobe has one address family only. */
static void hooks_of_a_server(void **state)
{
	static const struct options server = { .server = true }, both = { .server = true, .all = true };
	const struct hook *chosen[HOOK_EVENTS];
	struct host host = modern;
	char line[256];

	(void)state;
	choose(chosen, &server, &host);
	for (int i = 0; i < HOOK_EVENTS; i++)
		assert_int_equal(chosen[i] != NULL, i >= HOOK_SYN_ACK);
	assert_string_equal(chosen[HOOK_SYN_ACK]->target, "tcp_rtx_synack");
	assert_string_equal(chosen[HOOK_RESET]->target, "tcp_v4_send_reset");
	assert_string_equal(chosen[HOOK_RESET_V6]->target, "tcp_v6_send_reset");
	assert_true(possible(chosen, &server, &host, line));
	choose(chosen, &both, &host);
	assert_non_null(chosen[HOOK_STATE]);
	assert_non_null(chosen[HOOK_SYN_ACK]);
	assert_null(chosen[HOOK_FORWARD_FREE]);

	host.syn_ack_tracepoint = host.reset_tracepoint = true;
	choose(chosen, &server, &host);
	assert_string_equal(chosen[HOOK_SYN_ACK]->program, "syn_ack_raw");
	assert_string_equal(chosen[HOOK_RESET]->program, "reset_raw");
	assert_null(chosen[HOOK_RESET_V6]);

	host.kprobes = false;
	choose(chosen, &server, &host);
	assert_true(possible(chosen, &server, &host, line));
	assert_null(chosen[HOOK_ACCEPT_SYN]);
	host.syn_ack_tracepoint = false;
	choose(chosen, &server, &host);
	assert_false(possible(chosen, &server, &host, line));
	assert_non_null(strstr(line, "--server needs CONFIG_KPROBE_EVENTS"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_in_the_cache),
		cmocka_unit_test(defines_of_hosts),
		cmocka_unit_test(second_program),
		cmocka_unit_test(hooks_of_connects),
		cmocka_unit_test(hooks_of_a_director),
		cmocka_unit_test(hooks_of_a_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
