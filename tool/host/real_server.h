/* SPDX-License-Identifier: Apache-2.0 */
/* This module finds what keeps a real server of direct routing or of a tunnel from working: the host answers ARP for the virtual
 * IP, or it drops what comes out of the tunnel. It looks at the network namespace of this process, and at IPv4 only: IPv6
 * answers only for addresses of the interface that was asked, and the kernel has no reverse-path filter for it. */
#ifndef REAL_SERVER_H
#define REAL_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/**
 * real_server_arp - look for virtual IPs: addresses on lo or on an interface without ARP, such as dummy, that are not 127.0.0.0/8
 * @found: one line, @len bytes: the virtual IPs, and on which interface this host answers ARP for them, if it does
 * @mend: a command that ends that; not changed if there is nothing to mend
 * Return: false if this host answers.
 * Source: arp_ignore() in net/ipv4/arp.c; Documentation/networking/ip-sysctl.rst. The larger of the values of "all" and of
 *	the interface counts: IN_DEV_MAXCONF(), include/linux/inetdevice.h.
 */
bool real_server_arp(char *found, size_t len, char *mend, size_t mend_len);

/**
 * real_server_filter - look for tunnels with a strict reverse-path filter: the way back to a client is another interface
 * The arguments are those of real_server_arp().
 * Return: false if there is such a tunnel.
 * Source: __fib_validate_source() in net/ipv4/fib_frontend.c
 */
bool real_server_filter(char *found, size_t len, char *mend, size_t mend_len);

#endif
