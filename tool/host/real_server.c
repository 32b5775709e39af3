/* SPDX-License-Identifier: Apache-2.0 */
#include "host/real_server.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>

static long read_conf(const char *dev, const char *name)
{
	char path[128], *text;
	long n;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.32s/%.32s", dev, name);
	text = file_read(path);
	n = text ? strtol(text, NULL, 10) : 0;
	free(text);
	return n;
}

static long conf_in_use(const char *dev, const char *name)
{
	long all = read_conf("all", name), own = read_conf(dev, name);

	return all > own ? all : own;
}

static bool is_virtual_ip(const struct ifaddrs *a)
{
	const struct sockaddr_in *in = (const void *)a->ifa_addr;

	return in && in->sin_family == AF_INET && a->ifa_flags & (IFF_LOOPBACK | IFF_NOARP) && ntohl(in->sin_addr.s_addr) >> 24 != 127;
}

/* Returns the kind of an interface that is up, ARPHRD_ETHER and others; each has one such entry in the list. Else -1. */
static int kind_of(const struct ifaddrs *a)
{
	const struct sockaddr_ll *ll = (const void *)a->ifa_addr;

	if (!(a->ifa_flags & IFF_UP))
		return -1;
	if (!ll)	/* glibc tells no kind of an interface without hardware address */
		return ARPHRD_VOID;
	return ll->sll_family == AF_PACKET ? ll->sll_hatype : -1;
}

/* Returns the first interface on which this host answers ARP for addresses of other interfaces, or NULL. */
static const char *answers_on(const struct ifaddrs *list)
{
	for (const struct ifaddrs *a = list; a; a = a->ifa_next)
		if (kind_of(a) == ARPHRD_ETHER && !(a->ifa_flags & IFF_NOARP) && !conf_in_use(a->ifa_name, "arp_ignore"))
			return a->ifa_name;
	return NULL;
}

bool real_server_arp(char *found, size_t len, char *mend, size_t mend_len)
{
	char text[INET_ADDRSTRLEN] = "", more[32] = "";
	const char *on = NULL, *dev = NULL;
	struct ifaddrs *list = NULL;
	unsigned n = 0;

	if (getifaddrs(&list)) {
		snprintf(found, len, "not known: the addresses cannot be read");
		return true;
	}
	for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
		if (!is_virtual_ip(a) || n++)
			continue;
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr, text, sizeof(text));
		dev = a->ifa_name;
	}
	if (n > 1)
		snprintf(more, sizeof(more), " and %u more", n - 1);
	on = n ? answers_on(list) : NULL;
	if (!n)
		snprintf(found, len, "no virtual IP on lo or an interface without ARP");
	else if (on)
		snprintf(found, len, "virtual IP %s on %s%s: this host answers ARP for it on %s, so clients may pass by the director",
			 text, dev, more, on);
	else
		snprintf(found, len, "virtual IP %s on %s%s: no ARP answers", text, dev, more);
	if (on)
		snprintf(mend, mend_len, "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
	freeifaddrs(list);
	return !on;
}

bool real_server_filter(char *found, size_t len, char *mend, size_t mend_len)
{
	struct ifaddrs *list = NULL;
	bool good = true;

	snprintf(found, len, "no tunnel with a strict one");
	if (getifaddrs(&list))
		return true;
	for (const struct ifaddrs *a = list; a && good; a = a->ifa_next) {
		int kind = kind_of(a);

		if (kind < 0 || kind == ARPHRD_ETHER || kind == ARPHRD_LOOPBACK || conf_in_use(a->ifa_name, "rp_filter") != 1)
			continue;
		good = false;
		snprintf(found, len, "strict on %s: packets of clients that come through this tunnel are dropped", a->ifa_name);
		/* The larger value counts, and 2, which is loose, is the largest. */
		snprintf(mend, mend_len, "sysctl -w net.ipv4.conf.%s.rp_filter=2", a->ifa_name);
	}
	freeifaddrs(list);
	return good;
}
