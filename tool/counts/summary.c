/* SPDX-License-Identifier: Apache-2.0 */
#include "counts/summary.h"

#include "base/bpf.h"

#include "probes/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(BUCKETS == STATS_BUCKETS, "the tool and the probes have the same buckets");
_Static_assert(STATES == STATS_STATES, "the tool and the probes have the same states");
_Static_assert((int)BUCKET_CONNECT == (int)STATS_CONNECT && (int)BUCKET_LIFE == (int)STATS_LIFE, "and the same kinds of times");

static void set_stats_endpoint(struct endpoint *e, const void *addr, uint16_t port, uint8_t family)
{
	memset(e, 0, sizeof(*e));
	memcpy(e->addr, addr, sizeof(e->addr));
	e->port = port;
	e->family = family;
}

static uint8_t family_of(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr, mapped, sizeof(mapped)) ? AF_INET6 : AF_INET;
}

static struct stats_real *get_real(struct stats *s, const struct tally_key *key)
{
	enum stats_source source = key->source == TALLY_IPVS ? STATS_IPVS : key->source == TALLY_SERVER ? STATS_SERVER : STATS_SOCKETS;
	struct endpoint vip, real;

	set_stats_endpoint(&vip, key->vip, key->vport, family_of((const uint8_t *)key->vip));
	if (key->family)
		set_stats_endpoint(&real, key->real, key->rport, key->family);
	else
		memset(&real, 0, sizeof(real));
	return stats_get(s, source, &vip, &real);
}

int summary_open(struct summary *s, const struct ipvs_entry *e)
{
	struct tally_key key = { .vport = e->vport, .rport = e->dport, .family = e->dest_family };
	struct stats_real *r;

	memcpy(key.vip, e->vaddr, sizeof(key.vip));
	memcpy(key.real, e->daddr, sizeof(key.real));
	r = get_real(&s->next, &key);
	if (!r)
		return -ENOMEM;
	r->open++;
	return 0;
}

/* What summary_read() is taking. Each tally leads to the real server that gets its counts and, by its id, its times. */
struct taking {
	const struct loaded *loaded;
	struct stats *to;
	uint64_t round;			/* stays: the programs count in it now */
	struct taken {
		uint64_t id;
		struct stats_real *real;
	} *list;
	size_t n, size;
};

static int add_taken(struct taking *t, uint64_t id, struct stats_real *real)
{
	if (t->n == t->size) {
		size_t size = t->size ? 2 * t->size : 64;
		struct taken *more = realloc(t->list, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->list = more;
		t->size = size;
	}
	t->list[t->n++] = (struct taken){ id, real };
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct taken *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void add_tally(struct stats_real *r, const struct tally *t)
{
	const struct stats_real more = {
		.counter = {
			[STATS_CONNECTS] = t->connects,
			[STATS_ESTABLISHED] = t->established,
			[STATS_REFUSED] = t->refused,
			[STATS_TIMED_OUT] = t->timed_out,
			[STATS_UNREACHABLE] = t->unreachable,
			[STATS_ABORTED] = t->aborted,
			[STATS_NO_DESTINATION] = t->no_destination,
			[STATS_FAILED] = t->failed,
			[STATS_SYN_RETRANSMITS] = t->syn_retransmits,
			[STATS_RESETS] = t->resets,
		},
		.open = (int64_t)(t->established - t->left),
		.sum_us = { [STATS_CONNECT] = t->connect_sum_us, [STATS_LIFE] = t->life_sum_us },
		.max_us = { [STATS_CONNECT] = t->connect_max_us, [STATS_LIFE] = t->life_max_us },
	};

	stats_add(r, &more);	/* it has no buckets, so this cannot fail */
}

static int take_tally(struct taking *t, const void *at)
{
	const struct tally_key *key = at;
	struct stats_real *r;
	struct tally tally;
	int err;

	if (key->round == (uint16_t)t->round)
		return 0;
	err = bpf_lookup(t->loaded->tallies_fd, key, &tally);
	if (err)
		return err;
	r = get_real(t->to, key);
	if (!r)
		return -ENOMEM;
	add_tally(r, &tally);
	err = add_taken(t, tally.id, r);
	return err ? err : bpf_delete(t->loaded->tallies_fd, key);
}

static int take_bucket(struct taking *t, const void *at)
{
	const struct bucket_key *key = at;
	const struct taken wanted = { .id = key->id }, *found;
	unsigned kind = key->kind < BUCKET_STATE ? key->kind : key->kind - BUCKET_STATE + STATS_STATE;
	uint64_t n;
	int err;

	found = t->n ? bsearch(&wanted, t->list, t->n, sizeof(wanted), by_id) : NULL;
	if (!found)	/* of a tally that stays */
		return 0;
	err = bpf_lookup(t->loaded->buckets_fd, key, &n);
	if (!err)
		err = stats_add_times(found->real, kind, key->bucket, n);
	return err ? err : bpf_delete(t->loaded->buckets_fd, key);
}

/* Calls @take for each key of a map. It may remove the element, so the next key is looked up before. Nobody else removes
 * elements of these maps, so each key leads to the next one. */
static int each_key(int map_fd, size_t size, int (*take)(struct taking *t, const void *key), struct taking *t)
{
	union {
		struct tally_key tally;
		struct bucket_key bucket;
	} key, next;
	int err = 0, end;

	memset(&key, 0xff, sizeof(key));	/* no element has this key */
	end = bpf_next(map_fd, &key, &next);
	while (!end && !err) {
		memcpy(&key, &next, size);
		end = bpf_next(map_fd, &key, &next);
		err = take(t, &key);
	}
	return err || end == -ENOENT ? err : end;
}

static int set_made(const struct loaded *l, uint64_t made[2])
{
	int err = loader_count(l, COUNT_TALLIES_MADE, &made[0]);

	return err ? err : loader_count(l, COUNT_BUCKETS_MADE, &made[1]);
}

bool summary_is_full(const struct summary *s, const struct loaded *l)
{
	uint64_t made[2];

	return !set_made(l, made) && (made[0] - s->made[0] > l->tallies / 2 || made[1] - s->made[1] > l->buckets / 2);
}

int summary_read(struct summary *s, const struct loaded *l, struct stats *out)
{
	struct taking t = { .loaded = l, .to = &s->next };
	int slot = COUNT_ROUND, err;

	err = set_made(l, s->made);
	if (!err)
		err = loader_count(l, COUNT_ROUND, &t.round);
	t.round++;
	if (!err)
		err = bpf_update(l->counts_fd, &slot, &t.round, BPF_ANY);
	if (err)
		return err;
	bpf_wait();
	err = each_key(l->tallies_fd, sizeof(struct tally_key), take_tally, &t);
	if (t.n)
		qsort(t.list, t.n, sizeof(*t.list), by_id);
	if (!err && l->buckets_fd >= 0)	/* --server alone counts no times */
		err = each_key(l->buckets_fd, sizeof(struct bucket_key), take_bucket, &t);
	free(t.list);
	if (err)
		return err;
	*out = s->next;
	memset(&s->next, 0, sizeof(s->next));
	return 0;
}

void summary_close(struct summary *s)
{
	stats_free(&s->next);
}
