/* SPDX-License-Identifier: Apache-2.0 */
#include "loader.h"

#include "bpf.h"
#include "host.h"

#include "../probes/event.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t map_size(const struct object_map *m, const struct map_sizes *sizes)
{
	static const char *const by_conns[] = { "sockets", "connecting", "clients" };

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
	memset(attr.map_name, 0, sizeof(attr.map_name));	/* before 4.15 */
	return bpf_call(BPF_MAP_CREATE, &attr);
}

static bool loads_map(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_MAP_FD;
}

static bool uses_map(const struct object *o, const struct object_program *p, uint32_t map)
{
	for (uint32_t i = 0; i < p->n_insns; i++)
		if (loads_map(&o->insns[p->first + i]) &&
		    (uint32_t)o->insns[p->first + i].imm == map)
			return true;
	return false;
}

static bool needed(const struct object *o, const struct hook *const chosen[HOOK_FACTS], uint32_t map)
{
	for (int fact = 0; fact < HOOK_FACTS; fact++) {
		const struct object_program *p;

		p = chosen[fact] ? object_program(o, chosen[fact]->program) : NULL;
		if (p && uses_map(o, p, map))
			return true;
	}
	return false;
}

/* Only what the chosen programs use: old kernels do not know every type. */
static int make_maps(struct loaded *l, const struct object *o,
		     const struct hook *const chosen[HOOK_FACTS], const struct map_sizes *sizes,
		     char *cause, size_t len)
{
	for (uint32_t i = 0; i < o->n_maps; i++) {
		if (!needed(o, chosen, i))
			continue;
		l->map_fd[i] = make_map(&o->maps[i], sizes);
		if (l->map_fd[i] < 0) {
			snprintf(cause, len, "cannot make BPF map \"%s\" (%u entries of %u bytes): %s",
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

/* The most that the oldest verifier takes: it refuses to say anything in less than it needs. */
#define LOG_SIZE ((16U << 20) - 1)

/* @log: set to the verifier's words where it refuses the program; for the caller to free */
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
	attr.kern_version = o->kern_version;	/* compared before 5.0 */
	if (!insns)
		return -ENOMEM;
	memcpy(insns, o->insns + p->first, p->n_insns * sizeof(*insns));
	for (uint32_t i = 0; i < p->n_insns; i++)
		if (loads_map(&insns[i]))
			insns[i].imm = l->map_fd[insns[i].imm];
	attr.insns = (uintptr_t)insns;
	memcpy(attr.prog_name, p->name, sizeof(attr.prog_name) - 1);
	fd = bpf_call(BPF_PROG_LOAD, &attr);
	if (fd == -EINVAL || fd == -E2BIG) {
		memset(attr.prog_name, 0, sizeof(attr.prog_name));	/* before 4.15 */
		fd = bpf_call(BPF_PROG_LOAD, &attr);
	}
	if (fd < 0 && (*log = calloc(1, LOG_SIZE))) {	/* again, to hear why */
		attr.log_level = 1;
		attr.log_buf = (uintptr_t)*log;
		attr.log_size = LOG_SIZE;
		bpf_call(BPF_PROG_LOAD, &attr);	/* ENOSPC where the log is too long says nothing */
	}
	free(insns);
	return fd;
}

/* The verifier's last line but its statistics is the one that says why. */
static const char *verdict(char *log)
{
	const char *last = "";
	char *line, *rest = log;

	while ((line = strsep(&rest, "\n")))
		if (*line && strncmp(line, "processed ", 10) && strncmp(line, "verification time", 17))
			last = line;
	return last;
}

static int load_programs(struct loaded *l, const struct object *o,
			 const struct hook *const chosen[HOOK_FACTS], char *cause, size_t len)
{
	const int runs = object_map(o, "runs");
	char *log = NULL;
	int err = 0;

	for (int fact = 0; fact < HOOK_FACTS && !err; fact++) {
		const struct object_program *p;

		if (!chosen[fact])
			continue;
		p = object_program(o, chosen[fact]->program);
		l->program_fd[fact] = p ? load_program(l, o, p, chosen[fact]->kind, &log) : -ENOENT;
		l->counts_runs[fact] = p && runs >= 0 && uses_map(o, p, (uint32_t)runs);
		if (l->program_fd[fact] >= 0)
			continue;
		err = l->program_fd[fact];
		snprintf(cause, len, "the kernel refuses program %s: %s: %s", chosen[fact]->program,
			 strerror(-err), log ? verdict(log) : "no more is known");
	}
	free(log);
	return err;
}

int loader_open(struct loaded *l, const struct object *o, const struct hook *const chosen[HOOK_FACTS],
		const struct map_sizes *sizes, char *cause, size_t len)
{
	int err, entries;

	memset(l, -1, sizeof(*l));	/* every descriptor -1 */
	l->kern_version = o->kern_version;
	err = make_maps(l, o, chosen, sizes, cause, len);
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
	entries = object_map(o, "entries");
	l->keeps_oldest = entries >= 0 && o->maps[entries].type == BPF_MAP_TYPE_HASH;
	return load_programs(l, o, chosen, cause, len);
}

static int read_count(const struct loaded *l, int slot, uint64_t *n)
{
	return bpf_lookup(l->counts_fd, &slot, n);
}

static uint32_t own_netns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) ? 0 : (uint32_t)st.st_ino;
}

bool loader_counts_taken(const struct layout *layout)
{
	return layout->ipvs_net && layout->net_inum;
}

uint64_t loader_taken(const struct loaded *l)
{
	uint64_t n = 0;

	read_count(l, COUNT_TAKEN, &n);
	return n;
}

int loader_set(const struct loaded *l, const struct options *o, const struct layout *layout,
	       bool connects, bool ipvs, uint64_t adopt)
{
	const struct settings s = {
		.flags = (options_every_socket(o) ? SETTING_ALL : 0U) | (o->ipv4 ? SETTING_IPV4 : 0U) |
			 (o->ipv6 ? SETTING_IPV6 : 0U) | (o->lports.n ? SETTING_LPORTS : 0U) |
			 (o->rports.n ? SETTING_RPORTS : 0U) | (connects ? SETTING_CONNECT : 0U) |
			 (connects && ipvs ? SETTING_IPVS : 0U) |
			 (o->pid ? SETTING_PID : 0U) | (o->vips.n ? SETTING_VIPS : 0U) |
			 (o->reals.n ? SETTING_REALS : 0U) |
			 (o->retransmits ? SETTING_RETRANSMITS : 0U) |
			 (o->states ? SETTING_STATE_TIMES : 0U),
		.pid = (uint32_t)o->pid,
		.sk_err = layout->sk_err,
		.skc_net = layout->skc_net,
		.skc_v6_daddr = layout->skc_v6_daddr,
		.skc_v6_rcv_saddr = layout->skc_v6_rcv_saddr,
		.net_inum = layout->net_inum,
		.sk_protocol = layout->sk_protocol,
		.protocol_size = layout->protocol_size,
		.inet_sport = layout->inet_sport,
		.inet_saddr = layout->inet_saddr,
		.ipvs_net = layout->ipvs_net,
		.skb_data = layout->skb_data,
		.dest_conn_flags = layout->dest_conn_flags,
		.svc_af = layout->svc_af,
		.svc_ipvs = layout->svc_ipvs,
		.cp_rcu_head = layout->cp_rcu_head,
		.cp_ipvs = layout->cp_ipvs,
		.cp_protocol = layout->cp_protocol,
		.cp_caddr = layout->cp_caddr,
		.cp_vaddr = layout->cp_vaddr,
		.cp_daddr = layout->cp_daddr,
		.cp_cport = layout->cp_cport,
		.cp_vport = layout->cp_vport,
		.cp_dport = layout->cp_dport,
		.cp_timer = layout->cp_timer,
		.adopt = adopt,
		.own_netns = loader_counts_taken(layout) ? own_netns() : 0,
	};
	const int zero = 0;

	return bpf_update(l->settings_fd, &zero, &s, BPF_ANY);
}

static int add_ports(const struct loaded *l, const struct port_list *list, uint32_t which)
{
	const uint8_t one = 1;
	int err = 0;

	for (size_t i = 0; i < list->n && !err; i++) {
		uint32_t key = list->port[i] | which;

		err = bpf_update(l->ports_fd, &key, &one, BPF_ANY);
	}
	return err;
}

static int add_addresses(const struct loaded *l, const struct end_list *list, uint16_t side)
{
	const uint8_t one = 1;
	int err = 0;

	for (size_t i = 0; i < list->n && !err; i++) {
		struct address key = { .port = list->end[i].port, .side = side };

		memcpy(key.addr, list->end[i].addr, sizeof(key.addr));
		err = bpf_update(l->addresses_fd, &key, &one, BPF_ANY);
	}
	return err;
}

int loader_set_filters(const struct loaded *l, const struct options *o)
{
	int err = add_ports(l, &o->lports, 0);

	if (!err)
		err = add_ports(l, &o->rports, PORT_REMOTE);
	if (!err)
		err = add_addresses(l, &o->vips, ADDRESS_VIP);
	if (!err)
		err = add_addresses(l, &o->reals, ADDRESS_REAL);
	return err;
}

static void set_key(struct tuple *key, const struct ipvs_entry *e, uint32_t netns)
{
	memcpy(key->laddr, e->caddr, sizeof(key->laddr));
	memcpy(key->raddr, e->vaddr, sizeof(key->raddr));
	key->lport = e->cport;
	key->rport = e->vport;
	key->netns = netns;
}

void loader_count_entries(const struct loaded *l, uint64_t more)
{
	int slot = COUNT_ENTRIES_MADE;
	uint64_t n = 0;

	if (read_count(l, slot, &n))
		return;
	n += more;
	bpf_update(l->counts_fd, &slot, &n, BPF_ANY);
}

/* As is_service() in probes/connect.bpf.c looks for it. */
void loader_add_service(const struct loaded *l, const struct ipvs_entry *e)
{
	struct service key = { .port = e->vport };
	const uint8_t one = 1;

	memcpy(key.addr, e->vaddr, sizeof(key.addr));
	if (l->services_fd >= 0)
		bpf_update(l->services_fd, &key, &one, BPF_ANY);
}

/* As put_entry() in probes/conns.bpf.h chooses the key. */
int loader_add_entry(const struct loaded *l, const struct ipvs_entry *e, uint64_t *adopt)
{
	struct conn_entry entry = { .netns = e->netns };
	struct tuple key;
	int err;

	set_key(&key, e, 0);
	entry.ports = ENTRY_PORTS(&key);
	memcpy(entry.real.addr, e->daddr, sizeof(entry.real.addr));
	entry.real.port = e->dport;
	entry.real.family = e->dest_family;
	entry.real.method = METHOD_UNKNOWN;
	err = bpf_update(l->entries_fd, &key, &entry, BPF_NOEXIST);
	if (err == -EEXIST) {	/* maybe the same addresses and ports in another namespace */
		struct conn_entry there;

		if (bpf_lookup(l->entries_fd, &key, &there) || there.netns == e->netns)
			return -EEXIST;
		key.netns = e->netns;
		err = bpf_update(l->entries_fd, &key, &entry, BPF_NOEXIST);
	}
	*adopt |= PORT_BIT(e->vport);
	return err;
}

uint64_t loader_entries(const struct loaded *l)
{
	uint64_t made = 0, ended = 0;

	read_count(l, COUNT_ENTRIES_ENDED, &ended);
	read_count(l, COUNT_ENTRIES_MADE, &made);
	return made > ended ? made - ended : 0;
}

/* An element that goes takes its place in the order along: then one begins again at the first. */
static void remove_all(int map_fd, size_t key_size)
{
	unsigned char none[64], key[64];

	memset(none, 0xff, sizeof(none));	/* no element has it */
	if (map_fd < 0 || key_size > sizeof(key))
		return;
	while (!bpf_next(map_fd, none, key) && !bpf_delete(map_fd, key))
		;
}

void loader_forget_entries(const struct loaded *l)
{
	uint64_t made = 0;
	int slot = COUNT_ENTRIES_ENDED;

	remove_all(l->entries_fd, sizeof(struct tuple));
	remove_all(l->services_fd, sizeof(struct service));
	read_count(l, COUNT_ENTRIES_MADE, &made);
	bpf_update(l->counts_fd, &slot, &made, BPF_ANY);
}

void loader_sweep(const struct loaded *l)
{
	struct tuple key, next;
	struct conn_entry entry;
	bool more;

	if (!l->keeps_oldest)
		return;
	remove_all(l->closed_fd, sizeof(struct tuple));
	remove_all(l->ending_fd, sizeof(uint64_t));
	memset(&key, 0xff, sizeof(key));
	more = !bpf_next(l->entries_fd, &key, &next);
	while (more) {
		key = next;
		more = !bpf_next(l->entries_fd, &key, &next);
		if (!bpf_lookup(l->entries_fd, &key, &entry) && entry.gone_ns)
			bpf_delete(l->entries_fd, &key);
	}
}

/* As adopt() in probes/join.bpf.h looks for it. */
static void set_open_key(struct tuple *key, const struct ipvs_entry *e)
{
	set_key(key, e, e->netns);
}

int loader_mark_open(const struct loaded *l, const struct ipvs_entry *e)
{
	const uint8_t one = 1;
	struct tuple key;

	set_open_key(&key, e);
	return bpf_update(l->open_before_fd, &key, &one, BPF_NOEXIST);
}

int loader_unmark_open(const struct loaded *l, const struct ipvs_entry *e)
{
	struct tuple key;

	set_open_key(&key, e);
	return bpf_delete(l->open_before_fd, &key);
}

static const int run_slots[HOOK_FACTS] = {
	[HOOK_STATE] = RUN_STATE, [HOOK_STATE_SECOND] = -1, [HOOK_RETRANSMIT] = RUN_RETRANSMIT,
	[HOOK_ERROR] = RUN_ERROR, [HOOK_CONNECT] = RUN_CONNECT, [HOOK_CONNECT_RETURN] = -1,
	[HOOK_IPVS] = RUN_IPVS, [HOOK_CLIENT_PORT] = RUN_CLIENT_PORT, [HOOK_NO_DESTINATION] = RUN_NO_DESTINATION,
	[HOOK_EXPIRE] = RUN_EXPIRE, [HOOK_EXPIRE_NOW] = RUN_EXPIRE_NOW, [HOOK_FREE] = RUN_FREE,
};

uint64_t loader_runs(const struct loaded *l, enum hook_fact fact)
{
	uint64_t sum = 0, n;

	if (l->runs_fd < 0 || !l->counts_runs[fact] || run_slots[fact] < 0)
		return 0;
	for (int place = run_slots[fact]; !bpf_lookup(l->runs_fd, &place, &n); place += RUN_SLOTS)
		sum += n;
	return sum;
}

/* How often the kernel skipped a program, as far as it is known. Where runs are counted, @skipped has all of it. */
static uint64_t misses_of(const struct loaded *l, const uint64_t skipped[HOOK_FACTS], enum hook_fact fact)
{
	char path[64], *text, *at;
	uint64_t n;

	if (l->program_fd[fact] < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", l->program_fd[fact]);
	text = host_read_file(path);
	at = text ? strstr(text, "recursion_misses:") : NULL;
	n = at ? strtoull(at + strlen("recursion_misses:"), NULL, 10) : 0;
	free(text);
	if (l->runs_fd < 0)
		return n + skipped[fact];
	return n > skipped[fact] ? n : skipped[fact];
}

static uint64_t sub_clamped(uint64_t n, uint64_t by)
{
	return n > by ? n - by : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What the first program for state changes was skipped for, the second one did; what that was skipped for, the first has
 * done. A connect whose return was missed is shown by the socket's next event. */
static uint64_t rows_missed(const struct loaded *l, const uint64_t skipped[HOOK_FACTS], uint64_t unseen,
			    const uint64_t count[COUNT_SLOTS])
{
	uint64_t states = sub_clamped(misses_of(l, skipped, HOOK_STATE), count[COUNT_NESTED]);

	return larger(states, count[COUNT_GAPS]) + larger(misses_of(l, skipped, HOOK_IPVS), unseen) +
	       misses_of(l, skipped, HOOK_RETRANSMIT) + misses_of(l, skipped, HOOK_CONNECT) +
	       misses_of(l, skipped, HOOK_CLIENT_PORT) + misses_of(l, skipped, HOOK_NO_DESTINATION) +
	       count[COUNT_UNCERTAIN];
}

static uint64_t reasons_missed(const struct loaded *l, const uint64_t skipped[HOOK_FACTS])
{
	return misses_of(l, skipped, HOOK_ERROR) + misses_of(l, skipped, HOOK_EXPIRE) +
	       misses_of(l, skipped, HOOK_EXPIRE_NOW) + misses_of(l, skipped, HOOK_FREE);
}

int loader_losses(const struct loaded *l, const uint64_t skipped[HOOK_FACTS], uint64_t unseen, struct losses *lost)
{
	uint64_t count[COUNT_SLOTS] = { 0 };

	for (int slot = 0; slot < COUNT_SLOTS; slot++) {
		int err = read_count(l, slot, &count[slot]);

		if (err)
			return err;
	}
	*lost = (struct losses){
		.n = {
			[LOSS_BUFFER_FULL] = count[COUNT_LOST],
			[LOSS_MISSED] = rows_missed(l, skipped, unseen, count),
			[LOSS_SOCKETS_FULL] = count[COUNT_SOCKETS_FULL],
			[LOSS_CONNECTS_FULL] = count[COUNT_CONNECTING_FULL],
			[LOSS_REASONS] = reasons_missed(l, skipped),
			[LOSS_TALLIES_FULL] = count[COUNT_TALLIES_FULL],
			[LOSS_BUCKETS_FULL] = count[COUNT_BUCKETS_FULL],
		},
	};
	return 0;
}

void loader_close(struct loaded *l)
{
	for (int i = 0; i < HOOK_FACTS; i++)
		if (l->program_fd[i] >= 0)
			close(l->program_fd[i]);
	for (int i = 0; i < OBJECT_MAPS_MAX; i++)
		if (l->map_fd[i] >= 0)
			close(l->map_fd[i]);
	memset(l, -1, sizeof(*l));
}
