/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/loader.h"

#include "base/bpf.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t map_size(const struct object_map *m, const struct map_sizes *sizes)
{
	static const char *const by_conns[] = { "sockets", "connecting", "clients", "forwarded", "closing", "fresh" };

	for (size_t i = 0; i < sizeof(by_conns) / sizeof(by_conns[0]); i++)
		if (!strcmp(m->name, by_conns[i]))
			return sizes->conns;
	/* Each CPU keeps some free elements for itself: LOCAL_FREE_TARGET, kernel/bpf/bpf_lru_list.c */
	if (!strcmp(m->name, "entries"))
		return sizes->conns + sizes->cpus * 128;
	if (!strcmp(m->name, "tallies"))
		return sizes->tallies;
	if (!strcmp(m->name, "buckets"))
		return sizes->buckets;
	if (!strcmp(m->name, "runs"))
		return sizes->cpus * RUN_SLOTS;
	return strcmp(m->name, "open_before") ? m->max_entries : sizes->open_before;
}

static int make_map(const struct object_map *m, const struct map_sizes *sizes)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));	/* an initializer clears one member only, from gcc 15 on */
	attr.map_type = m->type;
	attr.key_size = m->key_size;
	attr.value_size = m->value_size;
	attr.max_entries = map_size(m, sizes);
	attr.map_flags = m->flags;
	strncpy(attr.map_name, m->name, sizeof(attr.map_name) - 1);
	fd = bpf_call(BPF_MAP_CREATE, &attr);
	if (fd != -EINVAL && fd != -E2BIG)
		return fd;
	memset(attr.map_name, 0, sizeof(attr.map_name));	/* before 4.15 a map has no name */
	return bpf_call(BPF_MAP_CREATE, &attr);
}

static bool uses_map(const struct object *o, const struct object_program *p, uint32_t map)
{
	for (uint32_t i = 0; i < p->n_insns; i++)
		if (object_loads_map(&o->insns[p->first + i]) &&
		    (uint32_t)o->insns[p->first + i].imm == map)
			return true;
	return false;
}

static bool is_map_needed(const struct object *o, const struct hook *const chosen[HOOK_EVENTS], uint32_t map)
{
	for (int event = 0; event < HOOK_EVENTS; event++) {
		const struct object_program *p;

		p = chosen[event] ? object_program(o, chosen[event]->program) : NULL;
		if (p && uses_map(o, p, map))
			return true;
	}
	return false;
}

/* Makes only the maps that the chosen programs use: old kernels do not know every map type. */
static int make_maps(struct loaded *l, const struct object *o,
		     const struct hook *const chosen[HOOK_EVENTS], const struct map_sizes *sizes,
		     char *errmsg, size_t len)
{
	for (uint32_t i = 0; i < o->n_maps; i++) {
		if (!is_map_needed(o, chosen, i))
			continue;
		l->map_fd[i] = make_map(&o->maps[i], sizes);
		if (l->map_fd[i] < 0) {
			snprintf(errmsg, len, "cannot make BPF map \"%s\" (%u entries of %u bytes): %s",
				 o->maps[i].name, map_size(&o->maps[i], sizes), o->maps[i].value_size,
				 strerror(-l->map_fd[i]));
			return l->map_fd[i];
		}
	}
	return 0;
}

static int map_by_name(const struct loaded *l, const struct object *o, const char *name)
{
	int i = object_map(o, name);

	return i < 0 ? -1 : l->map_fd[i];
}

/* The largest log that the oldest verifier accepts. It writes nothing if its messages need more. */
#define LOG_SIZE ((16U << 20) - 1)

/* Sets @log to the verifier's messages if it refuses the program. The caller frees @log. */
static int load_program(const struct loaded *l, const struct object *o,
			const struct object_program *p, enum hook_kind kind, char **log)
{
	union bpf_attr attr;
	struct bpf_insn *insns = malloc(p->n_insns * sizeof(*insns));
	int fd;

	memset(&attr, 0, sizeof(attr));	/* an initializer clears one member only, from gcc 15 on */
	attr.prog_type = kind == HOOK_RAW_TRACEPOINT ? BPF_PROG_TYPE_RAW_TRACEPOINT :
			 kind == HOOK_TRACEPOINT     ? BPF_PROG_TYPE_TRACEPOINT :
						       BPF_PROG_TYPE_KPROBE;
	attr.insn_cnt = p->n_insns;
	attr.license = (uintptr_t)"GPL";
	attr.kern_version = o->kern_version;	/* kernels before 5.0 compare it */
	if (!insns)
		return -ENOMEM;
	memcpy(insns, o->insns + p->first, p->n_insns * sizeof(*insns));
	for (uint32_t i = 0; i < p->n_insns; i++)
		if (object_loads_map(&insns[i]))
			insns[i].imm = l->map_fd[insns[i].imm];
	attr.insns = (uintptr_t)insns;
	memcpy(attr.prog_name, p->name, sizeof(attr.prog_name) - 1);
	fd = bpf_call(BPF_PROG_LOAD, &attr);
	if (fd == -EINVAL || fd == -E2BIG) {
		memset(attr.prog_name, 0, sizeof(attr.prog_name));	/* before 4.15 a program has no name */
		fd = bpf_call(BPF_PROG_LOAD, &attr);
	}
	if (fd < 0 && (*log = calloc(1, LOG_SIZE))) {	/* load again, to get the reason */
		attr.log_level = 1;
		attr.log_buf = (uintptr_t)*log;
		attr.log_size = LOG_SIZE;
		bpf_call(BPF_PROG_LOAD, &attr);	/* ignored: ENOSPC means only that the log is too long */
	}
	free(insns);
	return fd;
}

/* Returns the verifier's last line before its statistics: it gives the reason. */
static const char *last_message(char *log)
{
	const char *last = "";
	char *line, *rest = log;

	while ((line = strsep(&rest, "\n")))
		if (*line && strncmp(line, "processed ", 10) && strncmp(line, "verification time", 17))
			last = line;
	return last;
}

static int load_programs(struct loaded *l, const struct object *o,
			 const struct hook *const chosen[HOOK_EVENTS], char *errmsg, size_t len)
{
	char *log = NULL;
	int err = 0;

	for (int event = 0; event < HOOK_EVENTS && !err; event++) {
		const struct object_program *p;

		if (!chosen[event])
			continue;
		p = object_program(o, chosen[event]->program);
		l->program_fd[event] = p ? load_program(l, o, p, chosen[event]->kind, &log) : -ENOENT;
		if (l->program_fd[event] >= 0)
			continue;
		err = l->program_fd[event];
		snprintf(errmsg, len, "the kernel refuses program %s: %s: %s", chosen[event]->program,
			 strerror(-err), log ? last_message(log) : "no further details");
	}
	free(log);
	return err;
}

int loader_open(struct loaded *l, const struct object *o, const struct hook *const chosen[HOOK_EVENTS],
		const struct map_sizes *sizes, char *errmsg, size_t len)
{
	int err, entries;

	memset(l, -1, sizeof(*l));	/* every descriptor -1 */
	l->kern_version = o->kern_version;
	err = make_maps(l, o, chosen, sizes, errmsg, len);
	if (err)
		return err;
	l->settings_fd = map_by_name(l, o, "settings");
	l->ports_fd = map_by_name(l, o, "ports");
	l->addresses_fd = map_by_name(l, o, "addresses");
	l->entries_fd = map_by_name(l, o, "entries");
	l->closed_fd = map_by_name(l, o, "closed");
	l->services_fd = map_by_name(l, o, "services");
	l->ending_fd = map_by_name(l, o, "ending");
	l->open_before_fd = map_by_name(l, o, "open_before");
	l->tallies_fd = map_by_name(l, o, "tallies");
	l->buckets_fd = map_by_name(l, o, "buckets");
	l->counts_fd = map_by_name(l, o, "counts");
	l->runs_fd = map_by_name(l, o, "runs");
	l->events_fd = map_by_name(l, o, "events");
	l->forwarded_fd = map_by_name(l, o, "forwarded");
	l->closing_fd = map_by_name(l, o, "closing");
	l->fresh_fd = map_by_name(l, o, "fresh");
	entries = object_map(o, "entries");
	l->no_lru = entries >= 0 && o->maps[entries].type == BPF_MAP_TYPE_HASH;
	return load_programs(l, o, chosen, errmsg, len);
}

int loader_count(const struct loaded *l, enum count_slot slot, uint64_t *n)
{
	int index = (int)slot;

	return bpf_lookup(l->counts_fd, &index, n);
}

void loader_close(struct loaded *l)
{
	for (int i = 0; i < HOOK_EVENTS; i++)
		if (l->program_fd[i] >= 0)
			close(l->program_fd[i]);
	for (int i = 0; i < OBJECT_MAPS_MAX; i++)
		if (l->map_fd[i] >= 0)
			close(l->map_fd[i]);
	memset(l, -1, sizeof(*l));
}
