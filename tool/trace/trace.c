/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/trace.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/namespace.h"
#include "host/privilege.h"
#include "probes/tcp_state.h"
#include "trace/compile.h"
#include "trace/printing.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kernel wakes the tool when an eighth of a buffer is full. Else the tool reads the buffers every READ_MS, so
 * that a row is never later than READ_MS and SETTLE_MS together. */
#define READ_MS 50
/* An event takes this long at most from its timestamp to its buffer: softirqs may interrupt a program for two ticks, see
 * net_rx_action() in net/core/dev.c. Only a CPU that stands still, such as a virtual one, takes longer. */
#define SETTLE_MS 10
#define WATCH_MS 1000

static void on_sample(void *cookie, const void *data, size_t len)
{
	struct trace *t = cookie;

	recording_sample(&t->recording, data, len);
	t->output.events++;
	if (correlate_add(&t->correlate, data, len))
		t->lost.n[LOSS_DAMAGED]++;
}

/* Empties the perf buffers, so that they do not overflow while something else takes long. */
static void collect(void *cookie)
{
	struct trace *t = cookie;

	if (options_sends(t->options))
		perfbuf_drain(&t->perfbuf, on_sample, t);
}

void trace_init(struct trace *t, const struct plan *plan)
{
	memset(t, 0, sizeof(*t));
	t->options = plan->options;
	kernel_init(&t->kernel, plan);
	t->layout = (struct programs)PROGRAMS_NONE;
	t->watch.kernel = &t->kernel;
	t->watch.meanwhile = collect;
	t->watch.cookie = t;
	t->watch.summary = options_counts(plan->options) ? &t->summary : NULL;
}

static int open_buffers(struct trace *t, char *errmsg, size_t len)
{
	struct perfbuf *p = &t->perfbuf;
	int err = perfbuf_open(p, t->kernel.loaded.events_fd, t->options->buffer_bytes);
	size_t kib = p->data_size / 1024, n = 0;

	if (err)
		snprintf(errmsg, len, "cannot make perf buffers of %zu KiB for each CPU: %s%s", kib,
			 err == -EPERM ? "more locked memory than allowed without CAP_IPC_LOCK" : strerror(-err),
			 err == -EPERM || err == -ENOMEM ? "; give smaller ones by -b" : "");
	for (size_t i = 0; i < p->n; i++)
		n += p->rings[i].online;
	if (!err)
		log_debug("perf buffers of %zu KiB for each of %zu CPUs, %zu KiB in all", kib, n, n * kib);
	return err;
}

int trace_load(struct trace *t, const struct object *programs, char *errmsg, size_t len)
{
	const struct options *o = t->options;
	const struct output_settings settings = printing_settings(o, naming_names(&t->naming));
	int err = kernel_load(&t->kernel, programs, errmsg, len);

	if (err)
		return err;
	err = options_sends(o) ? open_buffers(t, errmsg, len) : 0;
	if (err)
		return err;
	err = correlate_init(&t->correlate);
	if (!err && options_containers(o))
		err = containers_open(&t->containers, namespace_host_proc() ? o->proc_root : NULL);
	if (t->containers.groups.err)
		log_warning("cannot watch all control groups: %s; containers may be missing in rows; see fs.inotify.max_user_watches",
			    strerror(-t->containers.groups.err));
	if (!err && t->containers.groups.fd > 0)
		err = perfbuf_wake_by(&t->perfbuf, t->containers.groups.fd);
	printing_correlate(&t->correlate, o);
	if (!err)
		err = trouble_init(&t->trouble, options_trouble(o), o->failures == FAILURES_WHOLE);
	if (!err)
		err = health_init(&t->health, o->down);
	if (!err)
		err = output_open(&t->output, &settings, STDOUT_FILENO);
	if (err)
		snprintf(errmsg, len, "out of memory");
	return err;
}

int trace_record(struct trace *t, char *errmsg, size_t len)
{
	const char *path = t->options->record;

	return path ? recording_create(&t->recording, path, t->output.wall.realtime_ns, errmsg, len) : 0;
}

/* Says what --server cannot see on this host. */
static void report_blind_server(const struct kernel *k)
{
	const struct layout *l = &k->layout;

	if (!layout_knows_packets(l))
		log_warning("--server: the layout of this kernel's packets is not known, so only SYN-ACKs sent again are shown; see -v, "
			    "and --check");
	else if (!k->chosen[HOOK_ACCEPT_ACK])
		log_warning("--server: this kernel has no kprobes (CONFIG_KPROBE_EVENTS), so a full accept queue is not shown%s",
			    k->chosen[HOOK_RESET] ? "" : ", nor a SYN without a listener");
}

/* Attaches to IPVS after the connects that IPVS takes, and to state changes last. So if the tool sees a connect begin,
 * it also sees it go on. */
int trace_attach(struct trace *t, char *errmsg, size_t len)
{
	static const enum hook_event before[] = { HOOK_CONNECT, HOOK_CONNECT_RETURN, HOOK_RETRANSMIT, HOOK_ERROR };
	int err = 0;

	attach_clear_leftovers(t->kernel.plan->host);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]) && !err; i++)
		err = kernel_attach(&t->kernel, before[i], errmsg, len);
	if (t->options->server)
		report_blind_server(&t->kernel);
	for (int event = HOOK_SYN_ACK; event < HOOK_EVENTS && !err; event++)
		err = kernel_attach(&t->kernel, (enum hook_event)event, errmsg, len);
	if (err)
		return err;
	watch_ipvs(&t->watch, false);
	err = kernel_attach(&t->kernel, HOOK_STATE, errmsg, len);
	if (!err)
		err = kernel_attach(&t->kernel, HOOK_STATE_SECOND, errmsg, len);
	if (err)
		return err;
	watch_begin(&t->watch);
	if (!options_every_socket(t->options) && !t->options->server && !kernel_sees_ipvs(&t->kernel))
		log_info("ip_vs is not loaded: waiting for it (modprobe ip_vs), or use -a for every "
			 "TCP socket");
	return 0;
}

/* Takes over the layout when it is compiled. The first rows may be printed before that. */
static void follow_layout(struct trace *t)
{
	int err;

	if (t->ready || !compile_follow(&t->kernel, &t->layout))
		return;
	t->ready = true;
	if (t->options->netns && !(t->kernel.layout.skc_net && t->kernel.layout.net_inum))
		log_warning("--netns: the layout of this kernel's sockets is not known, so no row is shown; see -v, and --check");
	/* From here on the tool starts no process, loads nothing and writes no cache. */
	err = privilege_trace_only(t->options->journal, t->metrics.settings.path, options_containers(t->options));
	if (err)
		log_debug("cannot restrict system calls: %s", err == -EINVAL ? "this kernel takes no seccomp filter" :
										  strerror(-err));
	log_info("tracing; Ctrl-C ends it");
}

static void cpu_came(int cpu, int err)
{
	if (err)
		log_warning("CPU %d came online, but its rows are lost, because it has no perf buffer: %s; "
			    "start the tool again", cpu, strerror(-err));
	else
		log_info("CPU %d came online: its rows are shown from now on", cpu);
}

/* Reports that the recording has failed, if @err is set. Tracing goes on: rows matter more than their recording. */
static void check_recording(struct trace *t, int err)
{
	if (!err)
		return;
	log_error("cannot record to %.200s: %s; the recording ends here, tracing goes on",
		  t->options->record, strerror(-err));
	t->unrecorded = err;
}

/* Follows the wall clock when it is stepped, also by the end of a suspend. */
static void follow_clock(struct trace *t)
{
	struct wall_clock *wall = &t->output.wall;

	if (wall_clock_look(wall))
		check_recording(t, recording_clock(&t->recording, wall->changed_ns, wall->realtime_ns));
}

static void write_row(void *cookie, const struct row *row)
{
	struct trace *t = cookie;

	output_row(&t->output, row);
	if (t->options->journal)
		journal_row(&t->journal, row);
}

static void find_container(struct trace *t, struct row *row)
{
	const struct containers_query q = {
		.now_ns = row->ts_ns, .cgroup = row->cgroup, .skaddr = row->skaddr, .netns = row->netns,
		.pid = row->owned ? row->pid : 0, .opens = row->oldstate == TCP_CLOSE, .ends = row->newstate == TCP_CLOSE,
	};

	if (row_has_process(row))
		row->container = containers_find(&t->containers, &q);
}

static void print_row(struct trace *t, struct row *row)
{
	const char *name = t->options->container;
	struct row event;

	find_container(t, row);
	if (name && !(row->container && container_has_name(row->container, name)))
		return;
	trouble_row(&t->trouble, row, write_row, t);
	if (health_row(&t->health, row, &event) && !output_limit_reached(&t->output))
		write_row(t, &event);
}

/* Prints one round: all events in the buffers, in the order of time. Events younger than
 * @settle_ns wait for the next round, as another CPU may still add one from before them. */
static int print_rows(struct trace *t, uint64_t settle_ns)
{
	uint64_t before_ns = clock_now_ns() - settle_ns, rows = 0;
	struct row row;
	int err;

	containers_follow(&t->containers);
	perfbuf_drain(&t->perfbuf, on_sample, t);
	correlate_sort(&t->correlate);
	for (; !output_limit_reached(&t->output) && correlate_next(&t->correlate, before_ns, &row); rows++)
		if (!options_counts(t->options))
			print_row(t, &row);
	correlate_keep(&t->correlate, before_ns);
	err = output_flush(&t->output);
	check_recording(t, recording_round(&t->recording, before_ns, rows));
	return err;
}

/* Reports what was lost since the last call. @last: tracing has ended */
static void report_losses(struct trace *t, bool last)
{
	struct recording_lost lost = { .ts_ns = clock_now_ns(), .last = last };
	uint64_t skipped[HOOK_EVENTS];
	struct losses now = t->lost;
	bool recorded = false;

	for (int event = 0; event < HOOK_EVENTS; event++)
		skipped[event] = attach_skipped(&t->kernel.attached, (enum hook_event)event);
	missed_losses(&t->missed, &t->kernel.loaded, skipped, unseen_count(&t->watch.unseen), last, &now);
	t->lost.n[LOSS_UNREAD] = t->watch.unread;
	if (losses_update(&t->lost, &now, &lost.since))
		output_lost(&t->output, lost.ts_ns, &lost.since, last);
	for (int i = 0; i < LOSSES_RECORDED; i++)
		recorded |= lost.since.n[i] != 0;
	if (recorded)
		check_recording(t, recording_lost(&t->recording, &lost));
}

void trace_find_losses(struct trace *t)
{
	report_losses(t, false);
}

static bool can_count(void *cookie)
{
	const struct trace *t = cookie;
	uint64_t n;

	return !loader_count(&t->kernel.loaded, COUNT_LOST, &n);
}

static bool can_probe(void *cookie)
{
	const struct trace *t = cookie;
	const struct hook *any = t->kernel.chosen[HOOK_FORWARD_FREE];

	if (!any && t->kernel.chosen[HOOK_IPVS])
		any = t->kernel.chosen[HOOK_CONNECT];
	return !any || attach_allowed(&t->kernel.attached, any);
}

static bool can_read_names(void *cookie)
{
	const struct trace *t = cookie;

	return naming_can_read(&t->naming);
}

/* Drops the privileges that are no longer needed. Tracing IPVS still needs some: the tool attaches kprobes again
 * when ip_vs is loaded again, and looks for its namespaces. Open maps need none, except on kernels before 5.19
 * if kernel.unprivileged_bpf_disabled is set. */
static void drop_privilege(const struct trace *t)
{
	const struct privilege_fallback spare[] = {
		{ privilege_bpf(), can_count },
		{ privilege_admin(), can_probe },
		{ privilege_read(), can_read_names },
	};
	bool ipvs = t->kernel.chosen[HOOK_IPVS] || t->kernel.chosen[HOOK_FORWARD_FREE];
	uint64_t keep = ipvs ? privilege_perfmon() | privilege_ptrace() : 0;
	int err;

	if (options_containers(t->options))	/* to see the namespaces of other users' processes */
		keep |= privilege_ptrace();
	if (t->metrics.settings.path)	/* its folder may be made again at any time, by another user */
		keep |= privilege_write();
	err = privilege_drop(keep, spare, sizeof(spare) / sizeof(spare[0]), (void *)t);
	if (err)
		log_warning("cannot give up privileges that are no longer needed: %s", strerror(-err));
}

void trace_begin(struct trace *t)
{
	bool realtime = options_sends(t->options) && !t->options->no_realtime;

	if (realtime && t->kernel.plan->host->preempt_rt)
		log_debug("a PREEMPT_RT kernel: reading at an ordinary priority, not to disturb realtime processes");
	priority_raise(&t->priority, realtime && !t->kernel.plan->host->preempt_rt);
	drop_privilege(t);
	follow_layout(t);	/* says that it traces, if nothing is compiled any more */
	t->looked_ns = clock_now_ns();
}

static int wait_for_events(struct trace *t, int ms)
{
	int most = !options_sends(t->options) && t->ready ? WATCH_MS : t->correlate.n ? SETTLE_MS : READ_MS;

	if (ms > most)
		ms = most;
	if (options_sends(t->options)) {
		perfbuf_wait(&t->perfbuf, ms);
		follow_clock(t);
		return print_rows(t, SETTLE_MS * 1000000);
	}
	poll(NULL, 0, ms);
	follow_clock(t);
	return 0;
}

int trace_step(struct trace *t, int ms)
{
	int err = wait_for_events(t, ms);
	uint64_t now;

	naming_follow(&t->naming);
	follow_layout(t);
	priority_check(&t->priority);
	now = clock_now_ns();
	if (now - t->looked_ns >= WATCH_MS * 1000000ULL) {
		watch_ipvs(&t->watch, t->ready);
		watch_kprobes(&t->watch);
		watch_unseen(&t->watch);
		watch_entries(&t->watch);
		watch_rate(&t->watch);
		if (options_sends(t->options))
			perfbuf_update_cpus(&t->perfbuf, t->kernel.loaded.events_fd, cpu_came);
		report_losses(t, false);
		t->looked_ns = now;
	}
	return err;
}

void trace_detach(struct trace *t, int *err)
{
	watch_unseen(&t->watch);
	attach_detach_all(&t->kernel.attached);
	follow_clock(t);
	if (!*err && options_sends(t->options))
		*err = print_rows(t, 0);
	report_losses(t, true);
}

int trace_end(struct trace *t, int err)
{
	output_end(&t->output, &t->lost);
	if (!err)
		err = output_flush(&t->output);
	check_recording(t, recording_end(&t->recording, &t->lost));
	if (t->journal.refused)
		log_error("%" PRIu64 " rows are not in the journal: %s", t->journal.refused,
			  strerror(-t->journal.err));
	if (!err || err == -EPIPE)
		return t->journal.err ? t->journal.err : t->unrecorded;	/* -EPIPE: the reader wants no more rows */
	log_error("cannot write rows: %s", strerror(-err));
	return err;
}

int trace_run(struct trace *t, const volatile sig_atomic_t *stop)
{
	uint64_t seconds = t->options->seconds, started = clock_now_ns();
	int err;

	trace_begin(t);
	output_header(&t->output);
	err = output_flush(&t->output);
	while (!*stop && !err && !output_limit_reached(&t->output) && !(seconds && clock_now_ns() - started >= seconds * 1000000000))
		err = trace_step(t, READ_MS);
	trace_detach(t, &err);
	return trace_end(t, err);
}

void trace_print_end(const struct trace *t)
{
	uint64_t synced = 0;

	if (t->options->director && !loader_count(&t->kernel.loaded, COUNT_SYNCED, &synced) && synced)
		log_info("%" PRIu64 " entries came from another director", synced);
	if (t->health.forgotten)
		log_warning(HEALTH_FORGOTTEN, t->health.forgotten);
	if (t->trouble.forgotten)
		log_warning(TROUBLE_FORGOTTEN, t->trouble.forgotten);
	output_print_end(&t->output, &t->lost);
}

void trace_close(struct trace *t)
{
	attach_detach_all(&t->kernel.attached);
	perfbuf_close(&t->perfbuf);
	kernel_close(&t->kernel);
	programs_close(&t->layout);
	correlate_fini(&t->correlate);
	trouble_fini(&t->trouble);
	health_fini(&t->health);
	containers_close(&t->containers);
	output_close(&t->output);
	recording_close(&t->recording);
	naming_end(&t->naming);
	journal_close(&t->journal);
	summary_close(&t->summary);
	metrics_close(&t->metrics);
}
