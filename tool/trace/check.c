/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/check.h"

#include "base/file.h"
#include "build/cache.h"
#include "host/distro.h"
#include "host/privilege.h"
#include "host/real_server.h"
#include "output/output_journal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status { OK, WARNING, MISSING };

struct finding {
	const char *name;
	enum status status;
	char found[768];
	char mend[256];			/* command that repairs it; "" if there is nothing to repair */
};

struct checker {
	const struct plan *plan;
	const struct host *host;
	struct output *out;
	const struct hook *chosen[HOOK_EVENTS];
	bool possible;
};

static const char *const words[] = { "ok", "warning", "missing" };

static void print_finding_text(struct output *o, const struct finding *f)
{
	const char *start = o->at;

	put_text(o, f->name);
	put_pad(o, start, 12);
	put_char(o, ' ');
	put_text(o, words[f->status]);
	put_pad(o, start, 21);
	put_char(o, ' ');
	put_text(o, f->found);
	if (*f->mend) {
		put_text(o, "; run: ");
		put_text(o, f->mend);
	}
	put_char(o, '\n');
}

static void print_json(struct output *o, const struct finding *f)
{
	put_text(o, "{\"requirement\":");
	put_json(o, f->name);
	put_text(o, ",\"status\":");
	put_json(o, words[f->status]);
	put_text(o, ",\"found\":");
	put_json(o, f->found);
	put_text(o, ",\"mend\":");
	if (*f->mend)
		put_json(o, f->mend);
	else
		put_text(o, "null");
	put_text(o, "}\n");
}

static void report_finding(struct checker *c, struct finding *f)
{
	if (f->status == MISSING)
		c->possible = false;
	if (c->plan->options->json)
		print_json(c->out, f);
	else
		print_finding_text(c->out, f);
	output_flush(c->out);
}

static void check_privilege(struct checker *c)
{
	const uint64_t needed = privilege_bpf() | privilege_perfmon();
	struct finding f = { .name = "privilege" };
	bool has = privilege_has(needed);
	char names[64];

	privilege_names(needed, names, sizeof(names));
	if (has && !geteuid())
		strcpy(f.found, "user 0");
	else
		snprintf(f.found, sizeof(f.found), "user %u %s %s", geteuid(), has ? "with" : "without",
			 names);
	if (privilege_is_confined()) {
		f.status = MISSING;
		snprintf(f.found, sizeof(f.found), "user %u of a user namespace: %s count only if they are the host's", geteuid(),
			 names);
	} else if (!has) {
		f.status = MISSING;
		snprintf(f.mend, sizeof(f.mend), "sudo %s", "ipvs-tcpstate --check");
	}
	report_finding(c, &f);
}

static void check_files(struct checker *c)
{
	const struct host *h = c->host;
	struct finding f = { .name = "open files" };

	if (h->files == UINT64_MAX)
		snprintf(f.found, sizeof(f.found), "unlimited");
	else
		snprintf(f.found, sizeof(f.found), "%" PRIu64 " permitted, up to %" PRIu64 " needed", h->files, h->files_needed);
	if (h->files < h->files_needed) {
		f.status = MISSING;
		snprintf(f.mend, sizeof(f.mend), "ulimit -n %" PRIu64, h->files_needed);
	}
	report_finding(c, &f);
}

static void check_lockdown(struct checker *c)
{
	struct finding f = { .name = "lockdown", .found = "none that forbids BPF" };

	if (c->host->lockdown) {
		f.status = MISSING;
		strcpy(f.found, "confidentiality: no BPF program may read memory; boot without "
				"lockdown=confidentiality");
	}
	report_finding(c, &f);
}

static void check_bpf(struct checker *c)
{
	struct finding f = { .name = "bpf" };

	if (!c->host->bpf) {
		f.status = MISSING;
		snprintf(f.found, sizeof(f.found), "%s", !privilege_has(privilege_bpf()) ? "not known without privilege" :
			 c->host->bpf_forbidden ? "bpf(2) is forbidden here, by a container's seccomp filter or a security module" :
			 "bpf(2) loads no tracing program: CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS");
	} else {
		snprintf(f.found, sizeof(f.found), "programs load, reading by %s%s",
			 c->host->read_helper == BPF_FUNC_probe_read ? "bpf_probe_read"
								     : "bpf_probe_read_kernel",
			 c->host->raw_tracepoints ? ", raw tracepoints" : "");
	}
	report_finding(c, &f);
}

static void check_kprobes(struct checker *c)
{
	const struct options *o = c->plan->options;
	const char *unseen = o->server ? "a full accept queue" : "IPVS";
	enum status without = o->all || o->server ? WARNING : MISSING;
	struct finding f = { .name = "kprobes" };

	if (c->host->kprobes && c->host->kprobes_off) {
		f.status = without;
		snprintf(f.found, sizeof(f.found), "switched off: %s cannot be seen", unseen);
		snprintf(f.mend, sizeof(f.mend), "%s", c->host->kprobes_off);
	} else if (c->plan->named_kprobes) {
		strcpy(f.found, "by tracefs kprobe_events");
	} else if (c->host->kprobes) {
		strcpy(f.found, "by perf event");
	} else {
		f.status = without;
		snprintf(f.found, sizeof(f.found), "none (CONFIG_KPROBE_EVENTS): %s cannot be seen%s", unseen,
			 o->server ? "" : ", only -a works");
	}
	report_finding(c, &f);
}

static void check_tracefs(struct checker *c)
{
	struct finding f = { .name = "tracefs" };

	if (*c->host->tracefs) {
		snprintf(f.found, sizeof(f.found), "%s", c->host->tracefs);
	} else if (c->host->tracefs_hidden) {
		f.status = MISSING;
		strcpy(f.found, "not readable without CAP_DAC_READ_SEARCH");
		strcpy(f.mend, "sudo ipvs-tcpstate --check");
	} else {
		f.status = MISSING;
		strcpy(f.found, "not mounted");
		strcpy(f.mend, "mount -t tracefs nodev /sys/kernel/tracing");
	}
	report_finding(c, &f);
}

/* Reports whether the file of --programs has the programs for these options. */
static void check_saved(struct checker *c, struct finding *f)
{
	const struct saved *saved = c->plan->saved;
	const struct programs_text text = plan_main_text(c->plan);
	char *key = saved_key(text.text, text.flags, text.n_flags);
	struct object object = { 0 };

	if (*saved->errmsg)
		snprintf(f->found, sizeof(f->found), "%s", saved->errmsg);
	if (key && !*saved->errmsg && !saved_find(saved, text.kind, key, &object, f->found, sizeof(f->found)))
		snprintf(f->found, sizeof(f->found), "not needed, programs in %.256s", saved->path);
	else
		f->status = MISSING;
	object_free(&object);
	free(key);
	report_finding(c, f);
}

static void check_headers(struct checker *c)
{
	const struct host *h = c->host;
	struct finding f = { .name = "headers" };
	char source[128];

	snprintf(source, sizeof(source), "/lib/modules/%s/source", h->uts.release);
	if (c->plan->saved) {
		check_saved(c, &f);
		return;
	}
	if (!*h->headers) {
		f.status = MISSING;
		snprintf(f.found, sizeof(f.found), "no /lib/modules/%s/build, no kheaders, no --programs",
			 h->uts.release);
	} else if (!host_headers_match(h)) {
		f.status = WARNING;
		snprintf(f.found, sizeof(f.found), "%.128s is of kernel %s, not %s", h->headers,
			 h->headers_release, h->uts.release);
	} else {
		snprintf(f.found, sizeof(f.found), "%.128s%s", h->headers,
			 access(source, F_OK) ? "" : ", with its source link");
	}
	if (f.status)
		distro_headers_hint(h->uts.release, f.mend, sizeof(f.mend));
	report_finding(c, &f);
}

static void check_saved_layout(const struct checker *c, struct finding *f)
{
	const struct programs_text text = plan_layout_text(c->plan);
	char *key = saved_key(text.text, text.flags, text.n_flags), why[512];
	struct object object = { 0 };

	if (key && !saved_find(c->plan->saved, text.kind, key, &object, why, sizeof(why))) {
		snprintf(f->found, sizeof(f->found), "no BTF: from %.256s", c->plan->saved->path);
	} else {
		f->status = WARNING;
		snprintf(f->found, sizeof(f->found), "not in %.200s: no reasons, no IPv6 real servers", c->plan->saved->path);
	}
	object_free(&object);
	free(key);
}

static void check_layout(struct checker *c)
{
	struct finding f = { .name = "layout" };

	if (c->plan->layout_known) {
		strcpy(f.found, "from the kernel's own types (BTF)");
	} else if (c->plan->saved) {
		check_saved_layout(c, &f);
	} else if (!host_headers_match(c->host) || !*c->host->headers) {
		f.status = WARNING;
		strcpy(f.found, "not known without the kernel's own headers: no reasons, no IPv6 real servers");
	} else {
		strcpy(f.found, "no BTF: compiled from the headers");
	}
	report_finding(c, &f);
}

/* True if this release of libbcc cannot compile the headers. Before 0.12 it does not know "asm inline". Headers use that
 * from 5.4 on, if the compiler of the kernel has it. @release: "0.10.0" */
static bool is_too_old(const struct host *h, const char *release)
{
	char path[PATH_MAX + 64], *text;
	bool has;

	if (strncmp(release, "0.", 2) != 0 || strtoul(release + 2, NULL, 10) >= 12)
		return false;
	snprintf(path, sizeof(path), "%s/include/generated/autoconf.h", h->headers);
	text = file_read(path);
	has = text && strstr(text, "#define CONFIG_CC_HAS_ASM_INLINE 1");
	free(text);
	return has;
}

/* The name of the library's file contains the release: libbcc.so.0.26.0. */
static void check_libbcc(struct checker *c)
{
	struct finding f = { .name = "libbcc" };
	char real[PATH_MAX], hint[160];
	const char *release;
	bool old;

	if (c->plan->saved) {
		strcpy(f.found, "not needed with --programs");
	} else if (!c->host->libbcc_found || !realpath(c->host->libbcc, real)) {
		f.status = MISSING;
		strcpy(f.found, "no libbcc.so.0 where libraries are kept");
		distro_libbcc_hint(f.mend, sizeof(f.mend));
	} else {
		release = strstr(real, ".so.");
		release = release ? release + strlen(".so.") : "not known";
		old = is_too_old(c->host, release);
		snprintf(f.found, sizeof(f.found), "%.256s, release %.32s%s", real, release,
			 old ? ": before 0.12 it compiles nothing for kernels from 5.4 on" : "");
		if (old) {
			f.status = MISSING;
			distro_libbcc_hint(hint, sizeof(hint));
			snprintf(f.mend, sizeof(f.mend), "%s (a later release)", hint);
		}
	}
	report_finding(c, &f);
}

static bool can_read_ipvs(const char *pid)
{
	char path[300];

	snprintf(path, sizeof(path), "/proc/%.200s/net/ip_vs", pid);
	return !access(path, R_OK);
}

/* Counts the network namespaces with processes in which IPVS has at least one virtual service. */
static int namespaces_with_services(void)
{
	ino_t seen[256];
	struct dirent *entry;
	int n_seen = 0, n = 0;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc)) && n_seen < 256) {
		char path[300], *text;
		struct stat st;
		int i = 0;

		snprintf(path, sizeof(path), "/proc/%.200s/ns/net", entry->d_name);
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || stat(path, &st))
			continue;
		while (i < n_seen && seen[i] != st.st_ino)
			i++;
		if (i < n_seen)
			continue;
		seen[n_seen++] = st.st_ino;
		snprintf(path, sizeof(path), "/proc/%.200s/net/ip_vs", entry->d_name);
		text = can_read_ipvs(entry->d_name) ? file_read(path) : NULL;
		n += text && (strstr(text, "\nTCP ") || strstr(text, "\nFWM "));
		free(text);
	}
	if (proc)
		closedir(proc);
	return n;
}

static void check_ipvs(struct checker *c)
{
	struct finding f = { .name = "ip_vs" };
	char path[300];

	snprintf(path, sizeof(path), "/lib/modules/%s/kernel/net/netfilter/ipvs",
		 c->host->uts.release);
	if (host_ipvs()) {
		snprintf(f.found, sizeof(f.found), "%s; %d network namespaces with virtual services",
			 access("/sys/module/ip_vs/initstate", F_OK) ? "built in" : "loaded",
			 namespaces_with_services());
	} else if (!access(path, F_OK)) {
		f.status = WARNING;
		strcpy(f.found, "not loaded: rows begin when it is, or use -a");
		strcpy(f.mend, "modprobe ip_vs");
	} else {
		f.status = WARNING;
		strcpy(f.found, "not loaded, and no such module for this kernel: only -a has rows");
	}
	report_finding(c, &f);
}

/* What a real server's network must be. */
static void check_real_server(struct checker *c)
{
	struct finding arp = { .name = "arp" }, filter = { .name = "rp_filter" };

	if (!real_server_arp(arp.found, sizeof(arp.found), arp.mend, sizeof(arp.mend)))
		arp.status = WARNING;
	if (!real_server_filter(filter.found, sizeof(filter.found), filter.mend, sizeof(filter.mend)))
		filter.status = WARNING;
	report_finding(c, &arp);
	report_finding(c, &filter);
}

/* True if the tool cannot do without a hook for the event. */
static bool is_hook_needed(const struct options *o, enum hook_event event)
{
	if (event >= HOOK_SYN_ACK)
		return event == HOOK_SYN_ACK;
	return event == HOOK_STATE || (!o->all && event != HOOK_RETRANSMIT && event != HOOK_ERROR);
}

static void check_hooks(struct checker *c)
{
	for (int event = 0; event < HOOK_EVENTS; event++) {
		const struct hook *hook = c->chosen[event];
		struct finding f = { .name = "hook" };

		if (!plan_wants(c->plan, (enum hook_event)event) ||
		    ((event == HOOK_STATE_SECOND || (event == HOOK_RESET_V6 && c->chosen[HOOK_RESET])) && !hook))
			continue;
		if (!hook)
			f.status = is_hook_needed(c->plan->options, (enum hook_event)event) ? MISSING : WARNING;
		snprintf(f.found, sizeof(f.found), "%s: %s%s%s", hooks_describe((enum hook_event)event),
			 hooks_kind(hook ? hook->kind : HOOK_NONE), hook ? " " : "",
			 hook ? hook->target : "");
		report_finding(c, &f);
	}
}

static void check_cache(struct checker *c)
{
	const char *dir = plan_cache_dir(c->plan);
	const struct programs_text text = plan_main_text(c->plan);
	struct finding f = { .name = "cache" };
	struct object object;
	char why[256] = "";
	char *key;
	int err;

	if (!dir) {
		snprintf(f.found, sizeof(f.found), "not used (%s)", c->plan->saved ? "--programs" : "--no-cache");
		report_finding(c, &f);
		return;
	}
	key = cache_key(c->host, text.text, text.flags, text.n_flags);
	err = key ? cache_load(dir, text.kind, key, &object, why, sizeof(why)) : -ENOMEM;
	if (!err) {
		object_free(&object);
		snprintf(f.found, sizeof(f.found), "hit in %.128s", dir);
	} else if (err == -ENOENT) {
		snprintf(f.found, sizeof(f.found), "miss in %.128s: the next start compiles", dir);
	} else {
		f.status = WARNING;
		snprintf(f.found, sizeof(f.found), "%s", *why ? why : strerror(-err));
	}
	free(key);
	report_finding(c, &f);
}

static void check_journal(struct checker *c)
{
	struct finding f = { .name = "journal", .found = "runs, and libsystemd is there" };
	struct journal journal = { 0 };

	if (!c->plan->options->journal)
		return;
	if (journal_open(&journal, NULL, f.found, sizeof(f.found)))
		f.status = MISSING;
	journal_close(&journal);
	report_finding(c, &f);
}

bool check_print(const struct plan *p, struct output *o)
{
	struct checker c = { .plan = p, .host = p->host, .out = o, .possible = true };

	plan_choose(p, &p->layout, c.chosen);
	check_privilege(&c);
	check_files(&c);
	check_lockdown(&c);
	check_bpf(&c);
	check_kprobes(&c);
	check_tracefs(&c);
	check_headers(&c);
	check_layout(&c);
	check_libbcc(&c);
	if (p->options->server)
		check_real_server(&c);
	else
		check_ipvs(&c);
	check_hooks(&c);
	check_cache(&c);
	check_journal(&c);
	return c.possible;
}
