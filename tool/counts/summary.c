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

static int compare_pairs(const struct endpoint *vip, const struct endpoint *real, const struct endpoint *other_vip,
		 const struct endpoint *other_real)
{
	int by_vip = stats_order_endpoints(vip, other_vip);

	return by_vip ? by_vip : stats_order_endpoints(real, other_real);
}

/* Returns the index of the pair, or the index to insert it at. */
static size_t index_of(const struct summary *s, const struct endpoint *vip, const struct endpoint *real,
		       bool *there)
{
	size_t low = 0, high = s->n;

	*there = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int way = compare_pairs(&s->pair[mid].vip, &s->pair[mid].real, vip, real);

		if (way < 0) {
			low = mid + 1;
		} else {
			high = mid;
			*there |= !way;
		}
	}
	return low;
}

static struct summary_pair *find_summary_pair(const struct summary *s, const struct endpoint *vip,
				 const struct endpoint *real)
{
	bool there;
	size_t at = index_of(s, vip, real, &there);

	return there ? &s->pair[at] : NULL;
}

/* @id differs from the programs' ids: those have a time in their upper bits, and so are larger. */
static int add_tally(const struct loaded *l, const struct ipvs_entry *e, uint64_t id)
{
	struct tally fresh = { .id = id };
	struct tally_key key;
	int err;

	memset(&key, 0, sizeof(key));
	memcpy(key.vip, e->vaddr, sizeof(key.vip));
	memcpy(key.real, e->daddr, sizeof(key.real));
	key.vport = e->vport;
	key.rport = e->dport;
	key.family = e->dest_family;
	err = bpf_update(l->tallies_fd, &key, &fresh, BPF_NOEXIST);
	return err == -EEXIST ? 0 : err;
}

int summary_expect(struct summary *s, const struct loaded *l, const struct ipvs_entry *e)
{
	struct endpoint vip, real;
	bool there;
	size_t at;

	set_stats_endpoint(&vip, e->vaddr, e->vport, family_of(e->vaddr));
	set_stats_endpoint(&real, e->daddr, e->dport, e->dest_family);
	at = index_of(s, &vip, &real, &there);
	if (there)
		return 0;
	if (s->n == s->size) {
		size_t size = s->size ? 2 * s->size : 64;
		struct summary_pair *more = realloc(s->pair, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->pair = more;
		s->size = size;
	}
	memmove(&s->pair[at + 1], &s->pair[at], (s->n - at) * sizeof(*s->pair));
	s->pair[at] = (struct summary_pair){ .vip = vip, .real = real };
	s->n++;
	return add_tally(l, e, s->n);
}

void summary_open(struct summary *s, const struct ipvs_entry *e)
{
	struct endpoint vip, real;
	struct summary_pair *pair;

	set_stats_endpoint(&vip, e->vaddr, e->vport, family_of(e->vaddr));
	set_stats_endpoint(&real, e->daddr, e->dport, e->dest_family);
	pair = find_summary_pair(s, &vip, &real);
	if (pair)
		pair->open++;
}

/* An element of map "tallies", and its index in struct stats. */
struct tally_copy {
	struct endpoint vip, real;
	struct tally tally;
	size_t at;
};

struct tally_copies {
	struct tally_copy *list;
	size_t n, size;
};

static int add_tally_copy(struct tally_copies *all, const struct tally_key *key, const struct tally *tally)
{
	struct tally_copy *copy;

	if (all->n == all->size) {
		size_t size = all->size ? 2 * all->size : 64;

		copy = realloc(all->list, size * sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		all->list = copy;
		all->size = size;
	}
	copy = &all->list[all->n++];
	set_stats_endpoint(&copy->vip, key->vip, key->vport, family_of((const uint8_t *)key->vip));
	set_stats_endpoint(&copy->real, key->real, key->rport, key->family);
	if (!key->family)
		memset(&copy->real, 0, sizeof(copy->real));
	copy->tally = *tally;
	return 0;
}

/* Nobody removes elements from these maps, so each key leads to the next one. */
static int read_tallies(const struct loaded *l, struct tally_copies *all)
{
	struct tally_key key;
	struct tally tally;
	int err;

	memset(&key, 0xff, sizeof(key));	/* no element has this key */
	while (!(err = bpf_next(l->tallies_fd, &key, &key))) {
		err = bpf_lookup(l->tallies_fd, &key, &tally);
		if (!err)
			err = add_tally_copy(all, &key, &tally);
		if (err)
			return err;
	}
	return err == -ENOENT ? 0 : err;
}

static int by_addresses(const void *a, const void *b)
{
	const struct tally_copy *x = a, *y = b;

	return compare_pairs(&x->vip, &x->real, &y->vip, &y->real);
}

static int by_id(const void *a, const void *b)
{
	const struct tally_copy *x = a, *y = b;

	return (x->tally.id > y->tally.id) - (x->tally.id < y->tally.id);
}

static void take_tally(struct stats_real *r, const struct tally_copy *copy, const struct summary_pair *before)
{
	const struct tally *t = &copy->tally;
	uint64_t open = t->established - t->left + (before ? before->open : 0);

	r->vip = copy->vip;
	r->real = copy->real;
	r->counter[STATS_CONNECTS] = t->connects;
	r->counter[STATS_ESTABLISHED] = t->established;
	r->counter[STATS_REFUSED] = t->refused;
	r->counter[STATS_TIMED_OUT] = t->timed_out;
	r->counter[STATS_UNREACHABLE] = t->unreachable;
	r->counter[STATS_ABORTED] = t->aborted;
	r->counter[STATS_NO_DESTINATION] = t->no_destination;
	r->counter[STATS_FAILED] = t->failed;
	r->counter[STATS_SYN_RETRANSMITS] = t->syn_retransmits;
	r->counter[STATS_RESETS] = t->resets;
	r->open = open > INT64_MAX ? 0 : open;
	r->connect.sum_us = t->connect_sum_us;
	r->connect.max_us = t->connect_max_us;
	r->life.sum_us = t->life_sum_us;
	r->life.max_us = t->life_max_us;
}

/* If two CPUs raise the greatest time at once, the lesser one may remain. The highest bucket gives a lower bound. */
static void take_bucket(struct stats_histogram *h, uint32_t bucket, uint64_t n)
{
	h->bucket[bucket] = n;
	h->count += n;
	if (n && stats_bucket_low(bucket) > h->max_us)
		h->max_us = stats_bucket_low(bucket);
}

static void take_time(struct stats *s, struct stats_real *r, const struct bucket_key *key, uint64_t n)
{
	if (key->kind == BUCKET_CONNECT) {
		take_bucket(&r->connect, key->bucket, n);
	} else if (key->kind == BUCKET_LIFE) {
		take_bucket(&r->life, key->bucket, n);
	} else if (s->state && key->kind - BUCKET_STATE < STATS_STATES) {
		take_bucket(stats_state(s, r, key->kind - BUCKET_STATE), key->bucket, n);
		r->changes += n;
	}
}

/* @all: sorted by id */
static int read_buckets(const struct loaded *l, const struct tally_copies *all, struct stats *out)
{
	struct bucket_key key;
	uint64_t n;
	int err;

	memset(&key, 0xff, sizeof(key));
	while (!(err = bpf_next(l->buckets_fd, &key, &key))) {
		struct tally_copy wanted = { .tally.id = key.id };
		const struct tally_copy *copy;

		err = bpf_lookup(l->buckets_fd, &key, &n);
		if (err)
			return err;
		copy = all->n ? bsearch(&wanted, all->list, all->n, sizeof(*all->list), by_id) : NULL;
		if (copy && key.bucket < STATS_BUCKETS)	/* else its tally was added after the tallies were read */
			take_time(out, &out->real[copy->at], &key, n);
	}
	return err == -ENOENT ? 0 : err;
}

int summary_read(const struct summary *s, const struct loaded *l, struct stats *out)
{
	struct tally_copies all = { 0 };
	struct stats stats = { 0 };
	int err = read_tallies(l, &all);

	if (err)
		goto out;
	err = -ENOMEM;
	stats.real = calloc(all.n + !all.n, sizeof(*stats.real));
	if (s->states)
		stats.state = calloc((all.n + !all.n) * STATS_STATES, sizeof(*stats.state));
	if (!stats.real || (s->states && !stats.state))
		goto out;
	stats.n = all.n;
	if (all.n)
		qsort(all.list, all.n, sizeof(*all.list), by_addresses);
	for (size_t i = 0; i < all.n; i++) {
		all.list[i].at = i;
		take_tally(&stats.real[i], &all.list[i], find_summary_pair(s, &all.list[i].vip, &all.list[i].real));
	}
	if (all.n)
		qsort(all.list, all.n, sizeof(*all.list), by_id);
	err = read_buckets(l, &all, &stats);
out:
	free(all.list);
	if (err)
		stats_free(&stats);
	else
		*out = stats;
	return err;
}

void summary_close(struct summary *s)
{
	free(s->pair);
	memset(s, 0, sizeof(*s));
}
