/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of --names. If it is accepted, each name is found by its address and fits every format, and the same names in a plain
 * form give the same again. If not, there is one line about it.
 */
#include "fuzz.h"

#include "rows/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct endpoint endpoint_of(const struct name *name)
{
	struct endpoint e = { .port = name->port, .family = AF_INET6 };

	memcpy(e.addr, name->addr, sizeof(e.addr));
	return e;
}

static void write_plain(FILE *to, const struct names *n)
{
	for (size_t i = 0; i < n->n; i++) {
		const char *text = n->text + n->name[i].text;
		char addr[INET6_ADDRSTRLEN];

		expect(inet_ntop(AF_INET6, n->name[i].addr, addr, sizeof(addr)));
		if (n->name[i].port)
			fprintf(to, "[%s]:%u %s\n", addr, n->name[i].port, text);
		else
			fprintf(to, "%s %s\n", addr, text);
	}
}

static void check_names(const struct names *n)
{
	expect(n->n <= NAMES_MAX);
	for (size_t i = 0; i < n->n; i++) {
		const struct endpoint e = endpoint_of(&n->name[i]);
		const char *found = names_find(n, &e);

		expect(found == n->text + n->name[i].text);
		expect(*found && strlen(found) <= NAMES_LEN_MAX);
		for (; *found; found++)
			expect(*found > ' ' && *found < 0x7f && !strchr("\"\\,#", *found));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct names names = { .n = 0 }, again = { .n = 0 };
	uint8_t *exact = fuzz_bytes(data, size);
	char errmsg[384] = "", *plain = NULL;
	size_t len = 0;
	int err = names_add_text(&names, "some/file", (const char *)exact, size, errmsg, sizeof(errmsg));

	free(exact);
	check_names(&names);
	if (err) {
		expect(err == -EINVAL);
		expect(!strncmp(errmsg, "some/file:", 10));
		for (const char *at = errmsg; *at; at++)
			expect(*at >= ' ' && *at < 0x7f);
	} else {
		FILE *to = open_memstream(&plain, &len);

		expect(to);
		expect(!*errmsg);
		write_plain(to, &names);
		expect(!fclose(to));
		expect(!names_add_text(&again, "again", plain, len, errmsg, sizeof(errmsg)));
		expect(again.n == names.n && again.text_len == names.text_len);
		expect(!names.n || !memcmp(again.text, names.text, names.text_len));
		free(plain);
	}
	names_free(&again);
	names_free(&names);
	return 0;
}
