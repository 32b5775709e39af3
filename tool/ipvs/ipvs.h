/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what IPVS reports: the connections that it has already, from /proc/net/ip_vs_conn of every network namespace, and
 * how many it has taken. */
#ifndef IPVS_H
#define IPVS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ipvs_entry {
	uint8_t caddr[16], vaddr[16], daddr[16];	/* network byte order, IPv4 mapped */
	uint16_t cport, vport, dport;			/* host byte order */
	uint8_t dest_family;				/* of daddr: AF_INET or AF_INET6 */
	uint32_t netns;					/* inode number of the namespace */
};

typedef void (*ipvs_entry_seen)(void *cookie, const struct ipvs_entry *entry);

/**
 * ipvs_read - read each TCP connection of IPVS in each network namespace, but no persistence templates
 * @proc_root: where procfs is mounted: "/proc"
 * @seen:      called for each entry, which is valid only during the call
 * @go_on:     called before each part; false ends the reading. Up to at least 6.12 the time to read grows with the square
 *	of the number of connections, of all namespaces: a read() returns a page, and the next walks there from the beginning.
 * Return: as namespaces_read()
 * Source: ip_vs_conn_seq_show(), ip_vs_conn_array(), net/netfilter/ipvs/ip_vs_conn.c
 */
int ipvs_read(const char *proc_root, ipvs_entry_seen seen, bool (*go_on)(void *cookie), void *cookie);

/**
 * ipvs_total - read how many TCP connections IPVS has, in all network namespaces, as it counts them by real server
 * Those of a real server or virtual service that was removed are not in it.
 * @n: set if the result is 0
 * Return: as namespaces_read()
 * Source: ip_vs_info_seq_show(), net/netfilter/ipvs/ip_vs_ctl.c
 */
int ipvs_total(const char *proc_root, uint64_t *n);

/** struct ipvs_sum_of_conns - for ipvs_add_conns(): zero at first */
struct ipvs_sum_of_conns {
	uint64_t n;
	bool tcp;		/* the virtual service of the last line may have TCP connections */
};

/** ipvs_add_conns - add the connections in a line of net/ip_vs: @len bytes, without the newline */
void ipvs_add_conns(struct ipvs_sum_of_conns *sum, const char *line, size_t len);

/**
 * ipvs_taken - read how many connections of every protocol IPVS has taken so far in this process's network namespace
 * @proc_root: as above
 * @n:         set on 0. IPVS counts a connection when it has its real server, just after ip_vs_conn_new(). The count starts
 *	anew when the module is loaded. Administrators cannot reset it: they reset another counter.
 * Return: 0, -ENOENT (no ip_vs, or not readable), or -EBADMSG.
 * Source: ip_vs_conn_stats(), net/netfilter/ipvs/ip_vs_core.c; ip_vs_stats_percpu_show(), ip_vs_ctl.c
 */
int ipvs_taken(const char *proc_root, uint64_t *n);

/**
 * ipvs_counts_none - true if IPVS has made a connection in this process's network namespace, but has counted none
 * Some vendors' kernels count nothing while estimation is off. Connections that another director has sent are never counted.
 * Source: ip_vs_conn_sync_seq_show(), net/netfilter/ipvs/ip_vs_conn.c
 */
bool ipvs_counts_none(const char *proc_root);

/**
 * ipvs_sum - add up the connections in the CPUs' lines of net/ip_vs_stats_percpu
 * @text: content of the file, NUL-terminated
 * Return: 0 with @n set, or -EBADMSG if the text has no line of a CPU.
 */
int ipvs_sum(const char *text, uint64_t *n);

/**
 * ipvs_packet_rate - read how many packets a second IPVS now gets in this process's network namespace, as it estimates itself
 * @n: set on 0
 * Return: 0, -ENOENT (no ip_vs, or not readable), or -EBADMSG.
 * Source: ip_vs_stats_show(), net/netfilter/ipvs/ip_vs_ctl.c
 */
int ipvs_packet_rate(const char *proc_root, uint64_t *n);

/** ipvs_rate - find that rate in the content of net/ip_vs_stats, NUL-terminated; Return: 0, or -EBADMSG */
int ipvs_rate(const char *text, uint64_t *n);

/**
 * ipvs_parse - parse one line of net/ip_vs_conn
 * @line: @len bytes, without the newline
 * @e:    filled on 0, except netns
 * Return: 0, or -EINVAL for a line that is no TCP connection: the heading, UDP, a template.
 */
int ipvs_parse(const char *line, size_t len, struct ipvs_entry *e);

#endif
