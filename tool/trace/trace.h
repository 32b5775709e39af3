/* SPDX-License-Identifier: Apache-2.0 */
/* The tracing itself: from attached hooks to written rows, until it is to end. What counts instead of printing rows
 * (counting.h) goes through the same steps. */
#ifndef TRACE_H
#define TRACE_H

#include "bpf/attach.h"
#include "rows/correlate.h"
#include "rows/health.h"
#include "bpf/loader.h"
#include "output/output.h"
#include "output/output_journal.h"
#include "output/output_metrics.h"
#include "bpf/perfbuf.h"
#include "trace/plan.h"
#include "host/priority.h"
#include "build/programs.h"
#include "rows/recording.h"
#include "counts/summary.h"
#include "ipvs/unseen.h"

#include <signal.h>

struct trace {
	struct plan *plan;
	struct programs layout;		/* may still be compiling */
	struct loaded loaded;
	struct attached attached;
	struct perfbuf perfbuf;
	struct correlate correlate;
	struct health health;
	struct output output;
	struct recording recording;
	int unrecorded;			/* negative errno: the recording is not whole */
	struct journal journal;
	struct summary summary;		/* where options_counts() */
	struct metrics metrics;		/* where they are to be written */
	struct priority priority;
	struct unseen unseen;		/* connections */
	struct losses lost;		/* so far */
	uint64_t adopt;			/* see entries_add() */
	bool awaits_ipvs;		/* connects wait for IPVS: its hook is there, or was */
	bool told_entries;		/* that IPVS has more connections than find room */
	bool mirror_stale;		/* something was not seen, so IPVS's table is to be read again */
	uint64_t mirror_after_ns;	/* the table of IPVS may be read again from then on */
	uint64_t ipvs;			/* the ip_vs that is probed, as host_ipvs() tells */
	uint64_t looked_ns;		/* when ip_vs was last looked for */
	bool ready;			/* said so */
	bool kprobes_off;		/* at the last look; see host_kprobes_off() */
};

/** trace_init - nothing open yet; @plan must outlive @t; trace_close() it */
void trace_init(struct trace *t, struct plan *plan);

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

/** trace_now_ns - the time that events have */
uint64_t trace_now_ns(void);

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
