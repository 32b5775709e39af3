/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of /proc/net/ip_vs_conn, or the whole ip_vs_stats_percpu. If the line is accepted, the same values in the
 * kernel's own form must parse as the same.
 */
#include "fuzz.h"

#include "ipvs/ipvs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Writes an address and a port in the form of ip_vs_conn_seq_show(). */
static char *write_end(char *to, const uint8_t addr[16], bool ipv6, uint16_t port)
{
	*to++ = ' ';
	for (int i = ipv6 ? 0 : 12; i < 16; i++)
		to += sprintf(to, "%02X%s", addr[i], ipv6 && i % 2 && i < 15 ? ":" : "");
	return to + sprintf(to, " %04X", port);
}

static bool is_ipv6(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr, mapped, sizeof(mapped)) != 0;
}

/* Reads the same bytes as the file of IPVS's counters: the result must be a sum or an error. */
static void sum(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint64_t n;
	int err;

	expect(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	err = ipvs_sum(text, &n);
	expect(!err || (err == -EBADMSG && !n));
	free(text);
}

/* Reads the same bytes as a line of the services: one line has no connections. */
static void add_conns(const char *line, size_t size)
{
	struct ipvs_sum_of_conns sum = { 0 };

	ipvs_add_conns(&sum, line, size);
	expect(!sum.n);
	sum.tcp = true;
	ipvs_add_conns(&sum, line, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipvs_entry e, again;
	char line[256], *at = line;
	uint8_t *exact = fuzz_bytes(data, size);
	int err;

	sum(data, size);
	add_conns((const char *)exact, size);
	err = ipvs_parse((const char *)exact, size, &e);
	free(exact);
	if (err) {
		expect(err == -EINVAL);
		return 0;
	}
	expect(e.cport);
	expect(e.dest_family == AF_INET ? !is_ipv6(e.daddr) : e.dest_family == AF_INET6);
	at += sprintf(at, "TCP");
	at = write_end(at, e.caddr, is_ipv6(e.caddr), e.cport);
	at = write_end(at, e.vaddr, is_ipv6(e.vaddr), e.vport);
	at = write_end(at, e.daddr, e.dest_family == AF_INET6, e.dport);
	expect(!ipvs_parse(line, (size_t)(at - line), &again));
	expect(!memcmp(e.caddr, again.caddr, 16) && !memcmp(e.vaddr, again.vaddr, 16) && !memcmp(e.daddr, again.daddr, 16));
	expect(e.cport == again.cport && e.vport == again.vport && e.dport == again.dport);
	expect(e.dest_family == again.dest_family);
	return 0;
}
