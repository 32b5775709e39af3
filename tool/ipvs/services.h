/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which real servers have left their virtual service, or have weight 0: /proc/net/ip_vs of every namespace, compared with what was
 * read before.
 */
#ifndef SERVICES_H
#define SERVICES_H

#include "ipvs/ipvs.h"

#include <stdbool.h>
#include <stddef.h>

/** struct services - zero at first; services_free() frees it */
struct services {
	struct ipvs_server *server;	/* sorted */
	size_t n;
	bool full;			/* there were more than SERVICES_MAX, so it has none of them */
};

#define SERVICES_MAX 65536

/**
 * services_update - compare with a new reading
 * @now: @n elements, with one of IPVS_NO_SERVICE for each namespace that was read; sorted by this call
 *
 * A real server that is missing in one reading may still be there: if services come or go meanwhile, the kernel may skip one in
 * the file. So it has left if it is missing in two readings. Some readings later it is forgotten; the connections to
 * it are known by then. The real servers of a namespace that was not read are forgotten at once: they may still be there.
 * Return: 0 or -ENOMEM, with @s unchanged.
 */
int services_update(struct services *s, struct ipvs_server *now, size_t n);

/**
 * services_read - read, again if a real server is missing, and compare
 * @proc_root: where procfs is mounted: "/proc"
 * Return: as namespaces_read(); or -ENOMEM.
 */
int services_read(struct services *s, const char *proc_root);

/** services_any_stale - true if any real server has left its service or has weight 0 */
bool services_any_stale(const struct services *s);

/**
 * services_is_stale - true if the real server of a connection has left the connection's service or has weight 0
 * @e: its entry; the client's address is not used. If several services may have it, all must agree.
 */
bool services_is_stale(const struct services *s, const struct ipvs_entry *e);

void services_free(struct services *s);

#endif
