/* SPDX-License-Identifier: Apache-2.0 */
#include "earlier.h"

#include "host.h"
#include "log.h"
#include "privilege.h"
#include "sockets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* Some more may come until they are read. */
#define MORE 1024
#define ROOM_MAX 1048576	/* about 100 MB; filled only where IPVS has as many itself */

static void count_entry(void *cookie, const struct ipvs_entry *e)
{
	uint32_t *n = cookie;

	(void)e;
	*n += *n < UINT32_MAX;
}

uint32_t earlier_room(const char *proc_root, uint32_t conns)
{
	const uint32_t max = conns > ROOM_MAX ? conns : ROOM_MAX;
	uint32_t n = 0;

	ipvs_read(proc_root, count_entry, &n);
	if (n > max)
		n = max;
	return n + n / 4 + MORE;
}

struct filling {
	const struct loaded *loaded;
	struct summary *summary;
	uint64_t services, n, full, not_counted;
};

static void add_entry(void *cookie, const struct ipvs_entry *e)
{
	struct filling *f = cookie;

	if (f->summary && summary_expect(f->summary, f->loaded, e))
		f->not_counted++;
	if (loader_add_earlier(f->loaded, e, &f->services))
		f->full++;
	else
		f->n++;
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

uint64_t earlier_read(const struct loaded *l, const char *proc_root, struct summary *summary)
{
	struct filling f = { .loaded = l, .summary = summary };
	int64_t began_us = now_us();
	int err = ipvs_read(proc_root, add_entry, &f);
	bool hidden = !privilege_has(privilege_ptrace());

	/* Without ip_vs there is nothing to read, so whatever is hidden does no harm. */
	if (host_ipvs() ? err || hidden : err && err != -EACCES && err != -EPERM)
		log_warning("connections from before the start may lack their real server: cannot read "
			    "net/ip_vs_conn of every namespace in %s: %s", proc_root,
			    hidden ? "CAP_SYS_PTRACE is missing" : strerror(-err));
	if (f.full)
		log_warning("%" PRIu64 " connections from before the start lack their real server: too many; "
			    "allow more by --max-conns", f.full);
	if (f.not_counted)
		log_warning("connections from before the start are not all counted: too many real servers; allow "
			    "more by --max-conns");
	log_debug("%" PRIu64 " connections that IPVS had already, read in %" PRId64 " us", f.n,
		  now_us() - began_us);
	return f.services;
}

static bool has_port(const struct port_list *list, uint16_t port)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->port[i] == port)
			return true;
	return !list->n;
}

static bool has_end(const struct end_list *list, const uint8_t addr[16], uint16_t port)
{
	for (size_t i = 0; i < list->n; i++)
		if (!memcmp(list->end[i].addr, addr, 16) && (!list->end[i].port || list->end[i].port == port))
			return true;
	return !list->n;
}

/* As adopt() in probes/common.bpf.h decides once such a connection ends. */
static bool is_wanted(const struct options *o, const struct ipvs_entry *e)
{
	return has_port(&o->lports, e->cport) && has_port(&o->rports, e->vport) &&
	       has_end(&o->vips, e->vaddr, e->vport) && has_end(&o->reals, e->daddr, e->dport);
}

struct opening {
	const struct loaded *loaded;
	const struct options *options;
	struct summary *summary;
	struct sockets sockets;
	uint64_t n;
};

static void open_entry(void *cookie, const struct ipvs_entry *e)
{
	struct opening *p = cookie;
	struct socket_ends ends = { .lport = e->cport, .rport = e->vport };

	memcpy(ends.laddr, e->caddr, sizeof(ends.laddr));
	memcpy(ends.raddr, e->vaddr, sizeof(ends.raddr));
	if (!is_wanted(p->options, e) || !sockets_has(&p->sockets, &ends) || loader_open_earlier(p->loaded, e))
		return;
	summary_open(p->summary, e);
	p->n++;
}

static void count_family(struct opening *p, const char *name)
{
	const char *proc_root = p->options->proc_root;
	int err = sockets_read(&p->sockets, proc_root, name);

	if (!err && p->sockets.n)
		err = ipvs_read(proc_root, open_entry, p);
	if (err)
		log_warning("connections from before the start may not be counted as open: cannot read net/%s of "
			    "every namespace in %s: %s", name, proc_root, strerror(-err));
	sockets_free(&p->sockets);
}

void earlier_count_open(const struct loaded *l, const struct options *o, struct summary *summary)
{
	struct opening p = { .loaded = l, .options = o, .summary = summary };
	int64_t began_us = now_us();

	if (o->pid)	/* not known whose they are */
		return;
	if (!o->ipv6)
		count_family(&p, "tcp");
	if (!o->ipv4)
		count_family(&p, "tcp6");
	log_debug("%" PRIu64 " of them open, read in %" PRId64 " us", p.n, now_us() - began_us);
}
