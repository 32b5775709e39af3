/* SPDX-License-Identifier: Apache-2.0 */
#include "counting.h"

#include "log.h"
#include "output_counts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECOND_NS 1000000000ULL
#define LINES_DEFAULT 24	/* where the terminal does not tell */

struct counting {
	struct trace *trace;
	struct stats before;		/* at the last table */
	uint64_t tables;
	bool screen;			/* each table in the place of the last one */
	bool said;			/* that not all could be counted */
};

static int screen_lines(const struct counting *c)
{
	struct winsize size;

	if (!c->screen)
		return 0;
	return ioctl(c->trace->output.fd, TIOCGWINSZ, &size) || !size.ws_row ? LINES_DEFAULT : size.ws_row;
}

static int print(struct counting *c, const struct stats *stats)
{
	struct output *o = &c->trace->output;
	struct stats_ranking ranking;
	struct counts counts = {
		.stats = stats,
		.ranking = &ranking,
		.ts_ns = trace_now_ns(),
		.lines = screen_lines(c),
	};
	int err = stats_rank(&ranking, stats);

	if (!err) {
		counts_print(o, &counts);
		err = output_flush(o);
	}
	stats_ranking_free(&ranking);
	return err;
}

/* At once, as days may pass until the end says so again. */
static void say_uncounted(struct counting *c)
{
	struct output_losses *lost = &c->trace->lost;

	if (c->said)
		return;
	trace_find_losses(c->trace);
	c->said = lost->tallies_full || lost->buckets_full;
	output_say_uncounted(lost);
}

/* What came since the last table. */
static int table(struct counting *c)
{
	struct stats now = { 0 }, since = { 0 };
	int err = summary_read(&c->trace->summary, &c->trace->loaded, &now);

	if (!err)
		err = stats_since(&since, &now, &c->before);
	if (err) {
		log_error("cannot read the counts: %s", strerror(-err));
		stats_free(&now);
		return err;
	}
	err = print(c, &since);
	stats_free(&since);
	stats_free(&c->before);
	c->before = now;
	c->tables++;
	say_uncounted(c);
	return err;
}

/* Milliseconds, rounded up. */
static int until(uint64_t now_ns, uint64_t then_ns)
{
	uint64_t ms = then_ns > now_ns ? (then_ns - now_ns + 999999) / 1000000 : 0;

	return ms < 1000 ? (int)ms : 1000;
}

static bool has_terminal(const struct trace *t)
{
	const struct options *o = t->plan->options;
	const char *term = getenv("TERM");

	return !o->json && !o->csv && !o->noclear && o->interval && isatty(t->output.fd) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

int counting_run(struct trace *t, const volatile sig_atomic_t *stop)
{
	const struct options *o = t->plan->options;
	struct counting c = { .trace = t, .screen = has_terminal(t) };
	uint64_t now = trace_now_ns();
	uint64_t end = o->seconds ? now + o->seconds * SECOND_NS : UINT64_MAX;
	uint64_t next = o->interval ? now + o->interval * SECOND_NS : UINT64_MAX;
	bool enough = false;
	int err;

	trace_begin(t);
	counts_header(&t->output);
	err = output_flush(&t->output);
	while (!*stop && !err && !enough && now < end) {
		err = trace_step(t, until(now, next < end ? next : end));
		now = trace_now_ns();
		if (err || now < next || *stop)
			continue;
		err = table(&c);
		enough = o->tables && c.tables == o->tables;
		while (next <= now)
			next += o->interval * SECOND_NS;
	}
	trace_detach(t, &err);
	if (!err && !enough)	/* nothing is left out: what came since the last one */
		err = table(&c);
	stats_free(&c.before);
	return trace_end(t, err);
}
