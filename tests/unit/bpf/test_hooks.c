/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of hooks, on hosts that have all, some or none of them. */
#include "../unit.h"

#include "bpf/hooks.h"

#include <string.h>

/* Cookie: NULL-terminated names of the programs that this host's hooks can run. */
static bool has_listed(void *cookie, const struct hook *hook)
{
	const char *const *programs = cookie;

	for (; *programs; programs++)
		if (!strcmp(*programs, hook->program))
			return true;
	return false;
}

static bool has_all(void *cookie, const struct hook *hook)
{
	unsigned *asked = cookie;

	assert_in_range(hook->event, 0, HOOK_EVENTS - 1);
	assert_non_null(hook->target);
	assert_int_equal(hook->kind == HOOK_TRACEPOINT, hook->category != NULL);
	++*asked;
	return true;
}

static bool has_none(void *cookie, const struct hook *hook)
{
	(void)hook;
	++*(unsigned *)cookie;
	return false;
}

static void check_hook(const struct hook *hook, enum hook_event event, enum hook_kind kind,
		       const char *category, const char *target, const char *program)
{
	assert_non_null(hook);
	assert_int_equal(hook->event, event);
	assert_int_equal(hook->kind, kind);
	if (category)
		assert_string_equal(hook->category, category);
	else
		assert_null(hook->category);
	assert_string_equal(hook->target, target);
	assert_string_equal(hook->program, program);
}

static void check_ipvs_and_connects(const struct hook *const chosen[HOOK_EVENTS])
{
	check_hook(chosen[HOOK_CONNECT], HOOK_CONNECT, HOOK_KPROBE, NULL, "tcp_connect",
		   "connect_kprobe");
	check_hook(chosen[HOOK_CONNECT_RETURN], HOOK_CONNECT_RETURN, HOOK_KRETPROBE, NULL,
		   "tcp_connect", "connect_return");
	check_hook(chosen[HOOK_IPVS], HOOK_IPVS, HOOK_KPROBE, NULL, "ip_vs_conn_new",
		   "ipvs_kprobe");
	check_hook(chosen[HOOK_CLIENT_PORT], HOOK_CLIENT_PORT, HOOK_KPROBE, NULL, "ip_vs_conn_fill_cport",
		   "client_port_kprobe");
	check_hook(chosen[HOOK_NO_DESTINATION], HOOK_NO_DESTINATION, HOOK_KPROBE, NULL, "ip_vs_leave", "leave_kprobe");
	check_hook(chosen[HOOK_EXPIRE], HOOK_EXPIRE, HOOK_KPROBE, NULL, "ip_vs_conn_expire", "expire_kprobe");
	check_hook(chosen[HOOK_EXPIRE_NOW], HOOK_EXPIRE_NOW, HOOK_KPROBE, NULL, "ip_vs_conn_expire_now",
		   "expire_now_kprobe");
	check_hook(chosen[HOOK_FORWARD], HOOK_FORWARD, HOOK_KPROBE, NULL, "tcp_state_transition", "forward_kprobe");
	check_hook(chosen[HOOK_FORWARD_FREE], HOOK_FORWARD_FREE, HOOK_KPROBE, NULL, "ip_vs_conn_rcu_free",
		   "forward_free_kprobe");
	check_hook(chosen[HOOK_FREE], HOOK_FREE, HOOK_KPROBE, NULL, "ip_vs_conn_rcu_free", "free_kprobe");
}

static void raw_tracepoint_comes_first(void **state)
{
	static const enum hook_choice wishes[] = { HOOK_CHOICE_ANY, HOOK_CHOICE_RAW };

	(void)state;
	for (size_t i = 0; i < N_OF(wishes); i++) {
		const struct hook *chosen[HOOK_EVENTS];
		unsigned asked = 0;

		hooks_choose(wishes[i], has_all, &asked, chosen);
		check_hook(chosen[HOOK_STATE], HOOK_STATE, HOOK_RAW_TRACEPOINT, NULL,
			   "inet_sock_set_state", "state_raw");
		check_hook(chosen[HOOK_STATE_SECOND], HOOK_STATE_SECOND, HOOK_RAW_TRACEPOINT, NULL,
			   "inet_sock_set_state", "state_second");
		check_hook(chosen[HOOK_RETRANSMIT], HOOK_RETRANSMIT, HOOK_RAW_TRACEPOINT, NULL,
			   "tcp_retransmit_skb", "retransmit_raw");
		/* An event without a hook of the requested kind gets its best hook. */
		check_ipvs_and_connects(chosen);
		assert_int_equal(asked, HOOK_EVENTS);
	}
}

static void tracepoints_on_wish(void **state)
{
	const struct hook *chosen[HOOK_EVENTS];
	unsigned asked = 0;

	(void)state;
	hooks_choose(HOOK_CHOICE_TRACEPOINT, has_all, &asked, chosen);
	check_hook(chosen[HOOK_STATE], HOOK_STATE, HOOK_TRACEPOINT, "sock",
		   "inet_sock_set_state", "state_tracepoint");
	check_hook(chosen[HOOK_RETRANSMIT], HOOK_RETRANSMIT, HOOK_TRACEPOINT, "tcp",
		   "tcp_retransmit_skb", "retransmit_tracepoint");
	check_ipvs_and_connects(chosen);
}

static void kprobes_on_wish(void **state)
{
	const struct hook *chosen[HOOK_EVENTS];
	unsigned asked = 0;

	(void)state;
	hooks_choose(HOOK_CHOICE_KPROBE, has_all, &asked, chosen);
	check_hook(chosen[HOOK_STATE], HOOK_STATE, HOOK_KPROBE, NULL, "tcp_set_state",
		   "state_kprobe");
	check_hook(chosen[HOOK_RETRANSMIT], HOOK_RETRANSMIT, HOOK_KPROBE, NULL,
		   "tcp_retransmit_skb", "retransmit_kprobe");
	check_ipvs_and_connects(chosen);
}

/* Linux 4.15: tcp_retransmit_skb is a tracepoint, but not yet inet_sock_set_state. */
static void falls_back_fact_by_fact(void **state)
{
	static const char *const host[] = { "state_kprobe", "retransmit_tracepoint",
					    "retransmit_kprobe", "ipvs_kprobe", NULL };
	const struct hook *chosen[HOOK_EVENTS];

	(void)state;
	hooks_choose(HOOK_CHOICE_ANY, has_listed, (void *)host, chosen);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_kprobe");
	assert_string_equal(chosen[HOOK_RETRANSMIT]->program, "retransmit_tracepoint");
	assert_null(chosen[HOOK_CONNECT]);
	assert_null(chosen[HOOK_CONNECT_RETURN]);
	assert_string_equal(chosen[HOOK_IPVS]->program, "ipvs_kprobe");
}

/* Linux 4.16 has the tracepoint, but no raw ones: they come with 4.17. */
static void state_without_raw(void **state)
{
	static const char *const host[] = { "state_kprobe", "state_tracepoint", NULL };
	const struct hook *chosen[HOOK_EVENTS];

	(void)state;
	hooks_choose(HOOK_CHOICE_ANY, has_listed, (void *)host, chosen);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_tracepoint");
	assert_null(chosen[HOOK_IPVS]);
}

static void wish_is_not_replaced(void **state)
{
	static const char *const no_kprobe[] = { "state_raw", "state_tracepoint", NULL };
	static const char *const no_tracepoint[] = { "state_kprobe", NULL };
	const struct hook *chosen[HOOK_EVENTS];

	(void)state;
	hooks_choose(HOOK_CHOICE_KPROBE, has_listed, (void *)no_kprobe, chosen);
	assert_null(chosen[HOOK_STATE]);
	hooks_choose(HOOK_CHOICE_RAW, has_listed, (void *)no_tracepoint, chosen);
	assert_null(chosen[HOOK_STATE]);
	hooks_choose(HOOK_CHOICE_TRACEPOINT, has_listed, (void *)no_tracepoint, chosen);
	assert_null(chosen[HOOK_STATE]);
	hooks_choose(HOOK_CHOICE_KPROBE, has_listed, (void *)no_tracepoint, chosen);
	assert_string_equal(chosen[HOOK_STATE]->program, "state_kprobe");
}

static void host_without_any(void **state)
{
	const struct hook *chosen[HOOK_EVENTS];
	unsigned asked = 0;

	(void)state;
	memset(chosen, 0xff, sizeof(chosen));
	hooks_choose(HOOK_CHOICE_ANY, has_none, &asked, chosen);
	for (int i = 0; i < HOOK_EVENTS; i++)
		assert_null(chosen[i]);
	assert_in_range(asked, HOOK_EVENTS, 64);
}

static void next_goes_through_all(void **state)
{
	unsigned raw = 0, n = 0;

	(void)state;
	for (const struct hook *hook = hooks_next(NULL); hook; hook = hooks_next(hook), n++) {
		assert_in_range(hook->event, 0, HOOK_EVENTS - 1);
		raw += hook->kind == HOOK_RAW_TRACEPOINT;
	}
	assert_int_equal(n, 31);
	assert_int_equal(raw, 6);
}

static void every_fact_has_words(void **state)
{
	(void)state;
	assert_string_equal(hooks_describe(HOOK_STATE), "TCP state changes");
	assert_string_equal(hooks_describe(HOOK_IPVS), "IPVS connections");
	for (int a = 0; a < HOOK_EVENTS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(hooks_describe(a), hooks_describe(b));
}

static void every_kind_has_words(void **state)
{
	(void)state;
	assert_string_equal(hooks_kind(HOOK_NONE), "no hook");
	assert_string_equal(hooks_kind(HOOK_RAW_TRACEPOINT), "raw tracepoint");
	assert_string_equal(hooks_kind(HOOK_TRACEPOINT), "tracepoint");
	assert_string_equal(hooks_kind(HOOK_KPROBE), "kprobe");
	assert_string_equal(hooks_kind(HOOK_KRETPROBE), "kretprobe");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_tracepoint_comes_first),
		cmocka_unit_test(tracepoints_on_wish),
		cmocka_unit_test(kprobes_on_wish),
		cmocka_unit_test(falls_back_fact_by_fact),
		cmocka_unit_test(state_without_raw),
		cmocka_unit_test(wish_is_not_replaced),
		cmocka_unit_test(host_without_any),
		cmocka_unit_test(next_goes_through_all),
		cmocka_unit_test(every_fact_has_words),
		cmocka_unit_test(every_kind_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
