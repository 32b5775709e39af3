/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes many connections of IPVS at once: it sends the messages by which a master daemon tells its backup what it has. The
 * host runs a backup daemon on the same interface: ipvsadm --start-daemon backup --mcast-interface DEV
 *
 * Usage: synced DEV N VIP:PORT REAL:PORT
 * The clients are 10.0.0.0:1024 and on, 60000 ports for each address. All are established and last for an hour.
 * Source: struct ip_vs_sync_mesg, struct ip_vs_sync_v4, net/netfilter/ipvs/ip_vs_sync.c
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GROUP 0xe0000051	/* 224.0.0.81 */
#define PORT 8848
#define PORTS 60000

enum { PER_MESSAGE = 40, STATE_ESTABLISHED = 1, VERSION_1 = 1 };

struct conn {
	uint8_t type, protocol;
	uint16_t ver_size;
	uint32_t flags;
	uint16_t state, cport, vport, dport;
	uint32_t fwmark, timeout, caddr, vaddr, daddr;
};

struct message {
	uint8_t reserved, syncid;
	uint16_t size;
	uint8_t n, version;
	uint16_t spare;
	struct conn conn[PER_MESSAGE];
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_socket(const char *dev)
{
	struct ip_mreqn group = { .imr_ifindex = (int)if_nametoindex(dev) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(GROUP) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || !group.imr_ifindex)
		fail(dev);
	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)) || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fail("multicast");
	return fd;
}

static struct sockaddr_in parse(const char *text)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	char ip[64];
	unsigned int port;

	if (sscanf(text, "%63[^:]:%u", ip, &port) != 2 || !inet_pton(AF_INET, ip, &addr.sin_addr)) {
		fprintf(stderr, "synced: not ADDR:PORT: %s\n", text);
		exit(2);
	}
	addr.sin_port = htons((uint16_t)port);
	return addr;
}

int main(int argc, char *argv[])
{
	struct message m = { .version = VERSION_1 };
	struct sockaddr_in vip, real;
	unsigned long n;
	int fd;

	if (argc != 5) {
		fprintf(stderr, "Usage: synced DEV N VIP:PORT REAL:PORT\n");
		return 2;
	}
	fd = open_socket(argv[1]);
	n = strtoul(argv[2], NULL, 10);
	vip = parse(argv[3]);
	real = parse(argv[4]);
	for (unsigned long i = 0; i < n; i++) {
		size_t size;

		m.conn[m.n++] = (struct conn){
			.protocol = IPPROTO_TCP,
			.ver_size = htons(sizeof(struct conn)),
			.state = htons(STATE_ESTABLISHED),
			.cport = htons((uint16_t)(1024 + i % PORTS)),
			.vport = vip.sin_port,
			.dport = real.sin_port,
			.timeout = htonl(3600),
			.caddr = htonl((uint32_t)(0x0a000000 + i / PORTS)),
			.vaddr = vip.sin_addr.s_addr,
			.daddr = real.sin_addr.s_addr,
		};
		if (m.n < PER_MESSAGE && i + 1 < n)
			continue;
		size = sizeof(m) - sizeof(m.conn) + m.n * sizeof(m.conn[0]);
		m.size = htons((uint16_t)size);
		if (send(fd, &m, size, 0) != (ssize_t)size)
			fail("send");
		m.n = 0;
	}
	return 0;
}
