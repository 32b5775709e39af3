/* SPDX-License-Identifier: Apache-2.0 */
/* The tracing itself: from attached hooks to written rows, until it is to end. What counts instead of printing rows
 * (counting.h) goes through the same steps. */
#ifndef TRACE_H
#define TRACE_H

#include "bpf/perfbuf.h"
#include "counts/summary.h"
#include "host/priority.h"
#include "output/output.h"
#include "output/output_journal.h"
#include "output/output_metrics.h"
#include "rows/correlate.h"
#include "rows/health.h"
#include "rows/recording.h"
#include "trace/kernel.h"
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
	struct health health;

	/* where rows and counts go */
	struct output output;
	struct journal journal;
	struct recording recording;
	int unrecorded;			/* negative errno: the recording is not whole */
	struct summary summary;		/* where options_counts() */
	struct metrics metrics;		/* where they are to be written */

	struct priority priority;
	struct losses lost;		/* so far */
	uint64_t looked_ns;		/* when what comes and goes was last looked for */
	bool ready;			/* said so */
};

/** trace_init - nothing open yet; @plan must outlive @t; trace_close() it */
void trace_init(struct trace *t, const struct plan *plan);

/**
 * trace_load - programs, settings and buffers into the kernel
 * @programs: as compiled; not kept
 * @cause: one line, set on failure
 * Return: 0 or a negative errno.
 */
int trace_load(struct trace *t, const struct object *programs, char *cause, size_t len);

/**
 * trace_record - begin the recording that the options ask for, if any; after trace_load()
 * Return: 0 or a negative errno with @cause.
 */
int trace_record(struct trace *t, char *cause, size_t len);

/**
 * trace_attach - put the programs on their hooks; those not needed may fail with a warning
 * Return: 0 or a negative errno with @cause.
 */
int trace_attach(struct trace *t, char *cause, size_t len);

/**
 * trace_run - print rows until @stop, the end the options give, or a reader that left
 * Return: 0, or a negative errno after it said why.
 */
int trace_run(struct trace *t, const volatile sig_atomic_t *stop);

/**
 * trace_begin, trace_step, trace_end - what trace_run() is made of
 * A step waits for events, @ms at most and less where there is something to be followed; prints and records those
 * there are; and follows ip_vs and the compiler. The end detaches, and takes in what is still in the buffers.
 * @err: of the steps before
 * Return: 0 or a negative errno; the end has said why.
 */
void trace_begin(struct trace *t);
int trace_step(struct trace *t, int ms);
void trace_detach(struct trace *t, int *err);
int trace_end(struct trace *t, int err);

/** trace_find_losses - set @t->lost */
void trace_find_losses(struct trace *t);

/** trace_say_end - the last line: rows printed, events lost, each with its cause */
void trace_say_end(const struct trace *t);

/** trace_close - undo all, in reverse */
void trace_close(struct trace *t);

#endif
