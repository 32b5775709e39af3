/* SPDX-License-Identifier: Apache-2.0 */
#include "ipvs/ipvs.h"

#include "base/file.h"
#include "host/host.h"
#include "ipvs/namespaces.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static const char *skip_spaces(const char *at, const char *end)
{
	while (at < end && *at == ' ')
		at++;
	return at;
}

/* Reads two hexadecimal digits. Returns NULL if they are not there. */
static const char *read_byte(const char *at, const char *end, uint8_t *to)
{
	int high, low;

	if (end - at < 2)
		return NULL;
	high = digit(at[0]);
	low = digit(at[1]);
	if (high < 0 || low < 0)
		return NULL;
	*to = (uint8_t)(high << 4 | low);
	return at + 2;
}

/* Reads C0A80001, or fd00:0000:0000:0000:0000:0000:0000:0001, maybe in brackets. */
static const char *read_addr(const char *at, const char *end, uint8_t addr[16], uint8_t *family)
{
	uint8_t bytes[16];
	size_t n = 0;

	at = skip_spaces(at, end);
	if (at < end && *at == '[')
		at++;
	while (n < 16 && at && at < end && *at != ' ' && *at != ']') {
		if (*at == ':')
			at++;
		else
			at = read_byte(at, end, &bytes[n++]);
	}
	if (!at || (n != 4 && n != 16))
		return NULL;
	memset(addr, 0, 10);
	memset(addr + 10, 0xff, 2);
	memcpy(addr + 16 - n, bytes, n);
	*family = n == 4 ? AF_INET : AF_INET6;
	return at < end && *at == ']' ? at + 1 : at;
}

static const char *read_port(const char *at, const char *end, uint16_t *port)
{
	uint8_t high, low;

	at = read_byte(skip_spaces(at, end), end, &high);
	if (at)
		at = read_byte(at, end, &low);
	if (at)
		*port = (uint16_t)(high << 8 | low);
	return at;
}

int ipvs_parse(const char *line, size_t len, struct ipvs_entry *e)
{
	const char *end = line + len, *at = line + 3;
	uint8_t family;

	if (len < 4 || memcmp(line, "TCP", 3))
		return -EINVAL;
	at = read_addr(at, end, e->caddr, &family);
	if (at)
		at = read_port(at, end, &e->cport);
	if (at)
		at = read_addr(at, end, e->vaddr, &family);
	if (at)
		at = read_port(at, end, &e->vport);
	if (at)
		at = read_addr(at, end, e->daddr, &e->dest_family);
	if (at)
		at = read_port(at, end, &e->dport);
	return at && e->cport ? 0 : -EINVAL;
}

struct reading {
	ipvs_entry_seen seen;
	bool (*go_on)(void *cookie);
	void *cookie;
};

static void on_conn_line(void *cookie, const char *line, size_t len, uint32_t netns)
{
	const struct reading *r = cookie;
	struct ipvs_entry e;

	if (ipvs_parse(line, len, &e))
		return;
	e.netns = netns;
	r->seen(r->cookie, &e);
}

static bool may_go_on(void *cookie)
{
	const struct reading *r = cookie;

	return r->go_on(r->cookie);
}

int ipvs_read(const char *proc_root, ipvs_entry_seen seen, bool (*go_on)(void *cookie), void *cookie)
{
	struct reading r = { seen, go_on, cookie };

	return namespaces_read(proc_root, "ip_vs_conn", on_conn_line, may_go_on, &r);
}

/* "TCP  0A630001:0050 rr", and then for each real server "  -> 0A630101:1F90      Masq    1      2          3": its weight,
 * its active and its inactive connections. A service of a firewall mark has connections of every protocol. */
void ipvs_add_conns(struct ipvs_sum_of_conns *sum, const char *line, size_t len)
{
	char text[160], *at = text, *end;
	uint64_t active, inactive;

	if (len >= sizeof(text))
		return;
	memcpy(text, line, len);
	text[len] = '\0';
	if (*text != ' ')
		sum->tcp = !strncmp(text, "TCP ", 4) || !strncmp(text, "FWM ", 4);
	if (*text != ' ' || !sum->tcp)
		return;
	for (int i = 0; i < 4; i++) {	/* the arrow, the address, the method, the weight */
		at += strspn(at, " ");
		at += strcspn(at, " ");
	}
	active = strtoull(at, &end, 10);
	inactive = strtoull(end, &at, 10);
	if (at > end)
		sum->n += active + inactive;
}

static void on_service_line(void *cookie, const char *line, size_t len, uint32_t netns)
{
	(void)netns;
	ipvs_add_conns(cookie, line, len);
}

int ipvs_total(const char *proc_root, uint64_t *n)
{
	struct ipvs_sum_of_conns sum = { 0 };
	int err = namespaces_read(proc_root, "ip_vs", on_service_line, NULL, &sum);

	if (!err)
		*n = sum.n;
	return err;
}

/* A line is "  0       1A       3F ...": a CPU, its connections, packets, bytes; all hexadecimal. */
int ipvs_sum(const char *text, uint64_t *n)
{
	int err = -EBADMSG;

	*n = 0;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *cpu = line + strspn(line, " ");
		char *end, *rest;
		uint64_t conns;

		if (*cpu == '~')	/* the totals; rates follow */
			break;
		if (!isxdigit((unsigned char)*cpu))
			continue;
		strtoul(cpu, &end, 16);
		if (*end != ' ' || !isxdigit((unsigned char)end[strspn(end, " ")]))
			continue;
		conns = strtoull(end, &rest, 16);
		if (*rest != ' ')
			continue;
		*n += conns;
		err = 0;
	}
	return err;
}

static int read_stats(const char *proc_root, const char *name, int (*parse)(const char *text, uint64_t *n), uint64_t *n)
{
	char path[PATH_MAX], *text;
	int err;

	snprintf(path, sizeof(path), "%s/self/net/%s", proc_root, name);
	text = file_read(path);
	err = text ? parse(text, n) : -ENOENT;
	free(text);
	return err;
}

int ipvs_taken(const char *proc_root, uint64_t *n)
{
	return read_stats(proc_root, "ip_vs_stats_percpu", ipvs_sum, n);
}

bool ipvs_counts_none(const char *proc_root)
{
	char path[PATH_MAX], line[256];
	bool made = false;
	uint64_t taken;
	FILE *file;

	if (ipvs_taken(proc_root, &taken) || taken)
		return false;
	snprintf(path, sizeof(path), "%s/self/net/ip_vs_conn_sync", proc_root);
	file = fopen(path, "re");
	for (int lines = 0; file && !made && lines < 1000 && fgets(line, sizeof(line), file); lines++)
		made = strstr(line, " LOCAL ");
	if (file)
		fclose(file);
	return made;
}

/* The line after the heading "Conns/s   Pkts/s   Pkts/s ..." has the rates, hexadecimal. */
int ipvs_rate(const char *text, uint64_t *n)
{
	const char *heading = strstr(text, "Pkts/s"), *line = heading ? strchr(heading, '\n') : NULL;
	char *rest, *end;

	if (!line)
		return -EBADMSG;
	strtoull(line, &rest, 16);
	*n = strtoull(rest, &end, 16);
	return rest != line && end != rest ? 0 : -EBADMSG;
}

int ipvs_packet_rate(const char *proc_root, uint64_t *n)
{
	return read_stats(proc_root, "ip_vs_stats", ipvs_rate, n);
}
