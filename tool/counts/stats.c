/* SPDX-License-Identifier: Apache-2.0 */
#include "counts/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void stats_free(struct stats *s)
{
	free(s->real);
	free(s->state);
	memset(s, 0, sizeof(*s));
}

uint64_t stats_bucket_low(unsigned bucket)
{
	return bucket < 8 ? bucket : (uint64_t)(8 + bucket % 8) << (bucket / 8 - 1);
}

uint64_t stats_bucket_high(unsigned bucket)
{
	return bucket == STATS_BUCKETS - 1 ? UINT64_MAX : stats_bucket_low(bucket + 1) - 1;
}

/* Returns the value whose relative distance to both limits of the bucket is the same. */
static uint64_t middle_of(unsigned bucket)
{
	double low = (double)stats_bucket_low(bucket), high = (double)stats_bucket_high(bucket);

	if (bucket < 16 || bucket == STATS_BUCKETS - 1)
		return stats_bucket_low(bucket);
	return (uint64_t)(2 * low * high / (low + high) + 0.5);
}

uint64_t stats_percentile(const struct stats_histogram *h, unsigned percent)
{
	uint64_t rank = h->count / 100 * percent + (h->count % 100 * percent + 99) / 100, seen = 0;

	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		seen += h->bucket[i];
		if (h->bucket[i] && seen >= rank)
			return h->max_us >= stats_bucket_low(i) && h->max_us < middle_of(i) ? h->max_us : middle_of(i);
	}
	return 0;
}

int stats_order_endpoints(const struct endpoint *a, const struct endpoint *b)
{
	int order = (a->family != 0) - (b->family != 0);

	if (!order)
		order = memcmp(a->addr, b->addr, sizeof(a->addr));
	return order ? order : a->port - b->port;
}

int stats_order(const struct stats_real *a, const struct stats_real *b)
{
	int order = stats_order_endpoints(&a->vip, &b->vip);

	return order ? order : stats_order_endpoints(&a->real, &b->real);
}

static void add_times(struct stats_histogram *to, const struct stats_histogram *from)
{
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	to->sum_us += from->sum_us;
	if (from->max_us > to->max_us)
		to->max_us = from->max_us;
}

void stats_add(struct stats_real *to, const struct stats_real *from)
{
	for (int i = 0; i < STATS_COUNTERS; i++)
		to->counter[i] += from->counter[i];
	to->open += from->open;
	to->changes += from->changes;
	add_times(&to->connect, &from->connect);
	add_times(&to->life, &from->life);
}

static void subtract_times(struct stats_histogram *from, const struct stats_histogram *what)
{
	bool risen = from->max_us > what->max_us;
	uint64_t max_us = 0;

	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		from->bucket[i] -= what->bucket[i];
		if (from->bucket[i])
			max_us = stats_bucket_high(i);
	}
	from->count -= what->count;
	from->sum_us -= what->sum_us;
	if (!risen && max_us < from->max_us)
		from->max_us = max_us;
}

static void subtract(struct stats_real *from, const struct stats_real *what)
{
	for (int i = 0; i < STATS_COUNTERS; i++)
		from->counter[i] -= what->counter[i];
	subtract_times(&from->connect, &what->connect);
	subtract_times(&from->life, &what->life);
	from->changes -= what->changes;
}

/* Copies @n elements of @size bytes. The result is not NULL if @n is 0. */
static void *copy_array(const void *from, size_t n, size_t size)
{
	void *to = malloc((n + !n) * size);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

static void subtract_states(struct stats *from, size_t at, const struct stats *what, size_t what_at)
{
	for (unsigned i = 0; i < STATS_STATES; i++)
		subtract_times(stats_state(from, &from->real[at], i), stats_state(what, &what->real[what_at], i));
}

int stats_since(struct stats *diff, const struct stats *now, const struct stats *before)
{
	size_t at = 0;

	diff->n = now->n;
	diff->real = copy_array(now->real, now->n, sizeof(*now->real));
	diff->state = now->state ? copy_array(now->state, now->n * STATS_STATES, sizeof(*now->state)) : NULL;
	if (!diff->real || (now->state && !diff->state)) {
		stats_free(diff);
		return -ENOMEM;
	}
	for (size_t i = 0; i < now->n; i++) {
		while (at < before->n && stats_order(&before->real[at], &now->real[i]) < 0)
			at++;
		if (at == before->n || stats_order(&before->real[at], &now->real[i]))
			continue;
		subtract(&diff->real[i], &before->real[at]);
		if (diff->state)
			subtract_states(diff, i, before, at);
	}
	return 0;
}

uint64_t stats_failed(const struct stats_real *r)
{
	return r->counter[STATS_REFUSED] + r->counter[STATS_TIMED_OUT] + r->counter[STATS_UNREACHABLE] +
	       r->counter[STATS_ABORTED] + r->counter[STATS_NO_DESTINATION] + r->counter[STATS_FAILED];
}

bool stats_idle(const struct stats_real *r)
{
	for (int i = 0; i < STATS_COUNTERS; i++)
		if (r->counter[i])
			return false;
	return !r->open && !r->life.count && !r->changes;
}

static uint64_t trouble(const struct stats_real *r)
{
	return stats_failed(r) + r->counter[STATS_SYN_RETRANSMITS] + r->counter[STATS_RESETS];
}

/* Sorts greater values first. */
static int descending(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int worst_first(const struct stats_real *a, const struct stats_real *b)
{
	int order = descending(trouble(a), trouble(b));

	if (!order)
		order = descending(stats_percentile(&a->connect, 99), stats_percentile(&b->connect, 99));
	return order ? order : stats_order(a, b);
}

static int worst_real_first(const void *a, const void *b, void *cookie)
{
	const struct stats *s = cookie;

	return worst_first(&s->real[*(const size_t *)a], &s->real[*(const size_t *)b]);
}

static int worst_service_first(const void *a, const void *b)
{
	return worst_first(&((const struct stats_service *)a)->total, &((const struct stats_service *)b)->total);
}

static struct stats_service *service_of(struct stats_ranking *r, const struct stats_real *real, size_t at)
{
	struct stats_service *last = r->n ? &r->service[r->n - 1] : NULL, *more;

	if (last && !stats_order_endpoints(&last->total.vip, &real->vip))
		return last;
	more = realloc(r->service, (r->n + 1) * sizeof(*more));
	if (!more)
		return NULL;
	r->service = more;
	last = &more[r->n++];
	memset(last, 0, sizeof(*last));
	last->total.vip = real->vip;
	last->first = at;
	return last;
}

int stats_rank(struct stats_ranking *r, const struct stats *s)
{
	size_t n = 0;

	memset(r, 0, sizeof(*r));
	r->order = malloc((s->n + !s->n) * sizeof(*r->order));
	if (!r->order)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		struct stats_service *service;

		if (stats_idle(&s->real[i]))
			continue;
		service = service_of(r, &s->real[i], n);
		if (!service)
			return -ENOMEM;
		stats_add(&service->total, &s->real[i]);
		service->n++;
		r->order[n++] = i;
	}
	for (size_t i = 0; i < r->n; i++)
		qsort_r(r->order + r->service[i].first, r->service[i].n, sizeof(*r->order), worst_real_first,
			(void *)s);
	if (r->n)
		qsort(r->service, r->n, sizeof(*r->service), worst_service_first);
	return 0;
}

void stats_ranking_free(struct stats_ranking *r)
{
	free(r->service);
	free(r->order);
	memset(r, 0, sizeof(*r));
}
