/* SPDX-License-Identifier: Apache-2.0 */
#include "rows/health.h"

#include "base/hash.h"
#include "probes/tcp_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define UNANSWERED_NS 1000000000

int health_init(struct health *h, uint64_t limit)
{
	memset(h, 0, sizeof(*h));
	if (!limit)
		return 0;
	h->pair = calloc(HEALTH_PAIRS, sizeof(*h->pair));
	h->head = calloc(HEALTH_HEADS, sizeof(*h->head));
	if (!h->pair || !h->head)
		return -ENOMEM;
	for (uint16_t i = 0; i < HEALTH_PAIRS - 1; i++)
		h->pair[i].next = (uint16_t)(i + 2);
	h->free = 1;
	h->limit = limit;
	return 0;
}

void health_fini(struct health *h)
{
	free(h->pair);
	free(h->head);
	memset(h, 0, sizeof(*h));
}

/* Ignores the family, which the address implies: an IPv6 socket may connect to an IPv4 service. */
static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static uint64_t hash_endpoint(uint64_t h, const struct endpoint *e)
{
	return hash_bytes(hash_bytes(h, e->addr, sizeof(e->addr)), &e->port, sizeof(e->port));
}

static uint16_t *hash_chain(struct health *h, const struct endpoint *vip, const struct endpoint *real)
{
	return &h->head[hash_endpoint(hash_endpoint(HASH_BEGIN, vip), real) % HEALTH_HEADS];
}

/* Returns the link to the pair, or the end of its chain. */
static uint16_t *find_health_pair(struct health *h, const struct endpoint *vip, const struct endpoint *real)
{
	uint16_t *link = hash_chain(h, vip, real);

	while (*link) {
		struct health_pair *p = &h->pair[*link - 1];

		if (is_same(&p->vip, vip) && is_same(&p->real, real))
			break;
		link = &p->next;
	}
	return link;
}

static void drop_pair(struct health *h, uint16_t *link)
{
	uint16_t at = *link;
	struct health_pair *p = &h->pair[at - 1];

	*link = p->next;
	memset(p, 0, sizeof(*p));
	p->next = h->free;
	h->free = at;
}

/* Drops the pair whose last failure is the oldest: it is probably no longer in service. Prefers pairs that are not
 * down. */
static void drop_oldest(struct health *h)
{
	struct health_pair *oldest = &h->pair[0];

	for (size_t i = 1; i < HEALTH_PAIRS; i++) {
		struct health_pair *p = &h->pair[i];

		if (p->down < oldest->down || (p->down == oldest->down && p->last_ns < oldest->last_ns))
			oldest = p;
	}
	drop_pair(h, find_health_pair(h, &oldest->vip, &oldest->real));
	h->forgotten++;
}

static struct health_pair *add_pair(struct health *h, const struct row *row)
{
	struct health_pair *p;
	uint16_t *head;

	if (!h->free)
		drop_oldest(h);
	p = &h->pair[h->free - 1];
	head = hash_chain(h, &row->remote, &row->real);
	h->free = p->next;
	p->next = *head;
	*head = (uint16_t)(p - h->pair + 1);
	p->vip = row->remote;
	p->real = row->real;
	p->since_ns = row->ts_ns - row->span_ns;
	return p;
}

static bool has_failed(const struct row *row)
{
	static const char *const reasons[] = { "refused", "timeout", "unreachable", "error" };

	if (row->oldstate != TCP_SYN_SENT || row->newstate != TCP_CLOSE)
		return false;
	for (size_t i = 0; row->reason && i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (!strcmp(row->reason, reasons[i]))
			return true;
	return row->span_ns >= UNANSWERED_NS;
}

static void show_ipv4(struct endpoint *e)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!memcmp(e->addr, mapped, sizeof(mapped)))
		e->family = AF_INET;
}

static void make_event(struct row *event, const struct row *row, const char *word, uint64_t since_ns)
{
	*event = *row;
	event->oldstate = row->newstate;
	event->event = event->reason = word;
	event->container = NULL;
	event->span_ns = row->ts_ns - since_ns;
	show_ipv4(&event->local);
	show_ipv4(&event->remote);
}

static bool count_failure(struct health *h, const struct row *row, struct row *event)
{
	uint16_t at = *find_health_pair(h, &row->remote, &row->real);
	struct health_pair *p = at ? &h->pair[at - 1] : add_pair(h, row);

	p->last_ns = row->ts_ns;
	if (p->down || ++p->failures < h->limit)
		return false;
	make_event(event, row, "real-server-down", p->since_ns);
	p->down = true;
	p->since_ns = row->ts_ns;
	return true;
}

static bool count_success(struct health *h, const struct row *row, struct row *event)
{
	uint16_t *link = find_health_pair(h, &row->remote, &row->real);
	bool down;

	if (!*link)
		return false;
	down = h->pair[*link - 1].down;
	if (down)
		make_event(event, row, "real-server-up", h->pair[*link - 1].since_ns);
	drop_pair(h, link);
	return down;
}

static bool forwarded_row(struct health *h, const struct row *row, struct row *event)
{
	h->forwarded = true;
	if (!row->real.family || row->oldstate != ROW_IPVS + IPVS_SYN_RECV)
		return false;
	if (row->newstate == ROW_IPVS + IPVS_ESTABLISHED)
		return count_success(h, row, event);
	return row->reason && (!strcmp(row->reason, "refused") || !strcmp(row->reason, "no-answer")) &&
	       count_failure(h, row, event);
}

bool health_row(struct health *h, const struct row *row, struct row *event)
{
	if (!h->limit)
		return false;
	if (row->forwarded)
		return forwarded_row(h, row, event);
	if (h->forwarded || !row->real.family || row->oldstate != TCP_SYN_SENT)
		return false;
	if (row->newstate == TCP_ESTABLISHED)
		return count_success(h, row, event);
	return has_failed(row) && count_failure(h, row, event);
}
