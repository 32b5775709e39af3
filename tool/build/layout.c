/* SPDX-License-Identifier: Apache-2.0 */
#include "build/layout.h"

#include "base/file.h"
#include "base/log.h"
#include "build/btf.h"
#include "build/cache.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BTF "/sys/kernel/btf/"

/* A member of a kernel struct, its function in the layout text, and the offset of its value in struct layout. */
static const struct kernel_member {
	const char *type, *name, *function;
	size_t at;
} kernel_members[] = {
#define MEMBER(type, name, to) { type, name, #to, offsetof(struct layout, to) }
	MEMBER("sock", "sk_err", sk_err),
	MEMBER("sock", "sk_protocol", sk_protocol),
	MEMBER("inet_sock", "inet_sport", inet_sport),
	MEMBER("inet_sock", "inet_saddr", inet_saddr),
	MEMBER("sock_common", "skc_net", skc_net),
	MEMBER("sock_common", "skc_v6_daddr", skc_v6_daddr),
	MEMBER("sock_common", "skc_v6_rcv_saddr", skc_v6_rcv_saddr),
	MEMBER("net", "ns", net_inum),		/* in BTF, inum is a member of ns */
	MEMBER("sk_buff", "data", skb_data),
	MEMBER("sk_buff", "len", skb_len),
	MEMBER("timer_list", "expires", timer_expires),
	MEMBER("netns_ipvs", "net", ipvs_net),	/* from here on in module ip_vs */
	MEMBER("ip_vs_dest", "conn_flags", dest_conn_flags),
	MEMBER("ip_vs_service", "af", svc_af),
	MEMBER("ip_vs_service", "ipvs", svc_ipvs),
	MEMBER("ip_vs_conn", "callback_head", cp_rcu_head),	/* "rcu_head" in the source is a macro for this name */
	MEMBER("ip_vs_conn", "ipvs", cp_ipvs),
	MEMBER("ip_vs_conn", "protocol", cp_protocol),
	MEMBER("ip_vs_conn", "caddr", cp_caddr),
	MEMBER("ip_vs_conn", "vaddr", cp_vaddr),
	MEMBER("ip_vs_conn", "daddr", cp_daddr),
	MEMBER("ip_vs_conn", "cport", cp_cport),
	MEMBER("ip_vs_conn", "vport", cp_vport),
	MEMBER("ip_vs_conn", "dport", cp_dport),
	MEMBER("ip_vs_conn", "timer", cp_timer),
	MEMBER("ip_vs_conn", "state", cp_state),
	MEMBER("ip_vs_conn", "flags", cp_flags),
	MEMBER("ip_vs_conn", "dest", cp_dest),
	MEMBER("ip_vs_conn", "in_pkts", cp_in_pkts),
	MEMBER("ip_vs_conn", "timeout", cp_timeout),
	MEMBER("ip_vs_dest", "flags", dest_flags),
	MEMBER("ip_vs_dest", "cflags", dest_flags),	/* replaces "flags" in kernels of 2026 */
	MEMBER("ip_vs_dest", "weight", dest_weight),
	MEMBER("ip_vs_proto_data", "tcp_state_table", pd_state_table),
	MEMBER("ip_vs_proto_data", "timeout_table", pd_timeouts),
	MEMBER("ip_vs_protocol", "state_transition", transition_args),	/* in BTF, see layout_from_btf() */
#undef MEMBER
};

enum { SK_PROTOCOL = 1, NET_NS = 7, FIRST_OF_IPVS = 11, N_MEMBERS = sizeof(kernel_members) / sizeof(kernel_members[0]),
       TRANSITION = N_MEMBERS - 1 };

static void set(struct layout *l, const struct kernel_member *p, long offset)
{
	if (offset > 0 && offset <= UINT16_MAX)
		*(uint16_t *)((char *)l + p->at) = (uint16_t)offset;
}

void layout_from_object(struct layout *l, const struct object *o)
{
	int size = object_constant(o, "protocol_size");

	*l = (struct layout){ .protocol_size = size > 0 ? (uint16_t)size : 0 };
	for (int i = 0; i < N_MEMBERS; i++)
		set(l, &kernel_members[i], object_constant(o, kernel_members[i].function));
}

bool layout_from_btf(struct layout *l, const void *btf, size_t len, const void *ipvs,
		     size_t ipvs_len)
{
	struct btf_member m[N_MEMBERS + 1] = { [N_MEMBERS] = { .type = "ns_common", .name = "inum" } };
	const struct btf_member *inum = &m[N_MEMBERS];

	for (int i = 0; i < N_MEMBERS; i++)
		m[i] = (struct btf_member){ .type = kernel_members[i].type, .name = kernel_members[i].name };
	if (btf_find(btf, len, NULL, 0, m, N_MEMBERS + 1))
		return false;
	if (ipvs)
		btf_find(ipvs, ipvs_len, btf, len, &m[FIRST_OF_IPVS], N_MEMBERS - FIRST_OF_IPVS);
	if (m[SK_PROTOCOL].found)
		l->protocol_size = m[SK_PROTOCOL].bitfield ? 1 : 2;
	m[NET_NS].found = m[NET_NS].found && inum->found;
	m[NET_NS].offset += inum->offset;
	if (m[TRANSITION].found)
		m[TRANSITION].offset = ipvs ? btf_params(ipvs, ipvs_len, btf, len, m[TRANSITION].number) :
					      btf_params(btf, len, NULL, 0, m[TRANSITION].number);
	for (int i = 0; i < N_MEMBERS; i++)
		if (m[i].found)
			set(l, &kernel_members[i], m[i].offset);
	return layout_knows_sockets(l);
}

bool layout_read(struct layout *l)
{
	size_t len = 0, ipvs_len = 0;
	char *btf = file_read_bytes(BTF "vmlinux", &len);
	char *ipvs = btf ? file_read_bytes(BTF "ip_vs", &ipvs_len) : NULL;
	bool all = btf && layout_from_btf(l, btf, len, ipvs, ipvs_len);

	free(btf);
	free(ipvs);
	return all;
}

bool layout_knows_states(const struct layout *l)
{
	return l->cp_rcu_head && l->cp_state && l->cp_flags && l->cp_dest && l->cp_in_pkts && l->pd_state_table &&
	       l->pd_timeouts && l->skb_data && l->skb_len;
}

static void add_constant(struct object *o, const char *name, uint16_t value)
{
	struct object_program *p = &o->programs[o->n_programs++];

	snprintf(p->name, sizeof(p->name), "%s", name);
	p->first = o->n_insns;
	p->n_insns = 2;
	o->insns[o->n_insns++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = value };
	o->insns[o->n_insns++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
}

int layout_to_object(const struct layout *l, struct object *o)
{
	memset(o, 0, sizeof(*o));
	o->insns = calloc(2 * (N_MEMBERS + 1), sizeof(*o->insns));
	if (!o->insns)
		return -ENOMEM;
	for (int i = 0; i < N_MEMBERS; i++)
		add_constant(o, kernel_members[i].function, *(const uint16_t *)((const char *)l + kernel_members[i].at));
	add_constant(o, "protocol_size", l->protocol_size);
	return 0;
}

/* Describes the kernel and the module by their build IDs. Returns NULL if they have none. If IPVS is built into the kernel, it
 * has no types of its own. */
static char *make_layout_key(const struct host *h)
{
	char *key = NULL, ipvs[HOST_BUILD_ID_SIZE] = "";
	bool known;
	size_t len;
	FILE *to = open_memstream(&key, &len);

	if (!to)
		return NULL;
	known = *h->build_id &&
		(host_read_build_id("/sys/module/ip_vs/notes/.note.gnu.build-id", ipvs) || access(BTF "ip_vs", F_OK));
	fprintf(to, "kernel %s %s %s\n%s %s\n", h->uts.release, h->uts.version, h->uts.machine, h->build_id, ipvs);
	for (int i = 0; i < N_MEMBERS; i++)
		fprintf(to, "%s\n", kernel_members[i].function);
	if (!fclose(to) && known)
		return key;
	free(key);
	return NULL;
}

/* Two kinds, as the cache holds the newest entry of each. */
static const char *kept_kind(void)
{
	return host_ipvs() ? "btf-ipvs" : "btf";
}

static bool find_kept(const char *key, const char *cache_dir, const struct saved *saved, struct object *o)
{
	const char *from = saved ? saved->path : cache_dir;
	char why[768];
	int err = saved	    ? saved_find(saved, kept_kind(), key, o, why, sizeof(why)) :
		  cache_dir ? cache_load(cache_dir, kept_kind(), key, o, why, sizeof(why)) :
			      -ENOENT;

	if (!err)
		log_debug("%s: from %s%s", kept_kind(), saved ? "" : "the cache in ", from);
	return !err;
}

bool layout_read_kept(struct layout *l, const struct host *h, const char *cache_dir, bool keep, const struct saved *saved)
{
	char *key = cache_dir || saved ? make_layout_key(h) : NULL, why[256];
	struct object o = { 0 };
	bool all;

	if (key && find_kept(key, cache_dir, saved, &o)) {
		layout_from_object(l, &o);
		all = layout_knows_sockets(l);
	} else {
		all = layout_read(l);
		if (all && key && keep && cache_dir && !layout_to_object(l, &o))
			cache_store(cache_dir, kept_kind(), key, h, &o, why, sizeof(why));
	}
	object_free(&o);
	free(key);
	return all;
}

int layout_save(const struct layout *l, const struct host *h, struct saved *saved)
{
	char *key = make_layout_key(h);
	struct object o = { 0 };
	int err = key ? layout_to_object(l, &o) : -ENOENT;

	if (!err)
		err = saved_add(saved, kept_kind(), key, &o);
	object_free(&o);
	free(key);
	return err;
}

bool layout_knows_sockets(const struct layout *l)
{
	return l->sk_err && l->sk_protocol && l->protocol_size && l->inet_sport && l->inet_saddr &&
	       l->skc_net && l->skc_v6_daddr && l->skc_v6_rcv_saddr && l->net_inum;
}
