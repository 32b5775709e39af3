/* SPDX-License-Identifier: Apache-2.0 */
#include "rows/correlate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/reason.h"	/* after <errno.h> */

#define FIRST_SIZE 1024

static int grow(struct correlate *c, uint32_t size)
{
	struct event *events = realloc(c->events, size * sizeof(*events));
	struct order *order, *spare;

	if (events)
		c->events = events;
	order = realloc(c->order, size * sizeof(*order));
	if (order)
		c->order = order;
	spare = realloc(c->spare, size * sizeof(*spare));
	if (spare)
		c->spare = spare;
	if (!events || !order || !spare)
		return -ENOMEM;
	c->size = size;
	return 0;
}

int correlate_init(struct correlate *c)
{
	memset(c, 0, sizeof(*c));
	return grow(c, FIRST_SIZE);
}

int correlate_add(struct correlate *c, const void *data, size_t len)
{
	struct event *ev;
	int err;

	if (c->n == c->size && grow(c, c->size * 2))
		return -ENOMEM;
	ev = &c->events[c->n];
	err = decode(ev, data, len);
	if (err)
		return err;
	c->order[c->n].ts_ns = ev->ts_ns;
	c->order[c->n].at = c->n;
	c->n++;
	return 0;
}

/* Merges pairs of sorted runs: one pass of a merge sort. There are few runs, as
 * each CPU's buffer is one, except for interrupts. Returns the number of runs. */
static uint32_t merge_runs(const struct order *from, struct order *to, uint32_t n)
{
	uint32_t a = 0, runs = 0;

	while (a < n) {
		uint32_t mid = a + 1, b, end, out = a;

		while (mid < n && from[mid].ts_ns >= from[mid - 1].ts_ns)
			mid++;
		b = mid;
		end = mid < n ? mid + 1 : n;
		while (end < n && from[end].ts_ns >= from[end - 1].ts_ns)
			end++;
		while (a < mid && b < end)
			to[out++] = from[b].ts_ns < from[a].ts_ns ? from[b++] : from[a++];
		memcpy(to + out, from + a, (mid - a) * sizeof(*to));
		memcpy(to + out + (mid - a), from + b, (end - b) * sizeof(*to));
		a = end;
		runs++;
	}
	return runs;
}

void correlate_sort(struct correlate *c)
{
	uint32_t runs = 2;

	while (runs > 1) {
		struct order *sorted = c->spare;

		runs = merge_runs(c->order, sorted, c->n);
		c->spare = c->order;
		c->order = sorted;
	}
	c->next = 0;
}

static const char *method_word(const struct real *real)
{
	static const char *const words[] = {
		[METHOD_MASQ] = "masq",	    [METHOD_LOCAL] = "local",	[METHOD_TUNNEL] = "tunnel",
		[METHOD_ROUTE] = "route",   [METHOD_BYPASS] = "bypass",
	};

	if (!real->family || real->method >= sizeof(words) / sizeof(words[0]))
		return NULL;
	return words[real->method];
}

static const char *close_word(const struct event *ev)
{
	static const char *const words[] = {
		[CLOSE_NO_DESTINATION] = "no-destination",
		[CLOSE_NO_PORT] = "no-port",
		[CLOSE_ABORTED] = "aborted",
		[CLOSE_REFUSED] = "refused",
		[CLOSE_RESET] = "reset",
		[CLOSE_EXPIRED] = "expired",
		[CLOSE_TIMEOUT] = "timeout",
		[CLOSE_UNREACHABLE] = "unreachable",
		[CLOSE_ERROR] = "error",
	};

	return words[why_closed(&ev->conn, ev->oldstate, ev->err_known, ev->err)];
}

static const char *event_word(const struct event *ev)
{
	static const char *const words[] = {
		[EVENT_STATE] = "state", [EVENT_RETRANSMIT] = "retransmit", [EVENT_MOVED] = "moved",
		[EVENT_FORWARDED] = "state", [EVENT_FORWARDED_SYN] = "retransmit", [EVENT_FORWARDED_NEW] = "new",
		[EVENT_FORWARDED_REFUSED] = "no-destination", [EVENT_IDLE_EXPIRED] = "idle-expired",
		[EVENT_SERVER_SYN_ACK] = "syn-ack-again", [EVENT_SERVER_NO_LISTENER] = "no-listener",
		[EVENT_SERVER_QUEUE_FULL] = "accept-queue-full",
	};

	return words[ev->type];
}

static const char *forwarded_word(const struct event *ev)
{
	static const char *const words[] = {
		[FORWARDED_CLIENT_FIN] = "client-fin",
		[FORWARDED_SERVER_FIN] = "server-fin",
		[FORWARDED_CLIENT_RESET] = "client-reset",
		[FORWARDED_SERVER_RESET] = "server-reset",
		[FORWARDED_REFUSED] = "refused",
		[FORWARDED_NO_ANSWER] = "no-answer",
		[FORWARDED_NO_ACK] = "no-ack",
		[FORWARDED_IDLE] = "idle",
		[FORWARDED_RESCHEDULED] = "rescheduled",
		[FORWARDED_DEST_REMOVED] = "removed",
	};
	const char *word = words[why_forwarded(&ev->conn, ev->oldstate)];

	if (ev->type == EVENT_FORWARDED || (ev->type == EVENT_FORWARDED_NEW && word))
		return word;
	return event_word(ev);
}

static bool is_server(const struct event *ev)
{
	return ev->type >= EVENT_SERVER_SYN_ACK;
}

static const char *reason_word(const struct event *ev)
{
	if (is_forwarded(ev))
		return forwarded_word(ev);
	if (ev->type == EVENT_STATE && ev->newstate == TCP_CLOSE)
		return close_word(ev);
	if (ev->conn.flags & CONN_SYN_LOST)
		return "syn-lost";
	return ev->type == EVENT_STATE ? NULL : event_word(ev);
}

static void set_row_endpoint(struct endpoint *e, const __u32 addr[4], uint16_t port, uint8_t family)
{
	memcpy(e->addr, addr, sizeof(e->addr));
	e->port = port;
	e->family = family;
}

/* Returns milliseconds, or -1 if not known. The row of the connect itself is older than IPVS's entry, so it gets 0. */
static int64_t elapsed_ms(uint32_t from, uint32_t to)
{
	uint32_t units = to - from;

	if (!from)
		return -1;
	return units < UINT32_MAX / 2 + UINT32_MAX / 4 ? ((int64_t)units << 20) / 1000000 : 0;
}

static void set_socket(struct row *row, const struct owner *o)
{
	row->pid = o->pid;
	row->uid = o->uid;
	memcpy(row->comm, o->comm, sizeof(row->comm));
}

static void set_forwarded(struct row *row, const struct event *ev)
{
	const struct forwarded *f = &ev->conn.forwarded;
	bool ends = ev->type == EVENT_FORWARDED && ev->newstate == IPVS_NONE;

	row->oldstate += ROW_IPVS;
	row->newstate += ROW_IPVS;
	row->packets = f->packets;
	row->expires_ms = f->expires_ms && !ends ? (int64_t)f->expires_ms : -1;
	row->connect_us = f->connect_us ? (int64_t)f->connect_us : -1;
	row->connect_to = !f->connect_us ? NULL : f->flags & FORWARDED_SYN_ACK ? "syn-ack" : "ack";
}

static void make_row(const struct correlate *c, struct row *row, const struct event *ev)
{
	const struct conn *conn = &ev->conn;
	uint32_t now, gone_at;

	row->ts_ns = ev->ts_ns;
	row->skaddr = ev->skaddr;
	row->span_ns = ev->span_ns;
	row->netns = conn->tuple.netns;
	row->owned = !is_forwarded(ev) && conn->flags & CONN_OWNED;
	row->cgroup = row->owned ? ev->cgroup : 0;
	row->container = NULL;
	set_row_endpoint(&row->local, conn->tuple.laddr, conn->tuple.lport, conn->family);
	set_row_endpoint(&row->remote, conn->tuple.raddr, conn->tuple.rport, conn->family);
	set_row_endpoint(&row->real, conn->real.addr, conn->real.port, conn->real.family);
	row->oldstate = ev->oldstate;
	row->newstate = ev->newstate;
	row->method = method_word(&conn->real);
	row->event = event_word(ev);
	row->reason = reason_word(ev);
	row->trouble = tells_trouble(ev, c->failures, c->slow_ns);
	now = ENTRY_TIME(ev->ts_ns);
	/* A row that was held back until later may be older than the end of the entry; the clocks of two CPUs may differ a bit. */
	gone_at = conn->gone_at && now + 2 - conn->gone_at < UINT32_MAX / 2 ? conn->gone_at : 0;
	row->age_ms = elapsed_ms(conn->entry_at, gone_at ? gone_at : now);
	row->gone_ms = elapsed_ms(gone_at, now);
	row->forwarded = is_forwarded(ev);
	row->server = is_server(ev);
	if (row_has_process(row)) {
		set_socket(row, &conn->owner);
		return;
	}
	row->pid = row->uid = 0;
	memset(row->comm, 0, sizeof(row->comm));
	if (row->forwarded)
		set_forwarded(row, ev);
}

bool correlate_next(struct correlate *c, uint64_t before_ns, struct row *row)
{
	if (c->next == c->n || c->order[c->next].ts_ns >= before_ns)
		return false;
	make_row(c, row, &c->events[c->order[c->next].at]);
	c->next++;
	return true;
}

/* Moves the events that stay to the first slots; those that are there already do not move. It looks only at events that
 * stay: most rounds keep few. */
void correlate_keep(struct correlate *c, uint64_t before_ns)
{
	struct order *stays, *taken = c->spare;
	uint32_t kept, slot = 0;

	while (c->next < c->n && c->order[c->next].ts_ns < before_ns)
		c->next++;
	stays = c->order + c->next;
	kept = c->n - c->next;
	for (uint32_t i = 0; i < kept; i++)
		taken[i].at = 0;
	for (uint32_t i = 0; i < kept; i++)
		if (stays[i].at < kept)
			taken[stays[i].at].at = 1;
	for (uint32_t i = 0; i < kept; i++) {
		struct order *o = &c->order[i];

		*o = stays[i];
		if (o->at < kept)
			continue;
		while (taken[slot].at)
			slot++;
		c->events[slot] = c->events[o->at];
		o->at = slot++;
	}
	c->next = 0;
	c->n = kept;
}

void correlate_fini(struct correlate *c)
{
	free(c->events);
	free(c->order);
	free(c->spare);
	memset(c, 0, sizeof(*c));
}
