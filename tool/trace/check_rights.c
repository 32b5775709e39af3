/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/check_rights.h"

#include "base/abi.h"
#include "host/cgroups.h"
#include "host/namespace.h"
#include "host/privilege.h"
#include "host/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Says what gives root the capabilities that it lacks. Their names begin with CAP_, which containers' settings leave out. */
static void add_capabilities(struct finding *f, uint64_t set)
{
	char names[64], docker[128] = "", list[64] = "", *name, *rest = names;

	privilege_names(set, names, sizeof(names));
	while ((name = strsep(&rest, " "))) {
		if (strncmp(name, "CAP_", 4) != 0)
			continue;
		snprintf(docker + strlen(docker), sizeof(docker) - strlen(docker), "--cap-add %s ", name + 4);
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", *list ? ", " : "", name + 4);
	}
	f->adds = true;
	snprintf(f->mend, sizeof(f->mend), "docker run %.*s; Kubernetes: capabilities.add %s; systemd: CapabilityBoundingSet",
		 (int)strlen(docker) - 1, docker, list);
}

void check_privilege(const struct plan *p, struct finding *f)
{
	const uint64_t needed = privilege_bpf() | privilege_perfmon();
	uint64_t missing = (privilege_has(privilege_bpf()) ? 0 : privilege_bpf()) |
			   (privilege_has(privilege_perfmon()) ? 0 : privilege_perfmon());
	char names[64];

	(void)p;
	f->name = "privilege";
	privilege_names(missing ? missing : needed, names, sizeof(names));
	if (!missing && !geteuid())
		strcpy(f->found, "user 0");
	else
		snprintf(f->found, sizeof(f->found), "user %u %s %s", geteuid(), missing ? "without" : "with", names);
	if (privilege_is_confined()) {
		f->status = MISSING;
		privilege_names(needed, names, sizeof(names));
		snprintf(f->found, sizeof(f->found), "user %u of a user namespace: %s count only if they are the host's", geteuid(),
			 names);
	} else if (missing) {
		f->status = MISSING;
		if (geteuid())
			strcpy(f->mend, "sudo ipvs-tcpstate --check");
		else
			add_capabilities(f, missing);
	}
}

void check_files(const struct plan *p, struct finding *f)
{
	const struct host *h = p->host;

	f->name = "open files";
	if (h->files == UINT64_MAX)
		strcpy(f->found, "unlimited");
	else
		snprintf(f->found, sizeof(f->found), "%" PRIu64 " permitted, up to %" PRIu64 " needed", h->files, h->files_needed);
	if (h->files < h->files_needed) {
		f->status = MISSING;
		snprintf(f->mend, sizeof(f->mend), "ulimit -n %" PRIu64, h->files_needed);
	}
}

void check_bpf(const struct plan *p, struct finding *f)
{
	const struct host *h = p->host;

	f->name = "bpf";
	if (h->bpf) {
		snprintf(f->found, sizeof(f->found), "programs load, reading by %s%s",
			 h->read_helper == BPF_FUNC_probe_read ? "bpf_probe_read" : "bpf_probe_read_kernel",
			 h->raw_tracepoints ? ", raw tracepoints" : "");
		return;
	}
	f->status = MISSING;
	if (!privilege_has(privilege_bpf() | privilege_perfmon())) {
		strcpy(f->found, "not known without privilege");
	} else if (h->bpf_forbidden) {
		snprintf(f->found, sizeof(f->found), "bpf(2) is forbidden by %s", view_forbids(&h->view));
		f->adds = view_permit(&h->view, f->mend, sizeof(f->mend));
	} else {
		strcpy(f->found, "bpf(2) loads no tracing program: CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS");
	}
}

void check_perf(const struct plan *p, struct finding *f)
{
	const struct view *v = &p->host->view;

	f->name = "perf events";
	strcpy(f->found, "permitted");
	if (!v->perf_err)
		return;
	f->status = MISSING;
	if (privilege_has(privilege_perfmon()))
		f->adds = view_forbids_perf(v, f->found, sizeof(f->found), f->mend, sizeof(f->mend));
	else
		strcpy(f->found, "not known without privilege");
}

void check_tracefs(const struct plan *p, struct finding *f)
{
	const struct host *h = p->host;

	f->name = "tracefs";
	if (*h->tracefs) {
		snprintf(f->found, sizeof(f->found), "%s", h->tracefs);
	} else if (h->tracefs_hidden) {
		f->status = MISSING;
		strcpy(f->found, "not readable without CAP_DAC_READ_SEARCH");
		strcpy(f->mend, "sudo ipvs-tcpstate --check");
	} else {
		f->status = MISSING;
		strcpy(f->found, "not mounted");
		f->adds = host_tracefs_remedy(h, f->mend, sizeof(f->mend));
	}
}

/* What cannot be told if /proc has not all processes, or they cannot be looked into */
#define OF_PROCESSES "connections from before the start and containers in other network namespaces are not known"

void check_processes(const struct plan *p, struct finding *f)
{
	static const struct remedy host_pids = { NULL, "--pid=host", "hostPID: true" };
	size_t hidden, n = view_processes(p->options->proc_root, &hidden);

	f->name = "processes";
	if (!namespace_host_proc()) {
		f->status = WARNING;
		strcpy(f->found, "only those of this PID namespace: " OF_PROCESSES);
		f->adds = view_remedy(&p->host->view, &host_pids, f->mend, sizeof(f->mend));
	} else if (!privilege_has(privilege_ptrace())) {
		f->status = WARNING;
		strcpy(f->found, "no CAP_SYS_PTRACE: " OF_PROCESSES);
		if (!geteuid())
			add_capabilities(f, privilege_ptrace());
	} else if (hidden) {
		f->status = WARNING;
		snprintf(f->found, sizeof(f->found), "%zu of the host's %zu cannot be looked into, by a security module: " OF_PROCESSES,
			 hidden, n);
		f->adds = view_permit(&p->host->view, f->mend, sizeof(f->mend));
	} else {
		snprintf(f->found, sizeof(f->found), "the host's, %zu", n);
	}
}

void check_groups(const struct plan *p, struct finding *f)
{
	static const struct remedy all = { NULL, "-v /sys/fs/cgroup:/sys/fs/cgroup:ro", "hostPath /sys/fs/cgroup" };
	char mount[PATH_MAX];
	bool whole = cgroups_find(mount);

	f->name = "cgroups";
	if (!*mount) {
		strcpy(f->found, "no v2 hierarchy: containers by /proc/PID/cgroup");
	} else if (whole) {
		snprintf(f->found, sizeof(f->found), "%.512s", mount);
	} else {
		f->status = WARNING;
		snprintf(f->found, sizeof(f->found), "only a part of the hierarchy is at %.512s: containers are not known", mount);
		f->adds = view_remedy(&p->host->view, &all, f->mend, sizeof(f->mend));
	}
}
