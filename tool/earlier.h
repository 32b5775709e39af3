/* SPDX-License-Identifier: Apache-2.0 */
/* What IPVS has already when tracing begins, into map "earlier": the next event of such a socket has its
 * real server. */
#ifndef EARLIER_H
#define EARLIER_H

#include "loader.h"
#include "summary.h"

#include <stdint.h>

/**
 * earlier_room - how many entries the map needs
 * @proc_root: where procfs is
 * @conns:     sockets that are followed; the map has room for as many, and for a million
 */
uint32_t earlier_room(const char *proc_root, uint32_t conns);

/**
 * earlier_read - fill the map; says so where it cannot, or not with all
 * Entries of later connections are not touched: those are found by their sockets first.
 * @summary: where their real servers are to be counted; NULL: nothing is
 * Return: a bit for the port of each service, for loader_set(); 0: there is nothing.
 */
uint64_t earlier_read(const struct loaded *l, const char *proc_root, struct summary *summary);

/**
 * earlier_count_open - count those of them as open whose socket is established, on this host, and is not seen by
 * the programs yet; after loader_set() with what earlier_read() has returned
 * @o: which connections are wanted at all
 */
void earlier_count_open(const struct loaded *l, const struct options *o, struct summary *summary);

#endif
