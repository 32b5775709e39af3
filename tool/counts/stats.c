/* SPDX-License-Identifier: Apache-2.0 */
#include "counts/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t stats_bucket_low(unsigned bucket)
{
	return bucket < 8 ? bucket : (uint64_t)(8 + bucket % 8) << ((bucket / 8 - 1) & 63);	/* "& 63": for static analyzers */
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

	for (size_t i = 0; i < h->n; i++) {
		unsigned number = stats_number(&h->bucket[i]);

		seen += h->bucket[i].n;
		if (seen >= rank)
			return h->max_us >= stats_bucket_low(number) && h->max_us < middle_of(number) ?
				       h->max_us : middle_of(number);
	}
	return 0;
}

static int order_endpoints(const struct endpoint *a, const struct endpoint *b)
{
	int order = (a->family != 0) - (b->family != 0);

	if (!order)
		order = memcmp(a->addr, b->addr, sizeof(a->addr));
	return order ? order : a->port - b->port;
}

int stats_order(const struct stats_real *a, const struct stats_real *b)
{
	int order = order_endpoints(&a->vip, &b->vip);

	if (!order)
		order = (int)a->source - (int)b->source;
	return order ? order : order_endpoints(&a->real, &b->real);
}

/* ---- the list of buckets of a real server */

/* Returns the index of the bucket, or the index to insert it at. */
static unsigned bucket_index(const struct stats_real *r, unsigned at)
{
	unsigned low = 0, high = r->n;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (r->bucket[mid].at < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* If two CPUs raise the greatest time at once, the lesser one may remain. The highest bucket gives a lower bound. */
struct stats_histogram stats_histogram(const struct stats_real *r, unsigned kind)
{
	struct stats_histogram h = { .bucket = NULL };

	if (!r->n)
		return h;
	h.bucket = r->bucket + bucket_index(r, kind * STATS_BUCKETS);
	for (; h.bucket + h.n < r->bucket + r->n && h.bucket[h.n].at / STATS_BUCKETS == kind; h.n++)
		h.count += h.bucket[h.n].n;
	if (kind < STATS_STATE) {
		h.sum_us = r->sum_us[kind];
		h.max_us = r->max_us[kind];
	}
	if (h.n && stats_bucket_low(stats_number(&h.bucket[h.n - 1])) > h.max_us)
		h.max_us = stats_bucket_low(stats_number(&h.bucket[h.n - 1]));
	return h;
}

static int add_bucket(struct stats_real *r, unsigned at, uint64_t n)
{
	unsigned i = bucket_index(r, at);

	if (i < r->n && r->bucket[i].at == at) {
		r->bucket[i].n += n;
		return 0;
	}
	if (r->n == r->size) {
		unsigned size = r->size ? 2 * r->size : 8;
		struct stats_bucket *more = realloc(r->bucket, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->bucket = more;
		r->size = size;
	}
	memmove(&r->bucket[i + 1], &r->bucket[i], (r->n - i) * sizeof(*r->bucket));
	r->bucket[i].at = at;
	r->bucket[i].n = n;
	r->n++;
	return 0;
}

int stats_add_times(struct stats_real *r, unsigned kind, unsigned bucket, uint64_t n)
{
	return add_bucket(r, kind * STATS_BUCKETS + bucket, n);
}

int stats_add(struct stats_real *to, const struct stats_real *from)
{
	int err = 0;

	for (int i = 0; i < STATS_COUNTERS; i++)
		to->counter[i] += from->counter[i];
	to->open += from->open;
	for (int i = 0; i < STATS_STATE; i++) {
		to->sum_us[i] += from->sum_us[i];
		if (from->max_us[i] > to->max_us[i])
			to->max_us[i] = from->max_us[i];
	}
	for (unsigned i = 0; i < from->n && !err; i++)
		err = add_bucket(to, from->bucket[i].at, from->bucket[i].n);
	return err;
}

/* ---- lists of real servers */

/* Returns the index of the real server, or the index to insert it at. */
static size_t real_index(const struct stats *s, const struct stats_real *wanted)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (stats_order(s->real[mid], wanted) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct stats_real *stats_find(const struct stats *s, enum stats_source source, const struct endpoint *vip,
			      const struct endpoint *real)
{
	const struct stats_real wanted = { .vip = *vip, .real = *real, .source = source };
	size_t at = real_index(s, &wanted);

	return at < s->n && !stats_order(s->real[at], &wanted) ? s->real[at] : NULL;
}

struct stats_real *stats_get(struct stats *s, enum stats_source source, const struct endpoint *vip,
			     const struct endpoint *real)
{
	const struct stats_real wanted = { .vip = *vip, .real = *real, .source = source };
	size_t at = real_index(s, &wanted);
	struct stats_real *r;

	if (at < s->n && !stats_order(s->real[at], &wanted))
		return s->real[at];
	if (s->n == s->size) {
		size_t size = s->size ? 2 * s->size : 64;
		struct stats_real **more = realloc(s->real, size * sizeof(struct stats_real *));

		if (!more)
			return NULL;
		s->real = more;
		s->size = size;
	}
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	*r = wanted;
	memmove(&s->real[at + 1], &s->real[at], (s->n - at) * sizeof(struct stats_real *));
	s->real[at] = r;
	s->n++;
	return r;
}

int stats_add_all(struct stats *to, const struct stats *from)
{
	int err = 0;

	for (size_t i = 0; i < from->n && !err; i++) {
		const struct stats_real *add = from->real[i];
		struct stats_real *r = stats_get(to, add->source, &add->vip, &add->real);

		err = r ? stats_add(r, add) : -ENOMEM;
	}
	return err;
}

void stats_keep(struct stats *s, bool (*keep)(void *cookie, struct stats_real *r), void *cookie)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (keep(cookie, s->real[i])) {
			s->real[n++] = s->real[i];
			continue;
		}
		free(s->real[i]->bucket);
		free(s->real[i]);
	}
	s->n = n;
}

static bool restart_real(void *cookie, struct stats_real *r)
{
	(void)cookie;
	memset(r->counter, 0, sizeof(r->counter));
	memset(r->sum_us, 0, sizeof(r->sum_us));
	memset(r->max_us, 0, sizeof(r->max_us));
	r->n = 0;
	return r->open > 0;
}

void stats_restart(struct stats *s)
{
	stats_keep(s, restart_real, NULL);
}

static bool keep_none(void *cookie, struct stats_real *r)
{
	(void)cookie;
	(void)r;
	return false;
}

void stats_free(struct stats *s)
{
	stats_keep(s, keep_none, NULL);
	free(s->real);
	memset(s, 0, sizeof(*s));
}

/* ---- what matters to the reader */

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
	return r->open <= 0 && !r->n;
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

static uint64_t p99(const struct stats_real *r)
{
	const struct stats_histogram h = stats_histogram(r, STATS_CONNECT);

	return stats_percentile(&h, 99);
}

static int worst_first(const struct stats_real *a, const struct stats_real *b)
{
	int order = descending(trouble(a), trouble(b));

	if (!order)
		order = descending(p99(a), p99(b));
	return order ? order : stats_order(a, b);
}

static int worst_real_first(const void *a, const void *b)
{
	return worst_first(*(const struct stats_real *const *)a, *(const struct stats_real *const *)b);
}

static int worst_service_first(const void *a, const void *b)
{
	return worst_first(&((const struct stats_service *)a)->total, &((const struct stats_service *)b)->total);
}

static struct stats_service *service_of(struct stats_ranking *r, const struct stats_real *real, size_t at)
{
	struct stats_service *last = r->n ? &r->service[r->n - 1] : NULL, *more;

	if (last && last->total.source == real->source && !order_endpoints(&last->total.vip, &real->vip))
		return last;
	more = realloc(r->service, (r->n + 1) * sizeof(*more));
	if (!more)
		return NULL;
	r->service = more;
	last = &more[r->n++];
	memset(last, 0, sizeof(*last));
	last->total.vip = real->vip;
	last->total.source = real->source;
	last->first = at;
	return last;
}

int stats_rank(struct stats_ranking *r, const struct stats *s)
{
	size_t n = 0;
	int err = 0;

	memset(r, 0, sizeof(*r));
	r->order = malloc((s->n + !s->n) * sizeof(struct stats_real *));
	if (!r->order)
		return -ENOMEM;
	for (size_t i = 0; i < s->n && !err; i++) {
		struct stats_service *service;

		if (stats_idle(s->real[i]))
			continue;
		service = service_of(r, s->real[i], n);
		if (!service)
			return -ENOMEM;
		err = stats_add(&service->total, s->real[i]);
		service->n++;
		r->order[n++] = s->real[i];
	}
	for (size_t i = 0; i < r->n; i++)
		qsort(r->order + r->service[i].first, r->service[i].n, sizeof(struct stats_real *), worst_real_first);
	if (r->n)
		qsort(r->service, r->n, sizeof(*r->service), worst_service_first);
	return err;
}

void stats_ranking_free(struct stats_ranking *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->service[i].total.bucket);
	free(r->service);
	free(r->order);
	memset(r, 0, sizeof(*r));
}
