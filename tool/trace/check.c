/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/check.h"

#include "base/file.h"
#include "build/cache.h"
#include "host/distro.h"
#include "host/headers.h"
#include "host/real_server.h"
#include "ipvs/ipvs.h"
#include "output/output_journal.h"
#include "trace/check_rights.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct checker {
	const struct plan *plan;
	const struct host *host;
	struct output *out;
	const struct hook *chosen[HOOK_EVENTS];
	bool possible;
};

static void report_finding(struct checker *c, const struct finding *f)
{
	if (f->status == MISSING)
		c->possible = false;
	finding_print(f, c->out, c->plan->options->json);
	output_flush(c->out);
}

static void add_found(struct finding *f, const char *words)
{
	size_t used = strlen(f->found);

	snprintf(f->found + used, sizeof(f->found) - used, "%s", words);
}

static void check_right(struct checker *c, void (*check)(const struct plan *p, struct finding *f))
{
	struct finding f = { .status = OK };

	check(c->plan, &f);
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

/* Before 4.17 each kprobe is a line there; the tracefs of a container may be mounted read-only. */
static bool can_name_kprobes(const struct host *h)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/kprobe_events", h->tracefs);
	return !access(path, W_OK);
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
	} else if (c->plan->named_kprobes && !can_name_kprobes(c->host)) {
		f.status = without;
		snprintf(f.found, sizeof(f.found), "cannot write %s/kprobe_events: %s", c->host->tracefs, strerror(errno));
		f.adds = host_tracefs_remedy(c->host, f.mend, sizeof(f.mend));
	} else if (c->plan->named_kprobes) {
		strcpy(f.found, "by tracefs kprobe_events");
	} else if (c->host->kprobes) {
		strcpy(f.found, "by perf event");
	} else if (!*c->host->tracefs) {
		f.status = without;
		strcpy(f.found, "not known without tracefs");
	} else {
		f.status = without;
		snprintf(f.found, sizeof(f.found), "none (CONFIG_KPROBE_EVENTS): %s cannot be seen%s", unseen,
			 o->server ? "" : ", only -a works");
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
		f.adds = headers_missing(h->uts.release, &h->view, f.found, sizeof(f.found), f.mend, sizeof(f.mend));
		add_found(&f, ", no kheaders, no --programs");
	} else if (!host_headers_match(h)) {
		f.status = WARNING;
		snprintf(f.found, sizeof(f.found), "%.128s is of kernel %s, not %s", h->headers,
			 h->headers_release, h->uts.release);
	} else {
		snprintf(f.found, sizeof(f.found), "%.128s%s", h->headers,
			 access(source, F_OK) ? "" : ", with its source link");
	}
	if (f.status == WARNING)
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
	char modules[128], path[300];

	snprintf(modules, sizeof(modules), "/lib/modules/%s", c->host->uts.release);
	snprintf(path, sizeof(path), "%s/kernel/net/netfilter/ipvs", modules);
	if (host_ipvs()) {
		snprintf(f.found, sizeof(f.found), "%s; %d network namespaces with virtual services",
			 access("/sys/module/ip_vs/initstate", F_OK) ? "built in" : "loaded",
			 namespaces_with_services());
		if (ipvs_counts_none(c->plan->options->proc_root)) {
			f.status = WARNING;
			add_found(&f, "; its own counters stay 0, so losses cannot be cross-checked");
			if (!access("/proc/sys/net/ipv4/vs/run_estimation", F_OK))
				strcpy(f.mend, "sysctl net.ipv4.vs.run_estimation=1");
		}
	} else if (!access(path, F_OK)) {
		f.status = WARNING;
		strcpy(f.found, "not loaded: rows begin when it is, or use -a");
		snprintf(f.mend, sizeof(f.mend), "modprobe ip_vs%s", c->host->view.root == VIEW_OTHER ? " (on the host)" : "");
	} else if (access(modules, F_OK)) {
		f.status = WARNING;
		snprintf(f.found, sizeof(f.found), "not loaded; no %s, so it is not known whether this kernel has it", modules);
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

/* Reports a cache without this entry. */
static void check_miss(const struct checker *c, const char *dir, struct finding *f)
{
	static const struct remedy folder = { "ipvs-tcpstate --cache-dir FOLDER", "-v " CACHE_DIR ":" CACHE_DIR, "hostPath " CACHE_DIR };
	char parent[PATH_MAX];
	int err;

	snprintf(parent, sizeof(parent), "%s", dir);
	err = access(dir, F_OK) ? access(dirname(parent), W_OK) : access(dir, W_OK);
	if (!err) {
		snprintf(f->found, sizeof(f->found), "miss in %.128s: the next start compiles", dir);
		return;
	}
	f->status = WARNING;
	snprintf(f->found, sizeof(f->found), "miss in %.128s, and it cannot be written (%s): each start compiles", dir, strerror(errno));
	f->adds = view_remedy(&c->host->view, &folder, f->mend, sizeof(f->mend));
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
		check_miss(c, dir, &f);
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
	check_right(&c, check_privilege);
	check_right(&c, check_files);
	check_lockdown(&c);
	check_right(&c, check_bpf);
	check_right(&c, check_perf);
	check_kprobes(&c);
	check_right(&c, check_tracefs);
	check_right(&c, check_processes);
	if (options_containers(p->options))
		check_right(&c, check_groups);
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
