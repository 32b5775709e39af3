/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the stages in order and undoes them; has the exit codes. */
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "cli/options.h"
#include "host/host.h"
#include "host/namespace.h"
#include "trace/check.h"
#include "trace/compile.h"
#include "trace/counting.h"
#include "trace/plan.h"
#include "trace/printing.h"
#include "trace/replay.h"
#include "trace/save.h"
#include "trace/trace.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, CANNOT = 3 };

static void log_hooks(const struct kernel *k)
{
	for (int event = 0; event < HOOK_EVENTS; event++)
		log_debug("%s: %s %s", hooks_describe((enum hook_event)event),
			  hooks_kind(k->chosen[event] ? k->chosen[event]->kind : HOOK_NONE),
			  k->chosen[event] ? k->chosen[event]->target : "");
}

static int open_metrics(struct trace *t, char *errmsg, size_t len)
{
	const struct metrics_settings settings = {
		.path = t->options->metrics,
		.version = VERSION,
		.without_vip = t->options->labels == LABELS_REAL,
		.without_real = t->options->labels == LABELS_VIP,
		.limit = (size_t)t->options->max_labels,
		.names = naming_names(&t->naming),
	};

	return metrics_init(&t->metrics, &settings, errmsg, len);
}

/* Says that PIDs are the host's, if this process has others. Returns false if -p has a number that the kernel cannot tell. */
static bool fits_namespace(const struct plan *plan, char *errmsg, size_t len)
{
	if (!namespace_own_pid().inum)
		return true;
	if (plan->options->pid && !plan->host->namespace_pids) {
		snprintf(errmsg, len, "-p: this kernel cannot tell the PIDs of a container (5.7 and later can); run it in the host's "
			 "PID namespace, or leave out -p");
		return false;
	}
	log_info("in the PID namespace of a container: the PIDs in rows are the host's%s",
		 plan->options->pid ? ", that of -p is the container's" : "");
	return true;
}

static int run(const struct plan *plan, struct saved *saved, const volatile sig_atomic_t *stop)
{
	struct programs programs = PROGRAMS_NONE;
	char errmsg[768];
	struct trace t;
	int err, status = CANNOT;

	trace_init(&t, plan);
	if (naming_begin(&t.naming, plan->options, errmsg, sizeof(errmsg))) {
		status = FAILED;
		goto fail;
	}
	t.journal.names = naming_names(&t.naming);
	if (plan->options->journal && journal_open(&t.journal, stop, errmsg, sizeof(errmsg)))
		goto fail;
	if (plan->options->metrics && open_metrics(&t, errmsg, sizeof(errmsg))) {
		status = FAILED;
		goto fail;
	}
	if (!fits_namespace(plan, errmsg, sizeof(errmsg)))
		goto fail;
	kernel_choose(&t.kernel);
	if (!plan_possible(plan, t.kernel.chosen, errmsg, sizeof(errmsg)))
		goto fail;
	err = compile_programs(&t.kernel, &t.layout, &programs);
	if (*stop) {
		status = DONE;
		goto out;
	}
	if (err) {
		snprintf(errmsg, sizeof(errmsg), "%s", programs.errmsg);
		goto fail;
	}
	if (plan->options->director && !layout_knows_states(&t.kernel.layout)) {
		snprintf(errmsg, sizeof(errmsg), "--director needs the layout of IPVS's structures, which neither BTF nor "
			 "%s here; see -v, and --check",
			 plan->saved ? "the file of --programs has" : "the kernel's headers give");
		goto fail;
	}
	kernel_choose(&t.kernel);	/* again, as the layout may be known now */
	log_hooks(&t.kernel);
	if (trace_load(&t, &programs.object, errmsg, sizeof(errmsg)))
		goto fail;
	programs_close(&programs);
	saved_close(saved);
	if (trace_record(&t, errmsg, sizeof(errmsg))) {
		status = FAILED;
		goto fail;
	}
	if (plan->options->record)
		stop_add_sink(t.recording.fd);
	if (trace_attach(&t, errmsg, sizeof(errmsg)))
		goto fail;
	status = (options_counts(plan->options) ? counting_run(&t, stop) : trace_run(&t, stop)) ? FAILED : DONE;
	if (*stop && isatty(STDERR_FILENO))
		fputc('\r', stderr);	/* overwrites the ^C that the terminal shows */
	trace_print_end(&t);
	goto out;

fail:
	log_error("%s", errmsg);
out:
	trace_close(&t);
	programs_close(&programs);
	return status;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --help, --version, --ebpf: not by stdio, which loses text if stdout is a pipe that does not block. */
static int print_words(const struct options *options, const struct plan *plan)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	int err = -ENOMEM;

	if (to) {
		if (options->help)
			options_help(to, log_name());
		else if (options->version)
			fprintf(to, "%s %s\n", log_name(), VERSION);
		else
			probe_text_print(to, plan_main_text(plan).text, &plan->defines);
		err = fclose(to) ? -ENOMEM : file_write(STDOUT_FILENO, text, len);
	}
	free(text);
	if (err)
		log_error("cannot write: %s", strerror(-err));
	return err ? FAILED : DONE;
}

static int check(struct plan *plan)
{
	const struct output_settings settings = printing_settings(plan->options, NULL);
	struct output out;
	bool possible;
	int err;

	if (output_open(&out, &settings, STDOUT_FILENO)) {
		log_error("out of memory");
		return FAILED;
	}
	possible = check_print(plan, &out);
	err = output_flush(&out);
	output_close(&out);
	if (err)
		log_error("cannot write: %s", strerror(-err));
	return err ? FAILED : possible ? DONE : CANNOT;
}

static int save(const struct options *options, const struct host *host)
{
	const volatile sig_atomic_t *stop = stop_catch_signals();
	struct saved saved;
	char errmsg[768];
	int status = DONE;

	if (save_programs(&saved, options, host, stop, errmsg, sizeof(errmsg))) {
		log_error("%s", errmsg);
		status = *stop ? FAILED : CANNOT;
	} else if (saved_write(&saved, options->save_programs)) {
		log_error("%s", saved.errmsg);
		status = FAILED;
	} else {
		log_info("saved in %s, %zu KiB, for kernel %s", options->save_programs, saved.len / 1024, saved.kernel);
	}
	saved_close(&saved);
	stop_end();
	return status;
}

int main(int argc, char *argv[])
{
	struct saved saved = { .path = NULL };
	struct options options;
	struct plan plan;
	struct host host;
	const volatile sig_atomic_t *stop;
	char missing[1024];
	bool possible;
	int status;

#ifdef __GLIBC__
	/* The value is the default, but now fixed: else glibc keeps the megabytes that BTF takes for a moment. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
	log_init(argc ? base_name(argv[0]) : "ipvs-tcpstate", LOG_INFO);
	if (options_parse(&options, argc, argv)) {
		log_error("%s", options.error);
		return USAGE;
	}
	log_init(log_name(), options.verbose ? LOG_DEBUG : LOG_INFO);
	if (options.help || options.version)
		return print_words(&options, NULL);
	if (options.replay) {
		stop = stop_catch_signals();
		status = replay_run(&options, STDOUT_FILENO, stop) ? FAILED : DONE;
		stop_end();
		return status;
	}
	host_probe(&host);
	possible = host_can_trace(&host, !options.programs, missing, sizeof(missing));
	if (!possible && !options.ebpf && !options.check) {
		log_error("%s", missing);
		return CANNOT;
	}
	if (options.netns && !options.netns_inum &&
	    namespace_net(options.netns, options.proc_root, &options.netns_inum, missing, sizeof(missing))) {
		log_error("%s", missing);
		return USAGE;
	}
	if (options.save_programs && !options.ebpf && !options.check)
		return save(&options, &host);
	if (options.programs && !options.ebpf && saved_open(&saved, options.programs, &host) && !options.check) {
		log_error("%s", saved.errmsg);
		return CANNOT;
	}
	plan_make(&plan, &options, &host, saved.path ? &saved : NULL);
	if (options.ebpf)
		return print_words(&options, &plan);
	if (options.check) {
		status = check(&plan);
	} else {
		stop = stop_catch_signals();
		status = run(&plan, &saved, stop);
		stop_end();
	}
	saved_close(&saved);
	return status;
}
