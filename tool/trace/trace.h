/* SPDX-License-Identifier: Apache-2.0 */
/* The tracing itself: from attaching the hooks to writing the rows, until the end. Counting instead of printing rows
 * (counting.h) uses the same steps. */
#ifndef TRACE_H
#define TRACE_H

#include "bpf/missed.h"
#include "bpf/perfbuf.h"
#include "counts/summary.h"
#include "host/containers.h"
#include "host/priority.h"
#include "output/output.h"
#include "output/output_journal.h"
#include "output/output_metrics.h"
#include "rows/correlate.h"
#include "rows/health.h"
#include "rows/recording.h"
#include "rows/trouble.h"
#include "trace/kernel.h"
#include "trace/naming.h"
#include "trace/watch.h"

#include <signal.h>

struct trace {
	const struct options *options;
	struct kernel kernel;
	struct programs layout;		/* may still be compiling */
	struct watch watch;

	/* from events to rows */
	struct perfbuf perfbuf;
	struct correlate correlate;
	struct trouble trouble;
	struct health health;
	struct containers containers;	/* used if options_containers() */

	/* where rows and counts go */
	struct naming naming;
	struct output output;
	struct journal journal;
	struct recording recording;
	int unrecorded;			/* negative errno if the recording is not complete */
	struct summary summary;		/* used if options_counts() */
	struct metrics metrics;		/* used with --metrics */

	struct priority priority;
	struct losses lost;		/* so far */
	struct missed missed;
	uint64_t looked_ns;		/* time of the last calls of watch.h, CLOCK_MONOTONIC */
	bool ready;			/* the tool has reported that it traces */
};

/** trace_init - set up @t, open nothing; @plan must outlive @t; the caller calls trace_close() */
void trace_init(struct trace *t, const struct plan *plan);

/**
 * trace_load - load programs and settings into the kernel, and set up buffers and output
 * @programs: compiled programs; not kept
 * @errmsg: one line, set on failure
 * Return: 0 or a negative errno.
 */
int trace_load(struct trace *t, const struct object *programs, char *errmsg, size_t len);

/**
 * trace_record - begin the recording that the options ask for, if any; after trace_load()
 * Return: 0 or a negative errno with @errmsg.
 */
int trace_record(struct trace *t, char *errmsg, size_t len);

/**
 * trace_attach - attach the programs to their hooks; those not needed may fail with a warning
 * Return: 0 or a negative errno with @errmsg.
 */
int trace_attach(struct trace *t, char *errmsg, size_t len);

/**
 * trace_run - print rows until @stop is set, the options end it, or the reader closes the pipe
 * Return: 0, or a negative errno after logging the cause.
 */
int trace_run(struct trace *t, const volatile sig_atomic_t *stop);

/**
 * trace_begin, trace_step, trace_detach, trace_end - the parts of trace_run()
 * trace_step() waits for events, at most @ms, or less if something needs the tool earlier; prints and records the
 * events; and watches ip_vs and the compiler. trace_detach() detaches, and reads what is still in the buffers.
 * @err: result of the parts before
 * Return: 0 or a negative errno; trace_end() has logged its cause.
 */
void trace_begin(struct trace *t);
int trace_step(struct trace *t, int ms);
void trace_detach(struct trace *t, int *err);
int trace_end(struct trace *t, int err);

/** trace_find_losses - update @t->lost and report new losses */
void trace_find_losses(struct trace *t);

/** trace_print_end - print the last lines: rows printed, and events lost, each with its cause */
void trace_print_end(const struct trace *t);

/** trace_close - detach first, then undo the rest */
void trace_close(struct trace *t);

#endif
