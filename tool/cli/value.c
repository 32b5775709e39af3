/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

int value_number(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (!len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		n = n * 10 + (uint64_t)(text[i] - '0');
		if (n > max)
			return -EINVAL;
	}
	*out = n;
	return 0;
}

int value_size(const char *text, uint64_t max, uint64_t *bytes)
{
	size_t len = strlen(text);
	int suffix = len ? text[len - 1] : 0;
	uint64_t unit = suffix == 'K' || suffix == 'k' ? 1024 : suffix == 'M' || suffix == 'm' ? 1024 * 1024 : 0;
	int err = value_number(text, unit ? len - 1 : len, max / (unit ? unit : VALUE_PAGE), bytes);

	if (!err)
		*bytes *= unit ? unit : VALUE_PAGE;
	return err;
}

int value_address(const char *text, size_t len, uint8_t addr[16], uint16_t *port)
{
	char word[INET6_ADDRSTRLEN + 8], *host = word, *colon, *after;
	uint64_t number = 0;
	bool ipv6;

	if (len >= sizeof(word))
		return -EINVAL;
	memcpy(word, text, len);
	word[len] = '\0';
	colon = strchr(word, ':');
	ipv6 = *word == '[' || (colon && strchr(colon + 1, ':'));
	after = colon;
	if (*word == '[') {
		host++;
		after = strchr(host, ']');
		if (!after)
			return -EINVAL;
		*after++ = '\0';
		if (*after && *after != ':')
			return -EINVAL;
	} else if (ipv6) {
		after = NULL;
	}
	if (after && *after) {
		*after++ = '\0';
		if (value_number(after, strlen(after), 65535, &number) || !number)
			return -EINVAL;
	}
	*port = (uint16_t)number;
	memset(addr, 0, 10);
	memset(addr + 10, 0xff, 2);
	return inet_pton(ipv6 ? AF_INET6 : AF_INET, host, ipv6 ? addr : addr + 12) == 1 ? 0 : -EINVAL;
}
