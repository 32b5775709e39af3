/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/mirror.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/host.h"
#include "host/privilege.h"
#include "ipvs/entries.h"
#include "ipvs/sockets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MEANWHILE_NS 10000000
#define PARTS_MIN 200	/* a small table is read even if the tool gets no CPU for a while: a page holds 62 connections of IPv4 */

/* Pre-existing connections whose socket was established at the first look. */
struct candidates {
	struct ipvs_entry *entry;
	size_t n, size;
};

struct reading {
	const struct mirror *mirror;
	uint64_t began_ns, meanwhile_ns, adopt;
	struct sockets sockets[2];	/* IPv4, IPv6; empty if nothing is counted */
	struct candidates open;
	struct ipvs_entry last;		/* the last entry whose virtual service was added */
	unsigned parts;			/* of files, that were read */
	uint64_t seen;			/* entries that the map has now */
	uint64_t added, full, not_counted;
	bool late;
};

/* True if the filters let the connection pass, as unseen_wanted() and adopt() in probes/join.bpf.h decide at its end. */
static bool is_wanted_entry(const struct options *o, const struct ipvs_entry *e)
{
	return !o->pid && !o->netns && filter_has_port(&o->lports, e->cport) && filter_has_port(&o->rports, e->vport) &&
	       filter_has_address(&o->vips, e->vaddr, e->vport) && filter_has_address(&o->reals, e->daddr, e->dport);
}

static bool is_established(const struct reading *r, const struct ipvs_entry *e)
{
	struct socket_addresses ends = { .lport = e->cport, .rport = e->vport };

	memcpy(ends.laddr, e->caddr, sizeof(ends.laddr));
	memcpy(ends.raddr, e->vaddr, sizeof(ends.raddr));
	return sockets_has(&r->sockets[0], &ends) || sockets_has(&r->sockets[1], &ends);
}

static void add_candidate(struct reading *r, const struct ipvs_entry *e)
{
	struct candidates *c = &r->open;

	if (!is_wanted_entry(r->mirror->options, e) || !is_established(r, e))
		return;
	if (c->n == c->size) {
		size_t size = c->size ? 2 * c->size : 64;
		struct ipvs_entry *more = realloc(c->entry, size * sizeof(*more));

		if (!more) {
			r->not_counted++;
			return;
		}
		c->entry = more;
		c->size = size;
	}
	c->entry[c->n++] = *e;
}

static void add_entry(void *cookie, const struct ipvs_entry *e)
{
	struct reading *r = cookie;
	const struct mirror *m = r->mirror;
	int err;

	if (r->added >= (uint64_t)m->options->max_conns) {
		r->full++;
		return;
	}
	err = entries_add(m->loaded, e, &r->adopt);
	if (err && err != -EEXIST) {
		r->full++;
		return;
	}
	r->seen++;
	if (err)	/* the programs saw IPVS create it */
		return;
	r->added++;
	if (r->added == 1 || r->last.vport != e->vport || memcmp(r->last.vaddr, e->vaddr, sizeof(e->vaddr)) != 0) {
		entries_add_service(m->loaded, e);
		r->last = *e;
	}
	if (m->summary)
		add_candidate(r, e);
}

/* Ends the reading if there is no more time, or no more room. */
static bool has_time(void *cookie)
{
	struct reading *r = cookie;
	uint64_t now = clock_now_ns();

	if (now - r->meanwhile_ns >= MEANWHILE_NS) {
		r->mirror->meanwhile(r->mirror->cookie);
		r->meanwhile_ns = now;
	}
	r->late = ++r->parts > PARTS_MIN && now - r->began_ns >= MIRROR_MS * 1000000ULL;
	return !r->late && !r->full;
}

static void free_sockets(struct reading *r)
{
	sockets_free(&r->sockets[0]);
	sockets_free(&r->sockets[1]);
}

static void read_sockets(struct reading *r)
{
	static const char *const names[] = { "tcp", "tcp6" };
	const struct options *o = r->mirror->options;
	const bool wanted[] = { !o->ipv6, !o->ipv4 };

	for (int i = 0; i < 2; i++) {
		int err = wanted[i] ? sockets_read(&r->sockets[i], o->proc_root, names[i]) : 0;

		if (err)
			log_warning("connections from before the start may not be counted as open: cannot read net/%s of "
				    "every namespace in %s: %s", names[i], o->proc_root, strerror(-err));
	}
}

/* Counts the candidates as open. A socket may have closed before its connection was marked; then the programs did not count
 * its end. So the tool reads the sockets again after marking. */
static void count_open(struct reading *r)
{
	for (size_t i = 0; i < r->open.n; i++)
		if (entries_mark_open(r->mirror->loaded, &r->open.entry[i]))
			r->not_counted++;
	free_sockets(r);
	read_sockets(r);
	for (size_t i = 0; i < r->open.n; i++) {
		const struct ipvs_entry *e = &r->open.entry[i];

		if ((is_established(r, e) || entries_unmark_open(r->mirror->loaded, e)) &&
		    summary_open(r->mirror->summary, e))
			r->not_counted++;
	}
	log_debug("%zu of them open", r->open.n);
}

/* Returns how many connections of before the start are not in the map. IPVS's own count misses some, so it may be more. */
static uint64_t count_unread(const struct reading *r)
{
	uint64_t total = 0;

	if (!r->late && !r->full)
		return 0;
	if (ipvs_total(r->mirror->options->proc_root, &total) || total < r->seen + r->full)
		return r->full;
	return total - r->seen;
}

static void warn_unread(const struct reading *r, uint64_t n)
{
	if (r->full)
		log_warning("%" PRIu64 " connections from before the start are not shown, or with -a lack their real server: "
			    "too many; allow more by --max-conns", n);
	else
		log_warning("%" PRIu64 " connections from before the start are not shown, or with -a lack their real server: "
			    "IPVS has too many to read in " MIRROR_TIME, n);
}

static void warn_failed(const struct reading *r, int err)
{
	bool hidden = !privilege_has(privilege_ptrace());

	/* Without ip_vs there is nothing to read, so missing access does no harm. */
	if (host_ipvs() ? err || hidden : err && err != -EACCES && err != -EPERM)
		log_warning("connections from before the start may lack their real server: cannot read "
			    "net/ip_vs_conn of every namespace in %s: %s", r->mirror->options->proc_root,
			    hidden ? "CAP_SYS_PTRACE is missing" : strerror(-err));
}

uint64_t mirror_read(const struct mirror *m, uint64_t *unread)
{
	uint64_t now = clock_now_ns(), n;
	struct reading r = { .mirror = m, .began_ns = now, .meanwhile_ns = now };

	/* Spares a walk through all processes if there can be nothing; another tree than /proc is one of a test. */
	if (!host_ipvs() && !strcmp(m->options->proc_root, "/proc"))
		return 0;
	if (m->summary)
		read_sockets(&r);
	warn_failed(&r, ipvs_read(m->options->proc_root, add_entry, has_time, &r));
	entries_count_added(m->loaded, r.added);
	n = count_unread(&r);
	log_debug("%" PRIu64 " connections that IPVS had already, read in %" PRIu64 " us", r.added,
		  (clock_now_ns() - r.began_ns) / 1000);
	m->set_adopt(m->cookie, r.adopt);
	if (r.open.n)
		count_open(&r);
	if (n > *unread) {
		*unread = n;
		warn_unread(&r, n);
	}
	if (r.not_counted)
		log_warning("connections from before the start are not all counted: too many real servers; allow "
			    "more by --max-conns");
	free(r.open.entry);
	free_sockets(&r);
	return clock_now_ns() - r.began_ns;
}
