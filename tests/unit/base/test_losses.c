/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the causes of losses, and its sums. */
#include "../unit.h"

#include "base/log.h"
#include "base/losses.h"
#include "output/output.h"
#include "rows/recording.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_unique(const char *a, const char *b)
{
	if (a && b)
		assert_string_not_equal(a, b);
}

/* Each cause is in JSON and in the last messages; its names are unique. */
static void every_cause_has_names(void **state)
{
	(void)state;
	for (int i = 0; i < LOSSES; i++) {
		const struct loss_cause *errmsg = &loss_causes[i];

		assert_non_null(errmsg->key);
		assert_int_equal(strspn(errmsg->key, "abcdefghijklmnopqrstuvwxyz_"), strlen(errmsg->key));
		assert_in_range(strlen(errmsg->key), 1, 40);
		assert_non_null(errmsg->at_end);
		assert_null(strchr(errmsg->at_end, '\n'));
		for (int other = 0; other < i; other++) {
			check_unique(errmsg->key, loss_causes[other].key);
			check_unique(errmsg->metric, loss_causes[other].metric);
			check_unique(errmsg->help, loss_causes[other].help);
			check_unique(errmsg->at_once, loss_causes[other].at_once);
			check_unique(errmsg->at_end, loss_causes[other].at_end);
		}
	}
}

/* Metrics count losses of the tool itself. Their help text needs no escapes in Prometheus' format. */
static void metrics_are_counters(void **state)
{
	static const char prefix[] = "ipvs_tcpstate_", suffix[] = "_total";
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < LOSSES; i++) {
		const struct loss_cause *errmsg = &loss_causes[i];

		assert_int_equal(errmsg->help != NULL, errmsg->metric != NULL);
		if (!errmsg->metric)
			continue;
		n++;
		assert_int_equal(strncmp(errmsg->metric, prefix, strlen(prefix)), 0);
		assert_string_equal(errmsg->metric + strlen(errmsg->metric) - strlen(suffix), suffix);
		assert_int_equal(strspn(errmsg->metric, "abcdefghijklmnopqrstuvwxyz_"), strlen(errmsg->metric));
		assert_int_equal(errmsg->help[strlen(errmsg->help) - 1], '.');
		assert_null(strpbrk(errmsg->help, "\\\n\""));
	}
	assert_int_equal(n, 7);
}

/* The message at the first loss says what to do, and the message at the end says it again. */
static void what_to_do(void **state)
{
	(void)state;
	for (int i = 0; i < LOSSES; i++) {
		const char *at_once = loss_causes[i].at_once, *advice = at_once ? strchr(at_once, ';') : NULL;

		assert_int_equal(at_once != NULL, advice != NULL);
		if (advice)
			assert_non_null(strstr(loss_causes[i].at_end, advice));
	}
}

/* In recordings these have positions and no names: another order or number needs another format. */
static void recorded_as_ever(void **state)
{
	(void)state;
	assert_int_equal(RECORDING_VERSION, 5);
	assert_int_equal(LOSSES_RECORDED, 5);
	assert_string_equal(loss_causes[0].key, "lost_buffer_full");
	assert_string_equal(loss_causes[1].key, "lost_missed");
	assert_string_equal(loss_causes[2].key, "sockets_not_followed");
	assert_string_equal(loss_causes[3].key, "connects_without_real");
	assert_string_equal(loss_causes[4].key, "reasons_missed");
	/* Losses of counters are not recorded, and a replay checks the samples itself. */
	for (int i = 0; i < LOSSES; i++)
		assert_int_equal(i >= LOSSES_RECORDED, loss_causes[i].of_counts || loss_causes[i].at_end_only);
}

static void rows(void **state)
{
	static const struct losses none, all = { { 1, 20, 300, 4000, 50000, 600000, 7000000, 80000000, 900000000 } };

	(void)state;
	assert_int_equal(losses_rows(&none), 0);
	assert_int_equal(losses_rows(&all), 900000021);	/* full, missed, damaged */
	for (int i = 0; i < LOSSES; i++) {
		struct losses one = none;

		one.n[i] = 7;
		assert_int_equal(losses_rows(&one), i == LOSS_BUFFER_FULL || i == LOSS_MISSED || i == LOSS_DAMAGED ? 7 : 0);
	}
}

static void check_raised(struct losses *so_far, const struct losses *now, const struct losses *since,
			 const struct losses *after)
{
	static const struct losses none;
	struct losses got;

	memset(&got, 0x5a, sizeof(got));
	assert_int_equal(losses_update(so_far, now, &got), memcmp(since, &none, sizeof(none)) != 0);
	assert_memory_equal(&got, since, sizeof(got));
	assert_memory_equal(so_far, after, sizeof(got));
}

static void raise_each(void **state)
{
	static const struct losses none, first = { { 1, 2, 3, 4, 5, 6, 7, 8 } };
	struct losses so_far = none;

	(void)state;
	check_raised(&so_far, &none, &none, &none);
	check_raised(&so_far, &first, &first, &first);
	check_raised(&so_far, &first, &none, &first);
	for (int i = 0; i < LOSSES; i++) {
		struct losses now = so_far, since = none;

		now.n[i] += 10;
		since.n[i] = 10;
		check_raised(&so_far, &now, &since, &now);
	}
}

/* A counter that cannot be read for a while is 0: the known losses stay, and are not reported again. */
static void less_than_before(void **state)
{
	static const struct losses none, much = { { 9, 9, 9, 9, 9, 9, 9, 9 } }, less = { { 8, 0, 8, 0, 8, 0, 8, 0 } };
	static const struct losses mixed = { { 10, 0, 9, 8, 12, 1, 2, 3 } };
	static const struct losses since = { { [0] = 1, [4] = 3 } }, after = { { 10, 9, 9, 9, 12, 9, 9, 9 } };
	struct losses so_far = none;

	(void)state;
	check_raised(&so_far, &much, &much, &much);
	check_raised(&so_far, &less, &none, &much);
	check_raised(&so_far, &none, &none, &much);
	check_raised(&so_far, &mixed, &since, &after);
}

static void largest_numbers(void **state)
{
	static const struct losses none, most = { { [LOSS_MISSED] = UINT64_MAX, [LOSS_DAMAGED] = UINT64_MAX - 1 } };
	static const struct losses last = { { [LOSS_MISSED] = UINT64_MAX, [LOSS_DAMAGED] = UINT64_MAX } };
	static const struct losses one = { { [LOSS_DAMAGED] = 1 } };
	struct losses so_far = none;

	(void)state;
	check_raised(&so_far, &most, &most, &most);
	check_raised(&so_far, &last, &one, &last);
	check_raised(&so_far, &none, &none, &last);
}

static char said[4096];
static int said_fd, saved_fd;

static void listen_to_stderr(void)
{
	said_fd = memfd_create("said", 0);
	saved_fd = dup(STDERR_FILENO);
	assert_true(said_fd >= 0 && saved_fd >= 0);
	dup2(said_fd, STDERR_FILENO);
}

/* Return: the output on stderr since listen_to_stderr() */
static const char *what_was_said(void)
{
	ssize_t n;

	dup2(saved_fd, STDERR_FILENO);
	close(saved_fd);
	n = pread(said_fd, said, sizeof(said) - 1, 0);
	close(said_fd);
	assert_true(n >= 0);
	said[n] = '\0';
	return said;
}

/*
 * The advice about a loss is printed once for each cause, however often the loss happens, but not just before
 * the end prints all messages.
 */
static void told_once(void **state)
{
	static const struct output_settings csv = { .csv = true };
	static const struct losses all = { { 1, 1, 1, 1, 1, 1, 1, 1 } }, full = { { [LOSS_BUFFER_FULL] = 5 } };
	struct output o;

	(void)state;
	log_init("ours", LOG_INFO);
	assert_int_equal(output_open(&o, &csv, -1), 0);
	listen_to_stderr();
	output_lost(&o, 1, &full, true);
	output_lost(&o, 1, &full, false);
	output_lost(&o, 2, &full, false);
	output_lost(&o, 3, &all, false);
	output_lost(&o, 4, &all, false);
	assert_string_equal(what_was_said(),
		"ours: rows are being lost: perf buffer full; enlarge it by -b\n"
		"ours: some sockets are not tracked: too many at once; allow more by --max-conns\n"
		"ours: some connects lack their real server: too many at once; allow more by --max-conns\n");
	for (int i = 0; i < LOSSES; i++)
		assert_int_equal(o.told[i], loss_causes[i].at_once != NULL);
	output_close(&o);
}

static void last_messages(void **state)
{
	static const struct output_settings rows_only = { .csv = true }, counts = { .csv = true, .counts = true };
	static const struct losses all = { { 1, 20, 300, 4000, 50000, 600000, 7000000, 80000000, 900000000 } }, none;
	struct output o = { .settings = rows_only, .rows = 7, .events = 900000009 };

	(void)state;
	log_init("ours", LOG_INFO);
	listen_to_stderr();
	output_print_end(&o, &all);
	assert_string_equal(what_was_said(),
		"ours: 1 lost: perf buffer full; enlarge it by -b\n"
		"ours: 20 lost: not seen because another BPF program was running on that CPU or kprobes were switched off\n"
		"ours: 300 sockets not tracked: too many at once; allow more by --max-conns\n"
		"ours: 4000 connects without their real server: too many at once; allow more by --max-conns\n"
		"ours: 50000 socket errors or ends of IPVS connections not seen because another BPF program was running on that "
		"CPU: reasons may be missing\n"
		"ours: 600000 connections not counted: too many real servers; allow more by --max-conns\n"
		"ours: 7000000 times not in the percentiles: too many real servers; allow more by --max-conns\n"
		"ours: 80000000 connections from before the start not read from IPVS's table: they are not shown, or with -a "
		"lack their real server\n"
		"ours: 900000000 lost: malformed events\n"
		"ours: 7 rows, 2 filtered, 900000021 lost\n");
	o.events = 7;
	listen_to_stderr();
	output_print_end(&o, &none);
	output_warn_uncounted(&none);
	assert_string_equal(what_was_said(), "ours: 7 rows, 0 lost\n");
	o.settings = counts;
	listen_to_stderr();
	output_warn_uncounted(&all);
	output_print_end(&o, &none);
	assert_string_equal(what_was_said(),
		"ours: 600000 connections not counted: too many real servers; allow more by --max-conns\n"
		"ours: 7000000 times not in the percentiles: too many real servers; allow more by --max-conns\n"
		"ours: 0 lost\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cause_has_names),
		cmocka_unit_test(metrics_are_counters),
		cmocka_unit_test(what_to_do),
		cmocka_unit_test(recorded_as_ever),
		cmocka_unit_test(rows),
		cmocka_unit_test(raise_each),
		cmocka_unit_test(less_than_before),
		cmocka_unit_test(largest_numbers),
		cmocka_unit_test(told_once),
		cmocka_unit_test(last_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
