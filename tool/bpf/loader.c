/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/loader.h"

#include "base/bpf.h"
#include <errno.h>
#include <pthread.h>
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
	if (!strcmp(m->name, "paths"))
		return sizes->paths;
	if (!strcmp(m->name, "tallies"))
		return sizes->tallies;
	if (!strcmp(m->name, "buckets"))
		return sizes->buckets;
	if (!strcmp(m->name, "runs"))
		return sizes->cpus * RUN_SLOTS;
	return strcmp(m->name, "open_before") ? m->max_entries : sizes->open_before;
}

/* A map or a program that is being made, in a thread of its own: the verifier needs 10 to 30 ms for each of the large
 * programs, and the maps together 20. */
struct making {
	int cmd;
	union bpf_attr attr;
	pthread_t thread;
	bool begun, threaded;
	int fd;			/* or a negative errno */
};

static void *make(void *cookie)
{
	struct making *m = cookie;

	m->fd = bpf_call(m->cmd, &m->attr);
	if (m->fd == -EINVAL || m->fd == -E2BIG) {	/* before 4.15 there are no names */
		memset(m->cmd == BPF_PROG_LOAD ? m->attr.prog_name : m->attr.map_name, 0, sizeof(m->attr.map_name));
		m->fd = bpf_call(m->cmd, &m->attr);
	}
	return NULL;
}

static void begin_making(struct making *m, int cmd)
{
	m->cmd = cmd;
	m->begun = true;
	m->threaded = !pthread_create(&m->thread, NULL, make, m);
	if (!m->threaded)
		make(m);
}

static void finish_making(struct making *m)
{
	if (m->threaded)
		pthread_join(m->thread, NULL);
}

static void begin_map(struct making *made, const struct object_map *m, const struct map_sizes *sizes)
{
	made->attr.map_type = m->type;
	made->attr.key_size = m->key_size;
	made->attr.value_size = m->value_size;
	made->attr.max_entries = map_size(m, sizes);
	made->attr.map_flags = m->flags;
	strncpy(made->attr.map_name, m->name, sizeof(made->attr.map_name) - 1);
	begin_making(made, BPF_MAP_CREATE);
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
	struct making made[OBJECT_MAPS_MAX];
	int err = 0;

	memset(made, 0, sizeof(made));	/* an initializer clears one member of a union only, from gcc 15 on */
	for (uint32_t i = 0; i < o->n_maps; i++) {
		made[i].fd = -1;
		if (is_map_needed(o, chosen, i))
			begin_map(&made[i], &o->maps[i], sizes);
	}
	for (uint32_t i = 0; i < o->n_maps; i++) {
		finish_making(&made[i]);
		l->map_fd[i] = made[i].fd;
		if (err || !made[i].begun || made[i].fd >= 0)
			continue;
		err = made[i].fd;
		snprintf(errmsg, len, "cannot make BPF map \"%s\" (%u entries of %u bytes): %s",
			 o->maps[i].name, map_size(&o->maps[i], sizes), o->maps[i].value_size, strerror(-err));
	}
	return err;
}

static int map_by_name(const struct loaded *l, const struct object *o, const char *name)
{
	int i = object_map(o, name);

	return i < 0 ? -1 : l->map_fd[i];
}

/* Copies the instructions, with this run's maps in them. Returns NULL if there is no memory. */
static struct bpf_insn *link_insns(const struct loaded *l, const struct object *o)
{
	struct bpf_insn *insns = malloc(o->n_insns * sizeof(*insns));

	if (!insns)
		return NULL;
	memcpy(insns, o->insns, o->n_insns * sizeof(*insns));
	for (uint32_t i = 0; i < o->n_insns; i++)
		if (object_loads_map(&insns[i]))
			insns[i].imm = l->map_fd[insns[i].imm];
	return insns;
}

static void begin_program(struct making *made, const struct object *o, const struct bpf_insn *insns, const struct hook *hook)
{
	const struct object_program *p = object_program(o, hook->program);

	made->fd = -ENOENT;
	if (!p)
		return;
	made->attr.prog_type = hook->kind == HOOK_RAW_TRACEPOINT ? BPF_PROG_TYPE_RAW_TRACEPOINT :
			       hook->kind == HOOK_TRACEPOINT     ? BPF_PROG_TYPE_TRACEPOINT :
								   BPF_PROG_TYPE_KPROBE;
	made->attr.insn_cnt = p->n_insns;
	made->attr.insns = (uintptr_t)(insns + p->first);
	made->attr.license = (uintptr_t)"GPL";
	made->attr.kern_version = o->kern_version;	/* kernels before 5.0 compare it */
	memcpy(made->attr.prog_name, p->name, sizeof(made->attr.prog_name) - 1);
	begin_making(made, BPF_PROG_LOAD);
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

/* The largest log that the oldest verifier accepts. It writes nothing if its messages need more. */
#define LOG_SIZE ((16U << 20) - 1)

/* Loads a refused program again, to get the reason. */
static void explain_program(struct making *made, const char *name, char *errmsg, size_t len)
{
	char *log = calloc(1, LOG_SIZE);

	if (log) {
		made->attr.log_level = 1;
		made->attr.log_buf = (uintptr_t)log;
		made->attr.log_size = LOG_SIZE;
		bpf_call(BPF_PROG_LOAD, &made->attr);	/* ignored: ENOSPC means only that the log is too long */
	}
	snprintf(errmsg, len, "the kernel refuses program %s: %s: %s", name, strerror(-made->fd),
		 log && *log ? last_message(log) : "no further details");
	free(log);
}

static int load_programs(struct loaded *l, const struct object *o,
			 const struct hook *const chosen[HOOK_EVENTS], char *errmsg, size_t len)
{
	struct bpf_insn *insns = link_insns(l, o);
	struct making made[HOOK_EVENTS];
	int err = 0;

	if (!insns) {
		snprintf(errmsg, len, "out of memory");
		return -ENOMEM;
	}
	memset(made, 0, sizeof(made));
	for (int event = 0; event < HOOK_EVENTS; event++) {
		made[event].fd = -1;
		if (chosen[event])
			begin_program(&made[event], o, insns, chosen[event]);
	}
	for (int event = 0; event < HOOK_EVENTS; event++) {
		finish_making(&made[event]);
		l->program_fd[event] = made[event].fd;
		if (chosen[event] && made[event].fd < 0 && !err) {
			err = made[event].fd;
			explain_program(&made[event], chosen[event]->program, errmsg, len);
		}
	}
	free(insns);
	return err;
}

int loader_open(struct loaded *l, const struct object *o, const struct hook *const chosen[HOOK_EVENTS],
		const struct map_sizes *sizes, char *errmsg, size_t len)
{
	int err, entries;

	memset(l, -1, sizeof(*l));	/* every descriptor -1 */
	l->kern_version = o->kern_version;
	l->tallies = sizes->tallies;
	l->buckets = sizes->buckets;
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
