/* SPDX-License-Identifier: Apache-2.0 */
#include "ipvs/services.h"

#include "ipvs/namespaces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MISSING 2		/* readings, until it has left */
#define MISSING_FORGOTTEN 8	/* readings, until it is forgotten */

struct servers_read {
	struct ipvs_server *server, line;
	size_t n, size;
	bool full;
	int err;
};

static int compare_servers(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct ipvs_server, weightless));
}

static void on_server_line(void *cookie, const char *text, size_t len, uint32_t netns)
{
	struct servers_read *r = cookie;

	r->line.netns = netns;
	if (!ipvs_parse_server(text, len, &r->line))
		return;
	if (r->n == SERVICES_MAX) {
		r->full = true;
		return;
	}
	if (r->n == r->size) {
		size_t size = r->size ? 2 * r->size : 64;
		struct ipvs_server *more = realloc(r->server, size * sizeof(*more));

		if (!more) {
			r->err = -ENOMEM;
			return;
		}
		r->server = more;
		r->size = size;
	}
	r->server[r->n++] = r->line;
}

/* Merges the sorted arrays @old and @now. */
static size_t merge_servers(struct ipvs_server *to, const struct services *old, const struct ipvs_server *now, size_t n)
{
	const struct ipvs_server *was = old->server, *was_end = was + old->n, *now_end = now + n;
	uint32_t read_netns = 0;	/* the namespace of the elements that follow, if it was read */
	size_t merged = 0;

	while (was < was_end || now < now_end) {
		int order = was == was_end ? 1 : now == now_end ? -1 : compare_servers(was, now);

		if (order < 0) {
			if (was->netns == read_netns && was->missing < MISSING_FORGOTTEN) {
				to[merged] = *was;
				to[merged++].missing++;
			}
			was++;
			continue;
		}
		if (now->service == IPVS_NO_SERVICE)	/* the first one of its namespace */
			read_netns = now->netns;
		if (!merged || compare_servers(&to[merged - 1], now)) {	/* the kernel may have shown it twice */
			to[merged] = *now;
			to[merged++].missing = 0;
		}
		now++;
		was += !order;
	}
	return merged;
}

int services_update(struct services *s, struct ipvs_server *now, size_t n)
{
	struct ipvs_server *merged = malloc((s->n + n + 1) * sizeof(*merged));

	if (!merged)
		return -ENOMEM;
	if (n)
		qsort(now, n, sizeof(*now), compare_servers);
	s->n = merge_servers(merged, s, now, n);
	free(s->server);
	s->server = merged;
	return 0;
}

static int read_once(struct services *s, const char *proc_root)
{
	struct servers_read r = { .server = NULL };
	int err = namespaces_read(proc_root, "ip_vs", on_server_line, NULL, &r);

	if (r.full) {	/* what does not fit would seem to have left */
		services_free(s);
		s->full = true;
	} else if (!r.err) {
		r.err = services_update(s, r.server, r.n);
	}
	free(r.server);
	return r.err ? r.err : err;
}

static bool any_may_be_missing(const struct services *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->server[i].missing && s->server[i].missing < MISSING)
			return true;
	return false;
}

int services_read(struct services *s, const char *proc_root)
{
	int err = read_once(s, proc_root);

	return any_may_be_missing(s) ? read_once(s, proc_root) : err;
}

static bool is_stale_server(const struct ipvs_server *s)
{
	return s->weightless || s->missing >= MISSING;
}

bool services_any_stale(const struct services *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_stale_server(&s->server[i]))
			return true;
	return false;
}

/* Returns the first element that is not before @key. */
static const struct ipvs_server *first_from(const struct services *s, const struct ipvs_server *key)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_servers(&s->server[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return s->server + low;
}

static const struct ipvs_server *find_server(const struct services *s, const struct ipvs_server *key)
{
	const struct ipvs_server *found = first_from(s, key);

	return found < s->server + s->n && !compare_servers(found, key) ? found : NULL;
}

/* True if services of firewall marks have the real server, and in all of them it is stale. */
static bool is_stale_by_mark(const struct services *s, const struct ipvs_entry *e)
{
	const struct ipvs_server key = { .netns = e->netns, .service = IPVS_MARK };
	bool stale = false;

	for (const struct ipvs_server *at = first_from(s, &key);
	     at < s->server + s->n && at->netns == e->netns && at->service == IPVS_MARK; at++) {
		if (memcmp(at->daddr, e->daddr, sizeof(at->daddr)) || (at->dport && at->dport != e->dport))
			continue;
		if (!is_stale_server(at))
			return false;
		stale = true;
	}
	return stale;
}

/* A service of port 0 has the connections to all ports of its address that have no service of their own. */
bool services_is_stale(const struct services *s, const struct ipvs_entry *e)
{
	struct ipvs_server key = { .netns = e->netns, .service = IPVS_TCP, .vport = e->vport, .dport = e->dport };
	const struct ipvs_server *found;

	memcpy(key.vaddr, e->vaddr, sizeof(key.vaddr));
	memcpy(key.daddr, e->daddr, sizeof(key.daddr));
	found = find_server(s, &key);
	key.vport = 0;
	if (!found)
		found = find_server(s, &key);
	key.dport = 0;
	if (!found)
		found = find_server(s, &key);
	return found ? is_stale_server(found) : is_stale_by_mark(s, e);
}

void services_free(struct services *s)
{
	free(s->server);
	memset(s, 0, sizeof(*s));
}
