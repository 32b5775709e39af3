/* SPDX-License-Identifier: Apache-2.0 */
/* The connections that IPVS has already: /proc/net/ip_vs_conn of every network namespace. */
#ifndef IPVS_H
#define IPVS_H

#include <stddef.h>
#include <stdint.h>

struct ipvs_entry {
	uint8_t caddr[16], vaddr[16], daddr[16];	/* network byte order, IPv4 mapped */
	uint16_t cport, vport, dport;			/* host byte order */
	uint8_t dest_family;				/* AF_INET, AF_INET6: of daddr */
	uint32_t netns;					/* inode number of the namespace */
};

typedef void (*ipvs_entry_seen)(void *cookie, const struct ipvs_entry *entry);

/**
 * ipvs_read - each TCP connection of IPVS in each network namespace; templates of persistence are none
 * @proc_root: where procfs is, "/proc"
 * @seen:      called for each entry; it is not kept
 * Return: as namespaces_read()
 * Source: ip_vs_conn_seq_show(), net/netfilter/ipvs/ip_vs_conn.c
 */
int ipvs_read(const char *proc_root, ipvs_entry_seen seen, void *cookie);

/**
 * ipvs_parse - one line of the file
 * @line: @len bytes, without its end
 * @e:    filled but for netns where 0 is returned
 * Return: 0, or -EINVAL for a line that is no TCP connection: the heading, UDP, a template.
 */
int ipvs_parse(const char *line, size_t len, struct ipvs_entry *e);

#endif
