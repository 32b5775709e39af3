/* SPDX-License-Identifier: Apache-2.0 */
#include "earlier.h"

#include "host.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
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
	uint64_t services, n, full;
};

static void add_entry(void *cookie, const struct ipvs_entry *e)
{
	struct filling *f = cookie;

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

uint64_t earlier_read(const struct loaded *l, const char *proc_root)
{
	struct filling f = { .loaded = l };
	int64_t began_us = now_us();
	int err = ipvs_read(proc_root, add_entry, &f);

	/* Without ip_vs there is nothing to read, so whatever is hidden does no harm. */
	if (err && (host_ipvs() || (err != -EACCES && err != -EPERM)))
		log_warning("connections from before the start may lack their real server: cannot read "
			    "net/ip_vs_conn of every namespace in %s: %s", proc_root,
			    err == -EACCES ? "CAP_SYS_PTRACE is missing" : strerror(-err));
	if (f.full)
		log_warning("%" PRIu64 " connections from before the start lack their real server: too many; "
			    "allow more by --max-conns", f.full);
	log_debug("%" PRIu64 " connections that IPVS had already, read in %" PRId64 " us", f.n,
		  now_us() - began_us);
	return f.services;
}
