/* SPDX-License-Identifier: Apache-2.0 */
#include "rows/trouble.h"

#include "base/hash.h"
#include "probes/tcp_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int trouble_init(struct trouble *t, bool on, bool whole)
{
	memset(t, 0, sizeof(*t));
	t->on = on;
	t->whole = whole;
	if (!on || !whole)
		return 0;
	t->row = calloc(TROUBLE_ROWS, sizeof(*t->row));
	t->conn = calloc(TROUBLE_CONNS, sizeof(*t->conn));
	t->head = calloc(TROUBLE_CONNS, sizeof(*t->head));
	return t->row && t->conn && t->head ? 0 : -ENOMEM;
}

void trouble_fini(struct trouble *t)
{
	free(t->row);
	free(t->conn);
	free(t->head);
	memset(t, 0, sizeof(*t));
}

/* Returns the link to the connection, or the end of its chain. */
static uint32_t *find_conn(struct trouble *t, uint64_t skaddr)
{
	uint32_t *link = &t->head[hash_bytes(HASH_BEGIN, &skaddr, sizeof(skaddr)) % TROUBLE_CONNS];

	while (*link && t->conn[*link - 1].skaddr != skaddr)
		link = &t->conn[*link - 1].next;
	return link;
}

/* Drops the rows of a connection that wait. Returns how many. */
static uint32_t drop_rows(struct trouble *t, struct trouble_conn *c)
{
	uint32_t n = 0;

	while (c->first) {
		struct trouble_row *r = &t->row[c->first - 1];
		uint32_t next = r->next;

		r->next = t->free_row;
		t->free_row = c->first;
		c->first = next;
		n++;
	}
	c->last = 0;
	return n;
}

static void drop_conn(struct trouble *t, uint64_t skaddr)
{
	uint32_t *link = find_conn(t, skaddr), at = *link;
	struct trouble_conn *c;

	if (!at)
		return;
	c = &t->conn[at - 1];
	drop_rows(t, c);
	*link = c->next;
	*(c->older ? &t->conn[c->older - 1].newer : &t->oldest) = c->newer;
	*(c->newer ? &t->conn[c->newer - 1].older : &t->newest) = c->older;
	c->next = t->free_conn;
	t->free_conn = at;
}

static void forget_oldest(struct trouble *t)
{
	struct trouble_conn *c = &t->conn[t->oldest - 1];

	t->forgotten += drop_rows(t, c);
	drop_conn(t, c->skaddr);
}

/* Returns the new connection, as next. */
static uint32_t add_conn(struct trouble *t, uint64_t skaddr)
{
	uint32_t at, *head;

	if (!t->free_conn && t->conns == TROUBLE_CONNS)
		forget_oldest(t);
	at = t->free_conn;
	if (at)
		t->free_conn = t->conn[at - 1].next;
	else
		at = ++t->conns;
	head = find_conn(t, skaddr);	/* the end of the chain */
	t->conn[at - 1] = (struct trouble_conn){ .skaddr = skaddr, .older = t->newest };
	*head = at;
	*(t->newest ? &t->conn[t->newest - 1].newer : &t->oldest) = at;
	t->newest = at;
	return at;
}

static void keep_waiting(struct trouble *t, const struct row *row)
{
	struct trouble_conn *c;
	uint32_t conn, at;

	while (!t->free_row && t->rows == TROUBLE_ROWS)
		forget_oldest(t);	/* maybe this very connection */
	conn = *find_conn(t, row->skaddr);
	if (!conn)
		conn = add_conn(t, row->skaddr);
	at = t->free_row;
	if (at)
		t->free_row = t->row[at - 1].next;
	else
		at = ++t->rows;
	t->row[at - 1] = (struct trouble_row){ .row = *row };
	if (row->container) {	/* it is valid for this row only */
		t->row[at - 1].container = *row->container;
		t->row[at - 1].row.container = &t->row[at - 1].container;
	}
	c = &t->conn[conn - 1];
	*(c->last ? &t->row[c->last - 1].next : &c->first) = at;
	c->last = at;
}

/* True if the row is the first of a connection. IPVS may use an entry again. */
static bool begins(const struct row *row)
{
	if (row->oldstate == row->newstate)
		return false;
	if (row->forwarded)
		return row->oldstate == ROW_IPVS + IPVS_NONE || row->newstate == ROW_IPVS + IPVS_SYN_RECV;
	return row->oldstate == TCP_CLOSE || row->oldstate == TCP_LISTEN;
}

/* True if the row is the last one, or what follows is no trouble: there is no row for the end of an entry that only waits. */
static bool ends(const struct row *row)
{
	if (row->oldstate == row->newstate)
		return false;
	if (row->forwarded)
		return row->newstate == ROW_IPVS + IPVS_NONE || row->newstate == ROW_IPVS + IPVS_TIME_WAIT ||
		       row->newstate == ROW_IPVS + IPVS_CLOSE;
	return row->newstate == TCP_CLOSE;
}

void trouble_row(struct trouble *t, const struct row *row, void (*show)(void *cookie, const struct row *row), void *cookie)
{
	uint32_t conn;

	/* A row without address is one of an entry that is not made yet. One of --server is alone. */
	if (!t->on || !t->whole || !row->skaddr || row->server) {
		if (!t->on || row->trouble)
			show(cookie, row);
		return;
	}
	if (begins(row))	/* the end of the one before may not have been seen */
		drop_conn(t, row->skaddr);
	conn = *find_conn(t, row->skaddr);
	if (row->trouble || (conn && t->conn[conn - 1].shown)) {
		for (uint32_t at = conn ? t->conn[conn - 1].first : 0; at; at = t->row[at - 1].next)
			show(cookie, &t->row[at - 1].row);
		show(cookie, row);
		if (!conn && !ends(row))
			conn = add_conn(t, row->skaddr);
		if (conn) {
			drop_rows(t, &t->conn[conn - 1]);
			t->conn[conn - 1].shown = true;
		}
	} else if (!ends(row)) {
		keep_waiting(t, row);
	}
	if (ends(row))
		drop_conn(t, row->skaddr);
}
