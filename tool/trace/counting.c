/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/counting.h"

#include "base/clock.h"
#include "base/log.h"
#include "output/output_counts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECOND_NS 1000000000ULL
#define METRICS_INTERVAL 15	/* seconds; the scrape interval of Prometheus' own example */
#define TABLE_MAPS 4		/* a table may have so many times more real servers than the programs' map */
#define FORGET_SECONDS 300	/* Prometheus takes a value to be current for this long */
#define FORGET_INTERVALS 4	/* at least: each value is in so many files */
#define LINES_DEFAULT 24	/* if the terminal does not report its size */

struct counting {
	struct trace *trace;
	uint64_t interval;		/* seconds; 0: none */
	struct stats since;		/* counts since the last table */
	uint64_t rounds;
	bool screen;			/* each table replaces the last one */
	bool warned;			/* warned that not all could be counted */
	bool warned_other;		/* warned that not all have labels of their own */
	int unwritten;			/* negative errno if the last metrics file was not written */
};

static int screen_lines(const struct counting *c)
{
	struct winsize size;

	if (!c->screen)
		return 0;
	return ioctl(c->trace->output.fd, TIOCGWINSZ, &size) || !size.ws_row ? LINES_DEFAULT : size.ws_row;
}

/* Prints the counts since the last table. */
static int print_table(struct counting *c)
{
	struct output *o = &c->trace->output;
	struct stats_ranking ranking;
	struct counts counts = {
		.ranking = &ranking,
		.ts_ns = clock_now_ns(),
		.lines = screen_lines(c),
	};
	int err = stats_rank(&ranking, &c->since);

	if (err) {
		log_error("cannot print the counts: %s", strerror(-err));
	} else {
		counts_print(o, &counts);
		err = output_flush(o);
	}
	stats_ranking_free(&ranking);
	stats_restart(&c->since);
	return err;
}

/* Warns at once, as days may pass until the messages at the end. */
static void warn_uncounted(struct counting *c)
{
	struct losses *lost = &c->trace->lost;

	if (c->warned)
		return;
	trace_find_losses(c->trace);
	c->warned = lost->n[LOSS_TALLIES_FULL] || lost->n[LOSS_BUCKETS_FULL];
	output_warn_uncounted(lost);
}

/* A full disk is temporary: the tool reports it once, and tries again each time. */
static void write_metrics(struct counting *c)
{
	uint64_t now_ns = clock_now_ns(), seconds = c->trace->options->forget ? c->trace->options->forget : FORGET_SECONDS;
	struct metrics *m = &c->trace->metrics;
	char errmsg[512];
	int err;

	if (seconds < FORGET_INTERVALS * c->interval)
		seconds = FORGET_INTERVALS * c->interval;
	if (now_ns > seconds * SECOND_NS)
		metrics_forget(m, now_ns - seconds * SECOND_NS);
	trace_find_losses(c->trace);
	err = metrics_write(m, &c->trace->lost, errmsg, sizeof(errmsg));
	if (err && err != c->unwritten)
		log_error("%s; trying again", errmsg);
	if (!err && c->unwritten)
		log_info("metrics are written to %.200s again", m->settings.path);
	c->unwritten = err;
	if (m->n_other && !c->warned_other)
		log_warning("metrics: more than %zu %s; the rest is summed under \"other\"; choose by -V, -R or -D, or allow more "
			    "by --max-labels", m->settings.limit, m->settings.without_real ? "virtual services" :
			    m->settings.without_vip ? "real servers" : "real servers of virtual services");
	c->warned_other |= m->n_other != 0;
}

/* Takes what the programs have counted. */
static int take_counts(struct counting *c)
{
	struct trace *t = c->trace;
	struct stats more = { 0 };
	int err = summary_read(&t->summary, &t->kernel.loaded, &more);

	if (!err && t->metrics.settings.path)
		err = metrics_add(&t->metrics, &more, clock_now_ns());
	if (!err && options_tables(t->options)) {
		if (c->since.n) {
			err = stats_add_all(&c->since, &more);
		} else {
			stats_free(&c->since);
			c->since = more;
			memset(&more, 0, sizeof(more));
		}
	}
	stats_free(&more);
	if (err)
		log_error("cannot read the counts: %s", strerror(-err));
	return err;
}

/* Takes counts early if the programs' maps fill up. If there are too many real servers for a table, the counts stay in the
 * maps; the programs count what has no room there. */
static int make_room(struct counting *c)
{
	const struct trace *t = c->trace;
	const struct loaded *l = &t->kernel.loaded;

	if (c->since.n >= TABLE_MAPS * (size_t)l->tallies || !summary_is_full(&t->summary, l))
		return 0;
	return take_counts(c);
}

/* Takes the counts and writes metrics. @table: print a table too */
static int do_round(struct counting *c, bool table)
{
	int err = take_counts(c);

	if (err)
		return err;
	if (c->trace->metrics.settings.path)
		write_metrics(c);
	if (table)
		err = print_table(c);
	warn_uncounted(c);
	return err;
}

/* Returns the milliseconds from @now_ns to @then_ns, rounded up; at most 1000. */
static int ms_until(uint64_t now_ns, uint64_t then_ns)
{
	uint64_t ms = then_ns > now_ns ? (then_ns - now_ns + 999999) / 1000000 : 0;

	return ms < 1000 ? (int)ms : 1000;
}

static bool has_terminal(const struct trace *t)
{
	const struct options *o = t->options;
	const char *term = getenv("TERM");

	return !o->json && !o->csv && !o->noclear && o->interval && isatty(t->output.fd) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

int counting_run(struct trace *t, const volatile sig_atomic_t *stop)
{
	const struct options *o = t->options;
	struct counting c = {
		.trace = t,
		.screen = has_terminal(t),
		.interval = o->interval || !o->metrics ? o->interval : METRICS_INTERVAL,
	};
	uint64_t now = clock_now_ns();
	uint64_t end = o->seconds ? now + o->seconds * SECOND_NS : UINT64_MAX;
	uint64_t next = c.interval ? now + c.interval * SECOND_NS : UINT64_MAX;
	bool all_tables = false;
	int err = 0;

	trace_begin(t);
	if (options_tables(o))
		counts_header(&t->output);
	if (t->metrics.settings.path)
		err = do_round(&c, false);	/* zeros first, so that Prometheus sees the counters rise */
	if (!err)
		err = output_flush(&t->output);
	while (!*stop && !err && !all_tables && now < end) {
		err = trace_step(t, ms_until(now, next < end ? next : end));
		if (!err)
			err = make_room(&c);
		now = clock_now_ns();
		if (err || now < next || *stop)
			continue;
		err = do_round(&c, options_tables(o) && o->interval);
		all_tables = o->tables && ++c.rounds == o->tables;
		while (next <= now)
			next += c.interval * SECOND_NS;
	}
	trace_detach(t, &err);
	if (!err && !all_tables)	/* the counts since the last round */
		err = do_round(&c, options_tables(o));
	stats_free(&c.since);
	err = trace_end(t, err);
	return err ? err : c.unwritten;
}
