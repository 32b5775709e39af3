/* SPDX-License-Identifier: Apache-2.0 */
/* What IPVS tells: the connections that it has already, /proc/net/ip_vs_conn of every network namespace, and how many it
 * has taken. */
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
 * ipvs_taken - how many connections IPVS has taken so far in this process's network namespace, of every protocol
 * @proc_root: as above
 * @n:         set on 0. It is counted where a connection has its real server, just after ip_vs_conn_new(); begins anew when
 *	the module does; what administrators set to zero is another counter.
 * Return: 0, -ENOENT (no ip_vs, or not readable), or -EBADMSG.
 * Source: ip_vs_conn_stats(), net/netfilter/ipvs/ip_vs_core.c; ip_vs_stats_percpu_show(), ip_vs_ctl.c
 */
int ipvs_taken(const char *proc_root, uint64_t *n);

/**
 * ipvs_sum - the sum of the CPUs' lines of net/ip_vs_stats_percpu
 * @text: the file, NUL-terminated
 * Return: 0 with @n, or -EBADMSG where there is no line of a CPU.
 */
int ipvs_sum(const char *text, uint64_t *n);

/**
 * ipvs_parse - one line of the file
 * @line: @len bytes, without its end
 * @e:    filled but for netns where 0 is returned
 * Return: 0, or -EINVAL for a line that is no TCP connection: the heading, UDP, a template.
 */
int ipvs_parse(const char *line, size_t len, struct ipvs_entry *e);

#endif
