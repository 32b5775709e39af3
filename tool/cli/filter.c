/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/filter.h"

#include <string.h>

bool filter_has_port(const struct port_list *list, uint16_t port)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->port[i] == port)
			return true;
	return !list->n;
}

bool filter_has_address(const struct address_list *list, const uint8_t addr[16], uint16_t port)
{
	for (size_t i = 0; i < list->n; i++)
		if (!memcmp(list->end[i].addr, addr, 16) && (!list->end[i].port || list->end[i].port == port))
			return true;
	return !list->n;
}
