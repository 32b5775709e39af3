/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of ports and of addresses: if a list is accepted, its full form must parse as the same. */
#include "fuzz.h"

#include "cli/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(struct options *o, char *letter, char *value)
{
	char *argv[] = { "ipvs-tcpstate", letter, value, NULL };
	int err = options_parse(o, 3, argv);

	expect(err ? err == -EINVAL && *o->error : !*o->error);
	return err;
}

static void write_ports(FILE *to, const struct port_list *list)
{
	expect(list->n && list->n <= FILTER_PORTS_MAX);
	for (size_t i = 0; i < list->n; i++)
		fprintf(to, "%s%u", i ? "," : "", list->port[i]);
}

static void write_ends(FILE *to, const struct address_list *list)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	expect(list->n && list->n <= FILTER_ADDRESSES_MAX);
	for (size_t i = 0; i < list->n; i++) {
		const uint8_t *addr = list->end[i].addr;
		char text[INET6_ADDRSTRLEN];
		bool ipv4 = !memcmp(addr, mapped, sizeof(mapped));

		expect(inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? addr + 12 : addr, text, sizeof(text)));
		fprintf(to, ipv4 ? "%s%s" : "%s[%s]", i ? "," : "", text);
		if (list->end[i].port)
			fprintf(to, ":%u", list->end[i].port);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *const letters[] = { "-L", "-D", "-V", "-R" };
	static struct options first, again;
	static char text[FILTER_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 10)];
	unsigned which;
	char *value;

	if (!size)
		return 0;
	which = data[0] % N_OF(letters);
	value = fuzz_copy(data + 1, size - 1);
	if (!parse(&first, letters[which], value)) {
		FILE *to = fmemopen(text, sizeof(text), "w");

		expect(to);
		if (which < 2)
			write_ports(to, which ? &first.rports : &first.lports);
		else
			write_ends(to, which == 3 ? &first.reals : &first.vips);
		expect(!fclose(to));
		expect(!parse(&again, letters[which], text));
		/* NOLINTNEXTLINE: options_parse() has filled all of it, also the padding */
		expect(!memcmp(&first, &again, sizeof(first)));
	}
	free(value);
	return 0;
}
