/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/replay.h"

#include "rows/correlate.h"
#include "rows/health.h"
#include "base/log.h"
#include "output/output.h"
#include "rows/recording.h"
#include "rows/trouble.h"
#include "trace/naming.h"
#include "trace/printing.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct replay {
	const struct options *options;
	struct recording_reader in;
	struct correlate correlate;
	struct trouble trouble;
	struct health health;
	struct naming naming;
	struct output output;
	struct losses lost;
};

/* True if the filters let the row pass. While tracing, the programs do this in the kernel. */
static bool is_wanted_row(const struct options *o, const struct row *row)
{
	const struct endpoint *vip = row->server ? &row->local : &row->remote;

	return !(o->ipv4 && row->local.family != AF_INET) &&
	       !(o->ipv6 && row->local.family != AF_INET6) &&
	       !(o->netns && row->netns != o->netns_inum) &&
	       filter_has_port(&o->lports, row->local.port) && filter_has_port(&o->rports, row->remote.port) &&
	       filter_has_address(&o->vips, vip->addr, vip->port);
}

static void write_recorded_row(void *cookie, const struct row *row)
{
	struct replay *r = cookie;

	output_row(&r->output, row);
}

static void print_recorded_row(struct replay *r, const struct row *row)
{
	struct row event;

	if (!is_wanted_row(r->options, row) || output_limit_reached(&r->output))
		return;
	trouble_row(&r->trouble, row, write_recorded_row, r);
	if (health_row(&r->health, row, &event) && !output_limit_reached(&r->output))
		output_row(&r->output, &event);
}

/* Prints a round as print_rows() in trace.c does: the same events in a round give the same order. */
static void print_round(struct replay *r, uint64_t before_ns, uint64_t rows)
{
	struct row row;

	correlate_sort(&r->correlate);
	while (rows-- && correlate_next(&r->correlate, before_ns, &row))
		print_recorded_row(r, &row);
	correlate_keep(&r->correlate, before_ns);
}

/* Returns 0 at the end of the recording, if @stop is set, or if the output cannot be written any more. */
static int replay_all(struct replay *r, const volatile sig_atomic_t *stop, char *errmsg, size_t len)
{
	struct recording_item item;

	while (!*stop && !r->output.err) {
		int err = recording_next(&r->in, &item, errmsg, len);

		if (err)
			return err;
		naming_follow(&r->naming);
		switch (item.kind) {
		case RECORDING_SAMPLE:
			err = correlate_add(&r->correlate, item.data, item.len);
			r->output.events++;
			r->lost.n[LOSS_DAMAGED] += err == -EBADMSG;
			if (err == -ENOMEM) {
				snprintf(errmsg, len, "needs more memory than there is");
				return err;
			}
			break;
		case RECORDING_ROUND:
			print_round(r, item.before_ns, item.rows);
			break;
		case RECORDING_CLOCK:
			wall_clock_change(&r->output.wall, item.changed_ns, item.realtime_ns);
			break;
		case RECORDING_LOST:
			output_lost(&r->output, item.lost.ts_ns, &item.lost.since, item.lost.last);
			break;
		case RECORDING_END:
			item.end.n[LOSS_DAMAGED] = r->lost.n[LOSS_DAMAGED];
			r->lost = item.end;
			output_end(&r->output, &r->lost);
			return 0;
		case RECORDING_CUT:
			print_round(r, UINT64_MAX, UINT64_MAX);
			snprintf(errmsg, len, "ends early: the tool that recorded was killed or could not "
				 "write; what there is was printed");
			return -EBADMSG;
		}
	}
	return 0;
}

static int open_all(struct replay *r, int fd, char *errmsg, size_t len)
{
	const struct output_settings settings = printing_settings(r->options, naming_names(&r->naming));
	int err = recording_open(&r->in, r->options->replay, errmsg, len);

	if (err)
		return err;
	err = correlate_init(&r->correlate);
	printing_correlate(&r->correlate, r->options);
	if (!err)
		err = trouble_init(&r->trouble, options_trouble(r->options), r->options->failures == FAILURES_WHOLE);
	if (!err)
		err = health_init(&r->health, r->options->down);
	if (!err)
		err = output_open(&r->output, &settings, fd);
	if (err)
		snprintf(errmsg, len, "cannot be replayed: out of memory");
	else
		r->output.wall = (struct wall_clock){ .realtime_ns = r->in.realtime_ns };
	return err;
}

int replay_run(const struct options *options, int fd, const volatile sig_atomic_t *stop)
{
	const char *name = strcmp(options->replay, "-") ? options->replay : "stdin";
	struct replay r = { .options = options };
	char errmsg[384];
	int err, written = 0;

	err = naming_begin(&r.naming, options, errmsg, sizeof(errmsg));
	if (err) {
		log_error("%s", errmsg);
		goto out;
	}
	err = open_all(&r, fd, errmsg, sizeof(errmsg));
	if (!err) {
		output_header(&r.output);
		err = replay_all(&r, stop, errmsg, sizeof(errmsg));
		written = output_flush(&r.output);
	}
	if (*stop || written == -EPIPE) {
		err = 0;	/* the user or the reader wants no more rows */
	} else if (written) {
		log_error("cannot write rows: %s", strerror(-written));
		err = written;
	} else if (err) {
		log_error("%.200s %s", name, errmsg);
	} else {
		if (r.health.forgotten)
			log_warning(HEALTH_FORGOTTEN, r.health.forgotten);
		if (r.trouble.forgotten)
			log_warning(TROUBLE_FORGOTTEN, r.trouble.forgotten);
		output_print_end(&r.output, &r.lost);
	}
out:
	naming_end(&r.naming);
	output_close(&r.output);
	correlate_fini(&r.correlate);
	trouble_fini(&r.trouble);
	health_fini(&r.health);
	recording_reader_close(&r.in);
	return err;
}
