/* SPDX-License-Identifier: Apache-2.0 */
#include "ipvs/entries.h"

#include "base/bpf.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static void set_key(struct tuple *key, const struct ipvs_entry *e, uint32_t netns)
{
	memcpy(key->laddr, e->caddr, sizeof(key->laddr));
	memcpy(key->raddr, e->vaddr, sizeof(key->raddr));
	key->lport = e->cport;
	key->rport = e->vport;
	key->netns = netns;
}

void entries_count_added(const struct loaded *l, uint64_t more)
{
	int slot = COUNT_ENTRIES_MADE;
	uint64_t n = 0;

	if (loader_count(l, COUNT_ENTRIES_MADE, &n))
		return;
	n += more;
	bpf_update(l->counts_fd, &slot, &n, BPF_ANY);
}

/* Makes the key that is_service() in probes/connect.bpf.c looks up. */
void entries_add_service(const struct loaded *l, const struct ipvs_entry *e)
{
	struct service key = { .port = e->vport };
	const uint8_t one = 1;

	memcpy(key.addr, e->vaddr, sizeof(key.addr));
	if (l->services_fd >= 0)
		bpf_update(l->services_fd, &key, &one, BPF_ANY);
}

/* Chooses the key as put_entry() in probes/conns.bpf.h does. */
int entries_add(const struct loaded *l, const struct ipvs_entry *e, uint64_t *adopt)
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

uint64_t entries_known(const struct loaded *l)
{
	uint64_t made = 0, ended = 0;

	loader_count(l, COUNT_ENTRIES_ENDED, &ended);
	loader_count(l, COUNT_ENTRIES_MADE, &made);
	return made > ended ? made - ended : 0;
}

/* Removes all elements. A removed element has no successor, so each search begins at the first one. */
static void remove_all(int map_fd, size_t key_size)
{
	unsigned char none[64], key[64];

	memset(none, 0xff, sizeof(none));	/* no element has this key */
	if (map_fd < 0 || key_size > sizeof(key))
		return;
	while (!bpf_next(map_fd, none, key) && !bpf_delete(map_fd, key))
		;
}

void entries_forget(const struct loaded *l)
{
	uint64_t made = 0;
	int slot = COUNT_ENTRIES_ENDED;

	remove_all(l->entries_fd, sizeof(struct tuple));
	remove_all(l->services_fd, sizeof(struct service));
	remove_all(l->forwarded_fd, sizeof(uint64_t));
	remove_all(l->closing_fd, sizeof(uint64_t));
	remove_all(l->fresh_fd, sizeof(struct tuple));
	loader_count(l, COUNT_ENTRIES_MADE, &made);
	bpf_update(l->counts_fd, &slot, &made, BPF_ANY);
}

void entries_sweep(const struct loaded *l)
{
	struct tuple key, next;
	struct conn_entry entry;
	bool more;

	if (!l->no_lru)
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

/* Makes the key that adopt() in probes/join.bpf.h looks up. */
static void set_open_key(struct tuple *key, const struct ipvs_entry *e)
{
	set_key(key, e, e->netns);
}

int entries_mark_open(const struct loaded *l, const struct ipvs_entry *e)
{
	const uint8_t one = 1;
	struct tuple key;

	set_open_key(&key, e);
	return bpf_update(l->open_before_fd, &key, &one, BPF_NOEXIST);
}

int entries_unmark_open(const struct loaded *l, const struct ipvs_entry *e)
{
	struct tuple key;

	set_open_key(&key, e);
	return bpf_delete(l->open_before_fd, &key);
}
