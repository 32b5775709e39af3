/* SPDX-License-Identifier: Apache-2.0 */
/* A byte for the size of the buffer, a byte for the columns, then a process name; it is escaped, and read back. */
#include "fuzz.h"

#include "output/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the escaped form back and checks every character. Returns the columns. */
static int unescape(const char *safe, char *to)
{
	int columns = 0;

	while (*safe) {
		int len = fuzz_utf8(safe);

		expect(len);
		if (*safe == '\\') {
			expect(safe[1] == 'x' && strspn(safe + 2, "0123456789abcdef") >= 2);
			*to++ = (char)strtoul((const char[]){ safe[2], safe[3], '\0' }, NULL, 16);
			safe += 4;
			columns += 4;
			continue;
		}
		expect((unsigned char)*safe >= 0x20 && *safe != 0x7f);
		expect(!((unsigned char)safe[0] == 0xc2 && (unsigned char)safe[1] < 0xa0));
		memcpy(to, safe, (size_t)len);
		to += len;
		safe += len;
		columns++;
	}
	*to = '\0';
	return columns;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t name[16] = { 0 };
	char *comm, *safe, back[80];
	int max, columns;
	size_t room;

	if (size < 2)
		return 0;
	room = 1 + data[0] % 80;
	max = data[1] % 66;
	memcpy(name, data + 2, size - 2 < 15 ? size - 2 : 15);
	comm = fuzz_copy(name, 15);
	safe = fuzz_copy((const uint8_t[80]){ 0 }, room - 1);
	output_comm(safe, room, comm, max);
	expect(strnlen(safe, room) < room);
	columns = unescape(safe, back);
	expect(columns <= max && !strncmp(comm, back, strlen(back)));
	/* It may be cut only if the next piece would not fit. */
	expect(!comm[strlen(back)] || columns + 4 > max || strlen(safe) + 4 > room - 1);
	free(comm);
	free(safe);
	return 0;
}
