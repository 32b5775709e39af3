/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/attach.h"

#include "base/abi.h"
#include "base/bpf.h"
#include "base/file.h"
#include "base/log.h"
#include "bpf/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define GROUP "ipvs_tcpstate_"

void attach_init(struct attached *a, const struct host *host, bool by_name)
{
	memset(a, 0, sizeof(*a));
	a->host = host;
	a->by_name = by_name;
	a->runs_fd = -1;
	for (int i = 0; i < HOOK_EVENTS; i++)
		a->program_fd[i] = a->event_fd[i] = a->link_fd[i] = -1;
}

void attach_use(struct attached *a, const int program_fd[HOOK_EVENTS], int runs_fd)
{
	memcpy(a->program_fd, program_fd, sizeof(a->program_fd));
	a->runs_fd = runs_fd;
}

/* An event on one CPU is enough: the program runs on every CPU that hits the hook. */
static int open_tracing_event(struct perf_event_attr *attr)
{
	int fd;

	attr->size = sizeof(*attr);
	attr->sample_period = 1;
	attr->wakeup_events = 1;
	fd = (int)syscall(SYS_perf_event_open, attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_raw_tracepoint(const char *name, int program_fd)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));	/* an initializer clears one member only, from gcc 15 on */
	attr.raw_tracepoint.name = (uintptr_t)name;
	attr.raw_tracepoint.prog_fd = (uint32_t)program_fd;
	fd = (int)syscall(__NR_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static int open_tracepoint(const struct host *h, const char *category, const char *name)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT };
	char path[256], *id;

	snprintf(path, sizeof(path), "%s/events/%s/%s/id", h->tracefs, category, name);
	errno = ENOENT;
	id = file_read(path);
	if (!id)
		return -errno;
	attr.config = strtoull(id, NULL, 10);
	free(id);
	return open_tracing_event(&attr);
}

/* From 4.17 on: the kernel removes the kprobe when its descriptor is closed. */
static int open_kprobe_pmu(const struct host *h, const struct hook *hook)
{
	struct perf_event_attr attr = {
		.type = (uint32_t)h->kprobe_pmu,
		/* bit 0 in every version; see .../devices/kprobe/format/retprobe */
		.config = hook->kind == HOOK_KRETPROBE,
		.kprobe_func = (uintptr_t)hook->target,
		.disabled = 1,
	};

	return open_tracing_event(&attr);
}

bool attach_allowed(const struct attached *a, const struct hook *hook)
{
	int fd = a->by_name ? -EPERM : open_kprobe_pmu(a->host, hook);

	if (fd >= 0)
		close(fd);
	return fd != -EACCES && fd != -EPERM;
}

/* Makes "group/event". The group holds our pid, so that the leftovers of a killed process can be recognized. The event
 * holds it too, as kprobe_profile does not show groups; and it holds the program, as a function may have two. Returns where
 * the event's name begins. */
static const char *event_name(const struct hook *hook, char *name, size_t len)
{
	snprintf(name, len, GROUP "%d/%s_%d", getpid(), hook->program, getpid());
	return strchr(name, '/') + 1;
}

static int write_kprobe_events(const struct host *h, const char *line)
{
	char path[96];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/kprobe_events", h->tracefs);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, line, strlen(line)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Before 4.17: adds a line to kprobe_events. The line outlives a killed process. */
static int open_kprobe_named(struct attached *a, const struct hook *hook)
{
	char name[128], group[sizeof(name)], line[256];
	const char *event = event_name(hook, name, sizeof(name));
	int err;

	snprintf(line, sizeof(line), "%c:%s %s", hook->kind == HOOK_KRETPROBE ? 'r' : 'p', name,
		 hook->target);
	err = write_kprobe_events(a->host, line);
	if (err)
		return err;
	a->named[hook->event] = true;
	snprintf(group, sizeof(group), "%.*s", (int)(event - name - 1), name);
	return open_tracepoint(a->host, group, event);
}

static void remove_name(struct attached *a, enum hook_event event)
{
	char name[128], line[160];

	event_name(a->hook[event], name, sizeof(name));
	snprintf(line, sizeof(line), "-:%s", name);
	write_kprobe_events(a->host, line);
	a->named[event] = false;
}

/* Reads a line of kprobe_profile: "  NAME   HITS   MISSES". A miss is a hit while another kprobe is being handled. */
static bool read_profile(const struct attached *a, enum hook_event event, uint64_t *hits)
{
	char name[128], path[96], *text, *line, *rest;
	const char *wanted = event_name(a->hook[event], name, sizeof(name));
	bool found = false;

	snprintf(path, sizeof(path), "%s/kprobe_profile", a->host->tracefs);
	rest = text = file_read(path);
	while (!found && (line = strsep(&rest, "\n"))) {
		char word[128], *misses;
		int at;

		if (sscanf(line, "%127s%n", word, &at) != 1 || strcmp(word, wanted) != 0)
			continue;
		*hits = strtoull(line + at, &misses, 10);
		*hits += strtoull(misses, NULL, 10);
		found = true;
	}
	free(text);
	return found;
}

/* Sets @unmatched to the number of hits without a run, modulo 2^64. On a busy host there are new hits between the two
 * reads. Then the number is slightly too low, as the runs are read last. */
static bool compare_hits(struct attached *a, enum hook_event event, uint64_t *unmatched)
{
	uint64_t before, runs = runs_count(a->runs_fd, event), hits;
	int tries = 0;

	do {
		before = runs;
		if (!a->named[event] || !read_profile(a, event, &hits))
			return false;
		runs = runs_count(a->runs_fd, event);
	} while (runs != before && ++tries < 8);
	*unmatched = hits - runs;
	return true;
}

/* Reads how many hits ran no program, as another kprobe was being handled. Returns false if the kernel does not report
 * it: before 6.7. */
static bool read_missed(int link_fd, uint64_t *missed)
{
	struct bpf_link_info info;

	if (link_fd < 0 || bpf_link_info(link_fd, &info) < (int)sizeof(info) ||
	    info.perf_event.type != BPF_PERF_EVENT_KPROBE)
		return false;
	*missed = info.perf_event.kprobe.missed;
	return true;
}

static uint64_t count_skipped(struct attached *a, enum hook_event event)
{
	uint64_t n = 0;

	if (!compare_hits(a, event, &n)) {
		read_missed(a->link_fd[event], &n);
		return n;
	}
	n -= a->unmatched[event];
	return n <= INT64_MAX ? n : 0;
}

/* A hit whose program is about to start looks like a skipped one. So a skip counts only if it still does this much later. */
#define BEGIN_NS 1000000

uint64_t attach_skipped(struct attached *a, enum hook_event event)
{
	const struct timespec later = { .tv_nsec = BEGIN_NS };
	uint64_t n, again;

	if (a->event_fd[event] < 0 || a->hook[event]->kind != HOOK_KPROBE)
		return a->skipped[event];
	n = count_skipped(a, event);
	if (n > a->now[event]) {
		nanosleep(&later, NULL);
		again = count_skipped(a, event);
		a->now[event] = again < n ? again : n;
	}
	return a->skipped[event] + a->now[event];
}

bool attach_counts_skips(const struct attached *a, enum hook_event event)
{
	uint64_t missed;

	return a->named[event] || read_missed(a->link_fd[event], &missed);
}

void attach_clear_leftovers(const struct host *host)
{
	char path[96], *text, *line, *rest;

	snprintf(path, sizeof(path), "%s/kprobe_events", host->tracefs);
	rest = text = file_read(path);
	/* p:ipvs_tcpstate_123/tcp_connect_p_123 tcp_connect; a return probe may begin with r8:, its maxactive number */
	while ((line = strsep(&rest, "\n"))) {
		const char *colon = strchr(line, ':');
		char name[128], remove[160], *end;
		long pid;

		if (!colon || sscanf(colon + 1, "%127s", name) != 1 || strncmp(name, GROUP, strlen(GROUP)))
			continue;
		pid = strtol(name + strlen(GROUP), &end, 10);
		if (*end != '/' || pid <= 0 || pid > INT_MAX)
			continue;
		if (!kill((pid_t)pid, 0) || errno != ESRCH)
			continue;
		snprintf(remove, sizeof(remove), "-:%s", name);
		write_kprobe_events(host, remove);
	}
	free(text);
}

static int open_hook(struct attached *a, const struct hook *hook)
{
	if (hook->kind == HOOK_RAW_TRACEPOINT)
		return open_raw_tracepoint(hook->target, a->program_fd[hook->event]);
	if (hook->kind == HOOK_TRACEPOINT)
		return open_tracepoint(a->host, hook->category, hook->target);
	if (!a->by_name)
		return open_kprobe_pmu(a->host, hook);
	return open_kprobe_named(a, hook);
}

/* Uses a link if the kernel has links, from 5.15 on: later kernels report skips through it. */
static int set_program(struct attached *a, const struct hook *hook, int fd)
{
	int program_fd = a->program_fd[hook->event];

	if (hook->kind == HOOK_KPROBE && !a->by_name)
		a->link_fd[hook->event] = bpf_link_event(program_fd, fd);
	if (a->link_fd[hook->event] < 0 && ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd))
		return -errno;
	return ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) ? -errno : 0;
}

static const char *explain_attach(int err)
{
	switch (err) {
	case -ENOENT:
	case -EADDRNOTAVAIL:
		return "not in this kernel (older, or inlined)";
	case -EPERM:
	case -EACCES:
		return "not permitted (lockdown, or a container without the privilege)";
	default:
		return strerror(-err);
	}
}

int attach_hook(struct attached *a, const struct hook *hook, char *errmsg, size_t len)
{
	enum hook_event event = hook->event;
	int fd, err;

	a->hook[event] = hook;
	fd = open_hook(a, hook);
	if (fd < 0) {
		err = fd;
		goto fail;
	}
	a->event_fd[event] = fd;
	a->unmatched[event] = 0 - runs_count(a->runs_fd, event);	/* those were runs of a previous kprobe */
	err = hook->kind == HOOK_RAW_TRACEPOINT ? 0 : set_program(a, hook, fd);
	if (err)
		goto fail;
	/* The kprobe is hit as soon as it has its line, before it has a program. */
	if (a->named[event])
		compare_hits(a, event, &a->unmatched[event]);
	return 0;

fail:
	attach_detach(a, event);
	snprintf(errmsg, len, "cannot see %s: %s %s: %s", hooks_describe(event), hooks_kind(hook->kind),
		 hook->target, explain_attach(err));
	return err == -EADDRNOTAVAIL ? -ENOENT : err;
}

void attach_detach(struct attached *a, enum hook_event event)
{
	a->skipped[event] = attach_skipped(a, event);
	a->now[event] = 0;
	if (a->link_fd[event] >= 0)
		close(a->link_fd[event]);
	a->link_fd[event] = -1;
	if (a->event_fd[event] >= 0)
		close(a->event_fd[event]);
	a->event_fd[event] = -1;
	if (a->named[event])
		remove_name(a, event);	/* only now: an open event keeps it busy */
}

void attach_detach_all(struct attached *a)
{
	/* The second program for state changes backs up the first one, so it is detached before it. */
	attach_detach(a, HOOK_STATE_SECOND);
	for (int event = 0; event < HOOK_EVENTS; event++)
		attach_detach(a, (enum hook_event)event);
}
